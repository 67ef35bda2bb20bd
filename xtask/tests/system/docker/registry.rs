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

impl Registry {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let host = format!("127.0.0.1:{port}");
        let storage = folder.join("registry");
        std::fs::create_dir(&storage).expect("a folder for the registry");
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{host}\"}}\n",
            storage.display()
        );
        let file = folder.join("registry.yml");
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
    let registry = Registry::start(dir.path());
    let image = odd_image("odd:1");
    let name = format!("{}/team/odd:1", registry.host);
    let digest = {
        let engine = Engine::start("trixie", &dir.path().join("first"));
        let loaded = engine.fed(&["load"], &saved(std::slice::from_ref(&image)));
        assert_eq!(loaded.code, Some(0), "{}{}", loaded.stdout, loaded.stderr);
        engine.says(&["tag", "odd:1", &name]);
        engine.says(&["push", "--quiet", &name]);
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
    let missing = format!("registry:{}/team/none:1", registry.host);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .env("HELIX_CACHE", dir.path().join("cache"))
        .args(["docker-graph", "--data-root"])
        .arg(dir.path().join("x"));
    command.arg(&missing);
    Run::of(command).ends_with(3).says(&["there is no such image"]);
}
