//! What an update of the kernel does on systemd of later releases than Debian 13's: Ubuntu 26.04 has 259.

use std::path::Path;
use std::process::Command;

use helix_command::Cmd;
use helix_rootfs::Arch;
use serde_json::json;

use crate::support::{Debian, Run, copy_folder, inside, root_folder, warm};

/// Runs `55-initrd.install` of a systemd package as kernel-install does, with the settings of a file; the result is what
/// lies in the staging area.
fn staged(systemd: &Path, settings: &Path) -> String {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    Cmd::new("dpkg-deb").arg("--extract").arg(systemd).arg(dir.path()).run().expect("systemd's package is unpacked");
    let script = "mount -t tmpfs none /boot; echo initrd > /boot/initrd.img-9.1; mkdir staging
        sh usr/lib/kernel/install.d/55-initrd.install add 9.1 entry /boot/vmlinuz-9.1 >&2; ls staging";
    let mut command = inside(script, false);
    command.current_dir(dir.path()).env("KERNEL_INSTALL_VERBOSE", "1").env("KERNEL_INSTALL_STAGING_AREA", "staging");
    let text = std::fs::read_to_string(settings).expect("settings of kernel-install");
    for (key, value) in text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')) {
        command.env(format!("KERNEL_INSTALL_{}", key.to_uppercase()), value);
    }
    Run::of(command).ends_with(0).stdout
}

#[test]
fn systemd_of_today_and_of_tomorrow_stages_the_initrd_with_the_settings_of_the_overlay() {
    let settings = root_folder().join("guest-components/overlay/etc/kernel/install.conf");
    let sid = Debian::sid(Arch::Arm64).deb("systemd");
    for systemd in [&warm().files("arm64")["systemd"], &sid.file] {
        assert_eq!(staged(systemd, &settings), "initrd.img-9.1\n", "{}", systemd.display());
    }
    // Why the settings name no generator: systemd 259 and later leave the initrd to the one that is named.
    let dir = tempfile::tempdir().expect("a folder");
    let named = dir.path().join("install.conf");
    std::fs::write(&named, "layout=bls\ninitrd_generator=initramfs-tools\n").expect("settings");
    assert_eq!(staged(&sid.file, &named), "", "the reason in the comment of install.conf does not hold any more");
}

/// A recipe for one test: the project's base and overlay on Debian's development release.
const SID: &str = r#"extends: base.yaml
summary: The overlay on Debian's development release
distribution: debian
release: sid
archives:
  - name: debian
    mirror: http://ftp.debian.org/debian
    suites: [sid]
    components: [main]
    key: keys/debian-archive-keyring.asc
    allow-expired: true
packages: ["linux-image-${architecture}", debian-archive-keyring, docker-cli, docker-compose]
"#;

#[test]
#[ignore = "nightly: builds an image and boots it three times, emulated"]
fn a_kernel_update_on_debians_development_release_leaves_a_machine_that_boots() {
    let dir = tempfile::Builder::new().prefix("s").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let root = dir.path().join("root");
    copy_folder(&root_folder().join("recipes"), &root.join("recipes"));
    std::fs::write(root.join("recipes/sid.yaml"), SID).expect("a recipe");
    std::os::unix::fs::symlink(root_folder().join("guest-components"), root.join("guest-components")).expect("a link");
    let xtask = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.env("HELIX_ROOT", &root).current_dir(dir.path()).args(args);
        Run::of(command)
    };
    // The checks of base.yaml are run, `kernel-update` among them.
    let built = xtask(&["build-image", "sid", "--json"]).ends_with(0).json();
    assert_eq!(built["manifest"]["verification"]["checks"]["kernel-update"], json!("passed"), "{built:#}");

    let (home, image) = (dir.path().join("vms"), root.join("target/images/sid"));
    let (home, image) = (home.to_str().expect("a path"), image.to_str().expect("a path"));
    let vm = |verb: &str, args: &[&str]| xtask(&[&["vm", verb, "t", "--home", home], args].concat()).ends_with(0);
    let up = || vm("up", &["--image", image, "--memory", "3072", "--cpus", "2", "--json"]).json();
    up();
    // All of what the kernel's package does when it is installed: initramfs, ESP and entry.
    let update = "sudo dpkg-reconfigure \"linux-image-$(uname -r)\" >&2 \
        && sudo cmp \"/boot/initrd.img-$(uname -r)\" /efi/helix/\"$(uname -r)\"/initrd* \
        && sudo cat /efi/loader/entries/*.conf | grep -c ^initrd";
    assert_eq!(vm("ssh", &["--", update]).stdout.trim(), "1");
    vm("down", &[]);
    assert_eq!(up()["failed_units"], json!([]));
    vm("down", &["--timeout", "0"]);
}
