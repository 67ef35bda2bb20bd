//! Exit codes: the one table of `docs/src/exit-codes.md`, and how a failure is shown.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use helix_build::{Error, Kind};

/// What can end a verb other than success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The pipeline failed.
    Pipeline(Error),
    /// Images could not be put into a data root.
    Graph(helix_docker_graph::Error),
    /// The host encoder was not built, or is not as it should be.
    HostEncoder(helix_host_encoder_artifacts::Error),
    /// The bundle was not made, or could not be looked at.
    Bundle(helix_bundle::Error),
    /// A virtual machine could not be started, ended or asked.
    Vm(helix_vm::life::Error),
    /// Something is wrong that the verb has shown already, such as a difference or a damaged file.
    Found(String),
    /// A verb run by this one failed, with its exit code and its own words.
    Verb {
        /// The exit code.
        code: u8,
        /// What was tried.
        doing: String,
    },
    /// A program or a file of the verb's own failed.
    Other(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Pipeline(error)
    }
}

impl From<helix_docker_graph::Error> for Failure {
    fn from(error: helix_docker_graph::Error) -> Self {
        Self::Graph(error)
    }
}

impl From<helix_host_encoder_artifacts::Error> for Failure {
    fn from(error: helix_host_encoder_artifacts::Error) -> Self {
        Self::HostEncoder(error)
    }
}

impl From<helix_bundle::Error> for Failure {
    fn from(error: helix_bundle::Error) -> Self {
        Self::Bundle(error)
    }
}

impl From<helix_vm::life::Error> for Failure {
    fn from(error: helix_vm::life::Error) -> Self {
        Self::Vm(error)
    }
}

impl From<helix_command::Error> for Failure {
    fn from(error: helix_command::Error) -> Self {
        Self::Other(error.to_string())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pipeline(e) => e.fmt(f),
            Self::Graph(e) => e.fmt(f),
            Self::HostEncoder(e) => e.fmt(f),
            Self::Bundle(e) => e.fmt(f),
            Self::Vm(e) => e.fmt(f),
            Self::Verb { doing, .. } => write!(f, "{doing} failed, for the reason above"),
            Self::Found(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

/// The table. clap itself ends with 2 on a command line it does not understand.
const TABLE: [(u8, &str, &str); 8] = [
    (0, "ok", "done, and every check passed"),
    (2, "usage", "the command line asks for something that does not exist, or that cannot be done now"),
    (3, "recipe", "the recipe, its lock, or a file, image or VM that is named is at fault"),
    (4, "host", "this machine is not ready; the message names the command that helps"),
    (5, "build", "a step failed: a download, a package, a full disk"),
    (6, "check-failed", "the image does not boot, or a check says no; or a verb found what it looks for"),
    (7, "check-could-not-run", "a check could not be run: the image may be good or bad"),
    (130, "interrupted", "stopped by Ctrl-C; the next run goes on where this one was"),
];

/// The table as Markdown, for the book.
pub(crate) fn table() -> String {
    let rows: Vec<String> = TABLE.iter().map(|(code, name, text)| format!("| {code} | {name} | {text} |")).collect();
    format!("| code | name | meaning |\n|---|---|---|\n{}\n", rows.join("\n"))
}

/// The table as text, for `--help`.
pub(crate) fn help() -> String {
    let rows: Vec<String> = TABLE.iter().map(|(code, name, text)| format!("  {code:>3}  {name:<20} {text}")).collect();
    format!("Exit codes:\n{}", rows.join("\n"))
}

fn code(failure: &Failure) -> u8 {
    if interrupted() {
        return 130;
    }
    match failure {
        Failure::Found(_) => 6,
        Failure::Other(_) => 5,
        Failure::Verb { code, .. } => *code,
        Failure::HostEncoder(error) => error.exit_code(),
        Failure::Bundle(error) => error.exit_code(),
        Failure::Vm(error) => match error.kind() {
            helix_vm::life::Kind::Usage => 2,
            helix_vm::life::Kind::Image => 3,
            helix_vm::life::Kind::Host => 4,
            helix_vm::life::Kind::System => 5,
            helix_vm::life::Kind::Guest => 6,
            helix_vm::life::Kind::Interrupted => 130,
        },
        Failure::Graph(error) => match error {
            helix_docker_graph::Error::Image { .. } => 3,
            helix_docker_graph::Error::DataRoot { .. } => 4,
            helix_docker_graph::Error::Transfer { .. }
            | helix_docker_graph::Error::Io { .. }
            | helix_docker_graph::Error::System { .. } => 5,
        },
        Failure::Pipeline(error) => match error.kind() {
            Kind::Usage => 2,
            Kind::Recipe => 3,
            Kind::Host => 4,
            Kind::Build => 5,
            Kind::CheckFailed => 6,
            Kind::CheckCouldNotRun => 7,
        },
    }
}

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on the first Ctrl-C only sets a flag: programs under way get it too and fail, and everything is cleaned up
/// on the way out. The second one ends this program at once. Returns the flag.
pub(crate) fn watch_interrupts() -> Arc<AtomicBool> {
    let flag = INTERRUPTED.get_or_init(Arc::default).clone();
    let signal = signal_hook::consts::SIGINT;
    // Without a handler Ctrl-C simply ends the program, which loses nothing but the clean-up.
    let _ = signal_hook::flag::register_conditional_default(signal, flag.clone());
    let _ = signal_hook::flag::register(signal, flag.clone());
    flag
}

/// Whether Ctrl-C was pressed.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Set when a verb has printed its document.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// Prints a value as the one JSON document of a verb.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    PRINTED.store(true, Ordering::Relaxed);
    crate::ui::out(&format!("{:#}", serde_json::to_value(value).expect("results are plain data")));
}

/// What clap says of the command line: help and version, or what it does not understand, with `--json` as a document too.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let is_error = error.use_stderr();
    if is_error && std::env::args_os().any(|word| word == "--json") {
        print_error(2, &error.render().to_string(), &serde_json::Value::Null, None);
    }
    // A reader that has gone needs no help.
    let _ = error.print();
    ExitCode::from(if is_error { 2 } else { 0 })
}

fn print_error(code: u8, message: &str, faults: &serde_json::Value, guest: Option<&helix_vm::GuestFailure>) {
    let name = TABLE.iter().find(|(c, ..)| *c == code).map_or("unknown", |(_, name, _)| name);
    let error = serde_json::json!({ "code": code, "kind": name, "message": message, "faults": faults, "guest": guest });
    print_json(&serde_json::json!({ "error": error }));
}

/// What is known of a guest that does not come up.
fn guest(failure: &Failure) -> Option<&helix_vm::GuestFailure> {
    match failure {
        Failure::Pipeline(Error::DoesNotBoot { failure, .. }) => Some(failure),
        Failure::Vm(helix_vm::life::Error::Guest { failure, .. }) => Some(failure),
        _ => None,
    }
}

/// Shows a failure and turns the result into an exit code. With `--json` it becomes the verb's document, unless the verb has
/// printed one that says what it found.
pub(crate) fn finish(result: Result<(), Failure>, json: bool) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    let code = code(&failure);
    if json && !PRINTED.load(Ordering::Relaxed) {
        let faults = match &failure {
            Failure::Pipeline(Error::Recipe(faults)) => serde_json::to_value(faults).unwrap_or_default(),
            _ => serde_json::Value::Null,
        };
        print_error(code, &failure.to_string(), &faults, guest(&failure));
    }
    match code {
        // It says itself what goes on.
        130 if matches!(&failure, Failure::Vm(error) if error.kind() == helix_vm::life::Kind::Interrupted) => {
            eprintln!("{failure}");
        }
        130 => eprintln!("interrupted; the next run goes on where this one was"),
        _ => eprintln!("error: {failure}"),
    }
    ExitCode::from(code)
}
