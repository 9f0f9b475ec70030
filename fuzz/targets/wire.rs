#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kerno_fuzz::wire::run(bytes);
});
