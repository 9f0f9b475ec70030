//! Which in-guest tests `cargo xtask test` runs. On every kernel line: what depends on the kernel's structs, hooks and verifier, and one
//! injected truth of each family. On one: what comes of that. `cargo xtask vm` runs all there are.

/// The kernel line that more is run on than on the others.
pub const WHOLE: &str = "6.12";

/// Parts of the names of those that run on one kernel line.
pub const ONCE: &str = "ramps";

/// Parts of the names of those that run on all.
pub const WORDS: [&str; 18] = [
    "every_object_loads",
    "without_ebpf_the_same_families",
    "offsets::",
    // Rights and sizes
    "five_capabilities_are_enough",
    "before_5_11",
    "maps_and_programs_are_small",
    "hot_programs_are_short",
    // Injected truth
    "counts_and_bytes_are_exact",
    "an_fsync_is_told",
    "a_crowd_of_hogs",
    "calls_and_errors_are_counted_exactly",
    "tcp_sums_over_connections",
    "a_groups_own_limit",
    "a_leaks_rate",
    "one_busy_thread",
    "each_stage_of_a_start",
    // What fools naive tools
    "a_thousand_sleeping_threads",
    "hang_through_the_window",
];
