//! Numbers, not verdicts: what the sched program costs, and how its distribution compares, beside libbpf-tools' `runqlat`.

use std::{
    fs,
    process::{Command, Stdio},
};

use kerno::collector::{Collectors, Options};

use crate::guest::{Load, cgroup, sleep};

/// Two processes on one CPU that hand a byte back and forth, and a crowd.
fn load() -> Vec<Load> {
    let crowd = cgroup("crowd");
    let mut loads: Vec<_> = (0..6).map(|_| Load::hog(Some(&crowd))).collect();
    loads.push(Load::start("while :; do sleep 0.002; done", None));
    loads.push(Load::start("while :; do echo x; done | cat > /dev/null", None));
    loads
}

/// Run time and run count of all tracing programs of the kernel, by name.
fn programs() -> Vec<(String, u64, u64)> {
    let output = Command::new("bpftool").args(["-j", "prog", "show"]).output().unwrap();
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let field = |program: &serde_json::Value, name: &str| program[name].as_u64().unwrap_or(0);
    all.as_array()
        .unwrap()
        .iter()
        .filter(|program| ["tracing", "raw_tracepoint", "tracepoint"].iter().any(|kind| program["type"] == *kind))
        .map(|program| {
            let name = program["name"].as_str().unwrap_or_default().to_owned();
            (name, field(program, "run_time_ns"), field(program, "run_cnt"))
        })
        .collect()
}

fn cost(who: &str, programs: &[(String, u64, u64)]) {
    let time: u64 = programs.iter().map(|(_, time, _)| time).sum();
    let switches = programs.iter().filter(|(name, ..)| name.contains("switch")).map(|(.., count)| *count).max().unwrap_or(0);
    println!("measured: {who} {:.0} ns a switch, wake-ups included", time as f64 / switches.max(1) as f64);
    for (name, time, count) in programs {
        println!("measured:   {name} {:.0} ns × {count}", *time as f64 / (*count).max(1) as f64);
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_cost_of_a_switch_beside_runqlat() {
    fs::write("/proc/sys/kernel/bpf_stats_enabled", "1").unwrap();
    let _load = load();
    sleep(1_000);
    let collectors = Collectors::start(&Options::default());
    sleep(3_000);
    cost("kerno", &programs().into_iter().filter(|(name, ..)| name.starts_with("sched_")).collect::<Vec<_>>());
    let collected = collectors.finish();
    let told = collected.families.sched.unwrap();
    let quantile = |q| told.host.quantile_ns(q).unwrap_or(0) / 1_000;
    println!("measured: kerno p50 {} µs, p99 {} µs of {} waits", quantile(0.5), quantile(0.99), told.host.count);
    let Ok(mut peer) = Command::new("runqlat").args(["12", "1"]).stdout(Stdio::piped()).spawn() else {
        println!("measured: runqlat is not in this guest");
        return;
    };
    // It takes some seconds to begin; the averages are those of the same load.
    sleep(11_000);
    cost("runqlat", &programs());
    let mut text = String::new();
    std::io::Read::read_to_string(peer.stdout.as_mut().unwrap(), &mut text).unwrap();
    peer.wait().unwrap();
    text.lines().for_each(|line| println!("measured:   {line}"));
}

/// The kernel's own account against the wake-up hooks of `runqlat`, one after the other on a load that does not change.
#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_delay_beside_runqlat() {
    let crowd = cgroup("crowd");
    let _load: Vec<_> = (0..6).map(|_| Load::hog(Some(&crowd))).collect();
    sleep(1_000);
    let collectors = Collectors::start(&Options::default());
    sleep(8_000);
    let told = collectors.finish().families.sched.unwrap();
    let p99 = told.host.quantile_ns(0.99).unwrap_or(0) / 1_000;
    println!("measured: kerno p99 {p99} µs of {} waits", told.host.count);
    let Ok(output) = Command::new("runqlat").args(["8", "1"]).output() else {
        println!("measured: runqlat is not in this guest");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let buckets: Vec<(u64, u64, u64)> = text.lines().filter_map(bucket).collect();
    let total: u64 = buckets.iter().map(|(.., count)| count).sum();
    let mut seen = 0;
    let holds = |(.., count): &&(u64, u64, u64)| {
        seen += count;
        seen * 100 >= total * 99
    };
    match buckets.iter().find(holds) {
        Some((lower, upper, _)) => println!("measured: runqlat p99 in {lower}–{upper} µs of {total} waits"),
        None => println!("measured: runqlat saw nothing"),
    }
}

/// `lower -> upper : count |***|` of a histogram's line.
fn bucket(line: &str) -> Option<(u64, u64, u64)> {
    let (bounds, rest) = line.split_once(':')?;
    let (lower, upper) = bounds.split_once("->")?;
    let count = rest.split('|').next()?;
    Some((lower.trim().parse().ok()?, upper.trim().parse().ok()?, count.trim().parse().ok()?))
}

/// A loop of short calls on one CPU, all in nanoseconds a call.
fn calls(count: u64) -> f64 {
    let begun = std::time::Instant::now();
    crate::child::in_group("calls", || {
        // SAFETY: calls with numbers and a set that lives.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(0, &mut set);
            libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
            for _ in 0..count {
                libc::getppid();
            }
        }
    });
    begun.elapsed().as_nanos() as f64 / count as f64
}

/// Two processes on one CPU that hand a byte back and forth, all in nanoseconds a round.
fn ping_pong(rounds: u64) -> f64 {
    let begun = std::time::Instant::now();
    crate::child::in_group("calls", || {
        // SAFETY: calls with numbers and with buffers that live.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(0, &mut set);
            libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
            let (mut there, mut back, mut byte) = ([0; 2], [0; 2], 0_u8);
            libc::pipe(there.as_mut_ptr());
            libc::pipe(back.as_mut_ptr());
            let child = libc::fork();
            let (from, to) = if child == 0 { (there[0], back[1]) } else { (back[0], there[1]) };
            for _ in 0..rounds {
                if child != 0 {
                    libc::write(to, (&raw const byte).cast(), 1);
                }
                libc::read(from, (&raw mut byte).cast(), 1);
                if child == 0 {
                    libc::write(to, (&raw const byte).cast(), 1);
                }
            }
            if child == 0 {
                libc::_exit(0);
            }
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
    });
    begun.elapsed().as_nanos() as f64 / rounds as f64
}

const CALLS: u64 = 200_000;
const ROUNDS: u64 = 30_000;

/// Time of the programs that see calls, per call, of the loop of short calls.
fn bodies(who: &str) -> f64 {
    let before = programs();
    calls(CALLS);
    let mut sum = 0.0;
    for (name, time, count) in programs() {
        let (_, time_before, count_before) =
            before.iter().find(|(known, ..)| *known == name).cloned().unwrap_or((String::new(), 0, 0));
        let (time, count) = (time - time_before, count - count_before);
        if count > CALLS / 2 {
            println!("measured:   {who} {name} {:.0} ns × {count}", time as f64 / count as f64);
            sum += time as f64 / CALLS as f64;
        }
    }
    println!("measured: {who} {sum:.0} ns a call");
    sum
}

fn peer(program: &str, arguments: &[&str]) -> Option<std::process::Child> {
    let started = Command::new(program).args(arguments).stdout(Stdio::null()).spawn();
    if started.is_err() {
        println!("measured: {program} is not in this guest");
    }
    started.ok()
}

fn stop(child: Option<std::process::Child>) {
    if let Some(mut child) = child {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Bodies of the programs on system calls, beside those of `syscount -L`, on a loop of short calls.
#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_cost_of_a_call_beside_syscount() {
    fs::write("/proc/sys/kernel/bpf_stats_enabled", "1").unwrap();
    calls(CALLS);
    let collectors = Collectors::start(&Options::default());
    sleep(500);
    let ours = bodies("kerno");
    let report = collectors.finish().reports.into_iter().find(|report| report.name == "syscall").unwrap();
    println!("measured: {report:?}");
    let syscount = peer("syscount", &["-L", "-d", "60"]);
    sleep(3_000);
    let theirs = bodies("syscount -L");
    stop(syscount);
    println!("measured: {:.2}×", ours / theirs);
}

/// What a loop of short calls and a ping-pong over pipes cost all in: alone, with kerno, with `syscount -L` and `runqlat`.
#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_all_in_cost_beside_syscount_and_runqlat() {
    let both = || (calls(CALLS), ping_pong(ROUNDS));
    both();
    let alone = both();
    let collectors = Collectors::start(&Options::default());
    sleep(500);
    let ours = both();
    drop(collectors.finish());
    sleep(500);
    let peers = [peer("syscount", &["-L", "-d", "100"]), peer("runqlat", &["100", "1"])];
    sleep(4_000);
    let theirs = both();
    peers.into_iter().for_each(stop);
    for (what, alone, ours, theirs) in [("call", alone.0, ours.0, theirs.0), ("round", alone.1, ours.1, theirs.1)] {
        let ratio = (ours - alone) / (theirs - alone);
        println!("measured: a {what} {alone:.0} ns, with kerno {ours:.0}, with the peers {theirs:.0}: {ratio:.2}×");
    }
}
