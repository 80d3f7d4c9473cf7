//! Names that a person may take for another one's.

/// Whether two different names look alike: `b0b` and `bob`, `rnary` and `mary`, `al.ice` and `alice`.
#[must_use]
pub fn alike(one: &str, other: &str) -> bool {
    one != other && skeleton(one) == skeleton(other)
}

/// What is left of a name when signs that look alike are one. Names are ASCII (DESIGN §4).
fn skeleton(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let folded: String = lower
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | '.'))
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' | 'j' => 'l',
            '2' => 'z',
            '3' => 'e',
            '5' => 's',
            '6' | '9' | 'q' => 'g',
            '8' => 'b',
            'u' => 'v',
            c => c,
        })
        .collect();
    folded.replace("rn", "m").replace("vv", "w").replace("cl", "d")
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn names_that_differ_in_what_the_eye_does_not_see_are_alike_and_others_are_not() {
        for (one, other) in
            [("b0b", "bob"), ("rnary", "mary"), ("al.ice", "alice"), ("vvill", "will"), ("1isa", "lisa")]
        {
            assert!(alike(one, other), "{one} {other}");
        }
        for (one, other) in [("bob", "bob"), ("bob", "rob"), ("anna", "hanna"), ("carol", "caro")] {
            assert!(!alike(one, other), "{one} {other}");
        }
    }
}
