//! What the engine dealt with by itself, counted.

use serde::{Deserialize, Serialize};

/// Counts since the profile was made: a healthy one has zeros but for duplicates and turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Diagnostics {
    /// Packets that no session opened.
    #[serde(rename = "u")]
    pub undecryptable: u64,
    /// Packets that came a second time.
    #[serde(rename = "d")]
    pub duplicates: u64,
    /// Different packets at one position: a clone or a store that was set back speaks.
    #[serde(rename = "f")]
    pub forks: u64,
    /// Questions whether the other device can still open us.
    #[serde(rename = "p")]
    pub probes: u64,
    /// Those that were answered: nothing was wrong.
    #[serde(rename = "pa")]
    pub probes_answered: u64,
    /// Sessions started over on the secret of the one before.
    #[serde(rename = "r")]
    pub resets: u64,
    /// Sessions started over without one.
    #[serde(rename = "rb")]
    pub bare_resets: u64,
    /// Resets that were due and not made: three a day and device are allowed without the old secret.
    #[serde(rename = "rr")]
    pub resets_refused: u64,
    /// Sessions that others started over with us, on the secret of the one before.
    #[serde(rename = "tr")]
    pub their_resets: u64,
    /// Sessions that others started over with us without one.
    #[serde(rename = "tb")]
    pub their_bare_resets: u64,
    /// Times that we asked for what was lost.
    #[serde(rename = "ra")]
    pub resends_asked: u64,
    /// Messages that we sent again.
    #[serde(rename = "rs")]
    pub resent: u64,
    /// Empty answers that turned the ratchet of one-way traffic.
    #[serde(rename = "t")]
    pub turns: u64,
    /// Times that this store was found to be an old copy.
    #[serde(rename = "s")]
    pub stale_stores: u64,
}
