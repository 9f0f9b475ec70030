//! Run-queue delay under loads whose delay is known.

use std::{fs, path::Path, process::Command};

use kerno_ebpf_common::sched::ROWS;
use kerno_signals::CgroupDelay;

use crate::guest::{Load, Window, cgroup, lossy_window, sleep, window, write};

fn of<'a>(window: &'a Window, path: &str) -> Option<&'a CgroupDelay> {
    window.sched.cgroups.iter().find(|group| group.cgroup.path.as_deref() == Some(path))
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn an_idle_guest_hardly_waits() {
    sleep(2_000);
    let window = window(|| sleep(5_000));
    let p99 = window.sched.host.quantile_ns(0.99).unwrap();
    println!("measured: idle p99 {p99} ns of {} waits", window.sched.host.count);
    assert!(window.sched.host.count > 20 && p99 < 2_000_000, "{:?}", window.sched.host);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_crowd_of_hogs_waits_and_its_group_is_named() {
    let (crowd, calm) = (cgroup("crowd"), cgroup("calm"));
    let window = window(|| {
        let _hogs: Vec<_> = (0..8).map(|_| Load::hog(Some(&crowd))).collect();
        let _sleeper = Load::start("while :; do sleep 0.05; done", Some(&calm));
        sleep(4_000);
    });
    let crowd = of(&window, "/crowd").unwrap_or_else(|| panic!("{:?}", window.sched.cgroups));
    let (p50, p99) = (crowd.delay.quantile_ns(0.5).unwrap(), crowd.delay.quantile_ns(0.99).unwrap());
    println!("measured: eight hogs on two CPUs wait p50 {p50} ns, p99 {p99} ns of {} waits", crowd.delay.count);
    assert!((4_000_000..80_000_000).contains(&p99), "{crowd:?}");
    // Four hogs share each CPU: in every second, three of them wait.
    let waited = crowd.delay.sum_ns as f64 / 4e9;
    assert!((3.0..7.0).contains(&waited), "{waited} of 6 hogs waited on average");
    assert!(crowd.cpu_ns > 4_000_000_000, "{} ns of 8 s", crowd.cpu_ns);
    let calm = of(&window, "/calm").unwrap_or_else(|| panic!("{:?}", window.sched.cgroups));
    assert!(calm.delay.count > 20 && calm.cpu_ns < crowd.cpu_ns / 4, "{calm:?}");
    let hogs: Vec<_> = window.sched.tasks.iter().filter(|task| task.cgroup == crowd.cgroup.id).collect();
    assert!(hogs.len() >= 8 && hogs[0].max_ns >= p99 / 2, "{hogs:?}");
    // A task is named when it first waits long: one that waited before its exec keeps the name it had.
    assert!(hogs.iter().any(|hog| hog.comm == "busybox"), "{hogs:?}");
    assert_eq!(window.report("sched").lost, 0);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn background_work_and_our_own_threads_are_kept_apart() {
    let batch = cgroup("batch");
    let window = window(|| {
        let _hogs: Vec<_> = (0..8).map(|_| Load::hog(Some(&batch)).niced()).collect();
        let busy = std::time::Instant::now();
        while busy.elapsed().as_millis() < 1_500 {
            std::thread::yield_now();
        }
        sleep(500);
    });
    let batch = of(&window, "/batch").unwrap_or_else(|| panic!("{:?}", window.sched.cgroups));
    assert!(batch.background_waits > 50, "{batch:?}");
    assert!(window.sched.background.quantile_ns(0.5).unwrap() > 1_000_000, "{:?}", window.sched.background);
    assert!(batch.delay.count < 100, "only the start of the shells is not background: {batch:?}");
    assert!(window.sched.own.count > 0);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_nice_value_makes_no_real_time_task_background() {
    let urgent = cgroup("urgent");
    let window = window(|| {
        let _loads: Vec<_> =
            (0..4).map(|_| Load::start("sleep 0.3; while :; do sleep 0.01; done", Some(&urgent)).niced().real_time()).collect();
        sleep(2_000);
    });
    let urgent = of(&window, "/urgent").unwrap_or_else(|| panic!("{:?}", window.sched.cgroups));
    assert!(urgent.delay.count > 50 && urgent.background_waits < 20, "{urgent:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn groups_without_a_row_are_counted() {
    let groups = ROWS + 100;
    let window = lossy_window(|| {
        let script = format!(
            "i=0; while [ $i -lt {groups} ]; do mkdir /sys/fs/cgroup/g$i; echo $$ > /sys/fs/cgroup/g$i/cgroup.procs; \
             sleep 0.001; i=$((i + 1)); done"
        );
        Load::start(&script, None).wait();
    });
    let told = window.sched.cgroups.len();
    assert!((400..ROWS as usize).contains(&told), "{told}");
    assert!(window.report("sched").lost >= 90, "{:?}", window.report("sched"));
    let counted: u64 = window.sched.cgroups.iter().map(|group| group.delay.count).sum();
    assert!(window.sched.host.count > counted, "the host's distribution has the waits of all groups");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn groups_of_a_v1_cpu_controller_are_told_apart() {
    let mount = Path::new("/tmp/cpu");
    fs::create_dir_all(mount).unwrap();
    // The unified hierarchy lets go of the controller only when no group uses it.
    write("/sys/fs/cgroup/cgroup.subtree_control", "-cpu");
    let mounted =
        Command::new("/bin/busybox").args(["mount", "-t", "cgroup", "-o", "cpu,cpuacct", "none"]).arg(mount).status().unwrap();
    if !mounted.success() {
        println!("measured: this kernel has no cpu controller for cgroup v1");
        return;
    }
    for name in ["a", "b"] {
        fs::create_dir(mount.join(name)).unwrap();
    }
    let window = window(|| {
        let _loads: Vec<_> =
            ["a", "b"].into_iter().flat_map(|name| (0..3).map(move |_| Load::hog(Some(&mount.join(name))))).collect();
        sleep(2_000);
    });
    for path in ["/a", "/b"] {
        let group = of(&window, path).unwrap_or_else(|| panic!("{:?}", window.sched.cgroups));
        assert!(group.delay.count > 20 && group.delay.quantile_ns(0.99).unwrap() > 1_000_000, "{group:?}");
    }
}
