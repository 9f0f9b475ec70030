//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::limit::{Imminent, Thresholds};

/// Groups below that are named as growing at most.
const GROWING: u32 = 8;

pub(crate) fn of(
    signals: &Signals,
    family: &FamilyInfo,
    host: &HostMemory,
    one: &Imminent<'_>,
    thresholds: &Thresholds,
) -> Finding {
    let limit = one.limit;
    let group = limit.group.as_ref();
    let holder = group.and_then(|filled| signals.memory_holder(&filled.group));
    let who = holder.as_ref().or(group.map(|filled| &filled.group));
    let entity = who.map_or_else(|| Entity::node(&signals.machine()), |who| Entity::of_cgroup(&who.cgroup));
    let name = who.map_or_else(|| "this host".to_owned(), |who| who.cgroup.display_name());
    let threshold = if one.severity == Severity::Critical { thresholds.critical } else { thresholds.warning };
    let signal = Signal::new("memory used of the limit", limit.share(), threshold, Unit::Ratio);
    let owner = group.map(|filled| filled.limit.cgroup.display_name()).filter(|owner| *owner != name);
    let what = match (group, &owner) {
        (None, _) => "This host runs out of memory".to_owned(),
        (Some(_), None) => format!("{name} meets its memory limit"),
        (Some(_), Some(owner)) => format!("{name} meets the memory limit of {owner}"),
    };
    let (share, pace) = (percent(limit.share()), per_second(one.growth.slope));
    let soon = if one.eta < 1.0 { "now".to_owned() } else { format!("in about {}", about(one.eta)) };
    let title = format!("{what} {soon}: {share} used, growing by {pace}");
    let swap = swap_left(host, who);
    // A trend is as sure as its interval is narrow.
    let sure = 0.6 + 0.4 * (one.growth.low / one.growth.slope).clamp(0.0, 1.0);
    let mut finding = Finding::new(one.severity, title, entity, signal)
        .confidence(family.confidence(1_000) * sure)
        .cause(cause(signals, host, one, who, &name))
        .impact(impact(one, swap, &name))
        .evidence("in use, not reclaimable", limit.used as f64, Unit::Bytes)
        .evidence("limit", limit.bytes as f64, Unit::Bytes)
        .evidence("growth per second", one.growth.slope, Unit::Bytes)
        .evidence("growth per second, at least", one.growth.low, Unit::Bytes)
        .evidence("readings", one.growth.points.into(), Unit::Count);
    let (anonymous, shared) = who.map_or((host.anonymous, host.shared), |who| (who.anonymous, who.shared));
    finding = finding.evidence("anonymous memory", anonymous as f64, Unit::Bytes);
    if shared > 0 {
        finding = finding.evidence("tmpfs and shared memory", shared as f64, Unit::Bytes);
    }
    if swap > 0 {
        finding = finding.evidence("swap left", swap as f64, Unit::Bytes);
    }
    for (group, slope) in growers(signals, who.or(group.map(|filled| &filled.group))) {
        finding = finding.evidence(&format!("growth per second of {group}"), slope, Unit::Bytes);
    }
    finding.eta_seconds = Some(one.eta);
    with_fixes(finding, who.map(|who| &who.cgroup).zip(group.map(|filled| &filled.limit)))
}

fn with_fixes(finding: Finding, place: Option<(&Cgroup, &MemoryLimit)>) -> Finding {
    let Some((who, limit)) = place else {
        return finding.fix_host_memory(Urgency::Now, Urgency::Now).fix(
            Urgency::WithinFiveMinutes,
            "see files that are kept in memory",
            "df -h -t tmpfs",
        );
    };
    let finding = finding.fix_memory_limit(Urgency::Now, Urgency::WithinFiveMinutes, who, limit);
    match &limit.cgroup {
        Cgroup { unit: Some(unit), container: None, .. } if !unit.starts_with('-') => finding.fix(
            Urgency::WithinFiveMinutes,
            "see what it did lately",
            &format!("journalctl -u {} -n 50 --no-pager", shell_quote(unit)),
        ),
        _ => finding,
    }
}

fn per_second(slope: f64) -> String {
    format!("{}/s", bytes(slope as u64))
}

fn cause(signals: &Signals, host: &HostMemory, one: &Imminent<'_>, who: Option<&CgroupMemory>, name: &str) -> String {
    let growth = &one.growth;
    let mut text = format!(
        "What {name} uses and cannot give back grows by {} ({} to {}, of {}); {} of {} are in use, page cache aside.",
        per_second(growth.slope),
        per_second(growth.low),
        per_second(growth.high),
        counted(growth.points.into(), "reading"),
        bytes(one.limit.used),
        bytes(one.limit.bytes)
    );
    let (used, shared) = who.map_or((host.working_set, host.shared), |who| (who.working_set, who.shared));
    if shared > used / 2 {
        text += " Most of it are files in memory (tmpfs) and shared memory.";
    }
    if let Some((group, slope)) = growers(signals, who).first() {
        text += &format!(" Of the groups in it {group} grows fastest, by {}.", per_second(*slope));
    }
    text
}

/// Groups below that grow, each told by the lowest group that grows as fast.
fn growers(signals: &Signals, below: Option<&CgroupMemory>) -> Vec<(String, f64)> {
    let path = below.and_then(|group| group.cgroup.path.as_deref());
    if below.is_some() && path.is_none() {
        // They would be groups anywhere.
        return Vec::new();
    }
    let mut all = signals.memory_groups(MemoryOrder::Growth, path, 0.0, GROWING);
    let min_points = signals.parameter("min_points");
    all.retain(|group| group.growth.is_some_and(|growth| f64::from(growth.points) >= min_points));
    let slope = |group: &CgroupMemory| group.growth.map_or(0.0, |growth| growth.slope);
    let is_passed_on =
        |upper: &CgroupMemory| all.iter().any(|lower| lower.cgroup.is_below(&upper.cgroup) && slope(lower) >= 0.8 * slope(upper));
    let told = all.iter().filter(|group| !group.own && !is_passed_on(group)).take(3);
    told.map(|group| (group.cgroup.display_name(), slope(group))).collect()
}

/// Swap that the growth can still go to.
fn swap_left(host: &HostMemory, who: Option<&CgroupMemory>) -> u64 {
    let free = host.swap_total.saturating_sub(host.swap_used);
    let own = who.and_then(|who| Some(who.swap_limit?.saturating_sub(who.swap.unwrap_or(0))));
    own.map_or(free, |own| own.min(free))
}

fn impact(one: &Imminent<'_>, swap: u64, name: &str) -> String {
    let end = if one.limit.group.is_some() {
        format!("the kernel ends a process of {name} without a warning")
    } else {
        "the kernel ends the process that weighs most without a warning, whoever's growth it was".to_owned()
    };
    if swap > 0 {
        return format!(
            "At the limit what is not needed at once is swapped out, which is slow, {} at most; then {end}.",
            bytes(swap)
        );
    }
    format!("At the limit {end} (OOM kill).")
}
