//! The copyright file of a Debian package in its machine-readable form
//! (<https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::{Component, Text};

/// The file. `own` are the first paragraphs: the header's further fields, and the licence of the package's own files.
///
/// That form knows files alone, and what is linked in is none any more: each crate stands as the folder that its source
/// would be in, as the header says. A text that crates share is in the paragraph of the first.
pub fn copyright(name: &str, own: &str, components: &[Component]) -> String {
    let mut file = format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: {name}\n\
         Comment: The paragraphs of crates/NAME-VERSION are those of the Rust crates that are\n linked into the files of \
         this package.\n\n{own}"
    );
    let mut seen = BTreeMap::new();
    for component in components {
        let folder = format!("{}-{}", component.name.replace(' ', "-"), component.version);
        let _ = writeln!(file, "\nFiles: crates/{folder}/*");
        if !component.source.is_empty() {
            let _ = writeln!(file, "Comment: {}", component.source);
        }
        let _ = writeln!(file, "Copyright: {}", holders(component).join("\n "));
        let _ = writeln!(file, "License: {}", expression(&component.license));
        for text in &component.texts {
            file.push_str(&paragraph(text, &folder, &mut seen));
        }
    }
    file
}

/// The words that Debian has for the operators of SPDX; some crates are older than those and write a slash.
fn expression(spdx: &str) -> String {
    spdx.replace(" OR ", " or ").replace(" AND ", " and ").replace(" WITH ", " with ").replace('/', " or ")
}

/// A text as the continuation of a field, or where it is.
fn paragraph<'a>(text: &'a Text, folder: &str, seen: &mut BTreeMap<&'a str, String>) -> String {
    let place = format!("crates/{folder}/{}", text.title);
    if let Some(first) = seen.get(text.text.trim()) {
        return format!(" {place}: as {first}, above.\n .\n");
    }
    let lines = text.text.trim().lines().map(str::trim_end);
    let lines = lines.map(|line| if line.is_empty() { " .\n".to_owned() } else { format!(" {line}\n") });
    let field = format!(" {place}:\n .\n{} .\n", lines.collect::<String>());
    seen.insert(text.text.trim(), place);
    field
}

/// Who says so in the texts. A licence that only speaks of copyright names neither a year nor a sign, and one that is to
/// be filled in has a word for the year.
fn holders(component: &Component) -> Vec<String> {
    let lines = component.texts.iter().flat_map(|text| text.text.lines()).map(str::trim);
    let states = |line: &&str| {
        let signed = line.contains("(c)") || line.contains("(C)") || line.contains('©');
        line.starts_with("Copyright")
            && !line.contains("<year>")
            && !line.contains("yyyy")
            && (signed || line.contains("19") || line.contains("20"))
    };
    let found: BTreeSet<&str> = lines.filter(states).collect();
    if found.is_empty() {
        return vec![format!("the authors of {}", component.name)];
    }
    found.into_iter().map(str::to_owned).collect()
}
