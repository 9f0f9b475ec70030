//! Questions about block requests and the fsync family.

use std::cmp::Reverse;

use serde::Serialize;

use super::contenders::contenders;
use super::{CgroupView, LatencyView, first, seconds};
use crate::{Block, FileSystem, Latency, Operation, Sync};

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

/// Devices by operation (`None`: every operation) with at least `min_requests` completed or one in flight, and a p99 or one in flight
/// for at least `min_p99` seconds (0: any); worst first.
#[must_use]
pub fn devices(
    block: &Block,
    operation: Option<Operation>,
    min_requests: u64,
    min_p99: f64,
    limit: u32,
) -> Vec<DeviceLatencyView> {
    let bounded = block
        .devices
        .iter()
        .filter(|device| operation.is_none_or(|wanted| device.operation == wanted))
        .filter(|device| device.latency.count >= min_requests || device.in_flight > 0)
        .map(|device| (bound(&device.latency, device.oldest_in_flight_ns), device))
        .filter(|(bound, _)| seconds(*bound) >= min_p99);
    let devices = contenders(bounded, limit, |device| badness(&device.latency, device.oldest_in_flight_ns, min_p99));
    first(
        devices,
        limit,
        |(badness, device)| (Reverse(*badness), &device.device.name, device.operation),
        |(_, device)| DeviceLatencyView {
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
        },
    )
}

/// What a list is sorted by: the p99 (the average where there is none, when any will do), or the age of what is still in flight.
fn badness(latency: &Latency, oldest_in_flight_ns: Option<u64>, min_p99: f64) -> Option<u64> {
    let completed = latency.quantile_ns(0.99).or_else(|| latency.mean_ns().filter(|_| min_p99 <= 0.0)).unwrap_or(0);
    Some(completed.max(oldest_in_flight_ns.unwrap_or(0))).filter(|worst| seconds(*worst) >= min_p99)
}

/// What that cannot be above.
fn bound(latency: &Latency, oldest_in_flight_ns: Option<u64>) -> u64 {
    latency.quantile_bound_ns(0.99).max(oldest_in_flight_ns.unwrap_or(0))
}

/// All syncs of one file system.
struct Syncs<'a, 'b>(&'b [&'a Sync]);

impl Syncs<'_, '_> {
    fn sum(&self, of: impl Fn(&Sync) -> u64) -> u64 {
        self.0.iter().map(|sync| of(sync)).fold(0, u64::saturating_add)
    }

    fn latency(&self) -> Latency {
        let mut sum = Latency::default();
        self.0.iter().for_each(|sync| sum.add(&sync.latency));
        sum
    }

    fn oldest_ns(&self) -> Option<u64> {
        self.0.iter().filter_map(|sync| sync.oldest_in_flight_ns).max()
    }

    fn bound(&self) -> u64 {
        bound(&Latency::totals(self.0.iter().map(|sync| &sync.latency)), self.oldest_ns())
    }

    fn view(&self) -> FileSystemSync {
        // As the caller sees it that waited longest, of those whose mount is known; of equal ones the first.
        let seen = |sync: &&&Sync| (sync.file_system.mount.is_some(), sync.latency.sum_ns);
        let shown = self.0.iter().rev().max_by_key(seen).unwrap_or(&self.0[0]);
        FileSystemSync {
            file_system: file_system(&shown.file_system),
            latency: LatencyView::from(&self.latency()),
            errors: self.sum(|sync| sync.errors),
            in_flight: self.sum(|sync| sync.in_flight),
            oldest_in_flight: self.oldest_ns().map(seconds),
            callers: u32::try_from(self.0.len()).unwrap_or(u32::MAX),
        }
    }
}

/// The same of file systems by their syncs; in-memory ones and kerno's own syncs are left out. `None` when syncs were not measured.
#[must_use]
pub fn file_systems(block: &Block, min_syncs: u64, min_p99: f64, limit: u32) -> Option<Vec<FileSystemSync>> {
    let number = |sync: &Sync| (sync.file_system.major, sync.file_system.minor);
    let mut syncs: Vec<&Sync> = block.syncs.as_ref()?.iter().filter(|sync| !sync.own && !sync.file_system.in_memory).collect();
    syncs.sort_by_key(|sync| number(sync));
    let bounded = syncs
        .chunk_by(|a, b| number(a) == number(b))
        .map(Syncs)
        .filter(|of| of.sum(|sync| sync.latency.count) >= min_syncs || of.sum(|sync| sync.in_flight) > 0)
        .map(|of| (of.bound(), of))
        .filter(|(bound, _)| seconds(*bound) >= min_p99);
    let systems = contenders(bounded, limit, |of| badness(&of.latency(), of.oldest_ns(), min_p99));
    Some(first(systems, limit, |(badness, of)| (Reverse(*badness), number(of.0[0])), |(_, of)| of.view()))
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
    let callers: Vec<&Sync> = block.syncs.iter().flatten().filter(on_it).collect();
    first(
        callers,
        limit,
        |sync| (Reverse(sync.latency.sum_ns.saturating_add(sync.oldest_in_flight_ns.unwrap_or(0))), sync.pid),
        |sync| CallerSync {
            pid: sync.pid,
            comm: sync.comm.clone(),
            cgroup: CgroupView::from(&sync.cgroup),
            latency: LatencyView::from(&sync.latency),
            in_flight: sync.in_flight,
            oldest_in_flight: sync.oldest_in_flight_ns.map(seconds),
            own: sync.own,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cgroup, Device, DeviceLatency};

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
        let systems = file_systems(&block, 2, 0.0, 9).unwrap();
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
        let systems = file_systems(&block, 20, 0.0, 9).unwrap();
        assert_eq!(systems[0].file_system.mount.as_deref(), Some("/3"));
        assert_eq!(systems[0].oldest_in_flight, Some(12.0));
    }

    #[test]
    fn syncs_that_were_not_measured_are_not_an_empty_list() {
        assert_eq!(file_systems(&Block::default(), 0, 0.0, 9), None);
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
        let names: Vec<_> =
            devices(&block, Some(Operation::Read), 1, 0.0, 9).into_iter().map(|device| device.device.name).collect();
        assert_eq!(names, ["c", "a"]);
        assert_eq!(devices(&block, None, 1, 0.0, 1)[0].device.name, "c");
        assert!(devices(&block, None, 2, 0.0, 9).is_empty());
        let slow: Vec<_> = devices(&block, None, 1, 6e-6, 9).into_iter().map(|device| device.device.name).collect();
        assert_eq!(slow, ["c"]);
    }
}
