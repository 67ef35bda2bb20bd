//! Running the programs of a foreign architecture.
//!
//! A `binfmt_misc` instance of our own user namespace (Linux 6.7 and newer) sends every foreign program to the small
//! dispatcher of `dispatch.rs`. It runs the *twin* of shells, coreutils, perl and their like (the same package, of the
//! same release, built for this machine) and emulates only what has none. Maintainer scripts are almost wholly made of
//! such tools, so that a configure run takes seconds where full emulation takes minutes, and leaves the same files.
//!
//! On an older kernel the host's own registration of qemu-user serves, without twins: slower, same result.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::arch::Arch;
use crate::mounts::Mounts;

static DISPATCHER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dispatch"));

/// Packages whose programs are worth a twin, because maintainer scripts call them; and a module, compiled like a program,
/// that perl's twin needs where scripts of dictionaries ask for it.
pub const TWIN_PACKAGES: [&str; 28] = [
    "bash",
    "coreutils",
    "cpio",
    "dash",
    "debianutils",
    "diffutils",
    "dpkg",
    "findutils",
    "gawk",
    // Ubuntu's coreutils is empty and depends on one of two implementations.
    "gnu-coreutils",
    "grep",
    "gzip",
    "kmod",
    "libtext-iconv-perl",
    "mawk",
    "openssl",
    "passwd",
    "perl",
    "perl-base",
    "python3-minimal",
    "rust-coreutils",
    "sed",
    "systemd",
    "tar",
    "udev",
    "util-linux",
    "xz-utils",
    "zstd",
];

/// Programs that never have a twin, because what they answer or write depends on the architecture they were built for.
const NO_TWIN: [&str; 16] = [
    "arch",
    "bootctl",
    "dpkg",
    "dpkg-deb",
    "dpkg-query",
    "dpkg-split",
    "dpkg-trigger",
    "getconf",
    "iconvconfig",
    "ischroot",
    "ldconfig",
    "ldd",
    "lscpu",
    "setarch",
    "systemd-detect-virt",
    "uname",
];

/// Folders of programs in a tree of twins. Ubuntu has the coreutils that are written in Rust below the last one.
const PROGRAMS: [&str; 3] = ["usr/bin", "usr/sbin", "usr/lib/cargo"];

/// How foreign programs are run in this process's trees.
#[derive(Debug)]
pub enum Emulation {
    /// The tree is of the host's own architecture.
    None,
    /// Our own registration: dispatcher, twins and the emulator of the tools tree.
    Twins {
        /// The folder of twins, see [`prepare_twins`].
        twins: PathBuf,
        /// The emulator, a static executable.
        emulator: PathBuf,
        /// The host's architecture.
        host: Arch,
        /// Keeps the registration.
        registration: Registration,
    },
    /// The host's registration of qemu-user.
    Host,
}

/// A `binfmt_misc` registration that ends with this value.
#[derive(Debug)]
pub struct Registration(#[expect(dead_code, reason = "dropping it takes the registration away")] Mounts);

impl Emulation {
    /// Makes programs of `target` runnable in trees, in the folder `work` for its own files.
    ///
    /// # Errors
    /// When neither our own registration nor one of the host is possible.
    pub fn start(host: Arch, target: Arch, work: &Path, emulator: &Path, twins: &Path) -> Result<Self, Error> {
        if host == target {
            return Ok(Self::None);
        }
        match register(target, work) {
            Ok(registration) => {
                Ok(Self::Twins { twins: twins.to_owned(), emulator: emulator.to_owned(), host, registration })
            }
            Err(own) if host_registration(target) => {
                tracing::warn!("{own}; using the host's registration of qemu-user, which is several times slower");
                Ok(Self::Host)
            }
            Err(own) => Err(Error::NoEmulation { arch: target, own: Box::new(own) }),
        }
    }

    /// Adds to `mounts` what a tree needs so that its programs run. `run` must be a tmpfs already.
    pub(crate) fn mount_into(&self, tree: &Path, mounts: &mut Mounts) -> Result<(), Error> {
        let Self::Twins { twins, emulator, host, .. } = self else { return Ok(()) };
        let run = tree.join("run/helix");
        std::fs::create_dir_all(run.join("twins")).map_err(|e| Error::io("creating", &run, e))?;
        mounts.bind(twins, &run.join("twins"))?;
        std::fs::write(run.join("emulator"), "").map_err(|e| Error::io("creating", &run, e))?;
        mounts.bind(emulator, &run.join("emulator"))?;
        // Twins are linked dynamically: their loader and libraries stand beside the tree's own, as multiarch intends.
        let libraries = format!("usr/lib/{}", host.triplet());
        mounts.dir(&tree.join(&libraries))?;
        mounts.bind(&twins.join(&libraries), &tree.join(&libraries))?;
        if *host == Arch::Amd64 {
            mounts.dir(&tree.join("usr/lib64"))?;
            mounts.bind(&twins.join("usr/lib64"), &tree.join("usr/lib64"))?;
            mounts.symlink("usr/lib64", &tree.join("lib64"))?;
        } else {
            let loader = tree.join("usr/lib").join(host.loader());
            mounts.symlink(&format!("{}/{}", host.triplet(), host.loader()), &loader)?;
        }
        Ok(())
    }
}

fn register(target: Arch, work: &Path) -> Result<Registration, Error> {
    let dispatcher = work.join("dispatch");
    std::fs::write(&dispatcher, DISPATCHER).map_err(|e| Error::io("writing", &dispatcher, e))?;
    std::fs::set_permissions(&dispatcher, std::fs::Permissions::from_mode(0o755))
        .map_err(|e| Error::io("writing", &dispatcher, e))?;
    let point = work.join("binfmt");
    std::fs::create_dir_all(&point).map_err(|e| Error::io("creating", &point, e))?;
    let mut mounts = Mounts::default();
    mounts.binfmt_misc(&point)?;
    // P keeps the program's own first argument, F opens the dispatcher now, so that it is found from inside any tree.
    let line = format!(":helix-{target}:M::{}:{}:PF", target.binfmt_magic(), dispatcher.display());
    let register = point.join("register");
    std::fs::write(&register, line).map_err(|e| Error::io("registering the emulator in", &register, e))?;
    Ok(Registration(mounts))
}

/// Registers the emulator of `target` in the empty folder `work`, as a build does, and takes it away again. Must run inside the
/// namespace of [`crate::namespace`].
///
/// # Errors
/// When neither our own registration nor one of the host is possible.
pub fn attempt(target: Arch, work: &Path) -> Result<(), Error> {
    match register(target, work) {
        Ok(_) => Ok(()),
        Err(_) if host_registration(target) => Ok(()),
        Err(own) => Err(Error::NoEmulation { arch: target, own: Box::new(own) }),
    }
}

/// Whether the host runs programs of `target` by a registration that works inside trees (flag F).
pub fn host_registration(target: Arch) -> bool {
    let path = format!("/proc/sys/fs/binfmt_misc/qemu-{}", target.kernel_name());
    std::fs::read_to_string(path).is_ok_and(|text| {
        text.starts_with("enabled") && text.lines().any(|l| l.strip_prefix("flags: ").is_some_and(|f| f.contains('F')))
    })
}

/// Strips unpacked twin packages to what the dispatcher may use: programs, their loader and libraries.
///
/// # Errors
/// When files cannot be removed.
pub fn prepare_twins(dir: &Path, host: Arch) -> Result<(), Error> {
    let keep_lib = ["cargo", host.triplet(), host.loader()];
    let remove = |path: &Path| {
        let gone = if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
        gone.map_err(|e| Error::io("removing", path, e))
    };
    for (folder, keep) in [("", &["usr"][..]), ("usr", &["bin", "sbin", "lib", "lib64"]), ("usr/lib", &keep_lib)] {
        for entry in crate::read_dir_sorted(&dir.join(folder))? {
            if !keep.iter().any(|k| entry.file_name().is_some_and(|n| n == *k)) {
                remove(&entry)?;
            }
        }
    }
    for path in programs_without_twin(dir) {
        remove(&path)?;
        symlink(crate::dispatch::NO_TWIN, &path).map_err(|e| Error::io("linking", &path, e))?;
    }
    Ok(())
}

/// The files and links of [`NO_TWIN`] programs, wherever they lie. Ubuntu has those of GNU with `gnu` before the name.
fn programs_without_twin(dir: &Path) -> Vec<PathBuf> {
    let entries = PROGRAMS.iter().flat_map(|folder| walkdir::WalkDir::new(dir.join(folder)));
    let named = |entry: walkdir::DirEntry| {
        let name = entry.file_name().to_str()?;
        let listed = NO_TWIN.contains(&name.strip_prefix("gnu").unwrap_or(name));
        (listed && !entry.file_type().is_dir()).then(|| entry.into_path())
    };
    entries.filter_map(Result::ok).filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::twin;

    /// Two trees: a foreign one with links as Ubuntu has them, and the twins of some of its programs.
    struct Trees {
        _dir: tempfile::TempDir,
        root: PathBuf,
    }

    impl Trees {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let trees = Self { root: dir.path().canonicalize().expect("its path"), _dir: dir };
            for tree in [trees.tree(), trees.twin_tree()] {
                for (path, target) in [
                    ("usr/bin/coreutils", None),
                    ("usr/lib/cargo/bin/coreutils/printenv", Some("../../../../bin/coreutils")),
                    ("usr/lib/cargo/bin/coreutils/uname", Some("../../../../bin/coreutils")),
                    ("usr/bin/mawk", None),
                    ("usr/bin/gnuarch", None),
                    ("usr/share/doc/arch", None),
                ] {
                    put(&tree.join(path), target);
                }
            }
            // What scripts of packages make, and a package for all architectures brings, is not among the twins.
            put(&trees.tree().join("usr/bin/printenv"), Some("../lib/cargo/bin/coreutils/printenv"));
            put(&trees.tree().join("usr/bin/uname"), Some("../lib/cargo/bin/coreutils/uname"));
            put(&trees.tree().join("usr/bin/arch"), Some("gnuarch"));
            put(&trees.tree().join("etc/alternatives/awk"), Some("../../usr/bin/mawk"));
            put(&trees.tree().join("usr/bin/awk"), Some("../../etc/alternatives/awk"));
            put(&trees.tree().join("bin"), Some("usr/bin"));
            put(&trees.tree().join("usr/bin/alone"), None);
            prepare_twins(&trees.twin_tree(), Arch::Amd64).expect("twins");
            trees
        }

        fn tree(&self) -> PathBuf {
            self.root.join("tree")
        }

        fn twins(&self) -> PathBuf {
            self.root.join("twins")
        }

        /// The twins of the tree's programs, at the tree's own path.
        fn twin_tree(&self) -> PathBuf {
            self.twins().join(self.tree().strip_prefix("/").expect("an absolute path"))
        }

        /// The twin that runs for a program of the tree, as a path of the tree.
        fn of(&self, program: &str) -> Option<String> {
            let twin = twin(&self.tree().join(program), &self.twins())?;
            Some(twin.strip_prefix(self.twin_tree()).expect("a twin of the tree").display().to_string())
        }
    }

    fn put(path: &Path, target: Option<&str>) {
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders");
        match target {
            Some(target) => symlink(target, path).expect("a link"),
            None => std::fs::write(path, "").expect("a file"),
        }
    }

    #[test]
    fn a_twin_runs_under_the_name_that_was_called_and_keeps_its_folder() {
        let trees = Trees::new();
        let printenv = Some("usr/lib/cargo/bin/coreutils/printenv".to_owned());
        for called in
            ["usr/bin/printenv", "bin/printenv", "usr/lib/cargo/bin/coreutils/printenv", "etc/../bin/printenv"]
        {
            assert_eq!(trees.of(called), printenv, "{called}");
        }
        assert_eq!(trees.of("usr/bin/awk").as_deref(), Some("usr/bin/mawk"));
        assert_eq!(trees.of("usr/bin/alone"), None);
        assert_eq!(trees.of("usr/bin/missing"), None);
    }

    #[test]
    fn what_answers_for_its_architecture_has_no_twin_under_any_name_of_it() {
        let trees = Trees::new();
        for called in ["usr/bin/uname", "bin/arch", "usr/bin/gnuarch", "usr/lib/cargo/bin/coreutils/uname"] {
            assert_eq!(trees.of(called), None, "{called}");
        }
    }

    #[test]
    fn a_link_of_the_twins_that_leads_out_of_them_is_no_twin_and_a_loop_ends() {
        let trees = Trees::new();
        put(&trees.tree().join("usr/bin/out"), None);
        put(&trees.twin_tree().join("usr/bin/out"), trees.tree().join("usr/bin/alone").to_str());
        assert_eq!(trees.of("usr/bin/out"), None);
        put(&trees.tree().join("usr/bin/loop"), Some("pool"));
        put(&trees.tree().join("usr/bin/pool"), Some("loop"));
        assert_eq!(trees.of("usr/bin/loop"), None);
    }
}
