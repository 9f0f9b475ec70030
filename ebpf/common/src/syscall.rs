//! Kernel records of the syscall collector.

use crate::histogram::BUCKETS;

/// Rows that belong to a system call's number: what found no row for its number and control group counts in `row == number`.
pub const NUMBERS: u32 = 512;

/// Stands for every call of a 32-bit program: they are numbered by another table.
pub const COMPAT: u32 = NUMBERS - 2;

/// Stands for every number that is out of range.
pub const UNNUMBERED: u32 = NUMBERS - 1;

/// Rows of all sums: those of the numbers, then those given out to a number in a control group.
pub const ROWS: u32 = 3072;

/// Histograms of calls by number. Row 0 takes the numbers that found none, row [`OWN_HISTOGRAM`] all calls of kerno.
pub const HISTOGRAMS: u32 = 128;

/// The histogram of kerno's calls.
pub const OWN_HISTOGRAM: u32 = 1;

/// Histograms of slow calls by number and control group. Row 0 takes what found none.
pub const SLOW_HISTOGRAMS: u32 = 128;

/// CPUs share this many copies of the sums and histograms at most.
pub const MAX_SHARDS: u32 = 16;

/// Tasks whose call is kept while they are off the CPU, beside those in [`SEATS`].
pub const SAVED: u32 = 4096;

/// Places for calls of tasks that are off the CPU: the first task that needs a place keeps it until it ends; a power of two.
pub const SEATS: usize = 2048;

/// Kinds of errors kept: number, control group and errno.
pub const ERRORS: u32 = 2048;

/// Processes kept for their slow calls, by number; the ones longest without one go first.
pub const PROCESSES: u32 = 1024;

/// A call of at least this judged time is slow, nanoseconds. Also: a sleep shorter than this is not looked into.
pub const SLOW_NS: u64 = 1_000_000;

/// Entries of a CPU's cache of rows; a power of two.
pub const CACHED: usize = 64;

/// Kinds of calls, by number and group, that a CPU sums in its own entry; a power of two.
pub const PLACES: usize = 32;

/// A kind of calls may get a place once in so many of its calls, and keeps it.
pub const OFTEN: u64 = 1024;

/// Times below this many units of the histograms (7.7 µs) are counted in a place, which thus has 512 bytes.
pub const UNITS: usize = 120;

/// No call is in progress on this CPU that is known, none will be.
pub const IDLE: u32 = 0;
/// The running task was switched in: its call, if any, is in the table.
pub const UNKNOWN: u32 = 1;
/// [`Slot::call`] of a number is the number plus this.
pub const FIRST: u32 = 2;

/// [`Slot::group`] while it is not known.
pub const NO_GROUP: u32 = 0;
/// [`Slot::group`] of kerno's threads.
pub const OWN_GROUP: u32 = 1;
/// [`Slot::group`] of a control group is its row plus this.
pub const FIRST_GROUP: u32 = 2;

/// Interruptible sleep is by design, uninterruptible counts.
pub const OTHER: u8 = 0;
/// Takes a path, or a descriptor that can only be a file's: all sleep counts.
pub const FILE: u8 = 1;
/// Takes a descriptor first: as [`FILE`] on a regular file, directory or block device, else as [`OTHER`].
pub const DESCRIPTOR: u8 = 2;
/// Makes a descriptor from a path: as [`DESCRIPTOR`] by what was opened.
pub const OPEN: u8 = 3;
/// No sleep counts: waiting is what it is for.
pub const ASLEEP: u8 = 4;
/// Uninterruptible sleep is by design when its flags (first argument) hold `CLONE_VFORK`; else as [`OTHER`].
pub const CLONE: u8 = 5;
/// The same with the flags where the first argument points to.
pub const CLONE3: u8 = 6;
/// Its time is not judged.
pub const UNJUDGED: u8 = 7;
/// The class of a number is in these bits.
pub const CLASS: u8 = 0x0f;
/// Flag: what it returns is no result.
pub const NO_RESULT: u8 = 0x10;
/// Flag: it returns 0 in a new task, which did not call it.
pub const TWICE: u8 = 0x20;

/// Class and flags of every number.
pub type Classes = [u8; NUMBERS as usize];

/// How a task left the CPU: still runnable.
pub const PREEMPTED: u32 = 0;
/// Asleep, and a signal would have woken it.
pub const INTERRUPTIBLE: u32 = 1;
/// Asleep, and no signal (or only a deadly one) would have woken it.
pub const UNINTERRUPTIBLE: u32 = 2;

/// A histogram of one row and shard.
pub type Counts = [u32; BUCKETS];

/// The call in progress on a CPU, and what the CPU counts.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slot {
    /// Sums of the kinds of calls that are made most often. All others, and their longer calls, count in rows.
    pub places: [Place; PLACES],
    /// The call and when it began: see [`in_progress`].
    pub call: u64,
    /// Keeps the size a multiple of eight.
    pub padding: u32,
    /// Group of the running task: [`NO_GROUP`], [`OWN_GROUP`], or its row plus [`FIRST_GROUP`].
    pub group: u32,
    /// When the last call returned that the short program left to the long one.
    pub left_at: u64,
    /// Calls that returned and were not counted in a place.
    pub returned: u64,
    /// Those of kerno's threads.
    pub own_returned: u64,
    /// Those of kerno's threads whose beginning was seen.
    pub own_timed: u64,
    /// Calls not followed off the CPU because the table was full.
    pub unsaved: u64,
    /// Calls that returned and whose beginning is not known.
    pub unbegun: u64,
    /// Numbers met in control groups for which no row was left.
    pub rows_full: u64,
    /// Slow calls counted in no row of their own.
    pub slow_without_row: u64,
    /// Errors whose errno could not be kept.
    pub errors_full: u64,
    /// Slow calls whose process could not be kept.
    pub processes_full: u64,
    /// New entries in the table of saved calls.
    pub inserted: u64,
    /// Where the sums of the calls seen last are: see [`cached`].
    pub cached: [u64; CACHED],
}

impl Slot {
    /// Calls that returned.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.returned + self.places.iter().map(Place::calls).sum::<u64>()
    }
}

/// Short calls of one kind on one CPU: none of them failed or left the CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Place {
    /// Which kind: see [`place_key`]; 0 when free.
    pub key: u64,
    /// Row of its sums.
    pub row: u32,
    /// Row of its number's histogram.
    pub histogram: u32,
    /// On the CPU, nanoseconds.
    pub on_cpu: u64,
    /// The longest, nanoseconds.
    pub max: u64,
    /// Their times, by the unit of the histograms.
    pub counts: [u32; UNITS],
}

impl Place {
    /// Calls that returned.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }
}

/// A place that is free.
pub const EMPTY_PLACE: Place = Place { key: 0, row: 0, histogram: 0, on_cpu: 0, max: 0, counts: [0; UNITS] };

/// A slot before the first call.
pub const EMPTY_SLOT: Slot = Slot {
    places: [EMPTY_PLACE; PLACES],
    call: 0,
    padding: 0,
    group: NO_GROUP,
    left_at: 0,
    returned: 0,
    own_returned: 0,
    own_timed: 0,
    unsaved: 0,
    unbegun: 0,
    rows_full: 0,
    slow_without_row: 0,
    errors_full: 0,
    processes_full: 0,
    inserted: 0,
    cached: [0; CACHED],
};

/// Sums of one row and shard, nanoseconds.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct CallTotals {
    /// Calls that returned.
    pub calls: u64,
    /// Those that returned an error.
    pub failed: u64,
    /// Those interrupted by a signal, to be made again or to fail with `EINTR`.
    pub restarted: u64,
    /// On the CPU.
    pub on_cpu: u64,
    /// In uninterruptible sleep.
    pub uninterruptible: u64,
    /// In interruptible sleep.
    pub interruptible: u64,
    /// Waiting for a CPU.
    pub waiting: u64,
    /// The part of the sleep that is judged: it was not by design. Time on the CPU is judged as well.
    pub judged_sleep: u64,
    /// Calls without a judged time: their beginning is not known, or their number is [`UNJUDGED`].
    pub untimed: u64,
    /// The longest judged time.
    pub max: u64,
}

/// A call whose task is off the CPU, keyed by the task's address.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SavedCall {
    /// When it began, nanoseconds since boot.
    pub entered: u64,
    /// When the task left the CPU last.
    pub left: u64,
    /// Uninterruptible sleep before that.
    pub uninterruptible: u64,
    /// Interruptible sleep before that.
    pub interruptible: u64,
    /// Waiting for a CPU before that.
    pub waiting: u64,
    /// The number plus [`FIRST`]; [`IDLE`] when the call has returned.
    pub call: u32,
    /// [`PREEMPTED`], [`INTERRUPTIBLE`] or [`UNINTERRUPTIBLE`].
    pub how: u32,
    /// Thread id.
    pub tid: u32,
    /// Process id.
    pub tgid: u32,
}

/// The place of a task's call.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// Address of the task that has it; 0 when it is free.
    pub task: u64,
    /// Its call.
    pub saved: SavedCall,
}

/// All of them, found by [`seat_of`].
pub type Seats = [Seat; SEATS];

/// Which of the seats may be the task's.
#[inline(always)]
#[must_use]
pub const fn seat_of(task: u64) -> usize {
    ((task >> 6).wrapping_mul(0x61c8_8647) >> 27) as usize & (SEATS - 1)
}

/// An error of one row, keyed by [`error_key`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Failures {
    /// How often.
    pub count: u64,
    /// Failures of `tgid` less those of others: when above 0, it may have had most of them.
    pub votes: u64,
    /// Process id.
    pub tgid: u32,
    /// When it started, in units of 2²⁰ ns: a process id may be given again.
    pub start: u32,
    /// Its command name, NUL-terminated.
    pub comm: [u8; 16],
}

/// Whose slow calls of which number.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessKey {
    /// Process id.
    pub tgid: u32,
    /// Row of the number.
    pub number: u32,
    /// When the process started, in units of 2²⁰ ns: a process id may be given again.
    pub start: u32,
}

/// A process's slow calls of one number, nanoseconds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SlowCalls {
    /// Control group id.
    pub group: u64,
    /// How many.
    pub calls: u64,
    /// Their judged time.
    pub judged: u64,
    /// The longest.
    pub max: u64,
    /// Their time on the CPU.
    pub on_cpu: u64,
    /// In uninterruptible sleep.
    pub uninterruptible: u64,
    /// In interruptible sleep.
    pub interruptible: u64,
    /// Waiting for a CPU.
    pub waiting: u64,
    /// Command name, NUL-terminated.
    pub comm: [u8; 16],
}

/// Bits of a time that are kept beside the call: 78 hours in nanoseconds.
const TIME_BITS: u32 = 48;
const TIME: u64 = (1 << TIME_BITS) - 1;

/// A call ([`IDLE`], [`UNKNOWN`], or the number plus [`FIRST`]) and when it began, in one word: a program that is preempted between
/// two could leave the one of a task beside the other of another.
#[inline(always)]
#[must_use]
pub const fn in_progress(call: u32, entered: u64) -> u64 {
    ((call as u64) << TIME_BITS) | (entered & TIME)
}

/// The call of [`in_progress`].
#[inline(always)]
#[must_use]
pub const fn call_of(word: u64) -> u32 {
    (word >> TIME_BITS) as u32
}

/// How long ago the call of [`in_progress`] began, nanoseconds.
#[inline(always)]
#[must_use]
pub const fn age_of(word: u64, now: u64) -> u64 {
    now.wrapping_sub(word) & TIME
}

/// A number in a group, with the rows of its sums and histogram ([`HISTOGRAMS`] when its time is not judged), in one word.
#[inline(always)]
#[must_use]
pub const fn cached(group: u32, number: u32, row: u32, histogram: u32) -> u64 {
    cached_key(group, number) | ((row as u64) << 16) | histogram as u64
}

/// The part of [`cached`] that says of which number and group it is.
#[inline(always)]
#[must_use]
pub const fn cached_key(group: u32, number: u32) -> u64 {
    ((group as u64) << 48) | ((number as u64) << 32)
}

/// Row of the sums, and of the histogram, if `word` is of this number and group.
#[inline(always)]
#[must_use]
pub const fn cached_rows(word: u64, group: u32, number: u32) -> Option<(u32, u32)> {
    if word >> 32 == cached_key(group, number) >> 32 { Some(((word >> 16) as u32 & 0xffff, word as u32 & 0xffff)) } else { None }
}

/// Key of [`Place`]: `group` and [`Slot::call`] of a number.
#[inline(always)]
#[must_use]
pub const fn place_key(group: u32, call: u32) -> u64 {
    ((group as u64) << 16) | call as u64
}

/// Where the place of a key is, if it has one.
#[inline(always)]
#[must_use]
pub const fn place_of(key: u64) -> usize {
    (key.wrapping_mul(0x61c8_8647) >> 27) as usize & (PLACES - 1)
}

/// Key of [`Failures`].
#[inline(always)]
#[must_use]
pub const fn error_key(row: u32, errno: u32) -> u32 {
    (row << 12) | errno
}

/// Row and errno of [`error_key`].
#[must_use]
pub const fn error_parts(key: u32) -> (u32, u32) {
    (key >> 12, key & 0xfff)
}

const _: () = {
    assert!(ROWS <= 1 << 20);
    assert!(ROWS <= 1 << 16 && HISTOGRAMS < 1 << 16);
    assert!(size_of::<Place>() == 512);
    assert!(size_of::<Slot>() == 104 + 8 * CACHED + PLACES * size_of::<Place>());
    assert!(size_of::<CallTotals>() == 80);
    assert!(size_of::<SavedCall>() == 56);
    assert!(size_of::<Seat>() == 64);
    assert!(size_of::<Failures>() == 40);
    assert!(size_of::<ProcessKey>() == 12);
    assert!(size_of::<SlowCalls>() == 80);
};

#[cfg(feature = "user")]
mod pod {
    use super::{CallTotals, Failures, ProcessKey, SavedCall, Seat, SlowCalls};

    // SAFETY: repr(C) of integers and arrays of integers without implicit padding (the sizes are asserted above), so every
    // bit pattern is a value.
    unsafe impl aya::Pod for CallTotals {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Failures {}
    // SAFETY: as above.
    unsafe impl aya::Pod for ProcessKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SavedCall {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Seat {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SlowCalls {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_and_its_time_share_a_word() {
        let long_ago = 5 * (1 << 48) + 17;
        let word = in_progress(NUMBERS + FIRST, long_ago);
        assert_eq!((call_of(word), age_of(word, long_ago + 1_000)), (NUMBERS + FIRST, 1_000));
        assert_eq!((call_of(in_progress(UNKNOWN, 0)), call_of(0)), (UNKNOWN, IDLE));
    }

    #[test]
    fn cached_rows_are_those_of_their_number_and_group_only() {
        let word = cached(514, 511, ROWS - 1, HISTOGRAMS);
        assert_eq!(cached_rows(word, 514, 511), Some((ROWS - 1, HISTOGRAMS)));
        assert_eq!((cached_rows(word, 513, 511), cached_rows(word, 514, 510), cached_rows(0, 1, 0)), (None, None, None));
    }

    #[test]
    fn error_keys_come_apart_again() {
        assert_eq!(error_parts(error_key(ROWS - 1, 4095)), (ROWS - 1, 4095));
        assert_eq!(error_parts(error_key(0, 5)), (0, 5));
    }
}
