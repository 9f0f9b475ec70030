//! Messages of `sock_diag`: the question for all TCP sockets of a network namespace, and its answers.
//!
//! Layouts: `linux/inet_diag.h`, `linux/netlink.h`, `linux/tcp.h` (`struct tcp_info` only grows at its end).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const IPPROTO_TCP: u8 = 6;
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CGROUP_ID: u16 = 21;
/// Every state but `TCP_LISTEN`, `TCP_CLOSE`, `TCP_TIME_WAIT` and `TCP_NEW_SYN_RECV`, none of which has a connection's account.
const STATES: u32 = 0xfff & !(1 << 10 | 1 << 7 | 1 << 6 | 1 << 12 | 1);
const HEADER: usize = 16;
const MESSAGE: usize = 72;

/// One TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The kernel's number of it, never used again.
    pub cookie: u64,
    /// The kernel's `TCP_*` state.
    pub state: u8,
    /// The other side.
    pub remote: IpAddr,
    /// The other side's port.
    pub remote_port: u16,
    /// Control group it was made in, since 5.9.
    pub cgroup: Option<u64>,
    /// Segments sent, retransmitted ones too.
    pub sent: u32,
    /// Segments retransmitted.
    pub retransmitted: u32,
    /// Segments with data sent.
    pub data_sent: u32,
    /// Smoothed round-trip time, microseconds; 0 when there is none.
    pub rtt_us: u32,
    /// Smallest round-trip time, microseconds; `u32::MAX` when there is none.
    pub min_rtt_us: u32,
}

/// Part of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The sockets in it.
    pub sockets: Vec<Socket>,
    /// It was the last part.
    pub done: bool,
    /// The kernel refuses, with this error number.
    pub error: Option<i32>,
}

/// Asks for all TCP sockets of an address family (`AF_INET`, `AF_INET6`).
#[must_use]
pub fn question(family: u8) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + 56);
    message.extend((HEADER as u32 + 56).to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend([0; 8]);
    message.extend([family, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0]);
    message.extend(STATES.to_ne_bytes());
    message.extend([0; 48]);
    message
}

/// Reads one datagram of an answer. What does not look as documented is stepped over.
#[must_use]
pub fn answer(mut datagram: &[u8]) -> Answer {
    let mut found = Answer::default();
    while let (Some(length), Some(kind)) = (u32_at(datagram, 0), u16_at(datagram, 4)) {
        let Some(message) = datagram.get(HEADER..length as usize) else { break };
        match kind {
            NLMSG_DONE => found.done = true,
            NLMSG_ERROR => found.error = u32_at(message, 0).map(|raw| raw.cast_signed().wrapping_neg()),
            SOCK_DIAG_BY_FAMILY => found.sockets.extend(socket(message)),
            _ => {}
        }
        datagram = datagram.get((length as usize).next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// One `inet_diag_msg` with its attributes; `None` without a `tcp_info`.
fn socket(message: &[u8]) -> Option<Socket> {
    const AF_INET: u8 = 2;
    let bytes: [u8; 16] = message.get(24..40)?.try_into().ok()?;
    let remote = if *message.first()? == AF_INET {
        IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
    } else {
        IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
    };
    let (mut info, mut cgroup) = (None, None);
    let mut rest = message.get(MESSAGE..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let Some(value) = rest.get(4..usize::from(length)) else { break };
        match kind {
            INET_DIAG_INFO => info = Some(value),
            INET_DIAG_CGROUP_ID => cgroup = value.get(..8).and_then(|bytes| Some(u64::from_ne_bytes(bytes.try_into().ok()?))),
            _ => {}
        }
        rest = rest.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    let info = info?;
    Some(Socket {
        cookie: u64::from(u32_at(message, 44)?) | u64::from(u32_at(message, 48)?) << 32,
        state: message.get(1).copied()?,
        remote,
        remote_port: u16::from_be_bytes(message.get(6..8)?.try_into().ok()?),
        cgroup: cgroup.filter(|id| *id != 0),
        rtt_us: u32_at(info, 68)?,
        retransmitted: u32_at(info, 100)?,
        // Since 4.2, 4.6 and 4.6.
        sent: u32_at(info, 136)?,
        min_rtt_us: u32_at(info, 148)?,
        data_sent: u32_at(info, 156)?,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [(value.len() as u16 + 4).to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER as u32 + content.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(content);
        bytes
    }

    /// A socket to 10.0.0.9:443 as an IPv6 socket has it, in state 1.
    fn established() -> Vec<u8> {
        let mut content = vec![0; MESSAGE];
        content[..2].copy_from_slice(&[10, 1]);
        content[6..8].copy_from_slice(&443_u16.to_be_bytes());
        content[34..40].copy_from_slice(&[255, 255, 10, 0, 0, 9]);
        content[44..48].copy_from_slice(&7_u32.to_ne_bytes());
        content[48..52].copy_from_slice(&1_u32.to_ne_bytes());
        let mut info = vec![0; 240];
        for (at, value) in [(68, 1_500_u32), (100, 3), (136, 90), (148, 1_200), (156, 80)] {
            info[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        content.extend(attribute(8, &[0]));
        content.extend(attribute(INET_DIAG_INFO, &info));
        content.extend(attribute(INET_DIAG_CGROUP_ID, &77_u64.to_ne_bytes()));
        content
    }

    #[test]
    fn a_socket_is_read_with_its_account() {
        let datagram = [message(SOCK_DIAG_BY_FAMILY, &established()), message(NLMSG_DONE, &[0; 4])].concat();
        let expected = Socket {
            cookie: 1 << 32 | 7,
            state: 1,
            remote: "10.0.0.9".parse().unwrap(),
            remote_port: 443,
            cgroup: Some(77),
            sent: 90,
            retransmitted: 3,
            data_sent: 80,
            rtt_us: 1_500,
            min_rtt_us: 1_200,
        };
        assert_eq!(answer(&datagram), Answer { sockets: vec![expected], done: true, error: None });
    }

    #[test]
    fn a_refusal_and_what_is_cut_off_are_no_sockets() {
        let refused = answer(&message(NLMSG_ERROR, &(-2_i32).to_ne_bytes()));
        assert_eq!((refused.error, refused.done), (Some(2), false));
        let whole = message(SOCK_DIAG_BY_FAMILY, &established());
        for length in 0..whole.len() {
            assert!(answer(&whole[..length]).sockets.is_empty(), "{length}");
        }
        let without_account = message(SOCK_DIAG_BY_FAMILY, &[0; MESSAGE]);
        assert_eq!(answer(&without_account), Answer::default());
    }

    #[test]
    fn the_question_is_as_long_as_it_says() {
        let question = question(2);
        assert_eq!((question.len(), u32_at(&question, 0)), (72, Some(72)));
        assert_eq!((question[16], question[17], question[18]), (2, IPPROTO_TCP, 2));
    }
}
