//! What may run out, the host's memory or a group's hard limit, and whether it does.

use kerno_rules_sdk::{FilledLimit, prelude::*};

/// Findings at most.
const FINDINGS: usize = 10;

/// What decides.
pub(crate) struct Thresholds {
    pub warning: f64,
    pub critical: f64,
    pub min_points: f64,
    pub eta_max: f64,
    /// Bytes a second.
    min_growth: f64,
}

impl Thresholds {
    pub fn read(signals: &Signals, host: &HostMemory) -> Self {
        Self {
            warning: signals.parameter("use_warning"),
            critical: signals.parameter("use_critical"),
            min_points: signals.parameter("min_points"),
            eta_max: signals.parameter("eta_max"),
            min_growth: signals.parameter("min_growth") / host.duration.max(1.0),
        }
    }
}

/// Memory that may run out.
pub(crate) struct Limit {
    /// `None`: the host's.
    pub group: Option<FilledLimit>,
    pub used: u64,
    pub bytes: u64,
    growth: Option<MemoryGrowth>,
}

/// Where it goes.
pub(crate) enum Course {
    /// Of so few readings nothing is told.
    Unread(u32),
    Steady,
    /// It grows, and takes longer than is near.
    Slow,
    /// Seconds until the limit is met at this pace.
    Imminent {
        eta: f64,
        growth: MemoryGrowth,
    },
}

/// A limit that will be met.
pub(crate) struct Imminent<'a> {
    pub limit: &'a Limit,
    pub severity: Severity,
    pub eta: f64,
    pub growth: MemoryGrowth,
}

impl Limit {
    pub fn of_host(host: &HostMemory) -> Self {
        Self { group: None, used: host.working_set, bytes: host.total, growth: host.growth }
    }

    fn of_group(filled: FilledLimit) -> Self {
        let (used, bytes, growth) = (filled.group.working_set, filled.limit.bytes, filled.group.growth);
        Self { group: Some(filled), used, bytes, growth }
    }

    pub fn share(&self) -> f64 {
        self.used as f64 / self.bytes.max(1) as f64
    }

    pub fn name(&self) -> String {
        self.group.as_ref().map_or_else(|| "the host".to_owned(), |filled| filled.group.cgroup.display_name())
    }

    pub fn course(&self, thresholds: &Thresholds) -> Course {
        let Some(growth) = self.growth else { return Course::Unread(0) };
        if f64::from(growth.points) < thresholds.min_points {
            return Course::Unread(growth.points);
        }
        // Of a saw-tooth the interval has both signs. A few pages more are no growth: the kernel charges them in batches.
        if growth.low <= 0.0 || growth.slope <= 0.0 || growth.slope < thresholds.min_growth {
            return Course::Steady;
        }
        let eta = self.bytes.saturating_sub(self.used) as f64 / growth.slope;
        if eta > thresholds.eta_max {
            return Course::Slow;
        }
        Course::Imminent { eta, growth }
    }
}

/// Limits that are filled above the threshold. A limit that only slows down (`memory.high`) is not among them: nothing is killed there.
pub(crate) fn over(signals: &Signals, host: &HostMemory, thresholds: &Thresholds) -> Vec<Limit> {
    let groups = signals.filled_limits(true, thresholds.warning).into_iter().map(Limit::of_group);
    let all = core::iter::once(Limit::of_host(host)).chain(groups);
    all.filter(|limit| limit.share() > thresholds.warning).collect()
}

/// Those that grow, the worst first. Of limits that the same memory fills the one that is met first is told.
pub(crate) fn imminent<'a>(over: &'a [Limit], thresholds: &Thresholds) -> Vec<Imminent<'a>> {
    let mut all: Vec<Imminent<'a>> = Vec::new();
    for limit in over {
        let Course::Imminent { eta, growth } = limit.course(thresholds) else { continue };
        let severity = if limit.share() >= thresholds.critical { Severity::Critical } else { Severity::Warning };
        // By insertion: code that sorts is a good part of a small component.
        let is_after = |known: &Imminent<'a>| known.severity < severity || known.severity == severity && known.eta > eta;
        let at = all.iter().position(is_after).unwrap_or(all.len());
        all.insert(at, Imminent { limit, severity, eta, growth });
    }
    let mut told: Vec<Imminent<'a>> = Vec::new();
    for one in all {
        let is_same = |known: &Imminent<'a>| match (&known.limit.group, &one.limit.group) {
            (Some(known), Some(group)) => known.is_same_use(group),
            _ => false,
        };
        if told.len() < FINDINGS && !told.iter().any(is_same) {
            told.push(one);
        }
    }
    told
}
