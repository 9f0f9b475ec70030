//! Syncs of each file system, and reads and writes of each device, against the rule's thresholds.

use std::collections::BTreeMap;

use kerno_signals::{Device, FileSystem, Latency, Operation, Snapshot};

use super::series::{Family, Series, bucket, intervals, look, p99, why_unseen, word};
use super::thresholds::{FSYNC, READ, Threshold, Thresholds, WRITE};
use super::{Limit, LimitKind, entity};
use crate::findings::{Entity, EntityKind};

/// A device's or a file system's number.
type Number = (u32, u32);

pub(super) fn families(snapshots: &[Snapshot], thresholds: &Thresholds) -> Vec<Family> {
    let of = |signal: &'static str, series: &dyn Fn(&Threshold) -> Vec<Series>, has_part: bool| {
        let (series, unseen) = match thresholds.of(signal) {
            Ok(threshold) => {
                let part = (!has_part).then(|| "syncs were not measured".to_owned());
                (series(threshold), why_unseen(snapshots, "block", threshold.most_lost).or(part))
            }
            Err(unseen) => (Vec::new(), Some(unseen)),
        };
        Family { signal, series, unseen }
    };
    let last = snapshots.last().and_then(|last| last.families.block.as_ref());
    let has_syncs = last.is_some_and(|block| block.syncs.is_some());
    vec![
        of(FSYNC, &|threshold| file_systems(snapshots, threshold), has_syncs),
        of(WRITE, &|threshold| devices(snapshots, WRITE, Operation::Write, threshold), true),
        of(READ, &|threshold| devices(snapshots, READ, Operation::Read, threshold), true),
    ]
}

fn file_systems(snapshots: &[Snapshot], threshold: &Threshold) -> Vec<Series> {
    let syncs = |snapshot: &Snapshot| {
        let mut all: BTreeMap<Number, Latency> = BTreeMap::new();
        for sync in judged(snapshot) {
            all.entry((sync.file_system.major, sync.file_system.minor)).or_default().add(&sync.latency);
        }
        all
    };
    let mut named: BTreeMap<Number, &FileSystem> = BTreeMap::new();
    for sync in snapshots.last().into_iter().flat_map(judged) {
        let system = &sync.file_system;
        let known = named.entry((system.major, system.minor)).or_insert(system);
        if known.mount.is_none() {
            *known = system;
        }
    }
    let of = |(number, intervals): (Number, Vec<(u64, Latency)>)| {
        let system = named.get(&number)?;
        let names = [("device", &system.device), ("mount", &system.mount), ("source", &system.source)];
        let names = names.into_iter().filter_map(|(key, name)| Some((key, name.as_deref()?)));
        let who = system.mount.clone().or_else(|| system.source.clone());
        let who = who.unwrap_or_else(|| format!("the file system on {}:{}", number.0, number.1));
        let kind = if system.device.is_some() { EntityKind::Device } else { EntityKind::Mount };
        series(FSYNC, entity::entity(kind, names), who, system.device.as_deref(), &intervals, threshold)
    };
    intervals(snapshots, syncs).into_iter().filter_map(of).collect()
}

/// Syncs that somebody waits for: kerno's own are none, in memory they cost nothing.
fn judged(snapshot: &Snapshot) -> impl Iterator<Item = &kerno_signals::Sync> {
    let all = snapshot.families.block.iter().flat_map(|block| &block.syncs).flatten();
    all.filter(|sync| !sync.own && !sync.file_system.in_memory)
}

fn devices(snapshots: &[Snapshot], signal: &'static str, operation: Operation, threshold: &Threshold) -> Vec<Series> {
    let of_operation = |snapshot: &Snapshot| {
        let all = snapshot.families.block.iter().flat_map(|block| &block.devices).filter(|device| device.operation == operation);
        all.map(|one| ((one.device.major, one.device.minor), one.latency.clone())).collect::<BTreeMap<Number, Latency>>()
    };
    let last = snapshots.last().into_iter().flat_map(|last| &last.families.block).flat_map(|block| &block.devices);
    let named: BTreeMap<Number, &Device> = last.map(|one| ((one.device.major, one.device.minor), &one.device)).collect();
    let of = |(number, intervals): (Number, Vec<(u64, Latency)>)| {
        let device = named.get(&number)?;
        let mount = device.mounts.first().map(|mount| ("mount", mount.as_str()));
        let entity = entity::entity(EntityKind::Device, [("device", device.name.as_str())].into_iter().chain(mount));
        series(signal, entity, device.name.clone(), Some(&device.name), &intervals, threshold)
    };
    intervals(snapshots, of_operation).into_iter().filter_map(of).collect()
}

fn series(
    signal: &'static str,
    entity: Entity,
    who: String,
    device: Option<&str>,
    intervals: &[(u64, Latency)],
    threshold: &Threshold,
) -> Option<Series> {
    let readings = p99(intervals, threshold.fewest);
    // What is hardly used is not slow.
    if readings.is_empty() {
        return None;
    }
    Some(Series {
        signal,
        collector: "block",
        unit: "seconds",
        entity,
        impact: format!("Whoever waits for {who} waits longer and longer."),
        who,
        resolution: bucket(&readings),
        readings,
        limit_value: threshold.value,
        limit: Limit { kind: LimitKind::Threshold, name: threshold.name.clone() },
        next: look(
            "See load, queue and latency of the device",
            match device {
                Some(device) => format!("iostat -x 1 3 {}", word(device)),
                None => "iostat -x 1 3".to_owned(),
            },
        ),
    })
}
