//! Capabilities of this process.

use super::{Error, Root};

/// A capability that kerno can use; the value is its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Writes files and directories whatever their mode.
    DacOverride = 1,
    /// Reads files and directories whatever their mode.
    DacReadSearch = 2,
    /// Administers networking.
    NetAdmin = 12,
    /// Reads other users' processes.
    SysPtrace = 19,
    /// Everything that BPF and PERFMON allow, and much more.
    SysAdmin = 21,
    /// Exceeds resource limits (locked memory on kernels before 5.11).
    SysResource = 24,
    /// Reads the kernel's log where `kernel.dmesg_restrict` is set.
    Syslog = 34,
    /// Traces the kernel (since 5.8).
    Perfmon = 38,
    /// Loads BPF programs (since 5.8).
    Bpf = 39,
}

impl Capability {
    /// All that are asked about.
    pub const ALL: [Self; 8] = [
        Self::DacReadSearch,
        Self::NetAdmin,
        Self::SysPtrace,
        Self::SysAdmin,
        Self::SysResource,
        Self::Syslog,
        Self::Perfmon,
        Self::Bpf,
    ];

    /// The most that kerno is given anywhere.
    pub const LEAST: [Self; 5] = [Self::Bpf, Self::Perfmon, Self::SysPtrace, Self::NetAdmin, Self::DacReadSearch];

    /// Name as in `capabilities(7)`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DacOverride => "CAP_DAC_OVERRIDE",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysResource => "CAP_SYS_RESOURCE",
            Self::Syslog => "CAP_SYSLOG",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

/// Effective capabilities as a bit mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Effective ones of this process, from `/proc/self/status`.
    pub fn read(root: &Root) -> Result<Self, Error> {
        root.parse("/proc/self/status", "a line CapEff", parse)
    }

    /// Whether it is held.
    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u64) != 0
    }

    /// What is missing to load tracing programs: `CAP_BPF` and `CAP_PERFMON`, unless `CAP_SYS_ADMIN` stands for both.
    #[must_use]
    pub fn missing_for_tracing(self) -> Vec<&'static str> {
        if self.has(Capability::SysAdmin) {
            return Vec::new();
        }
        [Capability::Bpf, Capability::Perfmon].into_iter().filter(|wanted| !self.has(*wanted)).map(Capability::name).collect()
    }

    /// Names of those held, of the ones that kerno can use.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        Capability::ALL.into_iter().filter(|capability| self.has(*capability)).map(Capability::name).collect()
    }
}

fn parse(status: &str) -> Option<Capabilities> {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(mask.trim(), 16).ok().map(Capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_capabilities_are_read_from_the_status() {
        let held = parse("Name:\tkerno\nCapPrm:\t000001ffffffffff\nCapEff:\t000000c000081004\nCapBnd:\t0\n").unwrap();
        assert_eq!(held.names(), ["CAP_DAC_READ_SEARCH", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_PERFMON", "CAP_BPF"]);
        assert!(held.missing_for_tracing().is_empty());
        assert_eq!(parse("Name:\tkerno\n"), None);
    }

    #[test]
    fn the_administrator_stands_for_both_and_nobody_for_none() {
        assert!(Capabilities(1 << 21).missing_for_tracing().is_empty());
        assert_eq!(Capabilities(1 << 38).missing_for_tracing(), ["CAP_BPF"]);
        assert_eq!(Capabilities(0).missing_for_tracing(), ["CAP_BPF", "CAP_PERFMON"]);
    }

    #[test]
    fn this_process_has_a_mask() {
        Capabilities::read(&Root::default()).unwrap();
    }
}
