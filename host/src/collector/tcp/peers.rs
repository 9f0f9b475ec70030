//! What the other side of a connection is.
//!
//! This node's own addresses and networks come from the namespaces of its processes, without entering them. A service's address that
//! no route of a pod names is told by its range alone.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use kerno_signals::PeerClass;

use crate::platform::{Root, net, net::Network};

/// Namespaces whose addresses are read.
const NAMESPACES: usize = 1024;
/// Networks that are kept.
const NETWORKS: usize = 256;

/// What is known of addresses.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    own: HashSet<IpAddr>,
    pods: Vec<Network>,
}

impl Peers {
    /// Reads addresses and routes of namespaces, given as pairs of number and process. `host` is the one that is no pod's.
    pub fn read<'a>(root: &Root, namespaces: impl Iterator<Item = (&'a u32, &'a u32)>, host: Option<u32>) -> Self {
        let mut peers = Self::default();
        for (number, pid) in namespaces.take(NAMESPACES) {
            peers.own.extend(net::addresses(root, *pid));
            if Some(*number) != host {
                peers.pods.extend(net::networks(root, *pid));
            }
        }
        peers.pods.sort_unstable();
        peers.pods.dedup();
        peers.pods.truncate(NETWORKS);
        peers
    }

    /// What an address is.
    pub fn class(&self, address: IpAddr) -> PeerClass {
        if address.is_loopback() || self.own.contains(&address) {
            return PeerClass::NodeLocal;
        }
        match address {
            IpAddr::V4(v4) if is_private_v4(v4) => {
                if self.pods.iter().any(|network| network.contains(v4)) {
                    PeerClass::Cluster
                } else {
                    PeerClass::Private
                }
            }
            IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => PeerClass::Private,
            _ => PeerClass::Public,
        }
    }
}

/// RFC 1918, RFC 6598 (shared), RFC 3927 (link-local).
fn is_private_v4(address: Ipv4Addr) -> bool {
    let shared = Network { address: Ipv4Addr::new(100, 64, 0, 0), prefix: 10 };
    address.is_private() || address.is_link_local() || shared.contains(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_of_peers() {
        let peers = Peers {
            own: HashSet::from(["192.168.7.2".parse().unwrap(), "2001:db8::7".parse().unwrap()]),
            pods: vec![Network { address: Ipv4Addr::new(10, 244, 0, 0), prefix: 16 }],
        };
        for (address, class) in [
            ("127.0.0.53", PeerClass::NodeLocal),
            ("::1", PeerClass::NodeLocal),
            ("192.168.7.2", PeerClass::NodeLocal),
            ("2001:db8::7", PeerClass::NodeLocal),
            ("10.244.9.9", PeerClass::Cluster),
            ("10.96.0.1", PeerClass::Private),
            ("192.168.7.3", PeerClass::Private),
            ("172.31.255.1", PeerClass::Private),
            ("100.64.0.1", PeerClass::Private),
            ("169.254.169.254", PeerClass::Private),
            ("fd00::1", PeerClass::Private),
            ("fe80::1", PeerClass::Private),
            ("172.32.0.1", PeerClass::Public),
            ("1.1.1.1", PeerClass::Public),
            ("2001:db8::8", PeerClass::Public),
        ] {
            assert_eq!(peers.class(address.parse().unwrap()), class, "{address}");
        }
    }
}
