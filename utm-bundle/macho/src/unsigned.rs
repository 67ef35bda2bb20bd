//! A file without its signature, and the room for another one.

use object::Endianness;
use object::macho::{self, LinkeditDataCommand, SegmentCommand64};
use object::read::macho::{LoadCommandVariant, MachHeader, Segment};

use crate::file::{self, Head, Kind, ReadError};

/// A signature begins at a multiple of this.
const ALIGNMENT: usize = 16;
/// The size of a page of memory on Apple's processors, to which segments are rounded.
const MEMORY_PAGE: u64 = 16 << 10;
const ENDIAN: Endianness = Endianness::Little;

/// Where in the file the fields are that a signature changes.
#[derive(Debug, Clone, Copy)]
struct Fields {
    /// The load command of the signature.
    signature: usize,
    /// The load command of the last segment, which holds the signature.
    linkedit: usize,
    /// Where that segment begins in the file.
    linkedit_offset: u64,
}

/// A file as it is signed: everything before the signature.
#[derive(Debug, Clone)]
pub struct Unsigned {
    /// The file's bytes up to where the signature begins.
    pub code: Vec<u8>,
    /// Program or library.
    pub kind: Kind,
    /// Where the segment of code begins and how long it is in the file, in bytes.
    pub text: (u64, u64),
    /// The version of the system's interfaces it was linked with, as the load command has it: two bytes, and one for each further
    /// number; zero where it says none.
    pub sdk: u32,
    fields: Fields,
}

fn damaged(fault: &'static str) -> ReadError {
    ReadError::Damaged { table: "signature", fault }
}

impl Unsigned {
    /// Takes the signature off a file.
    ///
    /// # Errors
    /// When it is no program or library for arm64, is damaged, or was linked without the load command of a signature, which
    /// every linker for arm64 Macs writes.
    pub fn read(mut data: Vec<u8>) -> Result<Self, ReadError> {
        let kind = Head::read(&data)?.kind;
        let header = file::header(&data)?;
        let (mut signature, mut linkedit, mut text, mut sdk) = (None, None, None, 0);
        let mut at = size_of_val(header);
        for command in header.load_commands(ENDIAN, &*data, 0)? {
            let command = command?;
            match command.variant()? {
                LoadCommandVariant::LinkeditData(table) if command.cmd() == macho::LC_CODE_SIGNATURE => {
                    let earlier = signature.replace((at, end_of(table), table.dataoff.get(ENDIAN)));
                    earlier.map_or(Ok(()), |_| Err(damaged("there are two")))?;
                }
                LoadCommandVariant::BuildVersion(version, _) => sdk = version.sdk.get(ENDIAN).0,
                LoadCommandVariant::Segment64(segment, _) => match segment.name() {
                    b"__LINKEDIT" => linkedit = Some((at, segment.fileoff(ENDIAN), segment.filesize(ENDIAN))),
                    b"__TEXT" => text = Some((segment.fileoff(ENDIAN), segment.filesize(ENDIAN))),
                    _ => {}
                },
                _ => {}
            }
            at += command.raw_data().len();
        }
        let unsigned = ReadError::Unsupported("no load command of a signature, which linkers for arm64 write");
        let (signature, end, offset) = signature.ok_or(unsigned)?;
        let (linkedit, linkedit_offset, size) = linkedit.ok_or(damaged("there is no segment for it"))?;
        let last = linkedit_offset.checked_add(size);
        if end != data.len() as u64 || last != Some(end) || u64::from(offset) < linkedit_offset {
            return Err(damaged("it is not the last of the file"));
        }
        if offset < file::end_of_commands(header) {
            return Err(damaged("it begins within the load commands"));
        }
        if !(offset as usize).is_multiple_of(ALIGNMENT) {
            return Err(damaged("it begins at an odd place"));
        }
        data.truncate(offset as usize);
        let text = text.ok_or(damaged("the file has no segment of code"))?;
        Ok(Self { code: data, kind, text, sdk, fields: Fields { signature, linkedit, linkedit_offset } })
    }

    /// Notes in the load commands that a signature of `size` bytes, a multiple of 16, follows the code.
    pub fn make_room(&mut self, size: u32) {
        let in_segment = self.code.len() as u64 - self.fields.linkedit_offset + u64::from(size);
        self.put(self.fields.signature + 12, &size.to_le_bytes());
        // Of a segment's load command: the size in memory at 32, that in the file at 48.
        self.put(self.fields.linkedit + 32, &in_segment.next_multiple_of(MEMORY_PAGE).to_le_bytes());
        self.put(self.fields.linkedit + 48, &in_segment.to_le_bytes());
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.code[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// Where a table ends in the file.
fn end_of(table: &LinkeditDataCommand<Endianness>) -> u64 {
    u64::from(table.dataoff.get(ENDIAN)) + u64::from(table.datasize.get(ENDIAN))
}

// The places of the fields that are written above.
const _: () = assert!(std::mem::offset_of!(LinkeditDataCommand<Endianness>, datasize) == 12);
const _: () = assert!(std::mem::offset_of!(SegmentCommand64<Endianness>, vmsize) == 32);
const _: () = assert!(std::mem::offset_of!(SegmentCommand64<Endianness>, filesize) == 48);
