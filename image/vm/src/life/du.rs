//! `vm du`: what the disks of a machine take, on this computer and in the guest.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::error::Error;
use super::home::Vm;
use super::{create, start};
use crate::agent::Agent;
use crate::overlay::{allocated_bytes, virtual_bytes};

/// How long the guest has to tell what is used.
const ANSWER: Duration = Duration::from_secs(10);
/// Where the guest has the data disk; see `guest-components/overlay/usr/lib/helix/data-disk`.
const DATA: &str = "/var/lib/helix/data";

/// What a disk takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskUse {
    /// Its file.
    pub path: PathBuf,
    /// How large it is for the guest, in bytes; nothing where the file does not tell.
    pub virtual_bytes: Option<u64>,
    /// What it takes on this computer, in bytes; blocks that it shares with the image are counted too.
    pub computer_bytes: u64,
    /// What is used in the guest, while that is up.
    pub guest: Option<GuestUse>,
}

/// A file system in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GuestUse {
    /// What is used, in bytes.
    pub used_bytes: u64,
    /// What is free, in bytes.
    pub free_bytes: u64,
}

/// What a machine takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Du {
    /// Its name.
    pub name: String,
    /// The image that it was made from, where that is still there.
    pub image: Option<DiskUse>,
    /// Its system disk.
    pub system_disk: DiskUse,
    /// Its data disk.
    pub data_disk: DiskUse,
    /// System disks from before resets: one stays until the guest has come up from the fresh one.
    pub former_disks: Vec<DiskUse>,
    /// Why the guest has not told what is used, where it has not.
    pub note: Option<String>,
}

impl Vm {
    /// What the machine's disks take.
    ///
    /// # Errors
    /// When the machine does not exist, or its files cannot be read.
    pub fn du(&self) -> Result<Du, Error> {
        self.must_exist()?;
        let config = self.config()?;
        let (mut used, note) = match self.guest_use() {
            Ok(used) => (used, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let mut of = |path: &str| used.iter().position(|(at, _)| at == path).map(|at| used.swap_remove(at).1);
        let (system, data) = (of("/"), of(DATA));
        let file = |name: String| disk_use(&self.folder().join(name));
        let former = create::numbers(self, "system.")?.into_iter().filter(|number| *number != config.system);
        let mut former: Vec<u64> = former.collect();
        former.sort_unstable();
        Ok(Du {
            name: self.name().to_owned(),
            image: disk_use(&config.image.join("disk.qcow2")).ok(),
            system_disk: DiskUse { guest: system, ..file(create::system_disk(config.system))? },
            data_disk: DiskUse { guest: data, ..file(create::data_disk(create::DATA_VERSION))? },
            former_disks: former
                .into_iter()
                .map(|number| file(create::system_disk(number)))
                .collect::<Result<_, _>>()?,
            note,
        })
    }

    /// The guest's file systems by their places, or why it does not tell.
    fn guest_use(&self) -> Result<Vec<(String, GuestUse)>, String> {
        let is_up = start::qemu(self).is_alive().map_err(|error| error.to_string())?
            && self.run().ok().flatten().is_some_and(|run| run.ready);
        if !is_up {
            return Err("the guest is not up".to_owned());
        }
        // The agent talks to one at a time.
        let _lock = self.lock("du").map_err(|error| error.to_string())?;
        let agent = Agent::connect(&self.sockets().agent_socket());
        let df = format!("df -B1 --output=target,used,avail / {DATA}");
        let output = agent.and_then(|mut agent| agent.exec(&df, ANSWER)).map_err(|error| error.to_string())?;
        Ok(output.stdout_text().lines().filter_map(line_of_df).collect())
    }
}

fn disk_use(path: &Path) -> Result<DiskUse, Error> {
    let computer_bytes = allocated_bytes(path)?;
    Ok(DiskUse { path: path.to_owned(), virtual_bytes: virtual_bytes(path), computer_bytes, guest: None })
}

/// A place, and what is used and free there.
fn line_of_df(line: &str) -> Option<(String, GuestUse)> {
    let mut words = line.split_whitespace();
    let place = words.next()?.to_owned();
    let (used_bytes, free_bytes) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((place, GuestUse { used_bytes, free_bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_numbers_are_file_systems() {
        let text = "Mounted on Used Avail\n/ 1500 68000000000\n/var/lib/helix/data - -\n";
        let expected = GuestUse { used_bytes: 1500, free_bytes: 68_000_000_000 };
        assert_eq!(text.lines().filter_map(line_of_df).collect::<Vec<_>>(), [("/".to_owned(), expected)]);
    }
}
