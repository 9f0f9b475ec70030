//! Every key that may stand at the top of a configuration, and those below the sections that this version has no use for.

/// What becomes of a key.
pub(super) enum Use {
    /// It is read.
    Read,
    /// It is accepted with a warning. Below it these keys may stand; anything where there are none.
    Unused(&'static [&'static str]),
}

/// Keys at the top.
pub(super) const TOP: [(&str, Use); 12] = [
    ("doctor", Use::Read),
    ("rules", Use::Read),
    ("slos", Use::Read),
    ("log_level", Use::Unused(&[])),
    ("log_format", Use::Unused(&[])),
    ("profile", Use::Unused(&[])),
    ("collectors", Use::Unused(&COLLECTORS)),
    ("prometheus", Use::Unused(&["enabled", "addr"])),
    ("ai", Use::Unused(&AI)),
    ("kubernetes", Use::Unused(&["cluster_name", "namespaces", "exclude_namespaces", "enabled", "kubeconfig"])),
    ("suppressions", Use::Unused(&[])),
    ("dashboard", Use::Unused(&["enabled", "addr"])),
];

/// Keys of `doctor`.
pub(super) const DOCTOR: [&str; 2] = ["duration", "thresholds"];

/// Keys of `rules`.
pub(super) const RULES: [&str; 7] = ["dirs", "params", "disabled", "replaces", "limits", "require_signature", "trusted_keys"];

/// Keys of an entry of `slos`.
pub(super) const SLO: [&str; 3] = ["name", "selector", "text"];

/// The collectors, and what they were called before.
const COLLECTORS: [&str; 15] = [
    "syscall",
    "sched",
    "block",
    "tcp",
    "oom",
    "fd",
    "memory",
    "cpu",
    "syscall_latency",
    "tcp_monitor",
    "oom_track",
    "disk_io",
    "sched_delay",
    "fd_track",
    "file_audit",
];

const AI: [&str; 12] = [
    "enabled",
    "provider",
    "model",
    "endpoint",
    "api_key_file",
    "api_key",
    "privacy_mode",
    "cache_ttl",
    "rate_limit_per_minute",
    "timeout",
    "max_tokens",
    "temperature",
];
