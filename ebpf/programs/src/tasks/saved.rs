//! Calls of tasks that are off the CPU: in the task's seat, or in a table when another task has that.
use core::ptr::read_volatile;

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap},
};
use kerno_ebpf_common::{
    sched::Cpu,
    syscall::{IDLE, SAVED as SAVED_CALLS, SavedCall, Seat, Seats, seat_of},
};

#[map]
static SAVED: HashMap<u64, SavedCall> = HashMap::with_max_entries(SAVED_CALLS, 0);
// One entry: user space reads it at once.
#[map]
static SEATS: Array<Seats> = Array::with_max_entries(1, 0);

/// Address of the CPU's task, as a number to count with: the verifier does not allow that with the pointer that the hook hands over.
#[inline(always)]
pub fn task_of(cpu: &Cpu) -> u64 {
    // SAFETY: a reference.
    unsafe { read_volatile(&raw const cpu.task) }
}

/// The seat that is the task's, another's, or free.
#[inline(always)]
fn seat(task: u64) -> Option<&'static mut Seat> {
    let seats = SEATS.get_ptr_mut(0)?;
    // SAFETY: below the array's length. Only the CPU that a task is on changes its seat.
    Some(unsafe { &mut *seats.cast::<Seat>().add(seat_of(task)) })
}

/// The call of a task that has its seat.
#[inline(always)]
pub fn seated(task: u64) -> Option<&'static mut SavedCall> {
    let seat = seat(task)?;
    if seat.task == task { Some(&mut seat.saved) } else { None }
}

/// Whether the table has the task's call.
#[inline(always)]
pub fn is_in_table(task: u64) -> bool {
    SAVED.get_ptr(task).is_some()
}

/// The task's call.
#[inline(always)]
pub fn of(task: u64) -> Option<&'static mut SavedCall> {
    if let Some(saved) = seated(task) {
        return Some(saved);
    }
    // SAFETY: only the CPU that the task is on changes its entry.
    SAVED.get_ptr_mut(task).map(|saved| unsafe { &mut *saved })
}

/// Keeps the call of a task that has none yet. `Ok(true)`: in the table; an error when that is full.
///
/// Two CPUs may take one seat in the same moment. One of the two calls is not found again then, and counted without its time.
#[inline(always)]
pub fn keep(task: u64, call: SavedCall) -> Result<bool, i32> {
    if let Some(seat) = seat(task)
        && seat.task == 0
    {
        seat.saved = call;
        seat.task = task;
        return Ok(false);
    }
    SAVED.insert(task, call, 0).map(|()| true)
}

/// The task ends.
#[inline(always)]
pub fn drop(task: u64) {
    if let Some(seat) = seat(task)
        && seat.task == task
    {
        seat.saved.call = IDLE;
        seat.task = 0;
        return;
    }
    let _ = SAVED.remove(task);
}
