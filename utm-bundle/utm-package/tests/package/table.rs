//! The configuration that is made, key by key beside a table of its own: what UTM 5.0.3 was read to need.

use std::collections::BTreeSet;
use std::process::Command;

use plist::{Dictionary, Value};

use crate::support::{World, table};

/// Where, which keys are required (`R`) or optional (`O`), their types, and the values that there are.
const TABLE: &str = "
                        R Backend text QEMU
                        R ConfigurationVersion number 4
                        R Information dict
                        R System dict
                        R QEMU dict
                        R Input dict
                        R Sharing dict
                        R Display array
                        R Drive array
                        R Network array
                        R Serial array
                        R Sound array
Information             R Name text
Information             R IconCustom bool
Information             R UUID text
Information             O Icon text
Information             O Notes text
System                  R Architecture text aarch64
System                  R Target text virt
System                  R CPU text default
System                  R CPUFlagsAdd array
System                  R CPUFlagsRemove array
System                  R CPUCount number
System                  R ForceMulticore bool
System                  R MemorySize number
System                  R JITCacheSize number
QEMU                    R DebugLog bool
QEMU                    R UEFIBoot bool
QEMU                    R RNGDevice bool
QEMU                    R BalloonDevice bool
QEMU                    R TPMDevice bool
QEMU                    R Hypervisor bool
QEMU                    R RTCLocalTime bool
QEMU                    R PS2Controller bool
QEMU                    R AdditionalArguments array
Input                   R UsbBusSupport text Disabled 2.0 3.0
Input                   R UsbSharing bool
Input                   R MaximumUsbShare number
Sharing                 R DirectoryShareMode text None WebDAV VirtFS
Sharing                 R DirectoryShareReadOnly bool
Sharing                 R ClipboardSharing bool
Display.0               R Hardware text
Display.0               R DynamicResolution bool
Display.0               R NativeResolution bool
Display.0               R UpscalingFilter text Linear Nearest
Display.0               R DownscalingFilter text Linear Nearest
Drive.0                 R ImageType text None Disk CD BIOS LinuxKernel LinuxInitrd LinuxDTB
Drive.0                 R Interface text None IDE SCSI SD MTD Floppy PFlash VirtIO NVMe USB
Drive.0                 R Identifier text
Drive.0                 O ImageName text
Drive.0                 O InterfaceVersion number 0 1
Drive.0                 O ReadOnly bool
Network.0               R Mode text Emulated Shared Host Bridged
Network.0               R Hardware text
Network.0               R MacAddress text
Network.0               R IsolateFromHost bool
Network.0               R PortForward array
Network.0.PortForward.0 R Protocol text TCP UDP
Network.0.PortForward.0 R HostPort number
Network.0.PortForward.0 R GuestPort number
Network.0.PortForward.0 O HostAddress text
Serial.0                R Mode text Terminal TcpClient TcpServer Ptty
Serial.0                R Target text Auto Manual GDB Monitor
Serial.0                O Terminal dict
Serial.0.Terminal       R Font text
Serial.0.Terminal       R FontSize number
Serial.0.Terminal       O ForegroundColor text
Serial.0.Terminal       O BackgroundColor text
Serial.0.Terminal       O CursorBlink bool
";

pub(crate) struct Row {
    pub(crate) place: &'static str,
    pub(crate) required: bool,
    pub(crate) key: &'static str,
    kind: &'static str,
    values: Vec<&'static str>,
}

pub(crate) fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let place = line[..24].trim();
        let mut words = line[24..].split(' ');
        let mut word = || words.next().unwrap();
        let (required, key, kind) = (word() == "R", word(), word());
        Row { place, required, key, kind, values: words.collect() }
    };
    TABLE.lines().filter(|line| !line.is_empty()).map(row).collect()
}

/// As it is in reports: `Drive[0].Interface`.
pub(crate) fn reported(row: &Row) -> String {
    let mut place = String::new();
    for step in row.place.split('.').chain([row.key]).filter(|step| !step.is_empty()) {
        match step.parse::<usize>() {
            Ok(index) => place += &format!("[{index}]"),
            Err(_) if place.is_empty() => place += step,
            Err(_) => place += &format!(".{step}"),
        }
    }
    format!("config.plist: {place}")
}

/// A value of each type but this one.
pub(crate) fn others(kind: &str) -> Vec<Value> {
    let all = [
        ("text", "text".into()),
        ("number", 7.into()),
        ("bool", true.into()),
        ("dict", Dictionary::new().into()),
        ("array", Value::Array(Vec::new())),
        ("", Value::Real(1.0)),
        ("", Value::Data(vec![1])),
    ];
    all.into_iter().filter(|(other, _)| *other != kind).map(|(_, value)| value).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "number",
        Value::Boolean(_) => "bool",
        Value::Dictionary(_) => "dict",
        Value::Array(_) => "array",
        _ => "another type",
    }
}

#[test]
fn every_key_of_the_table_is_there_with_its_type_and_one_of_its_values() {
    let (_world, mut config) = World::made();
    for row in rows() {
        let value = table(&mut config, row.place).get(row.key).unwrap_or_else(|| panic!("{}", reported(&row)));
        assert_eq!(kind(value), row.kind, "{}", reported(&row));
        let text = value.as_string().map(str::to_owned).or(value.as_signed_integer().map(|number| number.to_string()));
        assert!(row.values.is_empty() || row.values.contains(&text.unwrap().as_str()), "{}", reported(&row));
    }
}

#[test]
fn no_key_is_there_that_the_table_does_not_have() {
    fn keys(value: &Value, place: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Dictionary(table) => {
                for (key, value) in table {
                    let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                    found.insert(place.clone());
                    keys(value, &place, found);
                }
            }
            // Entries of an array are alike.
            Value::Array(values) => values.iter().for_each(|value| keys(value, &format!("{place}.0"), found)),
            _ => {}
        }
    }
    let (_world, config) = World::made();
    let mut found = BTreeSet::new();
    keys(&config.into(), "", &mut found);
    let rows = rows();
    let known: BTreeSet<String> =
        rows.iter().map(|row| format!("{}.{}", row.place, row.key).trim_start_matches('.').to_owned()).collect();
    assert_eq!(found, known);
}

#[test]
fn each_required_key_is_missed_and_each_optional_one_is_not() {
    let (world, good) = World::made();
    for row in rows() {
        let mut config = good.clone();
        table(&mut config, row.place).remove(row.key);
        let faults = world.faults_with(&config);
        let missed = faults.iter().any(|fault| fault.place == reported(&row) && fault.what.starts_with("is missing"));
        // Two have reasons of their own: a custom icon and a terminal need one, and a forward without an address is open to all.
        let needed = row.required || ["Icon", "Terminal", "HostAddress"].contains(&row.key);
        assert_eq!(missed, needed, "{}: {faults:?}", reported(&row));
    }
}

#[test]
fn a_value_of_another_type_is_found_for_each_key() {
    let (world, good) = World::made();
    for row in rows() {
        for value in others(row.kind) {
            let mut config = good.clone();
            table(&mut config, row.place).insert(row.key.to_owned(), value.clone());
            let faults = world.faults_with(&config);
            assert!(
                faults.iter().any(|fault| fault.place == reported(&row)),
                "{} {value:?}: {faults:?}",
                reported(&row)
            );
        }
    }
}

#[test]
fn a_value_that_utm_does_not_know_is_found_for_each_choice() {
    let (world, good) = World::made();
    for row in rows().into_iter().filter(|row| row.kind == "text" && row.values.len() > 1) {
        let mut config = good.clone();
        table(&mut config, row.place).insert(row.key.to_owned(), "nonsense".into());
        let faults = world.faults_with(&config);
        assert!(
            faults.iter().any(|fault| fault.place == reported(&row) && fault.what.contains("nonsense")),
            "{faults:?}"
        );
        for value in &row.values {
            let mut config = good.clone();
            table(&mut config, row.place).insert(row.key.to_owned(), (*value).into());
            let faults = world.faults_with(&config);
            assert!(!faults.iter().any(|fault| fault.place == reported(&row)), "{value}: {faults:?}");
        }
    }
}

#[test]
fn python_reads_the_same() {
    let (world, config) = World::made();
    let program =
        "import json, plistlib, sys\njson.dump(plistlib.load(open(sys.argv[1], 'rb')), sys.stdout, sort_keys=True)";
    let output =
        Command::new("python3").args(["-c", program]).arg(world.package().join("config.plist")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read, json(&config.into()));
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Dictionary(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
        Value::Array(values) => values.iter().map(json).collect(),
        Value::Boolean(flag) => (*flag).into(),
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => number.as_signed().unwrap().into(),
        other => panic!("{other:?} is nothing that a configuration has"),
    }
}
