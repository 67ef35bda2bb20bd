//! What every build needs, whether it makes a machine or a container image: tools, the cache, packages and artifacts.

use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_recipe::{Architecture, Distribution, Location};
use helix_rootfs::apt::Archive;
use helix_rootfs::bootstrap::{Bootstrap, PackageFile};
use helix_rootfs::fetch::Request;
use helix_rootfs::files::Writer;
use helix_rootfs::{Arch, Emulation, OverlayTree, bootstrap, clean, emulation};

use crate::error::{Doing, Error};
use crate::key::Inputs;
use crate::lock::Resolution;
use crate::progress::Progress;
use crate::resolve::{Answer, LockMode, Question, resolve, settle};
use crate::store::{Kind, Store};
use crate::tools::Tools;
use crate::workspace::Workspace;

/// How a build goes about its work, whatever it makes.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// Where things are.
    pub workspace: Workspace,
    /// The mirror of one archive, if it is not to be the recipe's or the host's own; it leaves no trace in the result.
    pub mirror: Option<Mirror>,
    /// How the lock is used.
    pub lock: LockMode,
    /// Whether only what is in the cache may be used.
    pub offline: bool,
    /// How many threads work at the same time.
    pub threads: std::num::NonZeroUsize,
}

/// Another address for an archive.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The archive's name in the recipe.
    pub archive: String,
    /// The address.
    pub url: String,
}

/// Packages that are asked for, and the lock with the answer.
pub(crate) struct PackageSet {
    pub(crate) lock: PathBuf,
    pub(crate) distribution: Distribution,
    pub(crate) architecture: helix_recipe::Architecture,
    pub(crate) archives: Vec<helix_recipe::Archive>,
    /// The archives as they are for the architecture of this machine.
    pub(crate) host_archives: Vec<helix_recipe::Archive>,
    pub(crate) packages: Vec<String>,
    /// What each layer of a container image adds; empty when none adds packages.
    pub(crate) layers: Vec<Vec<String>>,
}

impl PackageSet {
    fn archives(&self) -> Vec<Archive> {
        self.archives.iter().map(archive).collect()
    }

    /// What is asked of the lock.
    pub(crate) fn request(&self) -> String {
        let arch = crate::steps::arch(self.architecture);
        crate::resolve::request(&self.archives(), &self.packages, &self.layers, true, arch)
    }
}

/// A build's tools, opened for one architecture.
pub(crate) struct Workshop<'a> {
    pub(crate) conduct: &'a Conduct,
    pub(crate) architecture: Architecture,
    pub(crate) store: &'a Store,
    pub(crate) tools: Tools,
    pub(crate) work: tempfile::TempDir,
    pub(crate) progress: &'a dyn Progress,
}

impl<'a> Workshop<'a> {
    /// Opens the tools. Must run inside the namespace of [`helix_rootfs::namespace`].
    pub(crate) fn open(
        conduct: &'a Conduct,
        architecture: Architecture,
        store: &'a Store,
        progress: &'a dyn Progress,
    ) -> Result<Self, Error> {
        let run = store.dir("run");
        let work = tempfile::Builder::new().prefix("b").tempdir_in(&run).map_err(|e| Error::io("making", &run, e))?;
        let root = work.path().join("tools");
        let target = crate::steps::arch(architecture);
        let Conduct { workspace, lock, offline, .. } = conduct;
        let tools = Tools::open(workspace, store, target, *lock, *offline, &root, progress)?;
        Ok(Self { conduct, architecture, store, tools, work, progress })
    }

    /// Stops between two steps when somebody wants that: not every program under way dies of Ctrl-C.
    pub(crate) fn go_on(&self) -> Result<(), Error> {
        if self.progress.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Asks the lock, and the archives where it does not answer.
    pub(crate) fn resolve_packages(&self, set: &PackageSet) -> Result<Answer, Error> {
        let run = |program: &str| self.tools.toolbox().cmd(program);
        let question = self.question(set, &run)?;
        let answer = resolve(&question, self.store, self.conduct.lock, self.conduct.offline, self.progress)?;
        for line in &answer.differences {
            tracing::info!("package {line}");
        }
        Ok(answer)
    }

    /// Asks the archives and writes the lock, and fetches nothing.
    pub(crate) fn settle_packages(&self, set: &PackageSet) -> Result<Answer, Error> {
        let run = |program: &str| self.tools.toolbox().cmd(program);
        settle(&self.question(set, &run)?, self.store, self.progress)
    }

    fn question<'q>(&self, set: &PackageSet, run: &'q dyn Fn(&str) -> Cmd) -> Result<Question<'q>, Error> {
        let target = crate::steps::arch(set.architecture);
        let host = Arch::host().ok_or_else(|| Error::Host("this architecture is not supported".into()))?;
        Ok(Question {
            lock: set.lock.clone(),
            name: target.debian_name().to_owned(),
            archives: set.archives(),
            debian: set.distribution == Distribution::Debian,
            // A snapshot is a promise about contents, which another mirror cannot keep; and a container recipe may begin
            // with another archive than the one that the mirror is of.
            mirror: (self.conduct.mirror.as_ref())
                .filter(|m| set.archives[0].snapshot.is_none() && set.archives[0].name == m.archive)
                .map(|m| m.url.clone()),
            packages: set.packages.clone(),
            layers: set.layers.clone(),
            essential: true,
            arch: target,
            twins_for: (host != target).then_some(host),
            twin_archives: set.host_archives.iter().map(archive).collect(),
            forgive_expiry: false,
            run,
        })
    }

    pub(crate) fn fetch_artifacts(&self, artifacts: &[helix_recipe::Artifact]) -> Result<Vec<PathBuf>, Error> {
        let blobs = self.store.blobs(Kind::Blobs, self.conduct.offline);
        let requests: Vec<Request> = artifacts
            .iter()
            .map(|a| Request {
                url: match &a.url {
                    Location::Remote(url) => url.clone(),
                    Location::Local(path) => format!("file:{}", path.path().display()),
                },
                sha256: a.sha256.clone(),
                size: None,
            })
            .collect();
        blobs.fetch(&requests, &|_| ()).map_err(|failures| Error::Fetch { total: requests.len(), failures })?;
        Ok(requests.iter().map(|r| blobs.path(&r.sha256)).collect())
    }

    /// Makes programs of a tree run here; the twins are part of the cache.
    pub(crate) fn emulation(&self, resolution: &Resolution) -> Result<Emulation, Error> {
        let target = crate::steps::arch(self.architecture);
        let host = Arch::host().ok_or_else(|| Error::Host("this architecture is not supported".into()))?;
        let mut twins = PathBuf::new();
        if let Some(packages) = resolution.twins.get(host.debian_name()) {
            let inputs = Inputs::of("twins", 2).with_json("packages", packages);
            let blobs = self.store.blobs(Kind::Packages, self.conduct.offline);
            let entry = self.store.get_or_make(Kind::Trees, &inputs, |dir| {
                let files: Vec<PathBuf> = packages.iter().map(|p| blobs.path(&p.sha256)).collect();
                let tree = dir.join("tree");
                bootstrap::extract(&files, &tree, &|p| self.tools.toolbox().cmd(p)).doing("unpacking twins")?;
                emulation::prepare_twins(&tree, host).doing("preparing twins")
            })?;
            twins = entry.join("tree");
        }
        // One for each call; all go with the build's own folder.
        let work = tempfile::Builder::new().prefix("e").tempdir_in(self.work.path());
        let work = work.map_err(|e| Error::io("making a folder in", self.work.path(), e))?.keep();
        Emulation::start(host, target, &work, &self.tools.emulator(), &twins).doing("making foreign programs runnable")
    }

    /// The tree of packages that `inputs` and `resolution` describe.
    pub(crate) fn packages(
        &self,
        inputs: &Inputs,
        resolution: &Resolution,
        emulation: &Emulation,
    ) -> Result<PathBuf, Error> {
        let entry = self.store.get_or_make(Kind::Trees, inputs, |dir| {
            let tree = dir.join("tree");
            std::fs::create_dir(&tree).map_err(|e| Error::io("making", &tree, e))?;
            let files = self.package_files(resolution);
            self.install(&files, resolution.epoch, emulation, &tree, |bootstrap| bootstrap.install(&files, &tree))
        })?;
        Ok(entry.join("tree"))
    }

    /// Adds packages to the view of a tree that has others.
    pub(crate) fn add_packages(
        &self,
        files: &[PackageFile],
        epoch: u64,
        emulation: &Emulation,
        view: &OverlayTree,
    ) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        self.install(files, epoch, emulation, view.path(), |bootstrap| bootstrap.add(files, view.path()))
    }

    /// The files of packages, all of which are in the cache.
    pub(crate) fn package_files(&self, resolution: &Resolution) -> Vec<PackageFile> {
        let blobs = self.store.blobs(Kind::Packages, self.conduct.offline);
        let file = |package: &helix_rootfs::apt::Package| PackageFile {
            name: package.name.clone(),
            file: blobs.path(&package.sha256),
            essential: resolution.essential.contains(&package.name),
        };
        resolution.packages.iter().map(file).collect()
    }

    fn install(
        &self,
        files: &[PackageFile],
        epoch: u64,
        emulation: &Emulation,
        tree: &Path,
        how: impl Fn(&Bootstrap<'_>) -> Result<(), helix_rootfs::Error>,
    ) -> Result<(), Error> {
        self.progress.begin("Installing packages", Some(2 * files.len() as u64));
        let bootstrap = Bootstrap {
            toolbox: self.tools.toolbox(),
            arch: crate::steps::arch(self.architecture),
            emulation,
            epoch,
            progress: &|phase, name| self.progress.advance(1, &format!("{phase} {name}")),
        };
        how(&bootstrap).doing("installing packages")?;
        clean::clean(tree, &Writer::new(tree, epoch)).doing("cleaning the tree of packages")?;
        clean::normalise(tree, epoch).doing("cleaning the tree of packages")?;
        self.progress.end(&format!("{} packages", files.len()));
        Ok(())
    }
}

/// An archive of a recipe, at its public address.
pub(crate) fn archive(item: &helix_recipe::Archive) -> Archive {
    Archive {
        name: item.name.clone(),
        mirror: item.url(),
        // A snapshot is a promise about contents, which another place does not make.
        also_at: item.also_at.clone().filter(|_| item.snapshot.is_none()).unwrap_or_default(),
        suites: item.suites.clone(),
        components: item.components.clone(),
        key: item.key.path().to_owned(),
        allow_expired: item.allow_expired || item.snapshot.is_some(),
        only: item.only.clone(),
    }
}
