//! Runs a virtual machine under QEMU: the boot test of an image on Linux, later the application on a Mac.
//!
//! The way through: [`boot`] makes an overlay over the image and starts QEMU ([`Machine`] builds its arguments,
//! [`accel`] chooses the accelerator), waits until the guest agent answers and systemd has settled, and hands back a
//! [`Running`] machine. Its [`Running::check`] runs checks through the agent and gives a [`BootReport`].
//!
//! [`life`] is the same for machines that stay: they have a name and a folder, outlive the program that starts them, and
//! keep their data.
//!
//! Everything is synchronous. What an unknown guest or a broken QEMU sends is read with bounds and deadlines and can
//! fail, but not panic.

pub mod accel;
pub mod agent;
mod boot;
mod checks;
mod child;
mod diagnosis;
mod failure;
mod folder;
mod guest;
mod host_network;
pub mod life;
mod line;
mod machine;
mod overlay;
mod pace;
mod platform;
mod process;
mod programs;
pub mod qmp;
mod report;
mod running;
mod seed;
mod serial;
mod shutdown;
mod ssh;
#[cfg(test)]
mod testing;
mod vsock;

pub use accel::{AccelReport, Accelerator};
pub use boot::{BootConfig, Progress, boot};
pub use checks::{Check, CheckResult, Outcome};
pub use diagnosis::Diagnosis;
pub use failure::{BootFailure, GuestFailure, Reason};
pub use folder::RunFolder;
pub use guest::Settled;
pub use host_network::{Error as HostNetworkError, HostNetwork};
pub use line::LineError;
pub use machine::{Arch, DataDisk, DiskFormat, ENCODER_PORT, ENCODER_VSOCK_PORT, Machine};
pub use overlay::allocated_bytes;
pub use pace::Pace;
pub use programs::{Error, Programs, QemuFacts};
pub use report::{BootReport, Timings};
pub use running::Running;
pub use seed::{Seed, SeedError, TOKEN_FILE};
pub use serial::Stage;
pub use shutdown::{Shutdown, ShutdownOutcome};
pub use ssh::{SshError, SshKey};
