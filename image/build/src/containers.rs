//! The step `containers`: the recipe's container images in Docker's stores, as a tree of their own that is laid under
//! the image's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use helix_docker_graph::{
    BlobCache, Digest, Image, Limits, News, Options, Patience, Platform, Reference, Sharing, digest_of, flatten,
    image_tree, import, pull, read_archive, read_layout,
};
use helix_recipe::{ContainerImage, ImageSource};
use helix_rootfs::clean;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::container::{Build, Built};
use crate::contents;
use crate::error::{Doing, Error};
use crate::key::Inputs;
use crate::lock::Lock;
use crate::pipeline::{Job, Session};
use crate::resolve::LockMode;
use crate::sbom;
use crate::steps::Step;
use crate::store::Kind;

/// What is known of the images, beside the tree.
const LIST: &str = "images.json";
/// The components that they are in a bill of materials.
const COMPONENTS: &str = "components.json";
/// How many of the things that are left out are listed one by one.
const LISTED: usize = 5;

/// A container image that is in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImage {
    /// Where it came from, as the recipe says it.
    pub source: String,
    /// Its names in the store.
    pub names: Vec<String>,
    /// Its id: the digest of its configuration.
    pub id: String,
    /// The data root of the store.
    pub data_root: String,
    /// The digests of its layers, unpacked.
    pub layers: Vec<String>,
}

/// Docker's stores, made.
pub(crate) struct Stores {
    /// The tree that they are in.
    pub(crate) tree: PathBuf,
    pub(crate) images: Vec<StoredImage>,
    /// What they are in the image's bill of materials.
    pub(crate) components: Vec<Value>,
}

/// Images whose sources are settled.
pub(crate) struct Ready {
    /// What each is made from: it changes whenever the image would.
    pub(crate) identities: Vec<String>,
    sources: Vec<Source>,
}

enum Source {
    Archive(PathBuf),
    Layout(PathBuf),
    /// With its digest.
    Registry(Reference),
    Build(Box<Build>),
}

/// What each image is made from, as far as that is known without asking anybody; for `plan`.
pub(crate) fn identities(job: &Job, tools: &str) -> Result<Vec<String>, Error> {
    let lock = Lock::read(&job.lock_file())?.unwrap_or_default();
    let unknown = || "not resolved yet".to_owned();
    let one = |image: &ContainerImage| -> Result<String, Error> {
        Ok(match &image.source {
            ImageSource::Registry(text) => {
                let reference = reference(text)?;
                let known = lock.image(job.recipe.architecture.as_str(), text).map(str::to_owned);
                reference.digest().map(str::to_owned).or(known).unwrap_or_else(unknown)
            }
            ImageSource::Archive(path) => digest_of_file(path.path())?,
            ImageSource::Layout(path) => digest_of_file(&path.path().join("index.json"))?,
            ImageSource::Build(path) => Build::locked(&job.conduct.workspace, job.recipe.architecture, path.path())?
                .map_or_else(|| Ok(unknown()), |b| b.identity(tools))?,
        })
    };
    job.recipe.container_images.iter().map(one).collect()
}

impl StoredImage {
    fn of(found: &Image, asked: &ContainerImage) -> Self {
        Self {
            source: asked.source.to_string(),
            names: found.names.iter().map(ToString::to_string).collect(),
            id: found.id.to_string(),
            data_root: asked.data_root.clone(),
            layers: found.layers.iter().map(|layer| layer.diff_id.to_string()).collect(),
        }
    }
}

/// What an image is in the bill of materials, once it is in the stores of `tree`. Only of the project's own images are the
/// packages known before.
fn component(tree: &Path, asked: &ContainerImage, built: Built, stored: &StoredImage) -> Value {
    let root = tree.join(asked.data_root.trim_start_matches('/'));
    let components = match image_tree(&root, &built.image) {
        Some(tree) if built.components.is_empty() => contents::components(&tree),
        _ => built.components,
    };
    let licences = match &asked.licence {
        Some(stated) => sbom::named(vec![stated.clone()]),
        None => contents::licences(&components, &built.image.config),
    };
    sbom::container(stored, components, licences)
}

fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, Error> {
    let text = std::fs::read(file).map_err(|e| Error::io("reading", file, e))?;
    serde_json::from_slice(&text).map_err(|e| Error::io("reading", file, e.into()))
}

fn digest_of_file(path: &Path) -> Result<String, Error> {
    let file = std::fs::File::open(path).map_err(|e| Error::io("reading", path, e))?;
    Digest::of_reader(file).map(|digest| digest.to_string()).map_err(|e| Error::io("reading", path, e))
}

fn reference(text: &str) -> Result<Reference, Error> {
    text.parse().map_err(|e| Error::RecipeFile(format!("container-images: {text:?} is no name of an image: {e}")))
}

/// Whether the store at `data_root` can be seen in the finished tree. A link, a file or a folder of the machine's own that
/// was made anew on the way to it would hide it.
pub(crate) fn check_visible(tree: &Path, data_root: &str) -> Result<(), Error> {
    let mut path = tree.to_owned();
    for part in Path::new(data_root.trim_start_matches('/')) {
        path.push(part);
        if !path.symlink_metadata().is_ok_and(|stat| stat.is_dir()) {
            let shown = path.strip_prefix(tree).unwrap_or(&path).display();
            return Err(Error::RecipeFile(format!(
                "container-images: data-root: {data_root} cannot be a store: /{shown} is no folder of the image, but a link or a file"
            )));
        }
    }
    let names = path.join("image/vfs/repositories.json");
    if names.exists() {
        return Ok(());
    }
    Err(Error::RecipeFile(format!(
        "container-images: data-root: {data_root} cannot be a store: files of the recipe hide it; take another folder"
    )))
}

impl Session<'_> {
    /// Settles where each image comes from: packages of container recipes, and digests of tags.
    pub(crate) fn prepare_containers(&self) -> Result<Ready, Error> {
        let (mut identities, mut sources) = (Vec::new(), Vec::new());
        for image in &self.job().recipe.container_images {
            let (identity, source) = match &image.source {
                ImageSource::Archive(path) => (digest_of_file(path.path())?, Source::Archive(path.path().to_owned())),
                ImageSource::Layout(path) => {
                    (digest_of_file(&path.path().join("index.json"))?, Source::Layout(path.path().to_owned()))
                }
                ImageSource::Registry(text) => {
                    let pinned = self.pin(text)?;
                    (pinned.digest().unwrap_or_default().to_owned(), Source::Registry(pinned))
                }
                ImageSource::Build(path) => {
                    let build = Build::resolved(self.shop(), path.path())?;
                    (build.identity(self.shop().tools.identity())?, Source::Build(Box::new(build)))
                }
            };
            identities.push(identity);
            sources.push(source);
        }
        Ok(Ready { identities, sources })
    }

    /// Asks for the digests of all tags, as the lock mode says.
    pub(crate) fn pin_all(&self) -> Result<(), Error> {
        for image in &self.job().recipe.container_images {
            if let ImageSource::Registry(text) = &image.source {
                self.pin(text)?;
            }
        }
        Ok(())
    }

    /// The reference with its digest: its own, that of the lock, or the one that the registry names now.
    fn pin(&self, text: &str) -> Result<Reference, Error> {
        let job = self.job();
        let reference = reference(text)?;
        if reference.digest().is_some() {
            return Ok(reference);
        }
        let architecture = job.recipe.architecture.as_str();
        let mut lock = Lock::read(&job.lock_file())?.unwrap_or_default();
        let known = lock.image(architecture, text).filter(|_| job.conduct.lock != LockMode::Update).map(str::to_owned);
        let digest = match known {
            Some(digest) => digest,
            None if job.conduct.lock == LockMode::Locked => {
                return Err(Error::Lock {
                    path: job.lock_file(),
                    reason: format!(
                        "has no digest for the image {text}, and --locked forbids to ask for one\n  cargo xtask build-image {} --update-lock",
                        job.name
                    ),
                });
            }
            None if job.conduct.offline => {
                return Err(Error::Host(format!(
                    "the digest of {text} is not in the lock, and --offline forbids to ask for it"
                )));
            }
            None => {
                let digest = digest_of(&reference, Patience::default(), &|news| self.hear(news))?.to_string();
                lock.set_image(architecture, text, &digest);
                lock.write(&job.lock_file())?;
                digest
            }
        };
        let (registry, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
        Ok(match reference.tag() {
            Some(tag) => Reference::with_tag_and_digest(registry, repository, tag.to_owned(), digest),
            None => Reference::with_digest(registry, repository, digest),
        })
    }

    /// Makes the stores, where they are not in the cache.
    pub(crate) fn containers(&self, inputs: &Inputs, ready: &Ready, epoch: u64) -> Result<Stores, Error> {
        let entry = self.shop().store.get_or_make(Kind::Trees, inputs, |dir| {
            let scratch = dir.join("scratch");
            std::fs::create_dir(&scratch).map_err(|e| Error::io("making", &scratch, e))?;
            let mut stores: BTreeMap<&str, Vec<Image>> = BTreeMap::new();
            let mut found = Vec::new();
            for (image, source) in self.job().recipe.container_images.iter().zip(&ready.sources) {
                for built in self.images(image, source, &scratch, epoch)? {
                    stores.entry(&image.data_root).or_default().push(built.image.clone());
                    found.push((image, built));
                }
            }
            self.shop().progress.begin("Putting container images into Docker's store", None);
            let tree = dir.join("tree");
            for (data_root, images) in &stores {
                self.fill(&tree, data_root, images, epoch)?;
            }
            crate::store::remove_tree(&scratch)?;
            let list: Vec<StoredImage> =
                found.iter().map(|(asked, built)| StoredImage::of(&built.image, asked)).collect();
            let about = |((asked, built), stored): ((_, Built), _)| component(&tree, asked, built, stored);
            let components: Vec<Value> = found.into_iter().zip(&list).map(about).collect();
            crate::output::write_json(&dir.join(LIST), &list)?;
            crate::output::write_json(&dir.join(COMPONENTS), &components)?;
            self.shop().progress.end(&format!("{} images", list.len()));
            Ok(())
        })?;
        self.shop().store.set_last(&self.job().last_name(Step::Containers), inputs)?;
        Ok(Stores {
            tree: entry.join("tree"),
            images: read_json(&entry.join(LIST))?,
            components: read_json(&entry.join(COMPONENTS))?,
        })
    }

    /// The options of every import: the same result for root and for others, and on every machine.
    fn options(&self, epoch: u64) -> Options {
        Options {
            sharing: Sharing::HardLinks,
            threads: self.job().conduct.threads,
            limits: Limits::default(),
            devices: false,
            time: i64::try_from(epoch).unwrap_or(0),
        }
    }

    /// What a registry has people know; single blobs are no progress of a build.
    fn hear(&self, news: News) {
        if let News::Note(note) = news {
            self.shop().progress.warn(&note);
        }
    }

    fn images(&self, image: &ContainerImage, source: &Source, scratch: &Path, epoch: u64) -> Result<Vec<Built>, Error> {
        let platform = Platform { architecture: self.job().recipe.architecture.to_string() };
        let name = image.name.as_deref().map(reference).transpose()?;
        let name = name.as_ref();
        let mut components = Vec::new();
        let mut images = match source {
            Source::Archive(path) => read_archive(path, name, &platform, scratch)?,
            Source::Layout(path) => read_layout(path, name, &platform)?,
            Source::Registry(reference) => {
                let blobs = BlobCache::new(&self.shop().store.dir(Kind::Blobs.name()), self.job().conduct.offline);
                vec![pull(reference, name, &platform, &blobs, Patience::default(), &|news| self.hear(news))?]
            }
            Source::Build(build) => {
                let built = build.image(self.shop(), name.cloned().into_iter().collect())?;
                components = built.components;
                vec![built.image]
            }
        };
        if image.flatten {
            for found in &mut images {
                let flat = flatten(found, scratch, &self.options(epoch))?;
                tracing::info!("{}: {} has become {} by flattening", found.origin, found.id, flat.id);
                *found = flat;
            }
        }
        Ok(images.into_iter().map(|image| Built { image, components: components.clone() }).collect())
    }

    /// Fills one store; folders and files that say nothing of an image get the time of the build.
    fn fill(&self, tree: &Path, data_root: &str, images: &[Image], epoch: u64) -> Result<(), Error> {
        let root = tree.join(data_root.trim_start_matches('/'));
        let parent = root.parent().unwrap_or(tree);
        std::fs::create_dir_all(parent).map_err(|e| Error::io("making", parent, e))?;
        let report = import(&root, images, &self.options(epoch))?;
        for what in report.left_out.iter().take(LISTED) {
            self.shop().progress.warn(&format!("not in the store: {what}"));
        }
        if report.left_out.len() > LISTED {
            self.shop()
                .progress
                .warn(&format!("not in the store: {} more, see the log", report.left_out.len() - LISTED));
        }
        for what in &report.left_out {
            tracing::info!("not in the store: {what}");
        }
        clean::check_kept(&root.join("vfs")).doing("checking a store")?;
        clean::normalise(&root.join("image"), epoch).doing("setting the times of a store")?;
        let folders = [root.join("vfs/dir"), root.join("vfs")];
        let above = root.ancestors().take_while(|folder| folder.starts_with(tree)).map(Path::to_owned);
        for folder in folders.into_iter().chain(above) {
            helix_rootfs::files::set_time(&folder, epoch).doing("setting the times of a store")?;
        }
        Ok(())
    }
}
