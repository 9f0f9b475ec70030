//! Every object loads and attaches, and costs little time to start.

use std::time::Instant;

use kerno::collector::{Collectors, Options};
use kerno_signals::CollectorStatus;

use crate::guest::{sleep, window};

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn every_object_loads_attaches_and_counts() {
    let window = window(|| sleep(1_000));
    for report in &window.reports {
        assert_eq!((report.status, &report.reason), (CollectorStatus::Running, &None), "{report:?}");
        assert_eq!(report.lost, 0, "{report:?}");
    }
    assert!(window.report("sched").events > 10, "{:?}", window.reports);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn without_ebpf_the_same_families_come_from_proc() {
    let collectors = Collectors::start(&Options { ebpf: false, ..Options::default() });
    sleep(1_000);
    let collected = collectors.finish();
    assert!(collected.families.sched.is_some() && collected.families.block.is_some(), "{:?}", collected.reports);
    for report in &collected.reports {
        // What is kept in files anyway is not degraded.
        let expected =
            if ["memory", "cpu"].contains(&&*report.name) { CollectorStatus::Running } else { CollectorStatus::Degraded };
        assert_eq!(report.status, expected, "{report:?}");
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_start() {
    let empty = Instant::now();
    // What a program without any program or map of its own pays.
    let types = aya::Btf::from_sys_fs().unwrap();
    drop((aya::EbpfLoader::new(), types));
    let empty = empty.elapsed();
    let start = Instant::now();
    let collectors = Collectors::start(&Options::default());
    let start = start.elapsed();
    println!("measured: start to collecting {} ms, of an empty aya program {} ms", start.as_millis(), empty.as_millis());
    let end = Instant::now();
    let collected = collectors.finish();
    println!("measured: draining {} ms", end.elapsed().as_millis());
    assert!(collected.families.sched.is_some() && collected.families.block.is_some(), "{:?}", collected.reports);
}
