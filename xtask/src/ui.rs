//! Progress: bars on a terminal, plain lines elsewhere; and the build log.

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use helix_build::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Prints a line to standard output. A reader that has gone (`| head`) ends this program quietly.
pub(crate) fn out(line: &str) {
    use std::io::Write;
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// Shows progress on standard error.
pub(crate) struct Ui {
    terminal: bool,
    now: Mutex<Option<Now>>,
}

struct Now {
    step: String,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Ui {
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), now: Mutex::new(None) }
    }

    /// So many bytes of so many are done of a step whose size was not known when it began.
    pub(crate) fn at(&self, done: u64, all: u64) {
        let mut now = self.now.lock().expect("no holder panics");
        let Some(now) = now.as_mut().filter(|now| now.bar.is_some()) else { return };
        if now.bar.as_ref().and_then(ProgressBar::length) != Some(all) {
            now.bar = Some(Self::bar(&now.step, Some(all)));
        }
        now.bar.iter().for_each(|bar| bar.set_position(done));
    }

    fn bar(step: &str, total: Option<u64>) -> ProgressBar {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match total {
            Some(n) if n > 100_000 => "{spinner} {prefix} [{bar:30}] {bytes}/{total_bytes} {wide_msg}",
            Some(_) => "{spinner} {prefix} [{bar:30}] {pos}/{len} {wide_msg}",
            None => "{spinner} {prefix} ({elapsed}) {wide_msg}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is fixed").progress_chars("=> "));
        bar.set_prefix(step.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn line(&self, text: &str) {
        let now = self.now.lock().expect("no holder panics");
        match now.as_ref().and_then(|n| n.bar.as_ref()) {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Progress for Ui {
    fn begin(&self, step: &str, total: Option<u64>) {
        tracing::info!("begin: {step}");
        let bar = self.terminal.then(|| Self::bar(step, total));
        if !self.terminal {
            eprintln!("{step} …");
        }
        *self.now.lock().expect("no holder panics") = Some(Now { step: step.to_owned(), started: Instant::now(), bar });
    }

    fn advance(&self, units: u64, what: &str) {
        let now = self.now.lock().expect("no holder panics");
        if let Some(bar) = now.as_ref().and_then(|n| n.bar.as_ref()) {
            bar.inc(units);
            bar.set_message(what.to_owned());
        }
    }

    fn end(&self, summary: &str) {
        let Some(now) = self.now.lock().expect("no holder panics").take() else { return };
        if let Some(bar) = &now.bar {
            bar.finish_and_clear();
        }
        let seconds = now.started.elapsed().as_secs_f32();
        tracing::info!("end: {} after {seconds:.1} s {summary}", now.step);
        let separator = if summary.is_empty() { "" } else { ": " };
        eprintln!("{}{separator}{summary} ({seconds:.1} s)", now.step);
    }

    fn interrupted(&self) -> bool {
        crate::exit::interrupted()
    }

    fn warn(&self, text: &str) {
        tracing::warn!("{text}");
        self.line(&format!("warning: {text}"));
    }
}

/// The log of one run: every command, its output and every warning.
pub(crate) struct BuildLog {
    path: PathBuf,
}

impl BuildLog {
    /// Starts the log at `path`, for the whole process.
    pub(crate) fn start(path: &Path) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = Mutex::new(File::create(path)?);
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(file);
        tracing_subscriber::registry().with(layer).init();
        Ok(Self { path: path.to_owned() })
    }

    /// Puts a copy of the log into the folder of an image.
    pub(crate) fn keep_in(&self, dir: &Path) -> std::io::Result<()> {
        std::fs::copy(&self.path, dir.join("build.log")).map(drop)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
