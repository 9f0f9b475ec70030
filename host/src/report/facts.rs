//! Totals of the families that no built-in rule judges: one line each, without a judgement. What was not measured has no line.

use std::collections::BTreeMap;

use kerno_signals::{Coverage, Families, Fd, Snapshot, Syscall, Tcp};

use super::units::{count, human_seconds};

/// The lines by family, in the contract's order. A family leaves the list when a built-in rule judges it.
pub(super) fn of(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let told = |(family, text): (&'static str, String)| {
        let is_full = snapshot.collector(family).is_none_or(|report| report.coverage == Some(Coverage::Full));
        (family, if is_full { text } else { format!("in part: {text}") })
    };
    totals(&snapshot.families).into_iter().map(told).collect()
}

fn totals(families: &Families) -> Vec<(&'static str, String)> {
    let all = [
        ("syscall", families.syscall.as_ref().map(syscall)),
        ("tcp", families.tcp.as_ref().map(tcp)),
        ("fd", families.fd.as_ref().map(fd)),
    ];
    all.into_iter().filter_map(|(family, text)| Some((family, text?))).collect()
}

fn syscall(syscall: &Syscall) -> String {
    let sum = |of: fn(&kerno_signals::Call) -> u64| count(syscall.calls.iter().map(of).sum());
    let mut parts = vec![if syscall.calls.is_empty() {
        "calls not counted".to_owned()
    } else {
        format!("{} calls, {} returned an error{}", sum(|call| call.count), sum(|call| call.failed), commonest(syscall))
    }];
    if let Some(slow) = syscall.processes.first() {
        let who = process(&slow.caller.comm, slow.caller.pid);
        parts.push(format!("longest, sleep by design aside, {} in {} by {who}", ns(slow.max_ns), slow.name));
    }
    if let Some(open) = syscall.in_flight.first() {
        let number = count(syscall.in_flight_total.max(syscall.in_flight.len() as u64));
        let who = process(&open.caller.comm, open.caller.pid);
        // Its age may be by design, and is in the list's order of what is not.
        let held = format!("{}{}", if open.at_least { "at least " } else { "" }, ns(open.judged_ns));
        parts.push(format!("{number} held up at the end, longest {held} in {} by {who}", open.name));
    }
    parts.join("; ")
}

/// The error that most calls returned: many are part of normal work.
fn commonest(syscall: &Syscall) -> String {
    let mut errors: BTreeMap<&str, u64> = BTreeMap::new();
    for error in syscall.calls.iter().flat_map(|call| &call.errors) {
        *errors.entry(&error.name).or_default() += error.count;
    }
    let most = errors.into_iter().max_by_key(|(_, number)| *number);
    most.map_or_else(String::new, |(name, number)| format!(", {} of them {name}", count(number)))
}

fn tcp(tcp: &Tcp) -> String {
    let traffic = &tcp.total;
    let connections = traffic.connections.as_ref().map_or_else(
        || "connects not counted".to_owned(),
        |all| {
            let (connected, accepted, none) = (count(all.connected), count(all.accepted), count(all.unsuccessful()));
            format!("{connected} connected, {accepted} accepted, {none} connects failed")
        },
    );
    format!("{connections}; {} segments sent, {} sent again", count(traffic.sent), count(traffic.retransmitted))
}

fn fd(fd: &Fd) -> String {
    let total = &fd.total;
    let mut text = format!(
        "{} descriptors of {} processes at the end, {} at the start",
        count(total.last),
        count(total.processes),
        count(total.first)
    );
    if let Some(most) = fd.processes.iter().filter(|process| !process.own).max_by_key(|process| process.last) {
        text += &format!("; most: {} of {}", count(most.last), process(&most.comm, most.pid));
        text += &most.limit.map_or_else(String::new, |limit| format!(", limit {}", count(limit)));
    }
    text
}

fn ns(nanoseconds: u64) -> String {
    human_seconds(nanoseconds as f64 / 1e9)
}

fn process(comm: &str, pid: u32) -> String {
    format!("{comm} (pid {pid})")
}

#[cfg(test)]
mod tests {
    use kerno_signals::{Call, CallInFlight, Caller, Cgroup, Connections, Traffic};

    use super::*;

    #[test]
    fn what_was_not_measured_has_no_line() {
        assert!(totals(&Families::default()).is_empty());
        let families = Families { tcp: Some(Tcp::default()), oom: Some(kerno_signals::Oom::default()), ..Families::default() };
        // Kills are judged by a rule.
        assert_eq!(totals(&families).iter().map(|(family, _)| *family).collect::<Vec<_>>(), ["tcp"]);
    }

    #[test]
    fn what_a_source_does_not_tell_is_not_told_as_none() {
        assert_eq!(syscall(&Syscall::default()), "calls not counted");
        assert_eq!(tcp(&Tcp::default()), "connects not counted; 0 segments sent, 0 sent again");
        let total = Traffic { connections: Some(Connections { refused: 2, ..Connections::default() }), ..Traffic::default() };
        let text = tcp(&Tcp { total, ..Tcp::default() });
        assert_eq!(text, "0 connected, 0 accepted, 2 connects failed; 0 segments sent, 0 sent again");
    }

    #[test]
    fn calls_that_hang_are_told_by_what_held_them_up_not_by_sleep_by_design() {
        let open = CallInFlight {
            caller: Caller { pid: 7, comm: "dd".to_owned() },
            tid: 7,
            cgroup: Cgroup::default(),
            name: "read".to_owned(),
            age_ns: 3_600_000_000_000,
            judged_ns: 12_000_000_000,
            at_least: false,
            sleeps_in: None,
        };
        let calls = vec![Call { count: 1_200, failed: 3, ..Call::default() }, Call { count: 34, ..Call::default() }];
        let text = syscall(&Syscall { calls, in_flight: vec![open], in_flight_total: 500, ..Syscall::default() });
        assert_eq!(text, "1,234 calls, 3 returned an error; 500 held up at the end, longest 12 s in read by dd (pid 7)");
    }
}
