//! What the app and its frameworks say of themselves to macOS.

use plist::{Dictionary, Value};

use crate::layout;

/// By which name the app goes for macOS.
pub const IDENTIFIER: &str = "org.helix-image.Helix";

/// The kind of bundle and its creator: an application of nobody.
pub(crate) const PKG_INFO: &[u8] = b"APPL????";

/// Whether a version is one: up to three numbers with dots between them, as macOS compares them.
pub(crate) fn is_version(version: &str) -> bool {
    let number = |n: &str| (1..=9).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit());
    version.split('.').all(number) && version.split('.').count() <= 3
}

/// The information of the app with this version.
pub(crate) fn of_app(version: &str) -> Vec<u8> {
    let minimum = layout::MINIMUM_MACOS.to_string();
    written([
        ("CFBundleDevelopmentRegion", "en".into()),
        ("CFBundleDisplayName", "Helix".into()),
        ("CFBundleExecutable", "Helix".into()),
        ("CFBundleIconFile", "AppIcon".into()),
        ("CFBundleIdentifier", IDENTIFIER.into()),
        ("CFBundleInfoDictionaryVersion", "6.0".into()),
        ("CFBundleName", "Helix".into()),
        ("CFBundlePackageType", "APPL".into()),
        ("CFBundleShortVersionString", version.into()),
        ("CFBundleSupportedPlatforms", Value::Array(vec!["MacOSX".into()])),
        ("CFBundleVersion", version.into()),
        ("LSApplicationCategoryType", "public.app-category.developer-tools".into()),
        ("LSArchitecturePriority", Value::Array(vec!["arm64".into()])),
        ("LSMinimumSystemVersion", minimum.into()),
        // It is an item of the menu bar, without a place in the Dock.
        ("LSUIElement", true.into()),
        ("NSHighResolutionCapable", true.into()),
        ("NSPrincipalClass", "NSApplication".into()),
    ])
}

/// The version in the information of an app.
pub(crate) fn version(info: &str) -> Option<&str> {
    let (_, rest) = info.split_once("<key>CFBundleShortVersionString</key>")?;
    let (_, rest) = rest.split_once("<string>")?;
    Some(rest.split_once("</string>")?.0)
}

/// The information of the framework with this name.
pub(crate) fn of_framework(name: &str) -> Vec<u8> {
    let dashed: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    written([
        ("CFBundleDevelopmentRegion", "en".into()),
        ("CFBundleExecutable", name.into()),
        ("CFBundleIdentifier", format!("{IDENTIFIER}.{dashed}").into()),
        ("CFBundleInfoDictionaryVersion", "6.0".into()),
        ("CFBundleName", name.into()),
        ("CFBundlePackageType", "FMWK".into()),
        ("CFBundleShortVersionString", "1.0".into()),
        ("CFBundleSupportedPlatforms", Value::Array(vec!["MacOSX".into()])),
        ("CFBundleVersion", "1".into()),
        ("LSMinimumSystemVersion", layout::MINIMUM_MACOS.to_string().into()),
    ])
}

fn written<const N: usize>(entries: [(&str, Value); N]) -> Vec<u8> {
    let mut text = Vec::new();
    let dictionary = Value::Dictionary(Dictionary::from_iter(entries));
    dictionary.to_writer_xml(&mut text).expect("strings are written to memory");
    text.push(b'\n');
    text
}
