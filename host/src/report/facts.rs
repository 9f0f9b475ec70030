//! Totals of the families that no built-in rule judges: one line each, without a judgement. What was not measured has no line.

use kerno_signals::{Cgroup, Coverage, Cpu, Families, Memory, Snapshot, Tcp};

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
        ("tcp", families.tcp.as_ref().map(tcp)),
        ("memory", families.memory.as_ref().map(memory)),
        ("cpu", families.cpu.as_ref().map(cpu)),
    ];
    all.into_iter().filter_map(|(family, text)| Some((family, text?))).collect()
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

fn name(cgroup: &Cgroup) -> String {
    let container = cgroup.container.as_deref().map(|id| format!("container {}", id.get(..12).unwrap_or(id)));
    container.or(cgroup.unit.clone()).or(cgroup.path.clone()).unwrap_or_else(|| format!("id {}", cgroup.id))
}

#[cfg(test)]
mod tests {
    use kerno_signals::{CgroupCpu, Connections, Fd, HostCpu, Syscall, Throttling, Traffic};

    use super::*;

    #[test]
    fn what_was_not_measured_has_no_line() {
        assert!(totals(&Families::default()).is_empty());
        let families = Families {
            tcp: Some(Tcp::default()),
            oom: Some(kerno_signals::Oom::default()),
            fd: Some(Fd::default()),
            syscall: Some(Syscall::default()),
            ..Families::default()
        };
        // The others are judged by a rule.
        assert_eq!(totals(&families).iter().map(|(family, _)| *family).collect::<Vec<_>>(), ["tcp"]);
    }

    #[test]
    fn what_a_source_does_not_tell_is_not_told_as_none() {
        assert_eq!(tcp(&Tcp::default()), "connects not counted; 0 segments sent, 0 sent again");
        let total = Traffic { connections: Some(Connections { refused: 2, ..Connections::default() }), ..Traffic::default() };
        let text = tcp(&Tcp { total, ..Tcp::default() });
        assert_eq!(text, "0 connected, 0 accepted, 2 connects failed; 0 segments sent, 0 sent again");
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
