//! A real registry between an engine and `docker-graph`.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::craft::saved;
use super::engine::{Engine, tree};
use super::engines::{odd_image, saved_layers, scratch};
use crate::support::Run;

/// Debian's docker-registry, on a free port of this machine.
struct Registry {
    child: Child,
    host: String,
}

/// The user `us` with the password `right`, as bcrypt.
const USERS: &str = "us:$2b$05$abcdefghijklmnopqrstuu8xaCxxL82bnl.UY74PMksDxIJShppPC\n";

impl Registry {
    /// One that everybody may use, or one that wants a user of [`USERS`].
    fn start(folder: &Path, asks_for_user: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let host = format!("127.0.0.1:{port}");
        let storage = folder.join("registry");
        std::fs::create_dir(&storage).expect("a folder for the registry");
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{host}\"}}\n",
            storage.display()
        );
        let users = folder.join("users");
        std::fs::write(&users, USERS).expect("users");
        let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", users.display());
        let file = folder.join("registry.yml");
        let config = if asks_for_user { config + &auth } else { config };
        std::fs::write(&file, config).expect("a configuration");
        // A static program: it runs outside of its tree.
        let mut command = Command::new(tree("trixie").join("usr/bin/docker-registry"));
        command.arg("serve").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("docker-registry runs");
        let started = Instant::now();
        while TcpStream::connect(&host).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "the registry does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { child, host }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_image_goes_from_an_engine_through_a_registry_to_our_data_root_and_back() {
    let dir = scratch();
    let registry = Registry::start(dir.path(), false);
    let image = odd_image("odd:1");
    let (name, newer) = (format!("{}/team/odd:1", registry.host), format!("{}/team/newer:1", registry.host));
    let digest = {
        let engine = Engine::start("trixie", &dir.path().join("first"));
        let loaded = engine.fed(&["load"], &saved(std::slice::from_ref(&image)));
        assert_eq!(loaded.code, Some(0), "{}{}", loaded.stdout, loaded.stderr);
        engine.says(&["tag", "odd:1", &name]);
        engine.says(&["push", "--quiet", &name]);
        engine.says(&["run", "--name", "more", "--network", "none", "odd:1", "sh", "-c", "echo more > /added"]);
        engine.says(&["commit", "more", &newer]);
        engine.says(&["push", "--quiet", &newer]);
        engine.says(&["inspect", "--format", "{{index .RepoDigests 0}}", &name])
    };
    let data = dir.path().join("data");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.env("HELIX_CACHE", dir.path().join("cache")).args(["docker-graph", "--json", "--data-root"]).arg(&data);
    let document = Run::of({
        command.arg(format!("registry:{name}"));
        command
    });
    assert_eq!(document.ends_with(0).json()["images"][0]["id"], image.id().to_string());

    let engine = Engine::start("trixie", &data);
    assert_eq!(engine.says(&["images", "--quiet", "--no-trunc"]), image.id().to_string());
    assert_eq!(engine.says(&["inspect", "--format", "{{index .RepoDigests 0}}", &name]), digest);
    assert_eq!(saved_layers(&engine.saved(&name)), image.diff_ids());
    // The engine knows from us where the layers are: nothing is uploaded, and nothing is pulled again.
    let again = format!("{}/team/odd:2", registry.host);
    engine.says(&["tag", &name, &again]);
    let pushed = engine.says(&["push", &again]);
    assert_eq!(pushed.matches("Layer already exists").count(), 3, "{pushed}");
    assert!(engine.says(&["pull", &name]).contains("Image is up to date"));
    // A newer image over the same layers: only what is new is pulled.
    engine.says(&["pull", &newer]);
    let layers = |image: &str| engine.says(&["inspect", "--format", "{{join .RootFS.Layers \"\\n\"}}", image]);
    let (old, new) = (layers(&name), layers(&newer));
    assert!(new.starts_with(&old) && new.lines().count() == old.lines().count() + 1, "{old}\n{new}");
    engine.says(&["rmi", &name, &again]);
    assert_eq!(
        engine.says(&["run", "--rm", "--network", "none", &newer, "sh", "-c", "read x < /added; echo $x"]),
        "more"
    );
    let missing = format!("registry:{}/team/none:1", registry.host);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .env("HELIX_CACHE", dir.path().join("cache"))
        .args(["docker-graph", "--data-root"])
        .arg(dir.path().join("x"));
    command.arg(&missing);
    Run::of(command).ends_with(3).says(&["there is no such image"]);
}

/// What `docker login` writes: inline, as base64 of user and password.
fn logged_in(host: &str, password: &str) -> String {
    use base64::Engine as _;
    let both = base64::engine::general_purpose::STANDARD.encode(format!("us:{password}"));
    format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{both}\"}}}}}}")
}

#[test]
fn credentials_come_from_dockers_configuration_and_its_helpers() {
    let dir = scratch();
    let registry = Registry::start(dir.path(), true);
    let image = odd_image("odd:1");
    let name = format!("{}/team/odd:1", registry.host);
    let config = dir.path().join("config");
    std::fs::create_dir(&config).expect("a folder");
    let write = |text: &str| std::fs::write(config.join("config.json"), text).expect("a configuration");
    {
        let engine = Engine::start("bookworm", &dir.path().join("first"));
        engine.fed(&["load"], &saved(std::slice::from_ref(&image)));
        engine.says(&["tag", "odd:1", &name]);
        engine.says(&["login", "--username", "us", "--password", "right", &registry.host]);
        engine.says(&["push", "--quiet", &name]);
    }
    let helpers = dir.path().join("bin");
    std::fs::create_dir(&helpers).expect("a folder");
    let helper = |script: &str| {
        let (text, program) = (helpers.join("text"), helpers.join("docker-credential-test"));
        std::fs::write(&text, format!("#!/bin/sh\n{script}\n")).expect("a helper");
        // By a process of its own: a child of another test could inherit the open file, and nobody could run it then.
        let installed = Command::new("install").args(["-m", "755"]).args([&text, &program]).status();
        assert!(installed.expect("install").success());
    };
    let pull = || {
        let path = format!("{}:{}", helpers.display(), std::env::var("PATH").expect("a path"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.env("HELIX_CACHE", dir.path().join("cache")).env("DOCKER_CONFIG", &config).env("PATH", path);
        command.args(["docker-graph", "--json", "--data-root"]).arg(dir.path().join("data"));
        command.arg(format!("registry:{name}"));
        let run = Run::of(command);
        for secret in ["right", "wrong-password", "dXM6cmlnaHQ"] {
            assert!(
                !run.stdout.contains(secret) && !run.stderr.contains(secret),
                "a secret: {}{}",
                run.stdout,
                run.stderr
            );
        }
        run
    };
    let login = format!("docker login {}", registry.host);
    let refused = |phrases: &[&str]| {
        pull().ends_with(3).says(phrases);
        assert!(!dir.path().join("data").exists(), "a data root was made for nothing");
    };
    refused(&["the registry wants a user", &login]);
    // Without credentials it is asked too: most images are for everybody. This one is not.
    let nobody =
        |why: &str| refused(&["warning: there are no credentials for", why, "the registry wants a user", &login]);
    write("");
    nobody("Docker's configuration cannot be read");
    write(&format!("{{\"auths\": {{\"{}\": {{\"auth\": \"\"}}}}}}", registry.host));
    nobody("its entry in Docker's configuration is empty");
    write("{\"credsStore\": \"none\"}");
    nobody("docker-credential-none, which Docker's configuration names, cannot be run");
    write(&logged_in(&registry.host, "wrong-password"));
    refused(&["answers 401", &login]);
    write("{\"auths\": {\"");
    nobody("Docker's configuration cannot be read");
    write(&format!("{{\"credHelpers\": {{\"{}\": \"none\"}}}}", registry.host));
    nobody("docker-credential-none, which Docker's configuration names, cannot be run");
    write(&format!("{{\"credHelpers\": {{\"{}\": \"test\"}}}}", registry.host));
    // It reads what it is asked first, as helpers do.
    helper("cat >/dev/null; echo right; exit 1");
    nobody("docker-credential-test failed");
    helper("cat >/dev/null; echo credentials not found in native keychain; exit 1");
    nobody("docker-credential-test has no entry for it");
    helper("cat >/dev/null; echo '{\"Username\": \"us\", \"Secret\": \"right\"}'");
    assert_eq!(pull().ends_with(0).json()["images"][0]["id"], image.id().to_string());
    std::fs::remove_dir_all(dir.path().join("cache")).expect("the cache");
    std::fs::remove_dir_all(dir.path().join("data")).expect("the data root");
    write(&logged_in(&registry.host, "right"));
    assert_eq!(pull().ends_with(0).json()["images"][0]["id"], image.id().to_string());
}
