//! `vm du`: a line for each disk of a VM.

use helix_vm::life::{DiskUse, Du};

use crate::cli::VmName;
use crate::exit::Failure;

pub(crate) fn run(args: &VmName, json: bool) -> Result<(), Failure> {
    let du = super::named(args)?.du()?;
    if json {
        crate::verbs::print_json(&du);
        return Ok(());
    }
    lines(&du).iter().for_each(|line| crate::ui::out(line));
    if let Some(note) = &du.note {
        eprintln!("note: what is used in the guest is not known: {note}");
    }
    Ok(())
}

fn lines(du: &Du) -> Vec<String> {
    let head = format!("{:<12} {:>9} {:>12} {:>13} {:>13}", "", "size", "on this", "used in", "free in");
    let second = format!("{:<12} {:>9} {:>12} {:>13} {:>13}  file", "", "", "computer", "the guest", "the guest");
    let mut lines = vec![head, second];
    lines.extend(du.image.iter().map(|disk| line("image", disk)));
    lines.extend([line("system disk", &du.system_disk), line("data disk", &du.data_disk)]);
    lines.extend(du.former_disks.iter().map(|disk| line("former disk", disk)));
    lines
}

fn line(what: &str, disk: &DiskUse) -> String {
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000));
    let guest = |of: fn(&helix_vm::life::GuestUse) -> u64| size(disk.guest.as_ref().map(of));
    let (used, free) = (guest(|guest| guest.used_bytes), guest(|guest| guest.free_bytes));
    let (whole, here) = (size(disk.virtual_bytes), size(Some(disk.computer_bytes)));
    format!("{what:<12} {whole:>9} {here:>12} {used:>13} {free:>13}  {}", disk.path.display())
}
