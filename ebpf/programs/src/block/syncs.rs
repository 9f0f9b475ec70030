//! The fsync family as the calling process feels it, per process and file system.
use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    macros::{fentry, fexit, map},
    maps::{Array, HashMap, Queue},
    programs::{FEntryContext, FExitContext},
};
use kerno_ebpf::{
    kernel::{File, Probed, Registers, Task, own_tgid},
    rows::{count_shared, row_of},
};
use kerno_ebpf_common::block::{
    Counts, FDATASYNC, FSYNC, MSYNC, OTHER, SYNC_FILE_RANGE, SYNC_ROWS, SYNCFS, SYNCING as SYNCING_MAX, SyncKey, SyncTotals,
    Syncing, WRITE,
};

use super::this_cpu;

#[map]
static SYNCING: HashMap<u64, Syncing> = HashMap::with_max_entries(SYNCING_MAX, 0);
#[map]
static SYNC_ROW: HashMap<SyncKey, u32> = HashMap::with_max_entries(SYNC_ROWS, 0);
#[map]
static SYNC_FREE: Queue<u32> = Queue::with_max_entries(SYNC_ROWS, 0);
#[map]
static SYNC_HIST: Array<Counts> = Array::with_max_entries(SYNC_ROWS, 0);
#[map]
static SYNC_TOTALS: Array<SyncTotals> = Array::with_max_entries(SYNC_ROWS, 0);
#[map]
static SYNC_COMM: Array<[u8; 16]> = Array::with_max_entries(SYNC_ROWS, 0);

const EINTR: i32 = 4;
const EBADF: i32 = 9;
const EINVAL: i32 = 22;
const ESPIPE: i32 = 29;
const ERESTARTSYS: i32 = 512;
const ERESTART_RESTARTBLOCK: i32 = 516;

/// A pair of programs on one call's entry function.
macro_rules! system_call {
    ($($(#[$doc:meta])* $call:ident $enter:ident $exit:ident;)*) => {
        $(
            $(#[$doc])*
            #[fentry]
            pub fn $enter(ctx: FEntryContext) -> i32 {
                entered($call, Registers::new(ctx.arg(0)));
                0
            }

            /// The same call's return: `(const struct pt_regs *regs)`, then the result.
            #[fexit]
            pub fn $exit(ctx: FExitContext) -> i32 {
                returned(ctx.arg::<i32>(1));
                0
            }
        )*
    };
}

// On x86-64 `__x64_sys_*(const struct pt_regs *regs)` (4.17), on arm64 `__arm64_sys_*` (4.19). Function entry and exit programs
// came with 5.5 on x86-64 (fec56f5890d9) and with 6.4 on arm64: it has trampolines since 6.0 (efc9909fdce0), but functions of the
// kernel call them directly only since 6.4 (2aa6ac03516d). Calls of 32-bit programs have entry functions of their own and are not seen.
system_call! {
    /// `fsync(fd)`.
    FSYNC enter_fsync exit_fsync;
    /// `fdatasync(fd)`.
    FDATASYNC enter_fdatasync exit_fdatasync;
    /// `syncfs(fd)`.
    SYNCFS enter_syncfs exit_syncfs;
    /// `sync_file_range(fd, …)`.
    SYNC_FILE_RANGE enter_range exit_range;
    /// `msync(start, length, flags)`: has no descriptor; `vfs_fsync_range` tells the file. One that never gets there syncs nothing.
    MSYNC enter_msync exit_msync;
}

/// `vfs_fsync_range(struct file *file, loff_t start, loff_t end, int datasync)`: tells the file of an `msync`, and is the whole
/// of a synchronous write's sync (`generic_write_sync`), which has no call of its own.
#[fentry]
pub fn enter_vfs(ctx: FEntryContext) -> i32 {
    vfs_entered(File::new(ctx.arg(0)));
    0
}

/// The same function's return: its four arguments, then the result.
#[fexit]
pub fn exit_vfs(ctx: FExitContext) -> i32 {
    vfs_returned(ctx.arg::<i32>(4));
    0
}

#[inline(always)]
fn entered(call: u32, registers: Registers) {
    let file = if call == MSYNC { File::new(core::ptr::null()) } else { Task::current().file(registers.first_argument() as u32) };
    begin(bpf_get_current_pid_tgid(), call, file);
}

#[inline(always)]
fn begin(thread: u64, call: u32, file: File) {
    let Some((_, counters)) = this_cpu() else { return };
    if SYNCING.get_ptr(thread).is_some() {
        counters.return_missed += 1;
    }
    let (device, raw) = file.device();
    let key = SyncKey {
        group: Task::current().cgroup::<Probed>(),
        tgid: (thread >> 32) as u32,
        device,
        raw: u32::from(raw),
        start: Task::process_start(),
    };
    // SAFETY: a helper without arguments.
    let at = unsafe { bpf_ktime_get_ns() };
    if SYNCING.insert(thread, Syncing { at, key, call, depth: 1 }, 0).is_err() {
        counters.syncing_full += 1;
    }
}

#[inline(always)]
fn returned(result: i32) {
    let thread = bpf_get_current_pid_tgid();
    let Some(known) = SYNCING.get_ptr(thread) else { return };
    // SAFETY: only this thread changes its entry.
    let known = unsafe { *known };
    let _ = SYNCING.remove(thread);
    end(&known, result);
}

#[inline(always)]
fn vfs_entered(file: File) {
    let thread = bpf_get_current_pid_tgid();
    if let Some(known) = SYNCING.get_ptr_mut(thread) {
        // SAFETY: only this thread changes its entry.
        let known = unsafe { &mut *known };
        if known.call == WRITE {
            known.depth += 1;
        } else if known.key.device == 0 {
            let (device, raw) = file.device();
            known.key.device = device;
            known.key.raw = u32::from(raw);
        }
        return;
    }
    if !Task::current().is_of_kernel::<Probed>() {
        begin(thread, WRITE, file);
    }
}

#[inline(always)]
fn vfs_returned(result: i32) {
    let thread = bpf_get_current_pid_tgid();
    let Some(known) = SYNCING.get_ptr_mut(thread) else { return };
    // SAFETY: only this thread changes its entry.
    let known = unsafe { &mut *known };
    if known.call != WRITE {
        return;
    }
    known.depth -= 1;
    if known.depth == 0 {
        let known = *known;
        let _ = SYNCING.remove(thread);
        end(&known, result);
    }
}

/// Counts a sync that has returned, unless it was none: no such descriptor, or nothing that can be synced (socket, pipe).
#[inline(always)]
fn end(sync: &Syncing, result: i32) {
    let Some((id, counters)) = this_cpu() else { return };
    if sync.key.device == 0 || result == -EBADF || result == -EINVAL || result == -ESPIPE {
        if sync.key.tgid == own_tgid() {
            counters.canaries += 1;
        }
        return;
    }
    // SAFETY: a helper without arguments.
    let latency = unsafe { bpf_ktime_get_ns() } - sync.at;
    counters.synced += 1;
    let row = match row_of(&SYNC_ROW, &SYNC_FREE, sync.key) {
        Some((row, new)) => {
            if new && let Some(comm) = SYNC_COMM.get_ptr_mut(row) {
                // SAFETY: only the CPU that gave out the row writes its name, once.
                unsafe { *comm = Task::current().comm() };
            }
            row
        }
        None => {
            counters.syncs_without_row += 1;
            OTHER
        }
    };
    let interrupted = result == -EINTR || (-ERESTART_RESTARTBLOCK..=-ERESTARTSYS).contains(&result);
    if let Some(totals) = SYNC_TOTALS.get_ptr_mut(id * SYNC_ROWS + row) {
        // SAFETY: only this CPU writes this entry.
        let totals = unsafe { &mut *totals };
        totals.sum_ns += latency;
        if latency > totals.max_ns {
            totals.max_ns = latency;
        }
        if result < 0 && !interrupted {
            totals.errors += 1;
        }
    }
    if let Some(counts) = SYNC_HIST.get_ptr_mut(row) {
        count_shared(counts, latency);
    }
}
