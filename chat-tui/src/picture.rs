//! Pictures of others, kept out of this process: the same program once more, with a hidden command.

use chat_client::picture::Decoder;

/// The hidden command.
const COMMAND: &str = "picture";

/// What decodes pictures; none when this program does not know where it lies.
#[must_use]
pub fn decoder() -> Option<Decoder> {
    let program = std::env::current_exe().ok()?;
    Some(Decoder::new(program, vec![COMMAND.into()]))
}
