//! Questions about open descriptors.

use std::cmp::Reverse;

use serde::Serialize;

use super::{CgroupView, first, seconds};
use crate::{Fd, FdProcess, Trend};

/// Descriptors of all processes but kerno.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/fd.wit says it")]
pub struct FdTotalsView {
    pub readings: u32,
    pub processes: u64,
    pub first: u64,
    pub last: u64,
    pub unseen: u64,
}

/// The kernel's table of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/fd.wit says it")]
pub struct OpenFilesView {
    pub open: u64,
    pub max: u64,
}

/// How fast a process gains descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/fd.wit says it")]
pub struct FdGrowthView {
    pub per_second: f64,
    pub low: f64,
    pub high: f64,
}

/// Descriptors of one process.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/fd.wit says it")]
pub struct FdProcessView {
    pub pid: u32,
    pub comm: String,
    pub cgroup: Option<CgroupView>,
    pub watched: f64,
    pub first: u64,
    pub last: u64,
    pub peak: u64,
    pub limit: Option<u64>,
    pub growth: Option<FdGrowthView>,
    pub gained: Vec<i64>,
    pub shared_with: Option<u32>,
    pub own: bool,
}

/// Descriptors of all processes but kerno.
#[must_use]
pub fn fd_totals(fd: &Fd) -> FdTotalsView {
    let total = &fd.total;
    FdTotalsView { readings: fd.readings, processes: total.processes, first: total.first, last: total.last, unseen: fd.unseen }
}

/// The kernel's table of open files; `None` when it cannot be read.
#[must_use]
pub fn open_files(fd: &Fd) -> Option<OpenFilesView> {
    fd.system.map(|table| OpenFilesView { open: table.open, max: table.max })
}

/// Processes that gained at least `min_gained` descriptors (0: also those that gained none), most first.
#[must_use]
pub fn fd_processes(fd: &Fd, min_gained: u64, limit: u32) -> Vec<FdProcessView> {
    let grew = |process: &&FdProcess| min_gained == 0 || u64::try_from(process.growth()).is_ok_and(|gain| gain >= min_gained);
    let processes: Vec<&FdProcess> = fd.processes.iter().filter(grew).collect();
    first(
        processes,
        limit,
        |process| (Reverse(process.growth()), Reverse(process.last), process.pid),
        |process| FdProcessView {
            pid: process.pid,
            comm: process.comm.clone(),
            cgroup: process.cgroup.as_ref().map(CgroupView::from),
            watched: seconds(process.watched_ns),
            first: process.first,
            last: process.last,
            peak: process.peak,
            limit: process.limit,
            growth: process.trend.and_then(growth),
            gained: process.gained.clone(),
            shared_with: process.shared_with,
            own: process.own,
        },
    )
}

/// Hard limit of a process; `None` when it was not read.
#[must_use]
pub fn hard_limit(fd: &Fd, pid: u32) -> Option<u64> {
    fd.processes.iter().find(|process| process.pid == pid)?.hard_limit
}

fn growth(trend: Trend) -> Option<FdGrowthView> {
    let Trend { slope_per_second: per_second, low, high, .. } = trend;
    [per_second, low, high].iter().all(|slope| slope.is_finite()).then_some(FdGrowthView { per_second, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, first: u64, last: u64) -> FdProcess {
        FdProcess {
            pid,
            comm: "server".to_owned(),
            cgroup: None,
            start_ns: 1,
            watched_ns: 2_500_000_000,
            first,
            last,
            peak: last.max(first),
            limit: Some(1_024),
            hard_limit: (pid == 3).then_some(4_096),
            trend: Some(Trend { slope_per_second: 4.0, low: 3.0, high: 5.0, points: 9 }),
            gained: vec![1, -2],
            shared_with: None,
            own: false,
        }
    }

    #[test]
    fn processes_that_gained_come_first_and_those_that_shrank_only_when_all_are_asked_for() {
        let fd =
            Fd { processes: vec![process(1, 9, 3), process(2, 3, 10), process(3, 50, 90), process(4, 8, 8)], ..Fd::default() };
        let pids = |min, limit| fd_processes(&fd, min, limit).iter().map(|process| process.pid).collect::<Vec<_>>();
        assert_eq!((pids(7, 9), pids(8, 9), pids(1, 1)), (vec![3, 2], vec![3], vec![3]));
        assert_eq!(pids(0, 9), [3, 2, 4, 1]);
        let view = &fd_processes(&fd, 1, 1)[0];
        assert_eq!(
            (view.watched, view.growth.map(|growth| growth.low), view.gained.as_slice()),
            (2.5, Some(3.0), [1, -2].as_slice())
        );
        assert_eq!((hard_limit(&fd, 3), hard_limit(&fd, 1), hard_limit(&fd, 9)), (Some(4_096), None, None));
    }
}
