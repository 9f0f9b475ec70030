//! System calls of every odd kind: none lost, none named by what it is not, none that leaves something behind.

use std::{
    fs::{self, File},
    os::fd::FromRawFd,
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use kerno::collector::{Collectors, Options};
use kerno_ebpf_common::{
    sched::ROWS as GROUPS,
    syscall::{ROWS, Seat, Seats},
};
use kerno_signals::{CollectorStatus, Coverage, DescriptorKind};

use crate::{
    child::{Child, in_group},
    guest::{Load, lossy_window, sleep, window, write},
    syscall::{family, of},
};

extern "C" fn handler(_: libc::c_int) {}

/// A signal handler that does nothing, without `SA_RESTART`.
///
/// # Safety
///
/// To be called in a child.
unsafe fn catch(signal: libc::c_int) {
    // SAFETY: an action that lives until the call returns.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as extern "C" fn(libc::c_int) as libc::sighandler_t;
        assert_eq!(libc::sigaction(signal, &raw const action, std::ptr::null_mut()), 0);
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn errors_are_exact_and_what_the_kernel_tells_itself_is_none() {
    let window = window(|| {
        in_group("errors", || {
            let mut pipe = [0; 2];
            let mut byte = [0_u8; 8];
            // SAFETY: calls with numbers and with buffers that live.
            unsafe {
                catch(libc::SIGALRM);
                catch(libc::SIGUSR1);
                libc::pipe(pipe.as_mut_ptr());
                // Interrupted: for the kernel, a call to be made again.
                let once =
                    libc::itimerval { it_interval: std::mem::zeroed(), it_value: libc::timeval { tv_sec: 0, tv_usec: 100_000 } };
                libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const once, 0);
                assert_eq!(libc::read(pipe[0], byte.as_mut_ptr().cast(), 1), -1);
                let event = libc::eventfd(0, libc::EFD_NONBLOCK);
                for _ in 0..500 {
                    assert_eq!(libc::read(event, byte.as_mut_ptr().cast(), 8), -1);
                }
                for _ in 0..50 {
                    libc::raise(libc::SIGUSR1);
                }
            }
        });
    });
    let read = of(&window, "/errors", "read");
    let errors: Vec<_> = read.errors.iter().map(|error| (error.name.as_str(), error.count)).collect();
    assert_eq!((read.failed, read.restarted, errors.as_slice()), (500, 1, &[("EAGAIN", 500)][..]), "{read:?}");
    assert!(read.errors[0].caller.is_some(), "{read:?}");
    let returned = of(&window, "/errors", "rt_sigreturn");
    assert!((51..=52).contains(&returned.count) && returned.failed == 0, "{returned:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn exec_and_exit_leave_nothing_behind() {
    let mut collectors = Collectors::start(&Options::default());
    Load::start("i=0; while [ $i -lt 300 ]; do /bin/busybox sleep 0.001; i=$((i + 1)); done", None).wait();
    in_group("exec", || {
        // A thread that is not the leader goes on as another program.
        thread::spawn(|| {
            thread::sleep(Duration::from_millis(50));
            // SAFETY: constant strings.
            unsafe {
                libc::execl(c"/bin/busybox".as_ptr(), c"busybox".as_ptr(), c"true".as_ptr(), std::ptr::null::<libc::c_char>())
            };
        });
        sleep(10_000);
    });
    let (saved, seats) = (dump("SAVED"), dump("SEATS"));
    // A seat begins with its task; nobody's are zeros.
    let bytes = seats[0]["value"].as_array().unwrap();
    assert_eq!(bytes.len(), size_of::<Seats>());
    let taken = bytes.chunks(size_of::<Seat>()).filter(|seat| seat[..8].iter().any(|byte| byte != "0x00")).count();
    let living = fs::read_dir("/proc")
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().parse::<u32>().is_ok());
    let (saved, living) = (saved.as_array().unwrap().len() + taken, living.count() + 16);
    println!("measured: {saved} saved calls, {living} tasks at most");
    assert!(saved < living, "{saved} entries of {living} tasks");
    collectors.tick();
    let collected = collectors.finish();
    let told = collected.families.syscall.unwrap();
    assert!(told.in_flight.is_empty(), "{:?}", told.in_flight);
    let exec = told.calls.iter().find(|call| call.name == "execve").unwrap();
    assert!(exec.count >= 302 && exec.latency.max_ns < Some(2_000_000_000), "{exec:?}");
    assert!(!told.calls.iter().any(|call| call.name.starts_with("exit")), "it never returns");
}

/// What a map holds, as bpftool tells it.
fn dump(map: &str) -> serde_json::Value {
    let output = Command::new("bpftool").args(["-j", "map", "dump", "name", map]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn nothing_is_lost_when_loops_of_calls_contend_for_one_cpu() {
    const CALLS: u64 = 60_000;
    let window = lossy_window(|| {
        let loops: Vec<_> = (0..4)
            .map(|_| {
                Child::start("loops", || {
                    // SAFETY: calls with numbers and a set that lives.
                    unsafe {
                        let mut set: libc::cpu_set_t = std::mem::zeroed();
                        libc::CPU_SET(0, &mut set);
                        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
                        for _ in 0..CALLS {
                            libc::getppid();
                        }
                    }
                })
            })
            .collect();
        loops.into_iter().for_each(Child::wait);
    });
    let call = of(&window, "/loops", "getppid");
    println!("measured: {} of {} calls, longest {} µs", call.count, 4 * CALLS, call.latency.max_ns.unwrap() / 1_000);
    let all = family(&window).calls.iter().find(|call| call.name == "getppid").unwrap();
    let sum: u64 = family(&window).calls.iter().map(|call| call.count).sum();
    println!("measured: {} in all groups, of {sum} calls; {:?}", all.count, window.report("syscall"));
    assert_eq!((call.count, call.latency.count), (4 * CALLS, 4 * CALLS));
    assert!(call.latency.quantile_ns(0.999).unwrap() < 1_000_000, "{call:?}");
    assert_eq!(window.report("syscall").lost, 0);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn calls_of_more_groups_than_there_are_rows_are_all_in_the_total() {
    let groups = u64::from(GROUPS) + 60;
    let script = format!(
        "i=0; while [ $i -lt {groups} ]; do mkdir /sys/fs/cgroup/g$i; echo $$ > /sys/fs/cgroup/g$i/cgroup.procs; \
         umask > /dev/null; umask > /dev/null; umask > /dev/null; sleep 0.001; i=$((i + 1)); done"
    );
    let window = lossy_window(|| Load::start(&script, None).wait());
    let mkdir = family(&window).calls.iter().find(|call| call.name == "mkdir" || call.name == "mkdirat").unwrap();
    assert!(mkdir.count >= groups, "{mkdir:?}");
    let in_groups: u64 =
        family(&window).cgroups.iter().filter(|told| told.call.name == mkdir.name).map(|told| told.call.count).sum();
    assert!(in_groups < mkdir.count, "{in_groups} of {}", mkdir.count);
    assert!(family(&window).cgroups.len() <= ROWS as usize);
    let report = window.report("syscall");
    assert!(report.lost > 0 && report.coverage == Some(Coverage::Partial), "{report:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn kernos_own_calls_are_no_workload() {
    let window = window(|| {
        for _ in 0..1_000 {
            // SAFETY: a call with a number.
            unsafe { libc::getpgid(0) };
        }
    });
    let named: Vec<_> = family(&window).calls.iter().filter(|call| call.name == "getpgid").collect();
    assert!(named.is_empty(), "{named:?}");
    assert!(family(&window).own_calls >= 1_000);
    let bpf: u64 = family(&window).calls.iter().filter(|call| call.name == "bpf").map(|call| call.count).sum();
    assert_eq!(bpf, 0, "only kerno makes bpf() calls here");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
#[cfg(target_arch = "x86_64")]
fn calls_made_the_32_bit_way_are_not_named_by_our_table() {
    let mut status = 0;
    let window = window(|| {
        let child = Child::start("compat", || {
            for _ in 0..40 {
                // 20 is getpid there, writev here.
                // SAFETY: a call without arguments.
                unsafe {
                    std::arch::asm!("int 0x80", inout("rax") 20_u64 => _, out("r8") _, out("r9") _, out("r10") _, out("r11") _)
                };
            }
        });
        status = child.ended();
    });
    if status != 0 {
        println!("measured: this kernel takes no 32-bit calls");
        return;
    }
    let call = of(&window, "/compat", "32-bit");
    assert_eq!((call.count, call.number, call.failed), (40, None, 0));
    let writev =
        family(&window).cgroups.iter().find(|told| told.call.name == "writev" && told.cgroup.path.as_deref() == Some("/compat"));
    assert!(writev.is_none(), "{writev:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn descriptors_are_counted_by_what_they_are_for() {
    let window = window(|| {
        in_group("makers", || {
            // SAFETY: calls with numbers and a constant string; every descriptor is this child's own.
            unsafe {
                let mut pair = [0; 2];
                for _ in 0..10 {
                    drop(File::from_raw_fd(libc::open(c"/".as_ptr(), libc::O_RDONLY)));
                    libc::open(c"/none".as_ptr(), libc::O_RDONLY);
                }
                for _ in 0..7 {
                    libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0);
                    libc::pipe(pair.as_mut_ptr());
                    libc::dup(pair[0]);
                    libc::eventfd(0, 0);
                    libc::memfd_create(c"m".as_ptr(), 0);
                    libc::epoll_create1(0);
                    libc::timerfd_create(libc::CLOCK_MONOTONIC, 0);
                }
            }
        });
    });
    let made = |kind| family(&window).descriptors.iter().find(|calls| calls.kind == kind).map_or(0, |calls| calls.made);
    for (kind, expected) in [
        (DescriptorKind::Open, 10),
        (DescriptorKind::Socket, 7),
        (DescriptorKind::Pipe, 14),
        (DescriptorKind::Dup, 7),
        (DescriptorKind::Event, 7),
        (DescriptorKind::Memory, 7),
        (DescriptorKind::Epoll, 7),
        (DescriptorKind::Timer, 7),
    ] {
        // The guest's own shell opens a file now and then.
        assert!((expected..expected + 8).contains(&made(kind)), "{kind:?}: {:?}", family(&window).descriptors);
    }
    assert!((10..30).contains(&family(&window).closes), "{}", family(&window).closes);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn programs_that_see_nothing_are_named() {
    for (collector, program) in [("syscall", "sys_exit"), ("sched", "sched_switch")] {
        for silence in [true, false] {
            let silenced = silence.then_some(collector);
            let mut collectors = Collectors::start(&Options { silence: silenced, ..Options::default() });
            if !silence {
                sleep(200);
                collectors.tick();
                collectors.detach(collector);
            }
            for _ in 0..2 {
                sleep(200);
                collectors.tick();
            }
            let reports = collectors.finish().reports;
            for report in &reports {
                let reason = report.reason.clone().unwrap_or_default();
                if report.name == collector {
                    assert!(reason.contains("blind in") && reason.contains(program), "{report:?}");
                    assert_eq!(report.status, CollectorStatus::Degraded);
                } else if collector == "syscall" || report.name != "syscall" {
                    assert!(!reason.contains("blind in"), "{report:?}");
                }
            }
        }
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn without_tracefs_calls_are_counted_and_the_loss_is_told_with_its_fix() {
    for mount in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing", "/sys/kernel/debug"] {
        let _ = Command::new("/bin/busybox").args(["umount", mount]).status();
    }
    assert!(!Path::new("/sys/kernel/tracing/events").exists());
    let window = lossy_window(|| {
        in_group("calls", || {
            for _ in 0..1_000 {
                // SAFETY: a call without arguments.
                unsafe { libc::getppid() };
            }
        });
    });
    assert_eq!(of(&window, "/calls", "getppid").count, 1_000);
    let report = window.report("syscall");
    println!("measured: {:?} {:?} {:?}", report.coverage, report.reason, report.fix);
    if report.coverage == Some(Coverage::Partial) {
        assert!(report.reason.as_deref().is_some_and(|reason| reason.contains("tracefs")), "{report:?}");
        assert!(report.fix.as_deref().is_some_and(|fix| fix.contains("mount")), "{report:?}");
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn hot_programs_are_short_and_maps_are_small() {
    let mut collectors = Collectors::start(&Options::default());
    collectors.tick();
    let ask = |what: &str| -> serde_json::Value {
        let output = Command::new("bpftool").args(["-j", what, "show"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (programs, maps) = (ask("prog"), ask("map"));
    let mut bytes = 0;
    for program in programs.as_array().unwrap() {
        let name = program["name"].as_str().unwrap_or_default();
        let size = program["bytes_xlated"].as_u64().unwrap() / 8;
        bytes += program["bytes_memlock"].as_u64().unwrap_or(0);
        println!("measured: {name} {size} instructions");
        let hot = ["sched_switch", "sys_enter", "sys_exit", "sys_enter_perf", "sys_exit_perf"].contains(&name);
        assert!(!hot || size <= 400, "{name} has {size} instructions");
    }
    for map in maps.as_array().unwrap() {
        let size = map["bytes_memlock"].as_u64().unwrap();
        bytes += size;
        println!("measured: map {} {} KiB", map["name"], size >> 10);
    }
    println!("measured: {} KiB of maps and programs", bytes >> 10);
    drop(collectors.finish());
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn calls_of_groups_of_a_v1_cpu_controller_are_told_apart() {
    let mount = Path::new("/tmp/cpu");
    fs::create_dir_all(mount).unwrap();
    write("/sys/fs/cgroup/cgroup.subtree_control", "-cpu");
    let mounted = Command::new("/bin/busybox").args(["mount", "-t", "cgroup", "-o", "cpu", "none"]).arg(mount).status().unwrap();
    if !mounted.success() {
        println!("measured: this kernel has no cpu controller for cgroup v1");
        return;
    }
    for name in ["a", "b"] {
        fs::create_dir(mount.join(name)).unwrap();
    }
    let window = window(|| {
        for (name, calls) in [("a", 30), ("b", 70)] {
            let group = mount.join(name);
            let script = format!("i=0; while [ $i -lt {calls} ]; do rmdir /none 2> /dev/null; i=$((i + 1)); done");
            Load::start(&script, Some(&group)).wait();
        }
    });
    let count = |group| of(&window, group, "rmdir").count;
    assert_eq!((count("/a"), count("/b")), (30, 70));
}
