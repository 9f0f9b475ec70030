//! Network namespaces as their processes show them: which there are, the kernel's totals, addresses and routes.

mod counters;
pub mod diag;
mod places;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use kerno_signals::NamespaceTotals;

use super::{Error, Root, process};

/// Bytes of a routing table that are read: a router's may have a million lines.
const MOST_BYTES: u64 = 1 << 20;

/// An IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// Its first address.
    pub address: Ipv4Addr,
    /// Length of its prefix, 0–32.
    pub prefix: u32,
}

impl Network {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - self.prefix.min(32)).unwrap_or(0);
        u32::from(address) & mask == u32::from(self.address) & mask
    }
}

/// Number of a process's network namespace. Needs `CAP_SYS_PTRACE` for other users' processes.
#[must_use]
pub fn namespace_of(root: &Root, pid: u32) -> Option<u32> {
    let link = std::fs::read_link(root.path(format!("/proc/{pid}/ns/net"))).ok()?;
    link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// Every network namespace that has a process, by number, with the process of the lowest id that can be asked for it.
#[must_use]
pub fn namespaces(root: &Root) -> BTreeMap<u32, u32> {
    let mut pids = process::pids(root);
    pids.sort_unstable_by(|a, b| b.cmp(a));
    pids.into_iter().filter_map(|pid| Some((namespace_of(root, pid)?, pid))).collect()
}

/// The kernel's TCP totals since the namespace of a process was made.
///
/// # Errors
///
/// When the process is gone or the files are not as expected.
pub fn totals(root: &Root, pid: u32) -> Result<NamespaceTotals, Error> {
    let expected = "a line `Tcp:` of names and one of numbers";
    // A kernel without the second file has fewer counters, not none.
    let extended = root.read(format!("/proc/{pid}/net/netstat")).unwrap_or_default();
    root.parse(format!("/proc/{pid}/net/snmp"), expected, |basic| counters::totals(basic, &extended))
}

/// Addresses of the namespace of a process; none when it is gone.
#[must_use]
pub fn addresses(root: &Root, pid: u32) -> Vec<IpAddr> {
    let mut found = places::local_v4(&start_of(root, &format!("/proc/{pid}/net/fib_trie")));
    found.extend(places::local_v6(&start_of(root, &format!("/proc/{pid}/net/if_inet6"))));
    found
}

/// IPv4 networks that the namespace of a process has a route to, the default one left out.
#[must_use]
pub fn networks(root: &Root, pid: u32) -> Vec<Network> {
    places::routes(&start_of(root, &format!("/proc/{pid}/net/route")))
}

/// The first [`MOST_BYTES`] of a file, empty when it cannot be read.
fn start_of(root: &Root, path: &str) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(root.path(path)) {
        let _ = file.take(MOST_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_its_prefix_says() {
        let network = |text: &str, prefix| Network { address: text.parse().unwrap(), prefix };
        assert!(network("10.244.0.0", 16).contains("10.244.7.9".parse().unwrap()));
        assert!(!network("10.244.0.0", 16).contains("10.245.0.1".parse().unwrap()));
        assert!(network("0.0.0.0", 0).contains("8.8.8.8".parse().unwrap()));
        assert!(!network("10.0.0.1", 32).contains("10.0.0.2".parse().unwrap()));
    }

    #[test]
    fn this_process_has_a_namespace_and_loopback() {
        let root = Root::default();
        let own = std::process::id();
        let number = namespace_of(&root, own).unwrap();
        assert!(namespaces(&root).contains_key(&number));
        assert_eq!(namespace_of(&root, u32::MAX), None);
        assert!(totals(&root, own).is_ok());
        assert!(totals(&root, u32::MAX).unwrap_err().is_not_found());
    }
}
