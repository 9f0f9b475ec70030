//! Answers the contract's functions from the snapshot, through `kerno_signals::query`.

mod block;
mod cpu;
mod fd;
mod memory;
mod oom;
mod sched;
mod start;
mod syscall;
mod tcp;

use kerno_signals::{Snapshot, query};

use super::bindings::kerno::rules::{host, log, params, types};
use super::sandbox::State;

/// A log line is cut here, bytes.
const LONGEST_LINE: usize = 1024;
/// Lines of one evaluation that are kept.
const MOST_LINES: u32 = 64;

/// Why a call of a rule was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it asks for the parameter `{0}`, which its description does not declare: declare it")]
    Parameter(String),
    #[error("it asks for signals while it describes itself: ask for them in `evaluate`")]
    Describing,
}

impl State {
    pub(super) fn window(&self) -> wasmtime::Result<&Snapshot> {
        self.snapshot.as_deref().ok_or_else(|| wasmtime::Error::new(Refusal::Describing))
    }
}

impl types::Host for State {}

impl host::Host for State {
    fn machine(&mut self) -> wasmtime::Result<host::MachineInfo> {
        let query::MachineInfo { name, kernel, arch, cpus, memory_bytes } = query::machine(self.window()?);
        Ok(host::MachineInfo { name, kernel, arch, cpus, memory_bytes })
    }

    fn window_seconds(&mut self) -> wasmtime::Result<f64> {
        Ok(query::window_seconds(self.window()?))
    }

    fn family(&mut self, name: String) -> wasmtime::Result<Option<host::FamilyInfo>> {
        Ok(query::family(self.window()?, &name).map(|family| {
            let query::FamilyInfo { coverage, source, reason, events, lost, blind } = family;
            let coverage = match coverage {
                query::CoverageView::Full => host::Coverage::Full,
                query::CoverageView::Partial => host::Coverage::Partial,
                query::CoverageView::Fallback => host::Coverage::Fallback,
            };
            host::FamilyInfo { coverage, source, reason, events, lost, blind }
        }))
    }

    fn steal_ratio(&mut self) -> wasmtime::Result<Option<f64>> {
        Ok(self.window()?.host.steal_ratio)
    }

    fn cpu_pressure_ratio(&mut self) -> wasmtime::Result<Option<f64>> {
        Ok(self.window()?.host.cpu_pressure_ratio)
    }
}

impl params::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<f64> {
        match self.parameters.get(&name) {
            Some(value) => Ok(*value),
            None => {
                let name = name.chars().filter(|c| !c.is_control()).take(64).collect();
                Err(wasmtime::Error::new(Refusal::Parameter(name)))
            }
        }
    }
}

impl log::Host for State {
    fn debug(&mut self, line: String) -> wasmtime::Result<()> {
        if self.log_lines < MOST_LINES {
            self.log_lines += 1;
            let end = line.floor_char_boundary(LONGEST_LINE);
            tracing::debug!(rule = %self.rule, "{}", line[..end].escape_debug());
        }
        Ok(())
    }
}

fn latency(view: query::LatencyView) -> types::Latency {
    let query::LatencyView { count, mean, p50, p95, p99, max } = view;
    types::Latency { count, mean, p50, p95, p99, max }
}

fn cgroup(view: query::CgroupView) -> types::Cgroup {
    let query::CgroupView { id, path, unit, container } = view;
    types::Cgroup { id, path, unit, container }
}
