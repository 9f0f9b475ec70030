//! What to do where memory is short.

use kerno_rules_sdk::prelude::*;

/// Adds what helps: see who uses it, see the limit, give room. `who` and `limit` are those of a control group, `None` for the host.
pub(crate) fn add(finding: Finding, who: Option<&Cgroup>, limit: Option<&MemoryLimit>) -> Finding {
    let is_info = finding.severity == Severity::Info;
    let (soon, later) = if is_info { (Urgency::Later, Urgency::Later) } else { (Urgency::Now, Urgency::WithinFiveMinutes) };
    let Some((who, limit)) = who.zip(limit) else {
        return finding
            .fix(soon, "see which processes use most memory", "ps -eo pid,rss,comm --sort=-rss | head")
            .fix(soon, "see swapping and reclaim as they go on", "vmstat -w 1 5")
            .fix(later, "see which services and containers use most", "systemd-cgtop -m -b -n 1 --depth=4 | head -20");
    };
    let mut finding = finding;
    if let Some(command) = who.largest_processes() {
        finding = finding.fix(soon, "see which of its processes use most memory", &command);
    }
    let (property, file) = match limit.kind {
        LimitKind::High => ("MemoryHigh", "memory.high"),
        LimitKind::Max => ("MemoryMax", "memory.max"),
    };
    // A quarter more, in whole MiB.
    let mebibytes = (limit.bytes / 4).saturating_add(limit.bytes) / (1 << 20) + 1;
    match &limit.cgroup {
        Cgroup { container: Some(container), .. } => {
            let id = shell_quote(container.get(..12).unwrap_or(container));
            finding.fix(
                later,
                "find the container, then raise its memory limit",
                &format!("crictl inspect {id} || docker inspect {id}"),
            )
        }
        Cgroup { unit: Some(unit), .. } if !unit.starts_with('-') => finding.fix(
            later,
            "give it a quarter more until the next boot",
            &format!("systemctl set-property --runtime {} {property}={mebibytes}M", shell_quote(unit)),
        ),
        cgroup => {
            let names =
                "memory.high memory.max memory.current memory.events.local memory.events memory.limit_in_bytes memory.failcnt";
            let Some(command) = cgroup.show_files("memory", names) else { return finding };
            let path = cgroup.path.as_deref().unwrap_or_default();
            finding.fix(soon, "see its limits, its use, and how often they were met", &command).fix(
                later,
                "give it a quarter more (on v1 the file is memory.limit_in_bytes below /sys/fs/cgroup/memory)",
                &format!("echo {mebibytes}M > {}", shell_quote(&format!("/sys/fs/cgroup{path}/{file}"))),
            )
        }
    }
}
