//! What kerno's kernel programs share. Each object is a binary of its own beside this file.
#![no_std]
#![feature(asm_experimental_arch)]

pub mod kernel;
pub mod rows;

/// Never called: the programs have no operation that panics, and the verifier would refuse an endless loop.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
