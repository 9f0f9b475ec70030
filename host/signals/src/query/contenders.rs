//! Which of many can be among the few with the largest values, where looking at a value is dear and a bound of it is at hand.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Those that may be among the `limit` with the largest values, with their values: all of those, and some that were passed on the way.
/// A value is never above its bound; what has none is left out.
pub(super) fn contenders<T>(
    bounded: impl IntoIterator<Item = (u64, T)>,
    limit: u32,
    value: impl Fn(&T) -> Option<u64>,
) -> Vec<(u64, T)> {
    let (mut largest, mut found) = (BinaryHeap::new(), Vec::new());
    for (bound, item) in bounded {
        let is_full = largest.len() >= limit as usize;
        // Equal ones stay: which of them is told, the caller decides.
        if is_full && largest.peek().is_none_or(|Reverse(least)| bound < *least) {
            continue;
        }
        let Some(value) = value(&item) else { continue };
        if is_full && largest.peek().is_some_and(|Reverse(least)| value < *least) {
            continue;
        }
        if is_full {
            largest.pop();
        }
        largest.push(Reverse(value));
        found.push((value, item));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_largest_are_among_them(pairs in prop::collection::vec((0_u64..50, 0_u64..50), 0..40), limit in 0_u32..10) {
            let items = pairs.iter().map(|(value, more)| (value + more, *value));
            let mut found: Vec<u64> = contenders(items, limit, |value| Some(*value)).into_iter().map(|(value, _)| value).collect();
            let mut all: Vec<u64> = pairs.iter().map(|(value, _)| *value).collect();
            found.sort_unstable_by_key(|value| Reverse(*value));
            all.sort_unstable_by_key(|value| Reverse(*value));
            let limit = limit as usize;
            prop_assert_eq!(&found[..limit.min(found.len())], &all[..limit.min(all.len())]);
        }
    }

    #[test]
    fn equal_ones_stay_and_what_cannot_win_is_not_looked_at() {
        let looked = std::cell::RefCell::new(Vec::new());
        let value = |name: &&'static str| {
            looked.borrow_mut().push(*name);
            (*name != "nothing").then_some(5)
        };
        let found = contenders([(7, "b"), (5, "a"), (9, "nothing"), (4, "small")], 1, value);
        assert_eq!(found, [(5, "b"), (5, "a")]);
        assert_eq!(looked.into_inner(), ["b", "a", "nothing"]);
    }
}
