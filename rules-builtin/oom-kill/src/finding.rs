//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::fault::Fault;

pub(crate) fn of(signals: &Signals, family: &FamilyInfo, fault: &Fault) -> Finding {
    let entity = fault.cgroup.as_ref().map_or_else(|| Entity::node(&signals.machine()), Entity::of_cgroup);
    let place = fault.cgroup.as_ref().map_or_else(|| "this host".to_owned(), Cgroup::display_name);
    let signal = Signal::new("OOM kills", fault.kills as f64, signals.parameter("min_kills"), Unit::Count);
    let mut finding = Finding::new(Severity::Critical, title(fault, &place), entity, signal)
        .cause(cause(fault, &place))
        .impact(impact(fault))
        .evidence(&format!("processes of {place} killed"), fault.kills as f64, Unit::Count)
        .confidence(if family.coverage == Coverage::Full { 0.95 } else { 0.85 });
    if !fault.shortages.is_empty() && fault.shortages.iter().all(|(shortage, ..)| *shortage == Shortage::Host) {
        finding = finding.evidence("kills for lack of the host's memory", fault.kills as f64, Unit::Count);
    }
    for victim in &fault.victims {
        if let Some(rss) = victim.rss {
            finding = finding.evidence(&format!("memory of {}", named(&victim.comm, victim.pid)), rss as f64, Unit::Bytes);
        }
        if let Some(adjustment) = victim.score_adjustment.filter(|adjustment| *adjustment != 0) {
            let key = format!("oom_score_adj of {}", named(&victim.comm, victim.pid));
            finding = finding.evidence(&key, f64::from(adjustment), Unit::Count);
        }
    }
    for (_, limited, kills) in &fault.shortages {
        if let Some(path) = limited.as_ref().and_then(|limited| limited.path.as_ref()) {
            finding = finding.evidence(&format!("kills by the limit of {path}"), *kills as f64, Unit::Count);
        }
    }
    with_fixes(finding, fault)
}

fn named(comm: &str, pid: u32) -> String {
    format!("{comm} (pid {pid})")
}

fn title(fault: &Fault, place: &str) -> String {
    match (&fault.victims[..], fault.kills) {
        ([victim], 1) => format!("{} of {place} was killed for lack of memory", named(&victim.comm, victim.pid)),
        (_, 1) => format!("A process of {place} was killed for lack of memory"),
        (_, kills) => format!("{} processes of {place} were killed for lack of memory", count(kills)),
    }
}

fn cause(fault: &Fault, place: &str) -> String {
    let trigger = fault.victims.iter().find_map(|victim| victim.trigger.as_ref());
    let asked = match trigger {
        Some(Trigger { pid: Some(pid), comm, .. }) => format!(" when {} asked for more", named(comm, *pid)),
        Some(Trigger { pid: None, comm, .. }) => format!(" when {comm} asked for more"),
        None => String::new(),
    };
    match fault.shortages.first() {
        Some((Shortage::Cgroup, Some(limited), _)) => {
            let whose = limited.display_name();
            let own = if whose == place { "its own memory limit".to_owned() } else { format!("the memory limit of {whose}") };
            format!(
                "{place} met {own}{asked}, and nothing could be reclaimed: the kernel ended the process that weighs most there."
            )
        }
        Some((Shortage::Cgroup, None, _)) => format!("A memory limit was met{asked}, and nothing could be reclaimed."),
        Some((Shortage::Host, ..)) => {
            format!(
                "The host ran out of memory{asked}, and nothing could be reclaimed: the kernel ended the process that weighs most."
            )
        }
        Some((Shortage::Nodes, ..)) => {
            format!(
                "The memory nodes that a task is bound to (cpuset, mempolicy) ran out{asked}, while others may have memory left."
            )
        }
        Some((Shortage::Unknown, ..)) | None => {
            "Whose memory was short was not seen: either the host's, or that of a control group with a limit.".to_owned()
        }
    }
}

fn impact(fault: &Fault) -> String {
    let what = match fault.victims.first() {
        Some(victim) if fault.kills == 1 => format!("{} ended without a warning", named(&victim.comm, victim.pid)),
        Some(victim) => format!("They ended without a warning, the largest was {}", named(&victim.comm, victim.pid)),
        None if fault.kills == 1 => "It ended without a warning".to_owned(),
        None => "They ended without a warning".to_owned(),
    };
    format!(
        "{what}: requests under way failed, and what was in memory only is lost. It happens again unless the limit or the use changes."
    )
}

fn with_fixes(finding: Finding, fault: &Fault) -> Finding {
    let mut finding =
        finding.fix(Urgency::Now, "see what the kernel says of it", "dmesg -T | grep -iE 'killed process|oom-kill' | tail");
    let limited = fault.shortages.iter().find_map(|(_, limited, _)| limited.as_ref()).or(fault.cgroup.as_ref());
    if let Some(Cgroup { unit: Some(unit), container: None, .. }) = limited {
        let unit = shell_quote(unit);
        finding = finding
            .fix(
                Urgency::Now,
                "see its limit, use and restarts",
                &format!("systemctl show -p MemoryMax,MemoryCurrent,NRestarts {unit}"),
            )
            .fix(Urgency::WithinFiveMinutes, "see what it did before", &format!("journalctl -u {unit} -n 50 --no-pager"));
    } else if let Some(path) = limited.and_then(|cgroup| cgroup.path.as_deref()).filter(|path| *path != "/") {
        let (v1, v2) = (shell_quote(&format!("/sys/fs/cgroup/memory{path}")), shell_quote(&format!("/sys/fs/cgroup{path}")));
        finding = finding.fix(
            Urgency::Now,
            "see its limit and its use",
            &format!("grep -rs . {v2}/memory.max {v2}/memory.current {v1}/memory.limit_in_bytes {v1}/memory.usage_in_bytes"),
        );
    }
    finding.fix(Urgency::WithinFiveMinutes, "see who uses memory now", "ps -eo pid,rss,comm --sort=-rss | head")
}
