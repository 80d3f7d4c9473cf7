//! Text that can be shown: sanitised by type, measured in cells, wrapped at words.

mod nearest;
mod sanitize;
mod width;
mod wrap;

pub use nearest::nearest;
pub use sanitize::SafeText;
pub use width::{elide, pad, width};
pub use wrap::{Wrapped, wrap};
