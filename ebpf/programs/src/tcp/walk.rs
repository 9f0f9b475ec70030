//! Walks over the connections that live: those with a descriptor, found through every process's files, and those without one, which
//! user space knows by their address.
use core::ptr::read_volatile;

use aya_ebpf::{bindings::seq_file, helpers::generated::bpf_seq_write, macros::map, maps::Array};
use kerno_ebpf::kernel::{
    Access, File, Probed, Task, Typed,
    sock::{Sock, TcpSock, is_socket, probed_sock_of, sock_from_file, typed_sock_of},
};
use kerno_ebpf_common::tcp::{CLOSE, Connection, FOUND, LISTEN, ORPHANS as MOST_ORPHANS, ORPHANS_AT_ONCE, Owner};

use crate::{LIVE, describe};

/// Addresses of sockets that have no descriptor any more; 0 ends them.
#[map]
static ORPHANS: Array<u64> = Array::with_max_entries(MOST_ORPHANS, 0);

/// `struct bpf_iter_meta`.
#[repr(C)]
struct Meta {
    sequence: *mut seq_file,
    session: u64,
    number: u64,
}

/// `struct bpf_iter__task_file`.
#[repr(C)]
struct FileContext {
    meta: *const Meta,
    task: *const u8,
    descriptor: u32,
    padding: u32,
    file: *const u8,
}

/// `struct bpf_iter__task`.
#[repr(C)]
struct TaskContext {
    meta: *const Meta,
    task: *const u8,
}

/// Iterator `task_file` (5.8): tells each connection once for every descriptor that it has. What cannot be written is shown again.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
extern "C" fn sockets(ctx: *const FileContext) -> i32 {
    // SAFETY: the context of this iterator; task and file are null in the last call.
    let (meta, task, file) = unsafe {
        (read_volatile(&raw const (*ctx).meta), read_volatile(&raw const (*ctx).task), read_volatile(&raw const (*ctx).file))
    };
    if task.is_null() || file.is_null() || !is_socket(File::new(file)) {
        return 0;
    }
    let task = Task::new(task);
    if sock_from_file() != 0 {
        if let Some(tcp) = typed_sock_of(File::new(file)).and_then(Sock::tcp) {
            found::<Typed>(meta, task, tcp);
        }
    } else if let Some(sock) = probed_sock_of(File::new(file)) {
        found::<Probed>(meta, task, sock.as_tcp());
    }
    0
}

/// Tells a connection and the process that has a descriptor of it.
#[inline(always)]
fn found<A: Access>(meta: *const Meta, task: Task, tcp: TcpSock) {
    let state = tcp.sock().state::<A>();
    if state == LISTEN || state == CLOSE {
        return;
    }
    // SAFETY: an entry stays until its socket ends; what is read of one that ends now is dropped by user space.
    let life = LIVE.get_ptr(tcp.sock().address()).map(|life| unsafe { &*life });
    let mut told = describe::<A>(tcp, life, FOUND, state);
    told.owner = Owner { group: task.cgroup::<Typed>(), tgid: task.tgid::<Typed>(), padding: 0, comm: task.comm() };
    write(meta, &told);
}

/// Iterator `task` (5.8), misused as a loop: at every task, the next few of [`ORPHANS`] are read. Stateless, because a task is
/// shown again when the kernel's buffer is full.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn orphans(ctx: *const TaskContext) -> i32 {
    // SAFETY: the context of this iterator; the task is null in the last call.
    let (meta, task) = unsafe { (read_volatile(&raw const (*ctx).meta), read_volatile(&raw const (*ctx).task)) };
    if task.is_null() {
        return 0;
    }
    // SAFETY: as above.
    let first = unsafe { read_volatile(&raw const (*meta).number) } as u32 * ORPHANS_AT_ONCE;
    let mut index = 0;
    while index < ORPHANS_AT_ONCE {
        let Some(address) = ORPHANS.get_ptr(first + index) else { return 0 };
        // SAFETY: user space writes the list between walks only.
        let address = unsafe { *address };
        if address == 0 {
            return 0;
        }
        let sock = Sock::new(address as *const u8);
        // SAFETY: as in `found`.
        let life = LIVE.get_ptr(address).map(|life| unsafe { &*life });
        let mut told = describe::<Probed>(sock.as_tcp(), life, FOUND, sock.state::<Probed>());
        if told.owner.tgid == 0 {
            told.owner.group = sock.cgroup();
        }
        write(meta, &told);
        index += 1;
    }
    0
}

#[inline(always)]
fn write(meta: *const Meta, told: &Connection) {
    // SAFETY: the iterator's own file, and a record that lives until the call returns. Where it does not fit, the kernel shows
    // the same object again.
    unsafe {
        let sequence = read_volatile(&raw const (*meta).sequence);
        let _ = bpf_seq_write(sequence, (told as *const Connection).cast(), size_of::<Connection>() as u32);
    }
}
