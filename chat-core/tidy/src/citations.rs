//! Citations name what stands in `SPEC.md`: one number behind the word, or several with `,` or `–`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::source::{Source, workspace_root};
use crate::spec::{Spec, number};

/// How much of the specification is cited.
#[derive(Debug)]
pub struct Coverage {
    /// Numbered requirements.
    pub requirements: usize,
    /// Those that no code cites, itself or by a number above it.
    pub uncited: Vec<String>,
}

/// Holds the requirements against the citations of packages.
#[must_use]
pub fn coverage(packages: &[&Path]) -> Coverage {
    let spec = packages.first().map(|package| Spec::load(&workspace_root(package))).unwrap_or_default();
    let mut cited = BTreeSet::new();
    for package in packages {
        for folder in ["src", "tests"] {
            for source in Source::load_all(&package.join(folder)) {
                cited.extend(source.raw.lines().flat_map(citations));
            }
        }
    }
    let is_cited = |requirement: &&String| {
        let section = requirement.rsplit_once('.').map_or(requirement.as_str(), |(section, _)| section);
        cited.contains(*requirement) || cited.contains(section)
    };
    let uncited = spec.requirements.iter().filter(|requirement| !is_cited(requirement)).cloned().collect();
    Coverage { requirements: spec.requirements.len(), uncited }
}

pub(crate) fn check(source: &Source, spec: &Spec, found: &mut Vec<String>) {
    for (line_number, line) in source.raw.lines().enumerate() {
        for cited in citations(line).into_iter().filter(|cited| !spec.holds(cited)) {
            let line_number = line_number.saturating_add(1);
            found.push(format!("{}:{line_number}: SPEC.md has no {cited}", source.path.display()));
        }
    }
}

/// The numbers that one line cites.
fn citations(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for tail in line.split("SPEC ").skip(1) {
        let list =
            tail.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | ' ' | '–'))).next().unwrap_or("");
        for part in list.split([',', '–']).map(str::trim) {
            match number(part.split(' ').next().unwrap_or("")) {
                Some(number) => found.push(number),
                None => break,
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_every_number_that_it_cites() {
        let prefix = "SPEC";
        assert_eq!(citations(&format!("({prefix} 5.3; {prefix} 4.1, 4.2).")), ["5.3", "4.1", "4.2"]);
        assert_eq!(citations(&format!("{prefix} 9.4–9.6, and 3 more")), ["9.4", "9.6"]);
        assert_eq!(citations(&format!("{prefix}.md and {prefix} alone")), Vec::<String>::new());
    }
}
