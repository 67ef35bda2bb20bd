//! What the kernel starts for every program of a foreign architecture.
//!
//! `binfmt_misc` (flags P and F) calls this with the program's path, its own first argument and the rest. Where a twin of
//! the program exists, the same tool built for this machine, the twin runs; everything else is emulated.
//!
//! `build.rs` compiles this file alone, as a static executable, because it runs inside trees of any distribution.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Where `emulation.rs` mounts the twins and the emulator inside a tree.
const TWINS: &str = "/run/helix/twins";
const EMULATOR: &str = "/run/helix/emulator";

fn main() {
    let mut args = std::env::args_os().skip(1);
    let (Some(program), Some(argv0)) = (args.next(), args.next()) else {
        eprintln!("this program is started by the kernel, for programs of a foreign architecture");
        std::process::exit(127);
    };
    let rest: Vec<OsString> = args.collect();
    let twin = std::fs::canonicalize(&program)
        .ok()
        .and_then(|real| Some(Path::new(TWINS).join(real.strip_prefix("/").ok()?)))
        .filter(|twin| twin.exists());
    let failure = match twin {
        Some(twin) => Command::new(twin).arg0(argv0).args(rest).exec(),
        None => Command::new(EMULATOR).arg("-0").arg(argv0).arg(&program).args(rest).exec(),
    };
    eprintln!("{}: cannot be started: {failure}", Path::new(&program).display());
    std::process::exit(126);
}
