//! Packages from the lock where it answers the question, from the archives where it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_rootfs::apt::{Apt, Archive, Package};
use helix_rootfs::fetch::{FetchError, Request};
use helix_rootfs::{Arch, ArchiveFaultKind};

use crate::error::{Doing, Error};
use crate::host::own_mirror;
use crate::lock::{Lock, Resolution};
use crate::progress::Progress;
use crate::store::{Kind, Store};

/// How the lock is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LockMode {
    /// Use it; where the archive has moved on, take what is there and say so.
    #[default]
    Prefer,
    /// Refuse any difference.
    Locked,
    /// Resolve anew and write it.
    Update,
}

/// A question to apt, and where its answer is kept.
pub(crate) struct Question<'a> {
    /// The lock file.
    pub(crate) lock: PathBuf,
    /// The name of the answer within the lock.
    pub(crate) name: String,
    /// The archives as the recipe names them.
    pub(crate) archives: Vec<Archive>,
    /// Whether the archives are Debian's.
    pub(crate) debian: bool,
    /// The mirror of the first archive that `--mirror` names; the host's own is then not looked for.
    pub(crate) mirror: Option<String>,
    /// The packages asked for.
    pub(crate) packages: Vec<String>,
    /// Packages asked for on top of these, in layers.
    pub(crate) layers: Vec<Vec<String>>,
    /// Whether the essential packages are part of it.
    pub(crate) essential: bool,
    /// The architecture of the packages.
    pub(crate) arch: Arch,
    /// The host's architecture, when twins for it are wanted.
    pub(crate) twins_for: Option<Arch>,
    /// The archives as they are for the host's architecture: Ubuntu's have another mirror for each.
    pub(crate) twin_archives: Vec<Archive>,
    /// Whether an expired Release file is only worth a warning.
    pub(crate) forgive_expiry: bool,
    /// apt's programs.
    pub(crate) run: &'a dyn Fn(&str) -> Cmd,
}

/// The digest of everything that an answer depends on but the archives' contents. Which mirror serves an archive is not
/// part of it, and neither is the machine that asks.
pub(crate) fn request(
    archives: &[Archive],
    packages: &[String],
    layers: &[Vec<String>],
    essential: bool,
    arch: Arch,
) -> String {
    let of_archive = |a: &Archive| {
        let mut parts = vec![serde_json::json!(a.name), serde_json::json!(a.mirror)];
        parts.extend([serde_json::json!(a.suites), serde_json::json!(a.components)]);
        parts.extend((!a.only.is_empty()).then(|| serde_json::json!(a.only)));
        parts
    };
    let archives: Vec<_> = archives.iter().map(of_archive).collect();
    let question = (archives, packages, essential, arch.debian_name());
    let text = if layers.is_empty() { serde_json::to_vec(&question) } else { serde_json::to_vec(&(question, layers)) };
    blake3::hash(&text.expect("requests are plain data")).to_hex().as_str()[..32].to_owned()
}

impl Question<'_> {
    pub(crate) fn request(&self) -> String {
        request(&self.archives, &self.packages, &self.layers, self.essential, self.arch)
    }

    fn mirrors(&self) -> Mirrors {
        let image = self.archives.iter().map(|archive| self.placed(archive, false)).collect();
        let twins = self.twin_archives.iter().map(|archive| self.placed(archive, true)).collect();
        Mirrors { image, twins }
    }

    /// The archive with the mirror that is really used, and the other places where it may be.
    fn placed(&self, archive: &Archive, of_twins: bool) -> Archive {
        let mut placed = archive.clone();
        let main = &self.archives[0];
        let given = self.mirror.clone().filter(|_| archive.name == main.name && archive.mirror == main.mirror);
        if given.is_some() && of_twins {
            // A mirror that is named for the image may lack this machine's architecture, as Ubuntu's ports do.
            placed.also_at.insert(0, archive.mirror.clone());
        } else if given.is_some() {
            placed.also_at.clear();
        }
        // Mirrors of Debian have every architecture; many of Ubuntu's have only that of the machines beside them.
        let near = self.debian || of_twins || Arch::host() == Some(self.arch);
        let own = || own_mirror(&archive.mirror, &archive.suites, self.debian).filter(|_| near);
        if let Some(mirror) = given.or_else(own) {
            placed.mirror = mirror;
        }
        placed
    }
}

/// The answer: packages that are all in the cache.
pub(crate) struct Answer {
    pub(crate) resolution: Resolution,
    /// How it differs from the lock, in words.
    pub(crate) differences: Vec<String>,
}

/// Answers the question and fetches every package.
pub(crate) fn resolve(
    question: &Question<'_>,
    store: &Store,
    mode: LockMode,
    offline: bool,
    progress: &dyn Progress,
) -> Result<Answer, Error> {
    let lock = Lock::read(&question.lock)?;
    let locked = lock.as_ref().and_then(|l| l.get(&question.name)).cloned();
    let mut mirrors = question.mirrors();
    let fits = locked.as_ref().filter(|l| l.request == question.request());
    if mode == LockMode::Locked && fits.is_none() {
        return Err(Error::Lock {
            path: question.lock.clone(),
            reason: format!(
                "{} what the recipe asks for on {}, and --locked forbids to resolve it anew\n  write it with --update-lock",
                if locked.is_some() { "does not answer" } else { "has no answer to" },
                question.name
            ),
        });
    }
    if let (Some(resolution), true) = (fits, mode != LockMode::Update) {
        let resolution = &with_twins(resolution.clone(), question, &mut mirrors, store, offline, progress)?;
        match fetch(resolution, &mirrors, store, offline, progress) {
            Ok(()) => return Ok(Answer { resolution: resolution.clone(), differences: Vec::new() }),
            Err(Error::Fetch { failures, .. }) if all_gone(&failures) && mode != LockMode::Locked => {
                progress.warn(&format!(
                    "the archive no longer has {} packages of the lock; resolving anew",
                    failures.len()
                ));
            }
            Err(e) => return Err(e),
        }
    }
    if offline {
        return Err(offline_fault(question));
    }
    let resolution = ask(question, &mut mirrors, store, progress)?;
    fetch(&resolution, &mirrors, store, offline, progress)?;
    let mut differences = locked.as_ref().map(|l| l.differences(&resolution)).unwrap_or_default();
    if mode == LockMode::Update || fits.is_none() {
        let mut lock = lock.unwrap_or_default();
        lock.set(&question.name, resolution.clone());
        match lock.write(&question.lock) {
            // From now on there is none; what they were is said once.
            Ok(()) => {
                if !differences.is_empty() {
                    progress.warn(&format!("the lock has changed:\n{}", listed(&differences)));
                }
                differences.clear();
            }
            // An image can be made without its lock being kept; only a wish to update it cannot be met.
            Err(e) if mode != LockMode::Update => progress.warn(&format!("the lock was not kept: {e}")),
            Err(e) => return Err(e),
        }
    } else if !differences.is_empty() {
        progress.warn(&format!(
            "the image differs from its lock:\n{}\n  keep the new packages with --update-lock",
            listed(&differences)
        ));
    }
    Ok(Answer { resolution, differences })
}

/// Answers the question anew and writes the lock. No package is fetched.
pub(crate) fn settle(question: &Question<'_>, store: &Store, progress: &dyn Progress) -> Result<Answer, Error> {
    let mut lock = Lock::read(&question.lock)?.unwrap_or_default();
    let resolution = ask(question, &mut question.mirrors(), store, progress)?;
    let differences = lock.get(&question.name).map(|l| l.differences(&resolution)).unwrap_or_default();
    lock.set(&question.name, resolution.clone());
    lock.write(&question.lock)?;
    Ok(Answer { resolution, differences })
}

/// Adds the twins for this host where the lock was made on another kind of machine; they are no part of the image.
fn with_twins(
    mut resolution: Resolution,
    question: &Question<'_>,
    mirrors: &mut Mirrors,
    store: &Store,
    offline: bool,
    progress: &dyn Progress,
) -> Result<Resolution, Error> {
    let Some(host) = question.twins_for.filter(|host| !resolution.twins.contains_key(host.debian_name())) else {
        return Ok(resolution);
    };
    if offline {
        return Err(offline_fault(question));
    }
    progress.begin(&format!("Resolving the tools of maintainer scripts for {host}"), None);
    let dir = apt_dir(question, store);
    std::fs::create_dir_all(&dir).map_err(|e| Error::io("making", &dir, e))?;
    let twins = ask_twins(question, &mut mirrors.twins, &dir, host, &resolution.packages, progress)?;
    progress.end(&format!("{} packages", twins.len()));
    resolution.twins.insert(host.debian_name().to_owned(), twins);
    Ok(resolution)
}

/// Differences for people; the log and the manifest have all.
fn listed(differences: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = differences.iter().take(SHOWN).map(|d| format!("  {d}")).collect();
    if differences.len() > SHOWN {
        lines.push(format!("  and {} more", differences.len() - SHOWN));
    }
    lines.join("\n")
}

fn offline_fault(question: &Question<'_>) -> Error {
    Error::Usage(format!(
        "--offline, and {} has no usable answer for {}: build once with the network, or drop --offline",
        question.lock.display(),
        question.name
    ))
}

fn apt_dir(question: &Question<'_>, store: &Store) -> PathBuf {
    store.dir("apt").join(format!("{}-{}", lock_stem(&question.lock), question.name))
}

/// Where packages really come from.
#[derive(Clone)]
struct Mirrors {
    /// Those of the image.
    image: Vec<Archive>,
    /// Their twins for the host.
    twins: Vec<Archive>,
}

/// Only then is it worth asking what the archive has now: a refusal or wrong bytes would meet the new answer as well, and
/// must not be taken for it.
fn all_gone(failures: &[FetchError]) -> bool {
    failures.iter().all(FetchError::is_gone)
}

fn ask(
    question: &Question<'_>,
    mirrors: &mut Mirrors,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Resolution, Error> {
    let hosts: BTreeSet<&str> = mirrors.image.iter().map(|a| a.mirror.as_str()).collect();
    progress.begin(
        &format!("Resolving packages for {} from {}", question.name, hosts.into_iter().collect::<Vec<_>>().join(", ")),
        None,
    );
    let dir = apt_dir(question, store);
    let _lock = store.lock(&format!("apt-{}-{}", lock_stem(&question.lock), question.name))?;
    locate(question, &dir, question.arch, &mut mirrors.image, progress)?;
    let apt = Apt::new(&dir, question.arch, &mirrors.image, question.run).doing("setting up apt")?;
    let essential = if question.essential {
        apt.solve(&["?essential".to_owned()]).doing("resolving the essential packages")?
    } else {
        Vec::new()
    };
    let mut wanted = question.packages.clone();
    wanted.extend(essential.iter().map(|p| p.name.clone()));
    let mut packages = apt.solve(&wanted).doing("resolving packages")?;
    let mut layers = Vec::new();
    for layer in &question.layers {
        let added = on_top(&apt, &packages, layer).doing("resolving the packages of a layer")?;
        layers.push(added.len());
        packages.extend(added);
    }
    let mut twins = BTreeMap::new();
    if let Some(host) = question.twins_for {
        let found = ask_twins(question, &mut mirrors.twins, &dir, host, &packages, progress)?;
        twins.insert(host.debian_name().to_owned(), found);
    }
    let resolution = Resolution {
        request: question.request(),
        epoch: apt.release_date().doing("reading the archives' dates")?,
        essential: essential.into_iter().map(|p| p.name).collect(),
        packages,
        layers,
        twins,
    };
    progress.end(&format!("{} packages", resolution.packages.len()));
    Ok(resolution)
}

/// Reads the indexes of all archives. An archive whose suites are not where it is looked for is looked for at its other
/// places, since a release whose life has ended moves; `archives` then have the place where it is.
fn locate(
    question: &Question<'_>,
    dir: &Path,
    arch: Arch,
    archives: &mut [Archive],
    progress: &dyn Progress,
) -> Result<(), Error> {
    loop {
        let apt = Apt::new(dir, arch, archives, question.run).doing("setting up apt")?;
        let fault = match apt.update() {
            Err(helix_rootfs::Error::Archive(fault)) => fault,
            other => return other.doing("reading the archives' indexes"),
        };
        let strict = archives.iter().any(|a| !a.allow_expired);
        if fault.kind == ArchiveFaultKind::Expired && question.forgive_expiry && strict {
            progress.warn("the Release file of the tools' archive has expired; its signature is good, so it is used");
            archives.iter_mut().for_each(|a| a.allow_expired = true);
            continue;
        }
        let blamed = |a: &Archive| fault.said.contains(a.mirror.trim_end_matches('/'));
        if fault.kind != ArchiveFaultKind::NoSuchSuite || !move_on(archives, blamed, progress) {
            return Err(helix_rootfs::Error::Archive(fault)).doing("reading the archives' indexes");
        }
    }
}

/// Turns to the next place of those archives that have one; whether any has.
fn move_on(archives: &mut [Archive], which: impl Fn(&Archive) -> bool, progress: &dyn Progress) -> bool {
    let mut moved = false;
    for archive in archives.iter_mut().filter(|a| !a.also_at.is_empty() && which(a)) {
        let next = archive.also_at.remove(0);
        progress.warn(&format!(
            "{} does not have what is asked of the archive {} ({}): it is looked for at {next}",
            archive.mirror,
            archive.name,
            archive.suites.join(", ")
        ));
        archive.mirror = next;
        moved = true;
    }
    moved
}

/// What `wanted` adds to packages that are there. All of those are asked for again by name, so that no choice between
/// alternatives that was made for them changes.
fn on_top(apt: &Apt<'_>, there: &[Package], wanted: &[String]) -> Result<Vec<Package>, helix_rootfs::Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let names: BTreeSet<&str> = there.iter().map(|p| p.name.as_str()).collect();
    let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).chain(wanted.iter().cloned()).collect();
    let solved = apt.solve(&all)?;
    Ok(solved.into_iter().filter(|p| !names.contains(p.name.as_str())).collect())
}

/// The host's own builds of those packages of the image that maintainer scripts use most.
fn ask_twins(
    question: &Question<'_>,
    archives: &mut [Archive],
    dir: &Path,
    host: Arch,
    packages: &[Package],
    progress: &dyn Progress,
) -> Result<Vec<Package>, Error> {
    let present: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let wanted: Vec<String> = helix_rootfs::emulation::TWIN_PACKAGES
        .iter()
        .filter(|name| present.contains(*name))
        .map(|name| (*name).to_owned())
        .collect();
    let dir = dir.join("twins");
    let twins = loop {
        locate(question, &dir, host, archives, progress)?;
        let apt = Apt::new(&dir, host, archives, question.run).doing("setting up apt")?;
        match apt.solve(&wanted) {
            // A mirror can have the image's architecture and not this machine's, as Ubuntu's ports.
            Err(helix_rootfs::Error::MissingPackages { .. }) if move_on(archives, |_| true, progress) => {}
            solved => break solved.doing("resolving twins")?,
        }
    };
    // Scripts and data are the same on every architecture, and the tree has them already.
    Ok(twins.into_iter().filter(|p| p.architecture != "all").collect())
}

fn lock_stem(lock: &Path) -> String {
    lock.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Fetches what is not in the cache; what is gone from one place of an archive is fetched from the next.
fn fetch(
    resolution: &Resolution,
    mirrors: &Mirrors,
    store: &Store,
    offline: bool,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let mut mirrors = mirrors.clone();
    loop {
        match fetch_from(resolution, &mirrors, store, offline, progress) {
            Err(Error::Fetch { failures, total }) if all_gone(&failures) => {
                let moved = [&mut mirrors.image, &mut mirrors.twins].map(|list| move_on(list, |_| true, progress));
                if moved == [false, false] {
                    return Err(Error::Fetch { failures, total });
                }
            }
            other => return other,
        }
    }
}

fn fetch_from(
    resolution: &Resolution,
    mirrors: &Mirrors,
    store: &Store,
    offline: bool,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let blobs = store.blobs(Kind::Packages, offline);
    let image = resolution.packages.iter().map(|p| (p, &mirrors.image));
    let twins = resolution.twins.values().flatten().map(|p| (p, &mirrors.twins));
    let requests = image
        .chain(twins)
        .filter(|(p, _)| !blobs.has(&p.sha256))
        .map(|(p, archives)| {
            let archive = archives.iter().find(|a| a.name == p.archive).ok_or_else(|| {
                Error::RecipeFile(format!(
                    "the lock takes {} from archive {}, which the recipe does not have",
                    p.name, p.archive
                ))
            })?;
            let url = format!("{}/{}", archive.mirror.trim_end_matches('/'), p.path);
            Ok(Request { url, sha256: p.sha256.clone(), size: Some(p.size) })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    if requests.is_empty() {
        return Ok(());
    }
    let bytes: u64 = requests.iter().filter_map(|r| r.size).sum();
    progress.begin(&format!("Fetching {} packages", requests.len()), Some(bytes));
    blobs
        .fetch(&requests, &|size| progress.advance(size, ""))
        .map_err(|failures| Error::Fetch { total: requests.len(), failures })?;
    progress.end(&format!("{} MB", bytes / 1_000_000));
    Ok(())
}
