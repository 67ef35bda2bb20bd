//! What UTM 5.0.3 and its QEMU make of values whose types are right: `Configuration/UTMQemuConfiguration+Arguments.swift`.
//!
//! UTM puts names and addresses into QEMU's options as they are; a comma there would begin another option.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use plist::{Dictionary, Value};

use crate::inspect::Faults;
use crate::keys::{ARCHITECTURES, UEFI_ARCHITECTURES, VIRT_TARGETS};

/// Everything that the values of `config` would do wrong. What has the wrong type is passed over: it is a fault already.
pub(crate) fn check(config: &Dictionary, faults: &mut Faults) {
    if let Some(information) = table(config, "Information") {
        check_information(information, faults);
    }
    check_system(config, faults);
    check_drives(config, faults);
    check_networks(config, faults);
    for (index, serial) in tables(config, "Serial") {
        check_serial(serial, &format!("Serial[{index}]"), faults);
    }
}

pub(crate) fn table<'a>(of: &'a Dictionary, key: &str) -> Option<&'a Dictionary> {
    of.get(key)?.as_dictionary()
}

/// The dictionaries of an array, with their places in it.
pub(crate) fn tables<'a>(of: &'a Dictionary, key: &str) -> impl Iterator<Item = (usize, &'a Dictionary)> + use<'a> {
    let values = of.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    values.iter().enumerate().filter_map(|(index, value)| Some((index, value.as_dictionary()?)))
}

pub(crate) fn text<'a>(of: &'a Dictionary, key: &str) -> Option<&'a str> {
    of.get(key)?.as_string()
}

pub(crate) fn flag(of: &Dictionary, key: &str) -> bool {
    of.get(key).and_then(Value::as_boolean).unwrap_or_default()
}

fn number(of: &Dictionary, key: &str) -> Option<i64> {
    of.get(key)?.as_signed_integer()
}

/// Whether a name is that of a file in a folder, and leads nowhere else.
pub(crate) fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains(['/', '\0'])
}

fn check_information(information: &Dictionary, faults: &mut Faults) {
    if text(information, "Name").is_some_and(|name| name.trim().is_empty()) {
        faults.config("Information.Name", "is empty; UTM makes the package's file name of it");
    }
    match information.get("Icon").map(Value::as_string) {
        _ if !flag(information, "IconCustom") => {}
        None => faults.config("Information.Icon", "is missing; UTM needs the name of a file in Data for a custom icon"),
        Some(Some(name)) if !is_file_name(name) => {
            faults.config("Information.Icon", format!("is {name:?}, which is no file name in Data"));
        }
        Some(_) => {}
    }
}

fn check_system(config: &Dictionary, faults: &mut Faults) {
    let Some(system) = table(config, "System") else { return };
    let architecture = text(system, "Architecture").unwrap_or_default();
    if architecture == "aarch64" && text(system, "Target").is_some_and(|target| !VIRT_TARGETS.contains(&target)) {
        faults.config(
            "System.Target",
            "is no virt machine that UTM knows; UTM refuses what it does not know, and no other boots Helix",
        );
    }
    let uefi = table(config, "QEMU").is_some_and(|qemu| flag(qemu, "UEFIBoot"));
    if uefi && ARCHITECTURES.contains(&architecture) && !UEFI_ARCHITECTURES.contains(&architecture) {
        faults.config("QEMU.UEFIBoot", format!("is true; UTM has no UEFI firmware for {architecture}"));
    }
}

fn check_drives(config: &Dictionary, faults: &mut Faults) {
    let (mut identifiers, mut images) = (BTreeSet::new(), BTreeSet::new());
    for (index, drive) in tables(config, "Drive") {
        let place = |key: &str| format!("Drive[{index}].{key}");
        if let Some(identifier) = text(drive, "Identifier") {
            if !is_identifier(identifier) {
                faults.config(
                    &place("Identifier"),
                    "is no name that QEMU takes: letters, digits, hyphens, dots and underscores",
                );
            }
            if !identifiers.insert(identifier) {
                faults.config(&place("Identifier"), "is another drive's too; QEMU does not start");
            }
        }
        let Some(image) = text(drive, "ImageName") else { continue };
        if !is_file_name(image) {
            faults.config(&place("ImageName"), format!("is {image:?}, which is no file name in Data"));
        }
        if !images.insert(image) {
            faults.config(&place("ImageName"), "is another drive's too; QEMU locks the file once");
        }
    }
}

/// What comes into an `id=` of QEMU, behind `drive` (`id_wellformed` in QEMU's `util/id.c`).
fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn check_networks(config: &Dictionary, faults: &mut Faults) {
    let (mut addresses, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for (index, network) in tables(config, "Network") {
        let place = format!("Network[{index}]");
        if let Some(mac) = text(network, "MacAddress") {
            let place = format!("{place}.MacAddress");
            match parse_mac(mac) {
                None => faults.config(&place, format!("is {mac:?}, not six pairs of hexadecimal digits with colons")),
                Some(bytes) if bytes[0] & 1 == 1 => faults.config(&place, "is the address of a group, not of one card"),
                Some(bytes) if !addresses.insert(bytes) => faults.config(&place, "is another card's too"),
                Some(_) => {}
            }
        }
        for (index, forward) in tables(network, "PortForward") {
            let place = format!("{place}.PortForward[{index}]");
            check_forward(forward, &place, faults);
            let port = (text(forward, "Protocol"), text(forward, "HostAddress"), number(forward, "HostPort"));
            if !ports.insert(port) {
                faults.config(&place, "leads from a port that another one leads from; QEMU does not start");
            }
        }
    }
}

fn check_forward(forward: &Dictionary, place: &str, faults: &mut Faults) {
    const OPEN: &str =
        "opens the port on every interface, for everybody in the network; the address of this Mac is 127.0.0.1";
    let address = |key: &str| text(forward, key).map(|text| (text, text.parse::<Ipv4Addr>().ok()));
    match address("HostAddress") {
        None if forward.contains_key("HostAddress") => {}
        None => faults.config(&format!("{place}.HostAddress"), format!("is missing, which {OPEN}")),
        Some(("", _)) => faults.config(&format!("{place}.HostAddress"), format!("is empty, which {OPEN}")),
        Some((_, Some(Ipv4Addr::UNSPECIFIED))) => {
            faults.config(&format!("{place}.HostAddress"), format!("is 0.0.0.0, which {OPEN}"));
        }
        Some((text, None)) => faults.config(&format!("{place}.HostAddress"), format!("is {text:?}, no IPv4 address")),
        Some(_) => {}
    }
    match address("GuestAddress") {
        Some((text, None)) if !text.is_empty() => {
            faults.config(&format!("{place}.GuestAddress"), format!("is {text:?}, no IPv4 address"));
        }
        _ => {}
    }
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let pair = |pair: &str| {
        let is_pair = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    text.split(':').map(pair).collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn check_serial(serial: &Dictionary, place: &str, faults: &mut Faults) {
    let mode = text(serial, "Mode");
    if mode == Some("Terminal") && !serial.contains_key("Terminal") {
        faults.config(&format!("{place}.Terminal"), "is missing; UTM ends when it opens the window");
    }
    if mode == Some("TcpServer") && flag(serial, "RemoteConnectionAllowed") {
        faults.config(
            &format!("{place}.RemoteConnectionAllowed"),
            "is true, which opens the console to everybody in the network",
        );
    }
    if text(serial, "Target") == Some("Manual") && !serial.contains_key("Hardware") {
        faults.config(
            &format!("{place}.Hardware"),
            "is missing; QEMU does not start without a device for a manual target",
        );
    }
}
