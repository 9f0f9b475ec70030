//! Kernel records of the tcp collector.

/// Connections born in the window that are told apart while they live.
pub const LIVE: u32 = 4096;

/// Flows whose sums are kept when the ring is nearly full.
pub const FLOWS: u32 = 1024;

/// Network namespaces whose sums are kept when there is no room for a flow.
pub const NAMESPACES: u32 = 64;

/// Bytes of the ring that connections are told through.
pub const RING_BYTES: u32 = 512 << 10;

/// Bytes waiting in the ring from which on connections that need not be told singly are added to their flow.
pub const RING_NEARLY_FULL: u64 = RING_BYTES as u64 / 4 * 3;

/// Sockets without a descriptor that are listed at once.
pub const ORPHANS: u32 = 4096;

/// The walk found it open.
pub const FOUND: u8 = 0;
/// It was closed, or reset.
pub const CLOSED: u8 = 1;
/// A connect ended without a connection.
pub const FAILED: u8 = 2;
/// It was born, and there was no room to remember it.
pub const BORN: u8 = 3;

/// Born before the window, or nobody knows when.
pub const UNKNOWN: u8 = 0;
/// A connect that has not been answered.
pub const CONNECTING: u8 = 1;
/// This side connected.
pub const CONNECTED: u8 = 2;
/// The other side connected.
pub const ACCEPTED: u8 = 3;
/// The connect by which kerno proves that its program sees.
pub const OWN: u8 = 4;

/// The kernel's `TCP_ESTABLISHED`.
pub const ESTABLISHED: u8 = 1;
/// The kernel's `TCP_SYN_SENT`.
pub const SYN_SENT: u8 = 2;
/// The kernel's `TCP_SYN_RECV`.
pub const SYN_RECV: u8 = 3;
/// The kernel's `TCP_FIN_WAIT1`.
pub const FIN_WAIT1: u8 = 4;
/// The kernel's `TCP_CLOSE`.
pub const CLOSE: u8 = 7;
/// The kernel's `TCP_LAST_ACK`.
pub const LAST_ACK: u8 = 9;
/// The kernel's `TCP_LISTEN`.
pub const LISTEN: u8 = 10;

/// Who uses a socket.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Owner {
    /// Control group id; 0 when unknown.
    pub group: u64,
    /// Process id; 0 when unknown.
    pub tgid: u32,
    /// When the process started, in units of 2²⁰ ns: a process id may be given again.
    pub start: u32,
    /// Command name, NUL-terminated.
    pub comm: [u8; 16],
}

/// What is remembered of a connection born in the window.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Life {
    /// When it was born, nanoseconds since boot: when its connect began, or when it was accepted.
    pub since: u64,
    /// How long its handshake took, nanoseconds; 0 unless [`CONNECTED`].
    pub handshake_ns: u64,
    /// Who uses it.
    pub owner: Owner,
    /// Segments its socket had sent before, for an earlier connection.
    pub base_sent: u32,
    /// Segments its socket had retransmitted before.
    pub base_retransmitted: u32,
    /// SYNs or SYN-ACKs that were sent again.
    pub syn_retransmitted: u32,
    /// [`CONNECTING`], [`CONNECTED`], [`ACCEPTED`] or [`OWN`].
    pub birth: u8,
    /// Keeps the size a multiple of eight.
    pub padding: [u8; 3],
}

/// A connection, as a walk or its end tells it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Connection {
    /// Address of its socket, which names it while it lives.
    pub socket: u64,
    /// [`Life::since`]; 0 for [`UNKNOWN`].
    pub since: u64,
    /// [`Life::handshake_ns`].
    pub handshake_ns: u64,
    /// Who uses it.
    pub owner: Owner,
    /// The other side's address; an IPv4 address is mapped.
    pub remote: [u32; 4],
    /// Network namespace.
    pub namespace: u32,
    /// Segments sent, retransmitted ones too; since its birth, or since its socket's where that is [`UNKNOWN`].
    pub sent: u32,
    /// Segments retransmitted, over the same time.
    pub retransmitted: u32,
    /// [`Life::syn_retransmitted`].
    pub syn_retransmitted: u32,
    /// Segments with data sent by the socket.
    pub data_sent: u32,
    /// Smoothed round-trip time, eighths of a microsecond.
    pub srtt: u32,
    /// Smallest round-trip time, microseconds; `u32::MAX` when there is none.
    pub min_rtt: u32,
    /// The socket's error.
    pub error: u32,
    /// The other side's port, in network byte order.
    pub remote_port: u16,
    /// This side's port, in this machine's byte order.
    pub local_port: u16,
    /// [`FOUND`], [`CLOSED`], [`FAILED`] or [`BORN`].
    pub kind: u8,
    /// The kernel's state of it, before its end.
    pub state: u8,
    /// [`UNKNOWN`] or what [`Life::birth`] says.
    pub birth: u8,
    /// Keeps the size a multiple of eight.
    pub padding: u8,
}

/// One control group's connections to one address.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Control group id; 0 when unknown.
    pub group: u64,
    /// The other side's address; an IPv4 address is mapped.
    pub remote: [u32; 4],
    /// Network namespace.
    pub namespace: u32,
    /// Keeps the size a multiple of eight.
    pub padding: u32,
}

/// Sums over connections that ended and were not told singly.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Sums {
    /// Connects that were answered.
    pub connected: u64,
    /// Of them, those whose SYN was sent again.
    pub retried: u64,
    /// Sum of the other ones' handshakes, nanoseconds.
    pub handshake_ns: u64,
    /// Connections that the other side began.
    pub accepted: u64,
    /// Connects that were refused.
    pub refused: u64,
    /// Connects that timed out in the kernel.
    pub timed_out: u64,
    /// Connects given up before an answer.
    pub abandoned: u64,
    /// Connects that ended otherwise.
    pub failed: u64,
    /// Connections closed.
    pub closed: u64,
    /// Segments sent, retransmitted ones too.
    pub sent: u64,
    /// Segments retransmitted.
    pub retransmitted: u64,
    /// SYNs and SYN-ACKs sent again.
    pub syn_retransmitted: u64,
    /// Of the connections closed, those of [`UNKNOWN`] birth. What they sent before the window is not known here, so it is not in the sums
    /// above.
    pub older: u64,
    /// Segments that these sent in their whole lives, retransmitted ones too.
    pub older_sent: u64,
    /// Segments that these retransmitted.
    pub older_retransmitted: u64,
    /// Segments with data sent on connections that have a round-trip time.
    pub rtt_weight: u64,
    /// Their smoothed round-trip times, weighted by them, microseconds.
    pub rtt_us: u64,
}

/// What was counted on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Counters {
    /// Changes of TCP sockets' states that begin or end a connection.
    pub changes: u64,
    /// Connects of kerno's canary that ended.
    pub own: u64,
    /// Segments they sent, retransmitted ones too.
    pub own_sent: u64,
    /// Of them, those sent again.
    pub own_retransmitted: u64,
    /// Connections born that found no room among the living and were told through the ring.
    pub live_full: u64,
    /// Births and ends of which nothing could be kept.
    pub lost: u64,
}

/// When a connect ended without a connection, what became of it, by its socket's error.
pub const REFUSED: u32 = 111;
/// The kernel gave up sending SYNs.
pub const TIMED_OUT: u32 = 110;

const _: () = {
    assert!(size_of::<Owner>() == 32);
    assert!(size_of::<Life>() == 64);
    assert!(size_of::<Connection>() == 112);
    assert!(size_of::<Flow>() == 32);
    assert!(size_of::<Sums>() == 17 * 8);
    assert!(size_of::<Counters>() == 6 * 8);
};

#[cfg(feature = "user")]
mod pod {
    use super::{Connection, Counters, Flow, Life, Sums};

    // SAFETY: repr(C) of integers and arrays of integers without implicit padding (the sizes are asserted above), so every
    // bit pattern is a value.
    unsafe impl aya::Pod for Life {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Connection {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Flow {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Sums {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Counters {}
}
