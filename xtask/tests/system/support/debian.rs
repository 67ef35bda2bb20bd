//! Debian's real archives, asked by the project's own apt: what a release that cannot be had here will be like is seen in
//! Debian's development release first.
//!
//! Nothing is skipped where an archive cannot be reached: the test fails with apt's words.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use helix_build::store::{Kind, Store};
use helix_build::workspace::Workspace;
use helix_command::Cmd;
use helix_rootfs::Arch;
use helix_rootfs::apt::{Apt, Archive, Package};
use helix_rootfs::fetch::Request;

use super::debs::{Deb, parse_fields};
use super::host::root_folder;

/// Two tests do not write the same lists at once.
static LISTS: Mutex<()> = Mutex::new(());

/// Archives with their indexes, read once and verified.
pub(crate) struct Debian {
    dir: PathBuf,
    arch: Arch,
    archives: Vec<Archive>,
}

impl Debian {
    /// The development release, which has what the next releases will have.
    pub(crate) fn sid(arch: Arch) -> Self {
        let key = root_folder().join("recipes/keys/debian-archive-keyring.asc");
        let mirror = "http://ftp.debian.org/debian";
        Self::open("sid", arch, vec![archive("debian", mirror, &["sid".to_owned()], &key)])
    }

    /// Some of a recipe's archives.
    pub(crate) fn of_recipe<'a>(
        name: &str,
        arch: Arch,
        archives: impl Iterator<Item = &'a helix_recipe::Archive>,
    ) -> Self {
        let of = |a: &helix_recipe::Archive| archive(&a.name, &a.mirror, &a.suites, a.key.path());
        Self::open(name, arch, archives.map(of).collect())
    }

    fn open(name: &str, arch: Arch, archives: Vec<Archive>) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("apt-{name}-{arch}"));
        let debian = Self { dir, arch, archives };
        let _lock = LISTS.lock();
        debian.apt(|apt| apt.update()).unwrap_or_else(|e| panic!("the lists of {name} cannot be had: {e}"));
        debian
    }

    fn apt<R>(&self, ask: impl FnOnce(&Apt<'_>) -> Result<R, helix_rootfs::Error>) -> Result<R, helix_rootfs::Error> {
        let run = |program: &str| Cmd::new(program).env("LC_ALL", "C.UTF-8");
        ask(&Apt::new(&self.dir, self.arch, &self.archives, &run)?)
    }

    /// Those of `names` that no archive has.
    pub(crate) fn missing(&self, names: &[String]) -> Vec<String> {
        let _lock = LISTS.lock();
        match self.apt(|apt| apt.solve(names)) {
            Err(helix_rootfs::Error::MissingPackages { names, .. }) => names,
            // That they cannot all be installed together is another matter.
            Ok(_) | Err(helix_rootfs::Error::Unsolvable(_)) => Vec::new(),
            Err(e) => panic!("{e}"),
        }
    }

    /// Packages with everything they need, fetched into the cache and read.
    pub(crate) fn debs(&self, names: &[&str]) -> Vec<Deb> {
        self.fetch(|_| true, names)
    }

    /// One package, fetched into the cache and read.
    pub(crate) fn deb(&self, name: &str) -> Deb {
        self.fetch(|package| package.name == name, &[name]).remove(0)
    }

    fn fetch(&self, which: impl Fn(&Package) -> bool, names: &[&str]) -> Vec<Deb> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let solved = {
            let _lock = LISTS.lock();
            self.apt(|apt| apt.solve(&names)).unwrap_or_else(|e| panic!("{e}"))
        };
        let packages: Vec<Package> = solved.into_iter().filter(which).collect();
        let cache = Workspace::at(&root_folder()).expect("a place for the cache").cache;
        let blobs = Store::open(&cache).expect("the cache").blobs(Kind::Packages, false);
        let request = |p: &Package| {
            let archive = self.archives.iter().find(|a| a.name == p.archive).expect("an archive of ours");
            let url = format!("{}/{}", archive.mirror.trim_end_matches('/'), p.path);
            Request { url, sha256: p.sha256.clone(), size: Some(p.size) }
        };
        let requests: Vec<Request> = packages.iter().map(request).collect();
        blobs.fetch(&requests, &|_| ()).unwrap_or_else(|failures| panic!("{failures:?}"));
        packages.iter().map(|p| Deb::read(&blobs.path(&p.sha256))).collect()
    }

    /// What a package of the archives depends on: for each dependency the names of which one is enough.
    pub(crate) fn depends(&self, name: &str) -> Vec<Vec<String>> {
        let lists = std::fs::read_dir(self.dir.join("lists")).expect("lists").map(|e| e.expect("an entry").path());
        let mut found = Vec::new();
        for list in lists.filter(|path| path.to_string_lossy().ends_with("_Packages")) {
            let text = std::fs::read_to_string(list).expect("a list of packages");
            let ours = text.split("\n\n").filter(|stanza| stanza.starts_with(&format!("Package: {name}\n")));
            let fields = ours.flat_map(parse_fields);
            let lists = fields.filter(|(field, _)| field == "Depends" || field == "Pre-Depends");
            found.extend(lists.flat_map(|(_, value)| groups(&value)));
        }
        assert!(!found.is_empty(), "no archive says what {name} depends on");
        found
    }
}

fn groups(list: &str) -> Vec<Vec<String>> {
    let name = |item: &str| item.trim().split([' ', '(', ':']).next().unwrap_or_default().to_owned();
    list.split(',').map(|group| group.split('|').map(name).collect()).collect()
}

/// An archive where the machine has it; how old the signature may be is not what is tested.
fn archive(name: &str, mirror: &str, suites: &[String], key: &Path) -> Archive {
    let own = helix_build::host::own_mirror(mirror, suites, true);
    Archive {
        name: name.to_owned(),
        mirror: own.unwrap_or_else(|| mirror.to_owned()),
        also_at: Vec::new(),
        suites: suites.to_vec(),
        components: vec!["main".to_owned()],
        key: key.to_owned(),
        allow_expired: true,
        only: Vec::new(),
    }
}
