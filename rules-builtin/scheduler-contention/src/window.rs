//! What one window says: groups that starve, told apart by why, and the words that both kinds of finding share.

use kerno_rules_sdk::{Signal, prelude::*};

/// Groups that are looked at, worst first: many of the lowest weight must not hide one that starves.
pub(crate) const GROUPS: u32 = 1_024;

pub(crate) struct Window<'a> {
    pub signals: &'a Signals,
    pub family: FamilyInfo,
    pub host: Latency,
    pub machine: MachineInfo,
    pub seconds: f64,
    pub warning: f64,
    pub critical: f64,
    pub min_waits: u64,
    /// Share of CPU time that the hypervisor took, when it is enough to be named.
    pub steal: Option<f64>,
    /// Groups past the threshold that neither asked to wait nor wait for a quota. Worst first.
    pub starved: Vec<CgroupDelay>,
    /// Groups past the threshold whose CPU quota holds them back. Worst first.
    pub throttled: Vec<CgroupDelay>,
    /// Waits of groups past the threshold that asked to wait.
    pub lowest_weight_waits: u64,
    /// There are more groups past the threshold than are looked at.
    pub cut: bool,
}

impl<'a> Window<'a> {
    pub fn read(signals: &'a Signals, family: FamilyInfo, host: Latency) -> Self {
        let warning = signals.parameter("p99_warning");
        let min_waits = signals.parameter("min_waits") as u64;
        let seconds = signals.window_seconds();
        let quota_share = signals.parameter("quota_share");
        let (mut starved, mut throttled, mut lowest_weight_waits) = (Vec::new(), Vec::new(), 0);
        let groups = signals.cgroups(min_waits, warning, GROUPS);
        let cut = groups.len() >= GROUPS as usize;
        for group in groups {
            if group.lowest_weight {
                lowest_weight_waits += group.delay.count;
            } else if by_quota(&group, seconds, quota_share) {
                throttled.push(group);
            } else {
                starved.push(group);
            }
        }
        Self {
            signals,
            family,
            machine: signals.machine(),
            seconds,
            warning,
            critical: signals.parameter("p99_critical"),
            min_waits,
            steal: signals.steal_ratio().filter(|ratio| *ratio >= signals.parameter("steal_share")),
            starved,
            throttled,
            lowest_weight_waits,
            cut,
            host,
        }
    }

    pub fn severity(&self, p99: f64) -> Option<Severity> {
        match p99 {
            p99 if p99 > self.critical => Some(Severity::Critical),
            p99 if p99 > self.warning => Some(Severity::Warning),
            _ => None,
        }
    }

    /// Severity of the host's own p99, unless groups that asked to wait or wait for a quota explain it: only the slowest hundredth
    /// of the waits make a p99.
    pub fn host_severity(&self) -> Option<Severity> {
        let severity = self.severity(self.host.p99.filter(|_| self.host.count >= self.min_waits)?)?;
        let excused: u64 = self.lowest_weight_waits + self.throttled.iter().map(|group| group.delay.count).sum::<u64>();
        (!self.starved.is_empty() || excused.saturating_mul(100) < self.host.count).then_some(severity)
    }

    pub fn signal(&self, delay: &Latency, severity: Severity) -> Signal {
        let threshold = if severity == Severity::Critical { self.critical } else { self.warning };
        let name = if delay.count < 100 { "run-queue delay max" } else { "run-queue delay p99" };
        Signal::new(name, delay.p99.unwrap_or(0.0), threshold, Unit::Seconds)
    }

    /// A finding with what every finding of this rule shows.
    pub fn finding(&self, severity: Severity, title: String, entity: Entity, delay: &Latency) -> Finding {
        let mut finding = Finding::new(severity, title, entity, self.signal(delay, severity))
            .confidence(self.family.confidence(delay.count))
            .evidence("waits", delay.count as f64, Unit::Count)
            .evidence("run-queue delay p50", delay.p50.unwrap_or(0.0), Unit::Seconds)
            .evidence("longest wait", delay.max.unwrap_or(0.0), Unit::Seconds);
        if self.cut {
            finding =
                finding.evidence("groups past the threshold, the worst that were looked at", f64::from(GROUPS), Unit::Count);
        }
        if self.family.lost > 0 {
            finding = finding.evidence("events lost", self.family.lost as f64, Unit::Count);
        }
        finding
    }

    /// Adds the tasks that waited longest.
    pub fn who_waits(&self, mut finding: Finding, cgroup: Option<u64>) -> Finding {
        for task in self.signals.waiting_tasks(cgroup, 8).iter().filter(|task| !task.background && !task.own).take(3) {
            finding = finding.evidence(&format!("longest wait of {} (pid {})", task.comm, task.pid), task.max, Unit::Seconds);
        }
        finding
    }

    pub fn why_quiet(&self) -> String {
        if self.host.count < self.min_waits {
            return format!("{}, {} needed", counted(self.host.count, "wait"), count(self.min_waits));
        }
        let called = if self.host.count < 100 { "longest" } else { "p99" };
        let mut reason = format!(
            "run-queue delay {called} {} of {}, threshold {}",
            seconds(self.host.p99.unwrap_or(0.0)),
            counted(self.host.count, "wait"),
            seconds(self.warning)
        );
        // The first few have one that did not ask to wait, but for hosts full of those that did.
        let worst = [16, GROUPS]
            .into_iter()
            .find_map(|limit| self.signals.cgroups(self.min_waits, 0.0, limit).into_iter().find(|group| !group.lowest_weight));
        if let Some(worst) = worst {
            let (name, p99) = (worst.cgroup.display_name(), seconds(worst.delay.p99.unwrap_or(worst.delay.mean)));
            reason.push_str(&format!("; worst group {name} {p99}"));
        }
        if self.lowest_weight_waits > 0 {
            reason.push_str("; groups of the lowest CPU weight wait longer, as they asked to");
        }
        if self.cut {
            reason.push_str(&format!("; only the worst {} groups were looked at", count(GROUPS.into())));
        }
        reason
    }
}

/// A CPU quota explains a group's waiting when it makes up a good part of it. Throttled time counts once a CPU, waits once a task,
/// so that a part of the window is proof as well.
fn by_quota(group: &CgroupDelay, window: f64, share: f64) -> bool {
    let waited = group.delay.mean * group.delay.count as f64;
    group
        .throttled_seconds
        .is_some_and(|throttled| throttled > 0.0 && (throttled >= share * waited || throttled >= share * window))
}
