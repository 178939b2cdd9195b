//! The texts that an operator can read: the string literals of the product that are prose.

use std::{collections::BTreeMap, fs, path::Path};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ExprMethodCall, File, ImplItemFn, Item, ItemConst, ItemFn, ItemImpl, ItemMod,
    LitStr, Macro,
    visit::{self, Visit},
};

/// The crates that a program links. The others are tools for tests and development.
fn is_product(name: &str) -> bool {
    name.starts_with("auth-") && name != "auth-testkit"
}

/// All texts, each with the first file that has it.
pub(super) fn all(root: &Path) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let mut crates: Vec<_> = fs::read_dir(root.join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_product(path.file_name().unwrap().to_str().unwrap()))
        .collect();
    crates.sort();
    for path in crates {
        read(&path.join("src"), "lib", &mut texts, root);
    }
    texts
}

/// The names and meanings of metrics, which `METRICS` of the adapters shows.
const METRICS: &str = "crates/auth-core/src/observer/measure.rs";

/// Reads a module and the modules that it names, except those of tests and fakes.
fn read(folder: &Path, name: &str, texts: &mut BTreeMap<String, String>, root: &Path) {
    let file = folder.join(format!("{name}.rs"));
    let source = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let syntax = syn::parse_file(&source).unwrap();
    let place = file.strip_prefix(root).unwrap().display().to_string();
    let texts_of = if place == METRICS {
        Vec::new()
    } else {
        of_file(&syntax)
    };
    for text in texts_of {
        texts.entry(text).or_insert_with(|| place.clone());
    }
    let below = match name {
        "lib" => folder.to_path_buf(),
        name => folder.join(name),
    };
    for item in &syntax.items {
        let Item::Mod(module) = item else { continue };
        if module.content.is_none() && !is_left_out(&module.attrs) {
            read(&below, &module.ident.to_string(), texts, root);
        }
    }
}

/// The texts of one file's syntax.
pub(super) fn of_file(syntax: &File) -> Vec<String> {
    let mut reader = Reader::default();
    reader.visit_file(syntax);
    reader.texts
}

/// `#[cfg(test)]`, `#[cfg(doc)]`, and `#[cfg(feature = "fake")]`, for example.
fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else {
            return attribute.path().is_ident("test");
        };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg")
            && !condition.starts_with("not")
            && ["test", "doc", "doctest", "fake"].iter().any(|word| {
                condition
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|it| it == *word)
            })
    })
}

#[derive(Default)]
struct Reader {
    texts: Vec<String>,
    /// Inside `impl Display`, a text of one word counts too.
    is_display: bool,
}

impl Reader {
    fn literal(&mut self, text: &str) {
        let text = pattern(text);
        let is_prose = text.contains(' ') && text.split(' ').any(is_word);
        if is_prose || (self.is_display && text.split(' ').any(is_word)) {
            self.texts.push(text);
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                // An attribute, for example a comment that documents.
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let is_group = |next: &TokenTree| matches!(next, TokenTree::Group(_));
                    drop(tokens.next_if(is_group));
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) {
                        self.literal(&text.value());
                    }
                }
                _ => {}
            }
        }
    }
}

/// A word of two letters or more.
fn is_word(word: &str) -> bool {
    word.chars().filter(|char| char.is_alphabetic()).count() > 1
}

impl<'a> Visit<'a> for Reader {
    fn visit_attribute(&mut self, _: &'a Attribute) {}

    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        if !is_left_out(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        if !is_left_out(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        if !is_left_out(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_const(&mut self, item: &'a ItemConst) {
        if !is_left_out(&item.attrs) {
            visit::visit_item_const(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'a ItemImpl) {
        if is_left_out(&item.attrs) {
            return;
        }
        let of_trait = item.trait_.as_ref().and_then(|it| it.0.segments.last());
        let before = self.is_display;
        self.is_display = of_trait.is_some_and(|segment| segment.ident == "Display");
        visit::visit_item_impl(self, item);
        self.is_display = before;
    }

    /// The text of an `expect` says why it never panics: nobody reads it but a developer.
    fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
        if call.method == "expect" {
            self.visit_expr(&call.receiver);
            return;
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_lit_str(&mut self, literal: &'a LitStr) {
        self.literal(&literal.value());
    }

    fn visit_macro(&mut self, item: &'a Macro) {
        let name = item.path.segments.last().map(|it| it.ident.to_string());
        let for_developers = [
            "assert",
            "assert_eq",
            "debug_assert",
            "debug_assert_eq",
            "unreachable",
        ];
        if !name.is_some_and(|name| for_developers.contains(&name.as_str())) {
            self.tokens(item.tokens.clone());
        }
    }
}

/// A text with `…` for each part that a format string fills in.
pub(super) fn pattern(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '{' | '}' if rest.peek() == Some(&char) => {
                rest.next();
                written.push(char);
            }
            '{' => {
                rest.by_ref().find(|char| *char == '}');
                written.push('…');
            }
            char => written.push(char),
        }
    }
    written.split_whitespace().collect::<Vec<_>>().join(" ")
}
