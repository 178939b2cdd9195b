#![no_main]

#[path = "../../targets/reply.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::judge(input));
