//! Progress: bars on a terminal, plain lines elsewhere; and the build log.

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
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

/// How often a step says that it goes on, where no terminal shows it.
const LIFE: Duration = Duration::from_secs(15);

/// Shows progress on standard error.
pub(crate) struct Ui {
    terminal: bool,
    now: Mutex<Option<Now>>,
}

struct Now {
    step: String,
    started: Instant,
    /// On a terminal.
    bar: Option<ProgressBar>,
    /// Elsewhere.
    ticker: Option<Ticker>,
}

impl Ui {
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), now: Mutex::new(None) }
    }

    /// So many bytes of so many are done of a step whose size was not known when it began.
    pub(crate) fn at(&self, done: u64, all: u64) {
        let mut now = self.now.lock().expect("no holder panics");
        let Some(now) = now.as_mut() else { return };
        if let Some(ticker) = &now.ticker {
            ticker.change(|position| *position = Position { done, total: Some(all), ..position.clone() });
        }
        if now.bar.as_ref().is_some_and(|bar| bar.length() != Some(all)) {
            now.bar = Some(Self::bar(&now.step, Some(all)));
        }
        now.bar.iter().for_each(|bar| bar.set_position(done));
    }

    fn bar(step: &str, total: Option<u64>) -> ProgressBar {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match total {
            Some(n) if n > BYTES_FROM => "{spinner} {prefix} [{bar:30}] {bytes}/{total_bytes} {wide_msg}",
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
        let ticker = (!self.terminal).then(|| {
            eprintln!("{step} …");
            Ticker::start(step, total, LIFE, |line| eprintln!("{line}"))
        });
        let now = Now { step: step.to_owned(), started: Instant::now(), bar, ticker };
        *self.now.lock().expect("no holder panics") = Some(now);
    }

    fn advance(&self, units: u64, what: &str) {
        let now = self.now.lock().expect("no holder panics");
        let Some(now) = now.as_ref() else { return };
        if let Some(ticker) = &now.ticker {
            ticker.change(|position| {
                position.done += units;
                what.clone_into(&mut position.what);
            });
        }
        if let Some(bar) = &now.bar {
            bar.inc(units);
            bar.set_message(what.to_owned());
        }
    }

    fn end(&self, summary: &str) {
        let Some(now) = self.now.lock().expect("no holder panics").take() else { return };
        if let Some(bar) = &now.bar {
            bar.finish_and_clear();
        }
        // Its thread has ended before the last line is written.
        drop(now.ticker);
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

/// Sizes above this are bytes.
const BYTES_FROM: u64 = 100_000;

/// How far a step is.
#[derive(Debug, Clone, Default)]
struct Position {
    done: u64,
    total: Option<u64>,
    what: String,
}

impl Position {
    /// The line that says that the step goes on.
    fn line(&self, step: &str, seconds: u64) -> String {
        let far = match self.total {
            Some(total) if total > BYTES_FROM => format!(": {} of {} MB", self.done / 1_000_000, total / 1_000_000),
            Some(total) => format!(": {} of {total}", self.done),
            None => String::new(),
        };
        let what = if self.what.is_empty() { String::new() } else { format!(", {}", self.what) };
        format!("{step}{far}{what} … ({seconds} s)")
    }
}

/// Says from time to time that a step goes on, from a thread that ends with this value.
struct Ticker {
    position: Arc<Mutex<Position>>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Ticker {
    fn start(step: &str, total: Option<u64>, every: Duration, say: impl Fn(String) + Send + 'static) -> Self {
        let position = Arc::new(Mutex::new(Position { total, ..Position::default() }));
        let (ends, end) = channel();
        let (shared, step, started) = (position.clone(), step.to_owned(), Instant::now());
        let thread = std::thread::spawn(move || {
            while end.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let position = shared.lock().expect("no holder panics").clone();
                say(position.line(&step, started.elapsed().as_secs()));
            }
        });
        Self { position, thread: Some((ends, thread)) }
    }

    fn change(&self, change: impl FnOnce(&mut Position)) {
        change(&mut self.position.lock().expect("no holder panics"));
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Some((ends, thread)) = self.thread.take() {
            drop(ends);
            // A thread that panicked has said so.
            let _ = thread.join();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_step_says_that_it_goes_on_and_nothing_after_its_end() {
        let (sender, lines) = channel();
        let ticker = Ticker::start("Fetching 601 packages", Some(601), Duration::from_millis(5), move |line| {
            let _ = sender.send(line);
        });
        ticker.change(|position| *position = Position { done: 7, what: "bash".to_owned(), ..position.clone() });
        let line = lines.iter().find(|line| line.contains("bash")).expect("a line");
        assert_eq!(line, "Fetching 601 packages: 7 of 601, bash … (0 s)");
        drop(ticker);
        // The sender is gone with the thread: what is left was said before.
        assert!(lines.iter().count() < 1000);
    }

    #[test]
    fn large_sizes_are_bytes() {
        let position = Position { done: 5_000_000, total: Some(808_000_000), what: String::new() };
        assert_eq!(position.line("Writing disk.qcow2", 20), "Writing disk.qcow2: 5 of 808 MB … (20 s)");
        assert_eq!(Position::default().line("Booting", 15), "Booting … (15 s)");
    }
}
