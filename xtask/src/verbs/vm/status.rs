//! `vm status`: a line for each VM, or everything about one.

use helix_vm::life::{EncoderState, Home, State, Status};

use crate::cli::VmStatusArgs;
use crate::exit::Failure;

pub(crate) fn run(args: &VmStatusArgs, json: bool) -> Result<(), Failure> {
    let home = Home::find(args.place.home.as_deref())?;
    if let Some(name) = &args.name {
        let vm = home.vm(name)?;
        super::follow_clock(&vm);
        let status = vm.status()?;
        if json {
            crate::verbs::print_json(&status);
        } else {
            show(&status);
        }
        return Ok(());
    }
    let all = home.all()?;
    all.iter().for_each(super::follow_clock);
    // One that is damaged does not keep the others from being shown.
    let statuses: Vec<_> = all.iter().map(|vm| (vm.name(), vm.status())).collect();
    if json {
        let (good, bad): (Vec<_>, Vec<_>) = statuses.into_iter().partition(|(_, status)| status.is_ok());
        let vms: Vec<Status> = good.into_iter().filter_map(|(_, status)| status.ok()).collect();
        let bad = bad.into_iter().filter_map(|(name, status)| Some((name, status.err()?.to_string())));
        let errors: std::collections::BTreeMap<&str, String> = bad.collect();
        crate::verbs::print_json(&serde_json::json!({ "vms": vms, "errors": errors }));
        return Ok(());
    }
    if statuses.is_empty() {
        eprintln!("there is no VM; make one with\n  cargo xtask vm up");
    }
    for (name, status) in &statuses {
        match status {
            Ok(status) => crate::ui::out(&format!("{name:<20} {}", in_words(status))),
            Err(error) => crate::ui::out(&format!("{name:<20} {error}")),
        }
    }
    Ok(())
}

fn in_words(status: &Status) -> String {
    let detail = status.detail.as_deref().unwrap_or("?");
    let name = &status.name;
    match status.state {
        State::Stopped => "stopped".to_owned(),
        State::Ended => "stopped, and not by `vm down`: the guest powered off, or QEMU was killed".to_owned(),
        State::Busy => format!("another command works on it: {detail}"),
        State::Running => "running".to_owned(),
        State::Unattended => format!("starting, and nobody waits for it; do so with: cargo xtask vm up {name}"),
        State::Paused => format!("paused by QEMU ({detail}); when the reason is gone: cargo xtask vm up {name}"),
        State::Stuck => format!("QEMU does not answer ({detail}); end it with: cargo xtask vm down {name}"),
    }
}

fn show(status: &Status) {
    let mut lines = vec![
        ("state", in_words(status)),
        ("image", format!("{} ({}, {})", status.image.display(), status.recipe, status.architecture)),
        ("folder", status.folder.display().to_string()),
        (
            "disks",
            format!(
                "{} MB system, {} MB data",
                status.system_disk_bytes / 1_000_000,
                status.data_disk_bytes / 1_000_000
            ),
        ),
    ];
    let encoder = match status.encoder {
        EncoderState::Running => "running".to_owned(),
        EncoderState::Ended => format!("has ended; start it again with: cargo xtask vm up {}", status.name),
        EncoderState::None => "none".to_owned(),
    };
    lines.push(("host encoder", encoder));
    if let Some(run) = &status.run {
        let pid = run.pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string());
        lines.push(("QEMU", format!("{}, {}, process {pid}", run.qemu_version, run.accelerator)));
        lines.push(("size", format!("{} processors, {} MiB", run.sizes.cpus, run.sizes.memory_mib)));
        let graphics = run.graphics_mib.map_or_else(
            || "frames are copied, without a window of this computer's memory".to_owned(),
            |mib| format!("a window of {mib} MiB of this computer's memory"),
        );
        lines.push(("graphics", graphics));
        let silent = if run.api_answers { "" } else { " (nothing answers there)" };
        let (ssh, api) = (run.ports.ssh, run.ports.api);
        lines.push(("ports", format!("SSH 127.0.0.1:{ssh}, API 127.0.0.1:{api}{silent}")));
        lines.extend((!run.failed_units.is_empty()).then(|| ("failed units", run.failed_units.join(", "))));
    }
    lines.iter().for_each(|(what, text)| crate::ui::out(&format!("{what:<13} {text}")));
}
