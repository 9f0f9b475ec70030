//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::pressure::Pressure;
use crate::signs::{self, Thresholds};

pub(crate) fn of(signals: &Signals, family: &FamilyInfo, host: &HostMemory, one: &Pressure, thresholds: &Thresholds) -> Finding {
    let group = one.group.as_ref();
    let holder = group.and_then(|filled| signals.memory_holder(&filled.group));
    let who = holder.as_ref().or(group.map(|filled| &filled.group));
    let entity = who.map_or_else(|| Entity::node(&signals.machine()), |who| Entity::of_cgroup(&who.cgroup));
    let name = who.map_or_else(|| "the host".to_owned(), |who| who.cgroup.display_name());
    let whose = match group.map(|filled| filled.limit.cgroup.display_name()) {
        None => "its memory".to_owned(),
        Some(owner) if owner == name => "its memory limit".to_owned(),
        Some(owner) => format!("the memory limit of {owner}"),
    };
    let (share, severity) = (percent(one.share()), one.severity());
    let title = match severity {
        Severity::Info if group.map_or(host.stall_some, |filled| filled.group.stall_some).is_none() => {
            format!("{name} uses {share} of {whose}; whether anything waits for it is not known here")
        }
        Severity::Info => format!("{name} uses {share} of {whose}, and nothing waits for it"),
        _ => format!("{name} is short of memory: {share} of {whose} in use, {}", first_sign(one)),
    };
    let signal = Signal::new("memory used of the limit", one.share(), thresholds.used, Unit::Ratio);
    let mut finding = Finding::new(severity, title, entity, signal)
        .confidence(family.confidence(100))
        .cause(cause(one, host, who, &name))
        .impact(impact(one, &name))
        .evidence("in use, not reclaimable", one.used as f64, Unit::Bytes)
        .evidence("limit", one.bytes as f64, Unit::Bytes);
    let (anonymous, shared) = who.map_or((host.anonymous, host.shared), |who| (who.anonymous, who.shared));
    finding = finding.evidence("anonymous memory", anonymous as f64, Unit::Bytes);
    if shared > 0 {
        finding = finding.evidence("tmpfs and shared memory", shared as f64, Unit::Bytes);
    }
    let stall = group.map_or(host.stall_some, |filled| filled.group.stall_some);
    if let Some(stall) = stall {
        finding = finding.evidence("share of the time that tasks waited for memory", stall, Unit::Ratio);
    }
    let met = group.map_or(0, |filled| signs::met(&filled.group));
    if met > 0 {
        finding = finding.evidence("times the limit was met", met as f64, Unit::Count);
    }
    if let Some(faults) = one.signs.faults {
        finding = finding.evidence("page faults a second that waited for swap", faults, Unit::Count);
    }
    if group.is_none() {
        for (group, used) in largest(signals) {
            finding = finding.evidence(&format!("in use by {group}"), used as f64, Unit::Bytes);
        }
    }
    with_fixes(finding, who.map(|who| &who.cgroup).zip(group.map(|filled| &filled.limit)))
}

fn with_fixes(finding: Finding, place: Option<(&Cgroup, &MemoryLimit)>) -> Finding {
    let is_info = finding.severity == Severity::Info;
    let (soon, later) = if is_info { (Urgency::Later, Urgency::Later) } else { (Urgency::Now, Urgency::WithinFiveMinutes) };
    match place {
        Some((who, limit)) => finding.fix_memory_limit(soon, later, who, limit),
        None => finding.fix_host_memory(soon, later).fix(soon, "see swapping and reclaim as they go on", "vmstat -w 1 5"),
    }
}

fn first_sign(one: &Pressure) -> String {
    let signs = &one.signs;
    match (signs.stalled, signs.faults, signs.met, signs.reclaims) {
        (Some(share), ..) => format!("tasks wait for it {} of the time", percent(share)),
        (_, Some(faults), ..) => format!("it swaps at {} a second", counted(faults as u64, "page fault")),
        (_, _, Some(met), _) => format!("met {}", counted(met, "time")),
        (.., reclaims) => {
            format!("{} a second had to reclaim memory", counted(reclaims.unwrap_or(0.0) as u64, "allocation"))
        }
    }
}

fn cause(one: &Pressure, host: &HostMemory, who: Option<&CgroupMemory>, name: &str) -> String {
    let (used, all) = (bytes(one.used), bytes(one.bytes));
    let mut text = format!("{used} of {all} are in use and cannot be reclaimed without swapping, page cache aside.");
    let (used, shared) = who.map_or((host.working_set, host.shared), |who| (who.working_set, who.shared));
    if shared > used / 2 {
        text += " Most of it are files in memory (tmpfs) and shared memory.";
    }
    let signs = &one.signs;
    if let Some(share) = signs.stalled {
        text += &format!(" Tasks of {name} waited for memory in {} of the time.", percent(share));
    }
    let met = one.group.as_ref().map_or(0, |filled| signs::met(&filled.group));
    if met > 0 {
        text += &format!(" The limit was met {}.", counted(met, "time"));
    }
    if let Some(faults) = signs.faults {
        text += &format!(" It swaps: {} a second waited for a disk.", counted(faults as u64, "page fault"));
    }
    if one.severity() == Severity::Info {
        let stall = one.group.as_ref().map_or(host.stall_some, |filled| filled.group.stall_some);
        text += match stall {
            Some(_) if met > 0 => " Enough could be reclaimed that nobody waited for it.",
            Some(_) => " The kernel neither stalls nor reclaims for it",
            None if met > 0 => " Nothing swaps; how long tasks wait for memory is not known here (PSI).",
            None => " No limit was met and nothing swaps; how long tasks wait for memory is not known here (PSI).",
        };
        if stall.is_some() && met == 0 {
            let growth = one.group.as_ref().map_or(host.growth, |filled| filled.group.growth);
            text += match growth {
                Some(growth) if growth.low > 0.0 => " yet, but it grows.",
                Some(growth) if growth.high >= 0.0 => ": a heap of a fixed size looks like this.",
                _ => ".",
            };
        }
    }
    text
}

fn impact(one: &Pressure, name: &str) -> String {
    let kind = one.group.as_ref().map(|filled| filled.limit.kind);
    match (one.severity(), kind) {
        (Severity::Info, Some(LimitKind::High)) => format!("None yet. With little more {name} is slowed down (memory.high)."),
        (Severity::Info, _) => "None yet. With little more the kernel reclaims first, then ends a process.".to_owned(),
        (_, Some(LimitKind::High)) => {
            format!(
                "Tasks of {name} are slowed down and made to reclaim memory (memory.high): late answers. Nothing is killed there."
            )
        }
        (_, Some(LimitKind::Max)) => format!(
            "Tasks of {name} stand still while the kernel looks for memory to take back; if that is no help it ends one of its processes."
        ),
        (_, None) => {
            "Any task that needs memory may stand still until some is taken back; if that is no help the kernel ends a process."
                .to_owned()
        }
    }
}

/// The largest groups, each told by the lowest that holds most of it.
fn largest(signals: &Signals) -> Vec<(String, u64)> {
    let all = signals.memory_groups(MemoryOrder::WorkingSet, None, 0.0, 12);
    let is_passed_on = |upper: &CgroupMemory| {
        all.iter().any(|lower| lower.cgroup.is_below(&upper.cgroup) && lower.working_set >= upper.working_set / 2)
    };
    let told = all.iter().filter(|group| !is_passed_on(group)).take(3);
    told.map(|group| (group.cgroup.display_name(), group.working_set)).collect()
}
