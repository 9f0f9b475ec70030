//! Which part of a call's sleep was by design.
//!
//! First the call: some are made to wait, whatever the descriptor. Then the file: nobody waits for storage on purpose, also where
//! the sleep is interruptible (FUSE). Everything else: interruptible sleep is by design, uninterruptible is not.
use core::ptr::read_volatile;

use kerno_ebpf::kernel::{Registers, Task, user_number};
use kerno_ebpf_common::syscall::{ASLEEP, CLASS, CLONE, CLONE3, Classes, DESCRIPTOR, FILE, NUMBERS, OPEN, SLOW_NS};

/// Set by user space to the numbers of this machine, before the load.
#[unsafe(no_mangle)]
static CLASSES: Classes = [0; NUMBERS as usize];

const CLONE_VFORK: u64 = 0x4000;
const EINTR: i64 = -4;
const ERESTART_RESTARTBLOCK: i64 = -516;
const ERESTARTSYS: i64 = -512;

/// Class and flags of a number, which must be below [`NUMBERS`].
#[inline(always)]
pub fn class_of(number: u32) -> u8 {
    // SAFETY: masked to the array's length, a power of two; volatile, because user space changes it after compilation.
    unsafe { read_volatile((&raw const CLASSES).cast::<u8>().add((number & (NUMBERS - 1)) as usize)) }
}

/// Whether a signal or a tracer interrupted the call.
#[inline(always)]
pub fn is_restart(result: i64) -> bool {
    (ERESTART_RESTARTBLOCK..=ERESTARTSYS).contains(&result)
}

/// The part of a call's sleep that counts.
#[inline(always)]
pub fn judged_sleep(class: u8, interruptible: u64, uninterruptible: u64, registers: Registers, result: i64) -> u64 {
    if class == ASLEEP {
        return 0;
    }
    if class == CLONE || class == CLONE3 {
        let argument = registers.kept_argument();
        let flags = if class == CLONE3 { user_number(argument) } else { argument };
        return if flags & CLONE_VFORK != 0 { 0 } else { uninterruptible };
    }
    // A short sleep is not worth the look.
    if interruptible < SLOW_NS {
        return uninterruptible;
    }
    let all = class == FILE || {
        let descriptor = if class == OPEN { result as u64 } else { registers.kept_argument() };
        (class == DESCRIPTOR || class == OPEN) && Task::current().file(descriptor as u32).is_storage()
    };
    if all && !is_restart(result) && result != EINTR { interruptible + uninterruptible } else { uninterruptible }
}

/// The class without its flags.
#[inline(always)]
pub fn plain(class: u8) -> u8 {
    class & CLASS
}
