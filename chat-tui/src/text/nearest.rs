//! What a person perhaps meant.

/// Typing mistakes after which a suggestion is more noise than help.
const MISTAKES_MAX: usize = 2;

/// The candidate with the fewest letters changed, left out, added or swapped; none when it is not near.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (distance(word, c), c))
        .filter(|(d, c)| *d <= MISTAKES_MAX && *d < c.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Optimal string alignment distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, ca) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(ca != *cb)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = j > 0 && previous_a == Some(*cb) && b.get(j - 1) == Some(&ca);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
        previous_a = Some(ca);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_is_found_and_a_stranger_is_not() {
        let words = ["quit", "search", "block"];
        assert_eq!(nearest("qiut", words), Some("quit"));
        assert_eq!(nearest("serch", words), Some("search"));
        assert_eq!(nearest("blocks", words), Some("block"));
        assert_eq!(nearest("lobby", words), None);
    }
}
