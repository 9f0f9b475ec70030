//! As many threads as a guest can hold: each is followed, none is forgotten, and memory stays bounded.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use kerno::collector::{Collectors, Options};
use kerno_signals::Coverage;

use crate::{
    bench::programs::resident_bytes,
    child::Child,
    guest::{sleep, write},
    syscall,
};

/// What is tried; a guest of 1 GiB has room for somewhat fewer.
const WANTED: u64 = 50_000;
/// Memory that is left to the rest of the guest.
const SPARE_KIB: u64 = 150 << 10;
const STACK: usize = 1_024;

/// What the threads are told, and what they tell.
struct Board {
    /// How many there are.
    threads: AtomicU64,
    /// 1: make the call that is counted, once.
    go: AtomicU64,
    /// How many have made it.
    made: AtomicU64,
}

impl Board {
    /// In memory that children share.
    fn new() -> &'static Self {
        let (size, flags) = (size_of::<Self>(), libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: fresh memory of zeros, which is a board, and is never given back.
        unsafe {
            let memory = libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert_ne!(memory, libc::MAP_FAILED);
            &*memory.cast::<Self>()
        }
    }
}

fn free_kib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Sleeps again and again, and makes one call when it is told to, on a stack that has room for little else.
extern "C" fn sleeper(board: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the board is never given back.
    let board = unsafe { &*board.cast::<Board>() };
    let pause = libc::timespec { tv_sec: 2, tv_nsec: 0 };
    let mut done = false;
    loop {
        // SAFETY: a time that lives until the call returns.
        unsafe { libc::syscall(libc::SYS_nanosleep, &raw const pause, 0) };
        if !done && board.go.load(Ordering::SeqCst) == 1 {
            // SAFETY: a call without arguments.
            unsafe { libc::syscall(libc::SYS_getppid) };
            board.made.fetch_add(1, Ordering::SeqCst);
            done = true;
        }
    }
}

/// Makes threads until there are as many as are wanted or the guest has no room for more, and tells how many.
fn make_threads(board: &'static Board) {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let size = STACK * WANTED as usize;
    // SAFETY: fresh memory, of which every thread gets a part of its own to be its stack. It is aligned as a stack must be.
    unsafe {
        let stacks = libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        assert_ne!(stacks, libc::MAP_FAILED);
        let share = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
        let mut made = 0;
        while made < WANTED && (made % 100 != 0 || free_kib() > SPARE_KIB) {
            let stack = stacks.byte_add(STACK * (made as usize + 1));
            let told = std::ptr::from_ref(board).cast_mut().cast();
            if libc::clone(sleeper, stack, share | libc::CLONE_SYSVSEM, told) < 0 {
                break;
            }
            made += 1;
        }
        board.threads.store(made, Ordering::SeqCst);
        libc::pause();
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tens_of_thousands_of_sleeping_threads_are_all_counted_in_little_memory() {
    write("/proc/sys/kernel/pid_max", "4194304");
    write("/proc/sys/kernel/threads-max", "200000");
    let board = Board::new();
    let crowd = Child::start("crowd", || make_threads(board));
    let begun = Instant::now();
    while board.threads.load(Ordering::SeqCst) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(200), "no threads");
        sleep(100);
    }
    let threads = board.threads.load(Ordering::SeqCst);
    let anonymous = || resident_bytes(std::process::id(), "RssAnon:");
    let before = anonymous();
    let mut collectors = Collectors::start(&Options::default());
    board.go.store(1, Ordering::SeqCst);
    let (mut most, mut longest) = (0, Duration::ZERO);
    for second in 0.. {
        sleep(1_000);
        let begun = Instant::now();
        collectors.tick();
        longest = longest.max(begun.elapsed());
        most = most.max(anonymous());
        if board.made.load(Ordering::SeqCst) == threads {
            break;
        }
        assert!(second < 60, "{} of {threads} made their call", board.made.load(Ordering::SeqCst));
    }
    let collected = collectors.finish();
    let grown = most.max(anonymous()).saturating_sub(before);
    println!(
        "measured: {threads} threads, made in {:?}; a tick takes {longest:?}; grown by {} KiB",
        begun.elapsed(),
        grown >> 10
    );
    assert!(threads >= 20_000, "{threads} threads");

    let report = |name: &str| collected.reports.iter().find(|report| report.name == name).unwrap();
    for name in ["syscall", "sched"] {
        println!("measured: {:?}", report(name));
        assert_eq!((report(name).coverage, report(name).lost), (Some(Coverage::Full), 0), "{:?}", report(name));
    }
    let told = collected.families.syscall.as_ref().unwrap();
    let call = syscall::in_cgroup(told, "/crowd", "getppid");
    assert_eq!(call.count, threads, "{call:?}");
    let slept = syscall::in_cgroup(told, "/crowd", "nanosleep");
    println!("measured: {} sleeps returned", slept.count);
    assert!(slept.count >= threads, "{slept:?}");
    assert!(told.in_flight.iter().all(|hung| hung.caller.pid != crowd.pid()), "{:?}", told.in_flight);
    let sched = collected.families.sched.as_ref().unwrap();
    let waits = sched.cgroups.iter().find(|group| group.cgroup.path.as_deref() == Some("/crowd")).unwrap();
    println!("measured: {} waits for a CPU, {} tasks named", waits.delay.count, sched.tasks.len());
    assert!(waits.delay.count >= threads, "{waits:?}");
    assert!(grown < 24 << 20, "{grown} bytes");

    // Without eBPF they are looked at in turn, which a tick does not become long for, and which is told.
    let mut collectors = Collectors::start(&Options { ebpf: false, ..Options::default() });
    let mut longest = Duration::ZERO;
    for _ in 0..4 {
        sleep(1_000);
        let begun = Instant::now();
        collectors.tick();
        longest = longest.max(begun.elapsed());
    }
    let collected = collectors.finish();
    println!("measured: without eBPF a tick takes {longest:?}");
    for name in ["syscall", "sched"] {
        let report = collected.reports.iter().find(|report| report.name == name).unwrap();
        println!("measured: {report:?}");
        assert_eq!(report.coverage, Some(Coverage::Fallback), "{report:?}");
        assert!(report.reason.as_ref().is_some_and(|reason| reason.contains("too many to be")), "{report:?}");
    }
    // All of them would take a guest several times as long.
    assert!(longest < Duration::from_secs(3), "{longest:?}");
}
