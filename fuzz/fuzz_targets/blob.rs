//! See `chat_fixtures::bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| chat_fixtures::bodies::run("blob", input));
