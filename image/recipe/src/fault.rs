//! Faults: everything that is wrong with a recipe, each with its place.

use crate::source::Span;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;

/// Longest part of a source line that a report shows, in characters. A fault far to the right shifts the window.
const WINDOW: usize = 110;

/// One fault: where it is, what is wrong and, where that is known, what to do about it.
///
/// Serialised it has the keys `file`, `line`, `column`, `message` and `hint` (a string or null).
#[derive(Clone, Debug)]
pub struct Fault {
    span: Span,
    message: String,
    hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(span: Span, message: String) -> Self {
        Self { span, message, hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The file, named as the caller named it; for a parent, relative to where the caller's name leads.
    pub fn file(&self) -> &str {
        self.span.source.name()
    }

    /// The 1-based line.
    pub fn line(&self) -> usize {
        self.span.line
    }

    /// The 1-based column, counted in characters.
    pub fn column(&self) -> usize {
        self.span.column
    }

    /// How many characters of the line are at fault, at least 1.
    pub fn length(&self) -> usize {
        self.span.length.max(1)
    }

    /// The line of the file, without its line break.
    pub fn source_line(&self) -> &str {
        self.span.source.line(self.span.line)
    }

    /// What is wrong, in one sentence without a full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn key(&self) -> (&str, usize, usize, &str) {
        (self.file(), self.line(), self.column(), &self.message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line().to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "fault: {}", self.message)?;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file(), self.line(), self.column())?;
        let (text, underline) = excerpt(self.source_line(), self.column() - 1, self.length());
        if !text.trim().is_empty() {
            writeln!(f, "{gutter} |\n{number} | {text}\n{gutter} | {underline}")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "{gutter} = hint: {hint}")?;
        }
        Ok(())
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fault = serializer.serialize_struct("Fault", 5)?;
        fault.serialize_field("file", self.file())?;
        fault.serialize_field("line", &self.line())?;
        fault.serialize_field("column", &self.column())?;
        fault.serialize_field("message", &self.message)?;
        fault.serialize_field("hint", &self.hint)?;
        fault.end()
    }
}

/// The visible part of a line and the carets below it. Tabs stay tabs in both, so that the carets line up; other
/// control characters are replaced, because a recipe must not be able to drive the terminal.
fn excerpt(line: &str, start: usize, length: usize) -> (String, String) {
    let skip = if start + length.min(WINDOW / 2) > WINDOW { start - WINDOW / 4 } else { 0 };
    let rest = if line.is_ascii() { line.get(skip..).unwrap_or_default() } else { skip_chars(line, skip) };
    let visible: Vec<char> = rest.chars().take(WINDOW).collect();
    let clean = |c: &char| if c.is_control() && *c != '\t' { '\u{fffd}' } else { *c };
    let more = if rest.chars().nth(WINDOW).is_some() { "…" } else { "" };
    let text = format!("{}{}{more}", if skip > 0 { "…" } else { "" }, visible.iter().map(clean).collect::<String>());
    let lead = (start - skip).min(visible.len());
    let indent: String = visible[..lead].iter().map(|c| if *c == '\t' { '\t' } else { ' ' }).collect();
    let carets = length.min(visible.len().saturating_sub(lead)).max(1);
    (text.trim_end().to_owned(), format!("{}{indent}{}", if skip > 0 { " " } else { "" }, "^".repeat(carets)))
}

fn skip_chars(line: &str, count: usize) -> &str {
    line.char_indices().nth(count).map_or("", |(at, _)| &line[at..])
}

/// All faults of a recipe and its ancestors: never empty, sorted by file, line and column, none twice.
///
/// `Display` gives the report for people; serialised it is a list of [`Fault`]s.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Orders the faults; `None` when there are none.
    pub(crate) fn collect(mut faults: Vec<Fault>) -> Option<Self> {
        faults.sort_by(|a, b| a.key().cmp(&b.key()));
        faults.dedup_by(|a, b| a.key() == b.key());
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// The faults in order.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// How many faults there are, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Serialize for Faults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            writeln!(f, "{fault}")?;
        }
        let mut files: Vec<&str> = self.0.iter().map(Fault::file).collect();
        files.dedup();
        let noun = if self.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {noun} in {}", self.len(), files.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_below_the_fault_behind_tabs_and_wide_windows() {
        assert_eq!(excerpt("\tkey: x", 6, 1), ("\tkey: x".into(), "\t     ^".into()));
        assert_eq!(excerpt("a\u{1b}[31m", 0, 2).0, "a\u{fffd}[31m");
        let (text, underline) = excerpt(&format!("{}bad{}", "x".repeat(300), "y".repeat(300)), 300, 3);
        let at = underline.find('^').unwrap();
        assert_eq!(text.chars().skip(at).take(3).collect::<String>(), "bad");
        assert!(text.chars().count() <= WINDOW + 2 && text.starts_with('…') && text.ends_with('…'));
    }

    #[test]
    fn a_place_behind_the_end_of_the_line_still_gets_one_caret() {
        assert_eq!(excerpt("ab", 9, 4).1, "  ^");
        assert_eq!(excerpt("", 0, 1).1, "^");
    }
}
