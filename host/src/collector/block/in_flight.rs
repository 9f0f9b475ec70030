//! Which requests are really in flight: what the programs saw issued and still have after a while, or, where completions were
//! missed, held against what the kernel says.
//!
//! A completion that the programs missed leaves an entry behind. It must never be told as a hung request.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use kerno_ebpf_common::block::{Issued, RequestKey, major, minor};
use kerno_signals::Operation;

use super::decode::Operations;
use crate::platform::{Root, diskstats};

/// Requests in flight of one device and operation, by when they were issued, youngest first.
pub type InFlight = BTreeMap<RequestKey, Vec<u64>>;

/// A request that is still there after this time was in flight when the window ended.
pub const SETTLE: Duration = Duration::from_millis(50);

/// The entries to believe where no completion was missed: those that are in both readings, by the request's address. A busy disk
/// completes requests while a table is read; what hangs stays.
pub fn lasting(first: Vec<(u64, Issued)>, second: &[(u64, Issued)]) -> InFlight {
    let still: HashSet<(u64, u64)> = second.iter().map(|(address, issued)| (*address, issued.at)).collect();
    let mut told = InFlight::new();
    for (address, Issued { at, key, .. }) in first {
        // A reading may have an entry twice.
        let ages = told.entry(key).or_default();
        if still.contains(&(address, at)) && !ages.contains(&at) {
            ages.push(at);
        }
    }
    told.retain(|_, ages| !ages.is_empty());
    told.values_mut().for_each(|ages| ages.sort_by_key(|at| Reverse(*at)));
    told
}

/// The entries to believe where completions may have been missed: as many as the kernel counts, the youngest.
pub fn counted(root: &Root, operations: &Operations, issued: Vec<(u64, Issued)>) -> InFlight {
    let issued = issued.into_iter().map(|(_, issued)| issued).collect();
    believe(operations, issued, |device| diskstats::in_flight(root, major(device), minor(device)).ok())
}

/// `counted` gives a device's reads and writes in flight, as the kernel counts them.
fn believe(operations: &Operations, mut issued: Vec<Issued>, counted: impl Fn(u32) -> Option<(u64, u64)>) -> InFlight {
    // What is left behind by a missed completion is older than what is in flight.
    issued.sort_by_key(|issued| Reverse(issued.at));
    let mut budgets: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut told = InFlight::new();
    for Issued { at, key, requeued, .. } in issued {
        let budget = budgets.entry(key.device).or_insert_with(|| counted(key.device).unwrap_or_default());
        let believed = match operations.of_number(key.operation) {
            // The kernel counts neither a request that waits to be issued again nor the flush of a cache.
            _ if requeued != 0 => false,
            Operation::Flush => false,
            // Odd operations move data to the device.
            _ if key.operation & 1 == 1 => take(&mut budget.1),
            _ => take(&mut budget.0),
        };
        if believed {
            told.entry(key).or_default().push(at);
        }
    }
    told
}

fn take(budget: &mut u64) -> bool {
    let any = *budget > 0;
    *budget = budget.saturating_sub(1);
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: u32 = 0;
    const WRITE: u32 = 1;
    const FLUSH: u32 = 2;

    fn issued(at: u64, operation: u32, requeued: u32) -> Issued {
        Issued { at, bytes: 4096, key: RequestKey { device: 8, operation }, requeued }
    }

    fn told(entries: &[Issued], counted: Option<(u64, u64)>) -> Vec<(u32, Vec<u64>)> {
        believe(&Operations::default(), entries.to_vec(), |_| counted).into_iter().map(|(key, at)| (key.operation, at)).collect()
    }

    #[test]
    fn the_kernels_count_bounds_what_is_told_and_the_oldest_are_the_stale_ones() {
        let entries = [issued(10, WRITE, 0), issued(30, WRITE, 0), issued(20, WRITE, 0), issued(5, READ, 0)];
        assert_eq!(told(&entries, Some((0, 2))), [(WRITE, vec![30, 20])]);
        assert_eq!(told(&entries, Some((4, 4))), [(READ, vec![5]), (WRITE, vec![30, 20, 10])]);
        assert_eq!(told(&entries, Some((0, 0))), []);
    }

    #[test]
    fn what_the_kernel_does_not_count_is_told_only_when_nothing_was_missed() {
        let entries = [issued(10, FLUSH, 0), issued(20, WRITE, 1)];
        assert_eq!(told(&entries, Some((9, 9))), []);
        assert_eq!(told(&[issued(10, WRITE, 0)], None), []);
        let read = [(1, entries[0]), (2, entries[1])];
        let lasting = lasting(read.to_vec(), &read);
        assert_eq!(lasting.into_values().collect::<Vec<_>>(), [vec![20], vec![10]]);
    }

    #[test]
    fn a_busy_disks_oldest_request_is_told_and_what_completes_is_not() {
        let hung = (1, issued(10, WRITE, 0));
        let first = vec![(2, issued(90, WRITE, 0)), hung, hung, (3, issued(95, READ, 0))];
        let second = [hung, (2, issued(120, WRITE, 0)), (4, issued(121, READ, 0))];
        let lasting = lasting(first, &second);
        assert_eq!(lasting.into_iter().map(|(key, at)| (key.operation, at)).collect::<Vec<_>>(), [(WRITE, vec![10])]);
    }
}
