//! A made-up host of a given size: what its tasks, disks and file systems did.

use kerno_signals::{
    Block, Cgroup, CgroupDelay, CollectorReport, CollectorStatus, Coverage, Device, DeviceLatency, Environment, Families,
    FileSystem, Host, Latency, Operation, Runner, Sched, Snapshot, Sync, TaskDelay, Window,
};

use super::families;

/// The window of all hosts.
pub const WINDOW_NS: u64 = 30_000_000_000;

/// So many control groups, processes and destinations, known to every family. Per thousand of them 200 waiting tasks, 500 running processes, 100 devices and file systems, and 300 callers of fsync. The
/// first device and the first twenty groups are slower by `factor`.
pub fn host(groups: u32, factor: u64) -> Snapshot {
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
        window: Window { start_unix_ns: 0, duration_ns: WINDOW_NS, interrupted: false },
        collectors: ["syscall", "sched", "block", "tcp", "oom", "fd", "memory", "cpu"].map(collector).into(),
        families: Families {
            sched: Some(sched),
            block: Some(block),
            syscall: Some(families::syscall(groups, factor)),
            tcp: Some(families::tcp(groups, factor)),
            oom: Some(families::oom(groups, factor)),
            fd: Some(families::fd(groups, factor)),
            memory: Some(families::memory(groups, factor)),
            cpu: Some(families::cpu(groups, factor)),
            start: None,
            no_start: None,
        },
        processes: vec![],
    }
}

/// Spread over two octaves either side, as real ones are: some sixty buckets. No two are equally slow.
pub fn latency(count: u64, typical_ns: u64) -> Latency {
    let mut latency =
        Latency::from_samples((0..256).map(|step| ((typical_ns / 4) << (step / 64)) | ((step % 64) * typical_ns / 256)));
    latency.count = latency.count.max(count.min(256));
    latency
}

pub fn cgroup(id: u64) -> Cgroup {
    let unit = format!("service-{id}.service");
    Cgroup { id, path: Some(format!("/system.slice/{unit}")), unit: Some(unit), ..Cgroup::default() }
}

fn group(id: u64, factor: u64) -> CgroupDelay {
    CgroupDelay {
        cgroup: cgroup(id),
        delay: latency(256, (20_000 + 20 * id) * if id < 20 { factor } else { 1 }),
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
        latency: latency(256, (2_000_000 + 10_000 * u64::from(minor)) * if minor == 0 { factor } else { 1 }),
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
        latency: latency(256, (2_000_000 + 1_000 * u64::from(pid)) * if minor == 0 { factor } else { 1 }),
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
