//! `vm up`: a guest that is ready, whatever was there before.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use helix_build::progress::Progress;
use helix_build::store::Store;
use helix_build::tools::qemu_for_long;
use helix_build::workspace::Workspace;
use helix_rootfs::Arch;
use helix_vm::life::{EncoderState, Event, Up, UpConfig};
use helix_vm::{HostNetwork, Programs};

use super::Copying;
use crate::cli::VmUpArgs;
use crate::exit::{Failure, watch_interrupts};
use crate::ui::Ui;

pub(crate) fn run(args: &VmUpArgs, json: bool) -> Result<(), Failure> {
    let workspace = crate::verbs::workspace()?;
    let vm = super::named(&args.vm)?;
    // One that exists is not compared with an image that nobody named.
    let default = || (!vm.exists()).then(|| workspace.output("quickstart"));
    let image = args.image.clone().or_else(default);
    let arch = match vm.architecture(image.as_deref().unwrap_or(Path::new("")))? {
        helix_vm::Arch::Arm64 => Arch::Arm64,
        helix_vm::Arch::Amd64 => Arch::Amd64,
    };
    // Before anything is fetched.
    let encoder = encoder(args, &workspace)?;
    let config = UpConfig {
        programs: programs(&workspace, arch)?,
        image,
        cpus: args.cpus,
        memory_mib: args.memory,
        graphics_mib: args.graphics_memory,
        host_network: host_network(args)?,
        encoder,
        deadline: Duration::from_secs(args.boot_timeout),
        interrupted: watch_interrupts(),
    };
    let mut up = watch(&vm, &config)?;
    if up.already && config.host_network.is_some() {
        eprintln!("note: the VM was up already: it takes the settings over when it is shut down and started with them");
    }
    let without = !args.no_host_encoder && config.encoder.is_none() && up.encoder != EncoderState::Running;
    let add = format!("cargo xtask build-host-encoder && cargo xtask vm up {}", up.name);
    let note = without.then(|| format!("no host encoder is built, and the VM goes without; to add one: {add}"));
    up.notes.extend(note.clone());
    if json {
        crate::verbs::print_json(&up);
    } else {
        show(&up);
        note.iter().for_each(|note| crate::ui::out(&format!("  note:       {note}")));
    }
    Ok(())
}

/// What the guest takes over of this computer's network, which is told.
fn host_network(args: &VmUpArgs) -> Result<Option<HostNetwork>, Failure> {
    if !args.host_network_settings {
        return Ok(None);
    }
    let network = HostNetwork::of_this_computer().map_err(helix_vm::life::Error::from)?;
    eprintln!("note: {network}");
    Ok(Some(network))
}

fn watch(vm: &helix_vm::life::Vm, config: &UpConfig) -> Result<Up, Failure> {
    let ui = Ui::new();
    let mut copying = Copying::new(&ui);
    let mut last: Option<String> = None;
    let up = vm.up(config, &mut |event| match event {
        Event::Copying { done, all } => copying.advance(done, all),
        Event::Note(text) => ui.warn(&text),
        Event::Booting(progress) => {
            if last.is_none() {
                ui.begin("Starting the VM", None);
            }
            let what = format!("{}: {}", progress.stage, progress.last_line);
            if last.as_ref() != Some(&what) {
                ui.advance(0, &what);
                last = Some(what);
            }
        }
    });
    if last.is_some() {
        ui.end(if up.is_ok() { "ready" } else { "not ready" });
    }
    Ok(up?)
}

fn show(up: &Up) {
    let name = &up.name;
    let again = if up.already { "was up already" } else { "is up" };
    let (cpus, gib) = (up.sizes.cpus, up.sizes.memory_mib as f64 / 1024.0);
    let api = match up.ports.api {
        port if up.api_answers => format!("http://127.0.0.1:{port}"),
        port => format!("nothing answers at 127.0.0.1:{port} yet, which leads to the guest's port 8080"),
    };
    crate::ui::out(&format!(
        "the VM {name} {again}: {cpus} processors, {gib:.1} GiB, {}\n  log in:     cargo xtask vm ssh {name}\n  the API:    \
         {api}\n  SSH:        127.0.0.1:{}\n  shut down:  cargo xtask vm down {name}",
        up.accelerator, up.ports.ssh
    ));
    if !up.failed_units.is_empty() {
        let why = up.diagnosis.as_ref().map(ToString::to_string).unwrap_or_default();
        eprintln!("warning: units of the guest failed: {}{why}", up.failed_units.join(", "));
    }
}

/// QEMU of the tools tree, which is made where it is missing.
fn programs(workspace: &Workspace, arch: Arch) -> Result<Programs, Failure> {
    let store = Store::open(&workspace.cache)?;
    if let Some(programs) = qemu_for_long(workspace, &store, arch) {
        return Ok(programs);
    }
    make_tools(arch)?;
    let missing = || Failure::Other("making the tools tree: it is not in the cache afterwards".to_owned());
    qemu_for_long(workspace, &store, arch).ok_or_else(missing)
}

/// In a process of its own: a build goes on in a namespace, in which no VM is to stay.
fn make_tools(arch: Arch) -> Result<(), Failure> {
    let told = |e: std::io::Error| Failure::Other(format!("making the tools tree: {e}"));
    let mut build = Command::new(std::env::current_exe().map_err(told)?);
    build.args(["build-image", "quickstart", "--until", "tools", "--arch", arch.debian_name()]);
    let status = build.stdout(Stdio::null()).status().map_err(told)?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(5);
    Err(Failure::Verb { code, doing: "making the tools tree".to_owned() })
}

/// The host encoder: the one that is named, which must be there, or the one that was built, if one was.
fn encoder(args: &VmUpArgs, workspace: &Workspace) -> Result<Option<PathBuf>, Failure> {
    if args.no_host_encoder {
        return Ok(None);
    }
    let Some(named) = &args.host_encoder else {
        let host = helix_products::Target::host().map(|host| host.to_string()).unwrap_or_default();
        let built = workspace.root.join("target/host-encoder").join(host).join("helix-host-encoder");
        return Ok(Some(built).filter(|built| built.is_file()));
    };
    let program = std::path::absolute(named).map_err(|e| Failure::Other(format!("{}: {e}", named.display())))?;
    if program.is_file() {
        return Ok(Some(program));
    }
    let why = format!(
        "there is no host encoder at {}; build it with\n  cargo xtask build-host-encoder\nor go without with\n  cargo xtask vm \
         up {} --no-host-encoder",
        program.display(),
        args.vm.name
    );
    Err(helix_build::Error::Host(why).into())
}
