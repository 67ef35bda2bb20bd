//! NOTICES.txt: every component with its licence, its source, its files; and each text once.

use helix_licences::Component;

/// The text; what the disk holds comes after the components.
pub(crate) fn text(components: &[Component], disk: &str) -> String {
    let head =
        "Helix.app is made of the components below. Each is under its own licence; the texts follow, numbered.\n";
    helix_licences::notices(head, components, &format!("\n{disk}"))
}

/// Whether the notices name a file of the app.
pub(crate) fn names(notices: &str, file: &str) -> bool {
    notices.lines().any(|line| line.strip_prefix("  File: ") == Some(file))
}
