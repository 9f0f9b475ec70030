//! The tcp object: connections as they begin and end, one program on `inet_sock_set_state`, and walks over the sockets that live.
#![no_std]
#![no_main]

#[path = "tcp/starts.rs"]
mod starts;
#[path = "tcp/sums.rs"]
mod sums;
#[path = "tcp/walk.rs"]
mod walk;

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_smp_processor_id, bpf_ktime_get_ns,
        generated::{bpf_get_current_cgroup_id, bpf_get_current_comm},
    },
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap, RingBuf},
    programs::BtfTracePointContext,
};
use kerno_ebpf::kernel::{
    Access, Probed, Task, Typed, cgroup_v1, own_tgid, silenced,
    sock::{Sock, TcpSock, canary_port},
};
use kerno_ebpf_common::tcp::{
    ACCEPTED, BORN, CLOSE, CLOSED, CONNECTED, CONNECTING, Connection, Counters, ESTABLISHED, FAILED, FIN_WAIT1, LAST_ACK, LISTEN,
    LIVE as MOST_LIVE, Life, OWN, Owner, RING_BYTES, RING_NEARLY_FULL, SYN_RECV, SYN_SENT, UNKNOWN,
};

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

/// What was counted, by CPU; user space sizes it by the CPUs that can exist.
#[map]
static COUNTERS: Array<Counters> = Array::with_max_entries(1, 0);
/// Connections born in the window, by the address of their socket.
#[map]
static LIVE: HashMap<u64, Life> = HashMap::with_max_entries(MOST_LIVE, 0);
/// Connections that ended.
#[map]
static ENDED: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// User space looks at the ring when it wants to.
const NO_WAKEUP: u64 = 1;
/// Asks a ring for the bytes that wait in it.
const AVAILABLE: u64 = 0;

const NOBODY: Owner = Owner { group: 0, tgid: 0, start: 0, comm: [0; 16] };

const UNTOLD: Connection = Connection {
    socket: 0,
    since: 0,
    handshake_ns: 0,
    owner: NOBODY,
    remote: [0; 4],
    namespace: 0,
    sent: 0,
    retransmitted: 0,
    syn_retransmitted: 0,
    data_sent: 0,
    srtt: 0,
    min_rtt: 0,
    error: 0,
    remote_port: 0,
    local_port: 0,
    kind: CLOSED,
    state: 0,
    birth: UNKNOWN,
    padding: 0,
};

/// `sock:inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, typed by BTF (5.5): a socket of any
/// inet protocol is about to change its state.
#[btf_tracepoint(function = "inet_sock_set_state")]
fn state_changed(ctx: BtfTracePointContext) -> i32 {
    let (old, new) = (ctx.arg::<u32>(1) as u8, ctx.arg::<u32>(2) as u8);
    // Half of a connection's changes tell nothing of it.
    let tells = old != new && old != LISTEN && matches!(new, SYN_SENT | ESTABLISHED | FIN_WAIT1 | LAST_ACK | CLOSE | LISTEN);
    if silenced() != 0 || !tells {
        return 0;
    }
    let sock = Sock::new(ctx.arg(0));
    if new == FIN_WAIT1 || new == LAST_ACK {
        // Of other protocols none is remembered.
        left::<Typed>(sock);
        starts::left(sock);
    } else if let Some(tcp) = sock.tcp() {
        if new == LISTEN {
            starts::listens::<Typed>(tcp);
        } else {
            changed::<Typed>(tcp, old, new);
        }
    }
    0
}

/// A connection begins or ends.
#[inline(always)]
fn changed<A: Access>(tcp: TcpSock, old: u8, new: u8) {
    // SAFETY: a helper without arguments.
    let Some(counters) = COUNTERS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() }) else { return };
    // SAFETY: this CPU's counters. A program that interrupts another one on the same CPU may lose a count, never more.
    let counters = unsafe { &mut *counters };
    counters.changes += 1;
    if new == CLOSE {
        ended::<A>(counters, tcp, old);
    } else if new == SYN_SENT {
        remember(counters, tcp.sock().address(), &connecting::<A>(tcp));
    } else if old == SYN_RECV {
        let (address, life) = (tcp.sock().address(), accepted::<A>(tcp));
        // It is known where both sides have connected to each other.
        if LIVE.insert(address, life, u64::from(BPF_NOEXIST)).is_err() && !answered::<A>(tcp) {
            remember(counters, address, &life);
        }
        starts::connected(tcp);
    } else {
        answered::<A>(tcp);
    }
}

/// `connect` itself makes the state `SYN_SENT`, so the task that asked for it is the current one.
#[inline(always)]
fn connecting<A: Access>(tcp: TcpSock) -> Life {
    let owner = current();
    let own = owner.tgid == own_tgid() && u32::from(tcp.sock().remote_port::<A>()) == canary_port();
    Life {
        since: now(),
        handshake_ns: 0,
        owner,
        // A socket may have failed to connect before.
        base_sent: tcp.sent::<A>(),
        base_retransmitted: tcp.retransmitted::<A>(),
        syn_retransmitted: 0,
        birth: if own { OWN } else { CONNECTING },
        padding: [0; 3],
    }
}

/// A connection that the other side began.
#[inline(always)]
fn accepted<A: Access>(tcp: TcpSock) -> Life {
    Life {
        since: now(),
        handshake_ns: 0,
        owner: NOBODY,
        base_sent: 0,
        base_retransmitted: 0,
        // SYN-ACKs are sent, and sent again, before there is a socket; the latter are handed down to it.
        syn_retransmitted: tcp.retransmitted::<A>(),
        birth: ACCEPTED,
        padding: [0; 3],
    }
}

/// The other side has answered a connect, if one is known of.
#[inline(always)]
fn answered<A: Access>(tcp: TcpSock) -> bool {
    let Some(known) = LIVE.get_ptr_mut(tcp.sock().address()) else { return false };
    // SAFETY: the socket's lock is held.
    let known = unsafe { &mut *known };
    if known.birth != CONNECTING {
        return false;
    }
    known.handshake_ns = now() - known.since;
    known.syn_retransmitted = tcp.retransmitted::<A>().wrapping_sub(known.base_retransmitted);
    known.birth = CONNECTED;
    true
}

/// This side has closed: the last moment at which the process that did is known.
#[inline(always)]
fn left<A: Access>(sock: Sock) {
    if sock.is_owned::<A>()
        && let Some(life) = LIVE.get_ptr_mut(sock.address())
    {
        // SAFETY: the socket's lock is held.
        let life = unsafe { &mut *life };
        // One that has the same id as the last owner had is taken for it.
        if life.owner.tgid != tgid() {
            life.owner = current();
        }
    }
}

/// The connection has ended, or a connect has failed. What comes of it is told singly while there is room, else in sums.
#[inline(always)]
fn ended<A: Access>(counters: &mut Counters, tcp: TcpSock, old: u8) {
    let address = tcp.sock().address();
    let life = LIVE.get_ptr(address);
    let kind = if old == SYN_SENT { FAILED } else { CLOSED };
    // SAFETY: the entry is removed below only; until it is used again, which takes another socket at this address, it stays.
    let mut told = describe::<A>(tcp, life.map(|life| unsafe { &*life }), kind, old);
    if told.owner.tgid == 0 {
        if tcp.sock().is_owned::<A>() {
            told.owner = current();
        } else {
            // Of the group that made it nothing else is left.
            told.owner.group = tcp.sock().cgroup();
        }
    }
    if kind == CLOSED {
        starts::ended(tcp, told.birth == ACCEPTED);
    }
    if told.birth == UNKNOWN {
        if kind == FAILED && told.owner.tgid == own_tgid() && u32::from(told.remote_port) == canary_port() {
            // There was no room to remember it.
            counters.own += 1;
            starts::look_at_asked();
            return;
        }
        // It was refused before it was a connection.
        if old == SYN_RECV && told.sent == 0 && told.retransmitted == 0 {
            return;
        }
        if !tell(&told) && (kind == FAILED || !sums::add(&told)) {
            counters.lost += 1;
        }
        return;
    }
    let _ = LIVE.remove(address);
    if told.birth == OWN {
        counters.own += 1;
        starts::look_at_asked();
        counters.own_sent += u64::from(told.sent);
        counters.own_retransmitted += u64::from(told.retransmitted);
        return;
    }
    if (ENDED.query(AVAILABLE) >= RING_NEARLY_FULL || !tell(&told)) && !sums::add(&told) {
        counters.lost += 1;
    }
}

/// Keeps what is known of a connection until it ends; where there is no room, that is told at once.
#[inline(always)]
fn remember(counters: &mut Counters, address: u64, life: &Life) {
    if LIVE.insert(address, life, 0).is_err() {
        counters.live_full += 1;
        let told = Connection {
            socket: address,
            since: life.since,
            owner: life.owner,
            sent: life.base_sent,
            retransmitted: life.base_retransmitted,
            syn_retransmitted: life.syn_retransmitted,
            kind: BORN,
            birth: life.birth,
            ..UNTOLD
        };
        if life.birth != OWN && !tell(&told) {
            counters.lost += 1;
        }
    }
}

/// Tells a connection through the ring. Whether there was room.
#[inline(always)]
fn tell(told: &Connection) -> bool {
    ENDED.output::<Connection>(told, NO_WAKEUP).is_ok()
}

/// What is known of a connection now.
#[inline(always)]
fn describe<A: Access>(tcp: TcpSock, life: Option<&Life>, kind: u8, state: u8) -> Connection {
    let sock = tcp.sock();
    let mut told = Connection {
        socket: sock.address(),
        remote: sock.remote::<A>(),
        namespace: sock.namespace::<A>(),
        sent: tcp.sent::<A>(),
        retransmitted: tcp.retransmitted::<A>(),
        data_sent: tcp.data_sent::<A>(),
        srtt: tcp.srtt::<A>(),
        min_rtt: tcp.min_rtt::<A>(),
        error: sock.error::<A>(),
        remote_port: sock.remote_port::<A>(),
        local_port: sock.local_port::<A>(),
        kind,
        state,
        ..UNTOLD
    };
    if let Some(life) = life {
        told.since = life.since;
        told.handshake_ns = life.handshake_ns;
        told.owner = life.owner;
        told.sent = told.sent.wrapping_sub(life.base_sent);
        told.retransmitted = told.retransmitted.wrapping_sub(life.base_retransmitted);
        told.syn_retransmitted = if life.birth == CONNECTING { told.retransmitted } else { life.syn_retransmitted };
        told.birth = life.birth;
    }
    told
}

/// The current task's process; a function of its own, because it is long and rarely needed twice. Its control group is the task's own, where the hierarchy in use is not the socket's.
#[inline(never)]
fn current() -> Owner {
    // SAFETY: helpers; the last one writes the 16 bytes it is given.
    unsafe {
        let group = if cgroup_v1() != 0 {
            Task::new(bpf_get_current_task() as *const u8).cgroup::<Probed>()
        } else {
            bpf_get_current_cgroup_id()
        };
        let mut owner = Owner { group, tgid: tgid(), start: Task::process_start(), comm: [0; 16] };
        let _ = bpf_get_current_comm((&raw mut owner.comm).cast(), 16);
        owner
    }
}

#[inline(always)]
fn tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}
