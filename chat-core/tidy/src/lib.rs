//! The house rules as a test that every package runs: a module imports only from lower floors and
//! siblings form no knots; files and functions stay short; every file says what it is for; a citation
//! of `SPEC.md` names something that stands there.
//!
//! ```no_run
//! chat_tidy::Package::at(env!("CARGO_MANIFEST_DIR"))
//!     .floors(&[&["ids", "codec"], &["keys"], &["frame"]]) // lowest first
//!     .check();
//! ```
//!
//! The rules are told by reading the text, not by compiling it: comments and strings are blanked, items
//! under `#[cfg(test)]` are left out, then paths that begin with `crate` or `super` are followed.
//!
//! Floors: 0 `text` `spec` · 1 `source` · 2 `imports` `sizes` `citations` · 3 this page.

#![deny(missing_docs)]

mod citations;
mod imports;
mod sizes;
mod source;
mod spec;
mod text;

pub use citations::{Coverage, coverage};
pub use sizes::Figures;
pub use source::workspace_root;

use std::path::{Path, PathBuf};

use crate::source::Source;
use crate::spec::Spec;

/// A package under test.
#[derive(Debug)]
pub struct Package<'a> {
    root: PathBuf,
    floors: Floors<'a>,
    inside: Vec<(&'a str, Floors<'a>)>,
}

/// Modules by floor, the lowest first.
type Floors<'a> = &'a [&'a [&'a str]];

impl<'a> Package<'a> {
    /// The package whose manifest lies in this folder.
    #[must_use]
    pub fn at(root: impl AsRef<Path>) -> Self {
        Self { root: root.as_ref().to_path_buf(), floors: &[], inside: Vec::new() }
    }

    /// Which module stands on which floor, the lowest first. Every top-level module stands on one.
    #[must_use]
    pub fn floors(mut self, floors: Floors<'a>) -> Self {
        self.floors = floors;
        self
    }

    /// Floors inside one module, given by its path (`service`, `engine::inbox`): put all on one floor
    /// to keep siblings from using each other. Without a table siblings only may not form a knot.
    #[must_use]
    pub fn inside(mut self, module: &'a str, floors: Floors<'a>) -> Self {
        self.inside.push((module, floors));
        self
    }

    /// Everything that is against the rules, as sentences that name the place.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let code = Source::load_all(&self.root.join("src"));
        let tests = Source::load_all(&self.root.join("tests"));
        let spec = Spec::load(&workspace_root(&self.root));
        let mut found = Vec::new();
        if code.is_empty() {
            found.push(format!("{}: no source file was found", self.root.display()));
        }
        imports::check(&code, "", self.floors, &mut found);
        for (module, floors) in &self.inside {
            imports::check(&code, module, floors, &mut found);
        }
        imports::check_knots(&code, &mut found);
        imports::check_reexports(&code, &mut found);
        sizes::check(&code, &mut found);
        for source in code.iter().chain(&tests) {
            sizes::check_text(source, &mut found);
            citations::check(source, &spec, &mut found);
        }
        found
    }

    /// What was counted: printed by the tests, so that a run shows the state.
    #[must_use]
    pub fn figures(&self) -> Figures {
        sizes::figures(&Source::load_all(&self.root.join("src")))
    }

    /// Fails with every violation.
    ///
    /// # Panics
    /// When a rule is broken.
    pub fn check(&self) {
        println!("{}: {}", self.root.display(), self.figures());
        let found = self.violations();
        assert!(found.is_empty(), "the house rules are broken in {} places:\n{}", found.len(), found.join("\n"));
    }
}
