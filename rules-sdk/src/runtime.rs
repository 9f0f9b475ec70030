//! What a component needs at run time: an allocator, and a panic that traps.

use core::alloc::Layout;
use core::arch::wasm32::{memory_grow, unreachable};
use core::panic::PanicInfo;
use core::ptr::NonNull;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

#[global_allocator]
static ALLOCATOR: TalcSyncCell<Memory, WasmBinning> = TalcSyncCell::new_wasm(Memory { begun: false, end: None });

const PAGE: usize = 64 << 10;

/// Linear memory: first what the instance begins with and the linker has left free, then more of it.
#[derive(Debug)]
struct Memory {
    /// What the linker has left free was taken, if it was enough to be of use.
    begun: bool,
    /// Where the last piece that was taken ends.
    end: Option<NonNull<u8>>,
}

// SAFETY: it allocates nothing.
unsafe impl Source for Memory {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        if !talc.source.begun {
            talc.source.begun = true;
            let (base, end) = (&raw mut __heap_base, &raw mut __heap_end);
            // SAFETY: the linker's symbols for the part of the first memory that nothing else lies in.
            talc.source.end = unsafe { talc.claim(base, (end as usize).saturating_sub(base as usize)) };
            if talc.source.end.is_some() {
                return Ok(());
            }
        }
        // Alignment and the allocator's own words need less than another page.
        let pages = layout.size().div_ceil(PAGE) + 1;
        let before = memory_grow::<0>(pages);
        if before == usize::MAX {
            return Err(());
        }
        let (base, size) = (before * PAGE, pages * PAGE);
        talc.source.end = match talc.source.end {
            // SAFETY: what is new adjoins what is there, and nobody else has it.
            Some(end) if end.as_ptr() as usize == base => Some(unsafe { talc.extend(end, (base + size) as *mut u8) }),
            // SAFETY: it is new, and nobody else has it.
            _ => unsafe { talc.claim(base as *mut u8, size) },
        };
        talc.source.end.map(|_| ()).ok_or(())
    }
}

unsafe extern "C" {
    static mut __heap_base: u8;
    static mut __heap_end: u8;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unreachable()
}
