//! NOTICES.txt: every component with its licence, its source, its files; and each text once.

use std::fmt::Write;

use crate::component::Component;

const RULE: &str = "--------------------------------------------------------------------------------";

/// The text; what the disk holds comes last.
pub(crate) fn text(components: &[Component], disk: &str) -> String {
    let mut texts: Vec<&str> = Vec::new();
    let mut list =
        "Helix.app is made of the components below. Each is under its own licence; the texts follow, numbered.\n"
            .to_owned();
    for component in components {
        let numbers: Vec<String> =
            component.texts.iter().map(|text| format!("{}", number(&mut texts, text.text.trim()))).collect();
        let Component { name, version, license, source, files, .. } = component;
        let _ = write!(list, "\n{name} {version}\n  Licence: {license}\n");
        if !source.is_empty() {
            let _ = writeln!(list, "  Source: {source}");
        }
        for file in files {
            let _ = writeln!(list, "  File: {file}");
        }
        let _ = writeln!(list, "  Texts: {}", numbers.join(", "));
    }
    let _ = write!(list, "\n{disk}");
    for (index, text) in texts.iter().enumerate() {
        let _ = write!(list, "\n{RULE}\nText {}\n{RULE}\n\n{text}\n", index + 1);
    }
    list
}

/// The number of a text, from 1; a new text gets the next.
fn number<'a>(texts: &mut Vec<&'a str>, text: &'a str) -> usize {
    let found = texts.iter().position(|known| *known == text);
    1 + found.unwrap_or_else(|| {
        texts.push(text);
        texts.len() - 1
    })
}

/// Whether the notices name a file of the app.
pub(crate) fn names(notices: &str, file: &str) -> bool {
    notices.lines().any(|line| line.strip_prefix("  File: ") == Some(file))
}
