//! How control groups start, against this test's own clocks: processes, programs, sockets and answers in groups that are made.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use kerno::collector::{Collected, Collectors, Options};
use kerno::platform::clock::{Clock, SystemClock};
use kerno_signals::{GroupStart, Start};

use crate::{
    child::Child,
    guest::{Load, cgroup, sleep},
    hierarchies::Hierarchies,
    launch::Launch,
};

/// A clock that a child shares.
struct Shared(&'static AtomicU64);

impl Shared {
    fn new() -> Self {
        // SAFETY: a page of its own, never given back; zeroes are a value.
        let page = unsafe {
            let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
            libc::mmap(std::ptr::null_mut(), 4096, access, flags, -1, 0)
        };
        assert_ne!(page, libc::MAP_FAILED);
        // SAFETY: as above.
        Self(unsafe { &*page.cast() })
    }

    fn now(&self) {
        self.0.store(SystemClock.monotonic_ns(), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends as `script`, in the same process; does not return.
fn execute(script: &std::ffi::CStr) {
    let arguments = [c"sh".as_ptr(), c"-c".as_ptr(), script.as_ptr(), std::ptr::null()];
    // SAFETY: strings and a list that live until another program takes their place.
    unsafe { libc::execv(c"/bin/busybox".as_ptr(), arguments.as_ptr()) };
}

/// When something listened at a port, `CLOCK_MONOTONIC`.
fn listening(port: u16) -> u64 {
    let at = format!(":{port:04X}");
    let is_it = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|local| local.ends_with(&at)) && fields.nth(1) == Some("0A")
    };
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|file| fs::read_to_string(file).unwrap().lines().any(is_it)) {
            return SystemClock.monotonic_ns();
        }
        sleep(5);
    }
    panic!("nobody listens at {port}");
}

/// Connects, asks a while later, and waits for the first data: when there were connection, question and answer.
fn ask(port: u16) -> (TcpStream, [u64; 3]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let connected = SystemClock.monotonic_ns();
    sleep(300);
    stream.write_all(b"hello?\n").unwrap();
    let asked = SystemClock.monotonic_ns();
    assert!(stream.read(&mut [0; 16]).unwrap() > 0);
    (stream, [connected, asked, SystemClock.monotonic_ns()])
}

fn of<'a>(start: &'a Start, path: &str) -> &'a GroupStart {
    let is_it = |group: &&GroupStart| group.cgroup.path.as_deref() == Some(path);
    start.groups.iter().find(is_it).unwrap_or_else(|| panic!("{path}: {start:#?}"))
}

/// A moment is told as it was by this test's clocks: not before, and no more than `late` after.
fn assert_told(what: &str, told: Option<u64>, made: u64, expected: u64, late: Duration) {
    let (told, expected) = (told.unwrap_or_else(|| panic!("{what} was not told")), expected - made);
    println!("measured: {what} after {} ms, told as {} ms", expected / 1_000_000, told / 1_000_000);
    let early = Duration::from_millis(25).as_nanos() as u64;
    assert!(told + early >= expected && told <= expected + late.as_nanos() as u64, "{what}: {told} ns, not {expected} ns");
}

fn made(name: &str) -> u64 {
    let before = SystemClock.monotonic_ns();
    cgroup(name);
    before
}

fn measured(seconds: u64, work: impl FnOnce()) -> Start {
    let mut collectors = Collectors::start(&Options::default());
    work();
    for _ in 0..seconds {
        collectors.tick();
        sleep(1_000);
    }
    collectors.tick();
    told(collectors.finish())
}

fn told(collected: Collected) -> Start {
    let Collected { families, reports, .. } = collected;
    families.start.unwrap_or_else(|| panic!("{:?} {reports:?}", families.no_start))
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn each_stage_of_a_start_is_told_when_it_was() {
    const LATE: Duration = Duration::from_millis(50);
    cgroup("older");
    let executed = Shared::new();
    let (mut clocks, mut child) = ([0; 5], None);
    let start = measured(2, || {
        // It was there before, whatever it does now.
        let older = Child::start("older", || execute(c"exec sleep 60"));
        let group = made("cri-containerd");
        let shared = &executed;
        child = Some(Child::start("cri-containerd", move || {
            // SAFETY: a call with a number.
            unsafe { libc::usleep(700_000) };
            shared.now();
            execute(c"usleep 1500000; exec nc -l -p 7001 -e sh -c 'read line; usleep 800000; echo hello'");
        }));
        let listened = listening(7001);
        sleep(1_000);
        let (stream, [connected, asked, answered]) = ask(7001);
        clocks = [group, listened, connected, asked, answered];
        sleep(300);
        drop((stream, older));
    });
    let [group, listened, connected, asked, answered] = clocks;
    let told = of(&start, "/cri-containerd");
    println!("measured: {told:?}");
    assert!(told.populated_ns.is_some_and(|after| after < told.executed_ns.unwrap()), "{told:?}");
    assert_told("executed", told.executed_ns, group, executed.get(), LATE);
    assert_told("listened", told.listened_ns, group, listened - 5_000_000, LATE);
    assert_told("connected", told.connected_ns, group, connected, LATE);
    assert_told("asked", told.asked_ns, group, asked, LATE);
    assert_told("answered", told.answered_ns, group, answered, LATE);
    assert_eq!((told.program.as_deref(), told.listener.as_deref(), told.port), (Some("busybox"), Some("nc"), Some(7001)));
    assert_eq!((told.own_mounts, told.answer_unknown, told.below), (false, false, 0));
    assert!(!start.groups.iter().any(|group| group.cgroup.path.as_deref() == Some("/older")), "{start:?}");
    assert_eq!((start.untold, start.missed), (0, Some(0)), "{start:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn an_answer_is_found_on_a_connection_that_stays_open() {
    let (mut clocks, mut kept) = ([0; 3], None);
    let start = measured(2, || {
        let group = made("server");
        let script = c"exec nc -l -p 7002 -e sh -c 'read line; usleep 1200000; while :; do echo again; usleep 50000; done'";
        let child = Child::start("server", || execute(script));
        listening(7002);
        let (stream, [_, asked, answered]) = ask(7002);
        clocks = [group, asked, answered];
        kept = Some((stream, child));
    });
    let [group, asked, answered] = clocks;
    let told = of(&start, "/server");
    println!("measured: {told:?}");
    assert_told("asked", told.asked_ns, group, asked, Duration::from_millis(50));
    // It goes on to answer: found at the tick after the first one.
    assert_told("answered", told.answered_ns, group, answered, Duration::from_millis(1_200));
    assert!(!told.ended, "{told:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn what_a_start_has_not_come_to_is_not_told() {
    let mut others = None;
    let start = measured(2, || {
        // A job, one that hangs before it executes anything, one that is not answered, one that gets file systems of its own.
        let job = Child::start("job", || execute(c"usleep 400000; exit 0"));
        let hung = Child::start("hung", || {
            // SAFETY: a call with a number.
            unsafe { libc::sleep(60) };
        });
        let mute = Child::start("mute", || execute(c"exec nc -l -p 7003 -e sleep 60"));
        let mounts = Child::start("mounts", || execute(c"usleep 500000; exec unshare -m /bin/busybox nc -l -p 7004"));
        listening(7003);
        let mut stream = TcpStream::connect("127.0.0.1:7003").unwrap();
        stream.write_all(b"hello?\n").unwrap();
        cgroup("above");
        let below = Child::start("above/below", || execute(c"exec sleep 60"));
        cgroup("empty");
        job.wait();
        listening(7004);
        others = Some((hung, mute, mounts, below, stream));
    });
    let (job, hung, mute, mounts) = (of(&start, "/job"), of(&start, "/hung"), of(&start, "/mute"), of(&start, "/mounts"));
    println!("measured: {start:#?}");
    assert!(job.ended && job.age_ns >= 400_000_000 && job.age_ns < 800_000_000, "{job:?}");
    assert_eq!((job.program.as_deref(), job.listened_ns), (Some("busybox"), None), "{job:?}");
    assert!(hung.populated_ns.is_some() && !hung.ended && hung.age_ns > 2_000_000_000, "{hung:?}");
    assert_eq!((hung.executed_ns, hung.program.as_deref()), (None, None), "{hung:?}");
    assert!(mute.asked_ns.is_some() && mute.answered_ns.is_none() && !mute.answer_unknown, "{mute:?}");
    // The shell came first, and what it became without its own mounts; then that with them.
    assert!(mounts.own_mounts && mounts.executed_ns.is_some_and(|after| after >= 500_000_000), "{mounts:?}");
    assert_eq!((mounts.program.as_deref(), mounts.port), (Some("busybox"), Some(7004)), "{mounts:?}");
    let (above, below) = (of(&start, "/above"), of(&start, "/above/below"));
    assert!(above.below == 1 && above.populated_ns.is_some() && above.executed_ns.is_none(), "{above:?}");
    assert!(below.below == 0 && below.executed_ns.is_some(), "{below:?}");
    assert!(!start.groups.iter().any(|group| group.cgroup.path.as_deref() == Some("/empty")), "{start:?}");
    assert_eq!((start.made, start.untold), (7, 0), "{start:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn more_starts_and_connections_than_are_kept_are_counted() {
    let mut others = None;
    let start = measured(1, || {
        let child = Child::start("busy", || {
            let listener = TcpListener::bind(("127.0.0.1", 7005));
            // SAFETY: a call with a number.
            unsafe { libc::sleep(60) };
            drop(listener);
        });
        listening(7005);
        // The backlog takes them, nobody answers.
        let streams: Vec<_> = (0..12).map(|_| TcpStream::connect("127.0.0.1:7005").unwrap()).collect();
        (0..600).for_each(|index| drop(cgroup(&format!("many-{index}"))));
        let late = Load::start("sleep 60", Some(Path::new("/sys/fs/cgroup/many-599")));
        others = Some((child, streams, late));
    });
    let busy = of(&start, "/busy");
    println!("measured: made {}, untold {}, {busy:?}", start.made, start.untold);
    assert_eq!((start.made, start.untold), (601, 89), "{start:?}");
    assert!(!start.groups.iter().any(|group| group.cgroup.path.as_deref() == Some("/many-599")), "{start:?}");
    assert!(busy.connected_ns.is_some() && busy.answered_ns.is_none() && busy.answer_unknown, "{busy:?}");
    assert_eq!(busy.asked_ns, None, "{busy:?}");
    drop(others);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn where_starts_cannot_be_followed_the_reason_is_told() {
    let without = Collectors::start(&Options { ebpf: false, ..Options::default() }).finish();
    assert_eq!((without.families.start, without.families.no_start), (None, None), "the collector tells why");
    let _v1 = Hierarchies::legacy();
    let collected = Collectors::start(&Options::default()).finish();
    assert_eq!(collected.families.start, None);
    let reason = collected.families.no_start.unwrap_or_else(|| panic!("{:?}", collected.reports));
    assert!(reason.contains("cgroup v1"), "{reason}");
    let tcp = collected.reports.iter().find(|report| report.name == "tcp").unwrap();
    println!("measured: tcp on v1 {:?} {:?}", tcp.coverage, tcp.reason);
    assert!(collected.families.tcp.is_some() && tcp.reason.as_ref().is_none_or(|other| !other.contains(&reason)), "{tcp:?}");
}

/// The component that is kept with the contract: what users build today runs here.
const RULE: &[u8] = include_bytes!("../../../wit/released/1.1.0/rule.wasm");

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn the_example_rule_tells_a_slow_start_and_no_fast_one() {
    let [slow, fast, hung] = ["5a", "fa", "cc"].map(|byte| byte.repeat(32));
    let scope = |id: &str| format!("kubepods.slice/cri-containerd-{id}.scope");
    fs::create_dir_all("/tmp/rules").unwrap();
    fs::write("/tmp/rules/slow-container-start.wasm", RULE).unwrap();
    let kerno = Launch::least().start(&["doctor", "-d", "10s", "-q", "-o", "json", "--rules", "/tmp/rules"]);
    sleep(3_000);
    let children = [
        Child::start(&scope(&slow), || {
            // SAFETY: a call with a number.
            unsafe { libc::sleep(3) };
            execute(c"exec nc -l -p 7006");
        }),
        Child::start(&scope(&fast), || execute(c"exec nc -l -p 7007")),
        Child::start(&scope(&hung), || {
            // SAFETY: as above.
            unsafe { libc::sleep(60) };
        }),
    ];
    let output = kerno.wait_with_output().unwrap();
    drop(children);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let own: Vec<_> = findings.iter().filter(|finding| finding["rule"] == "slow-container-start").collect();
    let titles: Vec<_> = own.iter().map(|finding| finding["title"].as_str().unwrap()).collect();
    println!("measured: {titles:?}");
    let says = |id: &str, words: &str| titles.iter().any(|title| title.contains(&id[..12]) && title.contains(words));
    assert!(says(&slow, "took 3") && says(&hung, "has not executed its program yet after"), "{report:#}");
    assert!(own.len() == 2 && own.iter().all(|finding| finding["collector"] == "tcp"), "{report:#}");
}
