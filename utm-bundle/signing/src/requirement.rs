//! Requirements: by what macOS knows a program again. The designated one says which other program counts as the same.
//!
//! The form is that of `requirement.h` in Apple's Security framework; a certificate of Developer ID gets the requirement that
//! codesign makes for it (`drmaker.cpp`).

use crate::blob;
use crate::certificate::Certificate;

/// What vouches for code: a certificate, those that vouch for it, and the root last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signer {
    pub(crate) path: Vec<Certificate>,
}

const REQUIREMENT: u32 = 0xfade_0c00;
/// The kind of a requirement in their set.
const DESIGNATED: u32 = 3;
/// The form of a requirement: an expression in prefix notation.
const EXPRESSION: u32 = 1;
// Operations.
const IDENTIFIER: u32 = 2;
const ANCHOR_HASH: u32 = 4;
const AND: u32 = 6;
const FIELD: u32 = 11;
const EXTENSION: u32 = 14;
const APPLE: u32 = 15;
// What a field is compared with.
const EXISTS: u32 = 0;
const EQUALS: u32 = 1;
/// The extension of the authority that signs certificates of Developer ID, 1.2.840.113635.100.6.2.6, as DER has it.
const OF_AUTHORITY: [u8; 10] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x63, 0x64, 0x06, 0x02, 0x06];
/// The extension of those certificates, 1.2.840.113635.100.6.1.13.
const OF_LEAF: [u8; 10] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x63, 0x64, 0x06, 0x01, 0x0d];

impl Signer {
    pub(crate) fn leaf(&self) -> &Certificate {
        &self.path[0]
    }

    /// The team of a Developer ID.
    fn developer(&self) -> Option<String> {
        self.leaf().team().filter(|_| self.leaf().is_developer_id())
    }

    /// Whether it claims to be known to Apple.
    pub(crate) fn is_developer_id(&self) -> bool {
        self.developer().is_some()
    }

    /// What the designated requirement asks of the root and the authority, beyond what the code directory is compared with.
    pub(crate) fn is_anchored(&self) -> bool {
        !self.is_developer_id() || self.path.last().is_some_and(Certificate::is_apples_root)
    }
}

/// The content of the blob of requirements.
pub(crate) fn set(identifier: &str, signer: Option<&Signer>) -> Vec<u8> {
    let Some(signer) = signer else { return vec![0; 4] };
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let id = [words(&[IDENTIFIER]), data(identifier.as_bytes())].concat();
    let expression = match signer.developer() {
        Some(team) => {
            let authority = [words(&[EXTENSION, 1]), data(&OF_AUTHORITY), words(&[EXISTS])].concat();
            let leaf = [words(&[EXTENSION, 0]), data(&OF_LEAF), words(&[EXISTS])].concat();
            let unit = [words(&[FIELD, 0]), data(b"subject.OU"), words(&[EQUALS]), data(team.as_bytes())].concat();
            let and = words(&[AND]);
            [&and, &id, &and, &words(&[APPLE]), &and, &authority, &and, &leaf, &unit].map(Vec::as_slice).concat()
        }
        None => [words(&[AND]), id, words(&[ANCHOR_HASH, 0]), data(&signer.leaf().sha1())].concat(),
    };
    let requirement = blob::blob(REQUIREMENT, &[words(&[EXPRESSION]), expression].concat());
    // How many, and of each its kind and where it begins in the blob.
    [words(&[1, DESIGNATED, 20]), requirement].concat()
}

/// The designated requirement as text, by which the seal around code knows it.
pub(crate) fn text(identifier: &str, cd_hash: &[u8; 20], signer: Option<&Signer>) -> String {
    let Some(signer) = signer else { return format!("cdhash H\"{}\"", hex(cd_hash)) };
    match signer.developer() {
        Some(team) => format!(
            "identifier \"{identifier}\" and anchor apple generic and certificate 1[field.1.2.840.113635.100.6.2.6] \
             /* exists */ and certificate leaf[field.1.2.840.113635.100.6.1.13] /* exists */ and certificate \
             leaf[subject.OU] = \"{team}\""
        ),
        None => format!("identifier \"{identifier}\" and certificate leaf = H\"{}\"", hex(&signer.leaf().sha1())),
    }
}

/// Bytes with their length, up to a multiple of four.
fn data(bytes: &[u8]) -> Vec<u8> {
    let mut all = (bytes.len() as u32).to_be_bytes().to_vec();
    all.extend(bytes);
    all.resize(all.len().next_multiple_of(4), 0);
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
