//! What the kernel's console says went wrong.

use std::fs;
use std::path::Path;

/// Lines with one of these are the kernel complaining: of a program of ours, or of what a program of ours did to it.
const COMPLAINTS: &[&str] = &[
    "Kernel panic",
    "BUG:",
    "WARNING:",
    "Oops:",
    "general protection fault",
    "detected stall",
    "self-detected stall",
    "soft lockup",
    "hard LOCKUP",
    "blocked for more than",
    "possible circular locking",
    "kerno-guest: failed",
];

/// The console so far. Unreadable is empty: a guest that dies at once leaves none.
pub fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).replace('\r', "")).unwrap_or_default()
}

/// The first complaint.
pub fn complaint(text: &str) -> Option<&str> {
    text.lines().find(|line| COMPLAINTS.iter().any(|complaint| line.contains(complaint))).map(str::trim)
}

/// The last lines, each set off, for people to read.
pub fn end(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(40)..].iter().map(|line| format!("    | {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_found_and_ordinary_lines_are_not() {
        assert_eq!(complaint("[ 1.0] EXT4-fs (dm-0): mounted\n[ 2.0] kerno-guest: job begins\n"), None);
        let text = "[ 1.0] fine\n[ 2.0] WARNING: CPU: 0 PID: 1 at kernel/trace/bpf_trace.c:1\n[ 3.0] Kernel panic\n";
        assert_eq!(complaint(text), Some("[ 2.0] WARNING: CPU: 0 PID: 1 at kernel/trace/bpf_trace.c:1"));
        assert!(complaint("rcu: INFO: rcu_sched detected stalls on CPUs/tasks:").is_some());
        assert!(complaint("rcu: INFO: rcu_preempt self-detected stall on CPU").is_some());
    }

    #[test]
    fn the_end_is_forty_lines() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        assert!(end(&text).starts_with("    | line 60\n"));
    }
}
