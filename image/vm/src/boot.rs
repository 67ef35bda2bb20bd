//! From an image to a running, settled guest, or to a report of why there is none.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use helix_command::Cmd;

use crate::accel::{self, AccelReport};
use crate::agent::Agent;
use crate::child::QemuChild;
use crate::diagnosis::Diagnosis;
use crate::failure::{BootFailure, GuestFailure, Reason};
use crate::folder::RunFolder;
use crate::guest::{SettleWatch, Settled};
use crate::life::Sizes;
use crate::machine::{Arch, DataDisk, DiskFormat, Machine};
use crate::overlay;
use crate::pace::{Pace, Usual};
use crate::process::Process;
use crate::programs::{Error, Programs, QemuFacts};
use crate::qmp::Qmp;
use crate::report::Timings;
use crate::running::Running;
use crate::seed::Seed;
use crate::serial::{SerialLog, Stage};
use crate::vsock;

/// The pause between two looks at the guest.
const POLL: Duration = Duration::from_millis(200);
/// How long one question to the agent may hold up the look at everything else before the agent has answered once; of a guest
/// of the usual pace.
const PING: Duration = Duration::from_millis(800);
/// How long QEMU has to answer.
const QMP_ANSWER: Duration = Duration::from_secs(5);

/// What to boot, and how.
#[derive(Debug, Clone)]
pub struct BootConfig {
    /// QEMU and its firmware.
    pub programs: Programs,
    /// The folder of this run; it is created. Keep its path short: Unix sockets are made in it.
    pub run_folder: PathBuf,
    /// The image, as qcow2. It is never written to.
    pub image: PathBuf,
    /// The size of the root disk in MiB, when it is to be larger than the image: the guest then grows at first boot.
    pub disk_size_mib: Option<u64>,
    /// A second disk and its format; the guest writes to it.
    pub data_disk: Option<(PathBuf, DiskFormat)>,
    /// What the guest is told at its first boot.
    pub seed: Option<Seed>,
    /// The guest's architecture.
    pub arch: Arch,
    /// What executes the guest's instructions; without it, [`accel::probe`] is asked.
    pub accelerator: Option<AccelReport>,
    /// How many processors the guest has.
    pub cpus: u32,
    /// The guest's memory in MiB.
    pub memory_mib: u64,
    /// The port on 127.0.0.1 that leads to the guest's port 22.
    pub ssh_port: Option<u16>,
    /// Whether the guest can reach a host encoder: by a port of virtio-serial, [`RunFolder::encoder_socket`], and with
    /// [`Programs::vsock`] also by vsock, [`RunFolder::encoder_vsock`].
    pub encoder: bool,
    /// How long a guest of the usual pace has to settle, from the start of QEMU; see [`Pace`].
    pub deadline: Duration,
    /// Whether a system with failed units counts as booted.
    pub allow_degraded: bool,
}

impl BootConfig {
    /// The program of the vsock device, if this machine has one.
    fn vsock(&self) -> Option<&Cmd> {
        self.programs.vsock.as_ref().filter(|_| self.encoder)
    }
}

/// What a boot is doing.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// How far it has come.
    pub stage: Stage,
    /// The time since QEMU was started.
    pub elapsed: Duration,
    /// The last line of the serial console, readable.
    pub last_line: &'a str,
}

/// Boots `config.image` and waits until the guest has settled. `progress` is called several times a second.
///
/// Where QEMU can, it ends with the process that started it. Linux takes the *thread* for that: call this on a thread
/// that lives at least as long as the machine.
///
/// # Errors
/// When QEMU cannot be started, ends early, or the guest does not settle in time and without failed units (unless those
/// are allowed). QEMU has ended by then; the run folder stays.
pub fn boot(config: &BootConfig, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Running, BootFailure> {
    let folder = RunFolder::prepare(&config.run_folder)?;
    let facts = QemuFacts::ask(&config.programs)?;
    let accelerator = match &config.accelerator {
        Some(report) => report.clone(),
        None => accel::probe(&config.programs, config.arch, folder.path())?,
    };
    tracing::info!("accelerator: {accelerator}");
    let machine = prepare(config, &folder, &accelerator, &facts)?;
    let vsock = config.vsock().map(|program| vsock::start(program, &config.programs, &folder)).transpose()?;
    let command = config.programs.qemu.clone().args(machine.arguments());
    let child = QemuChild::start(&command, &folder.qemu_log())?;
    let booting = Booting::new(Box::new(child), folder, accelerator, facts);
    let watched = booting.watch(config.deadline, config.allow_degraded, &AtomicBool::new(false), progress);
    let mut running = watched.map_err(BootFailure::Guest)?;
    running._vsock = vsock;
    Ok(running)
}

/// Makes the files of the run and names them in the machine.
fn prepare(
    config: &BootConfig,
    folder: &RunFolder,
    accelerator: &AccelReport,
    facts: &QemuFacts,
) -> Result<Machine, Error> {
    folder.copy_firmware_vars(&config.programs.firmware_vars)?;
    overlay::create(&config.programs, &config.image, &folder.overlay(), config.disk_size_mib)?;
    config.seed.as_ref().map_or(Ok(()), |seed| seed.write(&folder.seed()))?;
    let seen = |path: &Path| config.programs.seen(path);
    let sizes = Sizes { cpus: config.cpus, memory_mib: config.memory_mib };
    let (programs, chosen) = (&config.programs, accelerator.chosen);
    let data_disk = config.data_disk.as_ref();
    Ok(Machine {
        throwaway: true,
        data_disk: data_disk
            .map(|(path, format)| Ok::<_, Error>(DataDisk { path: seen(path)?, format: *format }))
            .transpose()?,
        seed: config.seed.as_ref().map(|_| seen(&folder.seed())).transpose()?,
        ssh_port: config.ssh_port,
        encoder_socket: config.encoder.then(|| seen(&folder.encoder_socket())).transpose()?,
        vsock_device: config.vsock().map(|_| seen(&folder.vsock_device())).transpose()?,
        exit_with_parent: facts.exit_with_parent,
        ..Machine::in_folder(programs, folder, config.arch, chosen, sizes, &folder.overlay())?
    })
}

/// A guest that is on its way up.
pub(crate) struct Booting {
    child: Box<dyn Process>,
    folder: RunFolder,
    accelerator: AccelReport,
    facts: QemuFacts,
    serial: SerialLog,
    started: Instant,
    timings: Timings,
    /// When a guest of the usual pace reaches the stages, and the pace that this one has shown.
    usual: Usual,
    pace: Pace,
    qmp: Option<Qmp>,
    agent: Option<Agent>,
    /// Set once the agent has answered.
    settling: Option<SettleWatch>,
}

impl Booting {
    /// `child` has been started with the sockets and logs of `folder`.
    pub(crate) fn new(child: Box<dyn Process>, folder: RunFolder, accelerator: AccelReport, facts: QemuFacts) -> Self {
        let (serial, timings) = (SerialLog::new(&folder.serial_log()), Timings::default());
        let (qmp, agent, settling, started) = (None, None, None, Instant::now());
        let (usual, pace) = (Usual::QUIET, Pace::default());
        Self { child, folder, accelerator, facts, serial, started, timings, usual, pace, qmp, agent, settling }
    }

    /// Waits until the guest has settled, for up to `deadline`, which its pace may stretch, or until `interrupted` is set.
    pub(crate) fn watch(
        mut self,
        deadline: Duration,
        allow_degraded: bool,
        interrupted: &AtomicBool,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Running, Box<GuestFailure>> {
        loop {
            let (stage, last_line) = (self.stage(), self.serial.last_line());
            progress(Progress { stage, elapsed: self.started.elapsed(), last_line: &last_line });
            match self.look() {
                Some(Ok(settled)) => return self.settled(settled, allow_degraded),
                Some(Err(reason)) => return Err(self.failed(reason)),
                None if interrupted.load(Ordering::Relaxed) => return Err(self.failed(Reason::Interrupted)),
                None if self.is_over(deadline) => {
                    let seconds = self.pace.stretch_boot(deadline).as_secs();
                    return Err(self.failed(Reason::Deadline { seconds }));
                }
                None => std::thread::sleep(POLL),
            }
        }
    }

    /// Whether the time is over also by the guest's pace, which is looked at again where the guest can be asked.
    fn is_over(&mut self, deadline: Duration) -> bool {
        let elapsed = self.started.elapsed();
        if elapsed < self.pace.stretch_boot(deadline) {
            return false;
        }
        let asked = self.agent.as_mut().filter(|_| self.settling.is_some());
        asked.is_none_or(|agent| !self.pace.ask(agent)) || elapsed >= self.pace.stretch_boot(deadline)
    }

    /// One look at everything: the end of the boot, good or bad, or nothing yet.
    fn look(&mut self) -> Option<Result<Settled, Reason>> {
        self.serial.read_new();
        self.timings.note(self.stage(), self.started.elapsed());
        self.pace = self.pace.max(self.usual.pace(&self.timings));
        if let Some(status) = self.child.ended() {
            return Some(Err(Reason::QemuEnded { status }));
        }
        if let Some(status) = self.stopped() {
            return Some(Err(Reason::GuestStopped { status }));
        }
        if let Some(message) = self.serial.panic() {
            return Some(Err(Reason::KernelPanic { message: message.to_owned() }));
        }
        self.ask_agent().map(Ok)
    }

    /// The state of a machine that does not run any more.
    fn stopped(&mut self) -> Option<String> {
        if self.qmp.is_none() {
            self.qmp = Qmp::connect(&self.folder.qmp_socket(), QMP_ANSWER).ok();
        }
        let status = self.qmp.as_mut()?.status(QMP_ANSWER).ok()?;
        ["internal-error", "guest-panicked", "io-error", "shutdown"].contains(&status.as_str()).then_some(status)
    }

    /// The settled state. That the agent does not answer is normal for most of a boot, and possible until its end.
    fn ask_agent(&mut self) -> Option<Settled> {
        if self.agent.is_none() {
            self.agent = Agent::connect(&self.folder.agent_socket()).ok();
        }
        let agent = self.agent.as_mut()?;
        match &mut self.settling {
            Some(watch) => watch.look(agent, self.pace).unwrap_or_else(|error| {
                tracing::debug!("{error}");
                None
            }),
            None => {
                agent.ping(self.pace.stretch(PING)).ok()?;
                self.settling = Some(SettleWatch::default());
                self.timings.note(Stage::Agent, self.started.elapsed());
                None
            }
        }
    }

    fn stage(&self) -> Stage {
        if self.settling.is_some() { Stage::Agent } else { self.serial.stage() }
    }

    fn settled(mut self, settled: Settled, allow_degraded: bool) -> Result<Running, Box<GuestFailure>> {
        match &settled {
            Settled::Degraded(units) if !allow_degraded => {
                let units = units.clone();
                return Err(self.failed(Reason::Degraded { units }));
            }
            Settled::Maintenance => return Err(self.failed(Reason::Maintenance)),
            _ => self.timings.note(Stage::Settled, self.started.elapsed()),
        }
        // Both were needed to come here.
        let (Some(qmp), Some(agent)) = (self.qmp.take(), self.agent.take()) else {
            return Err(self.failed(Reason::GuestStopped { status: "no answer from QEMU".into() }));
        };
        Ok(Running {
            child: self.child,
            _vsock: None,
            folder: self.folder,
            accelerator: self.accelerator,
            facts: self.facts,
            serial: self.serial,
            timings: self.timings,
            settled,
            qmp,
            agent,
            pace: self.pace,
        })
    }

    fn failed(mut self, reason: Reason) -> Box<GuestFailure> {
        let elapsed = self.started.elapsed();
        // Who interrupts does not want to wait for a look into the guest.
        let asked = self.settling.is_some() && reason != Reason::Interrupted;
        let alive = self.child.ended().is_none() && asked;
        let diagnosis = self.agent.as_mut().filter(|_| alive).map(|agent| Diagnosis::take(agent, &mut self.pace));
        self.serial.read_new();
        let (stage, qemu_output, serial_tail) = (self.stage(), self.child.output_tail(), self.serial.tail());
        let (accelerator, qemu_version, timings) = (self.accelerator, self.facts.version, self.timings);
        let failure = GuestFailure {
            reason,
            stage,
            elapsed,
            accelerator,
            qemu_version,
            timings,
            slowdown: self.pace,
            qemu_output,
            serial_failures: self.serial.failures(),
            serial_tail,
            diagnosis,
        };
        Box::new(failure)
    }
}

#[cfg(test)]
mod tests;
