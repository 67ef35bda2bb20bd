//! Helix.app's executable: keeps a VM up while it runs.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use helix_launcher::{App, Error, Launcher, Settings, contents_of};
use helix_vm::life::Home;

/// Keeps a Helix VM up while it runs. In Helix.app it needs no options.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The image that the VM is made from, run with the system's QEMU [default: the app's own]
    #[arg(long, value_name = "DIR")]
    image: Option<PathBuf>,
    /// The host encoder's program, beside --image
    #[arg(long, value_name = "PROGRAM", requires = "image")]
    host_encoder: Option<PathBuf>,
    /// The VM's name
    #[arg(long, default_value = "default")]
    name: String,
    /// The folder of VMs [default: the system's folder for a user's data]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Processors of the guest [default: half of this computer's]
    #[arg(long, value_name = "N")]
    cpus: Option<u32>,
    /// Memory of the guest in MiB [default: half of this computer's]
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// On a Mac: how much of its memory the graphics device can show the guest, in MiB [default: 256 where there are 16 GiB and
    /// less, 1024 where there is more]
    #[arg(long, value_name = "MIB", value_parser = graphics_memory())]
    graphics_memory: Option<u64>,
    /// Hand this computer's proxy and the certificates that it trusts besides to the guest, its apt and its Docker
    #[arg(long)]
    host_network_settings: bool,
    /// Take the image as the system disk where the VM was made from another one or is damaged; the data disk stays
    #[arg(long)]
    update: bool,
    /// Do not open the browser
    #[arg(long)]
    no_browser: bool,
}

/// Takes a size of QEMU's window of memory: a power of two.
fn graphics_memory() -> impl TypedValueParser<Value = u64> {
    PossibleValuesParser::new(["256", "512", "1024", "2048", "4096", "8192"]).try_map(|mib| mib.parse::<u64>())
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Set the preferences of UTM that helix-linux.utm needs, on a Mac with UTM
    UtmPreferences,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            helix_launcher::complain(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<ExitCode, Error> {
    if let Some(Verb::UtmPreferences) = args.verb {
        return utm_preferences();
    }
    let vm = Home::find(args.home.as_deref())?.vm(&args.name)?;
    let app = app(args.image, args.host_encoder)?;
    let settings = Settings {
        app,
        vm,
        cpus: args.cpus,
        memory_mib: args.memory,
        graphics_mib: args.graphics_memory,
        host_network_settings: args.host_network_settings,
        update: args.update,
        browse: !args.no_browser,
    };
    match Launcher::new(settings)? {
        Ok(launcher) => Ok(helix_launcher::run(launcher)),
        Err(there) => {
            println!("{there}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The parts of the image that was named, else of the app that this program is in.
fn app(image: Option<PathBuf>, encoder: Option<PathBuf>) -> Result<App, Error> {
    if let Some(image) = image {
        let search = std::env::var_os("PATH").unwrap_or_default();
        return App::of_system(&image, encoder, &search, "/usr/share".as_ref());
    }
    let itself = std::env::current_exe().map_err(|source| Error::Io {
        doing: "looking for",
        path: "this program".into(),
        source,
    })?;
    let contents = contents_of(&itself).ok_or_else(|| Error::Missing {
        what: format!("the app around {}", itself.display()),
        help: "name an image with --image DIR".to_owned(),
    })?;
    App::of_bundle(&contents)
}

fn utm_preferences() -> Result<ExitCode, Error> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home =
        home.ok_or_else(|| Error::Missing { what: "HOME".to_owned(), help: "set it to your folder".to_owned() })?;
    for line in helix_launcher::set_utm_preferences(&home, OsStr::new("defaults"))? {
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}
