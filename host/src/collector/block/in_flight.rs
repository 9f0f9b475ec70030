//! Which requests are really in flight: what the programs saw issued, held against what the kernel says.
//!
//! A completion that the programs missed leaves an entry behind. It must never be told as a hung request.

use std::{cmp::Reverse, collections::BTreeMap};

use kerno_ebpf_common::block::{Issued, RequestKey, major, minor};
use kerno_signals::Operation;

use super::decode::Operations;
use crate::platform::{Root, diskstats};

/// Requests in flight of one device and operation, by when they were issued, youngest first.
pub type InFlight = BTreeMap<RequestKey, Vec<u64>>;

/// The entries to believe. `certain` says that no completion was missed.
pub fn told(root: &Root, operations: &Operations, issued: Vec<Issued>, certain: bool) -> InFlight {
    let counted = |device| diskstats::in_flight(root, major(device), minor(device)).ok();
    believe(operations, issued, certain, counted)
}

/// `counted` gives a device's reads and writes in flight, as the kernel counts them.
fn believe(
    operations: &Operations,
    mut issued: Vec<Issued>,
    certain: bool,
    counted: impl Fn(u32) -> Option<(u64, u64)>,
) -> InFlight {
    // What is left behind by a missed completion is older than what is in flight.
    issued.sort_by_key(|issued| Reverse(issued.at));
    let mut budgets: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut told = InFlight::new();
    for Issued { at, key, requeued, .. } in issued {
        let budget = budgets.entry(key.device).or_insert_with(|| match counted(key.device) {
            Some(counted) => counted,
            None if certain => (u64::MAX, u64::MAX),
            None => (0, 0),
        });
        let believed = match operations.of_number(key.operation) {
            // The kernel counts neither a request that waits to be issued again nor the flush of a cache.
            _ if requeued != 0 => certain,
            Operation::Flush => certain,
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

    fn told(entries: &[Issued], certain: bool, counted: Option<(u64, u64)>) -> Vec<(u32, Vec<u64>)> {
        believe(&Operations::default(), entries.to_vec(), certain, |_| counted)
            .into_iter()
            .map(|(key, at)| (key.operation, at))
            .collect()
    }

    #[test]
    fn the_kernels_count_bounds_what_is_told_and_the_oldest_are_the_stale_ones() {
        let entries = [issued(10, WRITE, 0), issued(30, WRITE, 0), issued(20, WRITE, 0), issued(5, READ, 0)];
        assert_eq!(told(&entries, true, Some((0, 2))), [(WRITE, vec![30, 20])]);
        assert_eq!(told(&entries, true, Some((4, 4))), [(READ, vec![5]), (WRITE, vec![30, 20, 10])]);
        assert_eq!(told(&entries, true, Some((0, 0))), []);
    }

    #[test]
    fn what_the_kernel_does_not_count_is_told_only_when_nothing_was_missed() {
        let entries = [issued(10, FLUSH, 0), issued(20, WRITE, 1)];
        assert_eq!(told(&entries, true, Some((0, 0))), [(WRITE, vec![20]), (FLUSH, vec![10])]);
        assert_eq!(told(&entries, false, Some((0, 0))), []);
        assert_eq!(told(&[issued(10, WRITE, 0)], true, None), [(WRITE, vec![10])]);
        assert_eq!(told(&[issued(10, WRITE, 0)], false, None), []);
    }
}
