//! Trees of both versions, read over a window.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use kerno_signals::{CgroupCpu, CollectorStatus, Coverage, Cpu, Stall, Throttling};

use super::*;

#[derive(Default)]
struct Hand(Rc<Cell<u64>>);

impl Clock for Hand {
    fn monotonic_ns(&self) -> u64 {
        self.0.get()
    }

    fn unix_ns(&self) -> u64 {
        self.0.get()
    }
}

struct Host(tempfile::TempDir);

impl Host {
    fn new(mountinfo: &str) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.write("proc/self/mountinfo", mountinfo);
        host.write("proc/stat", "cpu  100 0 0 1000 0 0 0 0 0 0\n");
        host.write("sys/devices/system/cpu/online", "0-3\n");
        host
    }

    fn v2() -> Self {
        let host = Self::new("31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n");
        host.write("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n");
        host.write("cg/cpuset.cpus.effective", "0-3\n");
        host
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn stat(&self, group: &str, usage: u64, [periods, throttled, time]: [u64; 3]) {
        let text =
            format!("usage_usec {usage}\nnr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec {time}\nnr_bursts 0\n");
        self.write(&format!("cg/{group}/cpu.stat"), &text);
    }

    fn root(&self) -> Root {
        Root::new(self.0.path())
    }
}

/// A window of 10 s, with one tick in its middle.
fn window(host: &Host, middle: impl FnOnce(), end: impl FnOnce()) -> (Cpu, CollectorReport) {
    let time = Rc::new(Cell::new(0));
    let mut names = Names::new(host.root()).ok();
    let mut collector = Box::new(CpuCollector::start(&host.root(), names.as_ref(), Box::new(Hand(time.clone()))).unwrap());
    middle();
    let refresh = |names: &mut Option<Names>| names.iter_mut().for_each(|names| names.refresh_all().unwrap());
    refresh(&mut names);
    collector.tick(&Moment { names: names.as_ref(), now_ns: 5_000_000_000 });
    end();
    time.set(10_000_000_000);
    refresh(&mut names);
    let mut families = Families::default();
    let report = collector.finish(&Moment { names: names.as_ref(), now_ns: 10_000_000_000 }, &mut families).unwrap();
    (families.cpu.unwrap(), report)
}

fn of<'a>(cpu: &'a Cpu, path: &str) -> &'a CgroupCpu {
    cpu.cgroups.iter().find(|group| group.cgroup.path.as_deref() == Some(path)).unwrap_or_else(|| panic!("{path}: {cpu:?}"))
}

#[test]
fn low_usage_and_heavy_throttling_stand_side_by_side() {
    let host = Host::v2();
    host.stat("pods", 0, [0, 0, 0]);
    host.write("cg/pods/cpu.max", "20000 100000\n");
    host.stat("pods/web", 1_000_000, [10, 10, 500_000]);
    host.write("cg/pods/web/cpu.max", "50000 100000\n");
    host.write("cg/pods/web/cpu.pressure", "some avg10=0.00 total=10\nfull avg10=0.00 total=5\n");
    host.write("cg/pods/web/cpu.weight", "79\n");
    host.write("cg/pods/web/cpuset.cpus.effective", "0,2\n");
    host.write("cg/pods/web/cgroup.threads", "77\n78\n");
    for (pid, state) in [(77, 'R'), (78, 'S')] {
        let zeros = "0 ".repeat(40);
        host.write(&format!("proc/{pid}/stat"), &format!("{pid} (x) {state} {zeros}\n"));
    }
    host.stat("idle", 7, [0, 0, 0]);
    let (cpu, report) = window(
        &host,
        || host.stat("pods/web", 2_000_000, [20, 20, 900_000]),
        || {
            host.stat("pods/web", 3_000_000, [110, 90, 4_500_000]);
            host.write("cg/pods/web/cpu.pressure", "some avg10=0.00 total=3000010\nfull avg10=0.00 total=1000005\n");
            host.write("proc/stat", "cpu  600 0 0 1400 0 0 0 100 0 0\n");
            host.write("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=2001000\n");
        },
    );
    assert_eq!((report.status, report.coverage, report.reason), (CollectorStatus::Running, Some(Coverage::Full), None));
    assert_eq!((cpu.duration_ns, cpu.left_out, cpu.vanished), (10_000_000_000, 0, 0));
    let expected = HostCpu {
        cpus: 4,
        busy_ns: 5_000_000_000,
        idle_ns: 4_000_000_000,
        io_wait_ns: 0,
        steal_ns: 1_000_000_000,
        stall: Some(Stall { some_ns: 2_000_000_000, full_ns: None }),
    };
    assert_eq!(cpu.host, expected);
    let web = of(&cpu, "/pods/web");
    assert_eq!(cpu.cgroups.first(), Some(web), "the most throttled comes first");
    assert_eq!(web.usage_ns, Some(2_000_000_000));
    let throttling = Throttling { periods: 100, throttled_periods: 80, throttled_ns: 4_000_000_000 };
    assert_eq!(web.throttling, Some(throttling));
    assert_eq!(web.quota.map(|quota| quota.cpus()), Some(0.5));
    assert_eq!(web.limit.as_ref().map(|limit| (limit.cpus, limit.path.as_str())), Some((0.2, "/pods")));
    assert_eq!((web.cpuset_cpus, web.weight, web.idle, web.runnable_threads), (Some(2), Some(79), false, Some(1.0)));
    assert_eq!(web.stall, Some(Stall { some_ns: 3_000_000_000, full_ns: Some(1_000_000_000) }));
    let idle = of(&cpu, "/idle");
    assert_eq!((idle.usage_ns, idle.quota, &idle.limit, idle.throttling), (Some(0), None, &None, None));
    assert_eq!((idle.cpuset_cpus, idle.runnable_threads, idle.stall), (Some(4), None, None));
}

#[test]
fn a_group_that_is_made_counts_whole_and_one_that_ends_as_far_as_it_was_read() {
    let host = Host::v2();
    host.stat("old", 5_000, [10, 1, 100]);
    let (cpu, report) = window(
        &host,
        || {
            host.stat("old", 9_000, [15, 2, 300]);
            host.stat("young", 4_000, [3, 3, 70]);
        },
        || fs::remove_dir_all(host.at("cg/old")).unwrap(),
    );
    assert_eq!(report.coverage, Some(Coverage::Full), "{report:?}");
    let throttling = |periods, throttled_periods, throttled_ns| Some(Throttling { periods, throttled_periods, throttled_ns });
    assert_eq!((of(&cpu, "/old").usage_ns, of(&cpu, "/old").throttling), (Some(4_000_000), throttling(5, 1, 200_000)));
    assert_eq!((of(&cpu, "/young").usage_ns, of(&cpu, "/young").throttling), (Some(4_000_000), throttling(3, 3, 70_000)));
    assert_eq!(cpu.vanished, 1);
}

#[test]
fn v1_controllers_in_hierarchies_of_their_own_are_joined_by_path() {
    let host = Host::new(
        "31 23 0:28 / /v1/cpu rw - cgroup cgroup rw,cpu\n32 23 0:29 / /v1/acct rw - cgroup cgroup rw,cpuacct\n\
         33 23 0:30 / /v1/set rw - cgroup cgroup rw,cpuset\n34 23 0:31 / /v2 rw - cgroup2 cgroup2 rw\n",
    );
    host.write(
        "proc/cgroups",
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t4\t9\t1\ncpuacct\t5\t9\t1\ncpuset\t6\t9\t1\n",
    );
    let stat = |periods, time| {
        host.write("v1/cpu/docker/x/cpu.stat", &format!("nr_periods {periods}\nnr_throttled {periods}\nthrottled_time {time}\n"));
    };
    stat(5, 1_000);
    host.write("v1/cpu/docker/x/cpu.cfs_quota_us", "150000\n");
    host.write("v1/cpu/docker/x/cpu.cfs_period_us", "100000\n");
    host.write("v1/cpu/docker/x/cpu.shares", "1024\n");
    host.write("v1/acct/docker/x/cpuacct.usage", "1000\n");
    host.write("v1/set/docker/x/cpuset.effective_cpus", "0-1\n");
    let pressure = |total| host.write("v2/docker/x/cpu.pressure", &format!("some avg10=0.00 total={total}\n"));
    pressure(10);
    let (cpu, report) = window(
        &host,
        || (),
        || {
            stat(45, 9_001_000);
            host.write("v1/acct/docker/x/cpuacct.usage", "3001000\n");
            pressure(510);
        },
    );
    let group = of(&cpu, "/docker/x");
    assert_eq!(group.usage_ns, Some(3_000_000));
    assert_eq!(group.throttling, Some(Throttling { periods: 40, throttled_periods: 40, throttled_ns: 9_000_000 }));
    assert_eq!((group.quota.map(|quota| quota.cpus()), group.cpuset_cpus, group.weight), (Some(1.5), Some(2), Some(1024)));
    assert_eq!(group.stall, Some(Stall { some_ns: 500_000, full_ns: None }));
    // No /proc/pressure here, and /docker is a group without files.
    assert!(report.reason.is_some_and(|reason| reason.contains("pressure")), "the host's stall time is missing");
}

#[test]
fn without_control_groups_the_host_is_told_and_the_rest_has_a_reason() {
    let host = Host::new("31 23 0:28 / / rw - ext4 /dev/vda rw\n");
    host.write("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n");
    let (cpu, report) = window(&host, || (), || ());
    assert_eq!((cpu.host.cpus, cpu.cgroups.len()), (4, 0));
    assert_eq!((report.status, report.coverage), (CollectorStatus::Degraded, Some(Coverage::Partial)));
    assert!(report.reason.is_some_and(|reason| reason.contains("no hierarchy of control groups")));
}

#[test]
fn files_that_cannot_be_understood_are_gaps_not_zeros() {
    let host = Host::v2();
    host.stat("good", 5, [1, 0, 0]);
    host.write("cg/bad/cpu.stat", "nonsense\n");
    let (cpu, report) = window(&host, || (), || ());
    assert!(cpu.cgroups.iter().all(|group| group.cgroup.path.as_deref() != Some("/bad")));
    assert_eq!(report.coverage, Some(Coverage::Partial));
    assert!(report.reason.is_some_and(|reason| reason.contains("/bad/cpu.stat")));
}

#[test]
fn the_groups_told_are_bounded_and_the_others_counted() {
    let host = Host::v2();
    (0..1_100).for_each(|index| host.stat(&format!("g{index}"), index, [0, 0, 0]));
    let (cpu, _) = window(&host, || (), || host.stat("g7", 1_000_000, [9, 9, 9]));
    // The group whose directory has no files beside its children's is the root.
    assert_eq!((cpu.cgroups.len(), cpu.left_out), (1_024, 76));
    assert_eq!(cpu.cgroups[0].cgroup.path.as_deref(), Some("/g7"));
}
