//! Run-queue delay of the host and of each control group against the rule's threshold.

use std::collections::BTreeMap;

use kerno_signals::{Cgroup, Latency, Snapshot};

use super::series::{Family, Series, bucket, intervals, look, p99, why_unseen};
use super::thresholds::{DELAY, Threshold, Thresholds};
use super::{Limit, LimitKind, entity};
use crate::findings::Entity;

pub(super) fn families(snapshots: &[Snapshot], thresholds: &Thresholds) -> Vec<Family> {
    let threshold = match thresholds.of(DELAY) {
        Ok(threshold) => threshold,
        Err(unseen) => return vec![Family { signal: DELAY, series: Vec::new(), unseen: Some(unseen) }],
    };
    let unseen = why_unseen(snapshots, "sched", threshold.most_lost);
    let named = snapshots.last().and_then(|last| last.families.sched.as_ref());
    let named: BTreeMap<Option<&str>, &Cgroup> = named
        .iter()
        .flat_map(|sched| &sched.cgroups)
        .filter(|group| !group.lowest_weight)
        .filter_map(|group| Some((Some(group.cgroup.path.as_deref()?), &group.cgroup)))
        .collect();
    let series = intervals(snapshots, delays).into_iter().filter_map(|(path, intervals)| {
        let readings = p99(&intervals, threshold.fewest);
        // Without percentiles there is nothing to compare.
        if readings.is_empty() {
            return None;
        }
        let (entity, who) = match &path {
            None => (entity::node(snapshots), "the host".to_owned()),
            Some(path) => {
                let group = named.get(&Some(path.as_str()))?;
                (entity::group(group), entity::group_name(group))
            }
        };
        Some(series(entity, who, readings, threshold))
    });
    vec![Family { signal: DELAY, series: series.collect(), unseen }]
}

/// By the group's path; `None` is the host.
fn delays(snapshot: &Snapshot) -> BTreeMap<Option<String>, Latency> {
    let Some(sched) = &snapshot.families.sched else { return BTreeMap::new() };
    let mut all = BTreeMap::from([(None, sched.host.clone())]);
    for group in &sched.cgroups {
        if let Some(path) = &group.cgroup.path {
            all.entry(Some(path.clone())).or_default().add(&group.delay);
        }
    }
    all
}

fn series(entity: Entity, who: String, readings: Vec<(u64, f64)>, threshold: &Threshold) -> Series {
    Series {
        signal: DELAY,
        collector: "sched",
        unit: "seconds",
        entity,
        impact: format!("Whatever runs in {who} answers late by as much as it waits for a CPU."),
        who,
        resolution: bucket(&readings),
        readings,
        limit_value: threshold.value,
        limit: Limit { kind: LimitKind::Threshold, name: threshold.name.clone() },
        next: look("See who runs meanwhile", "top -b -d 1 -n 3 | head -40".to_owned()),
    }
}
