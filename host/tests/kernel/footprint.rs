//! What kerno takes of the machine's memory: its own, and what the kernel keeps for its maps and programs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;

use kerno::artifacts::BUILT_IN_RULES;
use kerno::collector::{Collectors, Options};
use serde_json::Value;

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

/// Of a user's own.
const MORE: usize = 100;

/// Copies of the smallest built-in rule with ids of their own.
fn copies() -> impl Iterator<Item = (String, Vec<u8>)> {
    let of = |(id, component): &(&'static str, Option<&'static [u8]>)| (*id, component.unwrap());
    let (id, component) = BUILT_IN_RULES.iter().map(of).min_by_key(|(_, component)| component.len()).unwrap();
    (0..MORE).map(move |number| {
        let own = format!("rule-{number:0width$}", width = id.len() - 5);
        let mut copy = component.to_vec();
        let places: Vec<usize> = (0..copy.len() - id.len()).filter(|at| copy[*at..].starts_with(id.as_bytes())).collect();
        places.into_iter().for_each(|at| copy[at..at + id.len()].copy_from_slice(own.as_bytes()));
        (own, copy)
    })
}

/// Pages that several processes have count as a part for each.
fn proportional_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_memory_with_a_hundred_rules_more() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for (id, component) in copies() {
        fs::write(directory.path().join(format!("{id}.wasm")), component).unwrap();
    }
    let rules = directory.path().to_str().unwrap();
    let arguments = ["doctor", "--continuous", "-d", "2s", "--interval", "4s", "-q", "-o", "json", "--rules", rules];
    let mut kerno = Launch::least().start(&arguments);
    let mut lines = BufReader::new(kerno.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        let report: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let evaluated = report["rules"].as_array().unwrap().iter().filter(|rule| rule["status"] != "failed");
        assert_eq!(evaluated.count(), MORE + BUILT_IN_RULES.len(), "{report:#}");
    }
    // The fourth window is being measured.
    sleep(3_000);
    let threads = fs::read_dir(format!("/proc/{}/task", kerno.id())).unwrap();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let judge: u32 = children.collect::<String>().split_whitespace().next_back().unwrap().parse().unwrap();
    for (name, pid) in [("kerno", kerno.id()), ("the process that judges", judge)] {
        let mib = |bytes: u64| bytes as f64 / MIB as f64;
        let line = |line: &str| mib(programs::resident_bytes(pid, line));
        println!(
            "measured: {} rules: {name}: resident {:.1} MiB ({:.1} anonymous, {:.1} of files), at most {:.1}, proportional {:.1}",
            MORE + BUILT_IN_RULES.len(),
            line("VmRSS:"),
            line("RssAnon:"),
            line("RssFile:"),
            line("VmHWM:"),
            mib(proportional_bytes(pid))
        );
    }
    kerno.kill().unwrap();
    kerno.wait().unwrap();
}
