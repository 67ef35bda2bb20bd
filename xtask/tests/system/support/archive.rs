//! A signed archive on the disk, as any Debian mirror lays it out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::debs::Deb;
use super::host::Key;

/// One suite: what its Release file says, and the packages of its components.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) codename: String,
    pub(crate) date: SystemTime,
    pub(crate) valid_until: Option<SystemTime>,
    pub(crate) components: BTreeMap<String, Vec<Deb>>,
}

impl Suite {
    /// A suite of one component, dated a fixed time in the past, so that it is the same in every run.
    pub(crate) fn new(name: &str, component: &str, debs: Vec<Deb>) -> Self {
        Self {
            name: name.to_owned(),
            codename: name.to_owned(),
            date: SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000),
            valid_until: None,
            components: BTreeMap::from([(component.to_owned(), debs)]),
        }
    }
}

/// How the Release file is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signature<'a> {
    By(&'a Key),
    None,
}

/// An archive below a folder that a server shows.
#[derive(Debug)]
pub(crate) struct Publication {
    root: PathBuf,
}

impl Publication {
    /// The archive at `root`, which is made.
    pub(crate) fn at(root: &Path) -> Self {
        std::fs::create_dir_all(root).expect("the folder of an archive");
        Self { root: root.to_owned() }
    }

    /// Writes a suite in place of what it was before.
    pub(crate) fn publish(&self, suite: &Suite, signature: Signature<'_>) {
        let dist = self.root.join("dists").join(&suite.name);
        let _ = std::fs::remove_dir_all(&dist);
        let mut listed = String::new();
        for (component, debs) in &suite.components {
            for architecture in ["arm64", "amd64"] {
                let name = format!("{component}/binary-{architecture}/Packages");
                let text = self.index(component, debs, architecture);
                write(&dist.join(&name), text.as_bytes());
                listed.push_str(&format!(" {} {} {name}\n", digest(&dist.join(&name)), text.len()));
            }
        }
        let components: Vec<&str> = suite.components.keys().map(String::as_str).collect();
        let mut release = format!(
            "Origin: Test\nLabel: Test\nSuite: {}\nCodename: {}\nDate: {}\nArchitectures: arm64 amd64\nComponents: {}\n",
            suite.name,
            suite.codename,
            date(suite.date),
            components.join(" "),
        );
        if let Some(end) = suite.valid_until {
            release.push_str(&format!("Valid-Until: {}\n", date(end)));
        }
        release.push_str(&format!("SHA256:\n{listed}"));
        match signature {
            Signature::By(key) => write(&dist.join("InRelease"), &key.clearsign(release.as_bytes())),
            Signature::None => write(&dist.join("Release"), release.as_bytes()),
        }
    }

    /// The index of a component for one architecture; its packages are put into the pool.
    fn index(&self, component: &str, debs: &[Deb], architecture: &str) -> String {
        let mut text = String::new();
        let mut names = BTreeSet::new();
        for deb in debs.iter().filter(|d| matches!(d.field("Architecture"), Some(a) if a == architecture || a == "all"))
        {
            let path = deb.path(component);
            let pool = self.root.join(&path);
            std::fs::create_dir_all(pool.parent().expect("a pool file lies in a folder")).expect("the pool");
            // A package rebuilt under the same name replaces the earlier one.
            let _ = std::fs::remove_file(&pool);
            std::os::unix::fs::symlink(&deb.file, &pool).expect("a file of the pool");
            let size = std::fs::metadata(&deb.file).expect("a package file").len();
            assert!(names.insert(path.clone()), "{path} is there twice");
            text.push_str(&format!(
                "{}Filename: {path}\nSize: {size}\nSHA256: {}\n\n",
                deb.stanza(),
                digest(&deb.file)
            ));
        }
        text
    }
}

fn digest(file: &Path) -> String {
    helix_rootfs::fetch::sha256_of(file).expect("a readable file")
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders of an archive");
    std::fs::write(path, bytes).expect("files of an archive");
}

/// A Release file says UTC where HTTP says GMT.
fn date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time).replace("GMT", "UTC")
}
