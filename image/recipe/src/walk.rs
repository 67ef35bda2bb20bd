//! The walk over the tree: what it knows on its way and what it collects.

use crate::fault::Fault;
use crate::model::Architecture;
use crate::node::{Kind, Node};
use crate::path::{FileKind, SourcePath};
use crate::rule::Rule;
use crate::source::Span;
use std::path::PathBuf;

/// State of one walk.
#[derive(Default)]
pub(crate) struct Walk {
    /// Everything found wrong so far.
    pub(crate) faults: Vec<Fault>,
    /// Every file and folder named so far.
    pub(crate) paths: Vec<SourcePath>,
    /// The architecture, once it is known. Without it nothing that depends on it is given or complained about.
    pub(crate) architecture: Option<Architecture>,
    /// Whether the tree is only a part of a recipe, in which keys may be missing.
    pub(crate) partial: bool,
    /// Where the recipe that was asked for begins.
    pub(crate) start: Option<Span>,
    /// The recipe root on this machine.
    pub(crate) root: PathBuf,
}

impl Walk {
    /// Takes a fault in; `None` is the value that there is not.
    pub(crate) fn report<T>(&mut self, fault: Fault) -> Option<T> {
        self.faults.push(fault);
        None
    }

    /// Reports that something else stands where `expected` should; silent where reading already failed.
    pub(crate) fn wrong<T>(&mut self, node: &Node, expected: &str, hint: Option<String>) -> Option<T> {
        if matches!(node.kind, Kind::Broken) {
            return None;
        }
        self.report(node.place().fault(format!("expected {expected}, found {}", node.found())).maybe_hint(hint))
    }

    /// The text with its variable replaced; `None` while its value is not known.
    pub(crate) fn substitute(&self, rule: &Rule, text: &str) -> Option<String> {
        const VARIABLE: &str = "${architecture}";
        if !rule.templated || !text.contains(VARIABLE) {
            return Some(text.to_owned());
        }
        self.architecture.map(|architecture| text.replace(VARIABLE, architecture.as_str()))
    }

    pub(crate) fn source_path(&mut self, text: &str, span: &Span, kind: FileKind) -> SourcePath {
        let path = SourcePath::new(text, span, &self.root, kind);
        self.paths.push(path.clone());
        path
    }
}
