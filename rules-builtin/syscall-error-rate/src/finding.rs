//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::fault::{Failure, Fault};
use crate::meaning;

/// Calls that are told at most.
const CALLS: usize = 4;

pub(crate) fn of(signals: &Signals, family: &FamilyInfo, fault: &Fault) -> Finding {
    let (worst, error) = (fault.worst(), fault.error.as_str());
    let place = fault.cgroup.as_ref().map_or_else(|| "this host".to_owned(), Cgroup::display_name);
    let meaning = meaning::of(error, &worst.call);
    let mut finding = Finding::new(fault.severity(), title(fault, &place), entity(signals, fault), signal(signals, fault))
        .cause(format!("{}{}", meaning.cause, who(worst)))
        .impact(impact(fault, &place))
        .confidence(family.confidence(worst.calls.max(worst.failed)));
    for failure in fault.failures.iter().take(CALLS) {
        finding = finding
            .evidence(&format!("{} of {place} that failed with {error}", failure.call), failure.failed as f64, Unit::Count)
            .evidence(&format!("{} of {place}", failure.call), failure.calls as f64, Unit::Count);
    }
    with_fixes(finding, fault, &meaning)
}

/// Each process has a limit of descriptors of its own: who met it is who fails.
fn at_its_limit(fault: &Fault) -> Option<&CallProcess> {
    let worst = fault.worst();
    worst.caller.as_ref().filter(|_| fault.error == "EMFILE" && !meaning::is_of_the_user(&worst.call))
}

fn entity(signals: &Signals, fault: &Fault) -> Entity {
    let place = fault.cgroup.as_ref().map_or_else(|| Entity::node(&signals.machine()), Entity::of_cgroup);
    let entity = match at_its_limit(fault) {
        Some(process) => {
            let mut entity = Entity::new(EntityKind::Process).name("pid", &process.pid.to_string()).name("comm", &process.comm);
            entity.names.extend(place.names);
            entity
        }
        None if fault.error == "EMFILE" && meaning::is_of_the_user(&fault.worst().call) => {
            place.name("limit", "fs.inotify.max_user_instances")
        }
        None => place,
    };
    entity.name("error", &fault.error)
}

fn signal(signals: &Signals, fault: &Fault) -> Signal {
    let worst = fault.worst();
    let name = format!("{} {}", worst.call, fault.error);
    if worst.by_count {
        return Signal::new(&format!("{name} errors"), worst.failed as f64, signals.parameter("few_are_many"), Unit::Count);
    }
    let threshold = if worst.severity == Severity::Critical { "share_critical" } else { "share_warning" };
    Signal::new(&format!("{name} share"), worst.share(), signals.parameter(threshold), Unit::Ratio)
}

fn title(fault: &Fault, place: &str) -> String {
    let (worst, error) = (fault.worst(), &fault.error);
    let (of, calls) = (if worst.by_count { count(worst.failed) } else { percent(worst.share()) }, counted(worst.calls, "call"));
    let whose =
        at_its_limit(fault).map_or_else(String::new, |caller| format!(", mostly in {} (pid {})", caller.comm, caller.pid));
    format!("{} of {place} fails with {error}{whose}: {of} of {calls}", worst.call)
}

fn who(worst: &Failure) -> String {
    match &worst.caller {
        Some(caller) => format!(" Most of them are those of {} (pid {}).", caller.comm, caller.pid),
        None => String::new(),
    }
}

fn impact(fault: &Fault, place: &str) -> String {
    let mut also = String::new();
    for failure in fault.failures.iter().skip(1).take(CALLS) {
        also.push_str(if also.is_empty() { ", also at " } else { ", " });
        also.push_str(&failure.call);
    }
    format!(
        "{} in the window {place} did not get what it asked for{also}: it fails there, loses data, or tries again and again.",
        counted(fault.failed(), "time")
    )
}

fn with_fixes(finding: Finding, fault: &Fault, meaning: &meaning::Meaning) -> Finding {
    let worst = fault.worst();
    let mut finding = finding;
    let pid = worst.caller.as_ref().map(|caller| caller.pid);
    if let Some((title, command)) = meaning.look
        && let Some(command) = with_pid(command, pid)
    {
        finding = finding.fix(Urgency::Now, title, &command);
    }
    let is_named = worst.call != "32-bit" && worst.call != "unknown";
    let calls = worst.call.as_str();
    finding = match pid {
        Some(pid) => {
            let of = if is_named { format!(" -e trace={calls}") } else { String::new() };
            finding.fix(Urgency::Now, "see with what arguments it fails", &format!("timeout 5 strace -f -y -Z{of} -p {pid}"))
        }
        None if is_named => finding.fix(
            Urgency::Now,
            "see who fails, and with what arguments",
            &format!("timeout 5 perf trace -a --failure -e {calls}"),
        ),
        None => finding,
    };
    if let Some(Cgroup { unit: Some(unit), container: None, .. }) = &fault.cgroup {
        let command = format!("journalctl -u {} -n 50 --no-pager", shell_quote(unit));
        finding = finding.fix(Urgency::WithinFiveMinutes, "see what it says itself", &command);
    }
    finding
}

/// A command with the process filled in where it has an `@`; `None` when there is none to fill in.
fn with_pid(command: &str, pid: Option<u32>) -> Option<String> {
    let mut whole = String::new();
    for (index, part) in command.split('@').enumerate() {
        if index > 0 {
            whole.push_str(&pid?.to_string());
        }
        whole.push_str(part);
    }
    Some(whole)
}
