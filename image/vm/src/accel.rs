//! Which accelerator executes the guest's instructions, found by trying.
//!
//! That `/dev/kvm` exists, opens and even starts a guest proves little: inside some virtual machines KVM emulates a few
//! thousand instructions of the firmware and gives up with an internal error at the first one that it cannot. The probe
//! therefore boots the firmware itself and believes only what comes out of its serial port.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::child::QemuChild;
use crate::folder::RunFolder;
use crate::machine::{Arch, Args, processor};
use crate::pace::{MOST, Pace};
use crate::platform;
use crate::process::Process;
use crate::programs::{Error, Programs};
use crate::qmp::Qmp;

/// How long the firmware has to show a sign of life. With KVM it takes one or two seconds: on a quiet computer more time would
/// only delay the answer "no".
const PROBE_TIME: Duration = Duration::from_secs(8);
/// How long the emulated firmware takes for that, on two quiet x86_64 processors.
const USUAL_FIRMWARE: Duration = Duration::from_millis(1500);
/// The pause between two looks at the probe.
const POLL: Duration = Duration::from_millis(50);

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// Apple's Hypervisor framework.
    Hvf,
    /// The kernel's virtual machines on Linux.
    Kvm,
    /// Emulation by QEMU, on several threads; works everywhere and is slow.
    Tcg,
}

impl Accelerator {
    /// The value of QEMU's option `-accel`.
    pub(crate) fn option(self) -> &'static str {
        match self {
            // Apple's smallest granule, that of the guest's pages.
            Self::Hvf => "hvf,ipa-granule-size=0x1000",
            Self::Kvm => "kvm",
            Self::Tcg => "tcg,thread=multi",
        }
    }
}

impl std::fmt::Display for Accelerator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hvf => "HVF",
            Self::Kvm => "KVM",
            Self::Tcg => "emulation (TCG)",
        })
    }
}

/// The accelerator that was chosen, and why it is not a better one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccelReport {
    /// The accelerator to use.
    pub chosen: Accelerator,
    /// For each better one, why it is not used.
    pub rejected: Vec<Rejected>,
}

/// An accelerator that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// Why it is not used.
    pub why: String,
}

impl AccelReport {
    fn tcg(why: String) -> Self {
        let rejected = vec![Rejected { accelerator: platform::HARDWARE, why }];
        Self { chosen: Accelerator::Tcg, rejected }
    }
}

impl std::fmt::Display for AccelReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.chosen)?;
        self.rejected.iter().try_for_each(|rejected| write!(f, "; not {}: {}", rejected.accelerator, rejected.why))
    }
}

/// Finds the best accelerator for guests of `arch`. The probe's files go to a folder of their own below `run_folder`.
///
/// A hardware accelerator that does not work is no error: the report says why, and emulation is chosen.
///
/// # Errors
/// When the probe's folder or files cannot be made.
pub fn probe(programs: &Programs, arch: Arch, run_folder: &Path) -> Result<AccelReport, Error> {
    if platform::host_arch() != Some(arch) {
        let why = format!("the guest is {arch} and this machine is {}", std::env::consts::ARCH);
        return Ok(AccelReport::tcg(why));
    }
    Ok(match sign_of_life(programs, arch, run_folder, PROBE_TIME, USUAL_FIRMWARE)? {
        Ok(()) => AccelReport { chosen: platform::HARDWARE, rejected: Vec::new() },
        Err(why) => AccelReport::tcg(why),
    })
}

/// Runs the firmware under the hardware accelerator until it speaks; the inner error says why it does not. When its time is
/// over, the emulated firmware shows how slow the computer is at the moment.
fn sign_of_life(
    programs: &Programs,
    arch: Arch,
    run_folder: &Path,
    time: Duration,
    usual: Duration,
) -> Result<Result<(), String>, Error> {
    let mut hardware = Probe::start(programs, arch, platform::HARDWARE, &run_folder.join("probe"))?;
    match hardware.watch(time) {
        Ok(false) => {}
        ended => return Ok(ended.map(drop)),
    }
    let begun = Instant::now();
    let spoke =
        Probe::start(programs, arch, Accelerator::Tcg, &run_folder.join("emulated"))?.watch(usual.mul_f64(MOST));
    let pace = if spoke == Ok(true) { Pace::of(begun.elapsed(), usual) } else { Pace::default() };
    let time = pace.stretch(time);
    let speaks = hardware.watch(time.saturating_sub(hardware.begun.elapsed()));
    let silent = || format!("the firmware gave no sign of life in {} s", time.as_secs());
    Ok(speaks.and_then(|speaks| if speaks { Ok(()) } else { Err(silent()) }))
}

/// A machine with nothing but the firmware.
struct Probe {
    child: QemuChild,
    folder: RunFolder,
    qmp: Option<Qmp>,
    begun: Instant,
}

impl Probe {
    fn start(programs: &Programs, arch: Arch, accelerator: Accelerator, folder: &Path) -> Result<Self, Error> {
        let folder = RunFolder::prepare(folder)?;
        folder.copy_firmware_vars(&programs.firmware_vars)?;
        let mut args = Args::default();
        args.flags(&["-no-user-config", "-nodefaults", "-display", "none", "-m", "256M"]);
        args.flags(&processor(arch, accelerator));
        args.firmware(&programs.seen(&programs.firmware_code)?, &programs.seen(&folder.firmware_vars())?);
        args.serial(&programs.seen(&folder.serial_log())?);
        args.qmp(&programs.seen(&folder.qmp_socket())?);
        let child = QemuChild::start(&programs.qemu.clone().args(args.list), &folder.qemu_log())?;
        Ok(Self { child, folder, qmp: None, begun: Instant::now() })
    }

    /// Whether the firmware speaks within `time`; the error says why it never will.
    fn watch(&mut self, time: Duration) -> Result<bool, String> {
        let deadline = Instant::now() + time;
        loop {
            // Any byte will do: the first ones of the x86 firmware only clear the screen.
            if std::fs::metadata(self.folder.serial_log()).is_ok_and(|meta| meta.len() > 0) {
                return Ok(true);
            }
            if self.child.ended().is_some() {
                return Err(first_line(&self.child.output_tail(), "QEMU ended at once"));
            }
            if self.qmp.is_none() {
                self.qmp = Qmp::connect(&self.folder.qmp_socket(), POLL).ok();
            }
            let status = self.qmp.as_mut().and_then(|qmp| qmp.status(Duration::from_secs(1)).ok());
            if let Some(status) = status.filter(|status| status != "running") {
                let reason = first_line(&self.child.output_tail(), "no reason given");
                return Err(format!("the guest stopped with {status}; {reason}"));
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The first line that is no warning says it; a dump of registers may follow.
fn first_line(output: &str, otherwise: &str) -> String {
    output.lines().find(|line| !line.contains("warning:")).unwrap_or(otherwise).to_owned()
}

#[cfg(test)]
mod tests;
