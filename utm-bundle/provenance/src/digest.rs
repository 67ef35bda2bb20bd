//! Digests of files and folders.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Error;

/// Hashes what passes through it.
pub(crate) struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// Reads what is left, and gives the digest of all in hexadecimal.
    pub(crate) fn finish(mut self) -> io::Result<String> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(hex(&self.hash.finalize())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sha256 of a file, in hexadecimal.
pub(crate) fn file(path: &Path) -> Result<String, Error> {
    File::open(path).and_then(|file| Hashing::new(file).finish()).map_err(Error::io("reading", path))
}

/// Does `work` for each of `items` with as many threads as there are processors, and gives the results in their order.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    let next = std::sync::atomic::AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("the work does not panic")).collect()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// The digest of a folder by the names and contents of its files, in hexadecimal: `dirHash` of in-toto's
/// [digest sets](https://github.com/in-toto/attestation/blob/main/spec/v1/digest_set.md). Links are not followed and do not count,
/// nor do modes. The shell says the same:
///
/// ```sh
/// find . -type f | cut -c3- | LC_ALL=C sort | xargs -r sha256sum | sha256sum | cut -f1 -d' '
/// ```
///
/// # Errors
/// When the folder or a file of it cannot be read, or a name has a line break, which would make the digest ambiguous.
pub fn dir_hash(folder: &Path) -> Result<String, Error> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    let mut names = Vec::new();
    for path in paths {
        let name = path.strip_prefix(folder).unwrap_or(&path).as_os_str().as_encoded_bytes().to_vec();
        if name.contains(&b'\n') {
            return Err(Error::Files(vec![format!("{}: has a line break in its name", path.display())]));
        }
        names.push((name, path));
    }
    names.sort();
    let mut all = Sha256::new();
    for ((name, _), digest) in names.iter().zip(in_parallel(&names, |(_, path)| file(path))) {
        all.update(digest?);
        all.update(b"  ");
        all.update(name);
        all.update(b"\n");
    }
    Ok(hex(&all.finalize()))
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let entry = entry.map_err(Error::io("reading", folder))?;
        let kind = entry.file_type().map_err(Error::io("looking at", &entry.path()))?;
        if kind.is_dir() {
            collect(&entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}
