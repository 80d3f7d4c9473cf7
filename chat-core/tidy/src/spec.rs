//! The numbers that stand in `SPEC.md`: sections (`## 5`, `### 5.3`) and requirements (`**5.3.2**`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What can be cited.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    pub(crate) sections: BTreeSet<String>,
    pub(crate) requirements: BTreeSet<String>,
}

impl Spec {
    /// Reads the specification of the workspace; empty when there is none.
    pub(crate) fn load(workspace: &Path) -> Self {
        fs::read_to_string(workspace.join("chat-core/SPEC.md")).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let mut spec = Self::default();
        for line in text.lines() {
            if line.starts_with('#') {
                let title = line.trim_start_matches('#').trim_start();
                spec.sections.extend(number(title.split(' ').next().unwrap_or("")));
            } else if let Some(item) = line.strip_prefix("- **") {
                spec.requirements.extend(number(item.split("**").next().unwrap_or("")));
            }
        }
        spec
    }

    /// Whether a section or requirement has this number.
    pub(crate) fn holds(&self, number: &str) -> bool {
        self.sections.contains(number) || self.requirements.contains(number)
    }
}

/// The text as a dotted number, if it is one.
pub(crate) fn number(text: &str) -> Option<String> {
    let number = text.trim_end_matches('.');
    let dotted = !number.is_empty() && number.split('.').all(|part| part.parse::<u16>().is_ok());
    dotted.then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_requirements_are_read_and_other_lines_are_not() {
        let spec = Spec::parse("# Title\n## 5 Five\n### 5.3 Lists\n- **5.3.2** The relay MUST wait.\n- **bold** no\n");
        assert!(spec.holds("5") && spec.holds("5.3") && spec.holds("5.3.2"));
        assert_eq!((spec.sections.len(), spec.requirements.len()), (2, 1));
    }
}
