//! A copy of an image's disk: a clone where the file system can, and never one that differs from the manifest.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::Error;
use super::image::Image;
use crate::platform;

/// How much is read at once, and what is left out where it is all zeros: a cluster of qcow2.
const CHUNK: usize = 64 << 10;
/// How many chunks wait for being hashed at most.
const WAITING: usize = 64;
/// What must be free besides, in bytes: a guest that finds no space at its first boot is stopped by QEMU.
const RESERVE: u64 = 1 << 30;

/// Hears how many bytes are done, and can end it.
type Each<'a> = dyn FnMut(u64) -> std::io::Result<()> + 'a;

/// How a disk was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Copied {
    /// The blocks are shared with the image until one of the two changes.
    Cloned,
    /// Byte by byte.
    Copied,
}

impl Image {
    /// Copies the disk to `to`, which must not exist, and compares it with the manifest. `advance` hears of the bytes that are
    /// done, and of all there are.
    ///
    /// # Errors
    /// When the disk is not what the manifest says, there is no space, or the system refuses; then there is no `to`, unless it
    /// was there before or the system failed in between.
    pub fn copy_disk(&self, to: &Path, advance: &mut dyn FnMut(u64, u64)) -> Result<Copied, Error> {
        copy(self, to, &AtomicBool::new(false), advance)
    }
}

/// Copies the disk of `image` to `to`, which must not exist, and compares it with the manifest. `advance` hears of the bytes
/// that are done, and of all there are; `interrupted` ends it soon.
pub(crate) fn copy(
    image: &Image,
    to: &Path,
    interrupted: &AtomicBool,
    advance: &mut dyn FnMut(u64, u64),
) -> Result<Copied, Error> {
    let copied = copy_and_compare(image, to, interrupted, advance);
    // What the system said of that is not the reason.
    if copied.is_err() && interrupted.load(Ordering::Relaxed) {
        let _ = std::fs::remove_file(to);
        return Err(Error::Interrupted { running: None });
    }
    copied
}

fn copy_and_compare(
    image: &Image,
    to: &Path,
    interrupted: &AtomicBool,
    advance: &mut dyn FnMut(u64, u64),
) -> Result<Copied, Error> {
    let from = image.disk();
    let refuse = |reason: String| Error::Image { path: image.folder.clone(), reason };
    let mut source = File::open(&from).map_err(|error| refuse(format!("disk.qcow2: {error}; build it anew")))?;
    let length = source.metadata().map_err(Error::io("looking at", &from))?.len();
    let mut each = |done: u64| {
        advance(done, length);
        if interrupted.load(Ordering::Relaxed) { Err(std::io::Error::other("interrupted")) } else { Ok(()) }
    };
    let (how, digest) = match platform::clone_file(&source, to) {
        Ok(()) => {
            check_space(RESERVE, to)?;
            super::state::sync_file(to)?;
            let mut clone = File::open(to).map_err(Error::io("opening", to))?;
            (Copied::Cloned, digest(&mut clone, &mut |_, _| Ok(()), &mut each).map_err(Error::io("reading", to))?)
        }
        // Whatever the reason is: a copy needs no more than space.
        Err(_) => {
            check_space(length + RESERVE, to)?;
            (Copied::Copied, sparse_copy(&mut source, to, length, &mut each).map_err(Error::io("copying to", to))?)
        }
    };
    if digest != image.sha256 {
        let _ = std::fs::remove_file(to);
        return Err(refuse(format!(
            "disk.qcow2 is damaged: its sha256 is {digest}, and the manifest says {}; build it anew with\n  cargo xtask \
             build-image",
            image.sha256
        )));
    }
    Ok(how)
}

/// Whether copies in `folder` share their blocks: found by trying.
pub fn can_clone(folder: &Path) -> bool {
    let from = folder.join(".clone-from");
    let to = folder.join(".clone-to");
    let cloned = std::fs::write(&from, "clone").and_then(|()| platform::clone_file(&File::open(&from)?, &to));
    for file in [from, to] {
        // What is left, small as it is, is used again.
        let _ = std::fs::remove_file(file);
    }
    cloned.is_ok()
}

/// Copies everything but zeros, flushes, and returns the sha256 of what was read.
fn sparse_copy(source: &mut File, to: &Path, length: u64, each: &mut Each<'_>) -> std::io::Result<String> {
    let mut target = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    let digest = digest(
        source,
        &mut |at, chunk| {
            if chunk.iter().all(|&byte| byte == 0) {
                return Ok(());
            }
            target.seek(SeekFrom::Start(at))?;
            target.write_all(chunk)
        },
        each,
    )?;
    target.set_len(length)?;
    target.sync_all()?;
    Ok(digest)
}

/// The sha256 of a file; `take` gets each chunk with its place. Another thread hashes, so that the processor does not wait for
/// what takes the chunks.
fn digest(
    file: &mut File,
    take: &mut dyn FnMut(u64, &[u8]) -> std::io::Result<()>,
    each: &mut Each<'_>,
) -> std::io::Result<String> {
    let (sender, chunks) = sync_channel::<Vec<u8>>(WAITING);
    let hash = std::thread::spawn(move || {
        let mut hash = Sha256::new();
        chunks.iter().for_each(|chunk| hash.update(&chunk));
        hash.finalize()
    });
    read_chunks(file, |at, chunk| {
        take(at, &chunk)?;
        let done = at + chunk.len() as u64;
        sender.send(chunk).expect("the hash is there until the sender goes");
        each(done)
    })?;
    drop(sender);
    let hash = hash.join().expect("hashing does not panic");
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Gives each chunk of a file to `take`, with its place.
fn read_chunks(file: &mut File, mut take: impl FnMut(u64, Vec<u8>) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut at = 0;
    loop {
        let mut chunk = vec![0; CHUNK];
        match file.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                chunk.truncate(count);
                take(at, chunk)?;
                at += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether the file system of `file` has `needed` bytes free.
pub(crate) fn check_space(needed: u64, file: &Path) -> Result<(), Error> {
    let at = file.parent().unwrap_or(file);
    let stat = rustix::fs::statvfs(at).map_err(|errno| Error::io("asking for the free space of", at)(errno.into()))?;
    let free = stat.f_bavail * stat.f_frsize;
    if free < needed { Err(Error::Space { at: at.to_owned(), free, needed }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::image::tests::folder;
    use std::os::unix::fs::MetadataExt;

    fn image(temp: &Path, disk: &[u8]) -> Image {
        folder(&temp.join("image"), disk);
        Image::read(&temp.join("image")).unwrap()
    }

    #[test]
    fn a_copy_is_the_same_and_told() {
        let temp = tempfile::tempdir().unwrap();
        let disk: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let (image, to, mut last) = (image(temp.path(), &disk), temp.path().join("copy"), (0, 0));
        copy(&image, &to, &AtomicBool::new(false), &mut |done, all| last = (done, all)).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), disk);
        assert_eq!(last, (300_000, 300_000));
    }

    #[test]
    fn zeros_become_holes_also_at_the_end() {
        let temp = tempfile::tempdir().unwrap();
        let mut disk = vec![0; 4 << 20];
        disk[2 << 20] = 1;
        let mut source = File::open(image(temp.path(), &disk).disk()).unwrap();
        let to = temp.path().join("copy");
        sparse_copy(&mut source, &to, disk.len() as u64, &mut |_| Ok(())).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), disk);
        assert!(std::fs::metadata(&to).unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn a_damaged_image_leaves_no_copy() {
        let temp = tempfile::tempdir().unwrap();
        let (image, to) = (image(temp.path(), b"good"), temp.path().join("copy"));
        std::fs::write(image.disk(), b"goof").unwrap();
        let error = copy(&image, &to, &AtomicBool::new(false), &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.contains("disk.qcow2 is damaged") && error.contains("cargo xtask build-image"), "{error}");
        assert!(!to.exists());
        std::fs::remove_file(image.disk()).unwrap();
        let error = copy(&image, &to, &AtomicBool::new(false), &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.contains("disk.qcow2: No such file"), "{error}");
    }

    #[test]
    fn an_interrupted_copy_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let (image, to) = (image(temp.path(), &vec![1; 3 * CHUNK]), temp.path().join("copy"));
        let (interrupted, mut last) = (AtomicBool::new(false), 0);
        let mut advance = |done, _| {
            last = done;
            interrupted.store(true, Ordering::Relaxed);
        };
        let error = copy(&image, &to, &interrupted, &mut advance).unwrap_err();
        assert!(matches!(error, Error::Interrupted { running: None }), "{error}");
        assert!(last == CHUNK as u64 && !to.exists());
    }

    #[test]
    fn too_little_space_is_told_in_numbers() {
        let temp = tempfile::tempdir().unwrap();
        let error = check_space(u64::MAX, &temp.path().join("disk")).unwrap_err();
        assert_eq!(error.kind(), crate::life::Kind::Host);
        assert!(error.to_string().contains("MB are needed"), "{error}");
    }
}
