//! YAML text to a spanned tree. The only module that knows the YAML crate.
//!
//! It reads the events of `saphyr-parser` and does not deserialise with `serde-saphyr`: that
//! stops at the first error of a type, `Spanned<T>` gives a place only where the value had the right type, and merging
//! for `extends` would happen on typed values that have lost their places. `saphyr`'s own `MarkedYaml` keeps spans but
//! turns `0440` into a number, expands aliases and lets the last of two equal keys win. On the level of events all of
//! that is ours to decide, and the builder below is shorter than what would be needed to undo it elsewhere.

use crate::fault::Fault;
use crate::node::{Entry, Kind, Meaning, Node, quote};
use crate::source::{Source, Span};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use std::collections::HashMap;
use std::sync::Arc;

/// Deepest nesting of lists and mappings; a recipe needs 4, free-form settings a few more.
pub(crate) const DEEPEST: usize = 32;

/// Reads a text. The tree is `None` when the text is no YAML at all; faults may come with a tree, in which the places
/// at fault are [`Kind::Broken`].
pub(crate) fn read(source: &Arc<Source>) -> (Option<Node>, Vec<Fault>) {
    let mut builder = Builder { source, parser: Parser::new_from_str(source.text()), faults: Vec::new() };
    let tree = builder.document().ok().flatten();
    (tree, builder.faults)
}

/// The rest of the text cannot be read; the reason is among the faults.
struct Stop;

type Step<'a> = (Event<'a>, Span);

struct Builder<'a> {
    source: &'a Arc<Source>,
    parser: Parser<'a, StrInput<'a>>,
    faults: Vec<Fault>,
}

impl<'a> Builder<'a> {
    /// The one document of the text, or `None` when the text is empty.
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut tree = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(tree),
                Event::DocumentStart(_) if tree.is_some() => {
                    self.faults.push(span.fault("a second YAML document begins here; a recipe is one document"));
                    return Ok(tree);
                }
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                _ => tree = Some(self.node((event, span), 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<Step<'a>, Stop> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.span(&span.start, &span.end))),
            Some(Err(error)) => {
                let fault = self.syntax_fault(&error);
                self.faults.push(fault);
                Err(Stop)
            }
            None => Err(Stop),
        }
    }

    fn syntax_fault(&self, error: &ScanError) -> Fault {
        let span = self.span(error.marker(), error.marker());
        let indented_by_tab = self.source.line(span.line).trim_start_matches(' ').starts_with('\t');
        span.fault(format!("this is not YAML: {}", error.info()))
            .maybe_hint(indented_by_tab.then(|| "YAML is indented with spaces, never with tabs".into()))
    }

    fn span(&self, start: &Marker, end: &Marker) -> Span {
        let length = match end.line() == start.line() {
            true => end.col().saturating_sub(start.col()),
            // Counted only here: a whole recipe may stand on one line.
            false => self.source.line(start.line()).chars().count().saturating_sub(start.col()),
        };
        Span { source: self.source.clone(), line: start.line().max(1), column: start.col() + 1, length: length.max(1) }
    }

    /// The value that begins with this event.
    fn node(&mut self, (event, span): Step<'a>, depth: usize) -> Result<Node, Stop> {
        if depth > DEEPEST {
            self.faults.push(span.fault(format!("this is nested more than {DEEPEST} levels deep")));
            return Err(Stop);
        }
        let (anchor, tagged) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            _ => (0, false),
        };
        if anchor != 0 || matches!(event, Event::Alias(_)) {
            let fault = span.fault("anchors (`&name`) and aliases (`*name`) are not part of the recipe format");
            self.faults.push(fault.with_hint("write the value out, or share it through `extends`"));
        }
        if tagged {
            let fault = span.fault("tags (`!name`) are not part of the recipe format");
            self.faults.push(fault.with_hint("leave the tag out; put text that looks like a number in quotes"));
        }
        let kind = match event {
            Event::Scalar(text, style, ..) => {
                Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => Kind::List(self.list(depth)?),
            Event::MappingStart(..) => Kind::Mapping(self.mapping(depth)?),
            _ => Kind::Broken,
        };
        Ok(Node { kind, span })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                item => items.push(self.node(item, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                key => self.node(key, depth + 1)?,
            };
            let first_of_value = self.next()?;
            let value = self.node(first_of_value, depth + 1)?;
            let span = key.place().clone();
            let Some(key) = self.key_text(key) else { continue };
            if let Some(first) = seen.get(&key) {
                let message = format!("the key {} is here twice; the first one is on line {first}", quote(&key));
                self.faults.push(span.fault(message).with_hint("keep one of the two"));
            } else {
                seen.insert(key.clone(), span.line);
                entries.push(Entry { key, span, value });
            }
        }
    }

    /// The text of a key; anything that is not text is a fault.
    fn key_text(&mut self, key: Node) -> Option<String> {
        match key.kind {
            Kind::Scalar { text, plain } if Meaning::of(&text, plain) == Meaning::Text => Some(text),
            Kind::Broken => None,
            _ => {
                let fault = key.place().fault(format!("a key must be text, found {}", key.found()));
                self.faults.push(fault.with_hint("put a key that is a number or a boolean in quotes"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn tree(text: &str) -> (Option<Node>, Vec<(usize, usize, String)>) {
        let (tree, faults) = read(&Source::new("x.yaml", text.into(), Path::new(""), 0));
        (tree, faults.iter().map(|fault| (fault.line(), fault.column(), fault.message().to_owned())).collect())
    }

    fn faults(text: &str) -> Vec<(usize, usize, String)> {
        tree(text).1
    }

    #[test]
    fn every_node_knows_its_place() {
        let (root, faults) = tree("a: 1\nlist:\n  - x\n  - {ü: \"quoted\"}\nblock: |\n  one\n  two\n");
        assert!(faults.is_empty());
        let root = root.unwrap();
        let place = |node: &Node| (node.span.line, node.span.column, node.span.length);
        assert_eq!(place(root.get("a").unwrap()), (1, 4, 1));
        let items = root.get("list").unwrap().items();
        assert_eq!(place(&items[0]), (3, 5, 1));
        assert_eq!(place(items[1].get("ü").unwrap()), (4, 9, 8));
        assert_eq!(root.get("block").unwrap().text(), Some("one\ntwo\n"));
        assert_eq!(root.get("block").unwrap().span.line, 6, "the place of a block is its first line");
    }

    #[test]
    fn duplicate_and_non_text_keys_have_places_and_do_not_hide_each_other() {
        let faults = faults("a: 1\n1: x\na: 2\ntrue: y\n? [z]\n: w\n");
        let places: Vec<_> = faults.iter().map(|(line, column, _)| (*line, *column)).collect();
        assert_eq!(places, [(2, 1), (3, 1), (4, 1), (5, 3)]);
        assert!(faults[1].2.contains("first one is on line 1"));
    }

    #[test]
    fn aliases_anchors_tags_and_second_documents_are_refused() {
        assert_eq!(faults("a: &x [1]\nb: *x\n").len(), 2);
        assert_eq!(faults("a: !!str 5\n").len(), 1);
        assert_eq!(faults("a: 1\n---\nb: 2\n")[0].0, 2);
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
        assert_eq!(faults(bomb).len(), 6);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels: usize| format!("a: {}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(faults(&deep(DEEPEST)).is_empty());
        assert!(faults(&deep(DEEPEST + 2))[0].2.contains("nested more than"));
        assert_eq!(faults(&deep(100_000)).len(), 1);
    }

    #[test]
    fn broken_yaml_is_a_fault_with_a_place() {
        let (root, faults) = tree("a: 1\nb: [1, 2\nc: 3\n");
        assert!(root.is_none());
        assert_eq!(faults.len(), 1);
        assert!(faults[0].0 >= 2 && faults[0].2.starts_with("this is not YAML: "));
    }
}
