//! The engine: values in, values out.

mod io;

pub use io::*;
