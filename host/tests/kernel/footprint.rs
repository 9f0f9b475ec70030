//! What kerno takes of the machine's memory: its own, and what the kernel keeps for its maps and programs.

use std::fs;

use kerno::collector::{Collectors, Options};

use crate::{bench::programs, guest::sleep, launch::Launch};

const MIB: u64 = 1 << 20;

/// Of this process, while the collectors run.
fn locked_bytes() -> u64 {
    let collectors = Collectors::start(&Options::default());
    let bytes = programs::locked_bytes(std::process::id());
    for (name, bytes) in programs::largest_maps(8) {
        println!("measured: map {name} {} KiB", bytes >> 10);
    }
    drop(collectors);
    bytes
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn maps_and_programs_are_small_whatever_pid_max_is() {
    let with = |pid_max: &str| {
        fs::write("/proc/sys/kernel/pid_max", pid_max).unwrap();
        locked_bytes()
    };
    let (few, many) = (with("32768"), with("4194304"));
    println!("measured: maps and programs of all collectors: {:.2} MiB", few as f64 / MIB as f64);
    assert_eq!(few, many, "they grow with pid_max");
    assert!(few > MIB / 8, "{few} bytes: were any seen?");
    assert!(few <= 8 * MIB, "{few} bytes");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn resident_memory_is_small() {
    let kerno = Launch::least().start(&["doctor", "-d", "4s", "-q", "-o", "json"]);
    let pid = kerno.id();
    sleep(3_000);
    let (peak, now) = (programs::resident_bytes(pid, "VmHWM:"), programs::resident_bytes(pid, "VmRSS:"));
    let (anonymous, file) = (programs::resident_bytes(pid, "RssAnon:"), programs::resident_bytes(pid, "RssFile:"));
    // The most until its end, judging included. Its output must be read, or it would wait for a reader.
    let reader = std::thread::spawn(move || kerno.wait_with_output().unwrap());
    let mut judged = peak;
    while !reader.is_finished() {
        judged = judged.max(programs::try_resident_bytes(pid, "VmHWM:").unwrap_or(0));
        sleep(5);
    }
    assert!(reader.join().unwrap().status.success());
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    println!(
        "measured: resident while measuring {:.1} MiB ({:.1} anonymous, {:.1} of files), at most {:.1} MiB, with judging {:.1} MiB",
        mib(now),
        mib(anonymous),
        mib(file),
        mib(peak),
        mib(judged)
    );
    assert!(peak <= 40 * MIB, "{peak} bytes while it measures");
}
