//! Settings of a machine, applied to a tree: users, units, names, and the first initramfs.

use std::path::{Path, PathBuf};

use crate::chroot::Chroot;
use crate::files::Writer;
use crate::{Error, read_dir_sorted};

/// A user to make. Accounts have no password: they are locked, and entered by key.
#[derive(Debug, Clone)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Its number; the next free one when `None`.
    pub uid: Option<u32>,
    /// Further groups.
    pub groups: Vec<String>,
    /// Login shell.
    pub shell: String,
    /// Home folder; `/home/NAME` when `None`.
    pub home: Option<String>,
    /// Whether `sudo` works without a password.
    pub sudo: bool,
}

/// Makes the users.
///
/// # Errors
/// When useradd refuses one of them.
pub fn add_users(chroot: &Chroot, writer: &Writer<'_>, users: &[User]) -> Result<(), Error> {
    for user in users {
        let mut cmd = chroot.cmd("useradd").args(["--create-home", "--user-group", "--shell", &user.shell]);
        if let Some(uid) = user.uid {
            cmd = cmd.args(["--uid", &uid.to_string()]);
        }
        if !user.groups.is_empty() {
            cmd = cmd.args(["--groups", &user.groups.join(",")]);
        }
        if let Some(home) = &user.home {
            cmd = cmd.args(["--home-dir", home]);
        }
        cmd.arg(&user.name).run()?;
        if user.sudo {
            let rule = format!("{} ALL=(ALL:ALL) NOPASSWD: ALL\n", user.name);
            writer.write(&format!("etc/sudoers.d/90-{}", user.name), rule, 0o440)?;
        }
    }
    Ok(())
}

/// Enables, disables and masks systemd units.
///
/// # Errors
/// When a unit does not exist.
pub fn set_units(chroot: &Chroot, enable: &[String], disable: &[String], mask: &[String]) -> Result<(), Error> {
    for (verb, units) in [("enable", enable), ("disable", disable), ("mask", mask)] {
        if !units.is_empty() {
            chroot.cmd("systemctl").args(["--quiet", verb]).args(units).run()?;
        }
    }
    Ok(())
}

/// Writes host name, locale and time zone.
///
/// # Errors
/// When the time zone does not exist in the tree.
pub fn set_names(tree: &Path, writer: &Writer<'_>, hostname: &str, locale: &str, timezone: &str) -> Result<(), Error> {
    let zone = PathBuf::from("/usr/share/zoneinfo").join(timezone);
    if crate::files::resolve(tree, zone.strip_prefix("/").expect("the path starts with a slash")).is_err() {
        return Err(Error::Setting(format!(
            "the tree has no time zone {timezone}; is the package tzdata in the recipe?"
        )));
    }
    writer.write("etc/hostname", format!("{hostname}\n"), 0o644)?;
    let hosts = format!("127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    if !tree.join("etc/hosts").exists() {
        writer.write("etc/hosts", hosts, 0o644)?;
    }
    writer.write("etc/locale.conf", format!("LANG={locale}\n"), 0o644)?;
    writer.write("etc/default/locale", format!("LANG={locale}\n"), 0o644)?;
    writer.link("etc/localtime", &zone)?;
    writer.write("etc/timezone", format!("{timezone}\n"), 0o644)
}

/// Tells systemd that `/etc` and `/var` fit `/usr`, so that the first boot does not rebuild caches that are in place
/// (systemd-update-done.service(8), `ConditionNeedsUpdate=`).
///
/// # Errors
/// When the files cannot be written.
pub fn mark_updated(writer: &Writer<'_>, epoch: u64) -> Result<(), Error> {
    let text =
        format!("# The build has done what systemd-update-done.service(8) does.\nTIMESTAMP_NSEC={epoch}000000000\n");
    writer.write("etc/.updated", &text, 0o644)?;
    writer.write("var/.updated", &text, 0o644)
}

/// Lists which packages came only because others need them, as apt keeps it, so that `apt autoremove` works in the VM.
///
/// # Errors
/// When the file cannot be written.
pub fn mark_automatic(writer: &Writer<'_>, packages: &[(String, String)]) -> Result<(), Error> {
    let mut text = String::new();
    for (name, architecture) in packages {
        text.push_str(&format!("Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n"));
    }
    writer.write("var/lib/apt/extended_states", text, 0o644)
}

/// The kernel's version in the tree: the name of its modules folder.
///
/// # Errors
/// When there is none, or more than one.
pub fn kernel_version(tree: &Path) -> Result<String, Error> {
    let modules = tree.join("usr/lib/modules");
    let found = if modules.is_dir() { read_dir_sorted(&modules)? } else { Vec::new() };
    let found: Vec<String> = found
        .iter()
        .filter(|dir| tree.join("boot").join(format!("vmlinuz-{}", name_of(dir))).exists())
        .map(|dir| name_of(dir))
        .collect();
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::Setting("the tree has no kernel: add one (such as linux-image-arm64) to `packages`".into())),
        many => Err(Error::Setting(format!(
            "the tree has several kernels ({}); the recipe must choose one",
            many.join(", ")
        ))),
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Makes the initramfs by the tree's own tool, so that the first one and those of later kernel updates are alike, and
/// returns the files it wrote, relative to the tree.
///
/// # Errors
/// When the tree has no initramfs-tools, or its run fails.
pub fn make_initramfs(chroot: &mut Chroot, version: &str) -> Result<Vec<PathBuf>, Error> {
    // What runs after an initramfs is made would write boot entries; the disk step does that.
    for program in ["/usr/bin/kernel-install", "/usr/bin/bootctl"] {
        chroot.mask(program)?;
    }
    chroot.cmd("update-initramfs").args(["-c", "-k", version]).run()?;
    let mut made = vec![PathBuf::from(format!("boot/initrd.img-{version}"))];
    // Older releases note the digest of each initramfs they made, and touch no other.
    let note = PathBuf::from(format!("var/lib/initramfs-tools/{version}"));
    made.extend(chroot.tree().join(&note).exists().then_some(note));
    Ok(made)
}
