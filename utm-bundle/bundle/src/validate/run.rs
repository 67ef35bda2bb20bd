//! The app as people start it: a VM of its own comes up, answers questions, and goes down with the app.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use helix_command::Cmd;
use helix_vm::life::{Home, State, Vm};

use super::guest::{QUESTIONS, Question};
use super::{ANSWER, Bundle, Patience, Said, Stop, failed, not_run, program, wait};

const NAME: &str = "validation";

pub(super) fn vm(bundle: &Bundle, patience: Patience) -> Said {
    // Paths of sockets are short, and a user's own folder for such things is not.
    let folder = tempfile::Builder::new().prefix("helix-").tempdir_in("/tmp");
    let folder = folder.map_err(not_run("making a folder in", Path::new("/tmp")))?;
    let home = Home::find(Some(folder.path())).and_then(|home| home.vm(NAME));
    let app = Launched { vm: home.map_err(|error| Stop::NotRun(error.to_string()))?, patience };
    let options = ["--args", "--no-browser", "--name", NAME, "--home"];
    program("open").arg("-n").arg(&bundle.app).args(options).arg(folder.path()).run()?;
    let up = app.up()?;
    // Whatever the guest answers, it has to go down with the app.
    let mut faults = app.questions();
    let down = match app.quit() {
        Ok(down) => down,
        Err(Stop::Failed(why)) => {
            faults.push(why);
            "not down".to_owned()
        }
        Err(other) => return Err(other),
    };
    let said = format!("{up}; {} questions; {down}", QUESTIONS.len());
    if faults.is_empty() { Ok(said) } else { failed(format!("{}; {said}", faults.join("; "))) }
}

/// An app that was started. Whatever comes of it, its guest does not stay behind.
struct Launched {
    vm: Vm,
    patience: Patience,
}

impl Launched {
    fn state(&self) -> Option<State> {
        self.vm.status().ok().map(|status| status.state)
    }

    fn up(&self) -> Said {
        let started = std::time::Instant::now();
        let ready = || match self.state() {
            Some(State::Running) => Ok(Some(true)),
            _ if started.elapsed() > self.patience.launch && !self.lives()? => Ok(Some(false)),
            _ => Ok(None),
        };
        match wait(self.patience.boot, self.patience.look, ready)? {
            Some(true) => {}
            Some(false) => return failed(format!("the app has ended; {}", self.journal())),
            None => {
                return failed(format!(
                    "the guest is {:?} after {:?}; {}",
                    self.state(),
                    self.patience.boot,
                    self.journal()
                ));
            }
        }
        let run = self.vm.status().ok().and_then(|status| status.run);
        let accelerator = run.map(|run| run.accelerator.to_string()).unwrap_or_default();
        Ok(format!("up after {:.1} s by {accelerator}", started.elapsed().as_secs_f64()))
    }

    /// Whether the app has a process.
    fn lives(&self) -> Result<bool, Stop> {
        match program("pgrep").args(["-f", "--"]).arg(ours(self.vm.home())).run() {
            Err(helix_command::Error::Failed { .. }) => Ok(false),
            other => Ok(other.map(|()| true)?),
        }
    }

    /// What the launcher noted last.
    fn journal(&self) -> String {
        let path = self.vm.home().join(format!(".{NAME}.launcher.log"));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return format!("it noted nothing: {}: {error}", path.display()),
        };
        let last: Vec<&str> = text.lines().rev().take(3).collect();
        format!("it noted last: {}", last.into_iter().rev().collect::<Vec<_>>().join("; "))
    }

    /// What the guest answered wrongly.
    fn questions(&self) -> Vec<String> {
        let wrong = |question: &Question| match self.ask(question.command) {
            Ok(answer) if (question.good)(&answer) => None,
            Ok(answer) => Some(format!("{}: {answer:?}", question.otherwise)),
            Err(why) => Some(format!("{}: {why}", question.otherwise)),
        };
        QUESTIONS.iter().filter_map(wrong).collect()
    }

    /// What a command in the guest prints, however it ends.
    fn ask(&self, command: &str) -> Result<String, String> {
        let ssh = self.vm.ssh(&[OsString::from(command)]).map_err(|error| error.to_string())?;
        let ask = Cmd::new(ssh.get_program()).args(["-o", "BatchMode=yes"]).args(ssh.get_args()).arg("|| true");
        let said = ask.limit(ANSWER).output().map_err(|error| error.to_string())?;
        Ok(said.text().trim().to_owned())
    }

    /// Ends the app by the signal that a shutdown of the Mac sends, and waits for its guest and for itself.
    fn quit(&self) -> Said {
        program("pkill").args(["-TERM", "-f", "--"]).arg(ours(self.vm.home())).run()?;
        let started = std::time::Instant::now();
        let down = || Ok((self.state() == Some(State::Stopped) && !self.lives()?).then_some(()));
        match wait(self.patience.shutdown, self.patience.look, down)? {
            Some(()) => Ok(format!("down after {:.1} s", started.elapsed().as_secs_f64())),
            None => failed(format!(
                "the guest is {:?}, and the app {}, long after it was told to end",
                self.state(),
                if self.lives()? { "runs" } else { "has ended" }
            )),
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        let home = self.vm.home();
        // After a good end there is neither.
        let _ = program("pkill").args(["-KILL", "-f", "--"]).arg(ours(home)).run();
        let _ = self.vm.down(Duration::ZERO);
    }
}

/// What is on the command line of this app, and of nothing else.
fn ours(home: &Path) -> OsString {
    let mut words = OsString::from(format!("--name {NAME} --home "));
    words.push(home);
    words
}
