//! What differs between the systems that QEMU runs on. No other module asks which one this is.

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
