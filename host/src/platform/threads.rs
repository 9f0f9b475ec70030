//! All threads of the host, a piece at a time: a tick must not go over fifty thousand of them.

use super::{Root, process};

/// Walks over the threads of all processes, goes on where it stopped, and begins anew when it is done.
#[derive(Debug, Default)]
pub struct Threads {
    /// Processes that are still to be listed.
    pids: Vec<u32>,
    /// Threads of the last listed process that are still to be handed over.
    tids: Vec<u32>,
    pid: u32,
    /// Walks that are done.
    walks: u32,
    /// Threads handed over in the walk that is under way.
    handed: u64,
    /// A walk is under way.
    is_begun: bool,
    /// The first call went over all threads; `None` before it.
    first_was_whole: Option<bool>,
    /// The latest one did.
    last_was_whole: bool,
}

impl Threads {
    /// Hands over process and thread ids until the walk is done or `budget` is used up, to which each thread and each list of a
    /// process's threads adds one. A walk that is under way begins anew where all fit in. Tells whether the walk is done.
    pub fn go_on(&mut self, root: &Root, mut budget: usize, mut take: impl FnMut(u32, u32)) -> bool {
        let is_anew = !self.is_begun || fits(root, budget);
        if is_anew {
            (self.pids, self.tids, self.handed, self.is_begun) = (process::pids(root), vec![], 0, true);
        }
        while budget > 0 {
            budget -= 1;
            if let Some(tid) = self.tids.pop() {
                self.handed += 1;
                take(self.pid, tid);
            } else if let Some(pid) = self.pids.pop() {
                (self.pid, self.tids) = (pid, process::tids(root, pid));
            } else {
                break;
            }
        }
        let is_done = self.tids.is_empty() && self.pids.is_empty();
        if is_done {
            (self.walks, self.handed, self.is_begun) = (self.walks.wrapping_add(1), 0, false);
        }
        self.last_was_whole = is_anew && is_done;
        self.first_was_whole.get_or_insert(self.last_was_whole);
        is_done
    }

    /// Number of the walk that is under way, or of the next one.
    #[must_use]
    pub fn walk(&self) -> u32 {
        self.walks
    }

    /// How many threads have been handed over less than twice, and about how many there are; `None` when the first and the latest call
    /// went over all of them.
    #[must_use]
    pub fn left_out(&self, root: &Root) -> Option<(u64, u64)> {
        if self.first_was_whole == Some(true) && self.last_was_whole {
            return None;
        }
        let all = process::threads(root).unwrap_or(0).max(self.handed);
        let twice = match self.walks {
            0 => 0,
            1 => self.handed,
            _ => all,
        };
        Some((all - twice, all))
    }
}

/// Whether `budget` is enough for all threads.
fn fits(root: &Root, budget: usize) -> bool {
    let threads = process::threads(root).ok().and_then(|threads| usize::try_from(threads).ok());
    threads.is_some_and(|threads| threads <= budget && threads + process::pids(root).len() <= budget)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;

    fn host(processes: u32, threads: u32) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        for pid in 1..=processes {
            for tid in 0..threads {
                fs::create_dir_all(directory.path().join(format!("proc/{pid}/task/{}", pid + 1_000 * tid))).unwrap();
            }
        }
        let all = processes * threads;
        fs::write(directory.path().join("proc/loadavg"), format!("0.10 0.20 0.30 1/{all} 7\n")).unwrap();
        let root = Root::new(directory.path());
        (directory, root)
    }

    #[test]
    fn a_walk_goes_on_where_it_stopped_and_comes_to_every_thread_once() {
        let (_directory, root) = host(7, 5);
        let (mut threads, mut times) = (Threads::default(), BTreeMap::<(u32, u32), u32>::new());
        let mut calls = 0;
        let mut piece = |threads: &mut Threads| {
            let before: u32 = times.values().sum();
            let is_done = threads.go_on(&root, 10, |pid, tid| *times.entry((pid, tid)).or_default() += 1);
            assert!(times.values().sum::<u32>() - before <= 10);
            (is_done, times.len(), times.values().copied().max())
        };
        while !piece(&mut threads).0 {
            calls += 1;
        }
        // Seven lists and 35 threads.
        assert_eq!((calls, threads.walk(), threads.left_out(&root)), (4, 1, Some((35, 35))));
        assert_eq!(piece(&mut threads), (false, 35, Some(2)));
        let (left_out, _) = threads.left_out(&root).unwrap();
        assert!((25..30).contains(&left_out), "{left_out}");
        while !piece(&mut threads).0 {}
        assert_eq!((threads.walk(), threads.left_out(&root)), (2, Some((0, 35))));
    }

    #[test]
    fn a_walk_under_way_begins_anew_where_all_fit_in() {
        let (_directory, root) = host(7, 5);
        let (mut threads, mut found) = (Threads::default(), 0);
        assert!(threads.go_on(&root, 100, |_, _| {}));
        assert!(!threads.go_on(&root, 10, |_, _| {}) && threads.left_out(&root).is_some());
        assert!(threads.go_on(&root, 100, |_, _| found += 1));
        assert_eq!((found, threads.left_out(&root)), (35, None));
    }

    #[test]
    fn a_small_host_is_gone_over_at_each_call() {
        let (_directory, root) = host(20, 3);
        let mut threads = Threads::default();
        for walk in 1..4 {
            let mut found = 0;
            assert!(threads.go_on(&root, 80, |_, _| found += 1));
            assert_eq!((found, threads.walk(), threads.left_out(&root)), (60, walk, None));
        }
    }
}
