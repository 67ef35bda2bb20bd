//! The signature at a file's end: whether the pages that it vouches for are the pages of the file.
//!
//! Whose signature it is, is not judged here: an ad hoc one is nobody's. The format is that of `cs_blobs.h` in the
//! kernel's source; its numbers are big-endian.

use object::ReadRef;
use object::endian::{BigEndian, U32};
use sha2::{Digest, Sha256};

use crate::file::{Place, ReadError};

const TABLE: &str = "signature";
const SUPER_BLOB: u32 = 0xfade_0cc0;
const CODE_DIRECTORY: u32 = 0xfade_0c02;
/// The slot of the code directory in the table of blobs.
const SLOT_CODE_DIRECTORY: u32 = 0;
const AD_HOC: u32 = 0x2;
const HASH_SHA256: u8 = 2;
const HASH_SIZE: usize = 32;

/// What a signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// By whose name the file goes for macOS.
    pub identifier: String,
    /// Whether nobody vouches for it.
    pub ad_hoc: bool,
    /// How many bytes from the file's beginning it covers.
    pub covered: u32,
    /// Where the signature itself begins: a good one covers everything before.
    pub offset: u32,
    /// The numbers of the pages that are not as they were signed.
    pub changed_pages: Vec<usize>,
}

fn damaged(fault: &'static str) -> ReadError {
    ReadError::Damaged { table: TABLE, fault }
}

fn number(data: &[u8], offset: usize) -> Result<u32, ReadError> {
    let field: &U32<BigEndian> = data.read_at(offset as u64).map_err(|()| damaged("it is cut off"))?;
    Ok(field.get(BigEndian))
}

/// Reads the signature at `place` of the file `data`, and compares the hash of each page.
pub(crate) fn read(data: &[u8], place: Place) -> Result<Signature, ReadError> {
    let directory = directory(place.bytes(data, TABLE)?)?;
    let field = |offset| number(directory, offset);
    let (flags, hashes, identifier) = (field(12)?, field(16)? as usize, field(20)? as usize);
    let (slots, covered) = (field(28)? as usize, field(32)?);
    let [hash_size, hash_type, _platform, page_bits] = field(36)?.to_be_bytes();
    if (hash_size as usize, hash_type) != (HASH_SIZE, HASH_SHA256) {
        return Err(ReadError::Unsupported("a signature with another hash than SHA-256"));
    }
    if !(12..=16).contains(&page_bits) {
        return Err(ReadError::Unsupported("a signature with pages of another size than 4 to 64 KiB"));
    }
    let code = data.get(..covered as usize).ok_or(damaged("it covers more than the file"))?;
    let pages = code.chunks(1 << page_bits);
    if pages.len() != slots {
        return Err(damaged("it has not one hash for each page"));
    }
    let hashes = hashes.checked_add(slots * HASH_SIZE).and_then(|end| directory.get(hashes..end));
    let hashes = hashes.ok_or(damaged("its hashes lead out of it"))?.chunks_exact(HASH_SIZE);
    let name = directory.get(identifier..).and_then(|rest| rest.split(|byte| *byte == 0).next());
    let pairs = pages.zip(hashes).enumerate();
    Ok(Signature {
        identifier: String::from_utf8_lossy(name.ok_or(damaged("its identifier leads out of it"))?).into_owned(),
        ad_hoc: flags & AD_HOC != 0,
        covered,
        offset: place.offset,
        changed_pages: pairs.filter(|(_, (page, hash))| Sha256::digest(page)[..] != **hash).map(|(at, _)| at).collect(),
    })
}

/// The code directory among the blobs.
fn directory(blobs: &[u8]) -> Result<&[u8], ReadError> {
    if number(blobs, 0)? != SUPER_BLOB {
        return Err(damaged("it begins with a wrong number"));
    }
    for index in 0..number(blobs, 8)? as usize {
        let entry = 12 + 8 * index;
        if number(blobs, entry)? == SLOT_CODE_DIRECTORY {
            let blob = blobs.get(number(blobs, entry + 4)? as usize..).ok_or(damaged("a blob leads out of it"))?;
            if number(blob, 0)? != CODE_DIRECTORY {
                return Err(damaged("its code directory begins with a wrong number"));
            }
            return blob.get(..number(blob, 4)? as usize).ok_or(damaged("its code directory is cut off"));
        }
    }
    Err(damaged("it has no code directory"))
}
