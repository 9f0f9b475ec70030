//! Out-of-memory kills, each injected with a known victim, limit and trigger.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use kerno::{
    artifacts,
    collector::{
        Collectors, Options,
        context::Context,
        loader::{Kernel, Object},
    },
    platform::{
        Root,
        kmsg::Kmsg,
        oom::{self, Log, Logged},
    },
};
use kerno_ebpf_common::oom::Counters;
use kerno_signals::{CollectorReport, Coverage, Oom, OomKill, OomLimit};

use crate::{
    guest::sleep,
    process::{Process, set_name},
};

const MIB: usize = 1 << 20;

/// A control group with the memory controller, empty again when this is dropped.
struct Group(PathBuf);

impl Group {
    fn new(path: &str, settings: &[(&str, &str)]) -> Self {
        let mut directory = PathBuf::from("/sys/fs/cgroup");
        for level in path.split('/') {
            let _ = fs::write(directory.join("cgroup.subtree_control"), "+memory");
            directory.push(level);
            let _ = fs::create_dir(&directory);
        }
        for (file, value) in settings {
            fs::write(directory.join(file), value).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        Self(directory)
    }

    /// Has this process, or the one that a closure runs in, enter it.
    fn enter(&self) {
        fs::write(self.0.join("cgroup.procs"), "0").unwrap();
    }

    fn remove(self) {
        let begin = Instant::now();
        while let Err(error) = fs::remove_dir(&self.0) {
            assert!(begin.elapsed() < Duration::from_secs(5), "{error}");
            sleep(1);
        }
    }
}

/// Kernel messages stay off the console: a serial line is slow.
pub fn quiet_console() {
    fs::write("/proc/sys/kernel/printk", "1").unwrap();
}

/// Uses this much memory, page by page.
pub fn take(bytes: usize) {
    // SAFETY: memory of its own, touched inside its bounds.
    unsafe {
        let memory = libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        assert_ne!(memory, libc::MAP_FAILED);
        (0..bytes).step_by(4096).for_each(|at| memory.cast::<u8>().add(at).write_volatile(1));
    }
}

/// A process in a group that takes more memory than there is, and is waited for.
fn victim(group: &Group, score_adj: i32, bytes: usize) -> u32 {
    let process = Process::start(|| {
        group.enter();
        set_name(c"the (victim) x");
        fs::write("/proc/self/oom_score_adj", score_adj.to_string()).unwrap();
        take(bytes);
    });
    let pid = process.pid();
    process.wait_for_death(Duration::from_secs(60));
    pid
}

fn watch(options: &Options, work: impl FnOnce()) -> (Oom, CollectorReport) {
    quiet_console();
    let mut collectors = Collectors::start(options);
    work();
    collectors.tick();
    let collected = collectors.finish();
    let report = collected.reports.into_iter().find(|report| report.name == "oom").unwrap();
    (collected.families.oom.unwrap_or_else(|| panic!("{report:?}")), report)
}

/// Seen with eBPF, and wholly.
fn window(work: impl FnOnce()) -> Oom {
    let (told, report) = watch(&Options::default(), work);
    assert_eq!((report.coverage, report.source.as_str(), report.lost), (Some(Coverage::Full), "eBPF", 0), "{report:?}");
    assert_eq!(report.events, told.total);
    assert_eq!(told.unnamed, 0, "{told:#?}");
    told
}

/// Lines of the kernel's log that tell of kills, as this kernel writes them.
fn print_log() {
    const WORDS: [&str; 5] = ["invoked oom-killer", "CPU: ", "oom-kill:", "Killed process", "going to be killed"];
    for record in Kmsg::open(&Root::default()).unwrap().read().unwrap() {
        if record.at_ns > 20_000_000_000 && WORDS.iter().any(|word| record.text.contains(word)) {
            println!("measured: {}", record.text);
        }
    }
}

/// The last kills that the kernel's log tells.
fn logged() -> Vec<Logged> {
    let (mut log, mut lines) = (Kmsg::open(&Root::default()).unwrap(), Log::default());
    log.read().unwrap().iter().filter_map(|record| lines.note(record)).collect()
}

fn path(kill: &OomKill) -> &str {
    kill.cgroup.as_ref().and_then(|cgroup| cgroup.path.as_deref()).unwrap_or("none")
}

fn limit(kill: &OomKill) -> &str {
    match &kill.limit {
        OomLimit::Cgroup(cgroup) => cgroup.path.as_deref().unwrap_or("none"),
        OomLimit::Host => "host",
        OomLimit::Nodes => "nodes",
        OomLimit::Unknown => "unknown",
    }
}

/// What the log says of the same kill.
fn assert_is_logged(kill: &OomKill) {
    let all = logged();
    let log = all.iter().rfind(|log| log.pid == kill.pid).unwrap_or_else(|| panic!("{} in {all:#?}", kill.pid));
    println!("measured: {log:?}");
    assert_eq!((&log.comm, log.score_adj), (&kill.comm, kill.score_adj), "{log:?}");
    let memory = kill.memory.unwrap();
    let [anon, file, shmem] = log.memory.unwrap();
    // The kernel prints whole kilobytes, and since 6.17 sums up what our record leaves to each CPU.
    for (ours, theirs) in [(memory.anon, anon), (memory.file, file), (memory.shmem, shmem)] {
        assert!(ours.abs_diff(theirs) <= 64 * 4096 * 2, "{ours} {theirs}: {log:?}");
    }
    let trigger = kill.trigger.as_ref().unwrap();
    let (comm, pid) = log.trigger.as_ref().unwrap();
    assert_eq!((&trigger.comm, trigger.pid), (comm, *pid));
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_groups_own_limit() {
    let group = Group::new("shop.slice/db.service", &[("memory.max", "33554432")]);
    let (mut pid, before) = (0, oom::kills(&Root::default()).unwrap());
    // What the victim has of this process's memory is not the group's, but its own.
    let mut inherited = 0;
    let told = window(|| {
        let text = fs::read_to_string("/proc/self/statm").unwrap();
        inherited = text.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096;
        pid = victim(&group, 100, 64 * MIB);
    });
    assert_eq!(told.total, oom::kills(&Root::default()).unwrap() - before);
    let [kill] = &told.kills[..] else { panic!("{told:#?}") };
    assert_eq!((kill.pid, kill.comm.as_str(), kill.score_adj), (pid, "the (victim) x", Some(100)));
    assert_eq!((path(kill), limit(kill)), ("/shop.slice/db.service", "/shop.slice/db.service"));
    assert_eq!(kill.cgroup.as_ref().unwrap().unit.as_deref(), Some("db.service"));
    let rss = kill.memory.unwrap().rss() as usize;
    println!("measured: {} KiB resident of {} KiB, score {:?}", rss >> 10, 32 << 10, kill.score);
    assert!((28 * MIB..34 * MIB + inherited).contains(&rss), "{kill:?}");
    // Its share of the limit, and 100 more; page tables count as well.
    let expected = (rss * 1_000 / (32 * MIB) + 100) as i64;
    assert!(kill.score.is_some_and(|score| (expected..expected + 30).contains(&score)), "{expected} {kill:?}");
    assert_eq!(kill.trigger.as_ref().unwrap().pid, Some(pid));
    assert_eq!(kill.trigger.as_ref().unwrap().cgroup.as_ref().unwrap().path.as_deref(), Some("/shop.slice/db.service"));
    assert_eq!((told.groups.len(), told.groups[0].kills), (1, 1));
    assert_is_logged(kill);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn an_ancestors_limit_is_named() {
    let _outer = Group::new("outer", &[("memory.max", "33554432")]);
    let leaf = Group::new("outer/inner/leaf", &[("memory.max", "max")]);
    let told = window(|| {
        victim(&leaf, 0, 64 * MIB);
    });
    let [kill] = &told.kills[..] else { panic!("{told:#?}") };
    assert_eq!((path(kill), limit(kill)), ("/outer/inner/leaf", "/outer"));
    let log = logged().pop().unwrap();
    assert_eq!((log.group.as_deref(), log.limit), (Some("/outer/inner/leaf"), oom::Limit::Group("/outer".to_owned())));
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn the_hosts_memory() {
    let group = Group::new("hungry", &[]);
    let mut pid = 0;
    let told = window(|| pid = victim(&group, 1000, 4096 * MIB));
    let [kill] = &told.kills[..] else { panic!("{told:#?}") };
    assert_eq!((kill.pid, path(kill), limit(kill)), (pid, "/hungry", "host"));
    assert!(kill.memory.unwrap().rss() as usize > 300 * MIB, "{kill:?}");
    assert_eq!(logged().pop().unwrap().limit, oom::Limit::Host);
    print_log();
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_group_that_dies_together_is_one_case() {
    let group = Group::new("together", &[("memory.max", "33554432"), ("memory.oom.group", "1")]);
    let others: Vec<_> = (0..5).map(|_| Process::start(|| group.enter())).collect();
    let before = oom::kills(&Root::default()).unwrap();
    let told = window(|| {
        victim(&group, 0, 64 * MIB);
    });
    print_log();
    println!("measured: {} victims, {} by the kernel's count", told.total, oom::kills(&Root::default()).unwrap() - before);
    assert_eq!((told.kills.len(), told.total, told.groups[0].kills), (6, 6, 6), "{told:#?}");
    assert!(told.kills.iter().all(|kill| kill.case == told.kills[0].case && kill.case > 0));
    assert!(told.kills.iter().all(|kill| path(kill) == "/together" && limit(kill) == "/together"));
    assert_eq!(told.kills.iter().filter(|kill| kill.score.is_some()).count(), 1, "one was ranked: {told:#?}");
    for other in others {
        assert!(told.kills.iter().any(|kill| kill.pid == other.pid()), "{told:#?}");
        other.wait_for_death(Duration::from_secs(5));
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn who_asked_is_told_from_who_died() {
    let group = Group::new("pair", &[("memory.max", "67108864")]);
    let sleeper = Process::start(|| {
        group.enter();
        set_name(c"sleeper");
        take(40 * MIB);
    });
    let mut asker = None;
    let told = window(|| {
        asker = Some(Process::start(|| {
            group.enter();
            set_name(c"asker");
            fs::write("/proc/self/oom_score_adj", "-1000").unwrap();
            take(32 * MIB);
        }));
    });
    let [kill] = &told.kills[..] else { panic!("{told:#?}") };
    let trigger = kill.trigger.as_ref().unwrap();
    assert_eq!((kill.pid, kill.comm.as_str()), (sleeper.pid(), "sleeper"));
    assert_eq!((trigger.pid, trigger.comm.as_str()), (Some(asker.unwrap().pid()), "asker"));
    assert_is_logged(kill);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_group_that_is_removed_at_once_is_named_all_the_same() {
    let told = window(|| {
        let group = Group::new("kubepods.slice/pod1.slice/cri-containerd-1.scope", &[("memory.max", "33554432")]);
        victim(&group, 0, 64 * MIB);
        group.remove();
    });
    let [kill] = &told.kills[..] else { panic!("{told:#?}") };
    assert_eq!(path(kill), "/kubepods.slice/pod1.slice/cri-containerd-1.scope");
    assert_eq!(limit(kill), path(kill));
    assert_eq!(kill.cgroup.as_ref().unwrap().unit.as_deref(), Some("cri-containerd-1.scope"));
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn kills_before_the_window_are_counted_and_named() {
    quiet_console();
    let group = Group::new("earlier", &[("memory.max", "33554432")]);
    let pids = [victim(&group, 0, 64 * MIB), victim(&group, 7, 64 * MIB)];
    for ebpf in [true, false] {
        let (told, _) = watch(&Options { ebpf, ..Options::default() }, || sleep(100));
        assert_eq!((told.total, told.kills.len()), (0, 0));
        let before = told.before.unwrap();
        assert_eq!((before.since_boot, &before.log_refused), (2, &None));
        let [counted] = &before.groups[..] else { panic!("{before:#?}") };
        assert_eq!((counted.cgroup.as_ref().unwrap().path.as_deref(), counted.kills), (Some("/earlier"), 2));
        assert_eq!(before.kills.iter().map(|kill| kill.pid).collect::<Vec<_>>(), pids);
        assert!(before.kills.iter().all(|kill| path(kill) == "/earlier" && limit(kill) == "/earlier"));
        assert_eq!(before.kills[1].score_adj, Some(7));
    }
}

/// Takes capabilities from this thread.
fn drop_capabilities(dropped: &[u32]) {
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut sets = [[0_u32; 3]; 2];
    for capability in dropped {
        sets[(capability / 32) as usize][0] |= 1 << (capability % 32);
    }
    let mut held = [[0_u32; 3]; 2];
    // SAFETY: header and room as the calls of this version want them.
    unsafe {
        assert_eq!(libc::syscall(libc::SYS_capget, header.as_ptr(), held.as_mut_ptr()), 0);
        for (held, dropped) in held.iter_mut().zip(sets) {
            held[0] &= !dropped[0];
        }
        assert_eq!(libc::syscall(libc::SYS_capset, header.as_ptr(), held.as_ptr()), 0);
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_log_that_may_not_be_read_is_stated() {
    const CAP_SYS_ADMIN: u32 = 21;
    const CAP_SYSLOG: u32 = 34;
    quiet_console();
    let group = Group::new("earlier", &[("memory.max", "33554432")]);
    victim(&group, 0, 64 * MIB);
    fs::write("/proc/sys/kernel/dmesg_restrict", "1").unwrap();
    drop_capabilities(&[CAP_SYS_ADMIN, CAP_SYSLOG]);
    for ebpf in [true, false] {
        let mut pid = 0;
        let (told, report) = {
            let mut collectors = Collectors::start(&Options { ebpf, ..Options::default() });
            pid += victim(&group, 0, 64 * MIB);
            collectors.tick();
            let collected = collectors.finish();
            (collected.families.oom.unwrap(), collected.reports.into_iter().find(|report| report.name == "oom").unwrap())
        };
        println!("measured: {}: {:?}", report.source, report.reason);
        let before = told.before.unwrap();
        assert!(before.log_refused.is_some_and(|why| why.contains("CAP_SYSLOG")));
        assert!(before.since_boot > 0 && before.groups.len() == 1 && before.kills.is_empty());
        assert!(report.reason.as_deref().is_some_and(|reason| reason.contains("before the window have no names")), "{report:?}");
        assert_eq!((told.total, told.unnamed, told.groups[0].kills), (1, 0, 1));
        assert_eq!(told.groups[0].cgroup.as_ref().unwrap().path.as_deref(), Some("/earlier"));
        assert_eq!(told.kills.iter().map(|kill| kill.pid).collect::<Vec<_>>(), if ebpf { vec![pid] } else { vec![] });
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn what_user_space_kills_is_no_kill_of_the_kernels() {
    let told = window(|| (0..10).for_each(|_| drop(Process::start(|| take(MIB)))));
    assert_eq!((told.total, told.kills.len(), told.groups.len()), (0, 0, 0));
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_process_of_many_threads_is_one_kill() {
    let group = Group::new("threads", &[("memory.max", "33554432")]);
    let told = window(|| {
        let process = Process::start(|| {
            group.enter();
            (0..8).for_each(|_| drop(std::thread::spawn(|| take(16 * MIB))));
            sleep(60_000);
        });
        process.wait_for_death(Duration::from_secs(60));
    });
    assert_eq!((told.total, told.kills.len()), (1, 1), "{told:#?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_storm_between_two_ticks_is_counted_whole_and_its_losses_are_told() {
    let group = Group::new("storm", &[("memory.max", "4194304")]);
    let before = oom::kills(&Root::default()).unwrap();
    let (told, report) = watch(&Options::default(), || {
        for _ in 0..150 {
            victim(&group, 0, 8 * MIB);
        }
    });
    let kills = oom::kills(&Root::default()).unwrap() - before;
    println!("measured: {kills} kills, {} named, lost {}: {:?}", told.kills.len(), report.lost, report.reason);
    assert!(kills >= 150);
    assert_eq!((told.total, report.events), (kills, kills));
    assert_eq!(told.kills.len() as u64 + report.lost, kills);
    assert_eq!(told.unnamed, report.lost);
    assert!(report.lost > 0 && report.coverage == Some(Coverage::Partial), "{report:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_hook_that_stopped_is_named() {
    quiet_console();
    let group = Group::new("unseen", &[("memory.max", "33554432")]);
    for silence in [None, Some("oom")] {
        let mut collectors = Collectors::start(&Options { silence, ..Options::default() });
        if silence.is_none() {
            collectors.detach("oom");
        }
        victim(&group, 0, 64 * MIB);
        (0..2).for_each(|_| drop(collectors.tick()));
        let collected = collectors.finish();
        let report = collected.reports.iter().find(|report| report.name == "oom").unwrap();
        let reason = report.reason.as_deref().unwrap();
        println!("measured: silenced {silence:?}: {reason}");
        assert!(reason.contains("mark_victim saw 0 of the 1 kills"), "{report:?}");
        assert_eq!((report.coverage, report.lost), (Some(Coverage::Partial), 1));
        let told = collected.families.oom.unwrap();
        assert_eq!((told.total, told.unnamed, told.kills.len()), (1, 1, 0));
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn without_ebpf_files_count_and_the_log_names() {
    let outer = Group::new("outer", &[("memory.max", "33554432")]);
    let leaf = Group::new("outer/leaf", &[]);
    let together = Group::new("together", &[("memory.max", "33554432"), ("memory.oom.group", "1")]);
    let _other = Process::start(|| together.enter());
    let mut pid = 0;
    let (told, report) = watch(&Options { ebpf: false, ..Options::default() }, || {
        pid = victim(&leaf, 5, 64 * MIB);
        victim(&together, 0, 64 * MIB);
    });
    println!("measured: source {}", report.source);
    assert_eq!(report.coverage, Some(Coverage::Fallback), "{report:?}");
    assert_eq!((told.total, told.unnamed, told.kills.len()), (3, 0, 3), "{told:#?}");
    let kill = &told.kills[0];
    assert_eq!((kill.pid, path(kill), limit(kill), kill.score_adj), (pid, "/outer/leaf", "/outer", Some(5)));
    assert_eq!(kill.trigger.as_ref().unwrap().pid, Some(pid));
    let of = |path: &str| {
        let is_it = |group: &&kerno_signals::OomGroup| group.cgroup.as_ref().unwrap().path.as_deref() == Some(path);
        told.groups.iter().filter(is_it).map(|group| group.kills).sum::<u64>()
    };
    assert_eq!((of("/outer/leaf"), of("/together"), of("/outer")), (1, 2, 0), "{told:#?}");
    drop(outer);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn the_twin_for_older_tracepoints_loads_and_counts() {
    quiet_console();
    let kernel = Kernel::open(&kerno::platform::btf::Btf::vmlinux().unwrap()).unwrap();
    let bytes = artifacts::ebpf_object("oom").unwrap();
    let mut object = Object::open(&kernel, "oom", bytes, &[], &[]).unwrap();
    object.attach_entry(&kernel, "mark_oom_victim", "mark_oom_victim").unwrap();
    let group = Group::new("older", &[("memory.max", "33554432")]);
    victim(&group, 0, 64 * MIB);
    assert_eq!(object.get::<Counters>("COUNTERS", 0).unwrap().kills, 1);
    assert_eq!(object.ring("KILLS").unwrap().len(), 1);
    drop(Context::read(&Root::default(), None, None).unwrap());
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_memory_controller_on_v1() {
    let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "-memory");
    let mount = Path::new("/tmp/memory");
    fs::create_dir_all(mount).unwrap();
    let arguments = ["mount", "-t", "cgroup", "-o", "memory", "none", "/tmp/memory"];
    if !std::process::Command::new("/bin/busybox").args(arguments).status().unwrap().success() {
        println!("measured: this kernel has no memory controller for v1");
        return;
    }
    fs::create_dir_all(mount.join("a")).unwrap();
    // Before 5.11 only a group without others below may change it.
    fs::write(mount.join("a/memory.use_hierarchy"), "1").unwrap();
    fs::create_dir_all(mount.join("a/b")).unwrap();
    fs::write(mount.join("a/memory.limit_in_bytes"), "33554432").unwrap();
    let told = window(|| {
        let process = Process::start(|| {
            fs::write(mount.join("a/b/cgroup.procs"), "0").unwrap();
            take(64 * MIB);
        });
        process.wait_for_death(Duration::from_secs(60));
    });
    let [kill] = &told.kills[..] else { panic!("{told:#?}") };
    assert_eq!(limit(kill), "/a", "{kill:?}");
    println!("measured: victim in {} under {}", path(kill), limit(kill));
    let (told, _) = watch(&Options { ebpf: false, ..Options::default() }, || {});
    let before = told.before.unwrap();
    assert_eq!(before.groups[0].cgroup.as_ref().unwrap().path.as_deref(), Some("/a/b"), "{before:#?}");
}
