//! The verbs on a machine without `cargo xtask`: a Mac.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use helix_bundle::{CheckArgs, Error, Made, MakeArgs, Progress, ValidateArgs, check, make, validate};

/// Makes and checks Helix.app and helix-linux.utm.
#[derive(Debug, Parser)]
#[command(name = "helix-bundle", version)]
enum Verb {
    /// Make them of an image and a sysroot
    Make(Box<MakeArgs>),
    /// Say what is wrong with an app, a package or a disk image
    Check(CheckArgs),
    /// Ask this Mac: Apple's programs about a bundle, then its VM, its encoder and UTM
    Validate(ValidateArgs),
}

/// Plain lines.
struct Lines;

impl Progress for Lines {
    fn begin(&self, step: &str) {
        eprintln!("{step} …");
    }
    fn at(&self, _done: u64, _all: u64) {}
    fn end(&self, summary: &str) {
        eprintln!("  done {summary}");
    }
    fn say(&self, text: &str) {
        eprintln!("  {text}");
    }
}

fn make_here(args: &MakeArgs) -> Result<Made, Error> {
    make(args, &helix_project::sources()?, &Lines)
}

fn main() -> ExitCode {
    let result = match Verb::parse() {
        Verb::Validate(args) => validate(&args, Path::new("."), &Lines).and_then(|validated| {
            if args.json {
                println!("{:#}", serde_json::to_value(&validated).expect("results are plain data"));
            }
            validated.verdict()
        }),
        Verb::Make(args) => make_here(&args).map(|made| {
            made.files.iter().for_each(|file| println!("{}  {}", file.sha256, file.file.display()));
        }),
        Verb::Check(args) => check(&args).and_then(|all| {
            let steps: Vec<String> = all.iter().filter_map(|one| one.not_told.clone()).collect();
            let faults: Vec<String> = all.into_iter().flat_map(|one| one.faults).collect();
            match (faults.is_empty(), steps.is_empty()) {
                (false, _) => Err(Error::Faults { what: "this".to_owned(), faults }),
                (true, false) => Err(Error::NotRun { steps }),
                (true, true) => Ok(()),
            }
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
