//! Comparing a safety number: the screen where two people find out that nobody is between them.

use super::{Name, Problem};

/// Modules of a QR code: dark ones are true, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qr {
    /// Modules on a side.
    pub side: usize,
    /// `side` × `side` modules.
    pub dark: Vec<bool>,
}

impl Qr {
    /// Whether a module is dark; those outside are light.
    #[must_use]
    pub fn is_dark(&self, column: usize, row: usize) -> bool {
        column < self.side && row < self.side && self.dark.get(row * self.side + column).copied().unwrap_or(false)
    }
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetyNumber {
    /// 60 digits.
    pub digits: String,
    /// The same for a camera.
    pub qr: Option<Qr>,
    /// It was compared before.
    pub verified: bool,
}

impl SafetyNumber {
    /// The digits in groups of five.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        (0..self.digits.len()).step_by(5).filter_map(|at| self.digits.get(at..(at + 5).min(self.digits.len())))
    }
}

/// The screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// With whom.
    pub name: Name,
    /// The number; none while it is awaited.
    pub number: Option<SafetyNumber>,
    /// Why there is none, or why the comparison failed.
    pub problem: Option<Problem>,
}
