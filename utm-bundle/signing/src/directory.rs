//! The code directory: the hash of each page of a file and of what belongs to it; its own hash is what is signed.

use helix_macho::{Kind, Unsigned};
use sha2::{Digest, Sha256};

use crate::blob::{self, CODE_DIRECTORY, number};
use crate::message::{self, Message};

/// The version with the place of the code segment, and the length of its fields.
const VERSION: (u32, usize) = (0x2_0400, 88);
/// That with the version of the hardened runtime.
const VERSION_RUNTIME: (u32, usize) = (0x2_0500, 96);
/// Nobody vouches for it.
pub(crate) const AD_HOC: u32 = 2;
/// The hardened runtime: no code from elsewhere, but for what entitlements allow.
pub(crate) const RUNTIME: u32 = 0x1_0000;
const SHA256: u8 = 2;
const HASH: usize = 32;
/// Hashes are of 4 KiB each, as Apple's linker and LLVM's make them for arm64 too.
const PAGE_BITS: u8 = 12;
/// The code segment is that of a program.
const MAIN_BINARY: u64 = 1;

/// A hash of what belongs to a file, by its slot.
pub(crate) type Special = (u32, [u8; HASH]);

/// What a code directory is made of.
pub(crate) struct Facts<'a> {
    pub(crate) identifier: &'a str,
    /// In any order; where one is missing, there are zeros.
    pub(crate) special: &'a [Special],
    /// Whether somebody vouches for it, and with which team.
    pub(crate) vouched: Option<Option<&'a str>>,
}

impl Facts<'_> {
    /// The version, and the length of its fields.
    fn version(&self) -> (u32, usize) {
        if self.vouched.is_some() { VERSION_RUNTIME } else { VERSION }
    }

    /// The identifier and the team, each with its zero.
    fn names(&self) -> Vec<u8> {
        let team = self.vouched.flatten();
        [Some(self.identifier), team].into_iter().flatten().flat_map(|name| name.bytes().chain([0])).collect()
    }
}

/// The hash of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; HASH] {
    Sha256::digest(bytes).into()
}

/// By what a signature is known: the beginning of the directory's hash.
pub(crate) fn cd_hash(directory: &[u8]) -> [u8; 20] {
    *sha256(directory).first_chunk().expect("a hash is longer")
}

/// How many hashes there are besides those of pages.
fn special_slots(special: &[Special]) -> u32 {
    special.iter().map(|(slot, _)| *slot).max().unwrap_or(0)
}

/// The length of a directory in bytes.
pub(crate) fn length(code: usize, facts: &Facts<'_>) -> usize {
    let hashes = special_slots(facts.special) as usize + code.div_ceil(1 << PAGE_BITS);
    facts.version().1 + facts.names().len() + HASH * hashes
}

/// The directory of a file, which has its room for the signature already.
pub(crate) fn build(file: &Unsigned, facts: &Facts<'_>) -> Vec<u8> {
    let slots = special_slots(facts.special);
    let pages = file.code.chunks(1 << PAGE_BITS);
    let ((version, fields), names) = (facts.version(), facts.names());
    let first_hash = fields + names.len() + HASH * slots as usize;
    let segment = [file.text.0, file.text.1, if file.kind == Kind::Executable { MAIN_BINARY } else { 0 }];
    let places = [first_hash as u32, fields as u32, slots, pages.len() as u32, file.code.len() as u32];
    let flags = if facts.vouched.is_some() { RUNTIME } else { AD_HOC };
    let mut content: Vec<u8> = [version, flags].into_iter().chain(places).flat_map(u32::to_be_bytes).collect();
    content.extend([HASH as u8, SHA256, 0, PAGE_BITS]);
    let team = facts.vouched.flatten().map_or(0, |_| fields + facts.identifier.len() + 1);
    // Unused: a spare field, scattered pages before the team, and behind it a spare field and a longer limit.
    content.extend([0, 0, team as u32, 0, 0, 0].into_iter().flat_map(u32::to_be_bytes));
    content.extend(segment.into_iter().flat_map(u64::to_be_bytes));
    if facts.vouched.is_some() {
        // For which system the runtime is, and that nothing is encrypted.
        content.extend([file.sdk, 0].into_iter().flat_map(u32::to_be_bytes));
    }
    content.extend(names);
    for slot in (1..=slots).rev() {
        let hash = facts.special.iter().find(|(at, _)| *at == slot).map_or([0; HASH], |(_, hash)| *hash);
        content.extend(hash);
    }
    content.extend(pages.flat_map(sha256));
    blob::blob(CODE_DIRECTORY, &content)
}

/// A signature that was read.
#[derive(Debug)]
pub struct Signature<'a> {
    /// Its parts, by their slots.
    pub(crate) blobs: Vec<(u32, &'a [u8])>,
    pub(crate) directory: Directory,
    /// What stands for it.
    pub(crate) cd_hash: [u8; 20],
}

impl<'a> Signature<'a> {
    /// Reads the signature at the beginning of `data`.
    ///
    /// # Errors
    /// When it is not well formed.
    pub fn read(data: &'a [u8]) -> Result<Self, &'static str> {
        let blobs = blob::parse(data)?;
        let bytes = blobs.iter().find(|(slot, _)| *slot == blob::SLOT_DIRECTORY).map(|(_, bytes)| *bytes);
        let bytes = bytes.ok_or("the signature has no code directory")?;
        let directory = Directory::parse(bytes).ok_or("its code directory is damaged")?;
        Ok(Self { blobs, directory, cd_hash: cd_hash(bytes) })
    }

    /// Who vouches for it, where somebody does: the name in the certificate.
    ///
    /// # Errors
    /// When the message of the signer, its certificates or its timestamp are not good; which is said.
    pub fn signer(&self) -> Option<Result<String, String>> {
        Some(self.message()?.map(|message| message.signer.leaf().name()))
    }

    /// The message of whoever vouches for it.
    pub(crate) fn message(&self) -> Option<Result<Message, String>> {
        let message = self.part(blob::SLOT_CMS)?.get(8..).filter(|message| !message.is_empty())?;
        Some(message::read(message, self.part(blob::SLOT_DIRECTORY)?))
    }

    /// The part in a slot.
    pub(crate) fn part(&self, slot: u32) -> Option<&'a [u8]> {
        self.blobs.iter().find(|(at, _)| *at == slot).map(|(_, blob)| *blob)
    }
}

/// A directory that was read; the hashes of pages are left to [`helix_macho::MachO::read`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) version: u32,
    pub(crate) flags: u32,
    pub(crate) identifier: String,
    /// Hashes that are not zero, by their slots.
    pub(crate) special: Vec<Special>,
    /// Begin, length and flags of the code segment.
    pub(crate) segment: [u64; 3],
    pub(crate) team: Option<String>,
    /// Whether it has pages that lie elsewhere, or the like.
    pub(crate) more: bool,
}

impl Directory {
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let field = |at| number(data, at);
        let long = |at: usize| Some(u64::from(field(at)?) << 32 | u64::from(field(at + 4)?));
        if field(0)? != CODE_DIRECTORY {
            return None;
        }
        let (first_hash, slots) = (field(16)? as usize, field(24)?);
        let hash = |slot: u32| {
            let at = first_hash.checked_sub(HASH * slot as usize)?;
            Some((slot, *data.get(at..)?.first_chunk()?))
        };
        if slots > 16 {
            return None;
        }
        let special = (1..=slots).map(hash).collect::<Option<Vec<Special>>>()?;
        let name = |at: u32| {
            let name = data.get(at as usize..)?.split(|byte| *byte == 0).next()?;
            String::from_utf8(name.to_vec()).ok()
        };
        let team = if field(8)? >= VERSION.0 { field(48)? } else { 0 };
        Some(Self {
            version: field(8)?,
            flags: field(12)?,
            identifier: name(field(20)?)?,
            team: if team == 0 { None } else { Some(name(team)?) },
            special: special.into_iter().filter(|(_, hash)| *hash != [0; HASH]).collect(),
            segment: [long(64)?, long(72)?, long(80)?],
            more: [40, 44, 52, 56, 60].map(field) != [Some(0); 5],
        })
    }

    /// Whether it is of the version that is made here, for code for which somebody vouches or nobody.
    pub(crate) fn is_of_our_version(&self, vouched: bool) -> bool {
        self.version == if vouched { VERSION_RUNTIME.0 } else { VERSION.0 } && !self.more
    }

    /// Whether it says that its code segment is that of a program.
    pub(crate) fn is_program(&self) -> bool {
        self.segment[2] & MAIN_BINARY != 0
    }
}
