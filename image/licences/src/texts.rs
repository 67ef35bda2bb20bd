//! The texts of licences: files that lie beside sources, or what an expression stands for.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::Text;

/// Beginnings of the names of files with licences.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
/// What the licences of this project's own code are called.
const OWN: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
/// Endings of files that are named so and are no texts.
const SOURCES: [&str; 5] = ["rs", "c", "h", "py", "json"];

/// The texts in a folder and below it, where sources of others have theirs; and `besides`, a path from it.
pub(crate) fn below(folder: &Path, besides: Option<&Path>) -> Result<Vec<Text>, String> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.map_err(|e| e.to_string())?;
        if entry.file_type().is_file() && is_text(entry.path()) {
            files.push(entry.into_path());
        }
    }
    files.extend(besides.map(|file| folder.join(file)));
    read(folder, files)
}

/// The texts of a workspace, and no others that somebody may have beside them.
pub(crate) fn beside(folder: &Path) -> Result<Vec<Text>, String> {
    read(folder, OWN.map(|name| folder.join(name)).into())
}

fn is_text(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    let source = path.extension().is_some_and(|ending| SOURCES.iter().any(|source| ending == *source));
    !source && NAMES.iter().any(|beginning| name.starts_with(beginning))
}

/// In the order of their paths. Old licences are not always in UTF-8: bytes that are none are replaced. Lines end as on
/// Unix, so that a text which two have is one.
fn read(folder: &Path, mut files: Vec<PathBuf>) -> Result<Vec<Text>, String> {
    files.sort();
    files.dedup();
    let text = |path: &PathBuf| {
        let title = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Text { title, text: String::from_utf8_lossy(&text).replace("\r\n", "\n") })
    };
    files.iter().map(text).collect()
}

/// The texts of the licences that an expression names, for a crate that has none beside it.
pub(crate) fn standard(expression: &str, authors: &[String]) -> Result<Vec<Text>, String> {
    let parsed = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX)
        .map_err(|_| format!("it has no text of its licence, and {expression:?} is no expression of SPDX"))?;
    let mut texts = Vec::new();
    for requirement in parsed.requirements() {
        let id = requirement.req.license.id().ok_or_else(|| format!("it has no text of its licence {expression:?}"))?;
        if requirement.req.addition.is_some() {
            return Err(format!("it has no text of its licence {expression:?}, and of that an exception is a part"));
        }
        let by = if authors.is_empty() { String::new() } else { format!("Authors: {}\n\n", authors.join(", ")) };
        texts.push(Text { title: id.name.to_owned(), text: format!("{by}{}", id.text()) });
    }
    Ok(texts)
}
