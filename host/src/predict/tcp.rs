//! Segments that are sent again, by the kernel's own totals, against the rule's threshold.

use kerno_signals::{NamespaceTotals, Snapshot};

use super::series::{Family, Series, end, look, why_unseen};
use super::thresholds::{RETRANSMITS, Threshold, Thresholds};
use super::{Limit, LimitKind, entity};

pub(super) fn families(snapshots: &[Snapshot], thresholds: &Thresholds) -> Vec<Family> {
    let threshold = match thresholds.of(RETRANSMITS) {
        Ok(threshold) => threshold,
        Err(unseen) => return vec![Family { signal: RETRANSMITS, series: Vec::new(), unseen: Some(unseen) }],
    };
    // Lost events are not lost to the kernel's totals.
    let unseen = why_unseen(snapshots, "tcp", 1.0);
    let readings = readings(snapshots, threshold.fewest);
    let series = if readings.is_empty() { Vec::new() } else { vec![series(snapshots, readings, threshold)] };
    vec![Family { signal: RETRANSMITS, series, unseen }]
}

fn readings(snapshots: &[Snapshot], fewest: f64) -> Vec<(u64, f64)> {
    let mut readings = Vec::new();
    let mut before: Option<(u64, u64, u64)> = None;
    for snapshot in snapshots {
        let Some(totals) = totals(snapshot) else { continue };
        let (start, retransmitted) = (snapshot.window.start_unix_ns, totals.retransmitted);
        // The kernel counts what is sent again apart.
        let sent = totals.out_segments.saturating_add(retransmitted);
        let earlier = before.filter(|(begun, ..)| *begun == start).map_or((0, 0), |(_, sent, again)| (sent, again));
        let (added, again) = (sent.saturating_sub(earlier.0), retransmitted.saturating_sub(earlier.1));
        if added as f64 >= fewest && added > 0 {
            readings.push((end(snapshot), again as f64 / added as f64));
        }
        before = Some((start, sent, retransmitted));
    }
    readings
}

/// Of the namespace that kerno runs in: the host's.
fn totals(snapshot: &Snapshot) -> Option<&NamespaceTotals> {
    snapshot.families.tcp.as_ref()?.namespaces.iter().find(|namespace| namespace.own)?.totals.as_ref()
}

fn series(snapshots: &[Snapshot], readings: Vec<(u64, f64)>, threshold: &Threshold) -> Series {
    Series {
        signal: RETRANSMITS,
        collector: "tcp",
        unit: "ratio",
        entity: entity::node(snapshots),
        who: "the host".to_owned(),
        // One segment of as many as are needed.
        resolution: 1.0 / threshold.fewest.max(1.0),
        readings,
        limit_value: threshold.value,
        limit: Limit { kind: LimitKind::Threshold, name: threshold.name.clone() },
        impact: "Whoever talks over the network waits for what is lost to be sent again.".to_owned(),
        next: look("See which connections lose", "ss -tin state established | grep -B1 retrans:".to_owned()),
    }
}
