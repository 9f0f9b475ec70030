//! Commands to paste that several rules give: about a control group (on v1 and v2), its limits, and the host's memory.

use alloc::format;
use alloc::string::String;

use crate::format::shell_quote;
use crate::{Cgroup, Finding, LimitKind, MemoryLimit, Urgency};

impl Cgroup {
    /// Lists its processes and those of the groups below it, the largest first; `None` without a path of its own.
    #[must_use]
    pub fn largest_processes(&self) -> Option<String> {
        let [v2, v1] = self.directories("memory")?;
        Some(format!("ps -o pid,rss,comm --sort=-rss -p \"$(grep -rhs --include=cgroup.procs . {v2} {v1} | paste -sd,)\" | head"))
    }

    /// Shows control files of it by name, those that are there; `controller` is where v1 has them.
    #[must_use]
    pub fn show_files(&self, controller: &str, names: &str) -> Option<String> {
        let [v2, v1] = self.directories(controller)?;
        Some(format!("({{ cd {v2} 2> /dev/null || cd {v1}; }} && grep -s . {names})"))
    }

    /// Shows what runs in its container, and its limits; `None` when it is none.
    #[must_use]
    pub fn inspect_container(&self) -> Option<String> {
        let container = self.container.as_deref()?;
        let id = shell_quote(container.get(..12).unwrap_or(container));
        Some(format!("crictl inspect {id} || docker inspect {id}"))
    }

    /// Its unit as an argument of `systemctl`, when it has one and is not a container: with a dash in front it would be an option.
    fn unit_argument(&self) -> Option<String> {
        let unit = self.unit.as_deref().filter(|unit| self.container.is_none() && !unit.starts_with('-'))?;
        Some(shell_quote(unit))
    }

    fn directories(&self, controller: &str) -> Option<[String; 2]> {
        let path = self.path.as_deref().filter(|path| *path != "/")?;
        Some([shell_quote(&format!("/sys/fs/cgroup{path}")), shell_quote(&format!("/sys/fs/cgroup/{controller}{path}"))])
    }
}

impl Finding {
    /// See who uses the host's memory.
    #[must_use]
    pub fn fix_host_memory(self, soon: Urgency, later: Urgency) -> Self {
        self.fix(soon, "see which processes use most memory", "ps -eo pid,rss,comm --sort=-rss | head").fix(
            later,
            "see which services and containers use most",
            "systemd-cgtop -m -b -n 1 --depth=4 | head -20",
        )
    }

    /// See who in a control group uses its memory, and give the limit a quarter more.
    #[must_use]
    pub fn fix_memory_limit(mut self, soon: Urgency, later: Urgency, who: &Cgroup, limit: &MemoryLimit) -> Self {
        if let Some(command) = who.largest_processes() {
            self = self.fix(soon, "see which of its processes use most memory", &command);
        }
        let (property, file) = match limit.kind {
            LimitKind::High => ("MemoryHigh", "memory.high"),
            LimitKind::Max => ("MemoryMax", "memory.max"),
        };
        // In whole MiB.
        let mebibytes = (limit.bytes / 4).saturating_add(limit.bytes) / (1 << 20) + 1;
        let owner = &limit.cgroup;
        if let Some(command) = owner.inspect_container() {
            return self.fix(later, "find the container, then raise its memory limit", &command);
        }
        if let Some(unit) = owner.unit_argument() {
            let command = format!("systemctl set-property --runtime {unit} {property}={mebibytes}M");
            return self.fix(later, "give it a quarter more until the next boot", &command);
        }
        let names =
            "memory.high memory.max memory.current memory.events.local memory.events memory.limit_in_bytes memory.failcnt";
        let Some(command) = owner.show_files("memory", names) else { return self };
        let path = owner.path.as_deref().unwrap_or_default();
        self.fix(soon, "see its limits, its use, and how often they were met", &command).fix(
            later,
            "give it a quarter more (on v1 the file is memory.limit_in_bytes below /sys/fs/cgroup/memory)",
            &format!("echo {mebibytes}M > {}", shell_quote(&format!("/sys/fs/cgroup{path}/{file}"))),
        )
    }

    /// See a control group's CPU quota and what it holds back, and lift it.
    #[must_use]
    pub fn fix_cpu_quota(mut self, group: &Cgroup) -> Self {
        if let Some(command) = group.show_files("cpu", "cpu.max cpu.stat cpu.cfs_quota_us cpu.cfs_period_us") {
            self = self.fix(Urgency::Now, "see the quota and how often it holds it back", &command);
        }
        if let Some(command) = group.inspect_container() {
            return self.fix(Urgency::WithinFiveMinutes, "find the container, then raise or remove its CPU limit", &command);
        }
        if let Some(unit) = group.unit_argument() {
            let command = format!("systemctl set-property --runtime {unit} CPUQuota=");
            return self.fix(Urgency::WithinFiveMinutes, "lift the quota until the next boot", &command).fix(
                Urgency::Later,
                "see where the quota is set",
                &format!("systemctl cat {unit}"),
            );
        }
        match group.path.as_deref().filter(|path| *path != "/") {
            Some(path) => self.fix(
                Urgency::WithinFiveMinutes,
                "lift the quota (on v1: -1 to cpu.cfs_quota_us below /sys/fs/cgroup/cpu)",
                &format!("echo max > {}", shell_quote(&format!("/sys/fs/cgroup{path}/cpu.max"))),
            ),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_the_root_has_no_command() {
        let group = |path: &str| Cgroup { id: 1, path: Some(path.into()), unit: None, container: None };
        let files = group("/a b").show_files("memory", "memory.max memory.limit_in_bytes").unwrap();
        assert_eq!(
            files,
            "({ cd '/sys/fs/cgroup/a b' 2> /dev/null || cd '/sys/fs/cgroup/memory/a b'; } && grep -s . memory.max memory.limit_in_bytes)"
        );
        assert!(group("/x;y").largest_processes().unwrap().contains(" . '/sys/fs/cgroup/x;y' '/sys/fs/cgroup/memory/x;y' |"));
        assert_eq!((group("/").largest_processes(), group("/").show_files("cpu", "cpu.max")), (None, None));
    }
}
