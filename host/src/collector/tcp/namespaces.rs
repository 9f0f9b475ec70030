//! The kernel's totals of every network namespace over the window, beside what its connections sent.

use std::collections::BTreeMap;

use kerno_signals::{NamespaceTotals, NetworkNamespace, NetworkProcess};

use super::family::{Sent, named};
use crate::platform::cgroup::Names;
use crate::platform::{Root, net, process};

/// Namespaces whose totals are read.
const MOST: usize = 1024;

/// Totals of the namespaces there were when the window began.
#[derive(Debug, Default)]
pub struct Namespaces {
    start: BTreeMap<u32, NamespaceTotals>,
    /// kerno's own.
    pub own: Option<u32>,
}

impl Namespaces {
    /// Reads them.
    pub fn begin(root: &Root, processes: &BTreeMap<u32, u32>) -> Self {
        let read = |(number, pid): (&u32, &u32)| Some((*number, net::totals(root, *pid).ok()?));
        Self { start: processes.iter().take(MOST).filter_map(read).collect(), own: net::namespace_of(root, std::process::id()) }
    }

    /// What became of them, and of those made since, which began at zero. `sent` is what connections did in each.
    pub fn end(
        &self,
        root: &Root,
        processes: &BTreeMap<u32, u32>,
        sent: &BTreeMap<u32, Sent>,
        names: Option<&Names>,
    ) -> Vec<NetworkNamespace> {
        let mut numbers: Vec<u32> = self.start.keys().chain(processes.keys()).chain(sent.keys()).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.truncate(MOST);
        let tell = |number: u32| {
            let pid = processes.get(&number).copied();
            let now = pid.and_then(|pid| net::totals(root, pid).ok());
            // Of one that was not read at the start nobody knows how old its totals are.
            let before = self.start.get(&number);
            let Sent { sent, retransmitted } = sent.get(&number).copied().unwrap_or_default();
            NetworkNamespace {
                number,
                own: self.own == Some(number),
                process: pid.and_then(|pid| Some(NetworkProcess { pid, comm: process::comm(root, pid).ok()? })),
                cgroup: pid.and_then(|pid| {
                    let path = names?.hierarchy().path_of(root, pid).ok()?;
                    named(names, names?.id(&path)?)
                }),
                totals: now.zip(before).map(|(now, before)| difference(&now, before)),
                sent,
                retransmitted,
            }
        };
        numbers.into_iter().map(tell).collect()
    }
}

fn difference(now: &NamespaceTotals, before: &NamespaceTotals) -> NamespaceTotals {
    let since = |of: fn(&NamespaceTotals) -> u64| of(now).saturating_sub(of(before));
    NamespaceTotals {
        out_segments: since(|totals| totals.out_segments),
        retransmitted: since(|totals| totals.retransmitted),
        resets_sent: since(|totals| totals.resets_sent),
        active_opens: since(|totals| totals.active_opens),
        passive_opens: since(|totals| totals.passive_opens),
        attempt_fails: since(|totals| totals.attempt_fails),
        established_resets: since(|totals| totals.established_resets),
        in_errors: since(|totals| totals.in_errors),
        syn_retransmitted: since(|totals| totals.syn_retransmitted),
        listen_overflows: since(|totals| totals.listen_overflows),
        listen_drops: since(|totals| totals.listen_drops),
        syn_queue_drops: since(|totals| totals.syn_queue_drops),
        loss_probes: since(|totals| totals.loss_probes),
        duplicates_reported: since(|totals| totals.duplicates_reported),
        lost_retransmitted: since(|totals| totals.lost_retransmitted),
        timeouts: since(|totals| totals.timeouts),
        backlog_drops: since(|totals| totals.backlog_drops),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(root: &std::path::Path, pid: u32, sent: u64) {
        let directory = root.join(format!("proc/{pid}"));
        fs::create_dir_all(directory.join("net")).unwrap();
        fs::write(directory.join("comm"), format!("p{pid}\n")).unwrap();
        fs::write(directory.join("net/snmp"), format!("Tcp: OutSegs RetransSegs\nTcp: {sent} 7\n")).unwrap();
    }

    #[test]
    fn totals_are_of_the_window_and_not_known_of_a_namespace_that_was_not_read_at_its_start() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::new(directory.path());
        write(directory.path(), 10, 100);
        let namespaces = Namespaces::begin(&root, &BTreeMap::from([(1, 10), (2, 11)]));
        write(directory.path(), 10, 160);
        write(directory.path(), 12, 5);
        let sent = BTreeMap::from([(1, Sent { sent: 50, retransmitted: 0 }), (9, Sent { sent: 1, retransmitted: 1 })]);
        let told = namespaces.end(&root, &BTreeMap::from([(1, 10), (3, 12)]), &sent, None);
        let brief: Vec<_> =
            told.iter().map(|one| (one.number, one.totals.as_ref().map(|t| t.out_segments), one.remainder())).collect();
        assert_eq!(brief, [(1, Some(60), Some(10)), (3, None, None), (9, None, None)]);
        assert_eq!(told[0].process.as_ref().unwrap().comm, "p10");
    }
}
