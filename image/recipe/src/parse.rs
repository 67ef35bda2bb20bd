//! A recipe file to a [`Recipe`] or to all of its faults.

use crate::chain::{self, Chain};
use crate::choice::Choice;
use crate::fault::{Fault, Faults};
use crate::loader::{Alone, DiskLoader, Loader};
use crate::model::{Architecture, Archive, ContainerRecipe, Header, Recipe};
use crate::node::{Kind, Node};
use crate::path::{Location, SourcePath};
use crate::record::{self, Record};
use crate::shape::{Shape, text};
use crate::source::{Source, Span};
use crate::walk::Walk;
use crate::{contradictions, packages, rule};
use std::path::{Path, PathBuf};

/// What is decided on the command line and not in the recipe.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Overrides the recipe's architecture.
    pub architecture: Option<Architecture>,
    /// Replaces the mirror of the main archive. It changes nothing where that archive has a snapshot.
    pub mirror: Option<String>,
}

/// A whole file: an image's recipe or a container's.
pub(crate) trait Root: Record {
    fn architecture(&mut self) -> &mut Architecture;
    fn archives(&mut self) -> &mut Vec<Archive>;
}

impl Root for Recipe {
    fn architecture(&mut self) -> &mut Architecture {
        &mut self.architecture
    }

    fn archives(&mut self) -> &mut Vec<Archive> {
        &mut self.archives
    }
}

impl Root for ContainerRecipe {
    fn architecture(&mut self) -> &mut Architecture {
        &mut self.architecture
    }

    fn archives(&mut self) -> &mut Vec<Archive> {
        &mut self.archives
    }
}

/// Reads a recipe and the recipes it extends through `sources`. Touches nothing else: whether the files that the recipe
/// names exist is not looked at.
///
/// # Errors
///
/// All faults at once. An abstract recipe is a fault as well, since nothing can be built from it.
pub fn parse(sources: &dyn Loader, path: impl AsRef<Path>, options: &Options) -> Result<Recipe, Faults> {
    Reading::<Recipe>::of(sources, path.as_ref(), Path::new(""), options).finish(Vec::new())
}

/// Reads a recipe given as text, which `name` stands for in faults. It cannot extend another one.
///
/// # Errors
///
/// All faults at once.
pub fn parse_str(name: &str, text: &str, options: &Options) -> Result<Recipe, Faults> {
    let name = Path::new(name);
    parse(&Alone { name, text }, name, options)
}

/// Reads a recipe from disk and looks whether the files it names exist.
///
/// # Errors
///
/// All faults at once, those of missing files among them.
pub fn load(path: impl AsRef<Path>, options: &Options) -> Result<Recipe, Faults> {
    load_root(path.as_ref(), options)
}

/// Reads a container recipe from disk and looks whether the files it names exist.
///
/// # Errors
///
/// All faults at once, those of missing files among them.
pub fn load_container(path: impl AsRef<Path>, options: &Options) -> Result<ContainerRecipe, Faults> {
    load_root(path.as_ref(), options)
}

fn load_root<T: Root>(path: &Path, options: &Options) -> Result<T, Faults> {
    let reading = Reading::<T>::on_disk(path, options);
    let missing = reading.walk.paths.iter().filter_map(SourcePath::missing).collect();
    reading.finish(missing)
}

/// Checks a recipe on disk as [`load`] does, but accepts one that is abstract and therefore may lack keys.
///
/// # Errors
///
/// All faults at once.
pub fn check(path: impl AsRef<Path>, options: &Options) -> Result<(), Faults> {
    let reading = Reading::<Recipe>::on_disk(path.as_ref(), options);
    let mut faults: Vec<Fault> = reading.walk.paths.iter().filter_map(SourcePath::missing).collect();
    faults.extend(reading.walk.faults);
    Faults::collect(faults).map_or(Ok(()), Err)
}

impl Recipe {
    /// Looks whether the files and folders that the recipe names exist on this machine. [`load`] has done so already.
    ///
    /// # Errors
    ///
    /// A fault for each that does not exist or is the wrong kind, at the place that names it.
    pub fn check_files(&self) -> Result<(), Faults> {
        let faults = self.source_paths().filter_map(SourcePath::missing).collect();
        Faults::collect(faults).map_or(Ok(()), Err)
    }

    /// Every file and folder of the build machine that the recipe names.
    pub fn source_paths(&self) -> impl Iterator<Item = &SourcePath> {
        let keys = self.archives.iter().map(|archive| &archive.key);
        let folders = self.files.iter().map(|layer| &layer.source);
        let artifacts = self.artifacts.iter().filter_map(|artifact| match &artifact.url {
            Location::Local(path) => Some(path),
            Location::Remote(_) => None,
        });
        let images = self.container_images.iter().filter_map(|image| image.source.path());
        keys.chain(folders).chain(artifacts).chain(images)
    }
}

/// What reading a recipe came to.
struct Reading<T> {
    recipe: Option<T>,
    abstract_at: Option<Span>,
    walk: Walk,
}

impl<T: Root> Reading<T> {
    /// Reads from disk; `path` stays as it is for faults, while the files that the recipe names get absolute paths.
    fn on_disk(path: &Path, options: &Options) -> Self {
        // Without a current folder relative paths stay relative, which still works as far as anything can.
        let here = std::env::current_dir().unwrap_or_default();
        Self::of(&DiskLoader, path, &here, options)
    }

    fn of(sources: &dyn Loader, path: &Path, here: &Path, options: &Options) -> Self {
        let root = here.join(path.parent().unwrap_or(Path::new("")));
        let mut walk = Walk { root, ..Walk::default() };
        let chain = chain::read(sources, path, &mut walk);
        walk.architecture = options.architecture.or_else(|| chain.files.iter().find_map(architecture_of));
        let mirror = options.mirror.as_deref().map(|mirror| read_mirror(mirror, &mut walk));
        let abstract_at = chain.abstract_at.clone();
        let mut recipe: Option<T> = read_chain(chain, &mut walk);
        if let Some(recipe) = &mut recipe {
            let architecture = walk.architecture.unwrap_or(*recipe.architecture());
            *recipe.architecture() = architecture;
            if let (Some(Some(mirror)), Some(archive)) = (mirror, recipe.archives().first_mut()) {
                archive.mirror = mirror;
            }
        }
        Self { recipe, abstract_at, walk }
    }

    fn finish(mut self, more: Vec<Fault>) -> Result<T, Faults> {
        if let Some(place) = &self.abstract_at {
            let fault = place.fault("this recipe is abstract: it is only for extending and cannot be built");
            self.walk.faults.push(fault);
        }
        self.walk.faults.extend(more);
        match (Faults::collect(self.walk.faults), self.recipe) {
            (None, Some(recipe)) => Ok(recipe),
            (Some(faults), _) => Err(faults),
            (None, None) => unreachable!("reading reports why it gives nothing"),
        }
    }
}

/// The architecture that a file names, when it is one.
fn architecture_of(tree: &Node) -> Option<Architecture> {
    Architecture::of(tree.get("architecture")?.text()?)
}

/// Checks the mirror of the command line by the same rule as one in a file.
fn read_mirror(mirror: &str, walk: &mut Walk) -> Option<String> {
    let source = Source::new("--mirror", mirror.to_owned(), &PathBuf::new(), 0);
    let span = Span { length: mirror.chars().count(), ..Span::start_of(&source) };
    let node = Node { kind: Kind::Scalar { text: mirror.to_owned(), plain: false }, span };
    text(&rule::MIRROR).read(&node, walk)
}

/// Each ancestor is walked by itself, for faults that a descendant's value would hide; then everything merged. Faults
/// found both times are equal and reported once.
fn read_chain<T: Root>(chain: Chain, walk: &mut Walk) -> Option<T> {
    let Chain { files, complete, abstract_at } = chain;
    walk.partial = true;
    for tree in files.iter().skip(usize::from(complete)) {
        read_root::<T>(tree, walk);
    }
    if !complete {
        if let Some(tree) = files.first() {
            contradictions::report(tree, walk);
        }
        return None;
    }
    walk.partial = abstract_at.is_some();
    walk.start = files.first().map(|recipe| recipe.place().clone());
    let mut merged = files.into_iter().rev().reduce(chain::merge)?;
    packages::resolve(&mut merged, walk);
    contradictions::report(&merged, walk);
    read_root(&merged, walk)
}

fn read_root<T: Root>(tree: &Node, walk: &mut Walk) -> Option<T> {
    record::read_with::<T>(tree, walk, &Header::keys())
}
