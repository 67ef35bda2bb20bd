//! The jobs of the state machine, done: one thread keeps the machine, each job has one of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use helix_vm::HostNetwork;
use helix_vm::life::{EncoderState, Error as VmError, Event, State as VmState, SystemClock, Up, UpConfig, Vm};

use crate::app::App;
use crate::error::Error;
use crate::journal::Journal;
use crate::machine::{Input, Job, Machine, Report, Seen, State};
use crate::single::{self, Single};

/// How often the VM is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long a guest has to come up: an emulated one needs minutes.
const BOOT: Duration = Duration::from_secs(900);
/// How long a guest has to power off before force is used.
const SHUTDOWN: Duration = Duration::from_secs(90);

/// What is launched.
#[derive(Debug)]
pub struct Settings {
    /// What the VM is made from and run with.
    pub app: App,
    /// The VM.
    pub vm: Vm,
    /// How many processors the guest has, instead of half of the computer's.
    pub cpus: Option<u32>,
    /// The guest's memory in MiB, instead of half of the computer's.
    pub memory_mib: Option<u64>,
    /// The graphics device's window of the computer's memory in MiB, instead of what fits the computer.
    pub graphics_mib: Option<u64>,
    /// Whether the guest takes over the computer's proxy and trust store.
    pub host_network_settings: bool,
    /// Whether the first start takes the app's image where the VM was made from another one.
    pub update: bool,
    /// Whether the browser is opened when the guest is up.
    pub browse: bool,
}

/// A launcher that is the only one of its VM.
#[derive(Debug)]
pub struct Launcher {
    settings: Arc<Settings>,
    _single: Single,
    send: Sender<Input>,
    inputs: Receiver<Input>,
}

impl Launcher {
    /// The launcher of `settings.vm`, or the words of one that is there already: that one's guest is shown instead.
    ///
    /// # Errors
    /// When the folder of VMs cannot be used.
    pub fn new(settings: Settings) -> Result<Result<Self, String>, Error> {
        let Some(single) = Single::take(&settings.vm)? else {
            return single::second(&settings.vm, settings.browse).map(Err);
        };
        let (send, inputs) = channel();
        Ok(Ok(Self { settings: Arc::new(settings), _single: single, send, inputs }))
    }

    /// Where inputs go, from any thread.
    pub fn inputs(&self) -> Sender<Input> {
        self.send.clone()
    }

    /// The VM's folder of sockets and logs.
    pub fn logs(&self) -> PathBuf {
        self.settings.vm.folder().join("run")
    }

    /// Starts the VM and keeps it until [`Input::Quit`]. `show` hears of each change.
    pub fn run(self, show: &mut dyn FnMut(&State)) {
        let journal = Journal::of(&self.settings.vm);
        let (mut machine, mut shown) = (Machine::default(), State::Stopped);
        let mut interrupted = Arc::new(AtomicBool::new(false));
        let updated = Arc::new(AtomicBool::new(false));
        let mut input = Input::Start;
        loop {
            let step = machine.handle(input);
            if machine.state() != &shown {
                if std::mem::discriminant(&shown) != std::mem::discriminant(machine.state()) {
                    journal.note(&format!("{:?}", machine.state()));
                }
                shown = machine.state().clone();
                show(&shown);
            }
            if machine.is_over() {
                return;
            }
            if step.interrupt {
                interrupted.store(true, Ordering::Relaxed);
            }
            if let (true, true, State::Ready { api, .. }) = (step.open, self.settings.browse, &shown) {
                crate::browser::open(&crate::browser::address(*api));
            }
            if let Some(job) = step.job {
                interrupted = Arc::default();
                let worker = Worker {
                    settings: self.settings.clone(),
                    interrupted: interrupted.clone(),
                    updated: updated.clone(),
                    send: self.send.clone(),
                };
                std::thread::spawn(move || worker.run(job));
            }
            input = match self.inputs.recv_timeout(LOOK) {
                Ok(input) => input,
                Err(RecvTimeoutError::Timeout) => Input::Tick,
                Err(RecvTimeoutError::Disconnected) => Input::Quit,
            };
        }
    }
}

/// One job.
struct Worker {
    settings: Arc<Settings>,
    interrupted: Arc<AtomicBool>,
    /// Whether the update that the settings ask for was tried: one that did not come up is not tried at each start.
    updated: Arc<AtomicBool>,
    send: Sender<Input>,
}

impl Worker {
    fn run(&self, job: Job) {
        // A job that panics must not leave the machine waiting for it.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.job(job)));
        let report = match done {
            Ok(Ok(report)) => report,
            Ok(Err(error)) if error.is_interruption() => Report::Interrupted,
            Ok(Err(error)) => Report::Failed(error.to_string()),
            Err(_) => Report::Failed(format!("the launcher has a fault: its job {job:?} panicked")),
        };
        self.tell(report);
    }

    fn tell(&self, report: Report) {
        // Without a machine nobody has to know.
        let _ = self.send.send(Input::Report(report));
    }

    fn job(&self, job: Job) -> Result<Report, Error> {
        match job {
            Job::Up if self.settings.update && !self.updated.swap(true, Ordering::Relaxed) && self.wants_image()? => {
                self.update()
            }
            Job::Up => self.up(),
            Job::Update => self.update(),
            Job::Down => self.down(),
            Job::Look => self.look(),
        }
    }

    fn vm(&self) -> &Vm {
        &self.settings.vm
    }

    fn up(&self) -> Result<Report, Error> {
        let image = if self.vm().exists() { None } else { Some(self.image()?) };
        let config = UpConfig {
            programs: self.settings.app.programs.clone(),
            image,
            cpus: self.settings.cpus,
            memory_mib: self.settings.memory_mib,
            graphics_mib: self.settings.graphics_mib,
            host_network: self.host_network()?,
            encoder: self.settings.app.encoder.clone(),
            deadline: BOOT,
            interrupted: self.interrupted.clone(),
        };
        let up = self.vm().up(&config, &mut |event| self.event(event));
        let Up { ports, encoder, .. } = up.map_err(|error| self.went_back(error))?;
        self.forget_download()?;
        let encoder_ended = encoder == EncoderState::Ended;
        Ok(Report::Up { api: ports.api, update: self.another_image()?, encoder_ended })
    }

    /// They are read at each start: a laptop is in one network now, and in another one then.
    fn host_network(&self) -> Result<Option<HostNetwork>, Error> {
        let network = self.settings.host_network_settings.then(HostNetwork::of_this_computer).transpose();
        Ok(network.map_err(VmError::from)?)
    }

    /// A guest that does not come up from another image is ended, and the system disk from before is taken back.
    fn went_back(&self, error: VmError) -> Error {
        let VmError::Guest { name, failure, runs, can_roll_back: true } = error else { return error.into() };
        match self.vm().down(SHUTDOWN).and_then(|_| self.vm().roll_back()) {
            Ok(_) => Error::WentBack(failure),
            Err(second) => {
                Journal::of(self.vm()).note(&format!("going back: {second}"));
                VmError::Guest { name, failure, runs, can_roll_back: true }.into()
            }
        }
    }

    fn event(&self, event: Event<'_>) {
        self.tell(match event {
            Event::Copying { done, all } => Report::Preparing(format!("copying the image, {}", megabytes(done, all))),
            Event::Note(text) => Report::Starting(text),
            Event::Booting(progress) => Report::Starting(format!("{}: {}", progress.stage, progress.last_line)),
        });
    }

    /// The folder of the image with its disk, which is downloaded where the app has none.
    fn image(&self) -> Result<PathBuf, Error> {
        let App { image, download, .. } = &self.settings.app;
        let Some(download) = download else { return Ok(image.folder.clone()) };
        let folder = download.folder(self.home());
        let mut advance =
            |done| self.tell(Report::Preparing(format!("downloading the image, {}", megabytes(done, download.size))));
        download.fetch(&folder.join("disk.qcow2"), &self.interrupted, &mut advance)?;
        let (from, to) = (image.folder.join("manifest.json"), folder.join("manifest.json"));
        std::fs::copy(&from, &to).map_err(Error::io("copying", &from))?;
        Ok(folder)
    }

    /// The folder of all VMs.
    fn home(&self) -> &Path {
        self.vm().home()
    }

    /// A disk that was downloaded is copied by now, or of another app.
    fn forget_download(&self) -> Result<(), Error> {
        let folder = self.home().join(".download");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing", &folder)(error)),
            _ => Ok(()),
        }
    }

    /// Whether the VM was made from another image than the app's.
    fn another_image(&self) -> Result<bool, Error> {
        Ok(self.vm().exists() && self.vm().status()?.sha256 != self.settings.app.image.sha256)
    }

    /// Whether an update has something to do: a VM whose file is damaged is mended by any image.
    fn wants_image(&self) -> Result<bool, Error> {
        match self.another_image() {
            Err(Error::Vm(helix_vm::life::Error::Damaged { .. })) => Ok(true),
            other => other,
        }
    }

    /// What can fail without harm comes first.
    fn update(&self) -> Result<Report, Error> {
        let image = self.image()?;
        self.vm().down(SHUTDOWN)?;
        let mut advance =
            |done, all| self.tell(Report::Preparing(format!("copying the image, {}", megabytes(done, all))));
        self.vm().reset(Some(&image), &mut advance)?;
        self.up()
    }

    /// After a sleep of the computer the guest's clock is set. One that cannot be set is no reason to look away from the VM.
    fn follow_clock(&self) {
        let told = match self.vm().follow_clock(&SystemClock) {
            Ok(None) => return,
            Ok(Some(set)) => set.to_string(),
            Err(error) => error.to_string(),
        };
        Journal::of(self.vm()).note(&told);
    }

    fn down(&self) -> Result<Report, Error> {
        if self.vm().exists() {
            self.vm().down(SHUTDOWN)?;
        }
        Ok(Report::Down)
    }

    fn look(&self) -> Result<Report, Error> {
        self.vm().cut_logs()?;
        self.follow_clock();
        let status = self.vm().status()?;
        let vm = match status.state {
            VmState::Ended | VmState::Stopped => Seen::Ended,
            VmState::Paused => Seen::Paused(status.detail.unwrap_or_default()),
            VmState::Unattended => Seen::Unattended,
            // One that does not answer may be busy, and is ended gently or not by whoever quits.
            VmState::Running | VmState::Busy | VmState::Stuck => Seen::Fine,
        };
        Ok(Report::Seen { vm, encoder_ended: status.encoder == EncoderState::Ended })
    }
}

fn megabytes(done: u64, all: u64) -> String {
    format!("{} of {} MB", done / 1_000_000, all / 1_000_000)
}
