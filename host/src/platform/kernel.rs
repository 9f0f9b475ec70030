//! What the running kernel offers to tracing programs, and what it forbids. Read when a program did not load, and by checks.

use std::fmt;

use rustix::process::{Resource, getrlimit};

use super::{Root, capabilities::Capabilities, mounts, sysctl};

/// Everything that explains why a tracing program did not load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Release, as `uname -r`; empty when it could not be read.
    pub release: String,
    /// Effective capabilities of this process; `None` when they could not be read.
    pub capabilities: Option<Capabilities>,
    /// This process is in a user namespace of its own: its capabilities mean nothing to BPF.
    pub user_namespace: bool,
    /// A seccomp filter is in force on this process.
    pub seccomp: bool,
    /// The kernel's own type information is there: `/sys/kernel/btf/vmlinux`.
    pub btf: bool,
    /// `/sys` is mounted.
    pub sysfs: bool,
    /// Whether tracing programs can attach at all.
    pub tracing: Tracing,
    /// tracefs is mounted: programs of type tracepoint need it, raw tracepoints do not.
    pub tracefs: bool,
    /// Lockdown mode in force.
    pub lockdown: Lockdown,
    /// Limit of locked memory, bytes, which kernels before 5.11 charge maps and programs to; `None` when there is none.
    pub locked_memory: Option<u64>,
    /// Files that this process may have open; `None` when there is no limit.
    pub open_files: Option<u64>,
    /// `kernel.perf_event_paranoid`; `None` when it cannot be read.
    pub perf_event_paranoid: Option<i64>,
}

/// Whether the kernel was built with tracing programs (`CONFIG_BPF_EVENTS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    /// It was.
    Present,
    /// It was not.
    Absent,
    /// It cannot be told from what is readable here.
    Unknown,
}

/// Mode of the lockdown security module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Not in force.
    None,
    /// It cannot be told: not in this kernel, or securityfs is not mounted.
    Unknown,
    /// Forbids changing the kernel; BPF may still read.
    Integrity,
    /// Forbids reading kernel memory as well.
    Confidentiality,
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let release = if self.release.is_empty() { "of unknown release" } else { &self.release };
        let capabilities = match self.capabilities {
            None => "capabilities unknown".to_owned(),
            Some(held) if held.names().is_empty() => "no capabilities".to_owned(),
            Some(held) => held.names().join(" "),
        };
        let tracing = match self.tracing {
            Tracing::Present => "tracing programs supported",
            Tracing::Absent => "no tracing programs",
            Tracing::Unknown => "tracing programs unknown",
        };
        let lockdown = match self.lockdown {
            Lockdown::None => "no lockdown",
            Lockdown::Unknown => "lockdown unknown",
            Lockdown::Integrity => "lockdown integrity",
            Lockdown::Confidentiality => "lockdown confidentiality",
        };
        let btf = if self.btf { "BTF" } else { "no BTF" };
        write!(f, "Linux {release}, {btf}, {tracing}, {lockdown}, {capabilities}")
    }
}

impl Facts {
    /// Reads them; what cannot be read is left at what it would be on an ordinary host.
    #[must_use]
    pub fn read(root: &Root) -> Self {
        let status = root.read("/proc/self/status").unwrap_or_default();
        let btf = std::fs::read(root.path("/sys/kernel/btf/vmlinux")).ok();
        let release = root.read("/proc/sys/kernel/osrelease").unwrap_or_default().trim_end().to_owned();
        let config = root.read(format!("/boot/config-{release}")).ok();
        Self {
            capabilities: Capabilities::read(root).ok(),
            user_namespace: root.read("/proc/self/uid_map").is_ok_and(|map| is_partial(&map)),
            seccomp: status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() != "0")),
            btf: btf.is_some(),
            sysfs: root.exists("/sys/kernel"),
            tracing: tracing(btf.as_deref(), config.as_deref()),
            tracefs: is_tracefs_mounted(root),
            lockdown: root.read("/sys/kernel/security/lockdown").map_or(Lockdown::Unknown, |text| lockdown(&text)),
            locked_memory: getrlimit(Resource::Memlock).current,
            open_files: getrlimit(Resource::Nofile).current,
            perf_event_paranoid: sysctl::read(root, "kernel.perf_event_paranoid").ok(),
            release,
        }
    }

    /// Major and minor version of the release.
    #[must_use]
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release.split(|character: char| !character.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }

    /// The release is known and older than a version.
    #[must_use]
    pub fn older_than(&self, major: u32, minor: u32) -> bool {
        self.version().is_some_and(|version| version < (major, minor))
    }
}

/// Its directories are closed to most users, its mount is not. Below debugfs it mounts itself when somebody looks.
fn is_tracefs_mounted(root: &Root) -> bool {
    let mounted =
        root.read("/proc/self/mountinfo").is_ok_and(|text| mounts::parse(&text).iter().any(|mount| mount.kind == "tracefs"));
    mounted || ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"].iter().any(|path| root.exists(path))
}

/// The initial user namespace maps all ids onto themselves.
fn is_partial(uid_map: &str) -> bool {
    let fields: Vec<&str> = uid_map.split_whitespace().collect();
    !fields.is_empty() && fields != ["0", "0", "4294967295"]
}

/// With `CONFIG_BPF_EVENTS`, and only with it, the headers of tracepoints leave a type `btf_trace_<name>` in the kernel's BTF
/// (since 5.5). Without BTF the build's own configuration tells, where the distribution installs it.
fn tracing(btf: Option<&[u8]>, config: Option<&str>) -> Tracing {
    const NAME: &[u8] = b"btf_trace_sched_switch";
    let present = match (btf, config) {
        (Some(btf), _) => btf.split(|byte| *byte == 0).any(|name| name == NAME),
        (None, Some(config)) => config.lines().any(|line| line == "CONFIG_BPF_EVENTS=y"),
        (None, None) => return Tracing::Unknown,
    };
    if present { Tracing::Present } else { Tracing::Absent }
}

/// `none [integrity] confidentiality`: the mode in force is in brackets.
fn lockdown(text: &str) -> Lockdown {
    if text.contains("[confidentiality]") {
        Lockdown::Confidentiality
    } else if text.contains("[integrity]") {
        Lockdown::Integrity
    } else {
        Lockdown::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lockdown_modes() {
        assert_eq!(lockdown("[none] integrity confidentiality\n"), Lockdown::None);
        assert_eq!(lockdown("none [integrity] confidentiality\n"), Lockdown::Integrity);
        assert_eq!(lockdown("none integrity [confidentiality]\n"), Lockdown::Confidentiality);
    }

    #[test]
    fn tracing_support_is_told_by_the_btf_or_the_configuration() {
        assert_eq!(tracing(Some(b"x\0btf_trace_sched_switch\0y"), None), Tracing::Present);
        assert_eq!(tracing(Some(b"x\0sched_switch\0y"), Some("CONFIG_BPF_EVENTS=y")), Tracing::Absent);
        assert_eq!(tracing(None, Some("CONFIG_BPF=y\nCONFIG_BPF_EVENTS=y\n")), Tracing::Present);
        assert_eq!(tracing(None, Some("# CONFIG_BPF_EVENTS is not set\n")), Tracing::Absent);
        assert_eq!(tracing(None, None), Tracing::Unknown);
    }

    #[test]
    fn facts_are_told_in_one_line() {
        let mut facts = Facts::read(&Root::default());
        facts.release = "6.12.48".to_owned();
        (facts.capabilities, facts.btf, facts.tracing) = (Some(Capabilities(1 << 38 | 1 << 39)), true, Tracing::Present);
        facts.lockdown = Lockdown::Integrity;
        let told = "Linux 6.12.48, BTF, tracing programs supported, lockdown integrity, CAP_PERFMON CAP_BPF";
        assert_eq!(facts.to_string(), told);
        facts.capabilities = Some(Capabilities(0));
        assert!(facts.to_string().ends_with("no capabilities"));
    }

    #[test]
    fn versions_and_user_namespaces() {
        let mut facts = Facts::read(&Root::default());
        for (release, older) in [("5.4.0-190-generic", true), ("5.10.0-33-amd64", false), ("7.2-rc1", false), ("", false)] {
            release.clone_into(&mut facts.release);
            assert_eq!(facts.older_than(5, 8), older, "{release}");
        }
        assert!(!is_partial("         0          0 4294967295\n") && is_partial("0 1000 1\n") && !is_partial(""));
    }
}
