//! Where the time of system calls goes: what was waited for on purpose, and what was not.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::fd::AsRawFd,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use kerno_signals::CallInFlight;

use crate::{
    child::{Child, in_group},
    fuse,
    guest::{Load, NullBlk, Window, is_near, modprobe, sleep, window},
    syscall::{family, of},
};

const FIFREEZE: libc::Ioctl = 0xc004_5877_u32 as libc::Ioctl;
const FITHAW: libc::Ioctl = 0xc004_5878_u32 as libc::Ioctl;

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Sleeps that are asked for, a thousand threads of them: some return again and again, others never.
fn sleepers() {
    // SAFETY: calls with numbers and with buffers that live as long as the threads.
    let one = |kind: usize| unsafe {
        let mut pipe = [0; 2];
        let mut byte = [0_u8; 8];
        let pause = libc::timespec { tv_sec: 0, tv_nsec: 300_000_000 };
        match kind {
            0 => {
                let epoll = libc::epoll_create1(0);
                let mut event: libc::epoll_event = std::mem::zeroed();
                loop {
                    libc::epoll_wait(epoll, &raw mut event, 1, 250);
                }
            }
            1 => {
                let word = 0_u32;
                loop {
                    libc::syscall(libc::SYS_futex, &raw const word, libc::FUTEX_WAIT, 0, &raw const pause, 0, 0);
                }
            }
            2 => loop {
                libc::nanosleep(&raw const pause, std::ptr::null_mut());
            },
            3 => {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let _ = listener.accept();
            }
            4 => loop {
                libc::poll(std::ptr::null_mut(), 0, 200);
            },
            5 => {
                libc::pause();
            }
            6 => {
                let mut signals: libc::sigset_t = std::mem::zeroed();
                libc::sigaddset(&raw mut signals, libc::SIGUSR1);
                loop {
                    libc::sigtimedwait(&raw const signals, std::ptr::null_mut(), &raw const pause);
                }
            }
            7 => {
                libc::pipe(pipe.as_mut_ptr());
                libc::read(pipe[0], byte.as_mut_ptr().cast(), 1);
            }
            8 => {
                let event = libc::eventfd(0, 0);
                libc::read(event, byte.as_mut_ptr().cast(), 8);
            }
            9 => {
                let timer = libc::timerfd_create(libc::CLOCK_MONOTONIC, 0);
                let every = libc::itimerspec { it_interval: pause, it_value: pause };
                libc::timerfd_settime(timer, 0, &raw const every, std::ptr::null_mut());
                loop {
                    libc::read(timer, byte.as_mut_ptr().cast(), 8);
                }
            }
            10 => {
                let (mut a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
                let _ = a.read(&mut byte);
            }
            _ => {
                // A pipe that another end writes to now and then, and that is full now and then.
                libc::pipe(pipe.as_mut_ptr());
                if libc::fork() == 0 {
                    loop {
                        libc::nanosleep(&raw const pause, std::ptr::null_mut());
                        libc::write(pipe[1], byte.as_ptr().cast(), 8);
                    }
                }
                loop {
                    libc::read(pipe[0], byte.as_mut_ptr().cast(), 8);
                }
            }
        }
    };
    for number in 0..1_000 {
        let kind = if number == 11 { 11 } else { number % 11 };
        thread::Builder::new().stack_size(64 << 10).spawn(move || one(kind)).unwrap();
    }
    // SAFETY: a call without arguments.
    unsafe { libc::pause() };
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_thousand_sleeping_threads_show_no_slow_call() {
    // They are there before the window: in making them and their descriptors the kernel waits for tens of milliseconds.
    let child = Child::start("sleepers", sleepers);
    sleep(3_000);
    let window = window(|| sleep(4_000));
    let pid = child.pid();
    let in_group = family(&window).cgroups.iter().filter(|told| told.cgroup.path.as_deref() == Some("/sleepers"));
    let slow: Vec<_> =
        in_group.clone().filter(|told| told.call.latency.quantile_ns(0.99).is_some_and(|p99| p99 > 20_000_000)).collect();
    assert!(slow.is_empty(), "{slow:#?}");
    let names: Vec<_> = in_group.map(|told| told.call.name.as_str()).collect();
    for name in ["futex", "poll", "epoll_wait", "read", "rt_sigtimedwait", "clock_nanosleep"] {
        assert!(names.contains(&name), "{name} returned now and then: {names:?}");
    }
    let read = of(&window, "/sleepers", "read");
    assert!(read.parts.interruptible_ns > 1_000_000_000, "its sleep is told, not judged: {read:?}");
    let hung: Vec<_> = family(&window).in_flight.iter().filter(|call| call.caller.pid == pid).collect();
    assert!(hung.is_empty(), "{hung:?}");
}

/// A device whose every read and write takes 40 ms more.
fn delayed() -> NullBlk {
    modprobe("dm_delay", &[]);
    let disk = NullBlk::new(Duration::ZERO, &[]);
    let sectors = fs::read_to_string(Path::new("/sys/block").join(disk.node.file_name().unwrap()).join("size")).unwrap();
    let node = disk.node.display();
    let table = format!("0 {} delay {node} 0 40 {node} 0 40", sectors.trim());
    run(Command::new("dmsetup").args(["create", "slow", "--table", &table]).env("DM_DISABLE_UDEV", "1"));
    run(Command::new("dmsetup").arg("mknodes").env("DM_DISABLE_UDEV", "1"));
    disk
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_read_from_a_slow_device_and_an_fsync_are_slow_as_their_caller_feels_it() {
    modprobe("ext4", &[]);
    let _disk = delayed();
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-E", "lazy_itable_init=0", "/dev/mapper/slow"]));
    fs::create_dir_all("/mnt/volume").unwrap();
    run(Command::new("/bin/busybox").args(["mount", "-t", "ext4", "/dev/mapper/slow", "/mnt/volume"]));
    let (mut ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut felt = vec![];
    let window = window(|| {
        let child = Child::start("disk", || {
            let mut slowest = [0_u64; 2];
            let mut page = vec![0_u8; 8192];
            let start = page.as_ptr().align_offset(4096);
            use std::os::unix::fs::OpenOptionsExt;
            let mut raw = File::options().read(true).custom_flags(libc::O_DIRECT).open("/dev/mapper/slow").unwrap();
            for _ in 0..10 {
                let begun = Instant::now();
                assert_eq!(raw.read(&mut page[start..start + 4096]).unwrap(), 4096);
                slowest[0] = slowest[0].max(begun.elapsed().as_nanos() as u64);
            }
            let mut file = File::create("/mnt/volume/journal").unwrap();
            for _ in 0..10 {
                file.write_all(&[7; 4096]).unwrap();
                let begun = Instant::now();
                file.sync_all().unwrap();
                slowest[1] = slowest[1].max(begun.elapsed().as_nanos() as u64);
            }
            theirs.write_all(&slowest.map(u64::to_ne_bytes).concat()).unwrap();
        });
        let mut told = [0; 16];
        ours.read_exact(&mut told).unwrap();
        felt = told.chunks(8).map(|number| u64::from_ne_bytes(number.try_into().unwrap())).collect();
        child.wait();
    });
    for (name, felt) in [("read", felt[0]), ("fsync", felt[1])] {
        let call = of(&window, "/disk", name);
        let max = call.latency.max_ns.unwrap();
        println!("measured: {name} max {:.2} ms, its caller's {:.2} ms", max as f64 / 1e6, felt as f64 / 1e6);
        assert!(is_near(max, felt, 0.05) && max > 39_000_000, "{call:?}");
        assert!(call.parts.uninterruptible_ns > 10 * 39_000_000, "{call:?}");
        let process =
            family(&window).processes.iter().find(|slow| slow.name == name && slow.cgroup.path.as_deref() == Some("/disk"));
        let process = process.unwrap_or_else(|| panic!("{:?}", family(&window).processes));
        assert!(process.max_ns == max && process.count >= 10 && process.parts.uninterruptible_ns > 390_000_000, "{process:?}");
    }
    let all = family(&window).calls.iter().find(|call| call.name == "fsync").unwrap();
    assert_eq!(all.latency.count, 10, "{all:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_file_system_whose_server_is_slow_or_hangs_is_told_though_it_sleeps_interruptibly() {
    let delays = fuse::mount("/mnt/fuse");
    let late = |kind, milliseconds| delays.lock().unwrap().insert(kind, Duration::from_millis(milliseconds));
    late(fuse::READ, 300);
    late(fuse::GETATTR, 200);
    let mut hung = None;
    let window = window(|| {
        in_group("client", || {
            let mut file = File::open("/mnt/fuse/file").unwrap();
            file.read_exact(&mut [0; 5]).unwrap();
            let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
            // SAFETY: a constant string and room for the answer.
            unsafe { libc::stat(c"/mnt/fuse".as_ptr(), stat.as_mut_ptr()) };
        });
        late(fuse::READ, 3_600_000);
        hung = Some(Child::start("client", || {
            let _ = File::open("/mnt/fuse/file").unwrap().read(&mut [0; 5]);
        }));
        sleep(2_500);
    });
    let read = of(&window, "/client", "read");
    println!("measured: read {:.1} ms", read.latency.max_ns.unwrap() as f64 / 1e6);
    assert!(is_near(read.latency.max_ns.unwrap(), 300_000_000, 0.05), "{read:?}");
    assert!(read.parts.interruptible_ns > 290_000_000, "{read:?}");
    let looked_at = ["newfstatat", "stat", "statx"].iter().filter_map(|name| {
        let is_it = |told: &&kerno_signals::CgroupCall| told.call.name == *name && told.cgroup.path.as_deref() == Some("/client");
        family(&window).cgroups.iter().find(is_it)
    });
    assert!(
        looked_at.clone().any(|told| is_near(told.call.latency.max_ns.unwrap(), 200_000_000, 0.05)),
        "{looked_at:?}",
        looked_at = looked_at.collect::<Vec<_>>()
    );
    let call = in_flight(&window, hung.as_ref().unwrap().pid());
    assert_eq!((call.name.as_str(), call.at_least), ("read", false), "{call:?}");
    assert!((2_000_000_000..3_500_000_000).contains(&call.judged_ns), "{call:?}");
    println!("measured: hangs in {:?}", call.sleeps_in);
}

fn in_flight(window: &Window, pid: u32) -> &CallInFlight {
    let found = family(window).in_flight.iter().find(|call| call.caller.pid == pid);
    found.unwrap_or_else(|| panic!("{:?}", family(window).in_flight))
}

fn write_to(path: &str) {
    let mut file = File::options().write(true).open(path).unwrap();
    let _ = file.write_all(b"x");
}

/// An ext4 that takes no writes.
struct Frozen(File);

impl Frozen {
    fn new() -> Self {
        modprobe("ext4", &[]);
        let disk = NullBlk::new(Duration::ZERO, &[]);
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.node));
        fs::create_dir_all("/mnt/frozen").unwrap();
        run(Command::new("/bin/busybox").args(["mount", "-t", "ext4"]).arg(&disk.node).arg("/mnt/frozen"));
        fs::write("/mnt/frozen/file", "x").unwrap();
        let directory = File::open("/mnt/frozen").unwrap();
        // SAFETY: a call with numbers.
        assert_eq!(unsafe { libc::ioctl(directory.as_raw_fd(), FIFREEZE, 0) }, 0);
        Self(directory)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // SAFETY: a call with numbers.
        unsafe { libc::ioctl(self.0.as_raw_fd(), FITHAW, 0) };
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn calls_that_hang_through_the_window_are_told_with_their_age() {
    let _frozen = Frozen::new();
    let before = Child::start("hung", || write_to("/mnt/frozen/file"));
    sleep(1_000);
    let mut during = None;
    let window = window(|| {
        sleep(1_000);
        during = Some(Child::start("hung", || write_to("/mnt/frozen/file")));
        sleep(2_000);
    });
    let call = in_flight(&window, during.as_ref().unwrap().pid());
    assert_eq!((call.name.as_str(), call.at_least, call.cgroup.path.as_deref()), ("write", false, Some("/hung")), "{call:?}");
    assert!((1_800_000_000..2_600_000_000).contains(&call.age_ns), "{call:?}");
    assert!(is_near(call.judged_ns, call.age_ns, 0.01), "{call:?}");
    let call = in_flight(&window, before.pid());
    assert_eq!((call.name.as_str(), call.at_least), ("write", true), "{call:?}");
    assert!((2_900_000_000..3_800_000_000).contains(&call.age_ns), "{call:?}");
    assert!(!family(&window).calls.iter().any(|told| told.name == "write" && told.latency.max_ns > Some(1_000_000_000)));
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn without_ebpf_calls_that_hang_are_told_too() {
    use kerno::collector::{Collectors, Options};
    let _frozen = Frozen::new();
    let hung = Child::start("hung", || write_to("/mnt/frozen/file"));
    let mut collectors = Collectors::start(&Options { ebpf: false, ..Options::default() });
    for _ in 0..3 {
        sleep(1_000);
        collectors.tick();
    }
    let collected = collectors.finish();
    let told = collected.families.syscall.unwrap();
    let call = told.in_flight.iter().find(|call| call.caller.pid == hung.pid()).unwrap_or_else(|| panic!("{told:?}"));
    assert!(call.at_least && call.age_ns > 1_900_000_000, "{call:?}");
    assert!(told.calls.is_empty());
    let report = collected.reports.iter().find(|report| report.name == "syscall").unwrap();
    assert_eq!(report.coverage, Some(kerno_signals::Coverage::Fallback));
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn waiting_for_a_child_that_borrows_the_memory_is_by_design() {
    #[repr(C)]
    #[derive(Default)]
    struct Arguments {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        rest: [u64; 6],
    }
    let window = window(|| {
        in_group("parents", || {
            let pause = libc::timespec { tv_sec: 0, tv_nsec: 250_000_000 };
            let vfork = libc::CLONE_VFORK as u64;
            let arguments = Arguments { flags: vfork, exit_signal: libc::SIGCHLD as u64, ..Arguments::default() };
            // SAFETY: without CLONE_VM the child has its own copy of the memory, and ends inside.
            unsafe {
                for call in 0..2 {
                    let child = if call == 0 {
                        libc::syscall(libc::SYS_clone, vfork | libc::SIGCHLD as u64, 0, 0, 0, 0)
                    } else {
                        libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<Arguments>())
                    };
                    if child == 0 {
                        libc::nanosleep(&raw const pause, std::ptr::null_mut());
                        libc::_exit(0);
                    }
                    libc::waitpid(child as i32, std::ptr::null_mut(), 0);
                }
            }
        });
    });
    for name in ["clone", "clone3"] {
        let call = of(&window, "/parents", name);
        assert_eq!(call.count, 1, "the child's return is not a call: {call:?}");
        assert!(call.parts.uninterruptible_ns > 240_000_000 || call.parts.interruptible_ns > 240_000_000, "{call:?}");
        assert!(call.latency.max_ns.unwrap() < 50_000_000, "{call:?}");
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn opening_a_fifo_waits_for_its_other_end_by_design() {
    // SAFETY: a constant string and a number.
    assert_eq!(unsafe { libc::mkfifo(c"/tmp/fifo".as_ptr(), 0o600) }, 0);
    let window = window(|| {
        let reader = Child::start("fifo", || drop(File::open("/tmp/fifo").unwrap()));
        sleep(400);
        drop(File::options().write(true).open("/tmp/fifo").unwrap());
        reader.wait();
    });
    let call = of(&window, "/fifo", "openat");
    assert!(call.parts.interruptible_ns > 350_000_000 && call.latency.max_ns.unwrap() < 50_000_000, "{call:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn waiting_for_a_cpu_is_told_and_not_judged() {
    let window = window(|| {
        let _hogs: Vec<_> = (0..6).map(|_| Load::hog(None)).collect();
        in_group("yields", || {
            for _ in 0..50 {
                // SAFETY: a call without arguments.
                unsafe { libc::sched_yield() };
                thread::sleep(Duration::from_millis(5));
                (0..50_000).for_each(|number| {
                    std::hint::black_box(number);
                });
            }
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(1_500) {
                // SAFETY: a call without arguments.
                unsafe { libc::sched_yield() };
            }
        });
    });
    let call = of(&window, "/yields", "sched_yield");
    println!("measured: sched_yield {:?}", call.parts);
    assert!(call.parts.waiting_ns > 200_000_000, "{call:?}");
    assert!(call.latency.quantile_ns(0.99).unwrap() < 2_000_000, "{call:?}");
}
