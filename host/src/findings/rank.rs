//! The order in which findings are shown: what hurts most, first.

use std::cmp::{Ordering, Reverse};

use super::Finding;

/// Sorts by severity, then time to impact (what has none is felt already), then how far past the threshold, then how much is affected (the largest count in the
/// evidence), then id, so that equal faults keep their order between runs.
pub(super) fn rank(findings: &mut [Finding]) {
    findings.sort_by(compare);
}

pub(super) fn compare(a: &Finding, b: &Finding) -> Ordering {
    Reverse(a.severity)
        .cmp(&Reverse(b.severity))
        .then_with(|| a.eta_seconds.unwrap_or(0.0).total_cmp(&b.eta_seconds.unwrap_or(0.0)))
        .then_with(|| excess(b).total_cmp(&excess(a)))
        .then_with(|| affected(b).total_cmp(&affected(a)))
        .then_with(|| a.id.cmp(&b.id))
}

/// How many times the threshold the value is.
fn excess(finding: &Finding) -> f64 {
    let (value, threshold) = (finding.signal.value, finding.signal.threshold);
    if threshold > 0.0 { value / threshold } else { f64::MAX }
}

fn affected(finding: &Finding) -> f64 {
    finding.evidence.iter().filter(|evidence| evidence.unit == "count").map(|evidence| evidence.value).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Evidence, Severity, sample};

    #[test]
    fn severity_then_time_then_excess_then_number_affected() {
        let make = |id: &str, severity, eta_seconds, value, samples| {
            let mut finding = sample(id, severity);
            finding.eta_seconds = eta_seconds;
            finding.signal.value = value;
            finding.signal.threshold = 1.0;
            finding.evidence = vec![Evidence { key: "waits".into(), value: samples, unit: "count".into() }];
            finding
        };
        let mut findings = [
            make("info, far past", Severity::Info, None, 99.0, 1.0),
            make("warning, many", Severity::Warning, None, 2.0, 900.0),
            make("warning, few", Severity::Warning, None, 2.0, 3.0),
            make("warning, further past", Severity::Warning, None, 5.0, 1.0),
            make("critical, later", Severity::Critical, Some(600.0), 9.0, 1.0),
            make("critical, soon", Severity::Critical, Some(60.0), 1.1, 1.0),
            make("critical, now", Severity::Critical, None, 50.0, 1.0),
        ];
        rank(&mut findings);
        assert_eq!(
            findings.map(|finding| finding.id),
            [
                "critical, now",
                "critical, soon",
                "critical, later",
                "warning, further past",
                "warning, many",
                "warning, few",
                "info, far past",
            ]
        );
    }

    #[test]
    fn a_threshold_of_zero_is_not_a_division_error() {
        let mut past_zero = sample("past zero", Severity::Warning);
        past_zero.signal.threshold = 0.0;
        let mut findings = [sample("plain", Severity::Warning), past_zero];
        rank(&mut findings);
        assert_eq!(findings[0].id, "past zero");
    }
}
