//! Recipes: a YAML file to a [`Recipe`], or to every one of its [`Faults`] at once.
//!
//! Text goes in and a value or faults come out; only [`load`], [`check`] and [`Recipe::check_files`] touch a disk. On
//! the way a file becomes a tree whose nodes know their places (`yaml`), the tree is merged with those of the recipes
//! it extends (`chain`), removals of packages are carried out (`packages`), contradictions are looked for
//! (`contradictions`), and the records of `model` read their fields from it. Nothing stops at the first fault.
//!
//! `model` is the one definition of keys, types, defaults and descriptions: the walk, [`schema()`] and
//! [`reference_markdown`] are made from it.
//!
//! ```
//! use helix_recipe::{Options, parse_str};
//!
//! let faults = parse_str("mine.yaml", "summary: Mine\npakages: [systemd]\n", &Options::default()).unwrap_err();
//! let report = faults.to_string();
//! assert!(report.contains("--> mine.yaml:2:1"));
//! assert!(report.contains("did you mean `packages`?"));
//! ```

mod chain;
mod choice;
mod contradictions;
mod fault;
mod form;
mod hint;
mod loader;
mod model;
mod node;
mod ownership;
mod packages;
mod parse;
mod path;
mod record;
mod reference;
mod rule;
mod schema;
mod shape;
mod size;
mod source;
mod timeout;
mod walk;
mod yaml;

pub use choice::UnknownWord;
pub use fault::{Fault, Faults};
pub use loader::{DiskLoader, LARGEST, LoadError, Loader};
pub use model::{
    Architecture, Archive, Artifact, Check, ContainerConfig, ContainerImage, ContainerLayer, ContainerRecipe, Disk,
    Distribution, Docker, FilesLayer, GuestComponent, Permission, Recipe, StorageDriver, Units, User,
};
pub use ownership::{Mode, Owner, OwnershipError};
pub use parse::{Options, check, load, load_container, parse, parse_str};
pub use path::{ImageSource, Location, SourcePath};
pub use reference::{container_reference_markdown, reference_markdown};
pub use schema::{container_schema, schema};
pub use size::{ByteSize, SizeError};
pub use timeout::{Timeout, TimeoutError};
