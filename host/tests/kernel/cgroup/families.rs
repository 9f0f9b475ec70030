//! Two control groups on v1 and hybrid hosts, told apart by what their processes do: calls, syncs, connections, descriptors, kills.

use std::{
    fs::File,
    mem::forget,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

use kerno_signals::{Cgroup, Coverage, OomLimit};

use crate::{
    guest::{Window, lossy_window, sleep, write},
    hierarchies::Hierarchies,
    oom::{quiet_console, take},
    privilege::release,
    process::{Process, open_null},
};

const MIB: usize = 1 << 20;

/// How often a process of each group does everything.
const TIMES: [(&str, u64); 2] = [("/a", 30), ("/b", 70)];

fn enter(groups: &[PathBuf]) {
    groups.iter().for_each(|group| write(group.join("cgroup.procs"), "0"));
}

/// A process of these groups that does everything so often when it is told to, and sleeps.
fn busy(groups: &[PathBuf], times: u64) -> Process {
    let work = || {
        let file = File::create(format!("/tmp/{times}")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        for _ in 0..times {
            file.sync_all().unwrap();
            drop((TcpStream::connect(to).unwrap(), listener.accept().unwrap()));
            forget(open_null());
            // SAFETY: a call without arguments.
            unsafe { libc::getpgrp() };
        }
    };
    Process::stepped(|| enter(groups), work)
}

fn is(cgroup: Option<&Cgroup>, path: &str) -> bool {
    cgroup.and_then(|cgroup| cgroup.path.as_deref()) == Some(path)
}

/// The number that each family has for a group whose process did everything so often.
fn numbers(window: &Window, path: &str, pid: u32, times: u64) -> Vec<u64> {
    let families = &window.families;
    let syncs = window.block.syncs.as_ref().unwrap();
    let sync = syncs.iter().find(|sync| sync.pid == pid).unwrap_or_else(|| panic!("{syncs:?}"));
    assert!(is(Some(&sync.cgroup), path) && sync.latency.count == times, "{sync:?}");

    let groups = &families.tcp.as_ref().unwrap().cgroups;
    let traffic = groups.iter().find(|group| is(group.cgroup.as_ref(), path)).unwrap_or_else(|| panic!("{groups:?}"));
    let ends = traffic.traffic.connections.as_ref().unwrap();
    assert_eq!((ends.connected, ends.accepted, ends.closed), (times, times, 2 * times), "{traffic:?}");

    let processes = &families.fd.as_ref().unwrap().processes;
    let process = processes.iter().find(|process| process.pid == pid).unwrap_or_else(|| panic!("{processes:?}"));
    assert!(is(process.cgroup.as_ref(), path) && process.last > times, "{process:?}");

    let call = crate::syscall::of(window, path, "getpgrp");
    assert_eq!(call.count, times, "{call:?}");
    let calls = &families.syscall.as_ref().unwrap().cgroups;
    let called = calls.iter().find(|told| is(Some(&told.cgroup), path)).unwrap();

    let waits = window.sched.cgroups.iter().find(|group| is(Some(&group.cgroup), path));
    let waits = waits.unwrap_or_else(|| panic!("{:?}", window.sched.cgroups));
    let tcp = traffic.cgroup.as_ref().unwrap();
    [&sync.cgroup, tcp, process.cgroup.as_ref().unwrap(), &called.cgroup, &waits.cgroup].map(|cgroup| cgroup.id).to_vec()
}

fn tell_apart(hierarchies: &Hierarchies) {
    // Debian's kernels have all controllers for v1 until 6.12 or so.
    let has_all = hierarchies.has("cpu,cpuacct") && hierarchies.has("memory");
    assert!(has_all || release() > (6, 1), "controllers are missing");
    if !hierarchies.has("cpu,cpuacct") {
        println!("measured: this kernel has no cpu controller for cgroup v1");
        return;
    }
    let groups = [hierarchies.group("a"), hierarchies.group("b")];
    let mut processes: Vec<_> = groups.iter().zip(TIMES).map(|(groups, (_, times))| busy(groups, times)).collect();
    // To enter groups takes a while.
    sleep(2_000);
    let window = lossy_window(|| {
        processes.iter_mut().for_each(Process::step);
        sleep(1_000);
    });
    for name in ["block", "tcp", "fd", "syscall", "sched"] {
        let report = window.report(name);
        assert_eq!((report.coverage, report.lost), (Some(Coverage::Full), 0), "{report:?}");
    }
    let all: Vec<_> =
        processes.iter().zip(TIMES).map(|(process, (path, times))| numbers(&window, path, process.pid(), times)).collect();
    println!("measured: the groups' numbers in all families: {all:?}");
    assert!(all.iter().all(|numbers| numbers.iter().all(|number| *number == numbers[0])), "{all:?}");
    assert_ne!(all[0][0], all[1][0]);
    drop(processes);
    if hierarchies.has("memory") {
        one_is_killed(&groups);
    }
}

/// A process of one group meets its limit, while one of the other has as much.
fn one_is_killed(groups: &[Vec<PathBuf>; 2]) {
    quiet_console();
    write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "33554432");
    let mut victim = 0;
    let mut other = None;
    let window = lossy_window(|| {
        let hungry = |groups: &Vec<PathBuf>| {
            Process::start(|| {
                enter(groups);
                take(64 * MIB);
            })
        };
        other = Some(hungry(&groups[1]));
        let process = hungry(&groups[0]);
        victim = process.pid();
        process.wait_for_death(Duration::from_secs(60));
    });
    assert_eq!(window.report("oom").coverage, Some(Coverage::Full), "{:?}", window.report("oom"));
    let told = window.families.oom.as_ref().unwrap();
    let [kill] = &told.kills[..] else { panic!("{told:#?}") };
    assert!(kill.pid == victim && is(kill.cgroup.as_ref(), "/a"), "{kill:?}");
    assert!(matches!(&kill.limit, OomLimit::Cgroup(cgroup) if is(Some(cgroup), "/a")), "{kill:?}");
    assert_eq!((told.total, told.groups.len()), (1, 1), "{told:#?}");
    drop(other);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn two_groups_are_told_apart_by_every_family_on_v1() {
    tell_apart(&Hierarchies::legacy());
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn two_groups_are_told_apart_by_every_family_on_a_hybrid_host() {
    tell_apart(&Hierarchies::hybrid());
}
