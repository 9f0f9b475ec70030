#![no_main]

use std::panic;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use wasm_mutate::WasmMutate;

/// Where a core module begins.
const CORE: &[u8] = b"\0asm\x01\0\0\0";

fuzz_target!(
    init: {
        // The compiler and the encoder may give up on a rule: kerno catches that. What is our own fault, nobody is to catch.
        drop(panic::take_hook());
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            default(info);
            if info.location().is_some_and(|place| place.file().contains("/host/")) {
                std::process::abort();
            }
        }));
    },
    |bytes: &[u8]| {
        kerno_fuzz::module::run(bytes);
    }
);

// Of a module that is changed as bytes little more is tried than its parser.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = || {
        let whole = data.get(..size).filter(|bytes| bytes.starts_with(CORE) && seed % 4 != 0)?;
        let mut mutate = WasmMutate::default();
        let mutate = mutate.seed(u64::from(seed)).fuel(100).preserve_semantics(false);
        let next = panic::catch_unwind(panic::AssertUnwindSafe(|| mutate.run(whole).ok()?.next()?.ok())).ok()??;
        (next.len() <= max_size && next.len() <= data.len()).then_some(next)
    };
    match changed() {
        Some(next) => {
            data[..next.len()].copy_from_slice(&next);
            next.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});
