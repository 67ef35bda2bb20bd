//! Where things are: recipes, results and the cache.

use std::path::{Path, PathBuf};

use crate::Error;

/// The folders that the pipeline reads and writes.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The project's root: it holds `recipes/`.
    pub root: PathBuf,
    /// The cache.
    pub cache: PathBuf,
}

impl Workspace {
    /// The workspace at `root`, with the cache in `$HELIX_CACHE`, `$XDG_CACHE_HOME/helix-image` or
    /// `~/.cache/helix-image`, whichever is set first.
    ///
    /// # Errors
    /// When there is no home folder, or the cache would lie below `/usr`, which tools see replaced by their own, or where
    /// mkfs.xfs cannot be pointed to.
    pub fn at(root: &Path) -> Result<Self, Error> {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let cache = var("HELIX_CACHE")
            .or_else(|| var("XDG_CACHE_HOME").map(|c| c.join("helix-image")))
            .or_else(|| var("HOME").map(|h| h.join(".cache/helix-image")))
            .ok_or_else(|| Error::Host("there is no home folder; name a folder for the cache in HELIX_CACHE".into()))?;
        let cache = std::path::absolute(&cache).map_err(|e| Error::io("looking up", &cache, e))?;
        if cache.to_string_lossy().contains([',', ':', ' ']) {
            return Err(Error::Host(format!(
                "mkfs.xfs cannot be told a path with commas, colons or spaces, such as that of the cache, {}; name another \
                 folder in HELIX_CACHE",
                cache.display()
            )));
        }
        for path in [root, &cache] {
            if path.starts_with("/usr") {
                return Err(Error::Host(format!(
                    "{} lies below /usr, where tools see their own files; move it, or set HELIX_CACHE",
                    path.display()
                )));
            }
        }
        Ok(Self { root: root.to_owned(), cache })
    }

    /// The recipe file that `name` means: a path, or the name of a recipe in `recipes/`.
    ///
    /// # Errors
    /// When there is none; the message lists what there is.
    pub fn recipe_file(&self, name: &str) -> Result<PathBuf, Error> {
        self.file_of(name, "recipes", "recipe")
    }

    /// The container recipe that `name` means: a path, or the name of one in `recipes/containers/`.
    ///
    /// # Errors
    /// When there is none; the message lists what there is.
    pub fn container_file(&self, name: &str) -> Result<PathBuf, Error> {
        self.file_of(name, "recipes/containers", "container recipe")
    }

    fn file_of(&self, name: &str, folder: &str, what: &str) -> Result<PathBuf, Error> {
        let path = PathBuf::from(name);
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") && path.is_file() {
            return std::path::absolute(&path).map_err(|e| Error::io("looking up", &path, e));
        }
        let file = self.root.join(folder).join(format!("{name}.yaml"));
        if file.is_file() && !name.contains('/') {
            return Ok(file);
        }
        Err(Error::Usage(format!(
            "there is no {what} {name}\n  in {folder}: {}\n  or name a YAML file",
            self.buildable(folder).join(", ")
        )))
    }

    /// The names of the recipes in `recipes/` that can be built.
    pub fn recipes(&self) -> Vec<String> {
        self.buildable("recipes")
    }

    fn buildable(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root.join(folder)) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter(|e| !std::fs::read_to_string(e.path()).is_ok_and(|text| text.contains("\nabstract: true")))
            .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".yaml")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// The lock of the tools tree.
    pub fn tools_lock(&self) -> PathBuf {
        self.root.join("recipes/tools.lock")
    }

    /// The lock of the libraries that guest components are linked to.
    pub(crate) fn guest_lock(&self) -> PathBuf {
        self.root.join("recipes/guest.lock")
    }

    /// Where a container image goes unless `--output` says otherwise.
    pub fn container_output(&self, recipe: &str) -> PathBuf {
        self.root.join("target/containers").join(recipe)
    }

    /// Where an image goes unless `--output` says otherwise.
    pub fn output(&self, recipe: &str) -> PathBuf {
        self.root.join("target/images").join(recipe)
    }
}
