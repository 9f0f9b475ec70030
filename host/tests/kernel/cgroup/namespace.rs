//! A kerno in a cgroup namespace of its own, as container runtimes start it.

use std::{
    ffi::CString,
    fs, io,
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::Command,
    ptr::null,
};

use serde_json::Value;

use crate::{guest::cgroup, launch::collector};

/// Runs kerno in a group, in a namespace that begins at it, with the part of the tree that is below mounted somewhere.
fn contained(part: &str, arguments: &[&str]) -> Value {
    fs::create_dir_all(part).unwrap();
    let procs = fs::File::options().write(true).open(cgroup("pod").join("cgroup.procs")).unwrap();
    let part = CString::new(part).unwrap();
    let told = |result: libc::c_int| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    let mut command = Command::new(std::env::var("KERNO_BIN").unwrap());
    // SAFETY: between fork and exec only system calls are made, with strings that live as long as the command.
    unsafe {
        command.args(arguments).pre_exec(move || {
            told(libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) as libc::c_int)?;
            told(libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWCGROUP))?;
            told(libc::mount(null(), c"/".as_ptr(), null(), libc::MS_REC | libc::MS_PRIVATE, null()))?;
            // The same file system is not mounted over itself.
            libc::umount2(part.as_ptr(), libc::MNT_DETACH);
            told(libc::mount(c"none".as_ptr(), part.as_ptr(), c"cgroup2".as_ptr(), 0, null()))
        });
    }
    let output = command.output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {} {text} {errors}", output.status))
}

const DOCTOR: [&str; 6] = ["doctor", "-d", "2s", "-q", "-o", "json"];

fn tree(check: &Value) -> &Value {
    check["checks"].as_array().unwrap().iter().find(|item| item["id"] == "cgroup_tree").unwrap()
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn what_a_cgroup_namespace_hides_is_not_told_as_a_whole_host() {
    let report = contained("/sys/fs/cgroup", &DOCTOR);
    for (name, reason) in
        [("memory", "limits above are not visible"), ("cpu", "limits above are not visible"), ("sched", "by number")]
    {
        let collector = collector(&report, name);
        println!("measured: {name} {} {}", collector["coverage"], collector["reason"]);
        assert_eq!(collector["coverage"], "partial", "{collector}");
        let told = collector["reason"].as_str().unwrap();
        assert!(told.contains("a cgroup namespace of its own") && told.contains(reason), "{collector}");
        assert!(told.contains("mount the host's /sys/fs/cgroup"), "{collector}");
    }
    let check = contained("/sys/fs/cgroup", &["check", "-o", "json"]);
    assert_eq!(tree(&check)["status"], "gap", "{check:#}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn the_hosts_tree_beside_a_namespaces_own_part_shows_the_whole_host() {
    let report = contained("/run/part", &DOCTOR);
    for name in ["memory", "cpu", "sched"] {
        let collector = collector(&report, name);
        assert_eq!((&collector["coverage"], &collector["reason"]), (&"full".into(), &Value::Null), "{collector}");
    }
    let check = contained("/run/part", &["check", "-o", "json"]);
    assert_eq!(tree(&check)["status"], "ok", "{check:#}");
}
