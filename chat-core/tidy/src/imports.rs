//! Imports go down: between top-level modules by the table of floors, between siblings further in by
//! having no cycle. A parent may use its children and a child what its parent defines.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;
use crate::text::is_word;

/// Checks the children of one module (`""` for the crate) against their table of floors.
pub(crate) fn check(sources: &[Source], group: &str, floors: &[&[&str]], found: &mut Vec<String>) {
    let group: Vec<String> = group.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let floor = |name: &str| floors.iter().position(|floor| floor.contains(&name));
    let mut children: Vec<&str> =
        sources.iter().filter(|source| !source.for_tests).filter_map(|source| child(&source.module, &group)).collect();
    children.sort_unstable();
    children.dedup();
    for name in children.into_iter().filter(|name| floor(name).is_none()) {
        found.push(format!("module `{name}` stands on no floor: add it to the package's tests/tidy.rs"));
    }
    for Use { place, from, to, .. } in uses(sources) {
        let (Some(from), Some(to)) = (child(&from, &group), child(&to, &group)) else { continue };
        if let (Some(high), Some(low)) = (floor(from), floor(to))
            && from != to
            && high <= low
        {
            found.push(format!("{place}: `{from}` on floor {high} uses `{to}` on floor {low}"));
        }
    }
}

/// Siblings anywhere may use each other in a line, never in a circle.
pub(crate) fn check_knots(sources: &[Source], found: &mut Vec<String>) {
    let mut edges: Edges = BTreeMap::new();
    for Use { from, to, .. } in uses(sources) {
        let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        if let (Some(source), Some(target)) = (from.get(shared), to.get(shared)) {
            let group = to.get(..shared).unwrap_or_default().to_vec();
            edges.entry((group, source.clone())).or_default().insert(target.clone());
        }
    }
    for (group, from) in edges.keys().filter(|(group, from)| reaches(&edges, group, from)) {
        found.push(format!("crate::{}: `{from}` is in a knot with its siblings", group.join("::")));
    }
}

/// Names that the root only passes on hide who uses whom.
pub(crate) fn check_reexports(sources: &[Source], found: &mut Vec<String>) {
    for Use { place, from, path, to } in uses(sources) {
        if to.is_empty() && !from.is_empty() && is_reexport(sources, &path) {
            found.push(format!("{place}: `crate::{}` is a re-export: name its module", path.join("::")));
        }
    }
}

/// One module names another, or itself.
struct Use {
    place: String,
    from: Vec<String>,
    path: Vec<String>,
    to: Vec<String>,
}

fn uses(sources: &[Source]) -> Vec<Use> {
    let known: BTreeSet<&[String]> = sources.iter().map(|source| &source.module[..]).collect();
    let code = sources.iter().filter(|source| !source.for_tests);
    code.flat_map(|source| paths(source).into_iter().map(move |(offset, path)| (source, offset, path)))
        .map(|(source, offset, path)| {
            let to = longest_module(&path, &known);
            Use { place: source.place(offset), from: source.module.clone(), path, to }
        })
        .collect()
}

/// The child of `group` that a module lies in.
fn child<'m>(module: &'m [String], group: &[String]) -> Option<&'m str> {
    module.strip_prefix(group)?.first().map(String::as_str)
}

/// Every path below the crate that the code names, with its place; groups in braces are spread out.
fn paths(source: &Source) -> Vec<(usize, Vec<String>)> {
    let code = &source.code;
    let mut found = Vec::new();
    let mut last_word_end = 0;
    for (at, _) in code.char_indices() {
        let starts_word = at >= last_word_end && !code.get(..at).is_some_and(|t| t.ends_with(is_word));
        let Some(tail) = code.get(at..).filter(|_| starts_word) else { continue };
        let mut base = source.module.clone();
        let mut rest = tail;
        if let Some(after) = rest.strip_prefix("crate::") {
            base.clear();
            rest = after;
        } else if rest.starts_with("super::") {
            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
        } else {
            continue;
        }
        last_word_end = code.len().saturating_sub(rest.len());
        spread(rest, base, &mut |path| found.push((at, path)));
    }
    found
}

/// Follows one path or use tree; returns what is left of the text behind it.
fn spread<'t>(text: &'t str, mut path: Vec<String>, emit: &mut dyn FnMut(Vec<String>)) -> &'t str {
    let mut rest = text;
    loop {
        if let Some(mut group) = rest.strip_prefix('{') {
            loop {
                group = group.trim_start().trim_start_matches(',').trim_start();
                if let Some(after) = group.strip_prefix('}') {
                    return after;
                }
                let before = group.len();
                group = spread(group, path.clone(), emit);
                // Skip `as name` and whatever else the group holds between two entries.
                let stop = group.find([',', '}', '{']).unwrap_or(group.len());
                group = group.get(stop..).unwrap_or("");
                if group.is_empty() || group.len() == before {
                    return group;
                }
            }
        }
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if !word.is_empty() && word != "self" {
            path.push(word.to_owned());
        }
        match after.strip_prefix("::") {
            Some(next) if !next.starts_with('<') => rest = next,
            _ => {
                emit(path);
                return after;
            }
        }
    }
}

fn longest_module(path: &[String], known: &BTreeSet<&[String]>) -> Vec<String> {
    let lengths = (0..=path.len()).rev();
    lengths.filter_map(|len| path.get(..len)).find(|prefix| known.contains(prefix)).unwrap_or_default().to_vec()
}

/// Whether the root only passes this name on from a module.
fn is_reexport(sources: &[Source], path: &[String]) -> bool {
    let Some(name) = path.first() else { return false };
    let roots = sources.iter().filter(|source| source.module.is_empty());
    let mut uses = roots.flat_map(|root| root.code.split("pub use ").skip(1).filter_map(|tail| tail.split(';').next()));
    uses.any(|tree| tree.split(|c| !is_word(c)).any(|word| word == name))
}

type Edges = BTreeMap<(Vec<String>, String), BTreeSet<String>>;

/// Whether a module is reached from itself.
fn reaches(edges: &Edges, group: &[String], goal: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![goal.to_owned()];
    while let Some(at) = open.pop() {
        for next in edges.get(&(group.to_vec(), at)).into_iter().flatten() {
            if next == goal {
                return true;
            }
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    false
}

#[cfg(test)]
mod tests;
