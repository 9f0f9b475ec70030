//! Free pages that each CPU keeps at hand: `/proc/zoneinfo`. The kernel's estimate of available memory leaves them out, and since 6.7
//! (90b41691b988) they may be an eighth of a zone.

use super::{Error, Root};

/// Free pages on the lists of all CPUs.
pub fn at_hand(root: &Root) -> Result<u64, Error> {
    root.parse("/proc/zoneinfo", "lines such as `count: …`", parse)
}

/// No other lines than those of the lists are called `count:`.
fn parse(text: &str) -> Option<u64> {
    let mut counts = text.lines().filter_map(|line| line.trim_start().strip_prefix("count:"));
    counts.try_fold(0_u64, |sum, count| sum.checked_add(count.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Node 0, zone    DMA32\n  per-node stats\n      nr_inactive_anon 24\n  pages free     207345\n        boost    0\n\
        min      5632\n        managed  250865\n        protection: (0, 0, 0, 0)\n      nr_free_pages 207345\n  pagesets\n    cpu: 0\n\
        \x20             count:    1131\n              high:     7040\n              batch:    63\n              high_min: 7040\n\
        \x20 vm stats threshold: 24\n    cpu: 1\n              count:    9\n              high:     7040\n  node_unreclaimable:  0\n\
        start_pfn:           4096\nNode 0, zone  Movable\n  pages free     0\n        min      0\n";

    #[test]
    fn the_lists_of_all_cpus_and_zones_are_summed_up() {
        assert_eq!(parse(TEXT), Some(1_140));
        assert_eq!(parse("Node 0, zone  Movable\n  pages free     0\n"), Some(0));
        assert_eq!(parse("              count:    -1\n"), None);
    }

    #[test]
    fn this_host_has_some() {
        // A sandbox may hide the file.
        assert!(at_hand(&Root::default()).map_or(true, |pages| pages < 1 << 40));
    }
}
