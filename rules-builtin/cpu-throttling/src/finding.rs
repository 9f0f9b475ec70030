//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::throttle::{Thresholds, Throttle};

/// Below this use of its quota a group looks idle on a dashboard.
const LOOKS_FINE: f64 = 0.7;

pub(crate) fn of(signals: &Signals, family: &FamilyInfo, host: &HostCpu, one: &Throttle, thresholds: &Thresholds) -> Finding {
    let Throttle { group, share, severity, .. } = one;
    let name = group.cgroup.display_name();
    let used = average(group, host);
    let title = match used.filter(|used| *used < LOOKS_FINE) {
        Some(used) => {
            format!(
                "{name} uses {} of its CPU quota, and is held back by it in {} of periods",
                percent(used),
                percent(share.periods)
            )
        }
        None => format!("{name} is held back by its CPU quota in {} of periods", percent(share.periods)),
    };
    let threshold = thresholds.of_periods(*severity);
    let signal = Signal::new("share of CPU periods held back", share.periods, threshold, Unit::Ratio);
    let steal = steal(host).filter(|steal| *steal >= thresholds.steal_share);
    let mut finding = Finding::new(*severity, title, Entity::of_cgroup(&group.cgroup), signal)
        .confidence(family.confidence(share.throttling.periods))
        .cause(cause(one, used, steal, &name))
        .impact(impact(group, &name))
        .evidence("CPU periods", share.throttling.periods as f64, Unit::Count)
        .evidence("of them held back", share.throttling.throttled_periods as f64, Unit::Count)
        .evidence("time held back, summed over CPUs", share.throttling.throttled, Unit::Seconds)
        .evidence("share of the time of the CPUs it can use", share.time, Unit::Ratio)
        .evidence("CPUs it can use", share.cpus, Unit::Count);
    if let Some(used) = used {
        finding = finding.evidence("average use of its quota", used, Unit::Ratio);
    }
    if let Some(usage) = group.usage {
        finding = finding.evidence("CPU time used", usage, Unit::Seconds);
    }
    if let Some(quota) = &group.quota {
        finding =
            finding.evidence("quota of a period", quota.quota, Unit::Seconds).evidence("period", quota.period, Unit::Seconds);
    }
    if let Some(steal) = steal {
        finding = finding.evidence("CPU time taken by the hypervisor", steal, Unit::Ratio);
    }
    for (name, throttled) in one.also.iter().take(3) {
        finding = finding.evidence(&format!("time that {name} was held back by its own quota"), *throttled, Unit::Seconds);
    }
    // Without a path these would be groups anywhere.
    let busiest = group.cgroup.path.as_deref().map_or_else(Vec::new, |path| signals.busiest(Some(path), 3));
    for busy in busiest.iter().filter(|busy| busy.usage.is_some_and(|usage| usage > 0.0)) {
        let key = format!("CPU time used by {}", busy.cgroup.display_name());
        finding = finding.evidence(&key, busy.usage.unwrap_or(0.0), Unit::Seconds);
    }
    finding.fix_cpu_quota(&group.cgroup)
}

/// Share of the quota that it used over the whole time.
fn average(group: &CgroupCpu, host: &HostCpu) -> Option<f64> {
    let quota = group.quota.as_ref()?;
    Some(group.usage? * quota.period / (quota.quota * host.duration)).filter(|share| share.is_finite())
}

fn steal(host: &HostCpu) -> Option<f64> {
    Some(host.steal / (host.busy + host.idle + host.steal)).filter(|share| share.is_finite())
}

fn cause(one: &Throttle, used: Option<f64>, steal: Option<f64>, name: &str) -> String {
    let Throttle { group, share, .. } = one;
    let may = group.quota.as_ref().map_or_else(String::new, |quota| {
        format!(" may use {} of CPU time in each {}, and", seconds(quota.quota), seconds(quota.period))
    });
    let mut text = format!(
        "{name}{may} wants more at once: when its quota is used up it stands still until the next period, in {} of {}, {} of the time of the CPUs it can use (about {}).",
        percent(share.periods),
        counted(share.throttling.periods, "period"),
        percent(share.time),
        count((share.cpus + 0.5) as u64)
    );
    if let Some(used) = used.filter(|used| *used < LOOKS_FINE) {
        text += &format!(" On average it uses {} of its quota: it works in bursts, which averages hide.", percent(used));
    }
    let above = group.limit.as_ref().filter(|limit| group.cgroup.is_below(&limit.cgroup));
    if let Some(above) = above {
        text += &format!(" The quota of {}, above it, is smaller still.", above.cgroup.display_name());
    }
    if let Some(steal) = steal {
        text += &format!(" Besides, the hypervisor took {} of the CPU time from this host (steal).", percent(steal));
    }
    text
}

fn impact(group: &CgroupCpu, name: &str) -> String {
    let most = group.quota.as_ref().map_or_else(String::new, |quota| format!(", up to {} at a time", seconds(quota.period)));
    format!(
        "Work in {name} stands still{most}, whatever the host's load: late answers, and run-queue delay that no other task causes."
    )
}
