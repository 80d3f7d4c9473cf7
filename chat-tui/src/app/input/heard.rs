//! What the terminal can tell.

use crate::keymap::Key;
use crate::model::Pointer;
use crate::theme::Tone;

/// Something that the terminal told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum Heard {
    /// A key.
    Key(Key),
    /// A paste, raw.
    Paste(String),
    /// The mouse.
    Pointer(Pointer),
    /// The terminal got or lost the focus.
    Focus(bool),
    /// Its background.
    Background(Tone),
    /// It knows the keyboard protocol that tells Shift-Enter from Enter.
    TellsKeysApart,
    /// Where the cursor stands behind a sample of its widths.
    Column(u16),
    /// It knows kitty's protocol for pictures.
    ShowsPictures,
    /// Who it is: the answer that every terminal gives, after all others.
    Identity {
        /// It draws sixels.
        sixels: bool,
    },
}
