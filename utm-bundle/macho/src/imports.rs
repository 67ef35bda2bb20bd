//! What a file takes from libraries, as the dynamic linker reads it: the imports of its chained fixups.
//!
//! The symbol table says the same for debuggers. It is not read: the dynamic linker does not, and a table that nobody
//! uses may say anything. The format is that of `mach-o/fixup-chains.h` in dyld's source.

use object::macho::{self, DyldChainedFixupsHeader, DyldChainedImport32, DyldChainedImport64};
use object::{Endianness, ReadRef};

use crate::file::ReadError;

pub(crate) const TABLE: &str = "table of imports";

/// No name is longer, so that a damaged table of many entries does not fill the memory with one name.
const LONGEST_NAME: u64 = 4096;

/// A symbol that is taken from a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The library's install name; nothing if the symbol may come from anywhere.
    pub library: Option<String>,
    /// The symbol, with C's underscore.
    pub symbol: String,
    /// Whether it may be missing.
    pub weak: bool,
}

fn damaged<T>(fault: &'static str) -> impl FnOnce(T) -> ReadError {
    move |_| ReadError::Damaged { table: TABLE, fault }
}

/// Reads the imports of chained fixups.
pub(crate) fn read(fixups: &[u8], libraries: &[String]) -> Result<Vec<Import>, ReadError> {
    let header: &DyldChainedFixupsHeader<Endianness> = fixups.read_at(0).map_err(damaged("it has no header"))?;
    let get = |field: object::U32<Endianness>| u64::from(field.get(Endianness::Little));
    if get(header.symbols_format) != 0 {
        return Err(ReadError::Unsupported("compressed names of imports"));
    }
    // An entry, and the addend that may follow it.
    let size = match header.imports_format.get(Endianness::Little) {
        macho::DYLD_CHAINED_IMPORT => 4,
        macho::DYLD_CHAINED_IMPORT_ADDEND => 8,
        macho::DYLD_CHAINED_IMPORT_ADDEND64 => 16,
        _ => return Err(ReadError::Unsupported("an unknown format of imports")),
    };
    let length = get(header.imports_count) * size;
    let table =
        fixups.read_bytes_at(get(header.imports_offset), length).map_err(damaged("it leads out of the file"))?;
    let names = get(header.symbols_offset);
    table.chunks_exact(size as usize).map(|entry| import(entry, fixups, names, libraries)).collect()
}

fn import(entry: &[u8], fixups: &[u8], names: u64, libraries: &[String]) -> Result<Import, ReadError> {
    let (dylib, weak, name) = match entry.first_chunk() {
        Some(wide) if entry.len() == 16 => {
            let import = DyldChainedImport64(u64::from_le_bytes(*wide));
            (import.dylib(), import.weak_import(), import.name_offset())
        }
        _ => {
            let import = DyldChainedImport32(u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]));
            (import.dylib(), import.weak_import(), import.name_offset())
        }
    };
    let library = match dylib.index() {
        Some(index) => Some(
            libraries
                .get(index as usize - 1)
                .ok_or(ReadError::Damaged { table: TABLE, fault: "an import is of a library that is not loaded" })?
                .clone(),
        ),
        None => None,
    };
    let start = names + u64::from(name);
    let symbol = fixups
        .read_bytes_at_until(start..(fixups.len() as u64).min(start + LONGEST_NAME), 0)
        .map_err(damaged("a name leads out of the file"))?;
    Ok(Import { library, symbol: String::from_utf8_lossy(symbol).into_owned(), weak })
}
