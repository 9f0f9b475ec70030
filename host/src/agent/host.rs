//! The host's part of a snapshot: facts, and what its counters gained over the window.

use kerno_signals::Host;

use super::Options;
use crate::platform::host::{Facts, facts};
use crate::platform::stat::CpuTime;
use crate::platform::{Error, Root, psi, stat};

/// Facts and counters as of the window's start.
#[derive(Debug)]
pub(super) struct Start {
    root: Root,
    facts: Facts,
    cpu_time: Option<CpuTime>,
    cpu_stall_us: Option<u64>,
}

impl Start {
    /// Reads them. A counter that this kernel does not have is not known, which the snapshot says.
    pub(super) fn read(options: &Options) -> Result<Self, Error> {
        let root = Root::default();
        let facts = facts(&root, options.node_name.as_deref())?;
        let (cpu_time, cpu_stall_us) = counters(&root);
        Ok(Self { root, facts, cpu_time, cpu_stall_us })
    }

    /// The snapshot's host at the end of a window of so many nanoseconds.
    pub(super) fn finish(&self, options: &Options, duration_ns: u64) -> Host {
        let (cpu_time, cpu_stall_us) = counters(&self.root);
        let steal = self.cpu_time.zip(cpu_time).and_then(|(start, end)| end.steal_ratio_since(start));
        let stalled = self.cpu_stall_us.zip(cpu_stall_us).and_then(|(start, end)| end.checked_sub(start));
        Host {
            name: self.facts.name.clone(),
            kernel: self.facts.kernel.clone(),
            arch: self.facts.arch.clone(),
            cpus: self.facts.cpus,
            memory_bytes: self.facts.memory_bytes,
            environment: self.facts.environment,
            cluster: options.cluster.clone(),
            steal_ratio: steal,
            cpu_pressure_ratio: stalled.and_then(|us| ratio(us, duration_ns)),
        }
    }
}

fn counters(root: &Root) -> (Option<CpuTime>, Option<u64>) {
    (stat::read(root).ok(), psi::read(root, "cpu").ok().map(|pressure| pressure.some_us))
}

/// Share of a window that was stalled, never above 1: the two were not read at exactly the same time.
fn ratio(stalled_us: u64, duration_ns: u64) -> Option<f64> {
    (duration_ns > 0).then(|| (stalled_us as f64 * 1e3 / duration_ns as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stall_time_is_a_share_of_the_window() {
        assert_eq!(ratio(250_000, 1_000_000_000), Some(0.25));
        assert_eq!(ratio(1_000_100, 1_000_000_000), Some(1.0));
        assert_eq!(ratio(1, 0), None);
    }
}
