//! Descriptors: every way to get one, every way to lose one, leaks of a known rate.

#[path = "fd/routes.rs"]
mod routes;

use std::time::{Duration, Instant};

use kerno::collector::{Collectors, Moment, Options, context::Context, fd::FdCollector};
use kerno::{
    collector::Collector,
    platform::{Root, descriptors},
};
use kerno_signals::{CollectorReport, Coverage, Fd, FdProcess};

use crate::{
    canary::is_proved,
    guest::{is_near, sleep},
    process::{Process, clone_sharing_files, open_null, set_next_pid},
};

/// What a window told of descriptors. `work` is called between ticks until it says that it is done.
fn watch(options: &Options, mut work: impl FnMut(u64) -> bool) -> (Option<Fd>, CollectorReport) {
    let mut collectors = Collectors::start(options);
    let mut second = 0;
    while work(second) {
        sleep(1_000);
        collectors.tick();
        second += 1;
    }
    let collected = collectors.finish();
    let report = collected.reports.into_iter().find(|report| report.name == "fd").unwrap();
    (collected.families.fd, report)
}

/// The same, seen with eBPF and wholly.
fn window(work: impl FnMut(u64) -> bool) -> Fd {
    let (fd, report) = watch(&Options::default(), work);
    assert_eq!((report.coverage, report.source.as_str(), report.lost), (Some(Coverage::Full), "eBPF", 0), "{report:?}");
    fd.unwrap()
}

/// This process and those it starts may have 8,192 descriptors.
fn may_have_many() {
    let limit = libc::rlimit { rlim_cur: 8_192, rlim_max: 8_192 };
    // SAFETY: the limit lives until the call returns.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
}

fn of(fd: &Fd, pid: u32) -> &FdProcess {
    fd.processes.iter().find(|process| process.pid == pid).unwrap_or_else(|| panic!("no {pid} in {fd:#?}"))
}

fn listed(pid: u32) -> u64 {
    descriptors::count(&Root::default(), pid).unwrap()
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn every_route_is_counted_as_proc_lists_it() {
    let start = |(name, gained, route): (&'static str, u64, fn())| {
        let bare = listed(Process::start(|| {}).pid());
        let process = Process::start(|| {
            for _ in 0..20 {
                route();
            }
        });
        (name, bare + 20 * gained, process)
    };
    let processes = routes::ALL.map(start);
    let fd = window(|_| false);
    for (name, expected, process) in &processes {
        let (told, listed) = (of(&fd, process.pid()), listed(process.pid()));
        println!("measured: {name}: {} counted, {listed} listed", told.last);
        assert_eq!((told.last, listed), (*expected, *expected), "{name}");
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn every_process_is_counted_as_proc_lists_it() {
    let _some: Vec<_> = (0..40).map(|number| Process::start(move || (0..number).for_each(|_| drop(open_null())))).collect();
    let fd = window(|_| false);
    let mut equal = 0;
    for process in fd.processes.iter().filter(|process| !process.own) {
        assert_eq!(process.last, listed(process.pid), "{process:?}");
        equal += 1;
    }
    println!("measured: {equal} processes of {} as /proc lists them", fd.total.processes);
    assert!(equal >= 40, "{fd:?}");
    // The iterator's own file was open while it counted.
    let own = fd.processes.iter().find(|process| process.own).unwrap();
    assert!(own.last > 5, "{own:?}");
    let system = fd.system.unwrap();
    assert!(system.open > 0 && system.max >= system.open, "{system:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_leaks_rate_is_read_back_within_five_percent() {
    may_have_many();
    for per_second in [12, 100, 400] {
        let process = Process::start(move || {
            let begin = Instant::now();
            for number in 1..=u32::MAX {
                std::thread::sleep(
                    (begin + Duration::from_secs(1) * number / per_second).saturating_duration_since(Instant::now()),
                );
                std::mem::forget(open_null());
            }
        });
        let fd = window(|second| second < 8);
        let told = of(&fd, process.pid());
        let trend = told.trend.unwrap();
        println!("measured: {:.2} a second of {per_second} injected, in {:?}", trend.slope_per_second, told.gained);
        assert!((trend.slope_per_second / f64::from(per_second) - 1.0).abs() < 0.05, "{told:?}");
        assert_eq!((told.gained.len(), told.grew_in()), (5, 5), "{told:?}");
        assert_eq!(fd.processes[0].pid, process.pid(), "the one that gained most comes first");
        // The other collectors load their programs meanwhile.
        assert!((8_000_000_000..11_000_000_000).contains(&told.watched_ns), "{told:?}");
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn what_is_closed_is_not_counted() {
    let mut process = Process::stepped(
        || (0..100).for_each(|_| std::mem::forget(open_null())),
        || {
            // SAFETY: calls with numbers only.
            unsafe {
                libc::syscall(libc::SYS_close_range, 20, 59, 0);
                libc::dup2(0, 70);
                libc::close(71);
            }
        },
    );
    let pid = process.pid();
    let full = listed(pid);
    let fd = window(|second| {
        if second == 1 {
            process.step();
        }
        second < 3
    });
    let told = of(&fd, pid);
    assert_eq!((told.first, told.peak, told.last), (full, full, full - 41), "{told:?}");
    assert_eq!(told.last, listed(pid));
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn exec_and_exit_close_without_a_call() {
    let mut execs = Process::stepped(
        || (0..100).for_each(|_| std::mem::forget(open_null())),
        || {
            let arguments = [c"busybox".as_ptr(), c"sleep".as_ptr(), c"1000".as_ptr(), std::ptr::null()];
            // SAFETY: a path and a list of arguments that end in null.
            unsafe { libc::execv(c"/bin/busybox".as_ptr(), arguments.as_ptr()) };
        },
    );
    let mut ends = Some(Process::start(|| (0..100).for_each(|_| std::mem::forget(open_null()))));
    let (execing, ending) = (execs.pid(), ends.as_ref().unwrap().pid());
    let fd = window(|second| {
        if second == 1 {
            execs.step();
            drop(ends.take());
        }
        second < 3
    });
    let told = of(&fd, execing);
    assert!(told.first > 100 && told.last < 20 && told.last == listed(execing), "{told:?}");
    assert_eq!(told.comm, "busybox");
    assert!(fd.processes.iter().all(|process| process.pid != ending), "{fd:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_reused_pid_is_another_process_with_counts_of_its_own() {
    let mut first = Some(Process::start(|| (0..300).for_each(|_| std::mem::forget(open_null()))));
    let pid = first.as_ref().unwrap().pid();
    let mut second = None;
    let fd = window(|tick| {
        if tick == 2 {
            drop(first.take());
            set_next_pid(pid);
            second = Some(Process::start(|| (0..9).for_each(|_| std::mem::forget(open_null()))));
            assert_eq!(second.as_ref().unwrap().pid(), pid, "the pid was not given again");
        }
        tick < 5
    });
    let told = of(&fd, pid);
    // It has what it inherited of this process, which holds the collectors, and nothing of the first one's.
    assert!(told.peak < 250 && told.first == told.last && told.last == listed(pid), "{told:?}");
    assert!(is_near(told.watched_ns, 2_000_000_000, 0.2), "{told:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn the_limit_is_the_processes_own_and_may_change() {
    let process = Process::start(|| {});
    let set = |soft| {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: 4096 };
        // SAFETY: the limit lives until the call returns.
        let result =
            unsafe { libc::prlimit(process.pid().cast_signed(), libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()) };
        assert_eq!(result, 0);
    };
    set(777);
    let fd = window(|second| {
        if second == 0 {
            assert_eq!(descriptors::limits(&Root::default(), process.pid()).unwrap().0, 777);
        } else {
            set(333);
        }
        second < 2
    });
    assert_eq!(of(&fd, process.pid()).limit, Some(333));
    let fd = window(|_| false);
    let told = of(&fd, process.pid());
    assert_eq!(told.limit, Some(descriptors::limits(&Root::default(), process.pid()).unwrap().0));
    // It is read of those alone that gain descriptors.
    assert_eq!(told.hard_limit, None);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn processes_that_share_a_table_are_told_and_counted_once() {
    let alone = window(|_| false).total;
    let parent = Process::start(|| {
        (0..200).for_each(|_| std::mem::forget(open_null()));
        clone_sharing_files();
        clone_sharing_files();
    });
    let fd = window(|_| false);
    let sharing: Vec<_> = fd.processes.iter().filter(|process| process.shared_with == Some(parent.pid())).collect();
    assert_eq!((sharing.len(), fd.total.sharing), (2, 2), "{fd:?}");
    let told = of(&fd, parent.pid());
    assert_eq!((told.shared_with, told.last), (None, listed(parent.pid())));
    assert!(sharing.iter().all(|process| process.last == told.last));
    let gained = fd.total.last - alone.last;
    assert!((told.last..told.last + 20).contains(&gained), "{gained} of {}", told.last);
    for process in sharing {
        // SAFETY: a call with two numbers.
        unsafe { libc::kill(process.pid.cast_signed(), libc::SIGKILL) };
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_table_larger_than_one_call_counts_is_counted_whole() {
    let process = Process::start(|| {
        let limit = libc::rlimit { rlim_cur: 500_000, rlim_max: 500_000 };
        // SAFETY: calls with numbers, and a limit that lives until the call returns.
        unsafe {
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
            (0..200_000).for_each(|_| assert!(libc::dup(0) > 0));
        }
    });
    let fd = window(|second| second < 2);
    let told = of(&fd, process.pid());
    assert!(told.last > 200_000 && told.last == listed(process.pid()), "{told:?}");
    assert_eq!((told.first, told.limit), (told.last, Some(500_000)));
    assert!(fd.total.processes >= 3, "the walk went on: {fd:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_thread_with_a_table_of_its_own_and_a_first_thread_that_ended() {
    let apart = Process::start(|| {
        std::thread::spawn(|| {
            // SAFETY: a call with a number.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_FILES) }, 0);
            (0..50).for_each(|_| std::mem::forget(open_null()));
            sleep(1_000_000);
        });
        sleep(300);
    });
    let headless = Process::start_then(
        || {
            (0..70).for_each(|_| std::mem::forget(open_null()));
            std::thread::spawn(|| sleep(1_000_000));
            std::thread::spawn(|| sleep(1_000_000));
            sleep(100);
        },
        // SAFETY: ends this thread alone.
        || unsafe {
            libc::syscall(libc::SYS_exit, 0);
        },
    );
    sleep(300);
    let fd = window(|_| false);
    let told = of(&fd, apart.pid());
    assert_eq!(told.last, 2 * listed(apart.pid()) + 50, "{told:?}");
    let told = of(&fd, headless.pid());
    assert!((70..90).contains(&told.last), "{told:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_slot_that_accept_has_taken_is_in_use() {
    let process = Process::start(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for _ in 0..3 {
            let listener = listener.try_clone().unwrap();
            std::thread::spawn(move || listener.accept());
        }
        sleep(300);
    });
    let fd = window(|_| false);
    let (told, files) = (of(&fd, process.pid()).last, listed(process.pid()));
    // The kernel's own count, where it has one.
    let size = descriptors::size(&Root::default(), process.pid()).unwrap();
    println!("measured: {told} slots in use, {files} files, st_size {size}");
    assert!(size == 0 || told == size, "{told} {size}");
    assert!(told >= files && told <= files + 3, "{told} {files}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_walk_that_stopped_is_named() {
    is_proved("fd", "the walk over descriptors", || {});
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn without_ebpf_files_tell_the_same() {
    let leak = Process::start(|| {
        let begin = Instant::now();
        for number in 1..=u32::MAX {
            std::thread::sleep((begin + Duration::from_millis(20) * number).saturating_duration_since(Instant::now()));
            std::mem::forget(open_null());
        }
    });
    let steady = Process::start(|| (0..50).for_each(|_| std::mem::forget(open_null())));
    let (fd, report) = watch(&Options { ebpf: false, ..Options::default() }, |second| second < 6);
    println!("measured: source {}", report.source);
    assert_eq!(report.coverage, Some(Coverage::Fallback), "{report:?}");
    let fd = fd.unwrap();
    let told = of(&fd, leak.pid());
    let rate = told.trend.unwrap().slope_per_second;
    assert!((rate / 50.0 - 1.0).abs() < 0.05, "{told:?}");
    assert_eq!(of(&fd, steady.pid()).last, listed(steady.pid()));
    let told_steady = of(&fd, steady.pid());
    assert_eq!(told_steady.limit.zip(told_steady.hard_limit), descriptors::limits(&Root::default(), steady.pid()).ok());
    assert!(told.cgroup.is_some(), "{told:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_a_count_of_many_processes() {
    may_have_many();
    let context = Context::read(&Root::default(), None, None).unwrap();
    let moment = Moment { names: None, now_ns: 0 };
    for (processes, each) in [(10, 0), (1_000, 0), (1_000, 10), (1_000, 100)] {
        let with_descriptors = |_| {
            Process::start(move || {
                // Not what it inherited of the pipes to all the others.
                // SAFETY: a call with numbers only.
                unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
                (0..each).for_each(|_| std::mem::forget(open_null()));
            })
        };
        let some: Vec<_> = (0..processes).map(with_descriptors).collect();
        let mut collector = FdCollector::start(&context).unwrap();
        collector.tick(&moment);
        let begin = Instant::now();
        (0..5).for_each(|_| collector.tick(&moment));
        let took = begin.elapsed() / 5;
        let total: u64 = some.iter().map(|process| listed(process.pid())).sum();
        let per = took.as_nanos() as f64 / f64::from(processes);
        println!("measured: {processes} processes, {total} descriptors: {took:?} a count, {per:.0} ns a process");
    }
}
