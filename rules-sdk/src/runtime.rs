//! What a component needs at run time: an allocator, and a panic that traps.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size, unreachable};
use core::cell::Cell;
use core::panic::PanicInfo;
use core::ptr;

#[global_allocator]
static ALLOCATOR: Arena = Arena { next: Cell::new(0) };

const PAGE: usize = 64 << 10;

/// Linear memory behind what the linker has put there, given out from its beginning to its end. An instance lives for one evaluation, a
/// fraction of a millisecond, and then all of it is cleared: keeping books of what became free would take longer than all else that most
/// rules do. What was given out last can be given back and grow where it is, as texts and lists do while they are made.
struct Arena {
    /// Where what is free begins; 0 before the first use.
    next: Cell<usize>,
}

// SAFETY: a component has one thread.
unsafe impl Sync for Arena {}

impl Arena {
    fn next(&self) -> usize {
        match self.next.get() {
            0 => (&raw const __heap_base).addr(),
            next => next,
        }
    }

    /// Takes all up to an address, with more memory where that is needed. Whether there was enough.
    fn take(&self, end: usize) -> bool {
        let there = memory_size::<0>() * PAGE;
        let is_there = end <= there || memory_grow::<0>((end - there).div_ceil(PAGE)) != usize::MAX;
        if is_there {
            self.next.set(end);
        }
        is_there
    }
}

// SAFETY: what is given out is nobody else's until it is given back, and is as large and aligned as asked for.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.next().next_multiple_of(layout.align());
        match start.checked_add(layout.size()) {
            Some(end) if self.take(end) => ptr::with_exposed_provenance_mut(start),
            _ => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, given: *mut u8, layout: Layout) {
        if given.addr() + layout.size() == self.next() {
            self.next.set(given.addr());
        }
    }

    unsafe fn realloc(&self, given: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if given.addr() + layout.size() == self.next() {
            let is_there = given.addr().checked_add(size).is_some_and(|end| self.take(end));
            return if is_there { given } else { ptr::null_mut() };
        }
        if size <= layout.size() {
            return given;
        }
        // SAFETY: its alignment was one before, and its size is what the caller vouches for.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are that large, and the new one is nobody else's.
            unsafe { ptr::copy_nonoverlapping(given, new, layout.size()) };
        }
        new
    }
}

unsafe extern "C" {
    static mut __heap_base: u8;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unreachable()
}
