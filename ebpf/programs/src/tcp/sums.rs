//! Sums over connections that ended when the ring was nearly full: by flow, and by network namespace when there is no room for one.
use aya_ebpf::{
    bindings::BPF_NOEXIST,
    macros::map,
    maps::{Array, HashMap},
};
use kerno_ebpf::rows::add_shared;
use kerno_ebpf_common::tcp::{
    ACCEPTED, CONNECTED, Connection, FAILED, FLOWS as MOST_FLOWS, Flow, NAMESPACES as MOST_NAMESPACES, REFUSED, Sums, TIMED_OUT,
    UNKNOWN,
};

#[map]
static FLOWS: HashMap<Flow, Sums> = HashMap::with_max_entries(MOST_FLOWS, 0);
#[map]
static NAMESPACES: HashMap<u32, Sums> = HashMap::with_max_entries(MOST_NAMESPACES, 0);
/// Sums of nothing, which new entries begin with: the stack has little room.
#[map]
static NOTHING: Array<Sums> = Array::with_max_entries(1, 0);

/// Adds a connection to its flow's sums, else to its namespace's. Whether there was room.
#[inline(always)]
pub fn add(told: &Connection) -> bool {
    let flow = Flow { group: told.owner.group, remote: told.remote, namespace: told.namespace, padding: 0 };
    let mut sums = FLOWS.get_ptr_mut(flow);
    if sums.is_none() {
        let Some(nothing) = NOTHING.get_ptr(0) else { return false };
        // SAFETY: nobody writes this entry.
        let nothing = unsafe { &*nothing };
        let _ = FLOWS.insert(flow, nothing, u64::from(BPF_NOEXIST));
        sums = FLOWS.get_ptr_mut(flow).or_else(|| {
            let _ = NAMESPACES.insert(told.namespace, nothing, u64::from(BPF_NOEXIST));
            NAMESPACES.get_ptr_mut(told.namespace)
        });
    }
    let Some(sums) = sums else { return false };
    // SAFETY: a map's value; no entry is ever removed.
    unsafe { count(sums, told) };
    true
}

/// # Safety
///
/// `sums` must point at a map's value.
#[inline(always)]
unsafe fn count(sums: *mut Sums, told: &Connection) {
    // SAFETY: the caller's; other CPUs add to the same entry.
    unsafe {
        if told.birth == UNKNOWN {
            add_shared(&raw mut (*sums).closed, 1);
            add_shared(&raw mut (*sums).older, 1);
            add_shared(&raw mut (*sums).older_sent, u64::from(told.sent));
            add_shared(&raw mut (*sums).older_retransmitted, u64::from(told.retransmitted));
            return;
        }
        if told.kind == FAILED {
            add_shared(
                match told.error {
                    REFUSED => &raw mut (*sums).refused,
                    TIMED_OUT => &raw mut (*sums).timed_out,
                    0 if told.sent > 0 => &raw mut (*sums).abandoned,
                    _ => &raw mut (*sums).failed,
                },
                1,
            );
        } else {
            add_shared(&raw mut (*sums).closed, 1);
        }
        if told.birth == CONNECTED {
            add_shared(&raw mut (*sums).connected, 1);
            if told.syn_retransmitted > 0 {
                add_shared(&raw mut (*sums).retried, 1);
            } else {
                add_shared(&raw mut (*sums).handshake_ns, told.handshake_ns);
            }
        }
        if told.birth == ACCEPTED {
            add_shared(&raw mut (*sums).accepted, 1);
        }
        add_shared(&raw mut (*sums).sent, u64::from(told.sent));
        if told.retransmitted > 0 {
            add_shared(&raw mut (*sums).retransmitted, u64::from(told.retransmitted));
            add_shared(&raw mut (*sums).syn_retransmitted, u64::from(told.syn_retransmitted));
        }
        if told.data_sent > 0 && told.srtt > 0 {
            let weight = u64::from(told.data_sent);
            add_shared(&raw mut (*sums).rtt_weight, weight);
            add_shared(&raw mut (*sums).rtt_us, weight * u64::from(told.srtt >> 3));
        }
    }
}
