//! Groups that their own quota holds back.

use kerno_rules_sdk::prelude::*;

/// Groups that are asked for.
const ASKED: u32 = 64;
/// Findings at most.
const FINDINGS: usize = 10;

/// What decides.
pub(crate) struct Thresholds {
    pub periods_warning: f64,
    periods_critical: f64,
    pub time_warning: f64,
    time_critical: f64,
    pub min_periods: u64,
    pub steal_share: f64,
}

impl Thresholds {
    pub fn read(signals: &Signals) -> Self {
        Self {
            periods_warning: signals.parameter("periods_warning"),
            periods_critical: signals.parameter("periods_critical"),
            time_warning: signals.parameter("time_warning"),
            time_critical: signals.parameter("time_critical"),
            // A whole number in any sensible configuration.
            min_periods: signals.parameter("min_periods") as u64,
            steal_share: signals.parameter("steal_share"),
        }
    }

    fn severity(&self, share: &Share) -> Option<Severity> {
        if share.periods >= self.periods_critical && share.time >= self.time_critical {
            return Some(Severity::Critical);
        }
        (share.periods > self.periods_warning && share.time > self.time_warning).then_some(Severity::Warning)
    }

    pub fn of_periods(&self, severity: Severity) -> f64 {
        if severity == Severity::Critical { self.periods_critical } else { self.periods_warning }
    }
}

/// How much a group was held back.
pub(crate) struct Share {
    pub throttling: CpuThrottling,
    /// Of its periods.
    pub periods: f64,
    /// Of the time of the CPUs that it can use.
    pub time: f64,
    /// The CPUs that it can use.
    pub cpus: f64,
}

impl Share {
    /// `None` without a quota that was in force.
    pub fn of(group: &CgroupCpu, host: &HostCpu) -> Option<Self> {
        let throttling = group.throttling.filter(|throttling| throttling.periods > 0)?;
        let cpus = usable(group, host, &throttling);
        let time = throttling.throttled / (host.duration * cpus);
        let periods = throttling.throttled_periods as f64 / throttling.periods as f64;
        time.is_finite().then_some(Self { throttling, periods, time, cpus })
    }
}

/// Held-back time adds up over CPUs: what it could add up to is the smaller of the CPUs of its cpuset and its runnable threads.
fn usable(group: &CgroupCpu, host: &HostCpu, throttling: &CpuThrottling) -> f64 {
    let cpuset = f64::from(group.cpuset_cpus.unwrap_or(host.cpus).min(host.cpus));
    let threads = group.runnable_threads.or_else(|| running(group, throttling));
    threads.map_or(cpuset, |threads| threads.min(cpuset)).max(1.0)
}

/// Threads that ran at once, where they were not counted: in a period that held it back the group used its quota up, and stood still
/// for the rest on each CPU that it wanted.
fn running(group: &CgroupCpu, throttling: &CpuThrottling) -> Option<f64> {
    let quota = group.quota.as_ref().filter(|quota| quota.period > 0.0)?;
    let periods = throttling.throttled_periods as f64;
    let wanted = (throttling.throttled + periods * quota.quota) / (periods * quota.period);
    Some(wanted).filter(|wanted| wanted.is_finite())
}

/// A group that is held back too much.
pub(crate) struct Throttle {
    pub group: CgroupCpu,
    pub share: Share,
    pub severity: Severity,
    /// Groups above and below it that their own quotas hold back as well.
    pub also: Vec<(String, f64)>,
}

/// The worst first. Quotas nest: of groups on one way up the one that is held back longest has the quota that matters.
pub(crate) fn find(signals: &Signals, host: &HostCpu, thresholds: &Thresholds) -> Vec<Throttle> {
    let mut all: Vec<Throttle> = Vec::new();
    for group in signals.throttled(thresholds.min_periods, thresholds.periods_warning, ASKED) {
        let Some(share) = Share::of(&group, host).filter(|_| !group.own) else { continue };
        if let Some(severity) = thresholds.severity(&share) {
            // By insertion: the longest held back stay first among equals.
            let at = all.iter().position(|known| known.severity < severity).unwrap_or(all.len());
            all.insert(at, Throttle { group, share, severity, also: Vec::new() });
        }
    }
    let mut told: Vec<Throttle> = Vec::new();
    for one in all {
        let is_related = |known: &&mut Throttle| {
            let (a, b) = (&known.group.cgroup, &one.group.cgroup);
            a.is_below(b) || b.is_below(a)
        };
        if let Some(known) = told.iter_mut().find(is_related) {
            known.also.push((one.group.cgroup.display_name(), one.share.throttling.throttled));
        } else if told.len() < FINDINGS {
            told.push(one);
        }
    }
    told
}
