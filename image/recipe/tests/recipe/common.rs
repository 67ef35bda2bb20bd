//! What the tests share: recipes as text, and reading them.

use helix_recipe::{Faults, Options, Recipe, parse, parse_str};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The smallest recipe there is.
pub(crate) const SMALLEST: &str = "\
summary: Smallest
distribution: debian
release: trixie
architecture: arm64
archives:
  - {name: debian, mirror: http://ftp.debian.org/debian, suites: [trixie], key: keys/debian.asc}
packages: [systemd]
disk: {size: 8GiB}
";

/// Reads texts by path; the first one is the recipe.
pub(crate) fn read(files: &[(&str, &str)], options: &Options) -> Result<Recipe, Faults> {
    let map: BTreeMap<PathBuf, String> = files.iter().map(|(path, text)| (path.into(), (*text).into())).collect();
    parse(&map, files[0].0, options)
}

/// Reads one text.
pub(crate) fn one(text: &str) -> Result<Recipe, Faults> {
    parse_str("x.yaml", text, &Options::default())
}

/// The smallest recipe and lines behind it.
pub(crate) fn with(lines: &str) -> Result<Recipe, Faults> {
    one(&format!("{SMALLEST}{lines}"))
}

/// "file:line:column message" of each fault.
pub(crate) fn places(result: Result<Recipe, Faults>) -> Vec<String> {
    let faults = result.expect_err("this must have faults");
    faults.iter().map(|f| format!("{}:{}:{} {}", f.file(), f.line(), f.column(), f.message())).collect()
}
