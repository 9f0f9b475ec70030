//! Memory that cannot be reclaimed: of the host against what it has, of each control group against its own limits.

use kerno_signals::{CgroupMemory, HostMemory, LimitKind as Kind, MemoryLimit, Snapshot};

use super::series::{Family, Series, gather, look, why_unseen, word};
use super::thresholds::Thresholds;
use super::{Limit, LimitKind, entity};

const HOST: &str = "memory in use";
const GROUP: &str = "memory";

/// The kernel adds up memory over CPUs in batches of up to 64 pages for each; what is smaller may come at once.
const RESOLUTION: f64 = (256 << 10) as f64;

pub(super) fn families(snapshots: &[Snapshot], _thresholds: &Thresholds) -> Vec<Family> {
    let unseen = why_unseen(snapshots, "memory", 0.0);
    let hosts = gather(
        snapshots,
        |snapshot| snapshot.families.memory.iter().map(|memory| ((), &memory.host)).collect(),
        |host| host.working_set_bytes as f64,
    );
    let groups = gather(snapshots, groups, |(group, _)| group.working_set_bytes as f64);
    let part = snapshots.last().and_then(|last| last.families.memory.as_ref()?.unseen.clone());
    vec![
        Family {
            signal: HOST,
            series: hosts.into_iter().map(|(host, readings)| of_host(snapshots, host, readings)).collect(),
            unseen: unseen.clone(),
        },
        Family { signal: GROUP, series: groups.into_iter().map(of_group).collect(), unseen: unseen.or(part) },
    ]
}

/// Groups with the limit that they meet first. A limit above a group that is listed itself is filled by that one.
fn groups(snapshot: &Snapshot) -> Vec<(String, (&CgroupMemory, &MemoryLimit))> {
    let all = || snapshot.families.memory.iter().flat_map(|memory| &memory.cgroups);
    let listed: std::collections::BTreeSet<&str> = all().filter_map(|group| group.cgroup.path.as_deref()).collect();
    let judged = all().filter(|group| !group.own).filter_map(|group| {
        let (path, limit) = (group.cgroup.path.as_deref()?, group.limit.as_ref()?);
        let is_own = limit.path == path || !listed.contains(limit.path.as_str());
        is_own.then(|| (path.to_owned(), (group, limit)))
    });
    judged.collect()
}

fn of_host(snapshots: &[Snapshot], host: &HostMemory, readings: Vec<(u64, f64)>) -> Series {
    let swap = host.swap_total_bytes.saturating_sub(host.swap_used_bytes);
    let impact = match swap {
        0 => "The kernel kills a process to free memory.",
        _ => "The kernel swaps, and what was swapped out is slow; when the swap is full it kills a process.",
    };
    Series {
        signal: HOST,
        collector: "memory",
        unit: "bytes",
        entity: entity::node(snapshots),
        who: "the host".to_owned(),
        readings,
        resolution: RESOLUTION,
        limit_value: host.total_bytes as f64,
        limit: Limit { kind: LimitKind::HostMemory, name: "memory of the host".to_owned() },
        impact: impact.to_owned(),
        next: look("See who has most", "ps -eo pid,rss,comm --sort=-rss | head".to_owned()),
    }
}

fn of_group(((group, limit), readings): ((&CgroupMemory, &MemoryLimit), Vec<(u64, f64)>)) -> Series {
    let (kind, file, happens) = match limit.kind {
        Kind::Max => (LimitKind::MemoryMax, "memory.max", "the kernel kills a process in it"),
        Kind::High => (LimitKind::MemoryHigh, "memory.high", "its processes are slowed down and made to reclaim"),
    };
    let (name, path) = (entity::group_name(&group.cgroup), group.cgroup.path.as_deref().unwrap_or("/"));
    Series {
        signal: GROUP,
        collector: "memory",
        unit: "bytes",
        entity: entity::group(&group.cgroup),
        impact: format!("At {file} of {} {happens}.", limit.path),
        limit: Limit { kind, name: format!("{file} of {}", limit.path) },
        who: name,
        readings,
        resolution: RESOLUTION,
        limit_value: limit.bytes as f64,
        next: look(
            "See what its memory is",
            format!("grep -E '^(anon|shmem|kernel|slab_unreclaimable) ' {}", word(&format!("/sys/fs/cgroup{path}/memory.stat"))),
        ),
    }
}
