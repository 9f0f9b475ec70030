//! Who a process is or was: its names are noted while it lives, so that one that has just exited can still be told.

use std::collections::{HashMap, VecDeque};

use kerno_signals::Process;

use crate::platform::{Root, process};

/// Processes that are kept. Those noted longest ago go first.
const MOST: usize = 8_192;

/// Ids that are looked at in one tick: the youngest.
const A_TICK: u32 = 64;

/// The processes that were noted.
#[derive(Debug)]
pub struct Processes {
    root: Root,
    kept: Kept,
}

#[derive(Debug, Default)]
struct Kept {
    by_pid: HashMap<u32, Process>,
    order: VecDeque<(u32, u64)>,
    /// The highest id that was noted in a tick.
    newest: u32,
}

impl Processes {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self { root, kept: Kept::default() }
    }

    /// Notes processes that are new since the last call, as many as a tick may take. The list of all is not read for it: it may be
    /// long.
    pub fn refresh(&mut self) {
        let Ok(newest) = process::newest(&self.root) else { return };
        let kept = &mut self.kept;
        // Ids begin anew when they have been used up.
        let after = if newest < kept.newest { 0 } else { kept.newest };
        kept.newest = newest;
        let after = after.max(newest.saturating_sub(A_TICK));
        for pid in after + 1..=newest {
            kept.note(&self.root, pid);
        }
    }

    /// The process of an id now; if there is none any more, the one that had it when it was last noted. `None` when it was never
    /// noted.
    #[must_use]
    pub fn get(&mut self, pid: u32) -> Option<Process> {
        self.kept.note(&self.root, pid);
        self.kept.by_pid.get(&pid).cloned()
    }
}

impl Kept {
    fn note(&mut self, root: &Root, pid: u32) {
        let Ok(stat) = process::stat(root, pid) else {
            if let Some(gone) = self.by_pid.get_mut(&pid) {
                gone.ended = true;
            }
            return;
        };
        let start_ns = process::ticks_ns(stat.start_ticks);
        let known = self.by_pid.get_mut(&pid).filter(|known| known.start_ns == start_ns);
        // A program replaces its command line when it executes another, which nearly always changes its name.
        if let Some(known) = known.filter(|known| known.comm == stat.comm) {
            known.ended = false;
            return;
        }
        let command_line = process::command_line(root, pid).unwrap_or_default();
        self.by_pid.insert(pid, Process { pid, comm: stat.comm, command_line, start_ns, ended: false });
        self.order.push_back((pid, start_ns));
        while self.order.len() > MOST {
            let Some((pid, start_ns)) = self.order.pop_front() else { break };
            let is_last = !self.order.contains(&(pid, start_ns));
            if is_last && self.by_pid.get(&pid).is_some_and(|oldest| oldest.start_ns == start_ns) {
                self.by_pid.remove(&pid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Nanoseconds of a clock tick.
    const TICK: u64 = 10_000_000;

    struct Host(tempfile::TempDir);

    impl Host {
        fn process(&self, pid: u32, comm: &str, start: u64) {
            let directory = self.0.path().join(format!("proc/{pid}"));
            fs::create_dir_all(&directory).unwrap();
            let zeros = "0 ".repeat(30);
            fs::write(directory.join("stat"), format!("{pid} ({comm}) S 1 {}{start} {zeros}\n", "0 ".repeat(17))).unwrap();
            fs::write(directory.join("cmdline"), format!("/bin/{comm}\0-x\0")).unwrap();
        }

        fn newest(&self, pid: u32) {
            fs::write(self.0.path().join("proc/loadavg"), format!("0.10 0.20 0.30 1/300 {pid}\n")).unwrap();
        }

        fn exit(&self, pid: u32) {
            fs::remove_dir_all(self.0.path().join(format!("proc/{pid}"))).unwrap();
        }
    }

    fn host() -> (Host, Processes) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("proc")).unwrap();
        let processes = Processes::new(Root::new(directory.path()));
        (Host(directory), processes)
    }

    #[test]
    fn one_that_has_exited_is_still_told() {
        let (host, mut processes) = host();
        host.process(70, "db", 5);
        host.newest(70);
        processes.refresh();
        host.exit(70);
        let gone = processes.get(70).unwrap();
        assert_eq!((gone.comm.as_str(), gone.command_line.as_str(), gone.start_ns), ("db", "/bin/db -x", 5 * TICK));
        assert!(gone.ended && processes.get(71).is_none());
        host.process(70, "web", 9);
        let reused = processes.get(70).unwrap();
        assert_eq!((reused.comm.as_str(), reused.start_ns, reused.ended), ("web", 9 * TICK, false));
    }

    #[test]
    fn one_that_executed_another_program_has_its_name() {
        let (host, mut processes) = host();
        host.process(70, "sh", 5);
        host.newest(70);
        processes.refresh();
        host.process(70, "java", 5);
        assert_eq!(processes.get(70).unwrap().command_line, "/bin/java -x");
    }

    #[test]
    fn the_number_kept_is_bounded_and_the_youngest_stay() {
        let (host, mut processes) = host();
        for pid in 1..=MOST as u32 + 100 {
            host.process(7, &format!("p{pid}"), u64::from(pid));
            assert!(processes.get(7).is_some());
        }
        let kept = &processes.kept;
        assert!(kept.order.len() <= MOST && kept.by_pid.len() == 1);
        assert_eq!(processes.get(7).map(|process| process.start_ns), Some((MOST as u64 + 100) * TICK));
    }

    #[test]
    fn a_tick_notes_a_bounded_number() {
        let (host, mut processes) = host();
        (1..=200).for_each(|pid| host.process(pid, "x", 1));
        host.newest(200);
        processes.refresh();
        assert_eq!(processes.kept.by_pid.len(), A_TICK as usize);
        host.process(201, "late", 2);
        host.newest(201);
        processes.refresh();
        host.exit(201);
        assert_eq!(processes.get(201).map(|process| process.comm).as_deref(), Some("late"));
    }
}
