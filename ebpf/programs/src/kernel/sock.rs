//! Reads of sockets: whose they are, who the other side is, and TCP's account of a connection.
use core::ptr::read_volatile;

use aya_ebpf::helpers::generated::{bpf_skc_to_tcp_sock, bpf_sock_from_file};

use super::{Access, File, Probed, Typed, cgroup_kn, cgroup_v1, kernfs_node_id};

globals! {
    /// Port of loopback that kerno connects to, to see itself, in network byte order.
    CANARY_PORT canary_port;
    /// 1 when a program may ask for the socket behind a file (5.11), 0 when it must look for itself.
    SOCK_FROM_FILE sock_from_file;
    /// `file.private_data`.
    FILE_PRIVATE file_private;
    /// `socket.sk`.
    SOCKET_SK socket_sk;
    /// `socket.file`.
    SOCKET_FILE socket_file;
    /// `sock.__sk_common.skc_family`.
    SOCK_FAMILY sock_family;
    /// `sock.__sk_common.skc_state`.
    SOCK_STATE sock_state;
    /// `sock.__sk_common.skc_daddr`.
    SOCK_DADDR sock_daddr;
    /// `sock.__sk_common.skc_v6_daddr`.
    SOCK_V6_DADDR sock_v6_daddr;
    /// `sock.__sk_common.skc_dport`.
    SOCK_DPORT sock_dport;
    /// `sock.__sk_common.skc_num`.
    SOCK_NUM sock_num;
    /// `sock.__sk_common.skc_net.net`.
    SOCK_NET sock_net;
    /// `sock.sk_protocol`.
    SOCK_PROTOCOL sock_protocol;
    /// `sock.sk_err`.
    SOCK_ERR sock_err;
    /// `sock.sk_lock.owned`.
    SOCK_OWNED sock_owned;
    /// `sock.sk_cgrp_data`: the pointer, or before 5.15 the word that holds it.
    SOCK_CGROUP sock_cgroup;
    /// `net.ns.inum`.
    NET_INUM net_inum;
    /// `tcp_sock.segs_out`.
    TCP_SEGS_OUT tcp_segs_out;
    /// `tcp_sock.data_segs_out`.
    TCP_DATA_SEGS_OUT tcp_data_segs_out;
    /// `tcp_sock.total_retrans`.
    TCP_TOTAL_RETRANS tcp_total_retrans;
    /// `tcp_sock.srtt_us`.
    TCP_SRTT tcp_srtt;
    /// `tcp_sock.rtt_min`, the value of its best sample.
    TCP_MIN_RTT tcp_min_rtt;
    /// `tcp_sock.data_segs_in`.
    TCP_DATA_SEGS_IN tcp_data_segs_in;
    /// `tcp_sock.lsndtime`.
    TCP_LAST_SENT tcp_last_sent;
    /// `tcp_sock.inet_conn.icsk_ack.lrcvtime`.
    TCP_LAST_RECEIVED tcp_last_received;
}

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;

/// A `sock`.
#[derive(Clone, Copy)]
pub struct Sock(*const u8);

/// A `tcp_sock`, which begins with its `sock`.
#[derive(Clone, Copy)]
pub struct TcpSock(*const u8);

impl Sock {
    /// Of a pointer to a `sock`.
    #[inline(always)]
    #[must_use]
    pub fn new(sock: *const u8) -> Self {
        Self(sock)
    }

    /// Its address, which names it while it lives.
    #[inline(always)]
    #[must_use]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// The TCP socket that it is, for typed reads; `None` when it is of another protocol.
    #[inline(always)]
    #[must_use]
    pub fn tcp(self) -> Option<TcpSock> {
        // SAFETY: the helper checks family and protocol of any socket that the verifier knows to be one.
        let tcp = unsafe { bpf_skc_to_tcp_sock(self.0.cast_mut().cast()) };
        (!tcp.is_null()).then_some(TcpSock(tcp.cast_const().cast()))
    }

    /// The TCP socket that it is, for probe reads. Only where its protocol is known to be TCP.
    #[inline(always)]
    #[must_use]
    pub fn as_tcp(self) -> TcpSock {
        TcpSock(self.0)
    }

    /// Whether it is a TCP socket, by probe reads.
    #[inline(always)]
    #[must_use]
    pub fn is_tcp(self) -> bool {
        // SAFETY: probe reads.
        let (family, protocol): (u16, u16) =
            unsafe { (Probed::read(self.0, sock_family()), Probed::read(self.0, sock_protocol())) };
        protocol == IPPROTO_TCP && (family == AF_INET || family == AF_INET6)
    }

    /// The kernel's `TCP_*` state.
    #[inline(always)]
    #[must_use]
    pub fn state<A: Access>(self) -> u8 {
        // SAFETY: a socket that a hook or a helper handed over.
        unsafe { A::read(self.0, sock_state()) }
    }

    /// The other side's address; an IPv4 address is mapped.
    #[inline(always)]
    #[must_use]
    pub fn remote<A: Access>(self) -> [u32; 4] {
        // SAFETY: as in `state`.
        unsafe {
            if A::read::<u16>(self.0, sock_family()) == AF_INET6 {
                let at = sock_v6_daddr();
                return [A::read(self.0, at), A::read(self.0, at + 4), A::read(self.0, at + 8), A::read(self.0, at + 12)];
            }
            [0, 0, 0xffff_u32.to_be(), A::read(self.0, sock_daddr())]
        }
    }

    /// The other side's port, in network byte order.
    #[inline(always)]
    #[must_use]
    pub fn remote_port<A: Access>(self) -> u16 {
        // SAFETY: as in `state`.
        unsafe { A::read(self.0, sock_dport()) }
    }

    /// This side's port.
    #[inline(always)]
    #[must_use]
    pub fn local_port<A: Access>(self) -> u16 {
        // SAFETY: as in `state`.
        unsafe { A::read(self.0, sock_num()) }
    }

    /// Number of its network namespace.
    #[inline(always)]
    #[must_use]
    pub fn namespace<A: Access>(self) -> u32 {
        // SAFETY: as in `state`; a socket holds its namespace.
        unsafe {
            let net: *const u8 = A::read(self.0, sock_net());
            A::read(net, net_inum())
        }
    }

    /// Its error, 0 when there is none.
    #[inline(always)]
    #[must_use]
    pub fn error<A: Access>(self) -> u32 {
        // SAFETY: as in `state`.
        unsafe { A::read(self.0, sock_err()) }
    }

    /// Whether a task holds its lock: at a hook on it, that is the current one, inside a call on the socket.
    #[inline(always)]
    #[must_use]
    pub fn is_owned<A: Access>(self) -> bool {
        // SAFETY: as in `state`.
        unsafe { A::read::<u32>(self.0, sock_owned()) != 0 }
    }

    /// Id of the control group that it was made in, or its listener was; 0 where that is not of the hierarchy in use.
    #[inline(always)]
    #[must_use]
    pub fn cgroup(self) -> u64 {
        if cgroup_v1() != 0 {
            return 0;
        }
        // SAFETY: probe reads; a null pointer on the way reads as zero. The lowest two bits are flags before 5.15.
        unsafe {
            let word: u64 = Probed::read(self.0, sock_cgroup());
            let node: *const u8 = Probed::read((word & !3) as *const u8, cgroup_kn());
            Probed::read(node, kernfs_node_id())
        }
    }
}

impl TcpSock {
    /// The `sock` it begins with.
    #[inline(always)]
    #[must_use]
    pub fn sock(self) -> Sock {
        Sock(self.0)
    }

    /// Segments sent, retransmitted ones too; SYN-ACKs are none.
    #[inline(always)]
    #[must_use]
    pub fn sent<A: Access>(self) -> u32 {
        // SAFETY: a socket that a hook or a helper handed over.
        unsafe { A::read(self.0, tcp_segs_out()) }
    }

    /// Segments with data sent.
    #[inline(always)]
    #[must_use]
    pub fn data_sent<A: Access>(self) -> u32 {
        // SAFETY: as in `sent`.
        unsafe { A::read(self.0, tcp_data_segs_out()) }
    }

    /// Segments with data received.
    #[inline(always)]
    #[must_use]
    pub fn data_received<A: Access>(self) -> u32 {
        // SAFETY: as in `sent`.
        unsafe { A::read(self.0, tcp_data_segs_in()) }
    }

    /// When it last received data, ticks of the kernel's clock; meant where [`data_received`](Self::data_received) is not 0.
    #[inline(always)]
    #[must_use]
    pub fn last_received<A: Access>(self) -> u32 {
        // SAFETY: as in `sent`.
        unsafe { A::read(self.0, tcp_last_received()) }
    }

    /// When it last sent data, ticks of the kernel's clock; meant where [`data_sent`](Self::data_sent) is not 0.
    #[inline(always)]
    #[must_use]
    pub fn last_sent<A: Access>(self) -> u32 {
        // SAFETY: as in `sent`.
        unsafe { A::read(self.0, tcp_last_sent()) }
    }

    /// Segments retransmitted, SYNs and SYN-ACKs too.
    #[inline(always)]
    #[must_use]
    pub fn retransmitted<A: Access>(self) -> u32 {
        // SAFETY: as in `sent`.
        unsafe { A::read(self.0, tcp_total_retrans()) }
    }

    /// Smoothed round-trip time, eighths of a microsecond; 0 when there is none.
    #[inline(always)]
    #[must_use]
    pub fn srtt<A: Access>(self) -> u32 {
        // SAFETY: as in `sent`.
        unsafe { A::read(self.0, tcp_srtt()) }
    }

    /// Smallest round-trip time of the last minutes, microseconds; all ones when there is none.
    #[inline(always)]
    #[must_use]
    pub fn min_rtt<A: Access>(self) -> u32 {
        // SAFETY: as in `sent`.
        unsafe { A::read(self.0, tcp_min_rtt()) }
    }
}

/// The socket behind a file, for typed reads. Only where [`sock_from_file`] is 1.
#[inline(always)]
#[must_use]
pub fn typed_sock_of(file: File) -> Option<Sock> {
    // SAFETY: a file that an iterator handed over; the helper's result is checked before it is read.
    unsafe {
        let socket: *const u8 = bpf_sock_from_file(file.0.cast_mut().cast()).cast_const().cast();
        if socket.is_null() {
            return None;
        }
        let sock: *const u8 = Typed::read(socket, socket_sk());
        (!sock.is_null()).then_some(Sock(sock))
    }
}

/// The socket behind a socket's file, for probe reads; `None` when it is no TCP socket.
#[inline(always)]
#[must_use]
pub fn probed_sock_of(file: File) -> Option<Sock> {
    // SAFETY: a file that an iterator handed over, and probe reads from there on. A socket points back at its file.
    unsafe {
        let socket: *const u8 = Typed::read(file.0, file_private());
        let back: *const u8 = Probed::read(socket, socket_file());
        let sock = Sock(Probed::read(socket, socket_sk()));
        (back == file.0 && sock.is_tcp()).then_some(sock)
    }
}
