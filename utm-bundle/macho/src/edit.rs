//! Changes of the names in load commands: what `install_name_tool` does on a Mac.
//!
//! Load commands are followed by unused bytes, then by code. A longer name needs some of them; when there are too few,
//! or they are used after all, nothing is changed. The signature is left as it is and fits no more: whoever changes a
//! file signs it after.

use std::collections::BTreeMap;

use object::Endianness;
use object::macho::{self, DylibCommand, MachHeader64, RpathCommand};
use object::read::macho::{LoadCommandData, LoadCommandVariant, MachHeader};

use crate::file::{self, Head, Kind, ReadError};

/// What is to be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The new name of a library, by which others load it; nothing to keep the old one.
    pub install_name: Option<String>,
    /// Install names of libraries that are loaded, and the names to load instead.
    pub libraries: BTreeMap<String, String>,
    /// All places where libraries named by `@rpath` are looked for, in their order; nothing to keep those that are there.
    pub rpaths: Option<Vec<String>>,
}

/// Why a file was not changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EditError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new load commands do not fit before the first section.
    #[error(
        "its load commands need {needed} bytes and have {available}; it must be linked again with \
         -headerpad_max_install_names"
    )]
    Room {
        /// The bytes between the header and the first section.
        available: usize,
        /// The bytes of the new load commands.
        needed: usize,
    },
    /// There is something between the load commands and the first section.
    #[error("the bytes between its load commands and its first section are not unused")]
    Used,
    /// A program has no install name.
    #[error("it is no library and has no install name to be changed")]
    NoInstallName,
    /// A name ends at its first zero.
    #[error("{0:?} cannot be a name in a load command")]
    Name(String),
}

fn damaged(fault: &'static str) -> EditError {
    EditError::Read(ReadError::Damaged { table: "table of load commands", fault })
}

const HEADER: usize = size_of::<MachHeader64<Endianness>>();
const ENDIAN: Endianness = Endianness::Little;

impl Changes {
    /// Changes a file, of which `data` holds at least the first [`crate::HEAD_SIZE`] bytes, and says how many bytes from
    /// the beginning may differ now. Everything behind them, and the length of the file, stays as it is.
    ///
    /// # Errors
    /// When it cannot be read, or the new names do not fit; nothing is changed then.
    pub fn apply(&self, data: &mut [u8]) -> Result<usize, EditError> {
        let head = Head::read(data)?;
        if self.install_name.is_some() && head.kind != Kind::Library {
            return Err(EditError::NoInstallName);
        }
        let old_end = file::end_of_commands(file::header(data)?) as usize;
        let commands = self.rewritten(data)?;
        let (needed, available) = (commands.concat(), (old_end - HEADER).saturating_add(head.header_room as usize));
        if needed.len() > available {
            return Err(EditError::Room { available, needed: needed.len() });
        }
        let end = old_end.max(HEADER + needed.len());
        let room = data.get(old_end..end).ok_or(EditError::Used)?;
        if room.iter().any(|byte| *byte != 0) {
            return Err(EditError::Used);
        }
        data[16..20].copy_from_slice(&(commands.len() as u32).to_le_bytes());
        data[20..24].copy_from_slice(&(needed.len() as u32).to_le_bytes());
        data[HEADER..end].fill(0);
        data[HEADER..HEADER + needed.len()].copy_from_slice(&needed);
        Ok(end)
    }

    /// The new load commands.
    fn rewritten(&self, data: &[u8]) -> Result<Vec<Vec<u8>>, EditError> {
        let mut commands = Vec::new();
        let mut rpaths = self.rpaths.clone();
        let mut read = 0;
        for command in file::header(data)?.load_commands(ENDIAN, data, 0).map_err(ReadError::from)? {
            let command = command.map_err(ReadError::from)?;
            read += command.raw_data().len();
            match command.variant().map_err(ReadError::from)? {
                LoadCommandVariant::Rpath(_) if self.rpaths.is_some() => {
                    // The new ones come where the first of the old ones was.
                    commands.extend(new_rpaths(rpaths.take())?);
                }
                LoadCommandVariant::IdDylib(dylib) => {
                    commands.push(renamed(&command, dylib, |_| self.install_name.as_ref())?);
                }
                LoadCommandVariant::Dylib(dylib) => {
                    commands.push(renamed(&command, dylib, |name| self.libraries.get(name))?);
                }
                _ => commands.push(command.raw_data().to_owned()),
            }
        }
        if HEADER + read != file::end_of_commands(file::header(data)?) as usize {
            return Err(damaged("it is longer than its commands"));
        }
        commands.extend(new_rpaths(rpaths.take())?);
        Ok(commands)
    }
}

/// A load command of a library with another name, if there is another.
fn renamed<'a>(
    command: &LoadCommandData<'_, Endianness>,
    dylib: &DylibCommand<Endianness>,
    new: impl FnOnce(&str) -> Option<&'a String>,
) -> Result<Vec<u8>, EditError> {
    let old = command.string(ENDIAN, dylib.dylib.name).map_err(ReadError::from)?;
    let Some(new) = new(&String::from_utf8_lossy(old)) else { return Ok(command.raw_data().to_owned()) };
    // Versions, and flags of newer files, come before the name.
    let before = command.raw_data().get(..dylib.dylib.name.offset.get(ENDIAN) as usize).unwrap_or_default();
    if before.len() < size_of::<DylibCommand<Endianness>>() {
        return Err(damaged("a name lies within the fields before it"));
    }
    named(before, new)
}

fn new_rpaths(paths: Option<Vec<String>>) -> Result<Vec<Vec<u8>>, EditError> {
    let length = size_of::<RpathCommand<Endianness>>() as u32;
    let before = [macho::LC_RPATH.0, 0, length].map(u32::to_le_bytes).concat();
    paths.unwrap_or_default().iter().map(|path| named(&before, path)).collect()
}

/// A load command that ends with a name.
fn named(before: &[u8], name: &str) -> Result<Vec<u8>, EditError> {
    if name.is_empty() || name.contains('\0') {
        return Err(EditError::Name(name.to_owned()));
    }
    let mut command = [before, name.as_bytes()].concat();
    let length = (command.len() + 1).next_multiple_of(8);
    command.resize(length, 0);
    command[4..8].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(command)
}
