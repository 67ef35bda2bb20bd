//! The stand-in for the agent of a guest.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::qemu::Ways;

/// The guest's host key.
const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ root@stand-in";

pub(crate) fn agent(mut stream: &UnixStream, ways: &Ways) {
    let mut output = String::new();
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let start = line.iter().rposition(|&byte| byte == 0xFF).map_or(0, |at| at + 1);
        let request: Value = serde_json::from_slice(&line[start..]).expect("the agent's protocol is JSON");
        // QEMU keeps what is sent until somebody in the guest reads it.
        while !ways.agent_is_up() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let answer = match request["execute"].as_str().unwrap_or_default() {
            "guest-sync-delimited" => {
                let _ = stream.write_all(b"\xFF");
                request["arguments"]["id"].clone()
            }
            "guest-exec" => {
                output = run(request["arguments"]["arg"][1].as_str().unwrap_or_default(), ways);
                json!({ "pid": 5 })
            }
            "guest-exec-status" => {
                json!({ "exited": true, "exitcode": 0, "out-data": BASE64_STANDARD.encode(&output) })
            }
            "guest-set-time" => {
                let clock = Path::new(&ways.data_disk).with_file_name("guest-clock");
                std::fs::write(clock, request["arguments"]["time"].to_string()).expect("a file takes the time");
                json!({})
            }
            "guest-shutdown" if !ways.is("deaf") => std::process::exit(0),
            _ => json!({}),
        };
        if writeln!(stream, "{}", json!({ "return": answer })).is_err() {
            return;
        }
    }
}

/// What a command in the guest prints. The first time it is asked whether it is up, it notes so.
fn run(command: &str, ways: &Ways) -> String {
    match command {
        "systemctl is-system-running --wait" => {
            let state = if ways.is("degraded") { "degraded\n" } else { "running\n" };
            if ways.has_come_up() {
                return state.to_owned();
            }
            let mut disk = File::options().append(true).open(&ways.data_disk).expect("the data disk");
            disk.write_all(b"up\n").and_then(|()| disk.sync_all()).expect("the data disk takes a line");
            state.to_owned()
        }
        "systemctl --failed --plain --no-legend --full --no-pager" => "a.service loaded failed failed A\n".to_owned(),
        _ if command.contains("systemctl status") => "a.service: /bin/a: not found\n".to_owned(),
        _ if command.contains("journalctl") => "a[1]: the end of the journal\n".to_owned(),
        _ if command.contains("cloud-init status") => "status: error\n".to_owned(),
        df if df.starts_with("df ") => "Mounted on Used Avail\n/ 1000 2000\n/var/lib/helix/data 30 40\n".to_owned(),
        "cat /etc/ssh/ssh_host_ed25519_key.pub" => format!("{HOST_KEY}\n"),
        _ => String::new(),
    }
}
