//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::breach::{Breach, Measure};
use crate::fault::Fault;
use crate::words::{self, Split};

/// Calls and processes that are told at most.
const TOLD: usize = 3;

pub(crate) fn of(signals: &Signals, family: &FamilyInfo, fault: &Fault) -> Finding {
    let worst = fault.worst();
    let place = fault.cgroup.as_ref().map_or_else(|| "this host".to_owned(), Cgroup::display_name);
    let entity = fault.cgroup.as_ref().map_or_else(|| Entity::node(&signals.machine()), Entity::of_cgroup);
    let signal = Signal::new(&worst.signal_name(), worst.value, worst.threshold, Unit::Seconds);
    let mut finding = Finding::new(worst.severity, title(worst, &place), entity, signal)
        .cause(words::cause(fault))
        .impact(impact(signals, fault, &place))
        .confidence(confidence(family, worst));
    for breach in fault.breaches.iter().take(TOLD) {
        finding = numbers(finding, breach, &place);
    }
    if let Some(split) = Split::of(fault) {
        let parts = [
            ("uninterruptible sleep", split.uninterruptible),
            ("sleep", split.interruptible),
            ("time on the CPU", split.on_cpu),
            ("waiting for a CPU, not judged", split.waiting_for_cpu),
        ];
        for (part, value) in parts.into_iter().filter(|(_, value)| *value > 0.0) {
            finding = finding.evidence(&format!("{} of {place}: {part}", worst.call), value, Unit::Seconds);
        }
    }
    for caller in fault.callers.iter().take(TOLD) {
        let key = format!("longest {} of {}", caller.name, named(&caller.comm, caller.pid));
        finding = finding.evidence(&key, caller.longest, Unit::Seconds);
    }
    with_fixes(finding, fault)
}

fn named(comm: &str, pid: u32) -> String {
    format!("{comm} (pid {pid})")
}

fn title(worst: &Breach, place: &str) -> String {
    let (call, value) = (&worst.call, seconds(worst.value));
    let samples = worst.time.as_ref().map_or(0, |time| time.judged.count);
    match (worst.measure, worst.in_flight.first()) {
        (Measure::InFlight, Some(held)) => {
            let for_long = if held.at_least { "for at least" } else { "for" };
            format!("{call} of {} has been held up {for_long} {value}", in_place(&held.comm, held.pid, place))
        }
        (Measure::P99, _) => format!("{call} of {place} takes long: p99 {value} of {}", count(samples)),
        _ => format!("{call} of {place} takes long: longest {value} of {}", count(samples)),
    }
}

fn in_place(comm: &str, pid: u32, place: &str) -> String {
    if place == "this host" { named(comm, pid) } else { format!("{} in {place}", named(comm, pid)) }
}

fn impact(signals: &Signals, fault: &Fault, place: &str) -> String {
    let window = seconds(signals.window_seconds());
    let held: usize = fault.breaches.iter().map(|breach| breach.in_flight.len()).sum();
    if fault.worst().measure == Measure::InFlight {
        let number = format!("{} {}", counted(held as u64, "call"), if held == 1 { "has" } else { "have" });
        return format!(
            "{number} not returned at the end of a window of {window}: who made them stands still, and mostly cannot be killed either."
        );
    }
    match fault.callers.first() {
        Some(caller) => format!(
            "{} of {place} spent {} in {} of {} in a window of {window}; who asked it waits as long.",
            named(&caller.comm, caller.pid),
            seconds(caller.judged),
            counted(caller.calls, "slow call"),
            caller.name
        ),
        None => format!("Who in {place} calls {} waits up to {}.", fault.worst().call, seconds(fault.worst().value)),
    }
}

fn confidence(family: &FamilyInfo, worst: &Breach) -> f64 {
    match (worst.measure, family.coverage) {
        // A call that is still there was seen, however few others were.
        (Measure::InFlight, Coverage::Fallback) => 0.7,
        (Measure::InFlight, _) => 0.9,
        _ => family.confidence(worst.time.as_ref().map_or(0, |time| time.judged.count)),
    }
}

/// The numbers behind one call.
fn numbers(finding: Finding, breach: &Breach, place: &str) -> Finding {
    let call = &breach.call;
    let mut finding = finding;
    if let Some(CallTime { judged, .. }) = &breach.time {
        let high = if judged.count < 100 { "max" } else { "p99" };
        finding = finding
            .evidence(&format!("{call} of {place}"), judged.count as f64, Unit::Count)
            .evidence(&format!("{call} p50 of {place}"), judged.p50.unwrap_or(judged.mean), Unit::Seconds)
            .evidence(&format!("{call} {high} of {place}"), judged.p99.unwrap_or(judged.mean), Unit::Seconds);
    }
    if let Some(oldest) = breach.in_flight.first() {
        let who = named(&oldest.comm, oldest.pid);
        finding = finding
            .evidence(&format!("{call} of {place} in flight at the end"), breach.in_flight.len() as f64, Unit::Count)
            .evidence(&format!("age of {call} of {who}"), oldest.age, Unit::Seconds);
    }
    finding
}

fn with_fixes(finding: Finding, fault: &Fault) -> Finding {
    let mut finding = finding;
    if let Some(held) = fault.breaches.iter().find_map(|breach| breach.in_flight.first()) {
        let task = format!("/proc/{}/task/{}", held.pid, held.tid);
        finding = finding
            .fix(Urgency::Now, "see where in the kernel it is held up", &format!("cat {task}/stack {task}/syscall"))
            .fix(Urgency::Now, "see who else is", "ps -eLo pid,tid,stat,wchan:32,comm | awk '$3 ~ /^D/'");
    }
    let call = fault.worst().call.as_str();
    let pid = fault.callers.first().map(|caller| caller.pid);
    let pid = pid.or_else(|| fault.worst().in_flight.first().map(|held| held.pid));
    if let Some(pid) = pid {
        finding = finding.fix(Urgency::Now, "see which files it has open", &format!("ls -l /proc/{pid}/fd"));
        if !matches!(call, "32-bit" | "unknown") {
            let command = format!("timeout 10 strace -f -T -y -e trace={call} -p {pid}");
            finding = finding.fix(Urgency::WithinFiveMinutes, "see which of its calls take long, and on what", &command);
        }
    }
    finding
        .fix(Urgency::WithinFiveMinutes, "see load and latency of the disks", "iostat -x 1 3")
        .fix(
            Urgency::WithinFiveMinutes,
            "see file systems that have a server",
            "findmnt -t nfs,nfs4,cifs,fuse,fuse.sshfs,9p,ceph",
        )
        .fix(
            Urgency::WithinFiveMinutes,
            "see what the kernel says",
            "dmesg -T | grep -iE 'blocked for more|not responding|error' | tail",
        )
}
