//! Recorded windows that must fire, and that must stay quiet.

use kerno_rule_disk_io_bottleneck::DiskIoBottleneck as Disk;
use kerno_rules_sdk::testing::Window;
use kerno_rules_sdk::{EntityKind, Severity};

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
