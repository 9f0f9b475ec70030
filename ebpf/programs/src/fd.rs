//! The fd object: open descriptors of every process, whatever way they came, by a walk over tasks.
#![no_std]
#![no_main]

use core::ptr::read_volatile;

use aya_ebpf::{
    bindings::seq_file,
    helpers::generated::{bpf_probe_read_kernel, bpf_seq_write},
    macros::map,
    maps::Array,
};
use kerno_ebpf::kernel::{Descriptors, Task, Typed, silenced};
use kerno_ebpf_common::fd::{Progress, Table};

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

#[map]
static PROGRESS: Array<Progress> = Array::with_max_entries(1, 0);
#[map]
static PIECE: Array<Piece> = Array::with_max_entries(1, 0);

/// Words of a table's bitmap that are read at once.
const PIECE_WORDS: u32 = 32;
type Piece = [u64; PIECE_WORDS as usize];

/// Pieces that one call counts: 16,384 descriptors. The verifier follows every one of them.
const PIECES: u32 = 8;

/// Tasks after which a walk gives way to others: the kernel itself goes on until its buffer is full.
const AT_ONCE: u32 = 1_024;

/// What an iterator over tasks hands over: `struct bpf_iter__task`.
#[repr(C)]
struct Context {
    /// `struct bpf_iter_meta`, which begins with the `seq_file`.
    meta: *const *mut seq_file,
    /// Null at the end of the walk.
    task: *const u8,
}

/// The walk goes on.
const NEXT: i32 = 0;
/// The kernel shows the same task again.
const AGAIN: i32 = 1;

/// Counts the slots in use in each process's table.
///
/// `bpf_iter__task` (5.8): the kernel calls it for every thread whenever the iterator's file is read. A slot is in use from when
/// `open` or `accept` takes it, before there is a file: that is what the limit counts, and what `st_size` of `/proc/<pid>/fd` tells
/// since 6.2 (f1f1f2569901).
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn descriptors(context: *const Context) -> i32 {
    if silenced() != 0 {
        return NEXT;
    }
    // SAFETY: the kernel's context; its `meta` is never null.
    let (sequence, task) = unsafe {
        let meta = read_volatile(&raw const (*context).meta);
        (read_volatile(meta), read_volatile(&raw const (*context).task))
    };
    if task.is_null() {
        return NEXT;
    }
    let Some(progress) = PROGRESS.get_ptr_mut(0) else { return NEXT };
    // SAFETY: one walk at a time, by one process.
    let progress = unsafe { &mut *progress };
    progress.tasks += 1;
    if progress.tasks > AT_ONCE {
        progress.tasks = 0;
        return AGAIN;
    }
    let address = task as u64;
    let task = Task::new(task);
    if task.is_of_kernel::<Typed>() {
        return NEXT;
    }
    let table = task.descriptors();
    if table.is_none() {
        return NEXT;
    }
    let (tgid, tid) = (task.tgid::<Typed>(), task.tid::<Typed>());
    let leader = task.leader::<Typed>();
    // Threads share their process's table, unless one took another (`unshare`) or the first thread ended.
    if tid != tgid && leader.descriptors().is_same(table) {
        return NEXT;
    }
    if tid != tgid && progress.tgid == tgid && progress.table == table.address() {
        return NEXT;
    }
    let (words, open) = if progress.task == address { (progress.words, progress.open) } else { (0, 0) };
    let Some((words, open, is_whole)) = count(table, words, open) else { return NEXT };
    if !is_whole {
        progress.task = address;
        progress.words = words;
        progress.open = open;
        return AGAIN;
    }
    progress.task = 0;
    let now = task.descriptors();
    if now.is_none() {
        // It ended meanwhile.
        return NEXT;
    }
    let record = Table {
        start_ns: leader.start_ns::<Typed>(),
        group: task.cgroup::<Typed>(),
        table: table.address(),
        limit: leader.descriptor_limit(),
        tgid,
        tid,
        open,
        torn: u32::from(!now.is_same(table)),
        comm: leader.comm(),
    };
    // SAFETY: the record lives until the helper returns. Without room the kernel shows the task again, for a fresh buffer.
    let written = unsafe { bpf_seq_write(sequence, (&raw const record).cast_mut().cast(), size_of::<Table>() as u32) };
    if written == 0 {
        progress.tgid = tgid;
        progress.table = table.address();
    }
    NEXT
}

/// Goes on counting after `words` words with `open` slots: how far it came, and whether that is all.
#[inline(always)]
fn count(table: Descriptors, mut words: u32, mut open: u32) -> Option<(u32, u32, bool)> {
    let (slots, bits) = table.bits();
    let size = slots / 64;
    if words > size {
        // A table never shrinks: this one is another.
        words = 0;
        open = 0;
    }
    let mut left = size - words;
    let piece = PIECE.get_ptr_mut(0)?;
    let mut pieces = 0;
    while pieces < PIECES {
        if left < PIECE_WORDS {
            break;
        }
        // SAFETY: the helper writes as much as the piece has room for, zeros on a fault.
        unsafe {
            let _ = bpf_probe_read_kernel(piece.cast(), size_of::<Piece>() as u32, bits.add(words as usize * 8).cast());
        }
        let mut index = 0;
        while index < PIECE_WORDS as usize {
            // SAFETY: inside the piece.
            open += ones(unsafe { read_volatile(piece.cast::<u64>().add(index)) });
            index += 1;
        }
        words += PIECE_WORDS;
        left -= PIECE_WORDS;
        pieces += 1;
    }
    if left >= PIECE_WORDS {
        return Some((words, open, false));
    }
    // SAFETY: its own place. The mask changes nothing, and shows verifiers before 5.11 that it is less than a piece.
    let left = unsafe { read_volatile(&raw const left) } & (PIECE_WORDS - 1);
    // SAFETY: as above.
    unsafe {
        let _ = bpf_probe_read_kernel(piece.cast(), left * 8, bits.add(words as usize * 8).cast());
    }
    let mut index = 0;
    while index < PIECE_WORDS - 1 {
        if index >= left {
            break;
        }
        // SAFETY: inside the piece.
        open += ones(unsafe { read_volatile(piece.cast::<u64>().add(index as usize)) });
        index += 1;
    }
    Some((words, open, true))
}

/// Bits that are set. `count_ones` compiles to more than this on a machine without such an instruction.
#[inline(always)]
fn ones(word: u64) -> u32 {
    let pairs = word - ((word >> 1) & 0x5555_5555_5555_5555);
    let nibbles = (pairs & 0x3333_3333_3333_3333) + ((pairs >> 2) & 0x3333_3333_3333_3333);
    let bytes = (nibbles + (nibbles >> 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    (bytes.wrapping_mul(0x0101_0101_0101_0101) >> 56) as u32
}
