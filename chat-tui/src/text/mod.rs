//! Text that can be shown: sanitised by type, measured in cells, wrapped at words.

mod emoji;
mod links;
mod lookalike;
mod nearest;
mod sanitize;
mod width;
mod wrap;

pub use emoji::{name as sign_name, sign, signs};
pub use links::{Span, SpanKind, names, spans};
pub use lookalike::alike;
pub use nearest::nearest;
pub use sanitize::SafeText;
pub use width::{elide, pad, width};
pub use wrap::{Wrapped, wrap};
