#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use super::{graph, modules::Modules};

/// Returns the circles among the files of a crate, each as the names of its files.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let read = |wanted: &str| {
        let file = files.iter().find(|(name, _)| *name == wanted);
        file.map(|(_, text)| (*text).to_owned())
    };
    let modules = Modules::read(files[0].0, &read).unwrap();
    let joined = |circle: &graph::Circle| {
        let files: Vec<&str> = circle.files.iter().map(String::as_str).collect();
        files.join(" ")
    };
    graph::circles(&modules.imports())
        .iter()
        .map(joined)
        .collect()
}

#[test]
fn two_files_that_use_each_other_are_a_circle() {
    let root = ("lib.rs", "mod a; mod b; mod leaf;");
    let a = ("a.rs", "use crate::b::B; pub struct A;");
    let leaf = ("leaf.rs", "pub struct Leaf;");
    let b = ("b.rs", "use crate::{a::A, leaf}; pub struct B;");
    assert_eq!(circles(&[root, a, b, leaf]), ["a b"]);
    let b = ("b.rs", "use crate::leaf::Leaf; pub struct B;");
    assert!(circles(&[root, a, b, leaf]).is_empty());
}

#[test]
fn a_circle_through_a_third_file_is_one_circle() {
    let root = ("main.rs", "mod a; mod b; mod c;");
    let a = ("a.rs", "fn f() { crate::b::f() }");
    let b = ("b.rs", "pub(crate) fn f() { super::c::f() }");
    let c = (
        "c.rs",
        "pub(crate) fn f() { println!(\"{}\", crate::a::f()) }",
    );
    assert_eq!(circles(&[root, a, b, c]), ["a b c"]);
}

#[test]
fn exports_are_followed_to_the_file_that_defines_the_item() {
    let b = ("b.rs", "use crate::A; pub struct B;");
    let a = ("a.rs", "use crate::both::B; pub struct A;");
    let both = ("both.rs", "pub use crate::b::*;");
    for root in [
        "mod a; mod b; mod both; pub use a::A;",
        "mod a; mod b; mod both; pub use self::a::{A};",
        "mod a; mod b; mod both; pub use a::*;",
        "mod a; mod b; mod both; pub use both::inner::A;",
    ] {
        let both = if root.contains("inner") {
            (
                "both.rs",
                "pub use crate::b::*; pub mod inner { pub use super::super::a::A as A; }",
            )
        } else {
            both
        };
        assert_eq!(circles(&[("lib.rs", root), a, b, both]), ["a b"], "{root}");
    }
}

#[test]
fn parent_and_child_may_import_from_each_other() {
    let root = ("lib.rs", "mod a; pub use a::A;");
    let a = ("a.rs", "mod child; use child::Child; pub struct A(Child);");
    let child = (
        "a/child.rs",
        "use super::A; use crate::A as Again; pub struct Child;",
    );
    assert!(circles(&[root, a, child]).is_empty());
}

#[test]
fn children_of_one_parent_are_peers() {
    let root = ("lib.rs", "mod a;");
    let a = ("a.rs", "mod one; mod two; use one::One;");
    let one = ("a/one.rs", "use super::two::Two; pub struct One;");
    let two = ("a/two/mod.rs", "use super::One; pub struct Two;");
    assert_eq!(circles(&[root, a, one, two]), ["a::one a::two"]);
}

#[test]
fn tests_and_other_crates_do_not_count() {
    let root = ("lib.rs", "mod a; mod b; #[cfg(test)] mod missing;");
    let a = (
        "a.rs",
        "use std::fmt; pub(in crate::b) struct A; // use crate::b::B;
         #[cfg(test)] mod tests { use crate::b::B; }
         #[cfg(all(test, unix))] use crate::b::B;
         impl A { #[cfg(test)] fn test() { crate::b::f() } }",
    );
    let b = ("b.rs", "use crate::a::A; use ::a::b::C; pub struct B;");
    assert!(circles(&[root, a, b]).is_empty());
}

#[test]
fn a_file_that_is_missing_or_not_rust_is_an_error() {
    let read = |file: &str| (file == "lib.rs").then(|| String::from("mod a;"));
    let error = Modules::read("lib.rs", &read).unwrap_err().to_string();
    assert_eq!(error, "there is no a.rs and no a/mod.rs");
    let error = Modules::read("lib.rs", &|_| Some(String::from("mod"))).unwrap_err();
    assert!(error.to_string().starts_with("lib.rs: "), "{error}");
}
