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
                cited.extend(lines(&source.raw).flat_map(|line| citations(&line)));
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
    for (line_number, line) in lines(&source.raw).enumerate() {
        for cited in citations(&line).into_iter().filter(|cited| !spec.holds(cited)) {
            let line_number = line_number.saturating_add(1);
            found.push(format!("{}:{line_number}: SPEC.md has no {cited}", source.path.display()));
        }
    }
}

/// The lines; one that ends in the middle of a citation goes on with the comment of the next.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let following = text.lines().skip(1).chain([""]);
    text.lines().zip(following).map(|(line, next)| {
        let comment = next.trim_start().trim_start_matches(['/', '!']);
        if line.ends_with("SPEC") { format!("{line}{comment}") } else { line.to_owned() }
    })
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
    fn a_citation_may_be_broken_by_the_end_of_a_line() {
        let text = format!("/// Checked ({}\n    /// 5.3).\n", "SPEC");
        assert_eq!(lines(&text).flat_map(|line| citations(&line)).collect::<Vec<_>>(), ["5.3"]);
    }

    #[test]
    fn a_line_tells_every_number_that_it_cites() {
        let prefix = "SPEC";
        assert_eq!(citations(&format!("({prefix} 5.3; {prefix} 4.1, 4.2).")), ["5.3", "4.1", "4.2"]);
        assert_eq!(citations(&format!("{prefix} 9.4–9.6, and 3 more")), ["9.4", "9.6"]);
        assert_eq!(citations(&format!("{prefix}.md and {prefix} alone")), Vec::<String>::new());
    }
}
