//! What kerno costs beside the usual tools, in one guest: bodies of programs, and time added to workloads of a fixed size. Gives
//! numbers and no verdict; `cargo xtask bench kernel` makes the table.

#[path = "bench/loads.rs"]
mod loads;
#[path = "bench/programs.rs"]
pub mod programs;
#[path = "bench/tools.rs"]
mod tools;

use std::{fs, time::Instant};

use kerno::collector::{Collectors, Options};
use serde_json::{Value, json};

use crate::guest::{Load, NullBlk, sleep};
use crate::launch::distribution_defaults;
use loads::Workload;
use programs::Cost;
use tools::Tool;

/// Rounds of everything in turn; medians are told.
const ROUNDS: usize = 3;

/// One line of the table. `kerno` and `peer` have the unit that `what` names.
fn tell(hook: &str, workload: &str, kerno: f64, peer: Option<f64>, ratio: Option<f64>, target: Option<f64>) {
    let round = |value: f64| (value * 1e4).round() / 1e4;
    let line: Value = json!({
        "hook": hook, "workload": workload, "kerno": round(kerno), "peer": peer.map(round), "ratio": ratio.map(round), "target": target,
    });
    println!("measured: bench {line}");
}

/// A number beside a target that is a bound of it.
fn bound(what: &str, workload: &str, value: f64, target: Option<f64>) {
    tell(what, workload, value, None, None, target);
}

fn versus(hook: &str, workload: &str, kerno: f64, peer: Option<f64>, target: Option<f64>) {
    tell(hook, workload, kerno, peer, peer.filter(|peer| *peer > 0.0).map(|peer| kerno / peer), target);
}

/// Kernels from 7.0 on run tracepoint programs preemptibly: the hooks that lose nothing there cost about twice as much.
fn is_preemptible() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    release.split('.').next().unwrap().parse::<u32>().unwrap() >= 7
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_bench_of_the_kernel_side() {
    distribution_defaults();
    let disk = NullBlk::new(std::time::Duration::from_micros(100), &[]);
    let loads = loads::all(&disk.node);
    bodies(&loads);
    added(&loads);
    tcp_alone(&loads);
    walks();
    memory();
}

/// Mean time of one run of each program, with the kernel's own statistics, which cost time themselves: not for the other numbers.
fn bodies(loads: &[Workload]) {
    let all = |tool: &Tool| -> Vec<(&'static str, Vec<Cost>)> {
        let Some(running) = tool.start() else { return vec![] };
        fs::write("/proc/sys/kernel/bpf_stats_enabled", "1").unwrap();
        let costs = loads.iter().filter(|load| tool.is_for(load.name)).map(|load| {
            let before = running.costs();
            load.run();
            (load.name, programs::between(&before, &running.costs()))
        });
        let costs = costs.collect();
        fs::write("/proc/sys/kernel/bpf_stats_enabled", "0").unwrap();
        costs
    };
    let kerno = all(&tools::KERNO);
    for (load, costs) in &kerno {
        for cost in costs.iter().filter(|cost| cost.runs >= 100) {
            bound(&format!("{} body, ns", cost.name), load, cost.mean_ns(), None);
        }
    }
    let floor = floor(loads);
    bound("body of a program that returns at once, ns", "tcp connect", floor, None);
    // As the kernel tells it, and without what its looking at the clock takes.
    let of = |costs: &[(&'static str, Vec<Cost>)], load: &str, words: &[&str], per: &str| -> Option<(f64, f64)> {
        let (_, costs) = costs.iter().find(|(name, _)| *name == load)?;
        let counted: Vec<&Cost> = costs.iter().filter(|cost| words.iter().any(|word| cost.name.contains(word))).collect();
        let total = counted.iter().map(|cost| cost.time_ns).sum::<u64>() as f64;
        let looked = counted.iter().map(|cost| cost.runs).sum::<u64>() as f64 * floor;
        let runs = costs.iter().filter(|cost| cost.name.contains(per)).map(|cost| cost.runs).max()? as f64;
        (runs > 0.0).then(|| (total / runs, (total - looked) / runs))
    };
    let target = if is_preemptible() { 0.60 } else { 0.30 };
    type Peer<'a> = Option<(&'a Tool, &'a [&'a str], &'a str)>;
    let compare = |costs: &[_], hook: &str, load: &str, words: &[&str], per: &str, peer: Peer, target| {
        let Some(mine) = of(costs, load, words, per) else { return };
        let theirs = peer.and_then(|(tool, words, per)| of(&all(tool), load, words, per));
        versus(hook, load, mine.0, theirs.map(|theirs| theirs.0), target);
        versus(&format!("{hook}, net"), load, mine.1, theirs.map(|theirs| theirs.1), None);
    };
    let calls = ["sys_enter", "sys_exit"];
    let call: Peer = Some((&tools::SYSCOUNT, &calls, "sys_exit"));
    compare(&kerno, "sys_enter + sys_exit bodies, ns", "getppid", &calls, "sys_exit", call, Some(target));
    // On other kernels the hooks are the same.
    if is_preemptible() {
        let kerno = all(&tools::KERNO_WITHOUT_PERF_EVENTS);
        let has_perf_events = kerno.iter().flat_map(|(_, costs)| costs).any(|cost| cost.name.contains("_perf"));
        assert!(!has_perf_events, "this kernel grants perf events in spite of kernel.perf_event_paranoid");
        compare(&kerno, "sys_enter + sys_exit bodies without perf events, ns", "getppid", &calls, "sys_exit", call, None);
    }
    let switches = ["sched_switch", "sched_migrate"];
    let switch: Peer = Some((&tools::RUNQLAT, &["sched_"], "sched_switch"));
    for load in ["pipe, one CPU", "pipe, two CPUs"] {
        let hook = "sched_switch + wake-up bodies, ns a switch";
        compare(&kerno, hook, load, &switches, "sched_switch", switch, Some(0.30));
    }
    let requests = ["issue", "complete", "requeue"];
    let block: Peer = Some((&tools::BIOLATENCY, &["block_"], "complete"));
    compare(&kerno, "block issue + complete bodies, ns a request", "disk", &requests, "complete", block, None);
}

/// What the kernel tells of a program that returns at once, nanoseconds: the cost of its own looking at the clock.
fn floor(loads: &[Workload]) -> f64 {
    let Some(load) = loads.iter().find(|load| load.name == "tcp connect") else { return 0.0 };
    let others = programs::ids();
    let mut collectors = Collectors::start(&Options { silence: Some("tcp"), ..Options::default() });
    collectors.keep_only("tcp");
    fs::write("/proc/sys/kernel/bpf_stats_enabled", "1").unwrap();
    load.run();
    let costs = programs::costs(&others);
    fs::write("/proc/sys/kernel/bpf_stats_enabled", "0").unwrap();
    costs.iter().find(|cost| cost.name.starts_with("state_changed") && cost.runs > 0).map_or(0.0, Cost::mean_ns)
}

/// Time added to an operation of each workload: with kerno, and with the tools that measure the same.
fn added(loads: &[Workload]) {
    let mut subjects: Vec<&[&Tool]> =
        vec![&[&tools::OFF], &[&tools::KERNO], &[&tools::SYSCOUNT, &tools::RUNQLAT], &[&tools::BIOLATENCY], &[&tools::TCPRTT]];
    if is_preemptible() {
        subjects.push(&[&tools::KERNO_WITHOUT_PERF_EVENTS]);
    }
    let mut times = vec![vec![vec![]; loads.len()]; subjects.len()];
    for _ in 0..ROUNDS {
        for (subject, tools) in subjects.iter().enumerate() {
            let running: Option<Vec<_>> = tools.iter().map(|tool| tool.start()).collect();
            let Some(running) = running else { continue };
            for (index, load) in loads.iter().enumerate() {
                if tools.iter().any(|tool| tool.is_for(load.name)) {
                    times[subject][index].push(load.run());
                }
            }
            drop(running);
        }
    }
    let time = |subject: usize, load: usize| -> Option<f64> {
        let times = &times.get(subject)?[load];
        (!times.is_empty()).then(|| median(times.clone()))
    };
    let both = if is_preemptible() { 0.60 } else { 0.40 };
    for (index, load) in loads.iter().enumerate() {
        let (Some(alone), Some(kerno)) = (time(0, index), time(1, index)) else { continue };
        bound("without any tool, ns an operation", load.name, alone, None);
        let peer = |subject: usize| time(subject, index).map(|time| time - alone);
        match load.name {
            "tcp request" | "tcp connect" => {
                let percent = |added: f64| added / alone * 100.0;
                versus("all collectors, % added", load.name, percent(kerno - alone), peer(4).map(percent), None);
            }
            "disk" => versus("all collectors beside biolatency, ns added", load.name, kerno - alone, peer(3), None),
            _ => {
                versus("all collectors beside syscount -L + runqlat, ns added", load.name, kerno - alone, peer(2), Some(both));
                if let Some(kerno) = peer(5) {
                    versus("all collectors without perf events beside them, ns added", load.name, kerno, peer(2), None);
                }
            }
        }
    }
}

/// Time that the tcp collector's events add by themselves to operations on connections.
fn tcp_alone(loads: &[Workload]) {
    for (load, target) in [("tcp request", 2.0), ("tcp connect", 8.0)] {
        let Some(load) = loads.iter().find(|known| known.name == load) else { continue };
        let (mut without, mut with) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            without.push(load.run());
            let mut collectors = Collectors::start(&Options::default());
            collectors.keep_only("tcp");
            // The others' programs are taken off meanwhile.
            sleep(3_000);
            with.push(load.run());
            drop(collectors);
            sleep(500);
        }
        let (without, with) = (median(without), median(with));
        bound("tcp events alone, % added", load.name, (with - without) / without * 100.0, Some(target));
    }
}

const PROCESSES: u32 = 300;
const DESCRIPTORS: u32 = 20_000;

/// What a tick and the socket walk cost more for so many processes and descriptors more. Guest time.
fn walks() {
    let start = Instant::now();
    let mut collectors = Collectors::start(&Options::default());
    bound("start, ms", "idle", start.elapsed().as_secs_f64() * 1e3, None);
    collectors.tick();
    let tick = |collectors: &mut Collectors| {
        let times = (0..3).map(|_| {
            sleep(1_000);
            let start = Instant::now();
            collectors.tick();
            start.elapsed().as_secs_f64() * 1e6
        });
        median(times.collect())
    };
    let idle = tick(&mut collectors);
    let crowd: Vec<Load> = (0..PROCESSES).map(|_| Load::start("exec sleep 1000", None)).collect();
    let with_processes = tick(&mut collectors);
    drop(crowd);
    let files = loads::descriptors(DESCRIPTORS);
    let with_files = tick(&mut collectors);
    bound("tick, µs", "idle", idle, None);
    bound("tick, µs a process", "300 more", (with_processes - idle) / f64::from(PROCESSES), Some(5.0));
    bound("tick, µs a descriptor", "20000 more", (with_files - idle) / f64::from(DESCRIPTORS), Some(1.0));
    drop(collectors.finish());
    let mut tcp = crate::tcp::alone();
    let mut walk = || {
        let times = (0..3).map(|_| {
            let start = Instant::now();
            tcp.walk().unwrap();
            start.elapsed().as_secs_f64() * 1e6
        });
        median(times.collect())
    };
    let with_files = walk();
    drop(files);
    sleep(1_000);
    let without = walk();
    bound("socket walk, µs a descriptor", "20000 more", (with_files - without) / f64::from(DESCRIPTORS), Some(1.0));
    drop(tcp);
    let mut collectors = Collectors::start(&Options::default());
    sleep(1_000);
    let end = Instant::now();
    collectors.stop();
    bound("drain of calls and waits, ms", "idle", end.elapsed().as_secs_f64() * 1e3, Some(2.0));
    drop(collectors.finish());
    bound("end of the window, programs taken off, ms", "idle", end.elapsed().as_secs_f64() * 1e3, None);
}

/// What kerno takes of memory.
fn memory() {
    let Some(running) = tools::KERNO.start() else { return };
    let bytes = programs::locked_bytes(running.pid());
    bound("maps and programs, MiB", "all collectors", bytes as f64 / f64::from(1 << 20), Some(8.0));
    let resident = programs::resident_bytes(running.pid(), "VmHWM:");
    bound("resident memory, MiB", "while it measures", resident as f64 / f64::from(1 << 20), Some(40.0));
}
