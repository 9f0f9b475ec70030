//! Trees of both versions, read over a window.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use kerno_signals::{CgroupMemory, CollectorStatus, Coverage, LimitKind, Memory, MemoryEvents, MemoryLimit, Stall};

use super::*;

const MIB: u64 = 1 << 20;
const SECOND: u64 = 1_000_000_000;

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
        host.available(800);
        host.write("proc/vmstat", "workingset_refault_anon 7\npswpin 1\npswpout 2\nallocstall_normal 3\npgmajfault 100\n");
        host
    }

    fn v2() -> Self {
        let host = Self::new("31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n");
        host.write("proc/pressure/memory", "some avg10=0.00 total=1000\nfull avg10=0.00 total=500\n");
        host
    }

    fn available(&self, mib: u64) {
        let text = format!(
            "MemTotal: {} kB\nMemAvailable: {} kB\nAnonPages: 2048 kB\nShmem: 1024 kB\nSwapTotal: 4096 kB\nSwapFree: 3072 kB\nHugetlb: 0 kB\n",
            1024 * 1024,
            mib * 1024
        );
        self.write("proc/meminfo", &text);
    }

    fn at_hand(&self, pages: u64) {
        self.write("proc/zoneinfo", &format!("Node 0, zone   Normal\n  pagesets\n    cpu: 0\n              count:    {pages}\n"));
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A group with so much anonymous memory and page cache.
    fn usage(&self, group: &str, anon_mib: u64, cache_mib: u64) {
        let (anon, cache, active) = (anon_mib * MIB, cache_mib * MIB, MIB.min(cache_mib * MIB));
        self.write(&format!("cg/{group}/memory.current"), &format!("{}\n", anon + cache));
        let stat = format!(
            "anon {anon}\nfile {cache}\nshmem 0\ninactive_file {}\nactive_file {active}\nslab_reclaimable 0\n\
             workingset_refault_anon 3\npgmajfault {anon_mib}\n",
            cache - cache.min(MIB)
        );
        self.write(&format!("cg/{group}/memory.stat"), &stat);
    }

    fn limit(&self, group: &str, high: &str, max: &str) {
        self.write(&format!("cg/{group}/memory.high"), high);
        self.write(&format!("cg/{group}/memory.max"), max);
    }

    fn events(&self, group: &str, [high, max, oom, oom_kill]: [u64; 4]) {
        let text = format!("low 0\nhigh {high}\nmax {max}\noom {oom}\noom_kill {oom_kill}\n");
        self.write(&format!("cg/{group}/memory.events.local"), &text);
    }
}

/// A window of so many seconds; `tick` is called before each tick.
fn window(host: &Host, seconds: u64, mut tick: impl FnMut(u64)) -> (Memory, CollectorReport) {
    let root = Root::new(host.0.path());
    let time = Rc::new(Cell::new(0));
    let mut names = Names::new(root.clone()).ok();
    let mut collector = Box::new(MemoryCollector::start(&root, names.as_ref(), Box::new(Hand(time.clone()))).unwrap());
    for second in 1..=seconds {
        time.set(second * SECOND);
        tick(second);
        names.iter_mut().for_each(|names| names.refresh_all().unwrap());
        collector.tick(&Moment { names: names.as_ref(), now_ns: second * SECOND });
    }
    let mut families = Families::default();
    let report = collector.finish(&Moment { names: names.as_ref(), now_ns: seconds * SECOND }, &mut families).unwrap();
    (families.memory.unwrap(), report)
}

fn of<'a>(memory: &'a Memory, path: &str) -> &'a CgroupMemory {
    let found = memory.cgroups.iter().find(|group| group.cgroup.path.as_deref() == Some(path));
    found.unwrap_or_else(|| panic!("{path}: {memory:?}"))
}

#[test]
fn growth_of_what_cannot_be_reclaimed_and_not_of_the_cache() {
    let host = Host::v2();
    let grow = |second: u64| {
        host.usage("leak", 10 + 4 * second, 20);
        host.usage("reader", 10, 20 + 40 * second);
        host.available(800 - 4 * second);
    };
    grow(0);
    let (memory, report) = window(&host, 10, grow);
    assert_eq!((report.status, report.coverage, &report.reason), (CollectorStatus::Running, Some(Coverage::Full), &None));
    assert_eq!((memory.duration_ns, memory.vanished, memory.left_out), (10 * SECOND, 0, 0));
    let slope = |group: &CgroupMemory| group.growth.unwrap().slope_per_second / MIB as f64;
    let (leak, reader) = (of(&memory, "/leak"), of(&memory, "/reader"));
    assert_eq!((slope(leak), slope(reader)), (4.0, 0.0));
    assert_eq!((leak.working_set_bytes, leak.current_bytes, leak.rss_bytes), (50 * MIB, 70 * MIB, 50 * MIB));
    assert_eq!((reader.working_set_bytes, reader.current_bytes), (10 * MIB, 430 * MIB));
    assert!(leak.growth.unwrap().points >= 10);
    assert_eq!(leak.major_faults, Some(40));
    assert_eq!(memory.host.growth.unwrap().slope_per_second, 4.0 * MIB as f64);
    assert_eq!((memory.host.total_bytes, memory.host.working_set_bytes), (1024 * MIB, (1024 - 760) * MIB));
    assert_eq!((memory.host.swap_total_bytes, memory.host.swap_used_bytes), (4 * MIB, MIB));
}

#[test]
fn the_smallest_limit_on_the_way_up_counts() {
    let host = Host::v2();
    for group in ["pod", "pod/app", "pod/side"] {
        host.usage(group, 90, 0);
        host.events(group, [0, 0, 0, 0]);
    }
    host.limit("pod", "max\n", "104857600\n");
    host.limit("pod/app", "73400320\n", "209715200\n");
    host.limit("pod/side", "max\n", "max\n");
    let (memory, _) = window(&host, 1, |_| {
        host.events("pod/app", [5, 9, 2, 1]);
        host.write("proc/vmstat", "workingset_refault_anon 17\npswpin 3\npswpout 5\nallocstall_normal 4\npgmajfault 150\n");
        host.write("proc/pressure/memory", "some avg10=0.00 total=3000\nfull avg10=0.00 total=1500\n");
    });
    let limit = |bytes: u64, kind, path: &str| Some(MemoryLimit { bytes, kind, path: path.to_owned() });
    let (app, side) = (of(&memory, "/pod/app"), of(&memory, "/pod/side"));
    assert_eq!(app.limit, limit(70 * MIB, LimitKind::High, "/pod/app"));
    assert_eq!(app.hard_limit, limit(100 * MIB, LimitKind::Max, "/pod"));
    assert_eq!(side.limit, limit(100 * MIB, LimitKind::Max, "/pod"));
    assert_eq!(app.events, Some(MemoryEvents { high: 5, max: 9, oom: 2, oom_kill: 1 }));
    assert_eq!(memory.cgroups.first(), Some(app), "kills come first");
    assert_eq!(memory.host.stall, Some(Stall { some_ns: 2_000_000, full_ns: Some(1_000_000) }));
    let host = memory.host;
    assert_eq!((host.major_faults, host.refaults_anon, host.direct_reclaims), (50, Some(10), 1));
    let page = rustix::param::page_size() as u64;
    assert_eq!((host.swapped_in_bytes, host.swapped_out_bytes), (2 * page, 3 * page));
}

#[test]
fn a_group_that_is_made_counts_whole_and_one_that_ends_as_last_read() {
    let host = Host::v2();
    host.usage("old", 10, 0);
    let (memory, report) = window(&host, 4, |second| match second {
        1 => {
            host.usage("young", 30, 0);
            host.events("young", [0, 4, 0, 0]);
            host.usage("old", 20, 0);
        }
        3 => fs::remove_dir_all(host.at("cg/old")).unwrap(),
        _ => (),
    });
    assert_eq!(report.coverage, Some(Coverage::Full), "{report:?}");
    assert_eq!(of(&memory, "/young").events, Some(MemoryEvents { max: 4, ..MemoryEvents::default() }));
    assert_eq!(of(&memory, "/young").major_faults, Some(30));
    assert_eq!((of(&memory, "/old").working_set_bytes, memory.vanished), (20 * MIB, 1));
}

#[test]
fn v1_is_joined_to_the_other_families_by_path() {
    let host = Host::new(
        "31 23 0:28 / /v1/cpu rw - cgroup cgroup rw,cpu\n32 23 0:29 / /v1/mem rw - cgroup cgroup rw,memory\n\
         34 23 0:31 / /v2 rw - cgroup2 cgroup2 rw\n",
    );
    host.write("proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t4\t9\t1\nmemory\t5\t9\t1\n");
    fs::create_dir_all(host.at("v1/cpu/docker/x")).unwrap();
    let stat = "total_rss 10485760\ntotal_shmem 0\ntotal_pgmajfault 3\ntotal_inactive_file 2097152\ntotal_active_file 0\n";
    for (name, text) in [
        ("memory.usage_in_bytes", "20971520\n"),
        ("memory.stat", stat),
        ("memory.limit_in_bytes", "104857600\n"),
        ("memory.failcnt", "5\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
    ] {
        host.write(&format!("v1/mem/docker/x/{name}"), text);
        host.write(&format!("v1/mem/only-here/{name}"), text);
    }
    host.write("v2/docker/x/memory.pressure", "some avg10=0.00 total=10\nfull avg10=0.00 total=10\n");
    let (memory, _) = window(&host, 2, |_| {
        host.write("v1/mem/docker/x/memory.failcnt", "9\n");
        host.write("v2/docker/x/memory.pressure", "some avg10=0.00 total=30\nfull avg10=0.00 total=20\n");
    });
    let group = of(&memory, "/docker/x");
    let names = Names::new(Root::new(host.0.path())).unwrap();
    assert_eq!(names.id("/docker/x"), Some(group.cgroup.id));
    assert_eq!((group.working_set_bytes, group.rss_bytes), (18 * MIB, 10 * MIB));
    assert_eq!(group.events, Some(MemoryEvents { high: 0, max: 4, oom: 0, oom_kill: 0 }));
    assert_eq!(group.limit.as_ref().map(|limit| (limit.bytes, limit.path.as_str())), Some((100 * MIB, "/docker/x")));
    assert_eq!(group.stall, Some(Stall { some_ns: 20_000, full_ns: Some(10_000) }));
    assert_eq!(of(&memory, "/only-here").cgroup.id, 0);
}

#[test]
fn what_is_not_counted_has_its_reason() {
    let host = Host::v2();
    fs::create_dir_all(host.at("cg/system.slice")).unwrap();
    fs::remove_file(host.at("proc/pressure/memory")).unwrap();
    let (memory, report) = window(&host, 1, |_| ());
    assert!(memory.cgroups.is_empty() && memory.host.stall.is_none());
    let reason = report.reason.unwrap();
    assert!(reason.contains("not counted") && reason.contains("pressure"), "{reason}");
    assert_eq!(report.coverage, Some(Coverage::Partial));
}

#[test]
fn a_large_tree_is_read_in_turn_and_the_fullest_at_each_tick() {
    let host = Host::v2();
    (0..1_200).for_each(|index| host.usage(&format!("g{index}"), 10, 0));
    host.limit("g77", "max\n", &format!("{}\n", 20 * MIB));
    let (memory, report) = window(&host, 5, |second| host.usage("g77", 10 + second, 0));
    assert_eq!((memory.cgroups.len(), memory.left_out), (1_024, 176));
    let full = &memory.cgroups[0];
    assert_eq!(full.cgroup.path.as_deref(), Some("/g77"));
    assert_eq!(full.growth.map(|trend| (trend.slope_per_second, trend.points >= 6)), Some((MIB as f64, true)));
    let readings = report.events;
    assert!((2_400..2_400 + 5 * 41 + 20).contains(&readings), "{readings}");
}

#[test]
fn zfs_cache_is_available() {
    let host = Host::v2();
    host.write("proc/spl/kstat/zfs/arcstats", "name type data\nc_min 4 104857600\nsize 4 209715200\n");
    let (memory, _) = window(&host, 1, |_| ());
    assert_eq!(memory.host.zfs_reclaimable_bytes, Some(100 * MIB));
    assert_eq!((memory.host.available_bytes, memory.host.working_set_bytes), (900 * MIB, 124 * MIB));
}

#[test]
fn free_pages_that_cpus_keep_at_hand_are_available() {
    let host = Host::v2();
    let page = rustix::param::page_size() as u64;
    let keep = |second: u64| {
        // They take free pages from the zone, which nobody uses.
        host.at_hand(second * MIB / page);
        host.available(800 - second);
    };
    keep(0);
    let (memory, _) = window(&host, 10, keep);
    assert_eq!((memory.host.available_bytes, memory.host.growth.unwrap().slope_per_second), (800 * MIB, 0.0));
}
