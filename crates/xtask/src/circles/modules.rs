use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, Meta, Token, UseTree, VisRestricted,
    punctuated::Punctuated,
    visit::{self, Visit},
};

use crate::Result;

use super::graph::Imports;

/// The path of a module or an item: its names from the crate's root.
type Path = Vec<String>;

/// The modules of one crate, without its tests.
#[derive(Debug)]
pub(super) struct Modules(BTreeMap<Path, Module>);

#[derive(Debug, Default)]
struct Module {
    /// The module that is the file.
    file: Path,
    /// The items that are defined here.
    items: BTreeSet<String>,
    /// The imported paths, by their names here.
    imports: BTreeMap<String, Path>,
    globs: Vec<Path>,
    /// Paths outside `use`.
    mentions: BTreeSet<Path>,
}

impl Modules {
    /// Reads a crate: its root file, and the files of its `mod` items. `read` gets paths relative
    /// to the folder of the root file, for example `token/scope.rs`.
    pub(super) fn read(root: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let mut modules = BTreeMap::new();
        let mut open = vec![(Path::new(), vec![root.to_owned()])];
        while let Some((path, files)) = open.pop() {
            let file = files.iter().find_map(|file| Some((file, read(file)?)));
            let (file, text) =
                file.ok_or_else(|| format!("there is no {}", files.join(" and no ")))?;
            let syntax = syn::parse_file(&text).map_err(|error| format!("{file}: {error}"))?;
            let mut reader = Reader {
                file: path.clone(),
                module: path,
                modules: &mut modules,
                files: Vec::new(),
            };
            reader.here();
            reader.visit_file(&syntax);
            open.extend(reader.files.into_iter().map(|path| {
                let place = path.join("/");
                (path, vec![format!("{place}.rs"), format!("{place}/mod.rs")])
            }));
        }
        Ok(Self(modules))
    }

    /// Returns the imports of each file, without those of parents and children.
    pub(super) fn imports(&self) -> Imports {
        let mut all = Imports::new();
        for (path, module) in &self.0 {
            let paths = module
                .imports
                .values()
                .chain(&module.globs)
                .chain(&module.mentions);
            for used in paths {
                let Some(other) = self.resolve(path, used, &mut BTreeSet::new()) else {
                    continue;
                };
                let (from, to) = (&module.file, &self.0[&other].file);
                if !from.starts_with(to) && !to.starts_with(from) {
                    let uses = all.entry(from.join("::")).or_default();
                    uses.entry(to.join("::")).or_insert_with(|| {
                        let item = used.last().map_or("", String::as_str);
                        format!("{}::{item}", other.join("::"))
                    });
                }
            }
        }
        all
    }

    /// Finds the module that defines a path's item, through any number of re-exports. Returns
    /// `None` outside the crate.
    fn resolve(
        &self,
        from: &Path,
        path: &[String],
        seen: &mut BTreeSet<(Path, String)>,
    ) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.find(Path::new(), rest, seen),
            "self" => self.find(from.clone(), rest, seen),
            "super" => {
                let mut at = from.clone();
                at.pop()?;
                let ups = rest.iter().take_while(|name| *name == "super").count();
                at.truncate(at.len().checked_sub(ups)?);
                self.find(at, &rest[ups..], seen)
            }
            _ => {
                let module = self.0.get(from)?;
                let is_known =
                    module.imports.contains_key(first) || self.0.contains_key(&child(from, first));
                is_known
                    .then(|| self.find(from.clone(), path, seen))
                    .flatten()
            }
        }
    }

    /// Follows a path from a module.
    fn find(
        &self,
        mut at: Path,
        mut rest: &[String],
        seen: &mut BTreeSet<(Path, String)>,
    ) -> Option<Path> {
        while let Some((name, more)) = rest.split_first() {
            let below = child(&at, name);
            if self.0.contains_key(&below) {
                at = below;
                rest = more;
                continue;
            }
            let module = self.0.get(&at)?;
            if module.items.contains(name) || !seen.insert((at.clone(), name.clone())) {
                return Some(at);
            }
            if let Some(import) = module.imports.get(name) {
                let import: Path = import.iter().chain(more).cloned().collect();
                return self.resolve(&at, &import, seen).or(Some(at));
            }
            let through = |glob: &Path| {
                let place = self.resolve(&at, glob, &mut BTreeSet::new())?;
                let is_there = place != at && self.names(&place, name);
                is_there.then(|| child(glob, name))
            };
            let Some(path) = module.globs.iter().find_map(through) else {
                return Some(at);
            };
            return self.resolve(&at, &path, seen).or(Some(at));
        }
        Some(at)
    }

    fn names(&self, module: &Path, name: &str) -> bool {
        self.0.contains_key(&child(module, name))
            || self.0.get(module).is_some_and(|module| {
                module.items.contains(name) || module.imports.contains_key(name)
            })
    }
}

fn child(path: &[String], name: &str) -> Path {
    path.iter()
        .map(String::as_str)
        .chain([name])
        .map(String::from)
        .collect()
}

/// Reads one file.
struct Reader<'a> {
    file: Path,
    /// The module of the file, or a module inside it.
    module: Path,
    modules: &'a mut BTreeMap<Path, Module>,
    /// Modules in separate files.
    files: Vec<Path>,
}

impl Reader<'_> {
    fn here(&mut self) -> &mut Module {
        let file = &self.file;
        let module = || Module {
            file: file.clone(),
            ..Module::default()
        };
        self.modules
            .entry(self.module.clone())
            .or_insert_with(module)
    }

    fn import(&mut self, mut path: Path, tree: &UseTree) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.import(path, &tree.tree);
            }
            UseTree::Name(tree) => {
                let name = tree.ident.to_string();
                if name != "self" {
                    path.push(name);
                }
                if let Some(name) = path.last().cloned() {
                    self.here().imports.insert(name, path);
                }
            }
            UseTree::Rename(tree) => {
                if tree.ident != "self" {
                    path.push(tree.ident.to_string());
                }
                // Several items may have the name `_`.
                self.here().mentions.insert(path.clone());
                self.here().imports.insert(tree.rename.to_string(), path);
            }
            UseTree::Glob(_) => self.here().globs.push(path),
            UseTree::Group(tree) => {
                for tree in &tree.items {
                    self.import(path.clone(), tree);
                }
            }
        }
    }

    /// Arguments of macros are not parsed: paths are recognized by their first word.
    fn mentioned(&mut self, tokens: TokenStream) {
        let mut path = Path::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(name) if colons == 2 && !path.is_empty() => {
                    path.push(name.to_string());
                }
                TokenTree::Ident(name) => {
                    self.mention(std::mem::replace(&mut path, vec![name.to_string()]));
                }
                TokenTree::Group(group) => {
                    self.mention(std::mem::take(&mut path));
                    self.mentioned(group.stream());
                }
                _ => self.mention(std::mem::take(&mut path)),
            }
            colons = 0;
        }
        self.mention(path);
    }

    fn mention(&mut self, path: Path) {
        if path.len() > 1 {
            self.here().mentions.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = described(item);
        if attributes.iter().any(is_for_tests) {
            return;
        }
        if let Some(name) = name {
            self.here().items.insert(name);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !item.attrs.iter().any(is_for_tests) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        if item.content.is_some() {
            self.here();
            visit::visit_item_mod(self, item);
        } else {
            self.files.push(self.module.clone());
        }
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.import(Path::new(), &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.mention(
                path.segments
                    .iter()
                    .map(|part| part.ident.to_string())
                    .collect(),
            );
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        visit::visit_macro(self, item);
        self.mentioned(item.tokens.clone());
    }

    /// `pub(in crate::token)` is not an import.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}

/// Returns an item's attributes and its name, if it is not a module and has a name.
fn described(item: &Item) -> (&[Attribute], Option<String>) {
    let (attributes, name) = match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Mod(item) => (&item.attrs, None),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, None),
        _ => return (&[], None),
    };
    (attributes, name.map(ToString::to_string))
}

/// Returns whether an attribute is `#[cfg(test)]`, or a condition that includes it.
fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(|meta| wants_tests(&meta))
}

fn wants_tests(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("test") || path.is_ident("doctest"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(wants_tests)),
        _ => false,
    }
}
