//! Addresses and routes of a network namespace: `/proc/<pid>/net/{fib_trie,if_inet6,route}`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Network;

/// Addresses that the routing tables call local: after a leaf (`|-- 10.0.0.1`) a line `/32 host LOCAL`.
pub fn local_v4(fib_trie: &str) -> Vec<IpAddr> {
    let mut leaf: Option<Ipv4Addr> = None;
    let mut found = BTreeSet::new();
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = leaf
        {
            found.insert(address);
        }
    }
    found.into_iter().map(IpAddr::V4).collect()
}

/// Addresses of all interfaces: 32 hexadecimal digits begin each line.
pub fn local_v6(if_inet6: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
    };
    if_inet6.lines().filter_map(address).collect()
}

/// Networks of the main table but the default one. Addresses and masks are hexadecimal, in the machine's view of network order.
pub fn routes(route: &str) -> Vec<Network> {
    let number = |field: Option<&str>| u32::from_str_radix(field?, 16).ok().map(|raw| u32::from_be_bytes(raw.to_ne_bytes()));
    let network = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let address = number(fields.next())?;
        let mask = number(fields.nth(5))?;
        (mask != 0).then_some(Network { address: Ipv4Addr::from_bits(address), prefix: mask.leading_ones() })
    };
    route.lines().skip(1).filter_map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_told_from_networks_and_broadcasts() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 10.0.2.0/24 2 0 2\n        |-- 10.0.2.0\n           \
            /24 link UNICAST\n        |-- 10.0.2.15\n           /32 host LOCAL\n     |-- 10.0.2.255\n        /32 link BROADCAST\n\
            Local:\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.0.2.15\n        /32 host LOCAL\n";
        let expected: [IpAddr; 2] = ["10.0.2.15".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        assert_eq!(local_v4(text), expected);
    }

    #[test]
    fn addresses_of_interfaces() {
        let text = "00000000000000000000000000000001 01 80 10 80       lo\nfe80000000000000505400fffe123456 02 40 20 80     eth0\nshort 1\n";
        let expected: [IpAddr; 2] = ["::1".parse().unwrap(), "fe80::5054:ff:fe12:3456".parse().unwrap()];
        assert_eq!(local_v6(text), expected);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_without_the_default_one() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t0101F40A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t0000F40A\t0101F40A\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            eth0\t0001F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let network = |text: &str, prefix| Network { address: text.parse().unwrap(), prefix };
        assert_eq!(routes(text), [network("10.244.0.0", 16), network("10.244.1.0", 24)]);
    }
}
