//! Measurements of single operations: sessions, frames and lists, login.
//!
//! `cargo bench -p chat-benches` measures, `cargo bench -p chat-benches -- --test` runs each once.
//! Beside peers in one run: `cargo run --release --manifest-path benches/peers/Cargo.toml`.

/// Bytes of a short and of a long text message.
pub const TEXT_SIZES: [usize; 2] = [64, 1024];
