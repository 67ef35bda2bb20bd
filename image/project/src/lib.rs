//! Where the project is. No program has the folder of its own compilation inside: a copied program works on the checkout
//! that its user stands in.

use std::fmt;
use std::path::{Path, PathBuf};

/// The variable of the environment that names the project's folder.
const VARIABLE: &str = "HELIX_ROOT";

/// The project's folder, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The folder that holds `recipes/`.
    pub root: PathBuf,
    /// How it was found.
    pub found: Found,
}

/// How the project was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// `HELIX_ROOT` names it.
    Variable,
    /// It is the nearest one at or above the working folder.
    WorkingFolder,
    /// It is the nearest one at or above the folder of the program.
    Program,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variable => "HELIX_ROOT names it",
            Self::WorkingFolder => "the nearest above the working folder",
            Self::Program => "the nearest above the program",
        })
    }
}

/// Why there is no project to work on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The variable names something else.
    #[error("HELIX_ROOT is {}, which has no folder recipes; name the folder of a checkout, or unset the variable", .0.display())]
    Variable(PathBuf),
    /// There is no project anywhere.
    #[error(
        "there is no project here: neither {} nor the folder of this program nor a folder above them has recipes/ and \
         guest-components/\n  go to a checkout, or name one:\n    HELIX_ROOT=FOLDER",
        working.display()
    )]
    NoProject {
        /// The working folder.
        working: PathBuf,
    },
    /// There are no sources of programs anywhere.
    #[error(
        "the sources of this project's programs are not here: neither {} nor the folder of this program nor a folder above them is a \
         checkout\n  go to one, or name it:\n    HELIX_ROOT=FOLDER",
        working.display()
    )]
    NoSources {
        /// The working folder.
        working: PathBuf,
    },
}

/// The places that are looked at.
struct Places {
    variable: Option<PathBuf>,
    working: PathBuf,
    program: PathBuf,
}

impl Places {
    fn here() -> Self {
        let working = std::env::current_dir().unwrap_or_default();
        let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(|value| working.join(value));
        // A program that was replaced while it runs has a name that no file has; its folder is the same.
        Self { variable, working, program: std::env::current_exe().unwrap_or_default() }
    }

    fn project(self) -> Result<Project, Error> {
        if let Some(root) = self.variable {
            let good = root.join("recipes").is_dir();
            return if good { Ok(Project { root, found: Found::Variable }) } else { Err(Error::Variable(root)) };
        }
        let places = [(&self.working, Found::WorkingFolder), (&self.program, Found::Program)];
        let mut found =
            places.into_iter().filter_map(|(place, found)| Some(Project { root: above(place, has_recipes)?, found }));
        found.next().ok_or(Error::NoProject { working: self.working.clone() })
    }

    fn sources(self) -> Result<PathBuf, Error> {
        let named = self.variable.filter(|root| has_sources(root));
        let near = || [&self.working, &self.program].into_iter().find_map(|place| above(place, has_sources));
        named.or_else(near).ok_or_else(|| Error::NoSources { working: self.working.clone() })
    }
}

impl Project {
    /// The project that `HELIX_ROOT` names, else the nearest at or above the working folder, else the nearest at or above the
    /// folder of this program.
    ///
    /// # Errors
    /// When there is none, and when `HELIX_ROOT` names something else.
    pub fn find() -> Result<Self, Error> {
        Places::here().project()
    }
}

/// The checkout that programs are built from: `HELIX_ROOT`, else the nearest at or above the working folder, else the nearest at
/// or above the folder of this program. `HELIX_ROOT` may name a folder of recipes alone, which has no sources.
///
/// # Errors
/// When there is none.
pub fn sources() -> Result<PathBuf, Error> {
    Places::here().sources()
}

fn above(place: &Path, is_it: fn(&Path) -> bool) -> Option<PathBuf> {
    place.ancestors().find(|folder| is_it(folder)).map(Path::to_owned)
}

fn has_recipes(folder: &Path) -> bool {
    folder.join("recipes").is_dir() && folder.join("guest-components").is_dir()
}

fn has_sources(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file() && folder.join("guest-components/vsockenc/Cargo.toml").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(root: &Path, name: &str, parts: &[&str]) -> PathBuf {
        let folder = root.join(name);
        parts.iter().for_each(|part| std::fs::create_dir_all(folder.join(part)).unwrap());
        folder
    }

    #[test]
    fn the_variable_goes_before_the_working_folder_and_that_before_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let named = folder(dir.path(), "named", &["recipes"]);
        let checkout = folder(dir.path(), "checkout", &["recipes", "guest-components", "image/vm/src"]);
        let tool = folder(dir.path(), "tool", &["recipes", "guest-components", "bin"]);
        let nowhere = folder(dir.path(), "nowhere", &["deep"]);
        let find = |variable: Option<&PathBuf>, working: PathBuf, program: PathBuf| {
            Places { variable: variable.cloned(), working, program }.project().map(|p| (p.root, p.found))
        };
        let (inside, program) = (checkout.join("image/vm/src"), tool.join("bin/xtask"));
        assert_eq!(find(Some(&named), inside.clone(), program.clone()), Ok((named, Found::Variable)));
        assert_eq!(find(None, inside, program.clone()), Ok((checkout, Found::WorkingFolder)));
        assert_eq!(find(None, nowhere.join("deep"), program.clone()), Ok((tool, Found::Program)));
        let missing = find(None, nowhere.clone(), nowhere.join("xtask"));
        assert_eq!(missing, Err(Error::NoProject { working: nowhere.clone() }));
        assert_eq!(find(Some(&nowhere), nowhere.clone(), program), Err(Error::Variable(nowhere)));
    }

    #[test]
    fn sources_are_those_of_the_project_or_of_a_checkout_nearby() {
        let dir = tempfile::tempdir().unwrap();
        let recipes = folder(dir.path(), "recipes-alone", &["recipes"]);
        let checkout = folder(dir.path(), "checkout", &["recipes", "guest-components/vsockenc", "target/tmp"]);
        for file in ["Cargo.toml", "guest-components/vsockenc/Cargo.toml"] {
            std::fs::write(checkout.join(file), "").unwrap();
        }
        let sources = |variable: &Path, working: &Path, program: &Path| {
            let [variable, working, program] = [variable, working, program].map(Path::to_owned);
            Places { variable: Some(variable), working, program }.sources()
        };
        let (inside, outside) = (checkout.join("target/tmp"), dir.path());
        assert_eq!(sources(&checkout, outside, outside), Ok(checkout.clone()));
        assert_eq!(sources(&recipes, &inside, outside), Ok(checkout.clone()));
        assert_eq!(sources(&recipes, outside, &inside), Ok(checkout));
        assert_eq!(sources(&recipes, outside, outside), Err(Error::NoSources { working: outside.to_owned() }));
    }
}
