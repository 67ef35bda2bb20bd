//! What differs between the systems that QEMU runs on. No other module asks which one this is.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::accel::Accelerator;
use crate::machine::Arch;

/// The hardware accelerator that this system may have.
#[cfg(target_os = "macos")]
pub(crate) const HARDWARE: Accelerator = Accelerator::Hvf;
/// The hardware accelerator that this system may have.
#[cfg(not(target_os = "macos"))]
pub(crate) const HARDWARE: Accelerator = Accelerator::Kvm;

/// The longest path of a Unix socket, in bytes, without the zero byte that ends it (`sun_path` in `sys/un.h`).
#[cfg(target_os = "macos")]
pub(crate) const SOCKET_PATH_MAX: usize = 103;
/// The longest path of a Unix socket, in bytes, without the zero byte that ends it (`sun_path` in `sys/un.h`).
#[cfg(not(target_os = "macos"))]
pub(crate) const SOCKET_PATH_MAX: usize = 107;

/// The architecture of this machine, where it is one that guests can have.
pub(crate) fn host_arch() -> Option<Arch> {
    match std::env::consts::ARCH {
        "aarch64" => Some(Arch::Arm64),
        "x86_64" => Some(Arch::Amd64),
        _ => None,
    }
}

/// Where the machines of this user live: what the system has for the data of programs.
pub(crate) fn machines_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    #[cfg(target_os = "macos")]
    let data = variable("HOME").map(|home| home.join("Library/Application Support/Helix"));
    #[cfg(not(target_os = "macos"))]
    let data = variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("helix"));
    data.map(|data| data.join("vms"))
}

/// The memory of this machine in bytes.
#[cfg(target_os = "macos")]
pub(crate) fn memory_bytes() -> io::Result<u64> {
    let output = helix_command::Cmd::new("sysctl").args(["-n", "hw.memsize"]).output().map_err(io::Error::other)?;
    output.text().trim().parse().map_err(io::Error::other)
}

/// The memory of this machine in bytes.
#[cfg(not(target_os = "macos"))]
pub(crate) fn memory_bytes() -> io::Result<u64> {
    let info = rustix::system::sysinfo();
    #[expect(clippy::useless_conversion, reason = "the fields are smaller on machines of 32 bits")]
    Ok(u64::from(info.totalram) * u64::from(info.mem_unit))
}

/// How long this machine has been awake, from some beginning on: a sleep does not count.
#[cfg(target_os = "macos")]
pub(crate) fn awake() -> std::time::Duration {
    use nix::time::{ClockId, clock_gettime};
    // CLOCK_MONOTONIC goes on in a sleep there. This clock is one of every Mac that can run the program.
    clock_gettime(ClockId::from_raw(nix::libc::CLOCK_UPTIME_RAW)).map_or_else(|_| Default::default(), Into::into)
}

/// How long this machine has been awake, from some beginning on: a sleep does not count.
#[cfg(not(target_os = "macos"))]
pub(crate) fn awake() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    std::time::Duration::try_from(time).unwrap_or_default()
}

/// What this boot of the machine is called.
#[cfg(target_os = "macos")]
pub(crate) fn boot_id() -> Option<String> {
    let output = helix_command::Cmd::new("sysctl").args(["-n", "kern.bootsessionuuid"]).output().ok()?;
    Some(output.text().trim().to_owned())
}

/// What this boot of the machine is called.
#[cfg(not(target_os = "macos"))]
pub(crate) fn boot_id() -> Option<String> {
    Some(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// Where people put authorities that this computer trusts besides: Debian, Fedora, Arch. A Mac has them in a keychain.
pub(crate) const TRUST_ANCHORS: [&str; 3] = [
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/ca-certificates/trust-source/anchors",
];
/// The authorities that a distribution ships.
pub(crate) const SHIPPED_TRUST: &str = "/usr/share/ca-certificates";

/// The certificates that were added for the whole computer, in PEM; without an answer there are none.
#[cfg(target_os = "macos")]
pub(crate) fn added_certificates() -> String {
    // Apple's own are in another keychain.
    let keychain = "/Library/Keychains/System.keychain";
    let output = helix_command::Cmd::new("security").args(["find-certificate", "-a", "-p", keychain]).output();
    output.map(|output| output.text()).unwrap_or_default()
}

/// The certificates that are in none of [`TRUST_ANCHORS`], in PEM.
#[cfg(not(target_os = "macos"))]
pub(crate) fn added_certificates() -> String {
    String::new()
}

/// The proxies of the system's settings, as `scutil` prints them; without an answer there are none.
#[cfg(target_os = "macos")]
pub(crate) fn proxy_settings() -> String {
    helix_command::Cmd::new("scutil").arg("--proxy").output().map(|output| output.text()).unwrap_or_default()
}

/// The proxies of the system's settings: programs of Linux know variables only.
#[cfg(not(target_os = "macos"))]
pub(crate) fn proxy_settings() -> String {
    String::new()
}

/// Makes `to`, which must not exist, a copy of `from` that shares its blocks.
#[cfg(target_os = "macos")]
pub(crate) fn clone_file(from: &File, to: &Path) -> io::Result<()> {
    Ok(rustix::fs::fclonefileat(from, rustix::fs::CWD, to, rustix::fs::CloneFlags::empty())?)
}

/// Makes `to`, which must not exist, a copy of `from` that shares its blocks.
#[cfg(not(target_os = "macos"))]
pub(crate) fn clone_file(from: &File, to: &Path) -> io::Result<()> {
    let target = File::create_new(to)?;
    rustix::fs::ioctl_ficlone(&target, from).map_err(|refused| {
        // It is this function's, and empty.
        let _ = std::fs::remove_file(to);
        refused.into()
    })
}

/// A command that no signal of the caller's terminal reaches: in a session of its own.
#[cfg(not(target_os = "macos"))]
pub(crate) fn detached(program: &str) -> Command {
    // It is on every Linux, and asking the kernel ourselves between fork and exec would be unsafe code.
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

/// A command that no signal of the caller's terminal reaches: in a process group of its own.
#[cfg(target_os = "macos")]
pub(crate) fn detached(program: &str) -> Command {
    let mut command = Command::new(program);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}
