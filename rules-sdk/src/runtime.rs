//! What a component needs at run time: an allocator, and a panic that traps.

use core::alloc::Layout;
use core::arch::wasm32::{memory_grow, memory_size, unreachable};
use core::panic::PanicInfo;
use core::ptr::NonNull;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

#[global_allocator]
static ALLOCATOR: TalcSyncCell<Memory, WasmBinning> = TalcSyncCell::new_wasm(Memory { end: None });

const PAGE: usize = 64 << 10;

/// Linear memory: first what the instance begins with and the linker has left free, then more of it.
#[derive(Debug)]
struct Memory {
    /// Where the heap ends.
    end: Option<NonNull<u8>>,
}

// SAFETY: it allocates nothing, and only it grows memory.
unsafe impl Source for Memory {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let size = memory_size::<0>() * PAGE;
        let Some(end) = talc.source.end else {
            // SAFETY: the linker's symbol for the first address that it does not use; to the end of memory nobody else does.
            let base = &raw mut __heap_base;
            talc.source.end = Some(unsafe { talc.claim(base, size - base as usize) }.ok_or(())?);
            return Ok(());
        };
        // Alignment and the allocator's own words need less than another page.
        let pages = layout.size().div_ceil(PAGE) + 1;
        if memory_grow::<0>(pages) == usize::MAX {
            return Err(());
        }
        // SAFETY: the heap ended where memory did, and what is new adjoins it.
        talc.source.end = Some(unsafe { talc.extend(end, (size + pages * PAGE) as *mut u8) });
        Ok(())
    }
}

unsafe extern "C" {
    static mut __heap_base: u8;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unreachable()
}
