//! kerno and its peers as processes that are started, ready, and ended.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::programs::{self, Cost};
use crate::{guest::sleep, launch::Launch};

/// A program that measures until it is ended.
pub struct Tool {
    command: &'static [&'static str],
    /// Words of the workloads that it measures something of; all when there are none.
    workloads: &'static [&'static str],
    /// Whether it is nobody, with the capabilities that kerno needs and no others, instead of root.
    has_least_rights: bool,
}

impl Tool {
    const fn new(command: &'static [&'static str], workloads: &'static [&'static str]) -> Self {
        Self { command, workloads, has_least_rights: false }
    }
}

/// Nothing.
pub const OFF: Tool = Tool::new(&[], &[]);
pub const KERNO: Tool = Tool::new(&["/job/kerno", "doctor", "-d", "5m", "-q"], &[]);
/// With the hooks that it has where perf events are refused.
pub const KERNO_WITHOUT_PERF_EVENTS: Tool = Tool { has_least_rights: true, ..KERNO };
pub const SYSCOUNT: Tool = Tool::new(&["syscount", "-L", "-d", "1000"], &["getppid", "pipe"]);
pub const RUNQLAT: Tool = Tool::new(&["runqlat", "1000", "1"], &["getppid", "pipe"]);
pub const BIOLATENCY: Tool = Tool::new(&["biolatency", "1000", "1"], &["disk"]);
pub const TCPRTT: Tool = Tool::new(&["tcprtt", "-i", "1000", "-d", "1000"], &["tcp"]);

/// A tool with its programs attached.
pub struct Running {
    child: Option<Child>,
    /// Programs that were there before.
    others: Vec<u64>,
}

impl Tool {
    pub fn is_for(&self, workload: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|word| workload.contains(word))
    }

    /// Starts it and waits until its programs run; `None`, and told, where it does not.
    pub fn start(&self) -> Option<Running> {
        let others = programs::ids();
        let [program, arguments @ ..] = self.command else { return Some(Running { child: None, others }) };
        let mut command = if self.has_least_rights { Launch::least().command(&[]) } else { Command::new(program) };
        let child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = child else {
            println!("measured: {program} is not in this guest");
            return None;
        };
        let mut running = Running { child: Some(child), others };
        let start = Instant::now();
        let mut last = 0;
        // Ready when the number of its programs has not changed for a while.
        while start.elapsed() < Duration::from_secs(60) {
            sleep(2_000);
            let now = programs::ids().iter().filter(|id| !running.others.contains(id)).count();
            if now > 0 && now == last {
                return Some(running);
            }
            last = now;
            if running.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some()) {
                break;
            }
        }
        println!("measured: {program} does not run on this kernel");
        None
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Costs so far of its programs.
    pub fn costs(&self) -> Vec<Cost> {
        programs::costs(&self.others)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
            // The kernel takes programs off after a grace period.
            sleep(1_000);
        }
    }
}
