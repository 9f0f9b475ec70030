//! Memory that grows, hits limits and is reclaimed in known ways.

use std::{path::Path, process::Command, time::Duration};

use kerno::collector::{Collected, Collectors, Options};
use kerno_signals::{CgroupMemory, CollectorStatus, LimitKind, Memory};

use crate::guest::{Grower, Load, NullBlk, memory_cgroup, sleep, write};

pub const MIB: u64 = 1 << 20;

/// Measures for some seconds, with a tick in each.
fn measured(seconds: u32) -> Memory {
    let mut collectors = Collectors::start(&Options { ebpf: false, ..Options::default() });
    for _ in 0..seconds {
        sleep(1_000);
        collectors.tick();
    }
    let Collected { families, reports, .. } = collectors.finish();
    let report = reports.iter().find(|report| report.name == "memory").unwrap();
    assert_eq!((report.status, &report.reason), (CollectorStatus::Running, &None), "{report:?}");
    families.memory.unwrap()
}

pub fn of<'a>(memory: &'a Memory, path: &str) -> &'a CgroupMemory {
    let found = memory.cgroups.iter().find(|group| group.cgroup.path.as_deref() == Some(path));
    found.unwrap_or_else(|| panic!("{path}: {memory:?}"))
}

/// Whether the growth is within 5 % of so many bytes a second.
fn grows_by(growth: Option<kerno_signals::Trend>, expected: u64) -> bool {
    growth.is_some_and(|trend| (trend.slope_per_second - expected as f64).abs() < expected as f64 * 0.05)
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn growth_is_told_at_its_rate_and_page_cache_is_none() {
    let (leak, reader) = (memory_cgroup("leak"), memory_cgroup("reader"));
    // A disk's blocks are cached as they are read, as long as somebody has it open.
    let _reader = Load::start(
        "exec 3< /dev/vda; while :; do dd if=/dev/vda of=/dev/null bs=1M count=200; sleep 0.1; done 2> /dev/null",
        Some(&reader),
    );
    sleep(2_000);
    let _leak = Grower::start(&leak, MIB, 250);
    sleep(1_000);
    let memory = measured(10);
    let (leak, reader) = (of(&memory, "/leak"), of(&memory, "/reader"));
    println!("measured: 4194304 bytes a second are told as {:?}, on the host as {:?}", leak.growth, memory.host.growth);
    assert!(grows_by(leak.growth, 4 * MIB), "{leak:?}");
    assert!(grows_by(memory.host.growth, 4 * MIB), "{:?}", memory.host);
    assert!(leak.growth.unwrap().points >= 10, "{leak:?}");
    assert!((40 * MIB..60 * MIB).contains(&leak.rss_bytes) && leak.working_set_bytes >= leak.rss_bytes, "{leak:?}");
    println!("measured: the reader has {} bytes, {} of them not cache", reader.current_bytes, reader.working_set_bytes);
    assert!(reader.current_bytes > 100 * MIB && reader.working_set_bytes < 10 * MIB, "{reader:?}");
    assert!(reader.growth.unwrap().slope_per_second.abs() < MIB as f64 / 2.0, "{reader:?}");
    let host = &memory.host;
    assert!(host.working_set_bytes + host.available_bytes == host.total_bytes && host.working_set_bytes < host.total_bytes / 2);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn files_in_memory_are_used_memory() {
    let group = memory_cgroup("files");
    let _load = Load::start("dd if=/dev/zero of=/dev/shm/x bs=1M count=64 2> /dev/null; sleep 1000", Some(&group));
    sleep(2_000);
    let memory = measured(2);
    let group = of(&memory, "/files");
    assert!(group.shared_bytes >= 63 * MIB && group.working_set_bytes >= 63 * MIB && group.rss_bytes < 8 * MIB, "{group:?}");
    assert!(memory.host.shared_bytes >= 64 * MIB, "{:?}", memory.host);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn limits_that_are_met_are_counted_and_the_smallest_is_named() {
    let pod = memory_cgroup("pod");
    write(pod.join("cgroup.subtree_control"), "+memory");
    let (app, slow) = (memory_cgroup("pod/app"), memory_cgroup("slow"));
    write(pod.join("memory.max"), "50331648");
    write(app.join("memory.max"), "1073741824");
    write(slow.join("memory.high"), "16777216");
    let _slow = Grower::start(&slow, MIB, 100);
    let _app = Grower::start(&app, 2 * MIB, 100);
    let memory = measured(6);
    let (pod, app, slow) = (of(&memory, "/pod"), of(&memory, "/pod/app"), of(&memory, "/slow"));
    let limit = |group: &CgroupMemory| group.limit.as_ref().map(|limit| (limit.bytes, limit.kind, limit.path.clone()));
    assert_eq!(limit(app), Some((48 * MIB, LimitKind::Max, "/pod".to_owned())));
    assert_eq!(limit(slow), Some((16 * MIB, LimitKind::High, "/slow".to_owned())));
    assert!(slow.hard_limit.is_none(), "{slow:?}");
    let events = pod.events.unwrap();
    println!("measured: {events:?} at 48 MiB, {:?} and {:?} above a soft limit", slow.events, slow.stall);
    // The limit is the pod's, the one that was killed the app's.
    assert!(events.oom >= 1 && events.max >= 1, "{pod:?}");
    assert_eq!((events.oom_kill, app.events.unwrap().oom_kill), (0, 1), "{app:?}");
    assert_eq!(memory.cgroups[0].events.map(|events| events.oom_kill), Some(1), "kills come first");
    assert!(slow.events.unwrap().high > 0 && slow.stall.unwrap().some_ns > 100_000_000, "{slow:?}");
    assert!(Path::new("/sys/fs/cgroup/pod/app").exists() && !app.cgroup.path.as_ref().unwrap().is_empty());
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn swap_thrash_shows_in_refaults_and_faults() {
    let disk = NullBlk::new(Duration::from_micros(500), &[("size", "256")]);
    for command in ["mkswap", "swapon"] {
        assert!(Command::new("/bin/busybox").arg(command).arg(&disk.node).status().unwrap().success());
    }
    let group = memory_cgroup("thrash");
    write(group.join("memory.max"), "33554432");
    let _grower = Grower::touching(&group, 48 * MIB);
    sleep(1_000);
    let memory = measured(4);
    let group = of(&memory, "/thrash");
    println!(
        "measured: {:?} major faults, {:?} refaults, {:?}, host {:?}",
        group.major_faults, group.refaults_anon, group.stall, memory.host
    );
    assert!(group.major_faults.unwrap() > 1_000 && group.refaults_anon.unwrap() > 1_000, "{group:?}");
    assert!(group.swap_bytes.unwrap() > 8 * MIB, "{group:?}");
    let host = &memory.host;
    assert!(host.swapped_in_bytes > 4 * MIB && host.swapped_out_bytes > 4 * MIB && host.swap_total_bytes > 200 * MIB, "{host:?}");
    assert!(host.refaults_anon.unwrap() > 1_000 && host.major_faults > 1_000, "{host:?}");
}
