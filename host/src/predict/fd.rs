//! Open descriptors of each process against its own limit, and of all against the kernel's.

use kerno_signals::{FdProcess, FileTable, Snapshot};

use super::series::{Family, Series, gather, look, why_unseen};
use super::thresholds::Thresholds;
use super::{Limit, LimitKind, entity};
use crate::findings::EntityKind;

const DESCRIPTORS: &str = "open descriptors";
const FILES: &str = "open files";

pub(super) fn families(snapshots: &[Snapshot], _thresholds: &Thresholds) -> Vec<Family> {
    let unseen = why_unseen(snapshots, "fd", 0.0).or_else(|| {
        let last = snapshots.last()?;
        let number = last.families.fd.as_ref().map(|fd| fd.unseen).filter(|number| *number > 0)?;
        let why = last.collector("fd").and_then(|report| report.reason.as_deref()).unwrap_or("kerno lacks the rights");
        Some(format!("descriptors of at least {number} processes were not counted: {why}"))
    });
    let processes = gather(snapshots, processes, |process| process.last as f64);
    let tables =
        gather(snapshots, |snapshot| table(snapshot).map(|table| ((), table)).into_iter().collect(), |table| table.open as f64);
    let whole = snapshots.last().is_some_and(|last| last.families.fd.is_some()) && tables.is_empty();
    vec![
        Family { signal: DESCRIPTORS, series: processes.into_iter().filter_map(of_process).collect(), unseen },
        Family {
            signal: FILES,
            series: tables.into_iter().map(|(table, readings)| of_table(snapshots, table, readings)).collect(),
            unseen: whole.then(|| "the kernel's table of open files cannot be read".to_owned()),
        },
    ]
}

/// A table that processes share is the older one's; kerno's is nobody's.
fn processes(snapshot: &Snapshot) -> Vec<((u32, u64), &FdProcess)> {
    let all = snapshot.families.fd.iter().flat_map(|fd| &fd.processes);
    let judged = all.filter(|process| !process.own && process.shared_with.is_none() && process.limit.is_some());
    judged.map(|process| ((process.pid, process.start_ns), process)).collect()
}

fn of_process((process, readings): (&FdProcess, Vec<(u64, f64)>)) -> Option<Series> {
    let (pid, limit) = (process.pid, process.limit?);
    let number = pid.to_string();
    let mut about = entity::entity(EntityKind::Process, [("pid", number.as_str()), ("comm", process.comm.as_str())]);
    about.names.extend(process.cgroup.iter().flat_map(|cgroup| entity::group(cgroup).names));
    Some(Series {
        signal: DESCRIPTORS,
        collector: "fd",
        unit: "count",
        entity: about,
        who: format!("{} (pid {pid})", process.comm),
        readings,
        resolution: 1.0,
        limit_value: limit as f64,
        limit: Limit { kind: LimitKind::Descriptors, name: format!("RLIMIT_NOFILE of {} (pid {pid})", process.comm) },
        impact: format!("Every open, socket and accept of {} (pid {pid}) fails (EMFILE).", process.comm),
        next: look(
            "See what the descriptors are",
            format!("ls -l /proc/{pid}/fd | awk '{{print $NF}}' | sort | uniq -c | sort -rn | head"),
        ),
    })
}

fn table(snapshot: &Snapshot) -> Option<FileTable> {
    snapshot.families.fd.as_ref()?.system
}

fn of_table(snapshots: &[Snapshot], table: FileTable, readings: Vec<(u64, f64)>) -> Series {
    Series {
        signal: FILES,
        collector: "fd",
        unit: "count",
        entity: entity::node(snapshots),
        who: "the host".to_owned(),
        readings,
        // The kernel adds them up over CPUs in batches of 32 and more.
        resolution: 64.0,
        limit_value: table.max as f64,
        limit: Limit { kind: LimitKind::OpenFiles, name: "fs.file-max".to_owned() },
        impact: "No process can open anything (ENFILE).".to_owned(),
        next: look(
            "See who has most",
            "for p in /proc/[0-9]*; do echo \"$(ls $p/fd 2>/dev/null | wc -l) $p $(cat $p/comm)\"; done | sort -rn | head"
                .to_owned(),
        ),
    }
}
