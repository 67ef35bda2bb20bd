//! What the kernel starts for every program of a foreign architecture.
//!
//! `binfmt_misc` (flags P and F) calls this with the program's path, its own first argument and the rest. Where a twin of
//! the program exists, the same tool built for this machine, the twin runs; everything else is emulated.
//!
//! `build.rs` compiles this file alone, as a static executable, because it runs inside trees of any distribution.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `emulation.rs` mounts the twins and the emulator inside a tree.
const TWINS: &str = "/run/helix/twins";
const EMULATOR: &str = "/run/helix/emulator";
/// Where a link of this target, made by `emulation.rs`, stands in place of a twin, the program is emulated.
pub(crate) const NO_TWIN: &str = "no-twin";
/// The kernel follows as many links.
const LINKS: usize = 40;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let (Some(program), Some(argv0)) = (args.next(), args.next()) else {
        eprintln!("this program is started by the kernel, for programs of a foreign architecture");
        std::process::exit(127);
    };
    let rest: Vec<OsString> = args.collect();
    let failure = match twin(Path::new(&program), Path::new(TWINS)) {
        Some(twin) => Command::new(twin).arg0(argv0).args(rest).exec(),
        None => Command::new(EMULATOR).arg("-0").arg(argv0).arg(&program).args(rest).exec(),
    };
    eprintln!("{}: cannot be started: {failure}", Path::new(&program).display());
    std::process::exit(126);
}

/// The twin of a program. Links lead from the name that was called to the file; the first of these names that the twins
/// have too is the one to run. The name decides because a file can be many tools: those of uutils choose by the name
/// that the kernel was given (AT_EXECFN), whatever the first argument says.
pub(crate) fn twin(program: &Path, twins: &Path) -> Option<PathBuf> {
    let mut name = std::path::absolute(program).ok()?;
    for _ in 0..LINKS {
        // Folders can be links: /bin is one.
        let folder = fs::canonicalize(name.parent()?).ok()?;
        name = folder.join(name.file_name()?);
        let twin = twins.join(name.strip_prefix("/").ok()?);
        if fs::read_link(&twin).is_ok_and(|target| target == Path::new(NO_TWIN)) {
            return None;
        }
        // A link of the twins that leads out of them leads to a foreign program.
        if fs::canonicalize(&twin).is_ok_and(|file| file.starts_with(twins)) {
            return Some(twin);
        }
        name = folder.join(fs::read_link(&name).ok()?);
    }
    None
}
