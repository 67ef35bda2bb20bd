//! The image's disk from a server: resumed where it broke off, and only believed when its digest is the app's own.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::answer::{Answer, Head, Item, Refusal};
use crate::error::Error;

/// How long a server may be silent.
const STALL: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 30 });
/// How often somebody who wants an end is looked for.
const LOOK: Duration = Duration::from_millis(200);
/// How often a transfer is tried that gets nowhere.
const TRIES: u32 = 4;
/// What must be free besides, in bytes: a guest that finds no space at its first boot is stopped.
const RESERVE: u64 = 1 << 30;
/// What is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// What is to be downloaded: `download.json` in the app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Where it is.
    pub url: String,
    /// The sha256, in hexadecimal digits.
    pub sha256: String,
    /// The length in bytes.
    pub size: u64,
}

/// Why one try ended.
enum Broken {
    /// Another try may do better.
    Transfer(String),
    /// It may not.
    Final(Error),
}

impl Download {
    /// Reads `download.json`; what is wrong with it is told in words.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = helix_vm::life::read_document(path).map_err(|error| {
            format!("there is neither disk.qcow2 nor download.json in {}: {error}", path.with_file_name("").display())
        })?;
        let download: Self = serde_json::from_slice(&text).map_err(|error| format!("download.json: {error}"))?;
        let digest = &download.sha256;
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("download.json: sha256 must have 64 hexadecimal digits and is {digest:?}"));
        }
        if !["https://", "http://"].iter().any(|scheme| download.url.starts_with(scheme)) {
            return Err(format!("download.json: url must begin with https:// or http:// and is {:?}", download.url));
        }
        Ok(download)
    }

    /// Where it is kept on its way, below the folder of VMs: what another app asks for is something else.
    pub(crate) fn folder(&self, home: &Path) -> PathBuf {
        home.join(".download").join(self.sha256.to_ascii_lowercase())
    }

    /// Brings the disk to `to`, unless it is there. `advance` hears of the bytes that are done.
    ///
    /// What has come is in `to` with `.part` until it is whole, and is gone on with the next time.
    ///
    /// # Errors
    /// When there is too little space, the server cannot be reached or has something else, or it is interrupted.
    pub fn fetch(&self, to: &Path, interrupted: &AtomicBool, advance: &mut dyn FnMut(u64)) -> Result<(), Error> {
        if to.is_file() {
            return Ok(());
        }
        let folder = to.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
        let part = to.with_extension("part");
        self.check_space(folder, &part)?;
        self.fill(&part, interrupted, advance)?;
        self.check_digest(&part, interrupted)?;
        File::open(&part).and_then(|file| file.sync_all()).map_err(Error::io("flushing", &part))?;
        std::fs::rename(&part, to).map_err(Error::io("finishing", to))
    }

    /// The rest of the download, a copy of it where the file system shares no blocks, and what a guest needs.
    fn check_space(&self, folder: &Path, part: &Path) -> Result<(), Error> {
        let there = std::fs::metadata(part).map_or(0, |meta| meta.len());
        let copy = if helix_vm::life::can_clone(folder) { 0 } else { self.size };
        let needed = self.size.saturating_sub(there).saturating_add(copy).saturating_add(RESERVE);
        let stat =
            rustix::fs::statvfs(folder).map_err(|errno| Error::io("asking for the space of", folder)(errno.into()))?;
        let free = stat.f_bavail * stat.f_frsize;
        if free < needed { Err(Error::Space { at: folder.to_owned(), free, needed }) } else { Ok(()) }
    }

    /// Downloads until the file is as long as it should be. A try that got on does not count.
    fn fill(&self, part: &Path, interrupted: &AtomicBool, advance: &mut dyn FnMut(u64)) -> Result<(), Error> {
        let options = File::options().read(true).write(true).create(true).truncate(false).open(part);
        let mut file = options.map_err(Error::io("opening", part))?;
        let mut tries = 0;
        loop {
            let before = file.seek(SeekFrom::End(0)).map_err(Error::io("reading", part))?;
            if before == self.size {
                return Ok(());
            }
            let broken = self.attempt(&mut file, part, before, interrupted, advance);
            let after = file.metadata().map_err(Error::io("reading", part))?.len();
            match broken {
                Ok(()) => {}
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Transfer(reason)) => {
                    tries = if after > before { 1 } else { tries + 1 };
                    if tries >= TRIES {
                        return Err(Error::Transfer { url: self.url.clone(), reason });
                    }
                    pause(Duration::from_millis(500) * 2_u32.pow(tries), interrupted)?;
                }
            }
        }
    }

    /// One request, for what is missing from `at` on.
    fn attempt(
        &self,
        file: &mut File,
        part: &Path,
        mut at: u64,
        interrupted: &AtomicBool,
        advance: &mut dyn FnMut(u64),
    ) -> Result<(), Broken> {
        let io = |error| Broken::Final(Error::io("writing", part)(error));
        if at > self.size {
            return Err(self.wrong(part, format!("{at} bytes came, and {} were expected", self.size)));
        }
        let mut answer = Answer::ask(&self.url, at).map_err(Broken::Final)?;
        let mut heard = Instant::now();
        loop {
            if interrupted.load(Ordering::Relaxed) {
                return Err(Broken::Final(Error::Interrupted));
            }
            let item = match answer.items.recv_timeout(LOOK) {
                Ok(item) => item,
                Err(RecvTimeoutError::Timeout) if heard.elapsed() < STALL => continue,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Broken::Transfer(format!("nothing came for {} s", STALL.as_secs())));
                }
                Err(RecvTimeoutError::Disconnected) if at == self.size => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(Broken::Transfer(answer.reason(at, self.size))),
            };
            heard = Instant::now();
            match item {
                Item::Head(head) => {
                    at = self.begins(&head, at, part, &answer)?;
                    file.set_len(at).and_then(|()| file.seek(SeekFrom::Start(at))).map_err(io)?;
                }
                Item::Bytes(bytes) => {
                    if bytes.len() as u64 > self.size - at {
                        return Err(
                            self.wrong(part, format!("it has more than the {} bytes that were expected", self.size))
                        );
                    }
                    file.write_all(&bytes).map_err(io)?;
                    at += bytes.len() as u64;
                    advance(at);
                }
            }
        }
    }

    /// Where the bytes after this head belong.
    fn begins(&self, head: &Head, at: u64, part: &Path, answer: &Answer) -> Result<u64, Broken> {
        let (begin, all) = match head.status {
            200 => (0, head.length),
            206 if head.range.is_some_and(|(from, _)| from == at) => (at, head.range.and_then(|(_, all)| all)),
            206 => return Err(Broken::Transfer("the server sends another range than was asked for".to_owned())),
            status => {
                return Err(match answer.refusal(status) {
                    Refusal::Later(reason) => Broken::Transfer(reason),
                    Refusal::Never(reason) => Broken::Final(Error::Transfer { url: self.url.clone(), reason }),
                });
            }
        };
        match all.filter(|&all| all != self.size) {
            None => Ok(begin),
            Some(all) => Err(self.wrong(part, format!("it has {all} bytes, and {} were expected", self.size))),
        }
    }

    /// What has come is of no use to anybody.
    fn wrong(&self, part: &Path, reason: String) -> Broken {
        let _ = std::fs::remove_file(part);
        Broken::Final(Error::Mismatch { url: self.url.clone(), reason })
    }

    fn check_digest(&self, part: &Path, interrupted: &AtomicBool) -> Result<(), Error> {
        let read = Error::io("reading", part);
        let digest = digest(part, interrupted).map_err(read)?;
        match digest {
            None => Err(Error::Interrupted),
            Some(digest) if digest.eq_ignore_ascii_case(&self.sha256) => Ok(()),
            Some(digest) => {
                std::fs::remove_file(part).map_err(Error::io("removing", part))?;
                let reason = format!("its sha256 is {digest}, and {} was expected", self.sha256);
                Err(Error::Mismatch { url: self.url.clone(), reason })
            }
        }
    }
}

fn pause(time: Duration, interrupted: &AtomicBool) -> Result<(), Error> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        std::thread::sleep(LOOK.min(time));
    }
    Ok(())
}

/// The sha256 of a file; nothing when it was interrupted.
fn digest(path: &Path, interrupted: &AtomicBool) -> std::io::Result<Option<String>> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; CHUNK]);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()));
        }
        if interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        hash.update(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests;
