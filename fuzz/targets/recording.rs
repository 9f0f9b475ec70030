#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kerno_fuzz::recording::run(bytes);
});
