//! A project of its own for each test: recipes, cache, archive and server in one folder that vanishes with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::{Publication, Signature, Suite};
use super::host::{Key, inside, root_folder};
use super::mini::{MINI, Mini};
use super::run::Run;
use super::server::Server;
use super::warm::{copy_folder, warm};

/// The project; the mini archive is published in it.
#[derive(Debug)]
pub(crate) struct Project {
    dir: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) key: Key,
    pub(crate) mini: Mini,
}

impl Project {
    /// The mini recipe, its archive, and a cache with nothing but the tools.
    pub(crate) fn new() -> Self {
        let mut project = Self::empty();
        let recipes = project.path("root/recipes");
        std::fs::write(recipes.join("mini.yaml"), MINI).expect("a recipe");
        std::fs::write(recipes.join("keys/test.asc"), project.key.public()).expect("a key");
        std::fs::create_dir_all(project.path("root/layer/etc/kernel")).expect("a layer");
        std::fs::write(project.path("root/layer/etc/kernel/entry-token"), "mini\n").expect("a layer");
        project.mini = Mini::in_dir(&project.path("debs"));
        project.publish(&project.suite());
        project
    }

    /// The recipes of the real project, whose archives are all signed by the test.
    pub(crate) fn with_real_recipes() -> Self {
        let project = Self::empty();
        let root = project.path("root");
        copy_folder(&root_folder().join("recipes"), &root.join("recipes"));
        for key in std::fs::read_dir(root.join("recipes/keys")).expect("the keys").map(|e| e.expect("an entry").path())
        {
            if key.extension().is_some_and(|e| e == "asc") {
                std::fs::write(key, project.key.public()).expect("a key");
            }
        }
        std::fs::copy(warm().recipes().join("tools.lock"), root.join("recipes/tools.lock")).expect("a lock");
        std::os::unix::fs::symlink(root_folder().join("guest-components"), root.join("guest-components"))
            .expect("a link to guest-components");
        project
    }

    /// No recipe and no archive, and a cache with nothing but the tools.
    fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("p").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let path = dir.path();
        for sub in ["root/recipes/keys", "site", "debs", "cache"] {
            std::fs::create_dir_all(path.join(sub)).expect("folders of a project");
        }
        let key = Key::create();
        let recipes = path.join("root/recipes");
        std::fs::copy(warm().recipes().join("tools.lock"), recipes.join("tools.lock")).expect("the lock of the tools");
        // The tools' archive is signed by the test too, so that locks can be written without the network.
        std::fs::write(recipes.join("keys/debian-archive-keyring.asc"), key.public()).expect("a key");
        warm().lend_tools(&path.join("cache"));
        let server = Server::start(&path.join("site"));
        Self { dir, server, key, mini: Mini { debs: Vec::new() } }
    }

    /// The suite as the recipe expects it.
    pub(crate) fn suite(&self) -> Suite {
        Suite::new("mini", "main", self.mini.debs.clone())
    }

    /// Publishes the suite, signed by the right key.
    pub(crate) fn publish(&self, suite: &Suite) {
        self.publish_signed(suite, Signature::By(&self.key));
    }

    /// Publishes the suite, signed in another way.
    pub(crate) fn publish_signed(&self, suite: &Suite, signature: Signature<'_>) {
        Publication::at(&self.site().join("mini")).publish(suite, signature);
    }

    /// Puts another version of `mini-tool` into the archive, or takes it out.
    pub(crate) fn publish_tool(&mut self, version: Option<&str>) {
        match version {
            Some(version) => self.mini.replace(Mini::tool(version).build(&self.path("debs"))),
            None => self.mini.debs.retain(|d| d.name() != "mini-tool"),
        }
        std::fs::remove_dir_all(self.site().join("mini/pool")).expect("the pool can be emptied");
        self.publish(&self.suite());
    }

    /// Publishes what the tools are made from: `--update-lock` asks for them anew too.
    pub(crate) fn publish_tools(&self) {
        Publication::at(&self.site().join("debian")).publish(&warm().tools_suite(), Signature::By(&self.key));
    }

    /// Publishes what guest components are linked to.
    pub(crate) fn publish_guest(&self) {
        Publication::at(&self.site().join("debian")).publish(&warm().guest_suite(), Signature::By(&self.key));
    }

    /// A path in the project's folder.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub(crate) fn site(&self) -> PathBuf {
        self.path("site")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    /// The image's folder.
    pub(crate) fn output(&self) -> PathBuf {
        self.path("root/target/images/mini")
    }

    /// Changes the recipe.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let file = self.path("root/recipes/mini.yaml");
        let text = std::fs::read_to_string(&file).expect("the recipe");
        assert!(text.contains(from), "the recipe has no {from:?}");
        std::fs::write(file, text.replace(from, to)).expect("the recipe");
    }

    /// The program in this project, with the test's server as its way to the world.
    pub(crate) fn xtask(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command
            .args(args)
            .env("HELIX_ROOT", self.path("root"))
            .env("HELIX_CACHE", self.cache())
            .env("http_proxy", self.server.url())
            .current_dir(self.dir.path());
        command
    }

    /// Runs the program in this project.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(self.xtask(args))
    }

    /// Runs a shell script in namespaces of its own, where it may mount; `$XTASK` is the program, with the settings of
    /// this project.
    pub(crate) fn run_inside(&self, script: &str, network: bool) -> Run {
        let mut command = inside(script, network);
        let settings = self.xtask(&[]);
        command.env("XTASK", settings.get_program()).current_dir(self.dir.path());
        for (name, value) in settings.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Run::of(command)
    }

    /// Builds the mini image without booting it.
    pub(crate) fn build(&self) -> Run {
        self.run(&["build-image", "mini", "--no-test"])
    }

    /// After a failure: no image, nothing beside it, nothing in the cache that is taken for whole and is not.
    pub(crate) fn assert_nothing_half_made(&self) {
        assert!(!self.output().exists(), "there is an image");
        let beside = names(&self.path("root/target/images"));
        assert!(beside.is_empty(), "beside the image lies {beside:?}");
        self.assert_clean_cache();
    }

    /// Nothing of a run that has ended is left in the cache, but its log.
    pub(crate) fn assert_clean_cache(&self) {
        for kind in ["trees", "tools", "blobs", "packages"] {
            for name in names(&self.cache().join(kind)) {
                let whole = kind == "blobs"
                    || kind == "packages"
                    || self.cache().join(kind).join(&name).join("inputs.json").exists();
                assert!(name.starts_with(".partial-") || whole, "{kind}/{name} looks whole and is not");
            }
        }
        let left: Vec<String> = names(&self.cache().join("run")).into_iter().filter(|n| !n.ends_with(".log")).collect();
        assert!(left.is_empty(), "a run left {left:?} behind");
    }

    /// The digest of the image's disk.
    pub(crate) fn disk_digest(&self) -> String {
        helix_rootfs::fetch::sha256_of(&self.output().join("disk.qcow2")).expect("the disk")
    }
}

/// The names in a folder, which need not exist.
fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}
