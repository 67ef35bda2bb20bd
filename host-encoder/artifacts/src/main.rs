//! Build and check the host encoder where `cargo xtask` does not run: on a Mac.

use std::process::ExitCode;

use clap::Parser;
use helix_host_encoder_artifacts::{BuildArgs, CheckArgs, build, check};

/// Builds the host encoder and checks it.
#[derive(Debug, Parser)]
#[command(version, after_help = "Exit codes are those of `cargo xtask`.")]
enum Verb {
    /// Build the daemon and the library for C
    Build(BuildArgs),
    /// Encode known frames with a daemon, decode them, and measure
    Check(CheckArgs),
}

fn main() -> ExitCode {
    let root = match helix_project::sources() {
        Ok(root) => root,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let say = |text: &str| eprintln!("{text}");
    let done = match Verb::parse() {
        Verb::Build(args) => build(&args, &root, &say).map(|made| print(&made)),
        Verb::Check(args) => check(&args, &root, &say).and_then(|checked| {
            print(&checked);
            checked.verdict()
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn print(value: &impl serde::Serialize) {
    println!("{:#}", serde_json::to_value(value).expect("results are plain data"));
}
