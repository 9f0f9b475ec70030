//! Groups that wait for their own CPU quota: named as that, not as contention.

use kerno_rules_sdk::prelude::*;

use crate::window::Window;

/// One finding about the worst group; the others are its evidence.
pub(crate) fn find(window: &Window<'_>, contended: bool) -> Option<Finding> {
    let worst = window.throttled.first()?;
    let p99 = worst.delay.p99?;
    let severity = window.severity(p99)?;
    let name = worst.cgroup.display_name();
    let throttled = worst.throttled_seconds.unwrap_or(0.0);
    let title = format!("CPU quota of {name} makes its tasks wait: run-queue delay p99 {}", seconds(p99));
    let mut finding = window
        .finding(severity, title, Entity::of_cgroup(&worst.cgroup), &worst.delay)
        .cause(format!(
            "{name} uses up its CPU quota and is held back until the next period: {} of throttling (summed over CPUs) in a window of {}.{}",
            seconds(throttled),
            seconds(window.seconds),
            if contended { "" } else { " The host's CPUs are not the bottleneck." }
        ))
        .impact(format!("Work in {name} stands still for up to {} at a time, whatever the host's load.", seconds(worst.delay.max.unwrap_or(p99))))
        .evidence("throttled time, summed over CPUs", throttled, Unit::Seconds)
        .evidence("CPU time used", worst.cpu_seconds, Unit::Seconds);
    finding = window.who_waits(finding, Some(worst.cgroup.id));
    for group in window.throttled.iter().skip(1).take(4) {
        let key = format!("run-queue delay p99 of {}, also held back by a quota", group.cgroup.display_name());
        finding = finding.evidence(&key, group.delay.p99.unwrap_or(0.0), Unit::Seconds);
    }
    Some(finding.fix_cpu_quota(&worst.cgroup))
}
