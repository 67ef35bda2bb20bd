//! The text of one recipe file and places in it.

use crate::fault::Fault;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The text of one file, cut into lines the way YAML counts them.
pub(crate) struct Source {
    name: String,
    text: String,
    lines: Vec<Range<usize>>,
    folder: PathBuf,
    depth: usize,
}

impl Source {
    /// Takes a text in. `folder` is the file's folder relative to the recipe root, `depth` its distance from the
    /// recipe that was asked for (0), counted in `extends`.
    pub(crate) fn new(name: &str, text: String, folder: &Path, depth: usize) -> Arc<Self> {
        let lines = line_ranges(&text);
        Arc::new(Self { name: name.to_owned(), text, lines, folder: folder.to_owned(), depth })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How far it is from the recipe that was asked for, counted in `extends`.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The line with this 1-based number without its line break; empty when there is none.
    pub(crate) fn line(&self, number: usize) -> &str {
        number.checked_sub(1).and_then(|index| self.lines.get(index)).map_or("", |range| &self.text[range.clone()])
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// YAML ends a line at LF, CR LF and a lone CR; numbering differently would point at the wrong line.
fn line_ranges(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut ranges = Vec::new();
    let mut start = 0;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if index > 0 && bytes[index - 1] == b'\r' => start = index + 1,
            b'\n' | b'\r' => {
                ranges.push(start..index);
                start = index + 1;
            }
            _ => {}
        }
    }
    ranges.push(start..text.len());
    ranges
}

/// A place in a source: 1-based line and column, and a length on that line; columns and lengths count characters.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) source: Arc<Source>,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) length: usize,
}

impl Span {
    /// The beginning of a file, for faults that concern all of it.
    pub(crate) fn start_of(source: &Arc<Source>) -> Self {
        Self { source: source.clone(), line: 1, column: 1, length: 1 }
    }

    pub(crate) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.clone(), message.into())
    }

    /// Which of two contradicting places came first: an ancestor's, then by line and column.
    pub(crate) fn order(&self) -> (std::cmp::Reverse<usize>, usize, usize) {
        (std::cmp::Reverse(self.source.depth), self.line, self.column)
    }

    /// How another fault mentions this place: "line 7", with the file where that is a different one.
    pub(crate) fn seen_from(&self, other: &Span) -> String {
        if Arc::ptr_eq(&self.source, &other.source) {
            format!("line {}", self.line)
        } else {
            format!("line {} of {}", self.line, self.source.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_yaml_ends_them() {
        let source = Source::new("x", "one\r\ntwo\rthree\n\nfive".into(), Path::new(""), 0);
        let lines: Vec<_> = (0..=6).map(|number| source.line(number)).collect();
        assert_eq!(lines, ["", "one", "two", "three", "", "five", ""]);
    }
}
