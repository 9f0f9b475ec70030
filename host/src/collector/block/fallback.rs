//! Block requests without eBPF: totals per device from `/proc/diskstats`. Averages, no percentiles, no errors, no fsync.
//!
//! The kernel counts a request's time from its making, so that time in the I/O scheduler's queue is in it.

use std::collections::BTreeMap;

use kerno_signals::{Block, CollectorReport, DeviceLatency, Families, Latency, Operation};

use super::NAME;
use crate::collector::{Collector, Failure, Moment, report};
use crate::platform::diskstats::{self, Disk, Requests};
use crate::platform::{Error, Root, block_device, mounts};

/// The file that is read.
const SOURCE: &str = "/proc/diskstats";

/// A running measurement.
#[derive(Debug)]
pub struct BlockFallback {
    root: Root,
    start: BTreeMap<(u32, u32), Disk>,
}

impl BlockFallback {
    /// Takes the first reading.
    pub fn start() -> Result<Self, Error> {
        Self::start_at(Root::default())
    }

    fn start_at(root: Root) -> Result<Self, Error> {
        let start = diskstats::read(&root)?;
        Ok(Self { root, start })
    }

    fn added(&self, number: (u32, u32), now: &Disk) -> Vec<(Operation, Requests)> {
        let none = Disk::default();
        // A device of another name under the same number is a new one.
        let before = self.start.get(&number).filter(|before| before.name == now.name).unwrap_or(&none);
        let optional = |now: Option<Requests>, before: Option<Requests>| now.map(|now| now.since(before.unwrap_or_default()));
        [
            (Operation::Read, Some(now.read.since(before.read))),
            (Operation::Write, Some(now.write.since(before.write))),
            (Operation::Discard, optional(now.discard, before.discard)),
            (Operation::Flush, optional(now.flush, before.flush)),
        ]
        .into_iter()
        .filter_map(|(operation, requests)| Some((operation, requests?)))
        .collect()
    }

    /// Takes the last reading. Partitions are left out (their requests are their device's), and so is what did nothing. The
    /// second value names the file that was read.
    fn end(self) -> Result<(Block, String), Error> {
        let end = diskstats::read(&self.root)?;
        let host = mounts::of_host(&self.root);
        let mut devices = Vec::new();
        for (number, disk) in &end {
            if block_device::is_partition(&self.root, *number) {
                continue;
            }
            let (reads, writes) = diskstats::in_flight(&self.root, number.0, number.1).unwrap_or_default();
            let added = self.added(*number, disk).into_iter().filter_map(|(operation, requests)| {
                let in_flight = match operation {
                    Operation::Read => reads,
                    Operation::Write => writes,
                    _ => 0,
                };
                (requests.count > 0 || in_flight > 0).then_some((operation, requests, in_flight))
            });
            let added: Vec<_> = added.collect();
            if added.is_empty() {
                continue;
            }
            let device = block_device::device_among(&self.root, *number, &host);
            devices.extend(added.into_iter().map(|(operation, requests, in_flight)| DeviceLatency {
                device: device.clone(),
                operation,
                latency: Latency {
                    count: requests.count,
                    sum_ns: requests.time_ms.saturating_mul(1_000_000),
                    max_ns: None,
                    histogram: None,
                },
                bytes: requests.bytes,
                errors: 0,
                in_flight,
                oldest_in_flight_ns: None,
            }));
        }
        Ok((Block { devices, syncs: None }, SOURCE.to_owned()))
    }
}

impl Collector for BlockFallback {
    /// Requests completed so far on whole devices; 0 while the file cannot be read.
    fn events(&self) -> u64 {
        let Ok(now) = diskstats::read(&self.root) else { return 0 };
        let whole = now.iter().filter(|(number, _)| !block_device::is_partition(&self.root, **number));
        whole
            .flat_map(|(number, disk)| self.added(*number, disk))
            .fold(0, |sum: u64, (_, requests)| sum.saturating_add(requests.count))
    }

    fn finish(self: Box<Self>, _moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        let events = self.events();
        let (family, source) = self.end()?;
        families.block = Some(family);
        Ok(report::fallback(NAME, events, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn whole_devices_with_requests_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let idle = "7 0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        write(
            "proc/diskstats",
            &format!("{idle}\n8 0 sda 10 0 80 100 5 0 40 50 0 0 0 1 0 8 2 3 9\n8 1 sda1 9 0 72 90 5 0 40 50 0 0 0\n"),
        );
        write("proc/1/mountinfo", "27 1 8:0 / /data rw - ext4 /dev/sda rw\n");
        write("sys/dev/block/8:1/partition", "1\n");
        write("sys/dev/block/8:0/inflight", "       0        3\n");
        let running = BlockFallback::start_at(Root::new(directory.path())).unwrap();
        write(
            "proc/diskstats",
            &format!("{idle}\n8 0 sda 14 0 96 140 5 0 40 50 3 0 0 1 0 8 2 4 29\n8 1 sda1 13 0 88 130 5 0 40 50 0 0 0\n"),
        );
        assert_eq!(running.events(), 5);
        let (block, source) = running.end().unwrap();

        assert_eq!(source, "/proc/diskstats");
        assert_eq!(block.syncs, None);
        let [read, writes, flush] = &block.devices[..] else { panic!("{:?}", block.devices) };
        assert_eq!(read.device.mounts, ["/data"]);
        assert_eq!(
            (read.operation, read.latency.count, read.latency.sum_ns, read.bytes),
            (Operation::Read, 4, 40_000_000, 8_192)
        );
        assert_eq!((read.latency.max_ns, &read.latency.histogram), (None, &None));
        assert_eq!((writes.operation, writes.latency.count, writes.in_flight), (Operation::Write, 0, 3));
        assert_eq!((flush.operation, flush.latency.count, flush.latency.sum_ns), (Operation::Flush, 1, 20_000_000));
    }

    #[test]
    fn the_largest_numbers_stay_the_largest() {
        let directory = tempfile::tempdir().unwrap();
        let write = |number: u64| {
            let numbers = [number.to_string().as_str(); 17].join(" ");
            fs::create_dir_all(directory.path().join("proc")).unwrap();
            fs::write(directory.path().join("proc/diskstats"), format!("8 0 sda {numbers}\n")).unwrap();
        };
        write(0);
        let running = BlockFallback::start_at(Root::new(directory.path())).unwrap();
        write(u64::MAX);
        assert_eq!(running.events(), u64::MAX);
        let (block, _) = running.end().unwrap();
        assert_eq!(block.devices[0].latency.sum_ns, u64::MAX);
    }

    #[test]
    fn an_unreadable_file_is_an_error_not_a_zero() {
        let directory = tempfile::tempdir().unwrap();
        let error = BlockFallback::start_at(Root::new(directory.path())).unwrap_err();
        assert!(error.to_string().contains("diskstats"), "{error}");
    }

    #[test]
    fn writes_to_this_hosts_disk_are_seen_where_it_has_one() {
        let running = BlockFallback::start().unwrap();
        let before = running.events();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &vec![1; 4 << 20]).unwrap();
        file.sync_all().unwrap();
        assert!(running.events() >= before);
        let (block, _) = running.end().unwrap();
        for device in &block.devices {
            assert!(device.latency.count > 0 || device.in_flight > 0, "{device:?}");
        }
    }
}
