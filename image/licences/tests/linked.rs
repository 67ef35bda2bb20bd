//! The licences of the crates of this project's own products.

use std::path::{Path, PathBuf};

use helix_licences::{Component, Linked, copyright, notices};

/// What is built for a guest.
fn vsockenc(root: &Path) -> Linked<'_> {
    let target = "aarch64-unknown-linux-gnu";
    Linked { root, packages: &["helix-vsockenc"], options: &[], target, compiler: "1.92.0", offline: false }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn guest() -> Vec<Component> {
    vsockenc(&root()).components().unwrap_or_else(|e| panic!("{e}"))
}

fn named<'c>(components: &'c [Component], name: &str) -> Option<&'c Component> {
    components.iter().find(|component| component.name == name)
}

#[test]
fn what_is_linked_is_named_with_its_texts_and_nothing_else_is() {
    let components = guest();
    for name in ["helix-vsockenc", "helix-frame-protocol", "gstreamer", "gstreamer-sys", "glib", "rustix", "subtle"] {
        assert!(named(&components, name).is_some(), "{name} is missing");
    }
    assert!(named(&components, "Rust standard library").is_some_and(|std| std.texts.len() == 2));
    for name in ["glib-macros", "syn", "thiserror-impl", "system-deps", "proptest", "openh264-sys2", "clap"] {
        assert!(named(&components, name).is_none(), "{name} is of a macro, a build, a test or another package");
    }
    for component in &components {
        assert!(!component.license.is_empty() && !component.texts.is_empty(), "{component:?}");
        assert!(component.texts.iter().all(|text| text.text.trim().len() > 100), "{component:?}");
    }
}

#[test]
fn sources_of_others_in_a_crate_bring_their_own_text() {
    let root = root();
    let encoder = Linked { packages: &["helix-host-encoder"], target: "x86_64-unknown-linux-gnu", ..vsockenc(&root) };
    let of = |options| Linked { options, ..encoder }.components().expect("crates");
    let openh264 = of(&[]).into_iter().find(|component| component.name == "openh264-sys2").expect("the encoder");
    let text = openh264.texts.iter().find(|text| text.title == "upstream/LICENSE").expect("Cisco's text");
    assert!(text.text.contains("Cisco Systems") && text.text.contains("in binary form must reproduce"), "{text:?}");
    assert!(named(&of(&["--no-default-features"]), "openh264-sys2").is_none(), "a feature that is not chosen");
}

#[test]
fn a_package_that_is_not_there_is_an_error() {
    let error = Linked { packages: &["no-such-crate"], ..vsockenc(&root()) }.components().expect_err("no crate");
    assert!(error.to_string().contains("no-such-crate"), "{error}");
}

/// The fields of a file, each by its first line; what goes on in further lines is below it.
fn paragraphs(file: &str) -> Vec<Vec<(&str, String)>> {
    let mut paragraphs = vec![Vec::new()];
    for line in file.lines() {
        let paragraph: &mut Vec<(&str, String)> = paragraphs.last_mut().expect("one at least");
        match (line.strip_prefix(' '), line.split_once(": ")) {
            (Some(more), _) => {
                let (_, value) = paragraph.last_mut().unwrap_or_else(|| panic!("{line:?} goes on with nothing"));
                value.push('\n');
                value.push_str(if more == "." { "" } else { more });
            }
            (None, _) if line.is_empty() => paragraphs.push(Vec::new()),
            (None, Some((field, value))) => paragraph.push((field, value.to_owned())),
            (None, None) => panic!("{line:?} is no field"),
        }
    }
    paragraphs
}

#[test]
fn the_copyright_file_of_debian_names_every_crate_and_has_every_text() {
    let components = guest();
    let own = "Files: *\nCopyright: the authors of Helix\nLicense: MIT or Apache-2.0\n";
    let file = copyright("helix-image", own, &components);
    let paragraphs = paragraphs(&file);
    let field = |index: usize, name: &str| {
        let found = paragraphs[index].iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("{:?} lacks {name}", paragraphs[index]))
    };
    assert!(field(0, "Format").contains("copyright-format/1.0/") && field(1, "Files") == "*");
    assert_eq!(paragraphs.len(), 2 + components.len());
    for (index, Component { name, version, license, texts, .. }) in components.iter().enumerate() {
        assert_eq!(field(2 + index, "Files"), format!("crates/{}-{version}/*", name.replace(' ', "-")));
        let holders = field(2 + index, "Copyright");
        assert!(!holders.is_empty() && !holders.contains("<year>") && !holders.contains("yyyy"), "{holders}");
        let (short, text) = field(2 + index, "License").split_once('\n').expect("a text");
        assert_eq!(short.replace(" or ", "/"), license.replace(" OR ", "/").replace(" WITH ", " with "));
        assert!(texts.iter().all(|wanted| text.contains(&format!("/{}:", wanted.title))), "{text}");
    }
    let flat: String = file.split_whitespace().filter(|word| *word != ".").collect();
    for text in components.iter().flat_map(|component| &component.texts) {
        let words: String = text.text.split_whitespace().filter(|word| *word != ".").collect();
        assert!(flat.contains(&words), "a text is missing: {}", text.text);
    }
    assert!(file.contains("\nCopyright: Copyright (c) 2026 the Helix image contributors\n"));
}

#[test]
fn lists_have_each_text_once_and_nothing_of_this_machine() {
    let (components, home) = (guest(), std::env::var("HOME").expect("a home"));
    assert_eq!(components, guest());
    let root = root().canonicalize().expect("a folder");
    for list in [notices("Head.\n", &components, "\nTail.\n"), copyright("helix-image", "", &components)] {
        assert!(!list.contains(&*root.to_string_lossy()) && !list.contains(&home), "a path of this machine");
    }
    let list = notices("Head.\n", &components, "\nTail.\n");
    let mut texts: Vec<&str> = components.iter().flat_map(|c| &c.texts).map(|text| text.text.trim()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(list.matches("\nText ").count(), texts.len());
}
