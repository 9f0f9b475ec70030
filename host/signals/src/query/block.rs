//! Questions about block requests and the fsync family.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::{CgroupView, LatencyView, first, seconds};
use crate::{Block, DeviceLatency, FileSystem, Latency, Operation, Sync};

/// Kind of a block request; spelled as the contract spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum OperationView {
    Read,
    Write,
    Flush,
    Discard,
    Other,
}

impl From<Operation> for OperationView {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Read => Self::Read,
            Operation::Write => Self::Write,
            Operation::Flush => Self::Flush,
            Operation::Discard => Self::Discard,
            Operation::Other => Self::Other,
        }
    }
}

/// A block device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/block.wit says it")]
pub struct DeviceView {
    pub major: u32,
    pub minor: u32,
    pub name: String,
    pub mounts: Vec<String>,
}

/// Latency of one device and operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/block.wit says it")]
pub struct DeviceLatencyView {
    pub device: DeviceView,
    pub operation: OperationView,
    pub latency: LatencyView,
    pub bytes: u64,
    pub errors: u64,
    pub in_flight: u64,
    pub oldest_in_flight: Option<f64>,
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/block.wit says it")]
pub struct FileSystemView {
    pub major: u32,
    pub minor: u32,
    pub kind: Option<String>,
    pub mount: Option<String>,
    pub source: Option<String>,
    pub device: Option<String>,
    pub in_memory: bool,
}

/// Syncs of one file system, all processes but kerno together.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/block.wit says it")]
pub struct FileSystemSync {
    pub file_system: FileSystemView,
    pub latency: LatencyView,
    pub errors: u64,
    pub in_flight: u64,
    pub oldest_in_flight: Option<f64>,
    pub callers: u32,
}

/// Syncs of one process on one file system.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/block.wit says it")]
pub struct CallerSync {
    pub pid: u32,
    pub comm: String,
    pub cgroup: CgroupView,
    pub latency: LatencyView,
    pub in_flight: u64,
    pub oldest_in_flight: Option<f64>,
    pub own: bool,
}

/// Devices by operation (`None`: every operation) with at least `min_requests` completed or one in flight, worst first.
#[must_use]
pub fn devices(block: &Block, operation: Option<Operation>, min_requests: u64, limit: u32) -> Vec<DeviceLatencyView> {
    let mut devices: Vec<(u64, &DeviceLatency)> = block
        .devices
        .iter()
        .filter(|device| operation.is_none_or(|wanted| device.operation == wanted))
        .filter(|device| device.latency.count >= min_requests || device.in_flight > 0)
        .map(|device| (badness(&device.latency, device.oldest_in_flight_ns), device))
        .collect();
    devices.sort_by(|(a, x), (b, y)| {
        b.cmp(a).then_with(|| x.device.name.cmp(&y.device.name)).then_with(|| x.operation.cmp(&y.operation))
    });
    first(&devices, limit, |(_, device)| DeviceLatencyView {
        device: DeviceView {
            major: device.device.major,
            minor: device.device.minor,
            name: device.device.name.clone(),
            mounts: device.device.mounts.clone(),
        },
        operation: device.operation.into(),
        latency: LatencyView::from(&device.latency),
        bytes: device.bytes,
        errors: device.errors,
        in_flight: device.in_flight,
        oldest_in_flight: device.oldest_in_flight_ns.map(seconds),
    })
}

/// What a list is sorted by: the p99 (the average where there is none), or the age of what is still in flight.
fn badness(latency: &Latency, oldest_in_flight_ns: Option<u64>) -> u64 {
    let completed = latency.quantile_ns(0.99).or(latency.mean_ns()).unwrap_or(0);
    completed.max(oldest_in_flight_ns.unwrap_or(0))
}

/// Syncs of one file system while they are added up.
struct Merged<'a> {
    /// The caller that waited longest among those whose mount is known: its view of the file system is shown.
    shown: (bool, u64, &'a FileSystem),
    latency: Latency,
    errors: u64,
    in_flight: u64,
    oldest_ns: Option<u64>,
    callers: u32,
}

/// File systems with at least `min_syncs` completed or one in flight, worst first; in-memory ones and kerno's own syncs are left
/// out. `None` when syncs were not measured.
#[must_use]
pub fn file_systems(block: &Block, min_syncs: u64, limit: u32) -> Option<Vec<FileSystemSync>> {
    let mut merged: BTreeMap<(u32, u32), Merged<'_>> = BTreeMap::new();
    for sync in block.syncs.as_ref()?.iter().filter(|sync| !sync.own && !sync.file_system.in_memory) {
        let system = &sync.file_system;
        let shown = (system.mount.is_some(), sync.latency.sum_ns, system);
        let sum = merged.entry((system.major, system.minor)).or_insert_with(|| Merged {
            shown,
            latency: Latency::default(),
            errors: 0,
            in_flight: 0,
            oldest_ns: None,
            callers: 0,
        });
        if (shown.0, shown.1) > (sum.shown.0, sum.shown.1) {
            sum.shown = shown;
        }
        sum.latency.add(&sync.latency);
        sum.errors = sum.errors.saturating_add(sync.errors);
        sum.in_flight = sum.in_flight.saturating_add(sync.in_flight);
        sum.oldest_ns = sum.oldest_ns.max(sync.oldest_in_flight_ns);
        sum.callers += 1;
    }
    let mut systems: Vec<Merged<'_>> =
        merged.into_values().filter(|sum| sum.latency.count >= min_syncs || sum.in_flight > 0).collect();
    systems.sort_by_key(|sum| Reverse(badness(&sum.latency, sum.oldest_ns)));
    Some(first(&systems, limit, |sum| FileSystemSync {
        file_system: file_system(sum.shown.2),
        latency: LatencyView::from(&sum.latency),
        errors: sum.errors,
        in_flight: sum.in_flight,
        oldest_in_flight: sum.oldest_ns.map(seconds),
        callers: sum.callers,
    }))
}

fn file_system(system: &FileSystem) -> FileSystemView {
    FileSystemView {
        major: system.major,
        minor: system.minor,
        kind: system.kind.clone(),
        mount: system.mount.clone(),
        source: system.source.clone(),
        device: system.device.clone(),
        in_memory: system.in_memory,
    }
}

/// Who syncs a file system, the longest total wait first; a call in flight counts with its age.
#[must_use]
pub fn callers(block: &Block, major: u32, minor: u32, limit: u32) -> Vec<CallerSync> {
    let on_it = |sync: &&Sync| (sync.file_system.major, sync.file_system.minor) == (major, minor);
    let mut callers: Vec<&Sync> = block.syncs.iter().flatten().filter(on_it).collect();
    callers.sort_by_key(|sync| (Reverse(sync.latency.sum_ns.saturating_add(sync.oldest_in_flight_ns.unwrap_or(0))), sync.pid));
    first(&callers, limit, |sync| CallerSync {
        pid: sync.pid,
        comm: sync.comm.clone(),
        cgroup: CgroupView::from(&sync.cgroup),
        latency: LatencyView::from(&sync.latency),
        in_flight: sync.in_flight,
        oldest_in_flight: sync.oldest_in_flight_ns.map(seconds),
        own: sync.own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cgroup, Device};

    fn sync(pid: u32, minor: u32, samples: &[u64]) -> Sync {
        Sync {
            pid,
            comm: format!("task{pid}"),
            cgroup: Cgroup { id: 1, ..Cgroup::default() },
            file_system: FileSystem {
                major: 8,
                minor,
                kind: None,
                mount: Some(format!("/{minor}")),
                source: None,
                device: None,
                in_memory: minor == 99,
            },
            latency: Latency::from_samples(samples.iter().copied()),
            errors: 1,
            in_flight: 0,
            oldest_in_flight_ns: None,
            own: false,
        }
    }

    #[test]
    fn syncs_of_one_file_system_are_added_up_without_kerno_and_memory() {
        let own = Sync { own: true, ..sync(7, 1, &[9_000_000_000]) };
        let syncs =
            vec![sync(1, 1, &[50_000_000]), sync(2, 1, &[10_000_000, 20_000_000]), own, sync(3, 99, &[1]), sync(4, 2, &[1])];
        let block = Block { devices: Vec::new(), syncs: Some(syncs) };
        let systems = file_systems(&block, 2, 9).unwrap();
        assert_eq!(systems.len(), 1);
        assert_eq!((systems[0].latency.count, systems[0].callers, systems[0].errors), (3, 2, 2));
        assert_eq!(systems[0].latency.max, Some(0.05));
        let waiting: Vec<_> = callers(&block, 8, 1, 2).iter().map(|caller| caller.pid).collect();
        assert_eq!(waiting, [7, 1]);
    }

    #[test]
    fn a_call_in_flight_is_listed_whatever_the_sample_size() {
        let hung = Sync { in_flight: 1, oldest_in_flight_ns: Some(12_000_000_000), ..sync(1, 3, &[]) };
        let block = Block { devices: Vec::new(), syncs: Some(vec![sync(2, 2, &[1_000; 30]), hung]) };
        let systems = file_systems(&block, 20, 9).unwrap();
        assert_eq!(systems[0].file_system.mount.as_deref(), Some("/3"));
        assert_eq!(systems[0].oldest_in_flight, Some(12.0));
    }

    #[test]
    fn syncs_that_were_not_measured_are_not_an_empty_list() {
        assert_eq!(file_systems(&Block::default(), 0, 9), None);
    }

    #[test]
    fn devices_are_filtered_by_operation() {
        let of = |name: &str, operation, samples: &[u64]| DeviceLatency {
            device: Device { major: 8, minor: 0, name: name.into(), mounts: Vec::new() },
            operation,
            latency: Latency::from_samples(samples.iter().copied()),
            bytes: 0,
            errors: 0,
            in_flight: 0,
            oldest_in_flight_ns: None,
        };
        let devices_of =
            vec![of("a", Operation::Read, &[1_000]), of("b", Operation::Write, &[5_000]), of("c", Operation::Read, &[9_000])];
        let block = Block { devices: devices_of, syncs: None };
        let names: Vec<_> = devices(&block, Some(Operation::Read), 1, 9).into_iter().map(|device| device.device.name).collect();
        assert_eq!(names, ["c", "a"]);
        assert_eq!(devices(&block, None, 1, 1)[0].device.name, "c");
        assert!(devices(&block, None, 2, 9).is_empty());
    }
}
