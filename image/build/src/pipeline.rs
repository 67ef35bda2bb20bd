//! The way through: tools, packages, initramfs, files, disk, test.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use helix_recipe::Recipe;
use helix_rootfs::apt::Package;
use helix_rootfs::bootstrap::PackageFile;
use helix_rootfs::chroot::Chroot;
use helix_rootfs::files::Writer;
use helix_rootfs::{Arch, Emulation, OverlayTree, clean, settings};

use crate::containers::Stores;
use crate::disk_plan::{esp_files, layout};
use crate::error::{Doing, Error};
use crate::files_step::is_roots;
use crate::guest::{self, GuestPackage};
use crate::key::Inputs;
use crate::lock::Resolution;
use crate::locks::{own_unverified, unverified_containers};
use crate::manifest::{Manifest, SCHEMA_VERSION};
use crate::output::Folder;
use crate::progress::Progress;
use crate::resolve::Answer;
use crate::steps::{Step, StepInputs};
use crate::store::{Kind, Store};
use crate::workshop::{Conduct, PackageSet, Workshop};
use crate::{inventory, sbom};

/// What to build, and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// How the build goes about it.
    pub conduct: Conduct,
    /// The recipe's name: its file's name without the ending.
    pub name: String,
    /// The recipe's file.
    pub file: PathBuf,
    /// The recipe.
    pub recipe: Recipe,
    /// The recipe's archives as they are for the architecture of this machine, where twins come from.
    pub host_archives: Vec<helix_recipe::Archive>,
    /// The folder of the image.
    pub output: PathBuf,
    /// The last step to do.
    pub until: Step,
    /// The step after which a shell is wanted.
    pub break_at: Option<Step>,
    /// How long the image may take to boot.
    pub boot_deadline: std::time::Duration,
}

/// What a build came to.
#[derive(Debug)]
pub enum Built {
    /// The image is in its folder; `fresh` says whether it was made now.
    Image {
        /// Its manifest.
        manifest: Box<Manifest>,
        /// Whether it was made now.
        fresh: bool,
    },
    /// The build stopped after this step, as it was told.
    Stopped(Step),
}

impl Job {
    /// The lock beside the recipe.
    pub fn lock_file(&self) -> PathBuf {
        self.file.with_extension("lock")
    }

    /// What the recipe asks of its lock.
    pub(crate) fn request(&self) -> String {
        self.package_set().request()
    }

    pub(crate) fn package_set(&self) -> PackageSet {
        PackageSet {
            lock: self.lock_file(),
            distribution: self.recipe.distribution,
            architecture: self.recipe.architecture,
            archives: self.recipe.archives.clone(),
            host_archives: self.host_archives.clone(),
            packages: guest::with_needs(&self.recipe.packages, &self.recipe.guest_components),
            layers: Vec::new(),
        }
    }

    /// The recipe as the manifest has it.
    ///
    /// # Panics
    /// Never: a recipe is plain data.
    pub fn resolved_recipe(&self) -> serde_json::Value {
        serde_json::to_value(&self.recipe).expect("a recipe is plain data")
    }

    /// The name under which the inputs of a step are kept for `plan`.
    pub(crate) fn last_name(&self, step: Step) -> String {
        let host = Arch::host().map_or("unknown", Arch::debian_name);
        match step {
            Step::Tools => format!("tools-{host}-for-{}", self.recipe.architecture),
            _ => format!("{}-{}-{step}", self.name, self.recipe.architecture),
        }
    }
}

/// The packages, and the recipes that had no lock to name them.
struct Packages {
    answer: Answer,
    unverified: Vec<String>,
}

/// What the disk is put together from, besides files and settings.
struct Trees {
    packages: PathBuf,
    /// The project's own packages, which are not in that tree.
    guests: Vec<GuestPackage>,
    initramfs: PathBuf,
    /// Docker's stores.
    stores: Option<Stores>,
}

/// A build under way: the tools are open.
pub struct Session<'a> {
    job: &'a Job,
    shop: Workshop<'a>,
}

impl<'a> Session<'a> {
    /// Opens the tools for `job`. Must run inside the namespace of [`helix_rootfs::namespace`].
    ///
    /// # Errors
    /// When the tools cannot be made.
    pub fn open(job: &'a Job, store: &'a Store, progress: &'a dyn Progress) -> Result<Self, Error> {
        Ok(Self { job, shop: Workshop::open(&job.conduct, job.recipe.architecture, store, progress)? })
    }

    /// A session whose tools are open already.
    pub(crate) fn with(job: &'a Job, shop: Workshop<'a>) -> Self {
        Self { job, shop }
    }

    /// Goes all the way to the disk, or to the step that the job names.
    ///
    /// # Errors
    /// Those of the steps. The folder of the image is untouched then.
    pub fn build(&self) -> Result<Built, Error> {
        if self.job.until == Step::Tools {
            return Ok(Built::Stopped(Step::Tools));
        }
        // Before they are solved, which writes a lock.
        let unverified = [own_unverified(self.job)?, unverified_containers(self.job)?].concat();
        let answer = self.shop.resolve_packages(&self.job.package_set())?;
        let digest = answer.resolution.digest();
        let ready = self.prepare_containers()?;
        let (tools, key) = (self.shop.tools.identity(), self.shop.tools.key());
        let epoch = answer.resolution.epoch;
        let components = &self.job.recipe.guest_components;
        let guests = self.shop.guest_keys(components)?;
        let inputs = StepInputs::of(&self.job.recipe, &digest, epoch, tools, key, &guests, &ready.identities)?;
        if let Some(mut manifest) = self.finished(&inputs.disk) {
            // The disk is the same, but what says nothing about it may have changed since: checks, and whether the
            // packages were in the lock already.
            let recipe = self.job.resolved_recipe();
            if manifest.lock_differences != answer.differences || manifest.resolved_recipe != recipe {
                manifest.lock_differences = answer.differences;
                manifest.resolved_recipe = recipe;
                manifest.write(&self.job.output)?;
            }
            return Ok(Built::Image { manifest: Box::new(manifest), fresh: false });
        }
        self.shop.go_on()?;
        // Before the machine's own programs are made runnable: one set of twins is in place at a time.
        let mut stores = None;
        if let Some(wanted) = inputs.containers.as_ref().filter(|_| self.job.until >= Step::Containers) {
            stores = Some(self.containers(wanted, &ready, answer.resolution.epoch)?);
            self.shop.go_on()?;
        }
        if self.job.until == Step::Containers {
            return Ok(Built::Stopped(Step::Containers));
        }
        let artifacts = self.shop.fetch_artifacts(&self.job.recipe.artifacts)?;
        let guests = self.shop.guest_packages(components)?;
        let emulation = self.shop.emulation(&answer.resolution)?;
        let packages = self.shop.packages(&inputs.packages, &answer.resolution, &emulation)?;
        self.shop.store.set_last(&self.job.last_name(Step::Packages), &inputs.packages)?;
        if self.stop_after_tree(Step::Packages, &packages, &emulation, answer.resolution.epoch)? {
            return Ok(Built::Stopped(Step::Packages));
        }
        self.shop.go_on()?;
        let initramfs = self.initramfs(&inputs, &packages, &answer.resolution, &emulation)?;
        if self.job.until == Step::Initramfs {
            return Ok(Built::Stopped(Step::Initramfs));
        }
        self.shop.go_on()?;
        let trees = Trees { packages, guests, initramfs, stores };
        self.image(&inputs, &Packages { answer, unverified }, &trees, &artifacts, &emulation)
    }

    /// The image in the output folder, if it is what would be built and nobody asks to look into the tree.
    fn finished(&self, disk: &Inputs) -> Option<Manifest> {
        if self.job.break_at.is_some() || self.job.until < Step::Disk {
            return None;
        }
        let manifest = Manifest::read(&self.job.output).ok()?;
        let whole = manifest.artifacts.keys().all(|name| self.job.output.join(name).exists());
        let size = std::fs::metadata(self.job.output.join("disk.qcow2")).ok()?.len();
        (manifest.inputs == *disk && whole && size == manifest.size).then_some(manifest)
    }

    fn initramfs(
        &self,
        inputs: &StepInputs,
        packages: &Path,
        resolution: &Resolution,
        emulation: &Emulation,
    ) -> Result<PathBuf, Error> {
        let entry = self.shop.store.get_or_make(Kind::Trees, &inputs.initramfs, |dir| {
            self.shop.progress.begin("Making the initramfs", None);
            let view = OverlayTree::new(packages, &dir.join("work")).doing("making the initramfs")?;
            self.lay_files(view.path(), resolution.epoch, is_roots)?;
            let version = settings::kernel_version(view.path()).doing("making the initramfs")?;
            let mut chroot = Chroot::open(view.path(), emulation, resolution.epoch).doing("making the initramfs")?;
            let made = settings::make_initramfs(&mut chroot, &version).doing("making the initramfs")?;
            drop(chroot);
            for file in &made {
                let target = dir.join("files").join(file);
                let folder = target.parent().expect("a file lies in a folder");
                std::fs::create_dir_all(folder).map_err(|e| Error::io("making", folder, e))?;
                std::fs::copy(view.path().join(file), &target).map_err(|e| Error::io("keeping", &target, e))?;
            }
            drop(view);
            crate::store::remove_tree(&dir.join("work"))?;
            self.shop.progress.end(&version);
            Ok(())
        })?;
        self.shop.store.set_last(&self.job.last_name(Step::Initramfs), &inputs.initramfs)?;
        Ok(entry.join("files"))
    }

    fn image(
        &self,
        inputs: &StepInputs,
        solved: &Packages,
        trees: &Trees,
        artifacts: &[PathBuf],
        emulation: &Emulation,
    ) -> Result<Built, Error> {
        let answer = &solved.answer;
        let epoch = answer.resolution.epoch;
        let _lock = self.shop.store.lock_output(&self.job.output)?;
        let folder = Folder::start(&self.job.output)?;
        // The tree's upper layer lies in the cache's own file system: that of the output may not hold ids of a tree.
        let view = OverlayTree::new(&trees.packages, &self.shop.work.path().join("files")).doing("laying files")?;
        let tree = view.path();
        let guests: Vec<PackageFile> = trees.guests.iter().map(|guest| guest.file.clone()).collect();
        self.shop.add_packages(&guests, epoch, emulation, &view)?;
        self.shop.progress.begin("Laying files and settings over the packages", None);
        // What belongs to root comes before users are made, who get their first files from /etc/skel; the rest after.
        self.lay_files(tree, epoch, is_roots)?;
        self.apply_settings(tree, &answer.resolution, artifacts, emulation)?;
        self.lay_initramfs(tree, &trees.initramfs, epoch)?;
        let writer = Writer::new(tree, epoch);
        clean::clean(tree, &writer).doing("cleaning the tree")?;
        clean::normalise(tree, epoch).doing("cleaning the tree")?;
        clean::check(tree).doing("checking the tree")?;
        self.shop.progress.end("");
        self.shop.store.set_last(&self.job.last_name(Step::Files), &inputs.files)?;
        if self.stop_after_tree(Step::Files, tree, emulation, epoch)? {
            return Ok(Built::Stopped(Step::Files));
        }
        let kernel = settings::kernel_version(tree).doing("looking for the kernel")?;
        let whole = self.with_stores(&view, trees)?;
        let root = whole.as_ref().map_or(tree, OverlayTree::path);
        let (job, out) = (self.job, folder.path());
        let own = trees.guests.iter().map(|guest| &guest.package);
        let packages: Vec<Package> = answer.resolution.packages.iter().chain(own).cloned().collect();
        let packages = &packages;
        let containers = trees.stores.as_ref().map_or(&[][..], |stores| &stores.components);
        // Making the file system keeps one processor busy; the lists are ready before it is.
        let (lists, disk) = std::thread::scope(|scope| {
            let lists = scope.spawn(|| write_lists(job, packages, containers, tree, epoch, out));
            let disk = self.write_disk(&inputs.disk, root, &kernel, epoch, out);
            (lists.join().expect("the lists' thread does not panic"), disk)
        });
        lists?;
        let size = disk?;
        let stored = trees.stores.as_ref().map(|stores| stores.images.clone()).unwrap_or_default();
        let manifest = self.manifest(inputs, solved, kernel, size, stored, folder.path())?;
        manifest.write(folder.path())?;
        folder.publish()?;
        self.shop.store.set_last(&self.job.last_name(Step::Disk), &inputs.disk)?;
        Ok(Built::Image { manifest: Box::new(manifest), fresh: true })
    }

    /// The finished tree with Docker's stores under it. They are laid there last, and only for reading: times and links of
    /// what is in them are those of the container images.
    fn with_stores(&self, view: &OverlayTree, trees: &Trees) -> Result<Option<OverlayTree>, Error> {
        let Some(stores) = &trees.stores else { return Ok(None) };
        let lowers = [view.upper(), trees.packages.as_path(), stores.tree.as_path()];
        let whole = OverlayTree::read_only(&lowers, &self.shop.work.path().join("whole"));
        let whole = whole.doing("laying the tree over Docker's stores")?;
        for image in &self.job.recipe.container_images {
            crate::containers::check_visible(whole.path(), &image.data_root)?;
        }
        Ok(Some(whole))
    }

    /// ESP, XFS and qcow2; returns the size of the qcow2 in bytes.
    fn write_disk(&self, inputs: &Inputs, tree: &Path, kernel: &str, epoch: u64, out: &Path) -> Result<u64, Error> {
        let recipe = &self.job.recipe;
        let layout = layout(recipe, &inputs.key());
        layout.check().map_err(|e| Error::disk("planning the disk")(e.into()))?;
        let work = self.shop.work.path();
        let (esp, root) = (work.join("esp.img"), work.join("root.img"));
        self.shop.progress.begin("Writing file systems", None);
        let mut file = File::create(&esp).map_err(|e| Error::io("writing", &esp, e))?;
        layout
            .esp_volume(epoch)
            .write(&mut file, &esp_files(recipe, tree, kernel)?)
            .map_err(|e| Error::disk("writing the ESP")(e.into()))?;
        helix_disk::xfs::make_xfs(&self.shop.tools, &layout.root_fs(tree, &root, epoch))
            .map_err(|e| Error::disk("writing the root file system")(e.into()))?;
        self.shop.progress.end("");
        self.shop.progress.begin("Writing disk.qcow2", None);
        let source =
            helix_disk::assemble(&layout, &esp, &root).map_err(|e| Error::disk("joining the disk")(e.into()))?;
        let target = out.join("disk.qcow2");
        let file = File::create(&target).map_err(|e| Error::io("writing", &target, e))?;
        let options = helix_disk::qcow2::Options {
            level: i32::try_from(recipe.disk.compression_level).unwrap_or(3),
            threads: self.job.conduct.threads,
        };
        let report = helix_disk::qcow2::write(&source, layout.size, &file, &options)
            .map_err(|e| Error::disk("writing disk.qcow2")(e.into()))?;
        for scratch in [&esp, &root] {
            std::fs::remove_file(scratch).map_err(|e| Error::io("removing", scratch, e))?;
        }
        self.shop.progress.end(&format!("{} MB", report.file_size / 1_000_000));
        Ok(report.file_size)
    }

    fn manifest(
        &self,
        inputs: &StepInputs,
        solved: &Packages,
        kernel: String,
        size: u64,
        container_images: Vec<crate::containers::StoredImage>,
        dir: &Path,
    ) -> Result<Manifest, Error> {
        let answer = &solved.answer;
        let mut artifacts = BTreeMap::new();
        for name in ["disk.qcow2", crate::diff::SBOM, inventory::FILE] {
            let path = dir.join(name);
            let digest = helix_rootfs::fetch::sha256_of(&path).map_err(|e| Error::io("reading", &path, e))?;
            artifacts.insert(name.to_owned(), digest);
        }
        Ok(Manifest {
            schema_version: SCHEMA_VERSION,
            recipe: self.job.name.clone(),
            resolved_recipe: self.job.resolved_recipe(),
            architecture: self.job.recipe.architecture.to_string(),
            virtual_size: self.job.recipe.disk.size.bytes(),
            size,
            epoch: answer.resolution.epoch,
            kernel,
            packages: answer.resolution.packages.len() as u64,
            container_images,
            artifacts,
            lock_digest: answer.resolution.digest(),
            lock_differences: answer.differences.clone(),
            unverified: solved.unverified.clone(),
            tools: self.shop.tools.versions(),
            inputs: inputs.disk.clone(),
            verification: None,
        })
    }

    fn stop_after_tree(&self, step: Step, tree: &Path, emulation: &Emulation, epoch: u64) -> Result<bool, Error> {
        if self.job.break_at == Some(step) {
            let view = OverlayTree::new(tree, &self.shop.work.path().join("break")).doing("opening the tree")?;
            let chroot = Chroot::open(view.path(), emulation, epoch).doing("opening the tree")?;
            self.shop
                .progress
                .warn(&format!("a shell in the tree after step {step}; changes are thrown away; leave with exit"));
            let mut shell = chroot.cmd("/bin/sh").arg("-i").env("PS1", format!("({step}) # ")).to_std();
            shell.status().map_err(|e| Error::io("starting a shell in", view.path(), e))?;
            return Ok(true);
        }
        Ok(self.job.until == step)
    }

    pub(crate) fn job(&self) -> &Job {
        self.job
    }

    pub(crate) fn shop(&self) -> &Workshop<'a> {
        &self.shop
    }

    pub(crate) fn output(&self) -> &Path {
        &self.job.output
    }

    pub(crate) fn boot_deadline(&self) -> std::time::Duration {
        self.job.boot_deadline
    }

    /// Notes for `plan` that the boot test was run.
    pub(crate) fn note_test(&self, inputs: &Inputs) -> Result<(), Error> {
        self.shop.store.set_last(&self.job.last_name(Step::Test), inputs)
    }

    /// Where runs of the boot test keep their files; the path is short enough for sockets.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.shop.work.path().join("vm")
    }
}

/// The bill of materials and the list of files.
fn write_lists(
    job: &Job,
    packages: &[Package],
    containers: &[serde_json::Value],
    tree: &Path,
    epoch: u64,
    out: &Path,
) -> Result<(), Error> {
    let recipe = &job.recipe;
    let subject = sbom::Subject {
        kind: "operating-system",
        name: &job.name,
        distribution: recipe.distribution,
        release: &recipe.release,
        summary: &recipe.summary,
        epoch,
    };
    let mut components = sbom::components(recipe.distribution, &recipe.release, packages, tree);
    components.extend_from_slice(containers);
    crate::output::write_json(&out.join(crate::diff::SBOM), &sbom::bill(&subject, &components))?;
    inventory::write(tree, out).map(drop)
}
