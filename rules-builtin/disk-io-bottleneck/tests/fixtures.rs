//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_disk_io_bottleneck::DiskIoBottleneck as Disk;
use kerno_rules_sdk::testing::snapshot::{Latency, Operation};
use kerno_rules_sdk::testing::{Outcome, Window};
use kerno_rules_sdk::{EntityKind, Severity};

/// Milliseconds and microseconds, in nanoseconds.
const MS: u64 = 1_000_000;
const US: u64 = 1_000;

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn a_slow_sync_names_mount_device_and_caller() {
    let outcome = window("fires-fsync-on-dm").judge::<Disk>();
    outcome
        .fires(Severity::Critical)
        .mentions("/var/lib/postgresql (dm-0)")
        .mentions("postgres (pid 4121)")
        .mentions("iostat -x 1 3 dm-0");
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Mount);
}

#[test]
fn all_signals_of_one_disk_are_one_finding() {
    let outcome = window("fires-slow-disk").judge::<Disk>();
    outcome.fires(Severity::Critical).mentions("block write").mentions("block read").mentions("fsync").does_not_mention("kerno");
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Device);
}

#[test]
fn a_sync_that_never_returns_counts_whatever_the_sample_size() {
    window("fires-hung-fsync")
        .judge::<Disk>()
        .fires(Severity::Critical)
        .mentions("has not returned for 12 s")
        .mentions("rsync (pid 812)");
}

#[test]
fn fast_storage_is_quiet_with_numbers() {
    window("quiet-fast").judge::<Disk>().is_quiet().mentions("of 505, threshold 50 ms");
}

#[test]
fn few_syncs_are_not_judged() {
    window("quiet-few").judge::<Disk>().is_quiet().mentions("13 fsyncs, 20 of one file system needed");
}

#[test]
fn a_part_that_was_not_measured_is_not_healthy() {
    let mut requests_only = window("quiet-fast");
    requests_only.snapshot().families.block.as_mut().unwrap().syncs = None;
    requests_only.judge::<Disk>().is_not_evaluated().mentions("fsync was not measured");
    let mut lossy = window("quiet-fast");
    lossy.snapshot().collectors[1].lost = 1_000_000;
    lossy.judge::<Disk>().is_not_evaluated().mentions("incomplete (losses)");
}

/// So many fsyncs of one file system, each of so many nanoseconds; requests are fast.
fn syncs(number: usize, each_ns: u64) -> Outcome {
    let mut window = window("quiet-fast");
    let block = window.snapshot().families.block.as_mut().unwrap();
    block.syncs.as_mut().unwrap()[0].latency = Latency::from_samples(vec![each_ns; number]);
    window.judge::<Disk>()
}

/// So many reads or writes of the device, each of so many nanoseconds; syncs are fast.
fn requests(operation: Operation, number: usize, each_ns: u64) -> Outcome {
    let mut window = window("quiet-fast");
    let devices = &mut window.snapshot().families.block.as_mut().unwrap().devices;
    let device = devices.iter_mut().find(|device| device.operation == operation).unwrap();
    device.latency = Latency::from_samples(vec![each_ns; number]);
    window.judge::<Disk>()
}

#[test]
fn each_threshold_is_met_just_above_it_and_from_the_minimum_sample_on() {
    // Of fewer than 100 samples the largest is judged, which is known exactly.
    syncs(20, 50 * MS).is_quiet().mentions("threshold 50 ms");
    syncs(20, 50 * MS + US).fires(Severity::Warning).mentions("fsync max");
    syncs(20, 200 * MS).fires(Severity::Warning);
    syncs(20, 200 * MS + US).fires(Severity::Critical);
    syncs(19, 900 * MS).is_quiet().mentions("19 fsyncs, 20 of one file system needed");
    requests(Operation::Write, 20, 200 * MS).is_quiet();
    requests(Operation::Write, 20, 200 * MS + US).fires(Severity::Critical).mentions("block write max");
    requests(Operation::Write, 19, 900 * MS).is_quiet().mentions("19 writes, 20 of one device needed");
    requests(Operation::Read, 20, 200 * MS).is_quiet();
    requests(Operation::Read, 20, 200 * MS + US).fires(Severity::Warning).mentions("block read max");
    requests(Operation::Read, 20, 500 * MS).fires(Severity::Warning);
    requests(Operation::Read, 20, 500 * MS + US).fires(Severity::Critical);
    requests(Operation::Read, 19, 900 * MS).is_quiet().mentions("19 reads, 20 of one device needed");
    requests(Operation::Read, 1, MS).is_quiet().mentions("1 read, 20");
}

#[test]
fn what_is_in_flight_counts_from_beyond_the_critical_threshold() {
    let held = |age_ns: u64| {
        let mut window = window("quiet-fast");
        let sync = &mut window.snapshot().families.block.as_mut().unwrap().syncs.as_mut().unwrap()[0];
        (sync.in_flight, sync.oldest_in_flight_ns) = (1, Some(age_ns));
        window.judge::<Disk>()
    };
    held(200 * MS).is_quiet();
    held(200 * MS + US).fires(Severity::Critical).mentions("has not returned for 200 ms");
}
