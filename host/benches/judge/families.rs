//! What the other families hold of that host. At fault one in fifty of everything is.

use std::net::{IpAddr, Ipv4Addr};

use kerno_signals::{
    Call, CallFailure, CallParts, Caller, CgroupCall, CgroupCpu, CgroupMemory, CgroupTraffic, Connections, Cpu, CpuLimit, Fd,
    FdProcess, FdTotal, FlowTraffic, HostCpu, HostMemory, LimitKind, Memory, MemoryEvents, MemoryLimit, NetworkProcess, Oom,
    OomGroup, OomKill, OomLimit, OomMemory, PeerClass, Quota, SlowProcess, Stall, Syscall, Tcp, Throttling, Traffic, Trend,
};

use super::host::{WINDOW_NS, cgroup, latency};

const MIB: u64 = 1 << 20;
const CALLS: [(u32, &str); 4] = [(0, "read"), (1, "write"), (257, "openat"), (74, "fsync")];

/// Whether this one of many is at fault.
fn is_faulty(index: u32, factor: u64) -> bool {
    factor > 1 && index.is_multiple_of(50)
}

fn call(index: u32, faulty: bool) -> Call {
    let (number, name) = CALLS[index as usize % CALLS.len()];
    let count = 256;
    let errors = if faulty {
        let caller = Some(Caller { pid: 77, comm: "web".into() });
        vec![CallFailure { errno: 13, name: "EACCES".into(), count: count / 8, caller }]
    } else {
        vec![CallFailure { errno: 11, name: "EAGAIN".into(), count: count / 2, caller: None }]
    };
    Call {
        number: Some(number),
        name: name.into(),
        count,
        failed: count / if faulty { 8 } else { 2 },
        errors,
        latency: latency(count, (20_000 + 20 * u64::from(index)) * if faulty { 15_000 } else { 1 }),
        parts: CallParts { on_cpu_ns: 1_000_000, uninterruptible_ns: count * 20_000, ..CallParts::default() },
        ..Call::default()
    }
}

/// Calls of every group, and of one process each.
pub fn syscall(groups: u32, factor: u64) -> Syscall {
    let of_group = |index: u32| CgroupCall { cgroup: cgroup(u64::from(index)), call: call(index, is_faulty(index, factor)) };
    let process = |index: u32| SlowProcess {
        caller: Caller { pid: 9_000 + index, comm: format!("worker-{index}") },
        cgroup: cgroup(u64::from(index)),
        name: CALLS[index as usize % CALLS.len()].1.into(),
        count: 256,
        judged_ns: 5_000_000,
        max_ns: 400_000_000,
        parts: CallParts::default(),
    };
    Syscall {
        calls: (0..CALLS.len() as u32).map(|index| call(index, factor > 1)).collect(),
        cgroups: (0..groups).map(of_group).collect(),
        processes: (0..groups).map(process).collect(),
        ..Syscall::default()
    }
}

fn traffic(index: u32, faulty: bool) -> Traffic {
    let typical_ns = (400_000 + 400 * u64::from(index)) * if faulty { 375 } else { 1 };
    let connections = Connections { connected: 20, closed: 20, handshake: latency(20, typical_ns), ..Connections::default() };
    Traffic {
        connections: Some(connections),
        sent: 5_000,
        retransmitted: if faulty { 400 } else { 3 },
        rtt: latency(256, typical_ns),
        min_rtt_ns: Some(typical_ns / 2),
    }
}

/// Traffic to every destination, and of every fifth group.
pub fn tcp(groups: u32, factor: u64) -> Tcp {
    let flow = |index: u32| FlowTraffic {
        remote: IpAddr::V4(Ipv4Addr::from(0x0a08_0000 + index)),
        port: Some(443),
        class: PeerClass::Private,
        namespace: 1,
        cgroup: Some(cgroup(u64::from(index))),
        process: Some(NetworkProcess { pid: 9_000 + index, comm: format!("worker-{index}") }),
        traffic: traffic(index, is_faulty(index, factor)),
    };
    Tcp {
        total: traffic(0, false),
        cgroups: (0..groups / 5)
            .map(|index| CgroupTraffic { cgroup: Some(cgroup(u64::from(index))), traffic: traffic(index, false) })
            .collect(),
        flows: (0..groups).map(flow).collect(),
        ..Tcp::default()
    }
}

/// Kills in one in fifty groups, by their own limit.
pub fn oom(groups: u32, factor: u64) -> Oom {
    let victims: Vec<u32> = (0..groups).filter(|index| is_faulty(*index, factor)).collect();
    let kill = |index: &u32| OomKill {
        at_ns: 1_000_000 * u64::from(*index),
        case: u64::from(*index),
        pid: 9_000 + index,
        comm: format!("worker-{index}"),
        cgroup: Some(cgroup(u64::from(*index))),
        limit: OomLimit::Cgroup(cgroup(u64::from(*index))),
        memory: Some(OomMemory { anon: 500 * MIB, file: MIB, shmem: 0 }),
        score_adj: Some(0),
        score: Some(900),
        trigger: None,
    };
    let group = |index: &u32| {
        let cgroup = cgroup(u64::from(*index));
        OomGroup { limit: OomLimit::Cgroup(cgroup.clone()), cgroup: Some(cgroup), kills: 1 }
    };
    Oom {
        total: victims.len() as u64,
        kills: victims.iter().map(kill).collect(),
        groups: victims.iter().map(group).collect(),
        ..Oom::default()
    }
}

fn trend(slope_per_second: f64) -> Trend {
    Trend { slope_per_second, low: slope_per_second * 0.9, high: slope_per_second * 1.1, points: 30 }
}

/// Descriptors of every process.
pub fn fd(groups: u32, factor: u64) -> Fd {
    let process = |index: u32| {
        let gain: u32 = if is_faulty(index, factor) { 100 } else { 0 };
        FdProcess {
            pid: 9_000 + index,
            comm: format!("worker-{index}"),
            cgroup: Some(cgroup(u64::from(index))),
            start_ns: 1,
            watched_ns: WINDOW_NS,
            first: 40,
            last: u64::from(40 + gain * 30),
            peak: u64::from(40 + gain * 30),
            limit: Some(65_536),
            hard_limit: Some(524_288),
            trend: Some(trend(f64::from(gain))),
            gained: vec![i64::from(gain) * 6; 5],
            shared_with: None,
            own: false,
        }
    };
    let total = FdTotal { processes: u64::from(groups), first: u64::from(groups) * 40, ..FdTotal::default() };
    Fd { processes: (0..groups).map(process).collect(), total, readings: 30, ..Fd::default() }
}

/// Memory of every group, each with a limit of its own.
pub fn memory(groups: u32, factor: u64) -> Memory {
    let group = |index: u32| {
        let faulty = is_faulty(index, factor);
        let used = if faulty { 490 * MIB } else { 200 * MIB };
        let cgroup = cgroup(u64::from(index));
        let path = cgroup.path.clone().unwrap_or_default();
        let growth = if faulty { (8 * MIB) as f64 } else { 0.0 };
        CgroupMemory {
            cgroup,
            current_bytes: used + 50 * MIB,
            working_set_bytes: used,
            rss_bytes: used,
            limit: Some(MemoryLimit { bytes: 512 * MIB, kind: LimitKind::Max, path }),
            growth: Some(trend(growth)),
            stall: Some(Stall::default()),
            events: Some(MemoryEvents { max: if faulty { 50 } else { 0 }, ..MemoryEvents::default() }),
            ..CgroupMemory::default()
        }
    };
    let total = 256 << 30;
    let host = HostMemory {
        total_bytes: total,
        available_bytes: total / 2,
        working_set_bytes: total / 2,
        rss_bytes: total / 3,
        growth: Some(trend(0.0)),
        stall: Some(Stall::default()),
        ..HostMemory::default()
    };
    Memory { duration_ns: WINDOW_NS, host, cgroups: (0..groups).map(group).collect(), ..Memory::default() }
}

/// CPU time of every group, each with a quota of its own.
pub fn cpu(groups: u32, factor: u64) -> Cpu {
    let group = |index: u32| {
        let cgroup = cgroup(u64::from(index));
        let path = cgroup.path.clone().unwrap_or_default();
        let throttled = if is_faulty(index, factor) { 240 } else { 2 };
        CgroupCpu {
            cgroup,
            usage_ns: Some(WINDOW_NS / 4),
            quota: Some(Quota { quota_ns: 50_000_000, period_ns: 100_000_000, burst_ns: 0 }),
            limit: Some(CpuLimit { cpus: 0.5, path }),
            throttling: Some(Throttling { periods: 300, throttled_periods: throttled, throttled_ns: throttled * 50_000_000 }),
            runnable_threads: Some(1.0),
            ..CgroupCpu::default()
        }
    };
    let host = HostCpu { cpus: 64, busy_ns: WINDOW_NS * 16, idle_ns: WINDOW_NS * 48, ..HostCpu::default() };
    Cpu { duration_ns: WINDOW_NS, host, cgroups: (0..groups).map(group).collect(), ..Cpu::default() }
}
