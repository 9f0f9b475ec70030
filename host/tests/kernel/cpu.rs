//! Quotas and CPU time whose effect is known.

use std::{fs, path::Path};

use kerno::collector::{Collected, Collectors, Options};
use kerno_signals::{CgroupCpu, CollectorStatus, Cpu};

use crate::guest::{Load, cgroup, is_near, sleep, write};

/// Measures for some seconds, with a tick in each.
fn measured(seconds: u32) -> Cpu {
    let mut collectors = Collectors::start(&Options { ebpf: false, ..Options::default() });
    for _ in 0..seconds {
        sleep(1_000);
        collectors.tick();
    }
    let Collected { families, reports, .. } = collectors.finish();
    let report = reports.iter().find(|report| report.name == "cpu").unwrap();
    assert_eq!((report.status, &report.reason), (CollectorStatus::Running, &None), "{report:?}");
    families.cpu.unwrap()
}

pub fn of<'a>(cpu: &'a Cpu, path: &str) -> &'a CgroupCpu {
    cpu.cgroups.iter().find(|group| group.cgroup.path.as_deref() == Some(path)).unwrap_or_else(|| panic!("{path}: {cpu:?}"))
}

fn limited(name: &str, quota: &str) -> std::path::PathBuf {
    let group = cgroup(name);
    write(group.join("cpu.max"), quota);
    group
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn one_busy_thread_at_half_a_cpu_is_throttled_half_of_the_time() {
    let half = limited("half", "50000 100000");
    let free = cgroup("free");
    // Nothing else wants a CPU: whoever waits for one uses its quota up later in the period.
    let _loads = [Load::hog(Some(&half)), Load::start("while :; do sleep 0.05; done", Some(&free))];
    sleep(500);
    let cpu = measured(10);
    let group = of(&cpu, "/half");
    let throttling = group.throttling.unwrap_or_else(|| panic!("{group:?}"));
    println!(
        "measured: of {} ns throttled {} ns in {} of {} periods, used {:?} ns",
        cpu.duration_ns, throttling.throttled_ns, throttling.throttled_periods, throttling.periods, group.usage_ns
    );
    let half_ns = cpu.duration_ns / 2;
    assert!(is_near(throttling.throttled_ns, half_ns, 0.05), "{group:?}");
    assert!(is_near(group.usage_ns.unwrap(), half_ns, 0.05), "{group:?}");
    assert!(is_near(throttling.periods, cpu.duration_ns / 100_000_000, 0.05), "{group:?}");
    assert!(throttling.throttled_periods * 100 >= throttling.periods * 95, "{group:?}");
    assert_eq!(group.quota.map(|quota| quota.cpus()), Some(0.5));
    assert_eq!(group.limit.as_ref().map(|limit| limit.path.as_str()), Some("/half"));
    assert_eq!(group.cpuset_cpus, Some(2));
    assert_eq!(group.runnable_threads, Some(1.0));
    // It stood still while it was throttled; with nothing else below the group, all of it did.
    let stall = group.stall.unwrap_or_else(|| panic!("{group:?}"));
    println!("measured: stalled {} ns of {} ns", stall.some_ns, cpu.duration_ns);
    assert!(stall.some_ns > half_ns * 8 / 10, "{stall:?}");

    let free = of(&cpu, "/free");
    assert_eq!((free.throttling, free.quota, &free.limit), (None, None, &None), "{free:?}");
    assert!((1..half_ns / 2).contains(&free.usage_ns.unwrap()), "{free:?}");
    assert!((half_ns * 9 / 10..half_ns * 2).contains(&cpu.host.busy_ns), "{:?}", cpu.host);
    assert!(is_near(cpu.host.busy_ns + cpu.host.idle_ns, cpu.duration_ns * 2, 0.05), "{:?}", cpu.host);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_group_that_uses_little_and_is_throttled_much_shows_both() {
    // Its pod's quota is what holds it back: its own would let it be.
    let pod = limited("pod", "20000 100000");
    write(pod.join("cgroup.subtree_control"), "+cpu");
    let worker = limited("pod/worker", "150000 100000");
    // Works for some 30 ms and sleeps for 300: less than its quota on average, more than it in the period.
    let burst = "while :; do i=0; while [ $i -lt 1500 ]; do i=$((i + 1)); done; sleep 0.3; done";
    let _load = Load::start(burst, Some(&worker));
    sleep(500);
    let cpu = measured(5);
    let (pod, worker) = (of(&cpu, "/pod"), of(&cpu, "/pod/worker"));
    let throttling = pod.throttling.unwrap_or_else(|| panic!("{pod:?}"));
    let used = pod.usage_ns.unwrap() as f64 / cpu.duration_ns as f64;
    println!("measured: uses {used:.2} CPUs of 0.20, {throttling:?}");
    assert!(used < 0.19 && throttling.throttled_periods * 4 > throttling.periods, "{used} {throttling:?}");
    assert_eq!(worker.throttling.map(|own| own.throttled_periods), Some(0), "{worker:?}");
    assert_eq!(worker.limit.as_ref().map(|limit| (limit.cpus, limit.path.as_str())), Some((0.2, "/pod")));
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn throttled_time_adds_up_over_cpus() {
    let group = limited("two", "100000 100000");
    let _hogs = [Load::hog(Some(&group)), Load::hog(Some(&group))];
    sleep(500);
    let cpu = measured(5);
    let throttling = of(&cpu, "/two").throttling.unwrap();
    println!("measured: of {} ns on two CPUs {throttling:?}", cpu.duration_ns);
    assert!(is_near(throttling.throttled_ns, cpu.duration_ns, 0.1), "{throttling:?}");
    assert_eq!(of(&cpu, "/two").runnable_threads, Some(2.0));
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_throttled_group_that_ends_in_the_window_is_told() {
    let group = limited("brief", "20000 100000");
    let mut collectors = Collectors::start(&Options { ebpf: false, ..Options::default() });
    let hog = Load::hog(Some(&group));
    for _ in 0..3 {
        sleep(1_000);
        collectors.tick();
    }
    drop(hog);
    sleep(100);
    fs::remove_dir(&group).unwrap();
    let cpu = collectors.finish().families.cpu.unwrap();
    assert!(!Path::new(&group).exists());
    let told = of(&cpu, "/brief");
    let throttling = told.throttling.unwrap_or_else(|| panic!("{told:?}"));
    assert!(throttling.periods >= 25 && throttling.throttled_periods >= 20, "{throttling:?}");
    assert_eq!(cpu.vanished, 1);
}
