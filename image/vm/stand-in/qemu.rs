//! The stand-in for QEMU.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guest;

/// Its ways, from `STAND_IN`.
pub(crate) struct Ways {
    words: HashMap<String, String>,
    started: Instant,
    came_up: AtomicBool,
    pub(crate) data_disk: String,
}

impl Ways {
    fn read(data_disk: String) -> Self {
        let text = std::env::var("STAND_IN").unwrap_or_default();
        let word = |word: &str| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            (name.to_owned(), value.to_owned())
        };
        Self {
            words: text.split(',').map(word).collect(),
            started: Instant::now(),
            came_up: AtomicBool::new(false),
            data_disk,
        }
    }

    pub(crate) fn is(&self, way: &str) -> bool {
        self.words.contains_key(way)
    }

    /// Whether this has been asked before.
    pub(crate) fn has_come_up(&self) -> bool {
        self.came_up.swap(true, Ordering::Relaxed)
    }

    /// Whether the agent is there by now.
    pub(crate) fn agent_is_up(&self) -> bool {
        let after = self.words.get("boot").map_or(0, |millis| millis.parse().expect("boot is a number"));
        !self.is("silent") && self.started.elapsed() >= Duration::from_millis(after)
    }
}

pub(crate) fn run(args: &[String]) {
    if args.iter().any(|arg| arg == "-help") {
        println!("QEMU emulator version 11.1 (stand-in)");
        return;
    }
    if std::env::var("STAND_IN").is_ok_and(|ways| ways.contains("wedged")) {
        ignore_terminate();
    }
    let values = |option: &str| -> Vec<HashMap<String, String>> {
        let pairs = args.windows(2).filter(|pair| pair[0] == option);
        pairs.map(|pair| pair[1].split(',').filter_map(|word| word.split_once('=')).map(owned).collect()).collect()
    };
    let disks: Vec<File> = values("-drive").iter().filter(|drive| is_written(drive)).map(lock).collect();
    let data = values("-drive").into_iter().find(|drive| drive.get("id").is_some_and(|id| id == "data"));
    let ways = Arc::new(Ways::read(data.map(|drive| drive["file"].clone()).unwrap_or_default()));
    forwards(args, &ways);
    for chardev in values("-chardev") {
        serve(&chardev, &ways);
    }
    // The disks stay locked until the end.
    let _disks = disks;
    loop {
        std::thread::park();
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn is_written(drive: &HashMap<String, String>) -> bool {
    drive.get("id").is_some_and(|id| id == "root" || id == "data")
}

fn lock(drive: &HashMap<String, String>) -> File {
    let path = &drive["file"];
    let file = File::options().read(true).write(true).open(path).unwrap_or_else(|e| end(&format!("{path}: {e}")));
    if file.try_lock().is_err() {
        end(&format!("{path}: Failed to get \"write\" lock. Is another process using the image?"));
    }
    file
}

/// Takes the ports on the host, as QEMU does. Of the guest's own, nothing listens but what the ways say of port 8080.
fn forwards(args: &[String], ways: &Ways) {
    if let Some(file) = ways.words.get("robbed").filter(|file| !Path::new(file).exists()) {
        std::fs::write(file, "").expect("a note of the robbery");
        end("Could not set up host forwarding rule 'tcp:127.0.0.1:2222-:22'");
    }
    let rules = args.iter().flat_map(|arg| arg.split(',')).filter_map(|word| word.strip_prefix("hostfwd=tcp:"));
    for rule in rules {
        let (address, guest) = rule.split_once('-').expect("a rule has two sides");
        let could_not = |_| end(&format!("Could not set up host forwarding rule 'tcp:{rule}'"));
        let listener = TcpListener::bind(address).unwrap_or_else(could_not);
        let api = ways.words.get("api").filter(|_| guest == ":8080").cloned();
        std::thread::spawn(move || forward(&listener, api.as_deref()));
    }
}

/// Each connection is closed at once, unless the API answers, or takes it and stays mute.
fn forward(listener: &TcpListener, api: Option<&str>) {
    let mut mute = Vec::new();
    for mut stream in listener.incoming().map_while(Result::ok) {
        match api {
            None => {}
            Some("mute") => mute.push(stream),
            Some(_) => {
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                // What was asked is read, or the answer would be lost with the connection.
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }
        }
    }
}

fn end(why: &str) -> ! {
    eprintln!("qemu-system-stand-in: {why}");
    std::process::exit(1)
}

/// Ignoring a signal ourselves would need unsafe code; `sh` hands an ignored one on.
fn ignore_terminate() {
    use std::os::unix::process::CommandExt;
    if std::env::var_os("IGNORES").is_some() {
        return;
    }
    let mut again = std::process::Command::new("sh");
    again.args(["-c", "trap '' TERM; exec \"$@\"", "sh"]).args(std::env::args_os()).env("IGNORES", "1");
    end(&format!("sh: {}", again.exec()));
}

fn serve(chardev: &HashMap<String, String>, ways: &Arc<Ways>) {
    let id = chardev["id"].clone();
    let path = &chardev["path"];
    let is_socket = chardev.contains_key("server");
    if let Some(log) = chardev.get("logfile").or_else(|| (!is_socket).then_some(path)) {
        std::fs::write(log, "Linux version 6 (stand-in)\r\nlogin: ").expect("the serial log");
    }
    if !is_socket {
        return;
    }
    let listener = UnixListener::bind(path).unwrap_or_else(|e| end(&format!("Failed to bind socket to {path}: {e}")));
    let (ways, paused) = (ways.clone(), AtomicBool::new(ways.is("paused")));
    std::thread::spawn(move || {
        // One at a time, as QEMU.
        for stream in listener.incoming().map(|stream| stream.expect("a client")) {
            match id.as_str() {
                "qmp" => qmp(&stream, &ways, &paused),
                "agent" => guest::agent(&stream, &ways),
                "serial" => echo(&stream),
                _ => {}
            }
        }
    });
}

fn qmp(stream: &UnixStream, ways: &Ways, paused: &AtomicBool) {
    let mut writer = stream;
    let mut send = |value: Value| writeln!(writer, "{value}").is_ok();
    if !send(json!({ "QMP": { "version": {} } })) {
        return;
    }
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let request: Value = serde_json::from_str(&line).expect("QMP is JSON");
        let status = if paused.load(Ordering::Relaxed) { "io-error" } else { "running" };
        let answer = match request["execute"].as_str().unwrap_or_default() {
            "query-status" => json!({ "status": status }),
            "cont" => {
                paused.store(false, Ordering::Relaxed);
                json!({})
            }
            "stop" => {
                paused.store(true, Ordering::Relaxed);
                json!({})
            }
            "system_powerdown" if !ways.is("stubborn") => std::process::exit(0),
            "quit" if !ways.is("wedged") => std::process::exit(0),
            _ => json!({}),
        };
        if !send(json!({ "return": answer, "id": request["id"] })) {
            return;
        }
    }
}

fn echo(mut stream: &UnixStream) {
    let _ = std::io::copy(&mut stream.try_clone().expect("a handle"), &mut stream);
}
