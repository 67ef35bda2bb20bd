//! A user and mount namespace of our own.
//!
//! Every verb that touches a tree runs as "root" inside such a namespace: whether the caller is root or an ordinary user,
//! the same code sees the same rights, mounts stay private and vanish with the process, and nothing outside can be
//! changed that the caller could not change anyway. Root keeps its own identities (an identity map); an ordinary user
//! gets the range of `/etc/subuid` and `/etc/subgid` by `newuidmap(1)`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::refusal;

/// Why the namespace could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused the namespace itself.
    #[error("the kernel refuses a user namespace: {0}\n  {hint}", hint = refusal::advice())]
    Refused(rustix::io::Errno),
    /// An ordinary user without a range of subordinate ids.
    #[error(
        "{file} has no range for {user}; give it one with\n    sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
    )]
    NoRange {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// The user's name.
        user: String,
    },
    /// Writing the maps failed.
    #[error("mapping the ids of the user namespace failed: {0}")]
    Map(String),
    /// A mount call failed.
    #[error("making the mounts private: {0}\n  {hint}", hint = refusal::advice())]
    Mounts(rustix::io::Errno),
}

/// Moves this process into a new user and mount namespace, in which it is root.
///
/// Must be called while the process has a single thread; threads and children started later live inside.
///
/// # Errors
/// When user namespaces are not allowed here or no ids can be mapped; the message names the command that helps.
pub fn enter() -> Result<(), Error> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let script = if uid == 0 { root_script()? } else { user_script(uid, gid)? };
    // The maps must be written by a process outside the new namespace: it waits for one line, then writes them.
    let mut mapper = Command::new("sh")
        .args(["-ec", &format!("read go\n{script}")])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Error::Map(e.to_string()))?;
    // SAFETY: the file descriptor table is not unshared, so no descriptor changes its meaning.
    #[expect(unsafe_code, reason = "unshare(2) is marked unsafe because of CLONE_FILES, which is not used")]
    let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) };
    let mapped = unshared.map_err(Error::Refused).and_then(|()| finish_mapping(&mut mapper));
    if mapped.is_err() {
        // The reason is already known; the helper only has to be gone.
        let _ = mapper.kill();
        let _ = mapper.wait();
    }
    mapped?;
    // What the caller's shell masks must not show in a tree.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // Private towards the host, shared among ourselves: a mount made in a tree shows up in every view of that tree.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(Error::Mounts)?;
    mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC).map_err(Error::Mounts)
}

fn finish_mapping(mapper: &mut Child) -> Result<(), Error> {
    if let Some(mut pipe) = mapper.stdin.take() {
        pipe.write_all(b"go\n").map_err(|e| Error::Map(e.to_string()))?;
    }
    let status = mapper.wait().map_err(|e| Error::Map(e.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(mut pipe) = mapper.stderr.take() {
        std::io::Read::read_to_string(&mut pipe, &mut said).map_err(|e| Error::Map(e.to_string()))?;
    }
    Err(Error::Map(said.trim().to_owned()))
}

/// Root maps every id it has onto itself, so files keep their owners.
fn root_script() -> Result<String, Error> {
    let mut script = String::new();
    for kind in ["uid_map", "gid_map"] {
        let present = std::fs::read_to_string(format!("/proc/self/{kind}")).map_err(|e| Error::Map(e.to_string()))?;
        let identity: Vec<String> = present
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let (inside, _outside, count) = (words.next()?, words.next()?, words.next()?);
                Some(format!("{inside} {inside} {count}"))
            })
            .collect();
        let _ = writeln!(script, "printf '{}\\n' > /proc/{}/{kind}", identity.join("\\n"), std::process::id());
    }
    Ok(script)
}

/// An ordinary user becomes root inside; ids from 1 on come from the subordinate range.
fn user_script(uid: u32, gid: u32) -> Result<String, Error> {
    let user = std::env::var("USER").unwrap_or_else(|_| uid.to_string());
    let uids = subordinate_range("/etc/subuid", &user, uid)?;
    let gids = subordinate_range("/etc/subgid", &user, uid)?;
    let pid = std::process::id();
    Ok(format!(
        "newuidmap {pid} 0 {uid} 1 1 {} {}\nnewgidmap {pid} 0 {gid} 1 1 {} {}\n",
        uids.0, uids.1, gids.0, gids.1
    ))
}

/// The first range of at least 65,535 ids that `file` gives to the user, by name or by number.
fn subordinate_range(file: &'static str, user: &str, uid: u32) -> Result<(u32, u32), Error> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    parse_range(&text, user, uid).ok_or_else(|| Error::NoRange { file, user: user.to_owned() })
}

fn parse_range(text: &str, user: &str, uid: u32) -> Option<(u32, u32)> {
    let uid = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        ((owner == user || owner == uid) && count >= 65_535).then_some((start, count))
    })
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn the_range_of_a_user_is_found_by_name_or_number() {
        let text = "other:100000:65536\nme:165536:65536\n1234:300000:65536\nsmall:1:10\n";
        assert_eq!(parse_range(text, "me", 7), Some((165_536, 65_536)));
        assert_eq!(parse_range(text, "nobody", 1234), Some((300_000, 65_536)));
        assert_eq!(parse_range(text, "small", 8), None);
        assert_eq!(parse_range("garbage\n::\n", "me", 7), None);
    }
}
