//! Walks over the connections that live: those with a descriptor, found through every process's files, and those without one, which
//! user space knows by their address.
use core::ptr::read_volatile;

use aya_ebpf::{bindings::seq_file, helpers::generated::bpf_seq_write, macros::map, maps::Array};
use kerno_ebpf::kernel::{
    Access, File, Probed, Task, Typed,
    sock::{Sock, TcpSock, probed_sock_of, sock_from_file, typed_sock_of},
};
use kerno_ebpf_common::tcp::{CLOSE, Connection, FOUND, LISTEN, ORPHANS as MOST_ORPHANS, Owner};

use crate::{LIVE, describe};

/// Addresses of sockets that have no descriptor any more; 0 ends them.
#[map]
static ORPHANS: Array<u64> = Array::with_max_entries(MOST_ORPHANS, 0);
/// How many of them were told.
#[map]
static ORPHANS_TOLD: Array<u32> = Array::with_max_entries(1, 0);

/// `struct bpf_iter_meta`.
#[repr(C)]
struct Meta {
    sequence: *mut seq_file,
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

/// Descriptors that a walk has seen since it gave way to others.
#[map]
static WALKED: Array<u32> = Array::with_max_entries(1, 0);

/// Descriptors after which it gives way: the kernel itself goes on until its buffer is full.
const AT_ONCE: u32 = 4_096;

/// The kernel is to return to the reader, and to show the same object at the next read.
const AGAIN: i32 = 1;

/// Iterator `task_file` (5.8): tells each connection once for every descriptor that it has. What cannot be written is shown again.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
extern "C" fn sockets(ctx: *const FileContext) -> i32 {
    // SAFETY: the context of this iterator; task and file are null in the last call.
    let (meta, task, file) = unsafe {
        (read_volatile(&raw const (*ctx).meta), read_volatile(&raw const (*ctx).task), read_volatile(&raw const (*ctx).file))
    };
    if task.is_null() || file.is_null() {
        return 0;
    }
    let Some(walked) = WALKED.get_ptr_mut(0) else { return 0 };
    // SAFETY: one walk at a time, by one process.
    unsafe {
        *walked += 1;
        if *walked > AT_ONCE {
            *walked = 0;
            return AGAIN;
        }
    }
    let file = File::new(file);
    if !file.is_socket() {
        return 0;
    }
    let task = Task::new(task);
    if sock_from_file() != 0 {
        if let Some(tcp) = typed_sock_of(file).and_then(Sock::tcp) {
            found::<Typed>(meta, task, tcp);
        }
    } else if let Some(sock) = probed_sock_of(file) {
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
    let start = task.leader::<Typed>().start::<Typed>();
    told.owner = Owner { group: task.cgroup::<Typed>(), tgid: task.tgid::<Typed>(), start, comm: task.comm() };
    write(meta, &told);
}

/// Iterator `task` (5.8), misused as a loop: at every task, the next of [`ORPHANS`] is told. The verifier follows a loop in the program
/// turn by turn, which takes it seconds.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn orphans(ctx: *const TaskContext) -> i32 {
    // SAFETY: the context of this iterator; the task is null in the last call.
    let (meta, task) = unsafe { (read_volatile(&raw const (*ctx).meta), read_volatile(&raw const (*ctx).task)) };
    let Some(told) = ORPHANS_TOLD.get_ptr_mut(0) else { return 0 };
    // SAFETY: one walk at a time, by one process, which writes both maps between walks only.
    let told = unsafe { &mut *told };
    let Some(address) = ORPHANS.get_ptr(*told) else { return 0 };
    // SAFETY: as above.
    let address = unsafe { *address };
    if task.is_null() || address == 0 {
        return 0;
    }
    let sock = Sock::new(address as *const u8);
    // SAFETY: as in `found`.
    let life = LIVE.get_ptr(address).map(|life| unsafe { &*life });
    let mut orphan = describe::<Probed>(sock.as_tcp(), life, FOUND, sock.state::<Probed>());
    if orphan.owner.tgid == 0 {
        orphan.owner.group = sock.cgroup();
    }
    if write(meta, &orphan) {
        *told += 1;
    }
    0
}

/// Writes a record, if there is room for it; where there is none, the kernel shows the same object again.
#[inline(always)]
fn write(meta: *const Meta, told: &Connection) -> bool {
    // SAFETY: the iterator's own file, and a record that lives until the call returns.
    unsafe {
        let sequence = read_volatile(&raw const (*meta).sequence);
        bpf_seq_write(sequence, (told as *const Connection).cast(), size_of::<Connection>() as u32) == 0
    }
}
