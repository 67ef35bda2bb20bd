//! Removals in the list of packages: `name-` takes an inherited `name` away.

use crate::hint;
use crate::node::{Kind, Node, quote};
use crate::walk::Walk;
use std::collections::HashMap;

/// Carries out the removals in the merged tree's `packages` and drops repetitions. What is left are names.
pub(crate) fn resolve(tree: &mut Node, walk: &mut Walk) {
    let Kind::Mapping(entries) = &mut tree.kind else { return };
    for entry in entries {
        let Kind::List(items) = &mut entry.value.kind else { continue };
        match entry.key.as_str() {
            "packages" => *items = remaining(std::mem::take(items), walk),
            // Each layer of a container image has a list of its own.
            "layers" => items.iter_mut().for_each(|layer| resolve(layer, walk)),
            _ => {}
        }
    }
}

fn remaining(items: Vec<Node>, walk: &mut Walk) -> Vec<Node> {
    let mut kept: Vec<Option<Node>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for item in items {
        let name = item.text().map(|text| name_of(text, walk));
        match name.as_deref().map(|name| (name, name.strip_suffix('-'))) {
            Some((_, Some(removed))) => match places.remove(removed) {
                Some(at) => kept[at] = None,
                None => report_unknown(&item, removed, &places, walk),
            },
            Some((name, None)) => {
                if !places.contains_key(name) {
                    places.insert(name.to_owned(), kept.len());
                    kept.push(Some(item));
                }
            }
            None => kept.push(Some(item)),
        }
    }
    kept.into_iter().flatten().collect()
}

/// The name with its variable replaced where the architecture is known, so that both spellings are one package.
fn name_of(text: &str, walk: &Walk) -> String {
    walk.substitute(&crate::rule::PACKAGE, text).unwrap_or_else(|| text.to_owned())
}

fn report_unknown(item: &Node, removed: &str, places: &HashMap<String, usize>, walk: &mut Walk) {
    // Every name is compared with every other: nobody reads the hundredth hint, and a hostile file would take hours.
    const MOST_HINTS: usize = 100;
    let known: Vec<&String> = if walk.faults.len() < MOST_HINTS { places.keys().collect() } else { Vec::new() };
    let advice = hint::closest(removed, &known).map(|close| format!("did you mean `{close}-`?"));
    let message = format!("{} removes a package that nobody added before", quote(&format!("{removed}-")));
    walk.faults.push(item.span.fault(message).maybe_hint(advice));
}
