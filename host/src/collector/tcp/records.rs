//! From the bytes of kernel records to connections.

use std::net::{IpAddr, Ipv6Addr};

use kerno_ebpf_common::tcp::Connection;

/// The connections in the bytes that a walk wrote.
pub fn connections(bytes: &[u8]) -> impl Iterator<Item = Connection> {
    bytes.chunks_exact(size_of::<Connection>()).filter_map(connection)
}

/// One connection; `None` when the bytes are of another length.
pub fn connection(bytes: &[u8]) -> Option<Connection> {
    // SAFETY: as many bytes as the record has, read unaligned; every bit pattern is a value of it.
    (bytes.len() == size_of::<Connection>()).then(|| unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) })
}

/// An address as programs tell it; one that is mapped is an IPv4 one.
pub fn address(words: [u32; 4]) -> IpAddr {
    let mut bytes = [0; 16];
    bytes.chunks_exact_mut(4).zip(words).for_each(|(part, word)| part.copy_from_slice(&word.to_ne_bytes()));
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_are_ipv4() {
        let words = [0, 0, u32::from_ne_bytes([0, 0, 255, 255]), u32::from_ne_bytes([10, 1, 2, 3])];
        assert_eq!(address(words), "10.1.2.3".parse::<IpAddr>().unwrap());
        let words = [u32::from_ne_bytes([0x20, 1, 0xd, 0xb8]), 0, 0, u32::from_ne_bytes([0, 0, 0, 1])];
        assert_eq!(address(words), "2001:db8::1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_record_that_is_cut_off_is_none() {
        assert!(connection(&[0; 111]).is_none() && connection(&[0; 112]).is_some());
        assert_eq!(connections(&[0; 300]).count(), 2);
    }
}
