//! `extends`: a recipe and its ancestors, read and merged on the spanned tree, so that faults keep their places.

use crate::loader::{LARGEST, LoadError, Loader};
use crate::model::Header;
use crate::node::{Entry, Kind, Node, quote};
use crate::path::normalise;
use crate::record::{Fields, Record};
use crate::source::{Source, Span};
use crate::walk::Walk;
use crate::yaml;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The longest chain of recipes that extend each other.
const LONGEST: usize = 16;

/// A recipe and its ancestors.
pub(crate) struct Chain {
    /// The trees, the recipe itself first; each is a mapping.
    pub(crate) files: Vec<Node>,
    /// Whether all of them could be read.
    pub(crate) complete: bool,
    /// Where the recipe says that it is abstract, if it does.
    pub(crate) abstract_at: Option<Span>,
}

/// One file still to read.
struct Next {
    path: PathBuf,
    /// The file's folder, relative to the recipe root.
    folder: PathBuf,
    /// Where its name is written; nowhere for the recipe that was asked for.
    named_at: Option<Span>,
}

/// Reads a recipe and its ancestors. What cannot be read is reported and ends the chain.
pub(crate) fn read(loader: &dyn Loader, path: &Path, walk: &mut Walk) -> Chain {
    let mut chain = Chain { files: Vec::new(), complete: true, abstract_at: None };
    let mut next = Some(Next { path: path.to_owned(), folder: PathBuf::new(), named_at: None });
    let mut seen: Vec<PathBuf> = Vec::new();
    while let Some(file) = next.take() {
        seen.push(normalise(&file.path));
        let Some(tree) = read_file(loader, &file, chain.files.len(), walk) else {
            chain.complete = false;
            break;
        };
        let faults = walk.faults.len();
        let header = Header::read(&mut Fields { node: &tree, walk });
        if chain.files.is_empty() && header.as_ref().is_some_and(|header| header.r#abstract) {
            chain.abstract_at = tree.get("abstract").map(|node| node.span.clone());
        }
        if let Some(parent) = header.and_then(|header| header.extends) {
            next = follow(&file, &parent, &tree, &seen, walk);
        }
        chain.complete &= walk.faults.len() == faults;
        chain.files.push(tree);
    }
    chain
}

/// The parent that a file names, unless that leads nowhere.
fn follow(file: &Next, parent: &str, tree: &Node, seen: &[PathBuf], walk: &mut Walk) -> Option<Next> {
    let named_at = tree.get("extends")?.span.clone();
    let folder_of = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let path = normalise(&folder_of(&file.path).join(parent));
    if let Some(first) = seen.iter().position(|seen| *seen == path) {
        let names = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let circle = [names(&seen[first..]), names(&[path])].concat().join(" → ");
        return walk.report(named_at.fault(format!("the recipe extends itself: {circle}")));
    }
    if seen.len() >= LONGEST {
        return walk.report(named_at.fault(format!("more than {LONGEST} recipes extend each other")));
    }
    let folder = folder_of(&normalise(&file.folder.join(parent)));
    Some(Next { path, folder, named_at: Some(named_at) })
}

/// The tree of one file: a mapping.
fn read_file(loader: &dyn Loader, file: &Next, depth: usize, walk: &mut Walk) -> Option<Node> {
    let name = file.path.display().to_string();
    let text = match loader.text(&file.path) {
        Ok(text) if text.len() as u64 > LARGEST => Err(LoadError::TooLarge),
        other => other,
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            let nowhere = || Span::start_of(&Source::new(&name, String::new(), &file.folder, depth));
            let place = file.named_at.clone().unwrap_or_else(nowhere);
            return walk.report(place.fault(format!("{}: {error}", quote(&name))));
        }
    };
    let source = Source::new(&name, text, &file.folder, depth);
    let (tree, faults) = yaml::read(&source);
    let silent = faults.is_empty();
    walk.faults.extend(faults);
    match tree {
        Some(tree) if matches!(tree.kind, Kind::Mapping(_)) => Some(tree),
        Some(tree) => walk.wrong(&tree, "a recipe (a mapping)", None),
        None if silent => walk.report(Span::start_of(&source).fault("the recipe is empty")),
        None => None,
    }
}

/// Merges a child into its parent: mappings key by key, lists one behind the other, anything else is replaced.
pub(crate) fn merge(parent: Node, child: Node) -> Node {
    merge_at("", parent, child)
}

fn merge_at(key: &str, parent: Node, child: Node) -> Node {
    let kind = match (parent.kind, child.kind) {
        (Kind::Mapping(parent), Kind::Mapping(child)) => Kind::Mapping(merge_entries(parent, child)),
        (Kind::List(parent), Kind::List(child)) => Kind::List(append(key, parent, child)),
        (_, child) => child,
    };
    Node { kind, span: child.span }
}

fn merge_entries(parent: Vec<Entry>, child: Vec<Entry>) -> Vec<Entry> {
    let places: HashMap<String, usize> = parent.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect();
    let mut merged: Vec<Option<Entry>> = parent.into_iter().map(Some).collect();
    for entry in child {
        let inherited = places.get(&entry.key).and_then(|at| merged[*at].take().map(|inherited| (*at, inherited)));
        match inherited {
            Some((at, inherited)) => {
                let value = merge_at(&entry.key, inherited.value, entry.value);
                merged[at] = Some(Entry { key: entry.key, span: entry.span, value });
            }
            None => merged.push(Some(entry)),
        }
    }
    merged.into_iter().flatten().collect()
}

/// The parent's list and behind it what the child adds. Packages keep their repetitions here: whether one counts
/// depends on the removals in between.
fn append(key: &str, mut parent: Vec<Node>, child: Vec<Node>) -> Vec<Node> {
    let inherited: HashSet<String> = match key {
        "packages" => HashSet::new(),
        _ => parent.iter().filter_map(|node| node.text().map(str::to_owned)).collect(),
    };
    let is_new = |node: &Node| node.text().is_none_or(|text| !inherited.contains(text));
    parent.extend(child.into_iter().filter(is_new));
    parent
}
