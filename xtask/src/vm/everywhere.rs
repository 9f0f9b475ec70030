//! Which in-guest tests `cargo xtask test` runs on every kernel line: what depends on the kernel's structs, hooks and verifier, and
//! one injected truth of each family. The others test what user space does with it; `cargo xtask vm` runs all on all.

/// The line on which every test runs.
pub const ELSE: &str = "6.12";

/// Parts of the names of those that run on every line.
pub const WORDS: [&str; 21] = [
    "load::",
    "offsets::",
    // Rights and sizes
    "five_capabilities_are_enough",
    "before_5_11",
    "maps_and_programs_are_small",
    "hot_programs_are_short",
    // Injected truth
    "within_five_percent",
    "within_its_interval",
    "sums_over_connections",
    "counted_exactly",
    "errors_are_exact",
    "one_busy_thread",
    "growth_is_told",
    "told_apart_on",
    "a_groups_own_limit",
    "every_route",
    "as_its_caller",
    "a_crowd_of_hogs",
    // What fools naive tools
    "a_thousand_sleeping_threads",
    "hang_through_the_window",
    "nothing_is_lost_when",
];
