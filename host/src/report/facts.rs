//! Totals of the families that no built-in rule judges: one line each, without a judgement. What was not measured has no line.

use std::collections::BTreeMap;

use kerno_signals::{Cgroup, Coverage, Cpu, Families, Fd, Memory, Snapshot, Syscall};

use super::units::{bytes, count, human, human_seconds};

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
        ("fd", families.fd.as_ref().map(fd)),
        ("memory", families.memory.as_ref().map(memory)),
        ("cpu", families.cpu.as_ref().map(cpu)),
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

fn memory(memory: &Memory) -> String {
    let host = &memory.host;
    let size = |value: u64| bytes(value as f64);
    let swap = match host.swap_total_bytes {
        0 => "no swap".to_owned(),
        total => format!("{} of {} swap used", size(host.swap_used_bytes), size(total)),
    };
    let (used, all, faults) = (size(host.working_set_bytes), size(host.total_bytes), count(host.major_faults));
    format!("working set {used} of {all}; {swap}; {faults} major faults")
}

fn cpu(cpu: &Cpu) -> String {
    let host = &cpu.host;
    let time = host.busy_ns.saturating_add(host.idle_ns).saturating_add(host.steal_ns);
    let share = |part: u64| human(part as f64 / time.max(1) as f64, "ratio");
    let held = |group: &&kerno_signals::CgroupCpu| group.throttling.is_some_and(|quota| quota.throttled_ns > 0);
    let number = cpu.cgroups.iter().filter(held).count();
    let most = cpu.cgroups.iter().filter_map(|group| Some((group, group.throttling?.throttled_ns)));
    let quota = match most.max_by_key(|(_, throttled_ns)| *throttled_ns).filter(|_| number > 0) {
        Some((most, throttled_ns)) => {
            let groups = if number == 1 { "1 control group".to_owned() } else { format!("{number} control groups") };
            format!("{groups} held back by a quota, most {} {}", name(&most.cgroup), ns(throttled_ns))
        }
        None if cpu.cgroups.is_empty() => "quotas of control groups not read".to_owned(),
        None => "no control group that was read held back by a quota".to_owned(),
    };
    format!("{} of {} CPUs used, {} stolen; {quota}", share(host.busy_ns), host.cpus, share(host.steal_ns))
}

fn ns(nanoseconds: u64) -> String {
    human_seconds(nanoseconds as f64 / 1e9)
}

fn process(comm: &str, pid: u32) -> String {
    format!("{comm} (pid {pid})")
}

fn name(cgroup: &Cgroup) -> String {
    let container = cgroup.container.as_deref().map(|id| format!("container {}", id.get(..12).unwrap_or(id)));
    container.or(cgroup.unit.clone()).or(cgroup.path.clone()).unwrap_or_else(|| format!("id {}", cgroup.id))
}

#[cfg(test)]
mod tests {
    use kerno_signals::{Call, CallInFlight, Caller, CgroupCpu, HostCpu, Throttling};

    use super::*;

    #[test]
    fn what_was_not_measured_has_no_line() {
        assert!(totals(&Families::default()).is_empty());
        let families = Families { fd: Some(Fd::default()), oom: Some(kerno_signals::Oom::default()), ..Families::default() };
        // Kills are judged by a rule.
        assert_eq!(totals(&families).iter().map(|(family, _)| *family).collect::<Vec<_>>(), ["fd"]);
    }

    #[test]
    fn what_a_source_does_not_tell_is_not_told_as_none() {
        assert_eq!(syscall(&Syscall::default()), "calls not counted");
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

    #[test]
    fn groups_that_a_quota_held_back_are_counted_and_the_worst_named() {
        let group = |unit: &str, throttled_ns| CgroupCpu {
            cgroup: Cgroup { unit: Some(unit.to_owned()), ..Cgroup::default() },
            throttling: Some(Throttling { throttled_ns, ..Throttling::default() }),
            ..CgroupCpu::default()
        };
        let host = HostCpu { cpus: 4, busy_ns: 30, idle_ns: 70, ..HostCpu::default() };
        let cgroups = vec![group("a.service", 0), group("b.service", 2_000_000_000), group("c.service", 9)];
        let told = cpu(&Cpu { host: host.clone(), cgroups, ..Cpu::default() });
        let quota = "2 control groups held back by a quota, most b.service 2 s";
        assert_eq!(told, format!("30 % of 4 CPUs used, 0 % stolen; {quota}"));
        let told = cpu(&Cpu { host, cgroups: vec![group("a.service", 0)], ..Cpu::default() });
        assert!(told.ends_with("; no control group that was read held back by a quota"), "{told}");
        assert!(cpu(&Cpu::default()).ends_with("; quotas of control groups not read"));
    }
}
