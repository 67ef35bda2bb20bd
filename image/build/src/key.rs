//! Keys of steps: the digest of everything that can change a step's result, with the inputs kept by name, so that the
//! program can say which of them changed.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The inputs of a step, each with a short text (a digest or the value itself).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs(BTreeMap<String, String>);

impl Inputs {
    /// The inputs of a step of this name; `revision` is raised whenever the step's code changes its result.
    pub fn of(step: &str, revision: u32) -> Self {
        Self::default().with("step", step).with("revision of the step", &revision.to_string())
    }

    /// Adds one input.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds one input that is long or structured: its digest goes in.
    #[must_use]
    pub fn with_json(self, name: &str, value: &impl Serialize) -> Self {
        let text = serde_json::to_vec(value).expect("inputs are plain data");
        self.with(name, blake3::hash(&text).to_hex().as_str())
    }

    /// The key.
    pub fn key(&self) -> String {
        let text = serde_json::to_vec(&self.0).expect("inputs are plain data");
        blake3::hash(&text).to_hex().as_str()[..40].to_owned()
    }

    /// The names of the inputs in which `self` differs from `before`.
    pub fn changed_since(&self, before: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<_> = self.0.keys().chain(before.0.keys()).collect();
        names.into_iter().filter(|n| self.0.get(*n) != before.0.get(*n)).cloned().collect()
    }

    /// Reads inputs that were kept; `None` when there are none, or none that can be read.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// The inputs as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.0).expect("inputs are plain data") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::Inputs;

    #[test]
    fn a_key_changes_with_every_input_and_the_change_is_named() {
        let base = Inputs::of("disk", 1).with("size", "64").with_json("list", &["a", "b"]);
        assert_eq!(base.key(), Inputs::of("disk", 1).with_json("list", &["a", "b"]).with("size", "64").key());
        for (other, name) in [
            (base.clone().with("size", "65"), "size"),
            (base.clone().with("new", ""), "new"),
            (base.clone().with_json("list", &["ab"]), "list"),
            (base.clone().with("revision of the step", "2"), "revision of the step"),
        ] {
            assert_ne!(base.key(), other.key());
            assert_eq!(other.changed_since(&base), [name]);
        }
    }
}
