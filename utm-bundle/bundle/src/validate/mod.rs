//! A bundle on a Mac: what Apple's programs say of it, and whether its VM runs there.
//!
//! Everything else of this project judges by its own code. Here macOS is asked, by the programs that it has, so that each claim of
//! the other checks is looked at by somebody else. A step that could not be run is told apart from one that failed.

mod disk_image;
mod guest;
mod macos;
mod run;
mod signatures;
mod utm;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use helix_command::Cmd;
use serde::Serialize;

use crate::args::{StepArg, ValidateArgs};
use crate::error::Error;
use crate::make::{APP, APP_DMG, Progress, UTM_ZIP};

/// How long things may take that end by themselves when they are good.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Until a guest is up: where there is no HVF it is emulated.
    boot: Duration,
    /// Until an app that was opened has a process.
    launch: Duration,
    /// Until it has powered off.
    shutdown: Duration,
    /// Between two looks.
    look: Duration,
}

const PATIENCE: Patience = Patience {
    launch: Duration::from_secs(20),
    boot: Duration::from_secs(900),
    shutdown: Duration::from_secs(150),
    look: Duration::from_secs(2),
};

/// The bundle and its parts.
struct Bundle {
    folder: PathBuf,
    app: PathBuf,
    disk_image: PathBuf,
    utm_archive: PathBuf,
    /// The project's folder.
    root: PathBuf,
}

/// How long a program of the Mac may take for an answer; codesign reads the whole app for one.
const ANSWER: Duration = Duration::from_secs(300);

/// A program of the Mac, which may hang or wait for a consent that nobody gives.
fn program(name: &str) -> Cmd {
    Cmd::new(name).limit(ANSWER)
}

/// What came of a step that is not good.
enum Stop {
    /// It is not as it must be.
    Failed(String),
    /// It cannot be told here.
    NotRun(String),
}

impl From<helix_command::Error> for Stop {
    fn from(error: helix_command::Error) -> Self {
        match error {
            helix_command::Error::Start { .. } | helix_command::Error::TimedOut { .. } => {
                Self::NotRun(error.to_string())
            }
            // Programs of the command line tools are there without these, and only say so.
            helix_command::Error::Failed { ref stderr, .. } if stderr.contains("invalid active developer path") => {
                Self::NotRun(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// A step that is good says what was seen.
type Said = Result<String, Stop>;

fn failed<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(why.into()))
}

/// What could not be done on this computer, and is no fault of the bundle.
fn not_run(doing: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Stop {
    let what = format!("{doing} {}", path.display());
    move |error| Stop::NotRun(format!("{what}: {error}"))
}

/// One step and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What was seen, or why it is not good.
    pub said: String,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is as it must be.
    Passed,
    /// It is not.
    Failed,
    /// It could not be told.
    NotRun,
    /// It was left out, as asked.
    LeftOut,
}

/// A bundle on this Mac.
#[derive(Debug, Clone, Serialize)]
pub struct Validated {
    /// Its folder.
    pub bundle: PathBuf,
    /// All steps, in the order in which they ran.
    pub steps: Vec<Step>,
}

impl Validated {
    /// The verdict: a failure counts more than what could not be run.
    ///
    /// # Errors
    /// When a step failed, or could not be run.
    pub fn verdict(&self) -> Result<(), Error> {
        let those = |outcome| {
            let steps = self.steps.iter().filter(move |step| step.outcome == outcome);
            steps.map(|step| format!("{}: {}", step.name, step.said)).collect::<Vec<_>>()
        };
        let (faults, open) = (those(Outcome::Failed), those(Outcome::NotRun));
        if !faults.is_empty() {
            return Err(Error::Faults { what: self.bundle.display().to_string(), faults });
        }
        if open.is_empty() { Ok(()) } else { Err(Error::NotRun { steps: open }) }
    }
}

/// Runs every step that was not left out; none keeps the next from being run.
///
/// # Errors
/// When there is no bundle.
pub fn validate(args: &ValidateArgs, root: &Path, progress: &dyn Progress) -> Result<Validated, Error> {
    let folder = std::path::absolute(&args.bundle).map_err(Error::io("looking for", &args.bundle))?;
    let app = folder.join(APP);
    if !app.is_dir() {
        return Err(Error::Place {
            path: folder,
            why: "there is no Helix.app in it; make it with\n  cargo xtask bundle",
        });
    }
    let bundle = Bundle {
        app,
        disk_image: folder.join(APP_DMG),
        utm_archive: folder.join(UTM_ZIP),
        root: root.to_owned(),
        folder,
    };
    let mut steps = Vec::new();
    let mut take = |name: StepArg, run: &dyn Fn(&Bundle) -> Said| {
        let step = if args.without.contains(&name) {
            Step { name: name.name(), outcome: Outcome::LeftOut, said: String::new(), seconds: 0.0 }
        } else {
            progress.begin(name.name());
            let step = timed(name.name(), || run(&bundle));
            progress.end(&step.to_string());
            step
        };
        steps.push(step);
    };
    take(StepArg::System, &|_| macos::system());
    take(StepArg::Digests, &macos::digests);
    take(StepArg::Check, &macos::check);
    take(StepArg::Codesign, &signatures::codesign);
    take(StepArg::Entitlements, &signatures::entitlements);
    take(StepArg::Gatekeeper, &signatures::gatekeeper);
    take(StepArg::Libraries, &signatures::libraries);
    take(StepArg::DiskImage, &disk_image::look);
    take(StepArg::Encoder, &macos::encoder);
    take(StepArg::Vm, &|bundle| run::vm(bundle, PATIENCE));
    take(StepArg::Utm, &|bundle| utm::import(bundle, PATIENCE));
    Ok(Validated { bundle: bundle.folder, steps })
}

fn timed(name: &'static str, run: impl FnOnce() -> Said) -> Step {
    let started = Instant::now();
    let (outcome, said) = match run() {
        Ok(said) => (Outcome::Passed, said),
        Err(Stop::Failed(why)) => (Outcome::Failed, why),
        Err(Stop::NotRun(why)) => (Outcome::NotRun, why),
    };
    Step { name, outcome, said, seconds: started.elapsed().as_secs_f64() }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let outcome = match self.outcome {
            Outcome::Passed => "good",
            Outcome::Failed => "FAILED",
            Outcome::NotRun => "could not be run",
            Outcome::LeftOut => "left out",
        };
        write!(f, "{outcome} ({:.1} s){}{}", self.seconds, if self.said.is_empty() { "" } else { ": " }, self.said)
    }
}

/// Asks again and again until there is an answer, or the time is over.
fn wait<T>(
    patience: Duration,
    look: Duration,
    mut question: impl FnMut() -> Result<Option<T>, Stop>,
) -> Result<Option<T>, Stop> {
    let started = Instant::now();
    loop {
        if let Some(answer) = question()? {
            return Ok(Some(answer));
        }
        if started.elapsed() > patience {
            return Ok(None);
        }
        std::thread::sleep(look);
    }
}
