//! Names of packages that stand in recipes, compared with archives that can be had: the recipes for Ubuntu are written
//! where its archives are not.

use std::collections::BTreeSet;
use std::path::PathBuf;

use helix_recipe::{Architecture, Options};
use helix_rootfs::Arch;

use crate::support::{Debian, root_folder};

/// Packages of recipes that Debian's development release does not have, with the reason.
const UBUNTUS_OWN: [(&str, &str); 2] = [
    ("docker-compose-v2", "Compose as a part of `docker`; Debian has it in docker-compose"),
    ("linux-image-virtual", "the kernel for virtual machines; Debian's is linux-image-ARCHITECTURE"),
];

/// What Chromium and the packages that come with it depend on, and Ubuntu has under the same name: by its public package
/// lists since 24.04, when the names with t64 came.
const UBUNTU_HAS: [&str; 39] = [
    "libasound2t64",
    "libatk-bridge2.0-0t64",
    "libatk1.0-0t64",
    "libatspi2.0-0t64",
    "libc6",
    "libcairo2",
    "libcups2t64",
    "libdbus-1-3",
    "libexpat1",
    "libfontconfig1",
    "libfreetype6",
    "libgbm1",
    "libgcc-s1",
    "libglib2.0-0t64",
    "libgtk-3-0t64",
    "libharfbuzz-subset0",
    "libharfbuzz0b",
    "liblcms2-2",
    "libnspr4",
    "libnss3",
    "libogg0",
    "libopenjp2-7",
    "libopus0",
    "libpango-1.0-0",
    "libpulse0",
    "libstdc++6",
    "libudev1",
    "libx11-6",
    "libxcb1",
    "libxcomposite1",
    "libxdamage1",
    "libxext6",
    "libxfixes3",
    "libxkbcommon0",
    "libxrandr2",
    "libzstd1",
    "x11-utils",
    "xdg-utils",
    "zlib1g",
];

fn options() -> Options {
    Options { architecture: Some(Architecture::Arm64), mirror: None }
}

/// The recipes in a folder that can be built.
fn recipes(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root_folder().join(folder)).expect("recipes").map(|e| e.expect("an entry").path());
    let concrete = |file: &PathBuf| {
        let text = || std::fs::read_to_string(file).expect("a recipe");
        file.extension().is_some_and(|e| e == "yaml") && !text().lines().any(|line| line == "abstract: true")
    };
    entries.filter(concrete).collect()
}

#[test]
fn every_package_of_a_recipe_is_in_debians_development_release_or_known_to_be_ubuntus_own() {
    let mut names = BTreeSet::new();
    for file in recipes("recipes") {
        names.extend(helix_recipe::load(&file, &options()).expect("a recipe").packages);
    }
    for file in recipes("recipes/containers") {
        let recipe = helix_recipe::load_container(&file, &options()).expect("a container recipe");
        names.extend(recipe.packages.into_iter().chain(recipe.layers.into_iter().flat_map(|layer| layer.packages)));
    }
    assert!(names.contains("linux-image-virtual") && names.contains("gnome-shell"), "not all recipes: {names:?}");
    let names: Vec<String> = names.into_iter().collect();
    let missing = Debian::sid(Arch::Arm64).missing(&names);
    assert_eq!(missing, UBUNTUS_OWN.map(|(name, _)| name), "names of recipes that Debian does not have");
}

#[test]
fn what_chromium_depends_on_comes_from_debian_with_it_or_is_in_ubuntu() {
    let file = root_folder().join("recipes/containers/helix-ubuntu.yaml");
    let recipe = helix_recipe::load_container(&file, &options()).expect("the desktop's recipe");
    let archives = || recipe.archives.iter().filter(|archive| !archive.only.is_empty());
    let only = &archives().next().expect("an archive for a few packages").only;
    assert!(archives().all(|archive| archive.only == *only), "the archives of Debian have different lists");
    let debian = Debian::of_recipe("chromium", Arch::Arm64, archives());

    let mut needed = BTreeSet::new();
    for package in only {
        for group in debian.depends(package) {
            let there = |name: &&String| only.contains(name) || UBUNTU_HAS.contains(&name.as_str());
            let found = group.iter().find(there);
            let found = found.unwrap_or_else(|| {
                panic!(
                    "{package} needs {}: is it in Ubuntu? Then it belongs into UBUNTU_HAS, else into `only` of {}",
                    group.join(" or "),
                    file.display()
                )
            });
            needed.insert(found.clone());
        }
    }
    let asked: Vec<&String> = recipe.layers.iter().flat_map(|layer| &layer.packages).collect();
    let idle: Vec<&String> = only.iter().filter(|name| !needed.contains(*name) && !asked.contains(name)).collect();
    assert!(idle.is_empty(), "nothing needs {idle:?} of `only`");
    let idle: Vec<&str> = UBUNTU_HAS.into_iter().filter(|name| !needed.contains(*name)).collect();
    assert!(idle.is_empty(), "nothing needs {idle:?} of UBUNTU_HAS");
}

#[test]
fn the_book_calls_exactly_those_recipes_unverified_that_have_no_lock() {
    for (folder, page) in [("recipes", "introduction.md"), ("recipes/containers", "container-images.md")] {
        let page = root_folder().join("docs/src").join(page);
        let text = std::fs::read_to_string(&page).expect("a page of the book");
        for recipe in recipes(folder) {
            let name = recipe.file_stem().expect("a name").to_string_lossy();
            let row = text.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("{} has no row for {name}", page.display()));
            let locked = recipe.with_extension("lock").exists();
            assert_eq!(row.contains("**Unverified"), !locked, "{}: {row}", page.display());
        }
    }
}
