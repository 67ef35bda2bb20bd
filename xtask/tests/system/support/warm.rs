//! What the tests take over from the real cache: the tools tree, and real packages of the quickstart image.
//!
//! With them nothing is downloaded. Where they are not in the cache any more or not yet, the real program fetches them,
//! once for all tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use helix_build::lock::{Lock, Resolution};
use helix_build::workspace::Workspace;
use helix_rootfs::apt::Package;

use super::archive::Suite;
use super::debs::Deb;
use super::host::root_folder;

/// The locks that a build of quickstart needs, without their ending.
pub(crate) const LOCKS: [&str; 4] = ["tools", "quickstart", "containers/helix-encode", "guest"];

/// The real cache, and locks whose packages are all in it.
#[derive(Debug)]
pub(crate) struct Warm {
    cache: PathBuf,
    recipes: PathBuf,
}

/// The one of this run.
pub(crate) fn warm() -> &'static Warm {
    static WARM: OnceLock<Warm> = OnceLock::new();
    WARM.get_or_init(|| {
        let root = root_folder();
        let cache = Workspace::at(&root).expect("a place for the cache").cache;
        let project = Warm { cache: cache.clone(), recipes: root.join("recipes") };
        if project.is_whole() { project } else { fetched(&root, cache) }
    })
}

/// The archive has moved on, or nothing was built here yet: locks of our own are made from what is there now, beside
/// those of the project, which stay as they are.
fn fetched(root: &Path, cache: PathBuf) -> Warm {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("current");
    let recipes = copy.join("recipes");
    copy_folder(&root.join("recipes"), &recipes);
    let link = copy.join("guest-components");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(root.join("guest-components"), &link).expect("a link to guest-components");
    eprintln!("fetching the packages that the tests need");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.env("HELIX_ROOT", &copy).args(["build-image", "quickstart", "--update-lock", "--until", "packages"]);
    let status = command.status().expect("xtask runs");
    assert!(
        status.success(),
        "the packages of quickstart cannot be had; see what this says:\n  cargo xtask build-image"
    );
    let warm = Warm { cache, recipes };
    assert!(warm.is_whole(), "{} is not whole after a build", warm.cache.display());
    warm
}

/// Copies the files of a folder and of those below it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder for a copy");
    for entry in std::fs::read_dir(from).expect("a folder to copy").map(|e| e.expect("an entry of a folder")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy of a file");
        }
    }
}

impl Warm {
    fn is_whole(&self) -> bool {
        let there =
            |name: &&str| self.lock(name).is_some() && self.packages(name).all(|package| self.file(&package).exists());
        self.tools_key().is_some() && LOCKS.iter().all(there)
    }

    /// The folder of recipes whose locks are used.
    pub(crate) fn recipes(&self) -> &Path {
        &self.recipes
    }

    fn lock(&self, name: &str) -> Option<Lock> {
        Lock::read(&self.recipes.join(format!("{name}.lock"))).ok()?
    }

    /// A lock's answer for images of arm64.
    fn answer(&self, name: &str) -> Option<Resolution> {
        let host = helix_rootfs::Arch::host()?.debian_name();
        let lock = self.lock(name)?;
        lock.get("arm64").or_else(|| lock.get(&format!("{host}-for-arm64"))).cloned()
    }

    /// All packages of a lock's answer, twins included.
    pub(crate) fn packages(&self, name: &str) -> impl Iterator<Item = Package> + use<> {
        let host = helix_rootfs::Arch::host().map_or("none", helix_rootfs::Arch::debian_name);
        let answer = self.answer(name);
        let twins = answer.clone().and_then(|mut a| a.twins.remove(host)).unwrap_or_default();
        answer.map(|a| a.packages).unwrap_or_default().into_iter().chain(twins)
    }

    /// A package's file in the cache.
    pub(crate) fn file(&self, package: &Package) -> PathBuf {
        self.cache.join("packages").join(&package.sha256[..2]).join(&package.sha256)
    }

    /// The files of quickstart's packages of one architecture, by name.
    pub(crate) fn files(&self, architecture: &str) -> BTreeMap<String, PathBuf> {
        let fits = |p: &Package| p.architecture == architecture || p.architecture == "all";
        self.packages("quickstart").filter(fits).map(|p| (p.name.clone(), self.file(&p))).collect()
    }

    fn tools_key(&self) -> Option<String> {
        let digest = self.answer("tools")?.digest();
        // The newest tree with these packages: a key has other inputs too, which only the program knows.
        let mut entries: Vec<_> = std::fs::read_dir(self.cache.join("tools")).ok()?.filter_map(Result::ok).collect();
        entries
            .retain(|e| std::fs::read_to_string(e.path().join("inputs.json")).is_ok_and(|text| text.contains(&digest)));
        entries.sort_by_key(|e| e.metadata().and_then(|m| m.modified()).ok());
        Some(entries.last()?.file_name().to_string_lossy().into_owned())
    }

    /// Gives a new cache the tools and what they are made from, as links.
    pub(crate) fn lend_tools(&self, cache: &Path) {
        let key = self.tools_key().expect("a tools tree in the cache");
        link(&self.cache.join("tools").join(&key), &cache.join("tools").join(&key));
        self.packages("tools").for_each(|p| self.lend(&p, cache));
    }

    /// The archive that the tools come from, as far as the lock names it, dated like the lock: apt then finds what the
    /// lock says, and the tools tree in the cache serves.
    pub(crate) fn tools_suite(&self) -> Suite {
        static DEBS: OnceLock<Vec<Deb>> = OnceLock::new();
        self.suite("tools", "testing", DEBS.get_or_init(|| self.debs("tools")).clone())
    }

    /// The same for what guest components are linked to.
    pub(crate) fn guest_suite(&self) -> Suite {
        self.suite("guest", "bookworm", self.debs("guest"))
    }

    fn debs(&self, lock: &str) -> Vec<Deb> {
        self.packages(lock).map(|p| Deb::read(&self.file(&p)).at(&p.path)).collect()
    }

    fn suite(&self, lock: &str, name: &str, debs: Vec<Deb>) -> Suite {
        let mut suite = Suite::new(name, "main", debs);
        let epoch = self.answer(lock).map_or(0, |a| a.epoch);
        suite.date = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(epoch);
        suite
    }

    /// Gives a new cache one package file, as a link.
    pub(crate) fn lend(&self, package: &Package, cache: &Path) {
        let place = cache.join("packages").join(&package.sha256[..2]).join(&package.sha256);
        link(&self.file(package), &place);
    }
}

fn link(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("an entry lies in a folder")).expect("folders of a cache");
    if to.symlink_metadata().is_err() {
        std::os::unix::fs::symlink(from, to).expect("a link into the real cache");
    }
}
