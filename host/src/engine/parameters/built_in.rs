//! Names and units of the built-in rules' parameters: with them a configuration is checked before anything is measured, by a process
//! that runs no rule yet. A test compares them with what the rules say of themselves. Their values are the rules' own.

use super::Unit::{self, Bytes, Count, Ratio, Seconds};

/// Parameters by rule.
pub const BUILT_IN_PARAMETERS: &[(&str, &[(&str, Unit)])] = &[
    (
        "cpu-throttling",
        &[
            ("periods_warning", Ratio),
            ("periods_critical", Ratio),
            ("time_warning", Ratio),
            ("time_critical", Ratio),
            ("min_periods", Count),
            ("steal_share", Ratio),
        ],
    ),
    (
        "disk-io-bottleneck",
        &[
            ("fsync_p99_warning", Seconds),
            ("fsync_p99_critical", Seconds),
            ("write_p99_critical", Seconds),
            ("read_p99_warning", Seconds),
            ("read_p99_critical", Seconds),
            ("min_samples", Count),
            ("max_lost", Ratio),
        ],
    ),
    ("fd-leak", &[("growth_warning", Count), ("min_growing_parts", Count), ("min_watched", Ratio)]),
    (
        "memory-pressure",
        &[
            ("use_threshold", Ratio),
            ("stall_share", Ratio),
            ("limit_events_per_second", Count),
            ("faults_per_second", Count),
            ("direct_reclaims_per_second", Count),
        ],
    ),
    (
        "network-latency",
        &[
            ("latency_p50", Seconds),
            ("latency_p50_public", Seconds),
            ("min_connects", Count),
            ("unanswered_share", Ratio),
            ("min_samples", Count),
            ("delayed_ack", Seconds),
            ("max_lost", Ratio),
        ],
    ),
    (
        "oom-imminent",
        &[("use_warning", Ratio), ("use_critical", Ratio), ("min_points", Count), ("min_growth", Bytes), ("eta_max", Seconds)],
    ),
    ("oom-kill", &[("min_kills", Count)]),
    (
        "scheduler-contention",
        &[
            ("p99_warning", Seconds),
            ("p99_critical", Seconds),
            ("min_waits", Count),
            ("max_lost", Ratio),
            ("quota_share", Ratio),
            ("steal_share", Ratio),
        ],
    ),
    (
        "syscall-error-rate",
        &[
            ("share_warning", Ratio),
            ("share_critical", Ratio),
            ("min_calls", Count),
            ("few_are_many", Count),
            ("probes_per_second", Count),
            ("max_lost", Ratio),
        ],
    ),
    ("syscall-latency", &[("p99_warning", Seconds), ("p99_critical", Seconds), ("min_calls", Count), ("max_lost", Ratio)]),
    (
        "tcp-retransmit-storm",
        &[("retransmit_ratio", Ratio), ("min_segments", Count), ("client_share", Ratio), ("max_lost", Ratio)],
    ),
    (
        "tcp-rtt-degradation",
        &[
            ("rtt_p99_private", Seconds),
            ("rtt_p99_public", Seconds),
            ("min_segments", Count),
            ("delayed_ack", Seconds),
            ("public_growth", Ratio),
            ("max_lost", Ratio),
        ],
    ),
];
