use std::path::PathBuf;

use super::*;

fn source(module: &str, code: &str) -> Source {
    Source {
        path: PathBuf::from(format!("{module}.rs")),
        module: module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        raw: code.to_owned(),
        code: code.to_owned(),
        inline_test_lines: 0,
        for_tests: false,
    }
}

fn violations(sources: &[Source], floors: &[&[&str]]) -> Vec<String> {
    let mut found = Vec::new();
    check(sources, "", floors, &mut found);
    check_knots(sources, &mut found);
    check_reexports(sources, &mut found);
    found
}

const FLOORS: &[&[&str]] = &[&["low", "beside"], &["high"]];

#[test]
fn a_path_down_is_fine_and_a_path_up_or_sideways_is_not() {
    let package =
        |low: &str, high: &str| [source("", ""), source("low", low), source("beside", ""), source("high", high)];
    assert_eq!(violations(&package("", "use crate::low::X;\nuse crate::beside;"), FLOORS), Vec::<String>::new());
    for up in
        ["use crate::high::X;", "use super::high;", "fn f() { crate::high::go() }", "use crate::{beside2, high::X};"]
    {
        assert_eq!(violations(&package(up, ""), FLOORS).len(), 1, "{up}");
    }
    assert_eq!(violations(&package("use crate::beside::X;", ""), FLOORS).len(), 1);
}

#[test]
fn a_module_without_a_floor_is_told() {
    let found = violations(&[source("low", ""), source("new", "")], FLOORS);
    assert_eq!(found.iter().filter(|v| v.contains("`new`")).count(), 1);
}

#[test]
fn siblings_further_in_may_form_a_line_but_no_knot() {
    let inner = |a: &str, b: &str| {
        [
            source("low", "mod a; mod b;"),
            source("low::a", a),
            source("low::b", b),
            source("beside", ""),
            source("high", ""),
        ]
    };
    assert_eq!(violations(&inner("use super::b::X;", "use super::Parent;"), FLOORS), Vec::<String>::new());
    assert_eq!(violations(&inner("use super::b::X;", "use crate::low::a::Y;"), FLOORS).len(), 2);
}

#[test]
fn siblings_on_one_floor_of_an_inner_table_do_not_use_each_other() {
    let package = [source("low", ""), source("low::a", "use super::b::X;"), source("low::b", "use super::Parent;")];
    let mut found = Vec::new();
    check(&package, "low", &[&["a", "b"]], &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
    found.clear();
    check(&package, "low", &[&["b"], &["a"]], &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_name_that_the_root_only_passes_on_is_named_by_its_module() {
    let package = [
        source("", "pub use high::Thing;"),
        source("low", "use crate::Thing;"),
        source("beside", ""),
        source("high", ""),
    ];
    assert_eq!(violations(&package, FLOORS).len(), 1);
}

#[test]
fn use_trees_are_spread_out() {
    let mut paths = Vec::new();
    spread("a::{b::{C, D as E}, f, self}; rest::x", Vec::new(), &mut |path| paths.push(path.join("::")));
    assert_eq!(paths, ["a::b::C", "a::b::D", "a::f", "a"]);
}
