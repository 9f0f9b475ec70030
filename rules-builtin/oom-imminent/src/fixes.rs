//! What to do before memory runs out.

use kerno_rules_sdk::prelude::*;

/// Adds what helps: see who grows, give room, find out why. `who` and `limit` are those of a control group, `None` for the host.
pub(crate) fn add(finding: Finding, who: Option<&Cgroup>, limit: Option<&MemoryLimit>) -> Finding {
    let Some((who, limit)) = who.zip(limit) else {
        return finding
            .fix(Urgency::Now, "see which processes use most memory", "ps -eo pid,rss,comm --sort=-rss | head")
            .fix(Urgency::Now, "see which services and containers use most", "systemd-cgtop -m -b -n 1 --depth=4 | head -20")
            .fix(Urgency::WithinFiveMinutes, "see files that are kept in memory", "df -h -t tmpfs");
    };
    let mut finding = finding;
    if let Some(command) = who.largest_processes() {
        finding = finding.fix(Urgency::Now, "see which of its processes use most memory", &command);
    }
    // A quarter more, in whole MiB.
    let mebibytes = (limit.bytes / 4).saturating_add(limit.bytes) / (1 << 20) + 1;
    match &limit.cgroup {
        Cgroup { container: Some(container), .. } => {
            let id = shell_quote(container.get(..12).unwrap_or(container));
            finding.fix(
                Urgency::WithinFiveMinutes,
                "find the container, then raise its memory limit or restart it at a calm moment",
                &format!("crictl inspect {id} || docker inspect {id}"),
            )
        }
        Cgroup { unit: Some(unit), .. } if !unit.starts_with('-') => {
            let unit = shell_quote(unit);
            finding
                .fix(
                    Urgency::WithinFiveMinutes,
                    "give it a quarter more until the next boot",
                    &format!("systemctl set-property --runtime {unit} MemoryMax={mebibytes}M"),
                )
                .fix(Urgency::WithinFiveMinutes, "see what it did lately", &format!("journalctl -u {unit} -n 50 --no-pager"))
        }
        cgroup => {
            let Some(command) = cgroup.show_files("memory", "memory.max memory.current memory.limit_in_bytes") else {
                return finding;
            };
            let path = cgroup.path.as_deref().unwrap_or_default();
            finding.fix(Urgency::Now, "see its limit and its use", &command).fix(
                Urgency::WithinFiveMinutes,
                "give it a quarter more (on v1 the file is memory.limit_in_bytes below /sys/fs/cgroup/memory)",
                &format!("echo {mebibytes}M > {}", shell_quote(&format!("/sys/fs/cgroup{path}/memory.max"))),
            )
        }
    }
}
