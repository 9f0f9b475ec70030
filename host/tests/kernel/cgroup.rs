//! Control groups in every layout, and more of them than fit into a tick.

#[path = "cgroup/families.rs"]
mod families;
#[path = "cgroup/namespace.rs"]
mod namespace;

use std::{fs, path::PathBuf, time::Instant};

use kerno::collector::{Collected, Collectors, Options};
use kerno::platform::{Root, cgroup::Names};
use kerno_signals::{CollectorReport, Coverage, Families, MemoryEvents};

use crate::{
    bench::programs::resident_bytes,
    cpu,
    guest::{Grower, Load, sleep, write},
    hierarchies::Hierarchies,
    memory::{self, MIB},
};

fn measured(seconds: u32, ebpf: bool) -> (Families, Vec<CollectorReport>) {
    let mut collectors = Collectors::start(&Options { ebpf, ..Options::default() });
    for _ in 0..seconds {
        sleep(1_000);
        collectors.tick();
    }
    let Collected { families, reports, .. } = collectors.finish();
    (families, reports)
}

/// Two groups, one of them limited in everything, do different things; every family must tell them apart.
fn tell_apart(hierarchies: &Hierarchies) -> (Families, Vec<CollectorReport>) {
    let (a, b) = (hierarchies.group("a"), hierarchies.group("b"));
    if hierarchies.has("cpu,cpuacct") {
        write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000");
    }
    if hierarchies.has("memory") {
        write("/sys/fs/cgroup/memory/b/memory.limit_in_bytes", "268435456");
    }
    let hog = |groups: &[PathBuf]| Load::start(&format!("{} while :; do :; done", Hierarchies::enter(groups)), None);
    let paths: Vec<&std::path::Path> = b.iter().map(PathBuf::as_path).collect();
    let _loads = (hog(&a), hog(&b));
    let _grower = Grower::in_all(&paths, MIB, 250);
    sleep(1_000);
    let (families, reports) = measured(8, true);

    if hierarchies.has("cpu,cpuacct") {
        let told = families.cpu.as_ref().unwrap();
        let (a, b) = (cpu::of(told, "/a"), cpu::of(told, "/b"));
        let a_and_b = (a.cgroup.id, b.cgroup.id);
        let throttling = a.throttling.unwrap_or_else(|| panic!("{a:?}"));
        println!("measured: {throttling:?} of {} ns, used {:?} and {:?} ns", told.duration_ns, a.usage_ns, b.usage_ns);
        // The two and kerno share two CPUs: a group that waits for one uses its quota up later in the period.
        assert!(crate::guest::is_near(throttling.throttled_ns, told.duration_ns / 2, 0.25), "{a:?}");
        assert!(crate::guest::is_near(a.usage_ns.unwrap(), told.duration_ns / 2, 0.05), "{a:?}");
        assert!(b.throttling.is_none() && b.usage_ns.unwrap() > told.duration_ns * 8 / 10, "{b:?}");
        assert_eq!((a.cpuset_cpus, a.weight), (hierarchies.has("cpuset").then_some(2).or(a.cpuset_cpus), Some(1_024)));

        let sched = families.sched.as_ref().unwrap();
        let waits = |path: &str| sched.cgroups.iter().find(|group| group.cgroup.path.as_deref() == Some(path));
        let (throttled, free) = (waits("/a").unwrap(), waits("/b").unwrap());
        assert_eq!(throttled.throttled_ns, Some(throttling.throttled_ns), "{throttled:?}");
        assert!(free.throttled_ns.is_none() && throttled.delay.count > 20 && free.delay.count > 20, "{free:?}");
        assert_eq!((throttled.cgroup.id, free.cgroup.id), a_and_b);
    }
    if hierarchies.has("memory") {
        let told = families.memory.as_ref().unwrap();
        let (a, b) = (memory::of(told, "/a"), memory::of(told, "/b"));
        println!("measured: 4194304 bytes a second are told as {:?}", b.growth);
        assert!((b.growth.unwrap().slope_per_second / (4 * MIB) as f64 - 1.0).abs() < 0.05, "{b:?}");
        assert!(a.growth.unwrap().slope_per_second.abs() < 100_000.0 && a.rss_bytes < 4 * MIB, "{a:?}");
        assert_eq!(b.limit.as_ref().map(|limit| (limit.bytes, limit.path.as_str())), Some((256 * MIB, "/b")));
        assert_eq!((&a.limit, a.events), (&None, Some(MemoryEvents::default())));
        // The number is the one that the other families know.
        if let Some(cpu) = families.cpu.as_ref().filter(|_| hierarchies.has("cpu,cpuacct")) {
            assert_eq!(b.cgroup.id, cpu::of(cpu, "/b").cgroup.id);
        }
    }
    (families, reports)
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn two_groups_are_told_apart_on_v1() {
    let hierarchies = Hierarchies::legacy();
    let (_, reports) = tell_apart(&hierarchies);
    for (name, controllers) in [("memory", "memory"), ("cpu", "cpu,cpuacct")] {
        let report = reports.iter().find(|report| report.name == name).unwrap();
        let expected = if hierarchies.has(controllers) { Coverage::Full } else { Coverage::Partial };
        println!("measured: {name} on v1: {:?} {:?}", report.coverage, report.reason);
        assert_eq!(report.coverage, Some(expected), "{report:?}");
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn two_groups_are_told_apart_on_a_hybrid_host() {
    let hierarchies = Hierarchies::hybrid();
    let (families, _) = tell_apart(&hierarchies);
    if hierarchies.has("cpu,cpuacct") {
        // The unified hierarchy has the stall times of the same paths.
        let cpu = families.cpu.unwrap();
        let stall = cpu::of(&cpu, "/a").stall.unwrap_or_else(|| panic!("{cpu:?}"));
        println!("measured: stalled {stall:?} of {} ns", cpu.duration_ns);
        assert!(stall.some_ns > cpu.duration_ns / 3, "{stall:?}");
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn groups_that_vanish_while_they_are_read_break_nothing() {
    let churn = "while :; do i=0; while [ $i -lt 40 ]; do mkdir -p /sys/fs/cgroup/churn/$i/below; i=$((i + 1)); done; \
        i=0; while [ $i -lt 40 ]; do rmdir /sys/fs/cgroup/churn/$i/below /sys/fs/cgroup/churn/$i; i=$((i + 1)); done; done";
    fs::create_dir_all("/sys/fs/cgroup/churn").unwrap();
    write("/sys/fs/cgroup/churn/cgroup.subtree_control", "+cpu +memory");
    let _churn = Load::start(churn, None);
    let (families, reports) = measured(8, false);
    for report in reports.iter().filter(|report| ["memory", "cpu"].contains(&&*report.name)) {
        assert_eq!((report.coverage, &report.reason), (Some(Coverage::Full), &None), "{report:?}");
    }
    let (cpu, memory) = (families.cpu.unwrap(), families.memory.unwrap());
    println!("measured: {} and {} groups vanished", cpu.vanished, memory.vanished);
    assert!(cpu.vanished > 0 && memory.vanished > 0);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn ten_thousand_groups_are_told_and_a_tick_stays_short() {
    const GROUPS: u32 = 10_000;
    for index in 0..GROUPS / 100 {
        fs::create_dir_all(format!("/sys/fs/cgroup/pods/{index}")).unwrap();
    }
    write("/sys/fs/cgroup/pods/cgroup.subtree_control", "+memory +cpu");
    for index in 0..GROUPS {
        let above = format!("/sys/fs/cgroup/pods/{}", index / 100);
        if index % 100 == 0 && index < GROUPS / 2 {
            write(format!("{above}/cgroup.subtree_control"), "+memory +cpu");
        }
        fs::create_dir_all(format!("/sys/fs/cgroup/pods/{}/{index}", index / 100)).unwrap();
    }
    let at_first = resident_bytes(std::process::id(), "VmHWM:");
    let began = Instant::now();
    let mut names = Names::new(Root::default()).unwrap();
    println!("measured: {} names in {} us of guest time", names.living().count(), began.elapsed().as_micros());
    assert!(names.living().count() > GROUPS as usize);
    let mut longest = 0;
    for _ in 0..20 {
        let began = Instant::now();
        names.refresh().unwrap();
        longest = longest.max(began.elapsed().as_micros());
    }
    println!("measured: a refresh of the names takes {longest} us of guest time at most");

    let began = Instant::now();
    let mut collectors = Collectors::start(&Options { ebpf: false, ..Options::default() });
    println!("measured: start {} ms of guest time", began.elapsed().as_millis());
    let quota = "/sys/fs/cgroup/pods/7/777";
    write(format!("{quota}/cpu.max"), "20000 100000");
    let _hog = Load::hog(Some(std::path::Path::new(quota)));
    let mut ticks = Vec::new();
    for _ in 0..10 {
        sleep(1_000);
        let began = Instant::now();
        collectors.tick();
        ticks.push(began.elapsed().as_micros());
    }
    println!("measured: ticks of {ticks:?} us of guest time");
    let began = Instant::now();
    let Collected { families, reports, .. } = collectors.finish();
    println!("measured: end {} ms of guest time", began.elapsed().as_millis());
    // The names, twice, and what is read of each group: some 2 KiB a group.
    let grown = resident_bytes(std::process::id(), "VmHWM:").saturating_sub(at_first);
    println!("measured: grown by {} KiB", grown >> 10);
    assert!(grown < 24 << 20, "{grown} bytes");
    let cpu = families.cpu.unwrap();
    assert_eq!(cpu.cgroups[0].cgroup.path.as_deref(), Some("/pods/7/777"), "{:?}", cpu.cgroups[0]);
    assert_eq!(cpu.cgroups.len() as u64 + cpu.left_out, u64::from(GROUPS) + 100 + 1);
    assert!(reports.iter().any(|report| report.name == "cpu" && report.reason.is_none()), "{reports:?}");
}
