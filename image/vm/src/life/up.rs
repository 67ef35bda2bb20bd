//! `vm up`: from nothing, from a stopped machine, or from whatever an interrupted command left, to a guest that is ready.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use super::copy::Copied;
use super::daemon::Daemon;
use super::error::Error;
use super::home::Vm;
use super::image::Image;
use super::ports::Ports;
use super::sizes::Sizes;
use super::state::{self, Config, Run};
use super::{create, encoder, start};
use crate::accel::Accelerator;
use crate::boot::{self, Booting};
use crate::diagnosis::Diagnosis;
use crate::failure::{GuestFailure, Reason};
use crate::guest::Settled;
use crate::host_network::HostNetwork;
use crate::machine::Arch;
use crate::pace::Pace;
use crate::process::Process;
use crate::programs::{Programs, QemuFacts};
use crate::qmp::Qmp;
use crate::running::Running;

/// How often other ports are tried when somebody takes the chosen ones in between.
const ATTEMPTS: u32 = 3;
/// How long QEMU has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How a machine is started.
#[derive(Debug, Clone)]
pub struct UpConfig {
    /// QEMU and its firmware, for the architecture that [`Vm::architecture`] tells.
    pub programs: Programs,
    /// The image that the machine is made from; one that exists needs none.
    pub image: Option<PathBuf>,
    /// How many processors the guest has, instead of half of the computer's.
    pub cpus: Option<u32>,
    /// The guest's memory in MiB, instead of half of the computer's.
    pub memory_mib: Option<u64>,
    /// How much memory of the computer the graphics device of a Mac can show its guest, in MiB, a power of two; instead of what
    /// fits the computer.
    pub graphics_mib: Option<u64>,
    /// What the guest takes over of this computer's network, at this start.
    pub host_network: Option<HostNetwork>,
    /// The host encoder's program; without it none is started.
    pub encoder: Option<PathBuf>,
    /// How long a guest of the usual pace has to settle.
    pub deadline: Duration,
    /// Set by somebody else, it ends [`Vm::up`] soon: nothing half-made stays, and a guest that is on its way goes on.
    pub interrupted: Arc<AtomicBool>,
}

/// What is happening.
#[derive(Debug)]
pub enum Event<'a> {
    /// The image is being copied.
    Copying {
        /// How many bytes are done.
        done: u64,
        /// How many there are.
        all: u64,
    },
    /// Something that people should know.
    Note(String),
    /// The guest is on its way.
    Booting(boot::Progress<'a>),
}

/// A machine that is up.
#[derive(Debug, Clone, Serialize)]
pub struct Up {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether it was up before.
    pub already: bool,
    /// How the image was copied, when the machine was made just now.
    pub created: Option<Copied>,
    /// The ports on 127.0.0.1.
    pub ports: Ports,
    /// Whether something in the guest answers HTTP at the API's port.
    pub api_answers: bool,
    /// What people should know, in words: which ports differ from the preferred ones.
    pub notes: Vec<String>,
    /// Processors and memory.
    #[serde(flatten)]
    pub sizes: Sizes,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// Units of the guest that failed.
    pub failed_units: Vec<String>,
    /// What the guest says of itself, when it has just come up with failed units.
    pub diagnosis: Option<Diagnosis>,
    /// The host encoder.
    pub encoder: encoder::EncoderState,
    /// The time from the call until QEMU was started.
    #[serde(rename = "prepare_seconds", serialize_with = "crate::report::seconds")]
    pub prepare: Duration,
    /// The time from there until the guest had settled.
    #[serde(rename = "boot_seconds", serialize_with = "crate::report::seconds")]
    pub boot: Duration,
    /// The time from there until the end.
    #[serde(rename = "finish_seconds", serialize_with = "crate::report::seconds")]
    pub finish: Duration,
}

impl Vm {
    /// The architecture of the machine, or of the image that it would be made from.
    ///
    /// # Errors
    /// When the machine's file or the image cannot be read.
    pub fn architecture(&self, image: &Path) -> Result<Arch, Error> {
        if self.exists() { Ok(self.config()?.architecture) } else { Ok(Image::read(image)?.architecture) }
    }

    /// Makes the machine where it does not exist, starts it where it does not run, and waits until the guest has settled.
    ///
    /// When the guest does not, QEMU is left running: nothing is lost, somebody can look, and the next call waits on.
    ///
    /// # Errors
    /// When it cannot be made or started, the guest does not settle, or [`UpConfig::interrupted`] is set.
    pub fn up(&self, up: &UpConfig, tell: &mut dyn FnMut(Event<'_>)) -> Result<Up, Error> {
        let begun = Instant::now();
        let _lock = self.lock("up")?;
        self.sweep()?;
        let created = self.create_if_missing(up, tell)?;
        let config = self.config()?;
        self.remove_old_disks(&config)?;
        let qemu = start::qemu(self);
        if qemu.is_alive()? {
            return self.up_again(qemu, up, begun, tell);
        }
        encoder::end(self)?;
        let (running, mut run, prepare) = self.start(&config, up, begun, tell)?;
        let boot = begun.elapsed() - prepare;
        let diagnosis = self.settled(running, &mut run)?;
        let up = self.result(&run, begun, prepare, boot)?;
        Ok(Up { created, diagnosis, ..up })
    }

    fn create_if_missing(&self, up: &UpConfig, tell: &mut dyn FnMut(Event<'_>)) -> Result<Option<Copied>, Error> {
        let image = up.image.as_deref().map(Image::read).transpose()?;
        if self.exists() {
            return match image {
                Some(image) if image.sha256 != self.config()?.sha256 => {
                    Err(Error::OtherImage { name: self.name().to_owned(), image: image.folder })
                }
                _ => Ok(None),
            };
        }
        let Some(image) = image else { return self.must_exist().map(|()| None) };
        // Better now than after the copy.
        Sizes::choose(self.name(), up.cpus, up.memory_mib)?;
        let mut advance = |done, all| tell(Event::Copying { done, all });
        create::create(self, &image, &up.programs, &up.interrupted, &mut advance).map(Some)
    }

    /// Starts QEMU and waits for the guest; also returns the time when QEMU started, counted from `begun`.
    fn start(
        &self,
        config: &Config,
        up: &UpConfig,
        begun: Instant,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(Running, Run, Duration), Error> {
        let mut start = start::prepare(self, config, up)?;
        let mut attempt = 1;
        loop {
            let (qemu, run) = start.go(self, up)?;
            let prepare = begun.elapsed();
            self.ensure_encoder(up, tell)?;
            run.ports.notes().into_iter().for_each(|note| tell(Event::Note(note)));
            let booting =
                Booting::new(Box::new(qemu), start.folder.clone(), run.accelerator.clone(), start.facts.clone());
            let mut progress = |progress: boot::Progress<'_>| tell(Event::Booting(progress));
            match booting.watch(up.deadline, true, &up.interrupted, &mut progress) {
                Ok(running) => return Ok((running, run, prepare)),
                Err(failure) if port_was_taken(&failure) && attempt < ATTEMPTS => {
                    attempt += 1;
                    start.choose_ports()?;
                }
                Err(failure) => return Err(self.not_up(failure)),
            }
        }
    }

    /// The machine's QEMU runs: it is up, or whoever started it was killed and the guest is on its way.
    fn up_again(
        &self,
        qemu: Daemon,
        up: &UpConfig,
        begun: Instant,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<Up, Error> {
        let lost = |why: String| Error::Lost { name: self.name().to_owned(), why };
        let run = self.run().map_err(|error| lost(error.to_string()))?;
        let mut run = run.ok_or_else(|| lost(format!("{} is missing", self.run_file().display())))?;
        self.resume(run.pace).map_err(lost)?;
        self.ensure_encoder(up, tell)?;
        if !run.ready {
            let prepare = begun.elapsed();
            let facts = QemuFacts { version: run.qemu_version.clone(), exit_with_parent: false };
            let booting = Booting::new(Box::new(qemu), self.sockets(), run.accelerator.clone(), facts);
            let mut progress = |progress: boot::Progress<'_>| tell(Event::Booting(progress));
            let watched = booting.watch(up.deadline, true, &up.interrupted, &mut progress);
            let running = watched.map_err(|failure| self.not_up(failure))?;
            let boot = begun.elapsed() - prepare;
            let diagnosis = self.settled(running, &mut run)?;
            let up = self.result(&run, begun, prepare, boot)?;
            return Ok(Up { diagnosis, ..up });
        }
        self.forget_previous(&run);
        let up = self.result(&run, begun, Duration::ZERO, Duration::ZERO)?;
        Ok(Up { already: true, ..up })
    }

    /// A machine that QEMU stopped, because the computer's disk was full, goes on. The error says why it cannot.
    fn resume(&self, pace: Pace) -> Result<(), String> {
        let socket = self.sockets().qmp_socket();
        let answer = pace.stretch(ANSWER);
        let deadline = Instant::now() + answer;
        // Just started, QEMU does not listen yet.
        let mut qmp = loop {
            match Qmp::connect(&socket, answer) {
                Ok(qmp) => break qmp,
                Err(error) if Instant::now() >= deadline => return Err(error.to_string()),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        let status = qmp.status(answer).map_err(|error| error.to_string())?;
        if status == "paused" || status == "io-error" {
            qmp.execute("cont", json!({}), answer).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn ensure_encoder(&self, up: &UpConfig, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        let Some(program) = &up.encoder else { return Ok(()) };
        match encoder::ensure(self, program) {
            // The guest is worth more than its encoder.
            Err(error @ Error::Encoder { .. }) => tell(Event::Note(error.to_string())),
            other => other?,
        }
        Ok(())
    }

    fn not_up(&self, failure: Box<GuestFailure>) -> Error {
        let runs = start::qemu(self).ended().is_none();
        if !runs && let Err(error) = encoder::end(self) {
            // The guest's failure is what has to be told; the next start ends the encoder too.
            tracing::warn!("{error}");
        }
        if failure.reason == Reason::Interrupted {
            return Error::Interrupted { running: runs.then(|| self.name().to_owned()) };
        }
        // What is wrong with vm.json would have been told before the guest was started.
        let can_roll_back = self.config().is_ok_and(|config| config.previous.is_some());
        Error::Guest { name: self.name().to_owned(), failure, runs, can_roll_back }
    }

    /// Remembers that the guest is ready, and its host key; a system disk that was kept for the case that it is not goes.
    /// Returns what a guest with failed units says of itself.
    fn settled(&self, mut running: Running, run: &mut Run) -> Result<Option<Diagnosis>, Error> {
        let mut diagnosis = None;
        if let Settled::Degraded(units) = running.settled() {
            run.failed_units.clone_from(units);
            diagnosis = Some(running.diagnosis());
        }
        self.pin_host_key(&mut running)?;
        (run.ready, run.pace) = (true, running.pace());
        state::write(&self.run_file(), run)?;
        self.forget_previous(run);
        Ok(diagnosis)
    }

    fn result(&self, run: &Run, begun: Instant, prepare: Duration, boot: Duration) -> Result<Up, Error> {
        Ok(Up {
            name: self.name().to_owned(),
            folder: self.folder(),
            already: false,
            created: None,
            ports: run.ports,
            api_answers: run.ports.api_answers(run.pace),
            notes: run.ports.notes(),
            sizes: run.sizes,
            accelerator: run.accelerator.chosen,
            failed_units: run.failed_units.clone(),
            diagnosis: None,
            encoder: encoder::state(self)?,
            prepare,
            boot,
            finish: begun.elapsed() - prepare - boot,
        })
    }
}

/// Whether QEMU ended because a port that was free is so no more.
fn port_was_taken(failure: &GuestFailure) -> bool {
    matches!(failure.reason, Reason::QemuEnded { .. }) && failure.qemu_output.contains("host forwarding")
}
