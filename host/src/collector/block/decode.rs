//! From the block object's records to the family, without a kernel.

use std::collections::{BTreeMap, BTreeSet};

use kerno_ebpf_common::{
    block::{Counters, Counts, RequestKey, RequestTotals, SyncTotals, major, minor},
    histogram::BUCKETS,
};
use kerno_signals::{Device, DeviceLatency, Histogram, Latency, Operation};

use super::in_flight::InFlight;
use crate::platform::btf::Btf;

/// What a kernel's `REQ_OP_*` numbers mean.
pub struct Operations(BTreeMap<u32, Operation>);

impl Default for Operations {
    /// The numbers that have not changed since 4.10.
    fn default() -> Self {
        use Operation::{Discard, Flush, Read, Write};
        Self(BTreeMap::from([(0, Read), (1, Write), (2, Flush), (3, Discard), (5, Discard)]))
    }
}

impl Operations {
    /// The running kernel's. The enum is `req_opf` before 6.0 (ff07a02e9e8e), `req_op` since.
    #[must_use]
    pub fn of(btf: &Btf) -> Self {
        use Operation::{Discard, Flush, Read, Write};
        let names = [
            ("REQ_OP_READ", Read),
            ("REQ_OP_WRITE", Write),
            ("REQ_OP_ZONE_APPEND", Write),
            ("REQ_OP_FLUSH", Flush),
            ("REQ_OP_DISCARD", Discard),
            ("REQ_OP_SECURE_ERASE", Discard),
        ];
        let number = |name| btf.enum_value("req_op", name).or_else(|| btf.enum_value("req_opf", name));
        let found: BTreeMap<_, _> = names.into_iter().filter_map(|(name, kind)| Some((number(name)?, kind))).collect();
        if found.is_empty() { Self::default() } else { Self(found) }
    }

    /// The kind of an operation.
    #[must_use]
    pub fn of_number(&self, number: u32) -> Operation {
        self.0.get(&number).copied().unwrap_or(Operation::Other)
    }
}

/// Numbers of one row, summed over CPUs.
#[derive(Clone)]
pub struct Sums {
    counts: Vec<u64>,
    sum_ns: u64,
    max_ns: u64,
    bytes: u64,
    errors: u64,
}

/// Of requests.
pub type Requests = Sums;

impl Default for Sums {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], sum_ns: 0, max_ns: 0, bytes: 0, errors: 0 }
    }
}

impl Sums {
    /// Adds one shard's histogram.
    pub fn add_counts(&mut self, counts: &Counts) {
        self.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(*count));
    }

    /// Adds one CPU's sums of requests.
    pub fn add_totals(&mut self, totals: &RequestTotals) {
        self.sum_ns += totals.sum_ns;
        self.max_ns = self.max_ns.max(totals.max_ns);
        self.bytes += totals.bytes;
        self.errors += totals.errors;
    }

    /// Adds one CPU's sums of syncs.
    pub fn add_sync_totals(&mut self, totals: &SyncTotals) {
        self.sum_ns += totals.sum_ns;
        self.max_ns = self.max_ns.max(totals.max_ns);
        self.errors += totals.errors;
    }

    /// Adds another row.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
        self.bytes += other.bytes;
        self.errors += other.errors;
    }

    /// Operations that failed.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// The distribution.
    #[must_use]
    pub fn latency(&self) -> Latency {
        let histogram = Histogram::from_counts(self.counts.iter().copied());
        Latency { count: histogram.count(), sum_ns: self.sum_ns, max_ns: Some(self.max_ns), histogram: Some(histogram) }
    }
}

/// Latency per device and operation; the kernel's operations of one kind are added up. Requests without a disk (device 0: commands
/// to a controller) are left out. `name` names a device.
pub fn devices(
    rows: Vec<(RequestKey, Requests)>,
    in_flight: &InFlight,
    operations: &Operations,
    now: u64,
    name: impl Fn((u32, u32)) -> Device,
) -> Vec<DeviceLatency> {
    let kind = |key: &RequestKey| (key.device, operations.of_number(key.operation));
    let mut sums: BTreeMap<(u32, Operation), Requests> = BTreeMap::new();
    for (key, row) in &rows {
        sums.entry(kind(key)).or_default().add(row);
    }
    let mut open: BTreeMap<(u32, Operation), Vec<u64>> = BTreeMap::new();
    for (key, issued) in in_flight {
        sums.entry(kind(key)).or_default();
        open.entry(kind(key)).or_default().extend(issued);
    }
    sums.retain(|(device, _), _| *device != 0);
    let numbers: BTreeSet<u32> = sums.keys().map(|(device, _)| *device).collect();
    let devices: BTreeMap<u32, Device> =
        numbers.into_iter().map(|device| (device, name((major(device), minor(device))))).collect();
    sums.into_iter()
        .filter_map(|((device, operation), row)| {
            let open = open.get(&(device, operation)).map(Vec::as_slice).unwrap_or_default();
            Some(DeviceLatency {
                device: devices.get(&device)?.clone(),
                operation,
                latency: row.latency(),
                bytes: row.bytes,
                errors: row.errors,
                in_flight: open.len() as u64,
                oldest_in_flight_ns: open.iter().min().map(|issued| now.saturating_sub(*issued)),
            })
        })
        .collect()
}

/// Requests that are missing or not where they belong.
#[must_use]
pub fn lost_requests(counters: &Counters) -> u64 {
    counters.in_flight_full + counters.completion_missed + counters.requests_without_row
}

/// Syncs that are missing or not where they belong.
#[must_use]
pub fn lost_syncs(counters: &Counters) -> u64 {
    counters.syncing_full + counters.return_missed + counters.syncs_without_row
}

/// Sum of two CPUs' counters.
#[must_use]
pub fn add(a: Counters, b: Counters) -> Counters {
    Counters {
        issued: a.issued + b.issued,
        completed: a.completed + b.completed,
        in_flight_full: a.in_flight_full + b.in_flight_full,
        completion_missed: a.completion_missed + b.completion_missed,
        requests_without_row: a.requests_without_row + b.requests_without_row,
        synced: a.synced + b.synced,
        syncing_full: a.syncing_full + b.syncing_full,
        return_missed: a.return_missed + b.return_missed,
        syncs_without_row: a.syncs_without_row + b.syncs_without_row,
        canaries: a.canaries + b.canaries,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kerno_ebpf_common::{block::device, histogram::bucket_of};

    fn row(samples: &[u64], bytes: u64, errors: u64) -> Requests {
        let mut sums = Requests::default();
        for sample in samples {
            let mut counts = [0; BUCKETS];
            counts[bucket_of(*sample) as usize] = 1;
            sums.add_counts(&counts);
            sums.add_totals(&RequestTotals { sum_ns: *sample, max_ns: *sample, bytes: 0, errors: 0 });
        }
        sums.add_totals(&RequestTotals { sum_ns: 0, max_ns: 0, bytes, errors });
        sums
    }

    fn name((major, minor): (u32, u32)) -> Device {
        Device { major, minor, name: format!("disk{minor}"), mounts: vec![] }
    }

    #[test]
    fn operations_of_one_kind_are_added_up_and_requests_without_a_disk_left_out() {
        let operations = Operations(BTreeMap::from([(1, Operation::Write), (7, Operation::Write)]));
        let disk = device(254, 1);
        let rows = vec![
            (RequestKey { device: disk, operation: 1 }, row(&[2_000_000, 4_000_000], 8_192, 1)),
            (RequestKey { device: disk, operation: 7 }, row(&[8_000_000], 4_096, 0)),
            (RequestKey { device: disk, operation: 34 }, row(&[9_000], 0, 0)),
            (RequestKey { device: 0, operation: 34 }, row(&[9_000], 0, 0)),
        ];
        let told = devices(rows, &InFlight::new(), &operations, 0, name);
        let [write, other] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(write.latency, Latency::from_samples([2_000_000, 4_000_000, 8_000_000]));
        assert_eq!((write.bytes, write.errors, write.operation), (12_288, 1, Operation::Write));
        assert_eq!((write.device.major, write.device.minor), (254, 1));
        assert_eq!(other.operation, Operation::Other);
    }

    #[test]
    fn a_device_that_only_hangs_is_told() {
        let key = RequestKey { device: device(8, 0), operation: 1 };
        let told = devices(vec![], &InFlight::from([(key, vec![70, 30])]), &Operations::default(), 100, name);
        let [write] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((write.latency.count, write.in_flight, write.oldest_in_flight_ns), (0, 2, Some(70)));
    }

    #[test]
    fn every_loss_counts() {
        let one = Counters {
            issued: 100,
            completed: 100,
            in_flight_full: 1,
            completion_missed: 2,
            requests_without_row: 4,
            synced: 100,
            syncing_full: 8,
            return_missed: 16,
            syncs_without_row: 32,
            canaries: 5,
        };
        let two = add(one, one);
        assert_eq!((lost_requests(&two), lost_syncs(&two)), (14, 112));
    }
}
