//! Kernel records of how control groups start, which the tcp collector tells.

/// Control groups made in the window that are told apart.
pub const STARTS: u32 = 512;

/// Connections of groups that have not answered yet that are looked after, of all groups.
pub const WATCHED: u32 = 64;

/// The same of one group.
pub const WATCHED_OF_ONE: u64 = 8;

/// A control group that was made in the window. Times are nanoseconds since boot, 0 when it has not come so far.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// When it was made.
    pub made: u64,
    /// When the first process was in it, or in a group below it.
    pub populated: u64,
    /// When the last process left it; 0 while there is one.
    pub emptied: u64,
    /// When a program was executed in it: the first one, or the first one in another mount namespace than the maker's.
    pub executed: u64,
    /// When a TCP socket of it listened.
    pub listened: u64,
    /// When a connection to it was first there for it to accept.
    pub connected: u64,
    /// When data first came on such a connection.
    pub asked: u64,
    /// When it first sent data on such a connection.
    pub answered: u64,
    /// What the kernel's clock of ticks said at `listened`.
    pub listened_ticks: u64,
    /// Mount namespace of the task that made it, as its address.
    pub maker_mounts: u64,
    /// Connections that are looked after.
    pub watched: u64,
    /// Open ones that there was no room to look after.
    pub unwatched: u64,
    /// Groups made below it.
    pub below: u64,
    /// Process that executed the program.
    pub tgid: u32,
    /// Port that it listened at first.
    pub port: u16,
    /// 1 when the program was executed in another mount namespace than the maker's.
    pub own_mounts: u16,
    /// Command name of the program.
    pub comm: [u8; 16],
    /// Command name of who listened.
    pub listener: [u8; 16],
}

/// What the programs count.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartCounters {
    /// Control groups made.
    pub made: u64,
    /// Of them, those that there was no room for.
    pub untold: u64,
    /// Listening sockets of groups that were made in the window.
    pub listened: u64,
}

const _: () = {
    assert!(size_of::<Start>() == 144);
    assert!(size_of::<StartCounters>() == 24);
};

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C) of integers and an array of integers without implicit padding (the size is asserted above), so every bit
    // pattern is a value.
    unsafe impl aya::Pod for super::Start {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::StartCounters {}
}
