//! Time of one judgement by all built-in rules, snapshot bytes in and findings out, on hosts of two sizes:
//! `cargo bench --bench judge`.
#![expect(clippy::print_stdout, reason = "a measurement is told on standard output")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kerno::artifacts::BUILT_IN_RULES;
use kerno::engine::{Limits, RuleSet, Runtime};
use kerno::findings::RuleReport;
use kerno_signals::{
    Block, Cgroup, CgroupDelay, CollectorReport, CollectorStatus, Coverage, Device, DeviceLatency, Environment, Families,
    FileSystem, Host, Latency, Operation, Runner, Sched, Snapshot, Sync, TaskDelay, Window,
};

const WARM_UP: usize = 200;
const RUNS: usize = 2_000;

fn main() -> ExitCode {
    if BUILT_IN_RULES.iter().any(|(_, component)| component.is_none()) {
        println!("not measured: no rules were built in; run `cargo xtask build` first");
        return ExitCode::FAILURE;
    }
    let runtime = Runtime::new(&Limits::default()).ok();
    let Some(rules) = runtime.and_then(|runtime| runtime.load(BUILT_IN_RULES, &[]).ok()) else {
        println!("not measured: the rules do not load");
        return ExitCode::FAILURE;
    };
    // Healthy, where every distribution is looked at and nothing is found; and at fault, where the culprits are looked for too.
    for groups in [100, 1_000] {
        for (name, factor) in [("healthy", 1), ("faulty", 1_000)] {
            if measure(&rules, &format!("{groups} groups, {name}"), &host(groups, factor)).is_none() {
                println!("not measured: the snapshot cannot be judged");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn measure(rules: &RuleSet, name: &str, snapshot: &Snapshot) -> Option<()> {
    let bytes = postcard::to_stdvec(snapshot).ok()?;
    let (mut judging, mut decoding) = (Vec::with_capacity(RUNS), Vec::with_capacity(RUNS));
    let mut outcome: Vec<RuleReport> = Vec::new();
    for run in 0..WARM_UP + RUNS {
        let begun = Instant::now();
        let reports = rules.judge(&bytes).ok()?;
        let judged = begun.elapsed();
        let begun = Instant::now();
        drop(black_box(Snapshot::from_postcard(&bytes)));
        if run >= WARM_UP {
            judging.push(judged);
            decoding.push(begun.elapsed());
        }
        outcome = reports;
    }
    let [p50, p99, max] = quantiles(&mut judging);
    let [decoding, ..] = quantiles(&mut decoding);
    let statuses: Vec<_> = outcome.iter().map(|rule| format!("{} {:?}", rule.id, rule.status)).collect();
    println!(
        "{name}: p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?} of {RUNS}, of which decoding {} KiB: p50 {decoding:.1?}",
        bytes.len() >> 10
    );
    println!("  {}", statuses.join(", "));
    Some(())
}

fn quantiles(times: &mut [Duration]) -> [Duration; 3] {
    times.sort_unstable();
    [0.5, 0.99, 1.0].map(|q| times[((q * times.len() as f64).ceil() as usize).clamp(1, times.len()) - 1])
}

/// Per thousand control groups 200 waiting tasks, 500 running processes, 100 devices and file systems, and 300 callers of fsync. The
/// first device and the first twenty groups are slower by `factor`.
fn host(groups: u32, factor: u64) -> Snapshot {
    let sched = Sched {
        host: latency(1_000_000, 20_000),
        background: latency(5_000, 900_000),
        own: latency(900, 30_000),
        cgroups: (0..u64::from(groups)).map(|id| group(id, factor)).collect(),
        tasks: (0..groups / 5).map(task).collect(),
        runners: (0..groups / 2).map(runner).collect(),
    };
    let operations = [Operation::Read, Operation::Write, Operation::Flush];
    let devices = (0..groups / 10).flat_map(|minor| operations.map(|operation| device(minor, operation, factor))).collect();
    let block = Block { devices, syncs: Some((0..groups * 3 / 10).map(|pid| sync(pid, factor)).collect()) };
    Snapshot {
        host: Host {
            name: "big".into(),
            kernel: "6.12.0".into(),
            arch: "x86_64".into(),
            cpus: 64,
            memory_bytes: 256 << 30,
            environment: Environment::Systemd,
            cluster: None,
            steal_ratio: Some(0.0),
            cpu_pressure_ratio: Some(0.1),
        },
        window: Window { start_unix_ns: 0, duration_ns: 30_000_000_000, interrupted: false },
        collectors: vec![collector("sched"), collector("block")],
        families: Families { sched: Some(sched), block: Some(block), ..Families::default() },
        processes: vec![],
    }
}

/// Spread over two octaves either side, as real ones are: some sixty buckets.
fn latency(count: u64, typical_ns: u64) -> Latency {
    let mut latency =
        Latency::from_samples((0..256).map(|step| ((typical_ns / 4) << (step / 64)) | ((step % 64) * typical_ns / 256)));
    latency.count = latency.count.max(count.min(256));
    latency
}

fn cgroup(id: u64) -> Cgroup {
    let unit = format!("service-{id}.service");
    Cgroup { id, path: Some(format!("/system.slice/{unit}")), unit: Some(unit), ..Cgroup::default() }
}

fn group(id: u64, factor: u64) -> CgroupDelay {
    CgroupDelay {
        cgroup: cgroup(id),
        delay: latency(256, (20_000 + id) * if id < 20 { factor } else { 1 }),
        background_waits: 3,
        cpu_ns: 1_000_000 * id,
        throttled_ns: None,
        lowest_weight: false,
    }
}

fn task(id: u32) -> TaskDelay {
    let (pid, ns) = (1_000 + id, 1_000_000 + u64::from(id));
    let cgroup = u64::from(id % 100);
    TaskDelay {
        pid,
        tid: pid,
        comm: format!("task-{id}"),
        cgroup,
        long_waits: 9,
        sum_ns: 9 * ns,
        max_ns: ns,
        background: false,
        own: false,
    }
}

fn runner(id: u32) -> Runner {
    let cgroup = Some(format!("/system.slice/service-{id}.service"));
    Runner { pid: 5_000 + id, comm: format!("worker-{id}"), cgroup, cpu_ns: u64::from(id) * 10_000_000, own: false }
}

fn device(minor: u32, operation: Operation, factor: u64) -> DeviceLatency {
    DeviceLatency {
        device: Device { major: 259, minor, name: format!("nvme{minor}n1"), mounts: vec![format!("/srv/{minor}")] },
        operation,
        latency: latency(256, 2_000_000 * if minor == 0 { factor } else { 1 }),
        bytes: 1 << 30,
        errors: 0,
        in_flight: 1,
        oldest_in_flight_ns: Some(1_000_000),
    }
}

fn sync(pid: u32, factor: u64) -> Sync {
    let minor = pid % 100;
    Sync {
        pid,
        comm: format!("db-{pid}"),
        cgroup: cgroup(u64::from(pid)),
        file_system: FileSystem {
            major: 259,
            minor,
            kind: Some("ext4".into()),
            mount: Some(format!("/srv/{minor}")),
            source: Some(format!("/dev/nvme{minor}n1")),
            device: Some(format!("nvme{minor}n1")),
            in_memory: false,
        },
        latency: latency(256, 2_000_000 * if minor == 0 { factor } else { 1 }),
        errors: 0,
        in_flight: 0,
        oldest_in_flight_ns: None,
        own: false,
    }
}

fn collector(name: &str) -> CollectorReport {
    CollectorReport {
        name: name.into(),
        status: CollectorStatus::Running,
        coverage: Some(Coverage::Full),
        source: "eBPF".into(),
        reason: None,
        fix: None,
        events: 1_000_000,
        lost: 0,
        blind_ratio: 0.0,
    }
}
