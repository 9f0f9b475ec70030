//! Run-queue delay without eBPF: totals from the scheduler's own account in `/proc`. Averages, no percentiles, no single waits.
//!
//! `/proc/schedstat` (`CONFIG_SCHEDSTATS`) has the host's total, every ended task included. `/proc/<pid>/task/<tid>/schedstat`
//! (`CONFIG_SCHED_INFO`) has each living thread, from which come the control groups, background and own work, and who ran; where
//! the former is absent, the host's total is their sum. The kernel counts every arrival on a CPU as the end of a wait and leaves
//! the idle task out.

use std::collections::HashMap;

use kerno_signals::{CgroupDelay, CollectorReport, Families, Latency, Runner, Sched};

use super::{NAME, RUNNERS};
use crate::collector::{Collector, Failure, Moment, load_error::Explained, report};
use crate::platform::cgroup::{self, Hierarchy, Names, Weights};
use crate::platform::schedstat::{self, Waits};
use crate::platform::{self, Root, process, threads::Threads};

/// Why run-queue delay cannot be had from `/proc`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither file is there.
    #[error("the kernel does not count run-queue delay (built without CONFIG_SCHEDSTATS and CONFIG_SCHED_INFO)")]
    NotCounted(#[source] platform::Error),
    /// Only threads are counted, and most of them cannot be seen.
    #[error("/proc/schedstat is not there (kernel built without CONFIG_SCHEDSTATS), and {0}")]
    Hidden(&'static str),
}

/// What a reading may cost, in the units of [`Threads::go_on`].
#[derive(Clone, Copy, Debug)]
struct Budget {
    /// At the window's start and end.
    edge: usize,
    tick: usize,
}

const BUDGET: Budget = Budget { edge: 16_384, tick: 4_096 };

/// Threads that are kept.
const MOST: usize = 131_072;

/// A running measurement.
#[derive(Debug)]
pub struct SchedFallback {
    root: Root,
    hierarchy: Result<Hierarchy, platform::Error>,
    /// The host's total at the start.
    start: Option<Waits>,
    /// What each thread had when it was last read, by process and thread id, and the walk that read it.
    threads: HashMap<(u32, u32), (Waits, u32)>,
    walk: Threads,
    budget: Budget,
    /// Every thread was read at the start: what is found later was born since.
    is_complete: bool,
    /// When that was, clock ticks after boot.
    start_ticks: u64,
    sums: Sums,
}

/// What was added since the start.
#[derive(Debug, Default)]
struct Sums {
    foreground: Waits,
    background: Waits,
    own: Waits,
    groups: HashMap<String, Group>,
    processes: HashMap<u32, Process>,
}

#[derive(Debug, Default)]
struct Group {
    foreground: Waits,
    background_waits: u64,
    cpu_ns: u64,
}

#[derive(Debug, Default)]
struct Process {
    comm: String,
    cgroup: Option<String>,
    cpu_ns: u64,
}

impl SchedFallback {
    /// Takes the first reading.
    pub fn start() -> Result<Self, Error> {
        Self::start_at(Root::default(), BUDGET)
    }

    fn start_at(root: Root, budget: Budget) -> Result<Self, Error> {
        let own = std::process::id();
        let start = match (schedstat::host(&root), schedstat::thread(&root, own, own)) {
            (Ok(total), _) => Some(total),
            (Err(_), Ok(_)) => None,
            (Err(error), Err(_)) => return Err(Error::NotCounted(error)),
        };
        if let (None, Some(hidden)) = (start, process::hidden(&root)) {
            return Err(Error::Hidden(hidden));
        }
        let hierarchy = Hierarchy::find(&root);
        // Where that is not told, no thread is taken for younger.
        let start_ticks = process::ticks_since_boot(&root).unwrap_or(u64::MAX);
        let (mut walk, mut threads) = (Threads::default(), HashMap::new());
        let is_complete = walk.go_on(&root, budget.edge, |pid, tid| {
            if let Ok(waits) = schedstat::thread(&root, pid, tid)
                && threads.len() < MOST
            {
                threads.insert((pid, tid), (waits, 0));
            }
        });
        let is_complete = is_complete && threads.len() < MOST;
        Ok(Self { root, hierarchy, start, threads, walk, budget, is_complete, start_ticks, sums: Sums::default() })
    }

    /// Reads threads again, all of them where they are not too many for `budget`, so that those which end before the window does are
    /// counted up to now.
    fn read_again(&mut self, budget: usize) {
        let Self { root, threads, walk, is_complete, start_ticks, .. } = self;
        let mut advanced: HashMap<u32, Vec<(u32, Waits)>> = HashMap::new();
        let number = walk.walk();
        let is_done = walk.go_on(root, budget, |pid, tid| {
            let Ok(waits) = schedstat::thread(root, pid, tid) else { return };
            let before = match threads.get(&(pid, tid)) {
                Some((before, _)) if before.count <= waits.count => *before,
                // Its counters fell: an old id that is used again.
                Some(_) => Waits::default(),
                None if threads.len() >= MOST => return,
                None if *is_complete || is_born_since(root, pid, tid, *start_ticks) => Waits::default(),
                None => waits,
            };
            threads.insert((pid, tid), (waits, number));
            let added = waits.since(before);
            if added != Waits::default() {
                advanced.entry(pid).or_default().push((tid, added));
            }
        });
        if is_done {
            threads.retain(|_, (_, walk)| *walk == number);
        }
        for (pid, threads) in advanced {
            self.add(pid, &threads);
        }
    }

    fn add(&mut self, pid: u32, threads: &[(u32, Waits)]) {
        let cgroup = self.hierarchy.as_ref().ok().and_then(|hierarchy| hierarchy.path_of(&self.root, pid).ok());
        let process = self.sums.processes.entry(pid).or_default();
        if let Ok(comm) = process::comm(&self.root, pid) {
            process.comm = comm;
        }
        process.cgroup = cgroup.clone().or(process.cgroup.take());
        let mut group = process.cgroup.clone().map(|path| self.sums.groups.entry(path).or_default());
        for (tid, added) in threads {
            process.cpu_ns = process.cpu_ns.saturating_add(added.cpu_ns);
            let background = process::thread_stat(&self.root, pid, *tid).is_ok_and(|stat| stat.is_background());
            if let Some(group) = &mut group {
                group.cpu_ns = group.cpu_ns.saturating_add(added.cpu_ns);
            }
            if pid == std::process::id() {
                self.sums.own.add(*added);
            } else if background {
                self.sums.background.add(*added);
                if let Some(group) = &mut group {
                    group.background_waits = group.background_waits.saturating_add(added.count);
                }
            } else {
                self.sums.foreground.add(*added);
                if let Some(group) = &mut group {
                    group.foreground.add(*added);
                }
            }
        }
    }

    /// What `/proc/schedstat` gained; `None` where it is absent or stands still.
    fn total(&self) -> Option<Waits> {
        let total = schedstat::host(&self.root).ok()?.since(self.start?);
        (total.count > 0).then_some(total)
    }

    /// Takes the last reading. The second value names the files that were read, and what could not be; the third tells of threads
    /// that were too many.
    fn end(mut self, names: Option<&Names>) -> (Sched, String, Option<Explained>) {
        self.read_again(self.budget.edge);
        let unread = self.walk.left_out(&self.root).map(unread);
        let total = self.total();
        let Self { root, hierarchy, sums, .. } = self;
        let host = total.map_or(sums.foreground, |total| total.since(sums.background).since(sums.own));
        let mut source = match total {
            Some(_) => "/proc/schedstat and /proc/<pid>/task/<tid>/schedstat".to_owned(),
            None => "/proc/<pid>/task/<tid>/schedstat".to_owned(),
        };
        if let Some(hidden) = process::hidden(&root) {
            source += &format!(" ({hidden})");
        }
        if let Err(error) = &hierarchy {
            source += &format!(" (control groups unknown: {error})");
        }
        let cgroups = delays(names, sums.groups);
        let sched = Sched {
            host: latency(host),
            background: latency(sums.background),
            own: latency(sums.own),
            cgroups,
            // The longest single wait of a task is not in these files.
            tasks: Vec::new(),
            runners: runners(sums.processes),
        };
        (sched, source, unread)
    }
}

impl Collector for SchedFallback {
    /// Waits counted so far.
    fn events(&self) -> u64 {
        let Sums { foreground, background, own, .. } = &self.sums;
        let counted = foreground.count.saturating_add(background.count).saturating_add(own.count);
        self.total().map_or(counted, |total| total.count.max(counted))
    }

    fn tick(&mut self, _moment: &Moment<'_>) {
        self.read_again(self.budget.tick);
    }

    fn finish(self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        let (family, source, unread) = self.end(moment.names);
        let events = [&family.host, &family.background, &family.own].iter().map(|waits| waits.count).sum();
        families.sched = Some(family);
        Ok(report::partial(report::fallback(NAME, events, source), unread))
    }
}

fn is_born_since(root: &Root, pid: u32, tid: u32, ticks: u64) -> bool {
    process::thread_stat(root, pid, tid).is_ok_and(|stat| stat.start_ticks >= ticks)
}

fn unread((few, all): (u64, u64)) -> Explained {
    Explained {
        reason: format!(
            "the waits of groups and processes are those of a part of the threads: of about {all}, too many to be read at once, {few} \
            were read less than twice, the others up to some time before the end"
        ),
        fix: "let kerno use eBPF, which counts every wait: `kerno check` tells what is missing for it".to_owned(),
    }
}

fn latency(waits: Waits) -> Latency {
    Latency { count: waits.count, sum_ns: waits.delay_ns, max_ns: None, histogram: None }
}

fn delays(names: Option<&Names>, groups: HashMap<String, Group>) -> Vec<CgroupDelay> {
    let mut weights = names.map(Weights::new);
    let delay = |(path, group): (String, Group)| {
        let id = names.and_then(|names| names.id(&path));
        CgroupDelay {
            // A group that came and went between two scans has a path, but no number.
            cgroup: cgroup::describe(id.unwrap_or(0), &path),
            delay: latency(group.foreground),
            background_waits: group.background_waits,
            cpu_ns: group.cpu_ns,
            // What the cpu collector read is added when both have ended.
            throttled_ns: None,
            lowest_weight: id.zip(weights.as_mut()).is_some_and(|(id, weights)| weights.asked_to_wait(id)),
        }
    };
    let mut delays: Vec<_> = groups.into_iter().map(delay).collect();
    delays.sort_by(|a, b| b.delay.sum_ns.cmp(&a.delay.sum_ns).then_with(|| a.cgroup.path.cmp(&b.cgroup.path)));
    delays
}

fn runners(processes: HashMap<u32, Process>) -> Vec<Runner> {
    let own = std::process::id();
    let runner = |(pid, Process { comm, cgroup, cpu_ns })| Runner { pid, comm, cgroup, cpu_ns, own: pid == own };
    let mut runners: Vec<_> = processes.into_iter().map(runner).filter(|runner| runner.cpu_ns > 0).collect();
    runners.sort_by_key(|runner| (std::cmp::Reverse(runner.cpu_ns), runner.pid));
    runners.truncate(RUNNERS);
    runners
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Host {
        directory: tempfile::TempDir,
    }

    impl Host {
        fn new() -> Self {
            let host = Self { directory: tempfile::tempdir().unwrap() };
            host.write("proc/self/mountinfo", "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n");
            host.write("cg/web.slice/cgroup.procs", "");
            host.thread(std::process::id(), 0, (0, 0, 1));
            host.thread(1, 0, (0, 0, 0));
            fs::create_dir_all(host.directory.path().join("proc/self/ns")).unwrap();
            std::os::unix::fs::symlink("pid:[4026531836]", host.directory.path().join("proc/self/ns/pid")).unwrap();
            host
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn thread(&self, pid: u32, nice: i32, (cpu, delay, count): (u64, u64, u64)) {
            let zeros = "0 ".repeat(18);
            let stat = format!("{pid} (p{pid}) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 {nice} 1 0 5 {zeros}0 0 0\n");
            self.write(&format!("proc/{pid}/task/{pid}/stat"), &stat);
            self.write(&format!("proc/{pid}/task/{pid}/schedstat"), &format!("{cpu} {delay} {count}\n"));
            self.write(&format!("proc/{pid}/comm"), &format!("p{pid}\n"));
            self.write(&format!("proc/{pid}/cgroup"), "0::/web.slice\n");
        }

        fn total(&self, delay: u64, count: u64) {
            self.write("proc/schedstat", &format!("version 17\ntimestamp 1\ncpu0 0 0 0 0 0 0 9 {delay} {count}\n"));
        }

        fn names(&self) -> Option<Names> {
            Some(Names::new(Root::new(self.directory.path())).unwrap())
        }

        fn start(&self) -> Result<SchedFallback, Error> {
            SchedFallback::start_at(Root::new(self.directory.path()), BUDGET)
        }
    }

    #[test]
    fn work_is_told_apart_and_the_total_includes_tasks_that_ended() {
        let (host, own) = (Host::new(), std::process::id());
        host.total(1_000, 100);
        host.thread(10_000_001, 0, (50, 500, 10));
        host.thread(10_000_002, 19, (60, 600, 20));
        let mut running = host.start().unwrap();
        host.thread(10_000_001, 0, (150, 700, 14));
        host.thread(10_000_002, 19, (1_060, 900, 23));
        host.thread(own, 0, (5, 7, 2));
        host.thread(10_000_003, 0, (1, 40, 2));
        running.read_again(BUDGET.tick);
        assert_eq!(running.events(), 10);
        fs::remove_dir_all(host.directory.path().join("proc/10000003")).unwrap();
        host.total(2_000, 150);
        let (sched, source, None) = running.end(host.names().as_ref()) else { panic!("all were read") };

        assert_eq!(source, "/proc/schedstat and /proc/<pid>/task/<tid>/schedstat");
        assert_eq!((sched.background.count, sched.background.sum_ns), (3, 300));
        assert_eq!((sched.own.count, sched.own.sum_ns), (1, 7));
        assert_eq!((sched.host.count, sched.host.sum_ns), (50 - 3 - 1, 1_000 - 300 - 7));
        assert_eq!((sched.host.max_ns, &sched.host.histogram), (None, &None));
        let [group] = &sched.cgroups[..] else { panic!("{:?}", sched.cgroups) };
        assert_eq!(group.cgroup.unit.as_deref(), Some("web.slice"));
        assert_ne!(group.cgroup.id, 0);
        assert_eq!((group.delay.count, group.delay.sum_ns, group.background_waits), (4 + 2, 200 + 40, 3));
        let runners: Vec<_> = sched.runners.iter().map(|runner| (runner.pid, runner.cpu_ns, runner.own)).collect();
        assert_eq!(runners, [(10_000_002, 1_000, false), (10_000_001, 100, false), (own, 5, true), (10_000_003, 1, false)]);
        assert!(sched.tasks.is_empty());
    }

    #[test]
    fn without_the_total_the_threads_are_added_up() {
        let host = Host::new();
        host.thread(10_000_001, 0, (50, 500, 10));
        let running = host.start().unwrap();
        host.thread(10_000_001, 0, (50, 800, 13));
        let (sched, source, None) = running.end(host.names().as_ref()) else { panic!("all were read") };
        assert_eq!(source, "/proc/<pid>/task/<tid>/schedstat");
        assert_eq!((sched.host.count, sched.host.sum_ns), (3, 300));
    }

    #[test]
    fn more_threads_than_can_be_read_at_once_are_read_in_turn_and_it_is_told() {
        let host = Host::new();
        let thread = |pid: u32, count| host.thread(10_000_000 + pid, 0, (0, 10 * count, count));
        (0..38).for_each(|pid| thread(pid, 50));
        host.write("proc/loadavg", "0.1 0.1 0.1 1/40 7\n");
        host.write("proc/uptime", "0.07 0.01\n");
        // Ten threads, each after its process's list.
        let mut running = SchedFallback::start_at(Root::new(host.directory.path()), Budget { edge: 20, tick: 20 }).unwrap();
        assert_eq!(running.threads.len(), 10);
        running.read_again(20);
        assert_eq!((running.threads.len(), running.events()), (20, 0), "what is found late is not taken for new");
        (0..2).for_each(|_| running.read_again(20));
        (0..38).for_each(|pid| thread(pid, 51));
        host.thread(std::process::id(), 0, (0, 0, 2));
        host.thread(1, 0, (0, 10, 1));
        let (sched, _, unread) = running.end(host.names().as_ref());
        assert_eq!(sched.host.count + sched.own.count, 10, "those that were read twice");
        let reason = unread.unwrap().reason;
        assert!(reason.contains("of about 40, too many to be read at once, 30 were read less than twice"), "{reason}");
    }

    #[test]
    fn an_id_used_again_counts_from_nothing() {
        let host = Host::new();
        host.thread(10_000_001, 0, (50, 500, 10));
        let running = host.start().unwrap();
        host.thread(10_000_001, 0, (3, 30, 2));
        let (sched, _, None) = running.end(host.names().as_ref()) else { panic!("all were read") };
        assert_eq!((sched.host.count, sched.host.sum_ns), (2, 30));
    }

    #[test]
    fn a_host_that_does_not_count_is_an_error_not_a_zero() {
        let empty = tempfile::tempdir().unwrap();
        let error = SchedFallback::start_at(Root::new(empty.path()), BUDGET).unwrap_err();
        assert!(matches!(error, Error::NotCounted(_)), "{error}");

        let host = Host::new();
        fs::remove_file(host.directory.path().join("proc/self/ns/pid")).unwrap();
        std::os::unix::fs::symlink("pid:[4026532000]", host.directory.path().join("proc/self/ns/pid")).unwrap();
        assert!(matches!(host.start().unwrap_err(), Error::Hidden(_)));
    }

    #[test]
    fn this_host_is_measured_or_says_why_not() {
        match SchedFallback::start() {
            Ok(running) => {
                let until = std::time::Instant::now() + std::time::Duration::from_millis(200);
                while std::time::Instant::now() < until {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                let (sched, source, None) = running.end(None) else { panic!("all were read") };
                assert!(sched.own.count > 10, "{source}: {:?}", sched.own);
                assert!(sched.runners.iter().any(|runner| runner.own), "{source}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
