//! This process's own memory.

/// Gives memory that was freed back to the system: the allocator keeps it for the thread that freed it, which may never need it again.
/// Takes a few milliseconds where there is much.
pub fn give_back() {
    // SAFETY: it looks at what the allocator itself holds, under its own locks.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
