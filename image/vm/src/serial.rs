//! The guest's serial console: its last lines in a readable form, and how far the boot has come by them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How many lines are kept for a report.
const LINES_KEPT: usize = 40;
/// A line is cut here, in bytes: a guest that never ends one must not fill the memory.
const LINE_LIMIT: usize = 500;

/// How many lines about failures are kept, the first ones: later failures often follow from them.
const FAILURES_KEPT: usize = 20;

/// What the kernel writes when it gives up (`panic()` in kernel/panic.c).
const PANIC: &str = "Kernel panic - not syncing";

/// How far a boot has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// QEMU runs and the guest has not said anything.
    Started,
    /// The firmware has spoken.
    Firmware,
    /// The boot loader was started.
    Loader,
    /// The kernel was started.
    Kernel,
    /// The first process was started.
    Userspace,
    /// The guest agent answers.
    Agent,
    /// systemd has finished its start-up jobs.
    Settled,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Started => "started",
            Self::Firmware => "firmware",
            Self::Loader => "loader",
            Self::Kernel => "kernel",
            Self::Userspace => "userspace",
            Self::Agent => "agent",
            Self::Settled => "settled",
        })
    }
}

/// What the stages up to userspace print, the latest stage first. A console with `quiet` skips some of them.
const MARKS: [(Stage, &[&str]); 3] = [
    (Stage::Userspace, &["systemd[1]: ", "Run /init as init process", "Run /sbin/init as init process", "Welcome to "]),
    (Stage::Kernel, &["EFI stub: ", "Linux version ", "Booting Linux on physical CPU"]),
    (Stage::Loader, &["BdsDxe: starting Boot", "GNU GRUB", "systemd-boot", "Welcome to GRUB!"]),
];

/// The stage that one line of the console shows.
fn stage_of(line: &str) -> Stage {
    // GRUB's greeting would otherwise be taken for that of a system.
    if line.contains("Welcome to GRUB!") {
        return Stage::Loader;
    }
    let shows = |marks: &[&str]| marks.iter().any(|mark| line.contains(mark));
    MARKS.iter().find(|(_, marks)| shows(marks)).map_or(Stage::Firmware, |(stage, _)| *stage)
}

/// Whether systemd says with this line that a unit failed: `[FAILED] Failed to start a.service - A.`, or was left out for that
/// reason: `[DEPEND] Dependency failed for b.mount - /b.`.
fn tells_failure(line: &str) -> bool {
    line.starts_with("[FAILED]") || line.starts_with("[DEPEND]")
}

/// Whether systemd says with this line that it still waits: `[ ***  ] (2 of 2) Job a.device/start running (20s / 90s)`.
fn is_waiting(line: &str) -> bool {
    line.starts_with('[') && (line.contains(" job is running for ") || line.contains(" running ("))
}

/// Follows the file that QEMU writes the console to.
#[derive(Debug)]
pub(crate) struct SerialLog {
    path: PathBuf,
    file: Option<File>,
    /// The line that has not ended yet, as raw bytes.
    partial: Vec<u8>,
    lines: VecDeque<String>,
    failures: Vec<String>,
    stage: Stage,
    panic: Option<String>,
}

impl SerialLog {
    pub(crate) fn new(path: &Path) -> Self {
        let (path, partial, lines) = (path.to_owned(), Vec::new(), VecDeque::new());
        let failures = Vec::new();
        Self { path, file: None, partial, lines, failures, stage: Stage::Started, panic: None }
    }

    /// Takes in what is new. A log that cannot be read yet is an empty one: QEMU creates it.
    pub(crate) fn read_new(&mut self) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let mut chunk = [0; 16 * 1024];
        while let Some(Ok(count @ 1..)) = self.file.as_mut().map(|file| file.read(&mut chunk)) {
            // The x86 firmware first clears the screen and says nothing that could be read.
            self.stage = self.stage.max(Stage::Firmware);
            chunk[..count].iter().for_each(|&byte| self.take(byte));
        }
        // A line that has not ended yet may be the one that a stuck boot ends with.
        self.stage = self.partial_line().map_or(self.stage, |line| self.stage.max(stage_of(&line)));
    }

    fn take(&mut self, byte: u8) {
        let ends = matches!(byte, b'\n' | b'\r');
        if !ends {
            self.partial.push(byte);
        }
        if ends || self.partial.len() == LINE_LIMIT {
            let line = readable(&self.partial);
            self.partial.clear();
            self.keep(line);
        }
    }

    fn keep(&mut self, line: String) {
        if line.is_empty() {
            return;
        }
        self.stage = self.stage.max(stage_of(&line));
        if self.panic.is_none() && line.contains(PANIC) {
            self.panic = Some(line.clone());
        }
        if tells_failure(&line) && self.failures.len() < FAILURES_KEPT {
            self.failures.push(line.clone());
        }
        // On a screen each of these replaces the one before it; a tail full of them would tell nothing.
        if is_waiting(&line) && self.lines.back().is_some_and(|last| is_waiting(last)) {
            self.lines.pop_back();
        }
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The line with which the kernel gave up.
    pub(crate) fn panic(&self) -> Option<&str> {
        self.panic.as_deref()
    }

    /// The furthest stage so far, by the console alone.
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// The last lines, oldest first, with colours and control characters taken out.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.lines.iter().cloned().chain(self.partial_line()).collect()
    }

    /// What systemd said of units that failed, anywhere on the console: all that is known of them without an agent.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.clone()
    }

    /// The very last line.
    pub(crate) fn last_line(&self) -> String {
        self.partial_line().or_else(|| self.lines.back().cloned()).unwrap_or_default()
    }

    fn partial_line(&self) -> Option<String> {
        Some(readable(&self.partial)).filter(|line| !line.is_empty())
    }
}

/// `bytes` as one line of text for people: no escape sequences, no control characters, no white space at the end.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let plain = strip_ansi_escapes::strip(bytes);
    let text = String::from_utf8_lossy(&plain).replace('\t', " ");
    text.chars().filter(|c| !c.is_control()).collect::<String>().trim_end().to_owned()
}

/// `bytes` as lines of text for people, as [`readable`].
pub(crate) fn readable_text(bytes: &[u8]) -> String {
    bytes.split(|&byte| byte == b'\n').map(readable).collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes: &[u8]) -> SerialLog {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut log = SerialLog::new(file.path());
        log.read_new();
        log
    }

    #[test]
    fn a_missing_log_is_an_empty_one() {
        let mut log = SerialLog::new(Path::new("/nonexistent/serial.log"));
        log.read_new();
        assert_eq!((log.stage(), log.tail().len(), log.last_line()), (Stage::Started, 0, String::new()));
    }

    #[test]
    fn colours_cursor_movements_and_control_characters_go() {
        // The start of a real console of AAVMF, then a coloured line of systemd.
        let raw =
            b"\x1b[2J\x1b[001;001H\x1b[=3h\x1b[8;056;240tBdsDxe: No boot\r\n[\x1b[0;32m  OK  \x1b[0m] Reached\x07\r\n";
        assert_eq!(log(raw).tail(), ["BdsDxe: No boot", "[  OK  ] Reached"]);
    }

    #[test]
    fn what_is_no_text_does_no_harm() {
        let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let log = log(&all);
        assert!(log.tail().len() <= LINES_KEPT + 1 && log.tail().iter().all(|line| line.len() <= 4 * LINE_LIMIT));
    }

    #[test]
    fn the_tail_is_bounded_and_keeps_the_unfinished_line() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let log = log((text + "login: ").as_bytes());
        let tail = log.tail();
        assert_eq!((tail.len(), tail[0].as_str(), log.last_line().as_str()), (41, "line 60", "login:"));
    }

    #[test]
    fn a_cleared_screen_is_a_sign_of_the_firmware() {
        let log = log(b"\x1b[2J\x1b[001;001H");
        assert_eq!((log.stage(), log.tail().len()), (Stage::Firmware, 0));
    }

    #[test]
    fn of_lines_that_say_that_systemd_waits_the_last_is_kept() {
        let log =
            log(b"[**  ] Job a/start running (1s / 9s)\r[ ** ] A start job is running for a (2s / 9s)\r\nlogin:\n");
        assert_eq!(log.tail(), ["[ ** ] A start job is running for a (2s / 9s)", "login:"]);
    }

    #[test]
    fn failed_units_are_kept_however_much_follows() {
        let failed = "[\x1b[0;1;31mFAILED\x1b[0m] Failed to start a.service - A thing.\r\n\
                      [\x1b[0;1;38:5:185mDEPEND\x1b[0m] Dependency failed for b.mount - /b.\r\n";
        let log = log(format!("{failed}{}", "[  OK  ] Reached target c.target.\r\n".repeat(100)).as_bytes());
        let failures =
            ["[FAILED] Failed to start a.service - A thing.", "[DEPEND] Dependency failed for b.mount - /b."];
        assert_eq!((log.failures(), log.tail().len()), (failures.map(str::to_owned).to_vec(), LINES_KEPT));
    }

    #[test]
    fn a_panic_is_noticed() {
        let log = log(b"[ 1.0] Kernel panic - not syncing: VFS: no root\n[ 1.1] more\n");
        assert_eq!(log.panic(), Some("[ 1.0] Kernel panic - not syncing: VFS: no root"));
    }

    #[test]
    fn each_stage_has_its_mark() {
        let marks = [
            ("UEFI firmware (version 2026.08", Stage::Firmware),
            ("BdsDxe: starting Boot0001 \"UEFI Misc Device\"", Stage::Loader),
            ("Welcome to GRUB!", Stage::Loader),
            ("EFI stub: Booting Linux Kernel...", Stage::Kernel),
            ("[    0.000000] Linux version 6.12.0", Stage::Kernel),
            ("[    1.2] systemd[1]: systemd 257 running in system mode", Stage::Userspace),
            ("Welcome to Debian GNU/Linux 13 (trixie)!", Stage::Userspace),
        ];
        for (line, stage) in marks {
            assert_eq!(log(line.as_bytes()).stage(), stage, "{line}");
        }
        assert_eq!(log(b"Linux version 6\nplain words\n").stage(), Stage::Kernel);
    }
}
