//! System calls: how often, with which errors, how long, in which group.

use kerno_signals::{Call, Syscall};

use crate::{
    child::in_group,
    guest::{Window, window},
};

pub fn family(window: &Window) -> &Syscall {
    window.families.syscall.as_ref().unwrap()
}

pub fn of<'a>(window: &'a Window, group: &str, name: &str) -> &'a Call {
    in_cgroup(family(window), group, name)
}

pub fn in_cgroup<'a>(told: &'a Syscall, group: &str, name: &str) -> &'a Call {
    let is_it = |told: &&kerno_signals::CgroupCall| told.cgroup.path.as_deref() == Some(group) && told.call.name == name;
    &told.cgroups.iter().find(is_it).unwrap_or_else(|| panic!("no {name} of {group}: {:#?}", told.cgroups)).call
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn calls_and_errors_are_counted_exactly() {
    let window = window(|| {
        in_group("counted", || {
            // SAFETY: calls with numbers and constant strings.
            unsafe {
                for _ in 0..1_000 {
                    libc::getppid();
                }
                for _ in 0..300 {
                    libc::close(9_999);
                }
                for _ in 0..70 {
                    libc::access(c"/none".as_ptr(), 0);
                }
                for _ in 0..5 {
                    libc::access(c"/proc".as_ptr(), 0);
                }
                for _ in 0..11 {
                    libc::syscall(500);
                }
                for _ in 0..13 {
                    libc::syscall(100_000);
                }
            }
        });
    });
    let getppid = of(&window, "/counted", "getppid");
    assert_eq!((getppid.count, getppid.failed, getppid.latency.count), (1_000, 0, 1_000));
    let close = of(&window, "/counted", "close");
    assert_eq!((close.failed, close.errors[0].name.as_str(), close.errors[0].count), (300, "EBADF", 300));
    let access = of(&window, "/counted", "access");
    assert_eq!((access.count, access.failed, access.errors[0].name.as_str()), (75, 70, "ENOENT"));
    let unknown = of(&window, "/counted", "unknown");
    assert_eq!((unknown.number, unknown.count, unknown.failed), (None, 24, 24));
    assert_eq!(unknown.errors[0].name, "ENOSYS");
    let all = family(&window).calls.iter().find(|call| call.name == "getppid").unwrap();
    assert!(all.count >= 1_000 && all.latency.histogram.as_ref().unwrap().count() >= 1_000, "{all:?}");
    println!("measured: getppid p50 {:?} ns", getppid.latency.quantile_ns(0.5));
    assert_eq!(window.report("syscall").lost, 0);
}
