//! Block requests against disks whose latency is known.

use std::time::Duration;

use kerno_signals::{DeviceLatency, Operation};

use crate::guest::{NullBlk, Window, is_near, sleep, window};

fn of<'a>(window: &'a Window, disk: &NullBlk, operation: Operation) -> &'a DeviceLatency {
    let is_it = |found: &&DeviceLatency| (found.device.major, found.device.minor) == disk.number && found.operation == operation;
    window.block.devices.iter().find(is_it).unwrap_or_else(|| panic!("{:?}", window.block.devices))
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_disks_latency_is_told_within_five_percent() {
    for milliseconds in [20, 80, 250] {
        let disk = NullBlk::new(Duration::from_millis(milliseconds), &[]);
        let window = window(|| {
            let mut file = disk.open();
            (0..10).for_each(|page| file.write_page(page));
        });
        let write = of(&window, &disk, Operation::Write);
        let p50 = write.latency.quantile_ns(0.5).unwrap();
        println!("measured: write p50 {:.1} ms on a disk of {milliseconds} ms", p50 as f64 / 1e6);
        assert!(is_near(p50, milliseconds * 1_000_000, 0.05), "{write:?}");
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn counts_and_bytes_are_exact() {
    let disk = NullBlk::new(Duration::from_micros(50), &[]);
    let mut file = disk.open();
    let window = window(|| {
        (0..300).for_each(|page| file.write_page(page % 64));
        (0..200).for_each(|page| file.read_page(page % 64));
    });
    let (write, read) = (of(&window, &disk, Operation::Write), of(&window, &disk, Operation::Read));
    assert_eq!((write.latency.count, write.bytes, write.errors, write.in_flight), (300, 300 * 4096, 0, 0));
    assert_eq!((read.latency.count, read.bytes, read.errors, read.in_flight), (200, 200 * 4096, 0, 0));
    assert_eq!(window.report("block").lost, 0);
    assert_eq!(write.latency.histogram.as_ref().unwrap().count(), 300);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_request_that_hangs_is_told_with_its_age() {
    let disk = NullBlk::new(Duration::from_secs(4), &[]);
    let file = disk.open();
    let mut writer = None;
    let window = window(|| {
        writer = Some(file.write_page_in_background(0));
        sleep(2_000);
    });
    let write = of(&window, &disk, Operation::Write);
    assert_eq!((write.latency.count, write.in_flight), (0, 1), "{write:?}");
    assert!(is_near(write.oldest_in_flight_ns.unwrap(), 2_000_000_000, 0.2), "{write:?}");
    writer.unwrap().join().unwrap();
}
