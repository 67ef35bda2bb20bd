//! A container recipe to a container image: packages as the lowest layer, made by the same engine as those of a machine,
//! and the recipe's own layers on top, each kept by itself.

use std::path::{Path, PathBuf};

use helix_docker_graph::{Image, Packed, Reference, compose, pack, write_layout};
use helix_recipe::{Architecture, Artifact, ContainerLayer, ContainerRecipe, Options};
use helix_rootfs::bootstrap::PackageFile;
use helix_rootfs::chroot::Chroot;
use helix_rootfs::files::{self, Writer};
use helix_rootfs::{Arch, Emulation, OverlayTree, clean, settings};
use serde_json::{Map, Value, json};

use crate::error::{Doing, Error};
use crate::files_step::{archive_settings, is_roots, lay, place_artifacts, set_permissions, user};
use crate::guest;
use crate::key::Inputs;
use crate::lock::{Lock, Resolution};
use crate::output::{Folder, write_json};
use crate::progress::Progress;
use crate::sbom;
use crate::steps::{artifact_inputs, packages_inputs};
use crate::store::{Kind, Store};
use crate::workshop::{Conduct, PackageSet, Workshop};
use crate::workspace::Workspace;

/// Raised when the way a layer or an image is made changes.
const REVISION: u32 = 3;
/// The name of a layer's stream in its entry of the cache.
const STREAM: &str = "layer.tar";

/// What container image to build, and how.
#[derive(Debug, Clone)]
pub struct ContainerJob {
    /// How the build goes about it.
    pub conduct: Conduct,
    /// The container recipe's file.
    pub file: PathBuf,
    /// The image's architecture.
    pub architecture: Architecture,
    /// The folder that the image is written into.
    pub output: PathBuf,
}

/// A container image in its folder.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ContainerOutput {
    /// Its id: the digest of its configuration.
    pub id: String,
    /// Its architecture.
    pub architecture: String,
    /// How many packages are in it.
    pub packages: usize,
    /// The sizes of its layers, unpacked, in bytes, from the lowest to the highest.
    pub layers: Vec<u64>,
}

/// Builds a container image; the folder then has it as an OCI layout, with its bill of materials beside. Must run inside
/// the namespace of [`helix_rootfs::namespace`].
///
/// # Errors
/// Those of the steps. The folder is untouched then.
pub fn build(job: &ContainerJob, store: &Store, progress: &dyn Progress) -> Result<ContainerOutput, Error> {
    let shop = Workshop::open(&job.conduct, job.architecture, store, progress)?;
    let build = Build::resolved(&shop, &job.file)?;
    let Built { image, components } = build.image(&shop, Vec::new())?;
    let _lock = store.lock_output(&job.output)?;
    let folder = Folder::start(&job.output)?;
    write_layout(&image, folder.path())?;
    let name = job.file.file_stem().unwrap_or_default().to_string_lossy();
    let subject = sbom::Subject {
        kind: "container",
        name: &name,
        distribution: build.recipe.distribution,
        release: &build.recipe.release,
        summary: &build.recipe.summary,
        epoch: build.resolution.epoch,
    };
    write_json(&folder.path().join(crate::diff::SBOM), &sbom::bill(&subject, &components))?;
    folder.publish()?;
    Ok(ContainerOutput {
        id: image.id.to_string(),
        architecture: job.architecture.to_string(),
        packages: components.len(),
        layers: image.layers.iter().filter_map(|layer| layer.blob.as_ref()).map(|blob| blob.length).collect(),
    })
}

/// An image that was made, and the components of its bill of materials.
pub(crate) struct Built {
    pub(crate) image: Image,
    pub(crate) components: Vec<Value>,
}

/// A container recipe whose packages are known.
pub(crate) struct Build {
    recipe: ContainerRecipe,
    /// The recipe's file.
    file: PathBuf,
    resolution: Resolution,
    /// The keys of each layer's guest components.
    guests: Vec<Vec<String>>,
}

impl Build {
    /// By locks alone; `None` when it has no answer.
    pub(crate) fn locked(
        workspace: &Workspace,
        architecture: Architecture,
        file: &Path,
    ) -> Result<Option<Self>, Error> {
        let recipe = load(architecture, file)?;
        let set = package_set_of(&recipe, file)?;
        let lock = Lock::read(&set.lock)?;
        let resolution = lock.as_ref().and_then(|l| l.get(recipe.architecture.as_str()));
        let Some(resolution) = resolution.filter(|r| r.request == set.request()).cloned() else { return Ok(None) };
        let keys = |layer: &ContainerLayer| guest::locked_keys(workspace, architecture, &layer.guest_components);
        let guests: Result<Option<_>, Error> = recipe.layers.iter().map(keys).collect();
        Ok(guests?.map(|guests| Self { recipe, file: file.to_owned(), resolution, guests }))
    }

    /// By the lock, or by the archives, as the build is told.
    pub(crate) fn resolved(shop: &Workshop<'_>, file: &Path) -> Result<Self, Error> {
        let recipe = load(shop.architecture, file)?;
        let answer = shop.resolve_packages(&package_set_of(&recipe, file)?)?;
        let keys = |layer: &ContainerLayer| shop.guest_keys(&layer.guest_components);
        let guests = recipe.layers.iter().map(keys).collect::<Result<_, _>>()?;
        Ok(Self { recipe, file: file.to_owned(), resolution: answer.resolution, guests })
    }

    /// What the image is made from.
    pub(crate) fn identity(&self, tools: &str) -> Result<String, Error> {
        let layers = self.layers(tools)?;
        let top = layers.last().expect("packages are a layer");
        Ok(Inputs::of("container image", REVISION)
            .with("layers", &top.key())
            .with_json("config", &config(&self.recipe))
            .with("made of", &format!("{} {}", self.recipe.distribution, self.recipe.release))
            .key())
    }

    /// The inputs of each layer, from the lowest to the highest.
    fn layers(&self, tools: &str) -> Result<Vec<Inputs>, Error> {
        let packages = packages_inputs(&self.resolution.of_layer(0).digest(), tools);
        let lowest = Inputs::of("container packages", REVISION).with("tree of packages", &packages.key());
        let mut layers = vec![lowest.with_json("slim", &self.recipe.slim).with_json("archives", &self.recipe.archives)];
        for (at, layer) in self.recipe.layers.iter().enumerate() {
            let below = layers.last().expect("packages are a layer").key();
            let mut inputs = Inputs::of("container layer", REVISION)
                .with("layer below", &below)
                .with("name", &layer.name)
                .with("packages", &self.resolution.of_layer(at + 1).digest())
                .with("guest components", &self.guests[at].join(" "))
                .with_json("artifacts", &artifact_inputs(&layer.artifacts))
                .with_json("users", &layer.users)
                .with_json("permissions", &layer.permissions);
            for (at, folder) in layer.files.iter().enumerate() {
                let digest = files::digest(folder.source.path()).doing("reading the recipe's files")?;
                let value = format!("{digest} {} {}", folder.target, folder.owner);
                inputs = inputs.with(&format!("files[{at}] {}", folder.source.relative()), &value);
            }
            layers.push(inputs);
        }
        Ok(layers)
    }

    /// Makes the image, but for the layers that are in the cache.
    pub(crate) fn image(&self, shop: &Workshop<'_>, names: Vec<Reference>) -> Result<Built, Error> {
        let inputs = self.layers(shop.tools.identity())?;
        let emulation = shop.emulation(&self.resolution)?;
        let lowest = self.resolution.of_layer(0);
        let packages = packages_inputs(&lowest.digest(), shop.tools.identity());
        let tree = shop.packages(&packages, &lowest, &emulation)?;
        let mut components = self.components(&lowest, &tree);
        let (changes, stream) = self.packages_layer(shop, &inputs[0], &tree)?;
        let mut packed = vec![stream];
        let mut trees = vec![changes, tree];
        for (at, inputs) in inputs[1..].iter().enumerate() {
            shop.go_on()?;
            let mut added = self.resolution.of_layer(at + 1);
            let layer = &self.recipe.layers[at];
            let guests = shop.guest_packages(&layer.guest_components)?;
            let mut packages = shop.package_files(&added);
            packages.extend(guests.iter().map(|guest| guest.file.clone()));
            let (tree, stream) = self.layer(shop, layer, &packages, inputs, &trees, &emulation)?;
            added.packages.extend(guests.into_iter().map(|guest| guest.package));
            components.extend(self.components(&added, &tree));
            packed.push(stream);
            trees.insert(0, tree);
        }
        let created = sbom::timestamp(self.resolution.epoch);
        let origin = format!("build:{}", self.file.display());
        let config = config(&self.recipe);
        let architecture = self.recipe.architecture.as_str();
        let image = compose(&origin, architecture, &created, &config, &packed, names)?;
        Ok(Built { image, components })
    }

    /// What packages are in a layer, for a bill of materials; `tree` has their licences.
    fn components(&self, resolution: &Resolution, tree: &Path) -> Vec<Value> {
        sbom::components(self.recipe.distribution, &self.recipe.release, &resolution.packages, tree)
    }

    /// The lowest layer: what of the tree of packages is left out, and the stream of the rest.
    fn packages_layer(&self, shop: &Workshop<'_>, inputs: &Inputs, tree: &Path) -> Result<(PathBuf, Packed), Error> {
        let recipe = &self.recipe;
        let count = self.resolution.of_layer(0).packages.len();
        let about = format!("helix: {count} packages of {} {}", recipe.distribution, recipe.release);
        let entry = shop.store.get_or_make(Kind::Trees, inputs, |dir| {
            let view = OverlayTree::new(tree, &dir.join("work")).doing("opening the tree of packages")?;
            if recipe.slim {
                clean::slim(view.path()).doing("leaving out documentation")?;
            }
            archive_settings(&recipe.archives, &Writer::new(view.path(), self.resolution.epoch))?;
            clean::normalise(view.path(), self.resolution.epoch).doing("cleaning the layer")?;
            pack(view.path(), &dir.join(STREAM), &about)?;
            keep_changes(view, dir)
        })?;
        Ok((entry.join("tree"), packed(&entry, &about)?))
    }

    /// A layer over `below`, the highest first: its changes, and its stream.
    fn layer(
        &self,
        shop: &Workshop<'_>,
        layer: &ContainerLayer,
        packages: &[PackageFile],
        inputs: &Inputs,
        below: &[PathBuf],
        emulation: &Emulation,
    ) -> Result<(PathBuf, Packed), Error> {
        let about = format!("helix: layer {}", layer.name);
        let artifacts = shop.fetch_artifacts(&layer.artifacts)?;
        let entry = shop.store.get_or_make(Kind::Trees, inputs, |dir| {
            let epoch = self.resolution.epoch;
            let below: Vec<&Path> = below.iter().map(PathBuf::as_path).collect();
            let view = OverlayTree::over(&below, &dir.join("work")).doing("opening the layers below")?;
            shop.add_packages(packages, epoch, emulation, &view)?;
            if !packages.is_empty() && self.recipe.slim {
                clean::slim(view.path()).doing("leaving out documentation")?;
            }
            apply(layer, view.path(), &layer.artifacts, &artifacts, emulation, epoch)?;
            clean::normalise(view.path(), epoch).doing("cleaning the layer")?;
            keep_changes(view, dir)?;
            pack(&dir.join("tree"), &dir.join(STREAM), &about)?;
            Ok(())
        })?;
        Ok((entry.join("tree"), packed(&entry, &about)?))
    }
}

/// Reads the recipe for the architecture of the machine that it goes into.
fn load(architecture: Architecture, file: &Path) -> Result<ContainerRecipe, Error> {
    let options = Options { architecture: Some(architecture), mirror: None };
    Ok(helix_recipe::load_container(file, &options)?)
}

/// What a container recipe asks of its lock.
pub(crate) fn package_set(architecture: Architecture, file: &Path) -> Result<PackageSet, Error> {
    package_set_of(&load(architecture, file)?, file)
}

fn package_set_of(recipe: &ContainerRecipe, file: &Path) -> Result<PackageSet, Error> {
    let host = match Arch::host() {
        Some(Arch::Arm64) => helix_recipe::Architecture::Arm64,
        Some(Arch::Amd64) => helix_recipe::Architecture::Amd64,
        None => return Err(Error::Host("this architecture is not supported".into())),
    };
    let options = Options { architecture: Some(host), mirror: None };
    let here = helix_recipe::load_container(file, &options).map_or_else(|_| recipe.archives.clone(), |r| r.archives);
    Ok(PackageSet {
        lock: file.with_extension("lock"),
        distribution: recipe.distribution,
        architecture: recipe.architecture,
        archives: recipe.archives.clone(),
        host_archives: here,
        packages: recipe.packages.clone(),
        layers: package_layers(recipe),
    })
}

/// What each layer adds, with what its guest components need; empty when none adds anything.
fn package_layers(recipe: &ContainerRecipe) -> Vec<Vec<String>> {
    let of_layer = |layer: &ContainerLayer| guest::with_needs(&layer.packages, &layer.guest_components);
    let layers: Vec<Vec<String>> = recipe.layers.iter().map(of_layer).collect();
    if layers.iter().all(Vec::is_empty) { Vec::new() } else { layers }
}

fn apply(
    layer: &ContainerLayer,
    tree: &Path,
    artifacts: &[Artifact],
    files: &[PathBuf],
    emulation: &Emulation,
    epoch: u64,
) -> Result<(), Error> {
    // As in a machine: what belongs to root comes before users are made, the rest after.
    lay(layer.files.iter().filter(|folder| is_roots(folder)), tree, epoch)?;
    place_artifacts(artifacts, files, tree, epoch)?;
    if !layer.users.is_empty() {
        let chroot = Chroot::open(tree, emulation, epoch).doing("making users")?;
        let users: Vec<settings::User> = layer.users.iter().map(user).collect();
        settings::add_users(&chroot, &Writer::new(tree, epoch), &users).doing("making users")?;
    }
    lay(layer.files.iter().filter(|folder| !is_roots(folder)), tree, epoch)?;
    set_permissions(&layer.permissions, tree, epoch)
}

/// Closes a view in `dir/work` and keeps what was changed in it as `dir/tree`.
fn keep_changes(view: OverlayTree, dir: &Path) -> Result<(), Error> {
    let upper = view.upper().to_owned();
    drop(view);
    let changes = dir.join("tree");
    std::fs::rename(&upper, &changes).map_err(|e| Error::io("keeping", &changes, e))?;
    crate::store::remove_tree(&dir.join("work"))
}

/// A layer's stream in the cache.
fn packed(entry: &Path, about: &str) -> Result<Packed, Error> {
    let file = entry.join(STREAM);
    let open = std::fs::File::open(&file).map_err(|e| Error::io("reading", &file, e))?;
    let diff_id = helix_docker_graph::Digest::of_reader(open).map_err(|e| Error::io("reading", &file, e))?;
    Ok(Packed { file, diff_id, created_by: about.to_owned() })
}

/// The part of the OCI's image configuration that says what an engine does with it.
fn config(recipe: &ContainerRecipe) -> Value {
    let config = &recipe.config;
    let mut out = Map::new();
    let mut put = |key: &str, value: Value, given: bool| {
        if given {
            out.insert(key.to_owned(), value);
        }
    };
    let mut environment = config.environment.clone();
    if !environment.iter().any(|variable| variable.starts_with("PATH=")) {
        environment.insert(0, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
    }
    put("Env", json!(environment), true);
    put("Entrypoint", json!(config.entrypoint), !config.entrypoint.is_empty());
    put("Cmd", json!(config.command), !config.command.is_empty());
    put("User", json!(config.user), config.user.is_some());
    put("WorkingDir", json!(config.working_folder), config.working_folder.is_some());
    let ports: Map<String, Value> = config.ports.iter().map(|port| (port.clone(), json!({}))).collect();
    put("ExposedPorts", Value::Object(ports), !config.ports.is_empty());
    let pairs = config.labels.iter().filter_map(|label| label.split_once('='));
    let mut labels: Map<String, Value> = pairs.map(|(key, value)| (key.to_owned(), json!(value))).collect();
    labels.entry("org.opencontainers.image.description").or_insert_with(|| json!(recipe.summary));
    put("Labels", Value::Object(labels), true);
    Value::Object(out)
}
