//! See `chat_tui::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| chat_tui::hostile::remote_text(input));
