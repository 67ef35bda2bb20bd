//! A copy of an image's disk: a clone where the file system can, and never one that differs from the manifest.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::Error;
use super::image::Image;
use crate::platform;

/// How much is read at once, and what is left out where it is all zeros: a cluster of qcow2.
const CHUNK: usize = 64 << 10;
/// What must be free besides, in bytes: a guest that finds no space at its first boot is stopped by QEMU.
const RESERVE: u64 = 1 << 30;

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
        let from = self.disk();
        let refuse = |reason: String| Error::Image { path: self.folder.clone(), reason };
        let mut source = File::open(&from).map_err(|error| refuse(format!("disk.qcow2: {error}; build it anew")))?;
        let length = source.metadata().map_err(Error::io("looking at", &from))?.len();
        let mut each = |done: u64| advance(done, length);
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
        if digest != self.sha256 {
            let _ = std::fs::remove_file(to);
            return Err(refuse(format!(
                "disk.qcow2 is damaged: its sha256 is {digest}, and the manifest says {}; build it anew with\n  cargo xtask \
                 build-image",
                self.sha256
            )));
        }
        Ok(how)
    }
}

/// Copies everything but zeros, flushes, and returns the sha256 of what was read.
fn sparse_copy(source: &mut File, to: &Path, length: u64, each: &mut dyn FnMut(u64)) -> std::io::Result<String> {
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

/// The sha256 of a file; `take` gets each chunk with its place.
fn digest(
    file: &mut File,
    take: &mut dyn FnMut(u64, &[u8]) -> std::io::Result<()>,
    each: &mut dyn FnMut(u64),
) -> std::io::Result<String> {
    let (mut hash, mut at, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..count]);
        take(at, &buffer[..count])?;
        at += count as u64;
        each(at);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
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
        image.copy_disk(&to, &mut |done, all| last = (done, all)).unwrap();
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
        sparse_copy(&mut source, &to, disk.len() as u64, &mut |_| {}).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), disk);
        assert!(std::fs::metadata(&to).unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn a_damaged_image_leaves_no_copy() {
        let temp = tempfile::tempdir().unwrap();
        let (image, to) = (image(temp.path(), b"good"), temp.path().join("copy"));
        std::fs::write(image.disk(), b"goof").unwrap();
        let error = image.copy_disk(&to, &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.contains("disk.qcow2 is damaged") && error.contains("cargo xtask build-image"), "{error}");
        assert!(!to.exists());
        std::fs::remove_file(image.disk()).unwrap();
        let error = image.copy_disk(&to, &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.contains("disk.qcow2: No such file"), "{error}");
    }

    #[test]
    fn too_little_space_is_told_in_numbers() {
        let temp = tempfile::tempdir().unwrap();
        let error = check_space(u64::MAX, &temp.path().join("disk")).unwrap_err();
        assert_eq!(error.kind(), crate::life::Kind::Host);
        assert!(error.to_string().contains("MB are needed"), "{error}");
    }
}
