//! The fsync family as the calling process feels it.

use std::{
    fs::{self, File},
    io::Write,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::Path,
    process::Command,
    time::Duration,
};

use kerno_signals::Sync;

use crate::{
    guest::{Load, NullBlk, Window, cgroup, is_near, modprobe, sleep, window},
    process::{Process, set_name, set_next_pid},
};

/// An ext4 on a disk whose writes take so many milliseconds.
pub fn slow_file_system(mount: &str, milliseconds: u64) -> NullBlk {
    modprobe("ext4", &[]);
    let disk = NullBlk::new(Duration::from_millis(milliseconds), &[]);
    let made = Command::new("mkfs.ext4").args(["-q", "-F", "-E", "lazy_itable_init=0"]).arg(&disk.node).status().unwrap();
    assert!(made.success());
    fs::create_dir_all(mount).unwrap();
    let mounted = Command::new("/bin/busybox").args(["mount", "-t", "ext4"]).arg(&disk.node).arg(mount).status().unwrap();
    assert!(mounted.success());
    disk
}

fn of<'a>(window: &'a Window, pid: u32, mount: &str) -> &'a Sync {
    let is_it = |sync: &&Sync| sync.pid == pid && sync.file_system.mount.as_deref() == Some(mount);
    window.block.syncs.as_ref().unwrap().iter().find(is_it).unwrap_or_else(|| panic!("{:?}", window.block.syncs))
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn an_fsync_is_told_with_its_process_group_and_mount() {
    let disk = slow_file_system("/mnt/slow", 20);
    let group = cgroup("database");
    let own = std::process::id();
    let mut felt = Vec::new();
    let window = window(|| {
        let script =
            "for i in 1 2 3 4 5; do dd if=/dev/zero of=/mnt/slow/b bs=4k count=1 conv=fsync 2>/dev/null; sleep 0.2; done";
        let child = Load::start(script, Some(&group));
        let mut file = File::create("/mnt/slow/a").unwrap();
        for _ in 0..5 {
            file.write_all(b"x").unwrap();
            let start = std::time::Instant::now();
            file.sync_all().unwrap();
            felt.push(start.elapsed().as_nanos() as u64);
        }
        child.wait();
    });
    let sync = of(&window, own, "/mnt/slow");
    assert_eq!((sync.latency.count, sync.errors, sync.own), (5, 0, true));
    let (told, max) = (sync.latency.max_ns.unwrap(), felt.iter().copied().max().unwrap());
    println!("measured: longest fsync {:.1} ms, felt {:.1} ms", told as f64 / 1e6, max as f64 / 1e6);
    assert!(is_near(told, max, 0.1) && told > 15_000_000, "{sync:?}");
    assert_eq!(sync.file_system.kind.as_deref(), Some("ext4"));
    assert_eq!(sync.file_system.device.as_deref(), disk.node.file_name().and_then(|name| name.to_str()));
    let in_group: Vec<_> =
        window.block.syncs.as_ref().unwrap().iter().filter(|sync| sync.cgroup.path.as_deref() == Some("/database")).collect();
    assert_eq!(in_group.iter().map(|sync| sync.latency.count).sum::<u64>(), 5, "{in_group:?}");
    assert!(in_group.iter().all(|sync| sync.comm == "dd" && !sync.own), "{in_group:?}");
    assert_eq!(window.report("block").lost, 0);
}

/// dm-delay holds writes before they become requests: only the caller feels it.
#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn fsync_over_dm_delay_is_told_as_its_caller_measured_it() {
    modprobe("ext4", &[]);
    modprobe("dm_delay", &[]);
    let disk = NullBlk::new(Duration::ZERO, &[]);
    let sectors = fs::read_to_string(Path::new("/sys/block").join(disk.node.file_name().unwrap()).join("size")).unwrap();
    let node = disk.node.display();
    let table = format!("0 {} delay {node} 0 0 {node} 0 40", sectors.trim());
    run(Command::new("dmsetup").args(["create", "slow", "--table", &table]).env("DM_DISABLE_UDEV", "1"));
    run(Command::new("dmsetup").arg("mknodes").env("DM_DISABLE_UDEV", "1"));
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-E", "lazy_itable_init=0", "/dev/mapper/slow"]));
    fs::create_dir_all("/mnt/volume").unwrap();
    run(Command::new("/bin/busybox").args(["mount", "-t", "ext4", "/dev/mapper/slow", "/mnt/volume"]));
    let mut felt = Vec::new();
    let window = window(|| {
        let mut file = File::create("/mnt/volume/journal").unwrap();
        for _ in 0..120 {
            file.write_all(&[7; 4096]).unwrap();
            let start = std::time::Instant::now();
            file.sync_all().unwrap();
            felt.push(start.elapsed().as_nanos() as u64);
        }
    });
    felt.sort_unstable();
    let p99 = felt[(felt.len() * 99).div_ceil(100) - 1];
    let sync = of(&window, std::process::id(), "/mnt/volume");
    let told = sync.latency.quantile_ns(0.99).unwrap();
    println!("measured: fsync p99 {:.1} ms, the caller's {:.1} ms", told as f64 / 1e6, p99 as f64 / 1e6);
    assert_eq!(sync.latency.count, 120);
    assert!(is_near(told, p99, 0.1) && told > 40_000_000, "{sync:?}");
    assert_eq!(sync.file_system.device.as_deref(), Some("dm-0"));
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn syncs_in_memory_are_marked_and_calls_that_sync_nothing_are_not_counted() {
    let own = std::process::id();
    let window = window(|| {
        let file = File::create("/tmp/memory").unwrap();
        (0..20).for_each(|_| file.sync_all().unwrap());
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        for descriptor in [socket.as_raw_fd(), 9_999] {
            // SAFETY: a call with one number; neither descriptor can be synced.
            assert_eq!(unsafe { libc::fsync(descriptor) }, -1);
        }
    });
    let sync = of(&window, own, "/tmp");
    assert!(sync.file_system.in_memory, "{sync:?}");
    assert_eq!((sync.latency.count, sync.errors), (20, 0));
    let ours: Vec<_> = window.block.syncs.as_ref().unwrap().iter().filter(|sync| sync.pid == own).collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn synchronous_writes_msync_and_raw_disks_are_syncs() {
    let disk = slow_file_system("/mnt/slow", 20);
    let own = std::process::id();
    let raw = NullBlk::new(Duration::from_millis(20), &[]);
    let window = window(|| {
        let mut file = File::options().create(true).write(true).custom_flags(libc::O_SYNC).open("/mnt/slow/o_sync").unwrap();
        (0..4).for_each(|_| file.write_all(b"x").unwrap());
        map_and_sync(Path::new("/mnt/slow/mapped"));
        let mut device = File::options().write(true).open(&raw.node).unwrap();
        device.write_all(&[1; 4096]).unwrap();
        device.sync_all().unwrap();
    });
    let on_ext4 = of(&window, own, "/mnt/slow");
    assert_eq!(on_ext4.latency.count, 5, "4 synchronous writes and 1 msync: {on_ext4:?}");
    assert!(on_ext4.latency.max_ns.unwrap() > 15_000_000);
    let name = raw.node.file_name().and_then(|name| name.to_str());
    let is_raw = |sync: &&Sync| sync.pid == own && sync.file_system.device.as_deref() == name;
    let on_disk = window.block.syncs.as_ref().unwrap().iter().find(is_raw).unwrap_or_else(|| panic!("{:?}", window.block.syncs));
    assert_eq!((on_disk.latency.count, on_disk.file_system.in_memory), (1, false));
    drop(disk);
}

fn map_and_sync(path: &Path) {
    let file = File::options().create(true).truncate(true).read(true).write(true).open(path).unwrap();
    file.set_len(4096).unwrap();
    // SAFETY: a fresh shared mapping of a page of the file, written inside and given back.
    unsafe {
        let address =
            libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file.as_raw_fd(), 0);
        assert_ne!(address, libc::MAP_FAILED);
        address.cast::<u8>().write(1);
        assert_eq!(libc::msync(address, 4096, libc::MS_SYNC), 0);
        libc::munmap(address, 4096);
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_sync_that_hangs_is_told_with_its_age() {
    let disk = NullBlk::new(Duration::from_secs(4), &[]);
    let mut load = None;
    let window = window(|| {
        let node = disk.node.display();
        load = Some(Load::start(&format!("exec dd if=/dev/zero of={node} bs=4k count=1 conv=fsync"), None));
        sleep(2_000);
    });
    let pid = load.as_ref().unwrap().pid();
    let sync =
        window.block.syncs.as_ref().unwrap().iter().find(|sync| sync.pid == pid).unwrap_or_else(|| panic!("{:?}", window.block));
    assert_eq!((sync.latency.count, sync.in_flight, sync.comm.as_str()), (0, 1, "dd"), "{sync:?}");
    assert!(sync.oldest_in_flight_ns.unwrap() > 1_000_000_000, "{sync:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_process_that_gets_the_pid_of_another_syncs_under_its_own_name() {
    let syncing = |name: &std::ffi::CStr, times: u32| {
        Process::start(|| {
            set_name(name);
            let file = File::create("/tmp/synced").unwrap();
            (0..times).for_each(|_| file.sync_all().unwrap());
        })
    };
    let mut last = None;
    let window = window(|| {
        let first = syncing(c"first", 7);
        let pid = first.pid();
        drop(first);
        set_next_pid(pid);
        let second = syncing(c"second", 4);
        assert_eq!(second.pid(), pid, "the pid was not given again");
        last = Some(second);
    });
    let pid = last.as_ref().unwrap().pid();
    let all = window.block.syncs.as_ref().unwrap().iter().filter(|sync| sync.pid == pid);
    let mut told: Vec<_> = all.map(|sync| (sync.comm.as_str(), sync.latency.count)).collect();
    told.sort_unstable();
    assert_eq!(told, [("first", 7), ("second", 4)]);
}
