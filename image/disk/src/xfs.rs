//! The root file system: XFS, made and filled by `mkfs.xfs -p` without being mounted.
//!
//! What mkfs.xfs 7.2 copies from the tree: names, types, modes, owners, modification times to the nanosecond, contents
//! with their holes, symbolic links, hard links, and extended attributes of the classes user, trusted and security (file
//! capabilities among them). What it gets wrong, each found by mounting the result:
//!
//! - Access control lists turn into attributes named `user.system.posix_acl_access`, which mean nothing.
//! - Attributes with an empty value are dropped.
//! - A folder within a setgid folder becomes setgid itself.
//! - The root folder carries the time stamp given here, as do all access, change and birth times.
//! - Extents that files share are copied for each; only hard links stay one file.

mod preload;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use helix_command::Cmd;
use uuid::Uuid;

/// The most that XFS puts into one allocation group, in bytes.
const GROUP_MOST: u64 = 1 << 40;
/// Allocation groups, the number that mkfs.xfs chooses for a single disk: at 64 GiB they are of 16 GiB each, and a
/// disk that is grown to 1 TiB has 64 of them.
const GROUPS: u64 = 4;
/// The longest label (xfs(5)), in bytes.
const LABEL_MOST: usize = 12;

/// Features by name, so that no newer mkfs.xfs chooses others: what Linux 6.1 (Debian 12) mounts and GRUB 2.06 reads.
const METADATA: &str = "crc=1,finobt=1,inobtcount=1,bigtime=1,reflink=1,rmapbt=0";
const INODES: &str = "size=512,sparse=1,nrext64=0,exchange=0";
const NAMES: &str = "parent=0";
/// The log is of the least size that mkfs.xfs gives to any disk of more than a few GiB; it is zeros in the image.
const LOG: &str = "size=64m";

/// Why there is no file system.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path holds a character that mkfs.xfs or the loader takes for a separator.
    #[error("{0:?}: a path for mkfs.xfs may not hold commas, colons or spaces")]
    Path(PathBuf),
    /// The label cannot be stored.
    #[error("file system label {0:?}: 1 to 12 bytes, without spaces, are possible")]
    Label(String),
    /// mkfs.xfs failed.
    #[error(transparent)]
    Command(#[from] helix_command::Error),
    /// The loader of the tools did not take the library that sorts folders, so the image depends on the machine.
    #[error("mkfs.xfs ran without {}, so its result is not reproducible", .0.display())]
    NotPreloaded(PathBuf),
    /// The library cannot be written, or this system has none.
    #[error("cannot prepare {}: {source}", path.display())]
    Prepare {
        /// What was to be written or looked up.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where programs come from: a folder of pinned tools, in whose root the paths of the host are visible unchanged.
pub trait Tools {
    /// The beginning of a command line that runs `program`, without arguments.
    fn cmd(&self, program: &str) -> Cmd;
}

/// A root file system to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootFs<'a> {
    /// The folder that becomes the root folder.
    pub tree: &'a Path,
    /// The file to be made; it is as long as `size` and sparse. What it held is lost.
    pub image: &'a Path,
    /// The size of the file system, in bytes; at least 300 MiB.
    pub size: u64,
    /// The UUID of the file system.
    pub uuid: Uuid,
    /// The label, 1 to 12 bytes.
    pub label: &'a str,
    /// The time of everything that has none of its own, in Unix seconds.
    pub timestamp: u64,
}

/// Makes the file system with mkfs.xfs of `tools`. The same tree and fields give the same bytes, on whatever file system
/// the tree is.
///
/// # Errors
/// When a field is not possible, mkfs.xfs fails, or it ran in a way that is not reproducible.
pub fn make_xfs(tools: &dyn Tools, fs: &RootFs<'_>) -> Result<(), Error> {
    let label = fs.label;
    if label.is_empty() || label.len() > LABEL_MOST || label.contains(char::is_whitespace) {
        return Err(Error::Label(label.into()));
    }
    let (tree, image) = (absolute(fs.tree)?, absolute(fs.image)?);
    let library = preload::Library::beside(&image)?;
    let cmd = tools.cmd("mkfs.xfs").args(arguments(fs, &tree, &image));
    let output = cmd
        .env("LD_PRELOAD", check(library.path())?)
        .env("SOURCE_DATE_EPOCH", fs.timestamp.to_string())
        .env("DETERMINISTIC_SEED", "1")
        .output()?;
    if output.stdout.starts_with(preload::LOADED) { Ok(()) } else { Err(Error::NotPreloaded(library.path().into())) }
}

/// The path as it is within the root of the tools, whose working folder may be another.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let full = std::path::absolute(path).map_err(|source| Error::Prepare { path: path.into(), source })?;
    check(&full)?;
    Ok(full)
}

fn check(path: &Path) -> Result<&Path, Error> {
    let separator = |byte: &u8| b",: \t\n".contains(byte);
    if path.as_os_str().as_bytes().iter().any(separator) { Err(Error::Path(path.into())) } else { Ok(path) }
}

fn arguments(fs: &RootFs<'_>, tree: &Path, image: &Path) -> Vec<OsString> {
    let groups = fs.size.div_ceil(GROUP_MOST).max(GROUPS);
    let metadata = format!("{METADATA},uuid={}", fs.uuid);
    let mut populate = tree.as_os_str().to_owned();
    populate.push(",atime=0");
    let mut data = OsString::from("name=");
    data.push(image);
    data.push(format!(",size={},file,agcount={groups},noalign", fs.size));
    let mut arguments = Vec::from(["-q", "-f"].map(OsString::from));
    let options = [("-b", "size=4096"), ("-s", "size=512"), ("-i", INODES), ("-n", NAMES), ("-l", LOG)];
    arguments.extend(options.into_iter().flat_map(|(option, value)| [option.into(), value.into()]));
    arguments.extend(["-m".into(), metadata.into(), "-L".into(), fs.label.into()]);
    arguments.extend(["-p".into(), populate, "-d".into(), data]);
    arguments
}

#[cfg(test)]
mod tests;
