//! Components with their licences, their sources and files, and each text once, for people.

use std::fmt::Write;

use crate::Component;

const RULE: &str = "--------------------------------------------------------------------------------";

/// The text: `head`, the components, `tail`, and the texts.
pub fn notices(head: &str, components: &[Component], tail: &str) -> String {
    let mut texts: Vec<&str> = Vec::new();
    let mut list = head.to_owned();
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
    list.push_str(tail);
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
