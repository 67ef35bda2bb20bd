//! `tar-split.json.gz`: everything of a layer's tar stream that is not the content of a file, so that the stream can be
//! put together again, byte for byte, from the layer's tree.
//!
//! The format is that of <https://github.com/vbatts/tar-split>, a JSON object per line: a segment holds raw bytes, a
//! file stands for the content of the file of that name, with its CRC-64. The engine opens the name below the layer's
//! folder, so a content that is not to be found there (replaced later in the same layer, reached through an absolute
//! link, sparse in the stream) is kept as segments: [`inline`].

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

/// The most raw bytes in one entry: the engine reads an entry as a whole.
pub(crate) const MAX_SEGMENT: usize = 1 << 20;
/// The longest line that is read back, in bytes: a full segment as base64, and a name.
const MAX_LINE: u64 = 4 << 20;

const FILE: u8 = 1;
const SEGMENT: u8 = 2;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// A name that is not UTF-8, as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name_raw: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    size: u64,
    payload: Option<String>,
    position: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Writes entries.
pub(crate) struct Packer<W: Write> {
    target: GzEncoder<W>,
    position: u64,
}

impl Packer<BufWriter<File>> {
    pub(crate) fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self::new(BufWriter::new(File::create(path)?)))
    }
}

impl<W: Write> Packer<W> {
    pub(crate) fn new(target: W) -> Self {
        // The default header has neither time nor name: the same layer gives the same bytes.
        Self { target: GzEncoder::new(target, Compression::fast()), position: 0 }
    }

    fn write(&mut self, mut entry: Entry) -> std::io::Result<()> {
        entry.position = self.position;
        self.position += 1;
        serde_json::to_writer(&mut self.target, &entry)?;
        self.target.write_all(b"\n")
    }

    /// Raw bytes; nothing is written for none.
    pub(crate) fn segment(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        for chunk in bytes.chunks(MAX_SEGMENT) {
            let payload = Some(STANDARD.encode(chunk));
            self.write(Entry { kind: SEGMENT, name: None, name_raw: None, size: 0, payload, position: 0 })?;
        }
        Ok(())
    }

    /// The content of a file; returns the position by which [`inline`] finds it.
    pub(crate) fn file(&mut self, name: &[u8], size: u64, crc: u64) -> std::io::Result<u64> {
        let (name, name_raw) = match std::str::from_utf8(name) {
            Ok(name) => (Some(name.to_owned()), None),
            Err(_) => (None, Some(STANDARD.encode(name))),
        };
        let payload = (size > 0).then(|| STANDARD.encode(crc.to_be_bytes()));
        self.write(Entry { kind: FILE, name, name_raw, size, payload, position: 0 })?;
        Ok(self.position - 1)
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> std::io::Result<()> {
        self.target.finish()?.flush()
    }
}

/// Reads entries back.
struct Unpacker<R: Read> {
    source: BufReader<GzDecoder<R>>,
}

impl<R: Read> Unpacker<R> {
    fn new(source: R) -> Self {
        Self { source: BufReader::new(GzDecoder::new(source)) }
    }
}

impl<R: Read> Iterator for Unpacker<R> {
    type Item = std::io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match (&mut self.source).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(n) if n as u64 == MAX_LINE => Some(Err(std::io::Error::other("a line of tar-split is too long"))),
            Ok(_) => Some(serde_json::from_slice(&line).map_err(std::io::Error::from)),
            Err(e) => Some(Err(e)),
        }
    }
}

/// A content that goes into the stream's description itself, and the entry that named it.
pub(crate) struct Inline {
    /// The position of the entry.
    pub(crate) position: u64,
    /// Where the content is.
    pub(crate) content: PathBuf,
}

/// Copies the description at `from` to `to`, with the given contents as segments. `contents` is in the order of positions.
pub(crate) fn inline(from: &Path, to: &Path, contents: &[Inline]) -> std::io::Result<()> {
    let mut contents = contents.iter().peekable();
    let mut packer = Packer::create(to)?;
    for entry in Unpacker::new(File::open(from)?) {
        let entry = entry?;
        match contents.next_if(|c| c.position == entry.position) {
            None => packer.write(entry)?,
            Some(found) => {
                let mut file = File::open(&found.content)?;
                let mut buffer = vec![0; MAX_SEGMENT];
                loop {
                    match file.read(&mut buffer)? {
                        0 => break,
                        n => packer.segment(&buffer[..n])?,
                    }
                }
            }
        }
    }
    packer.finish()
}

/// Puts a stream together again: segments as they are, and contents that `open` finds by their names.
///
/// # Errors
/// When an entry is none, a content is not there, or has not the size or the checksum that the entry states.
pub fn assemble(
    source: impl Read,
    mut open: impl FnMut(&[u8]) -> std::io::Result<Box<dyn Read>>,
    target: &mut impl Write,
) -> std::io::Result<()> {
    let broken = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let decode = |text: &str| STANDARD.decode(text).map_err(|e| broken(&format!("a payload is no base64: {e}")));
    for entry in Unpacker::new(source) {
        let entry = entry?;
        let payload = entry.payload.as_deref().map(decode).transpose()?.unwrap_or_default();
        match entry.kind {
            SEGMENT => target.write_all(&payload)?,
            FILE if entry.size == 0 => {}
            FILE => {
                let name = match (&entry.name, &entry.name_raw) {
                    (_, Some(raw)) => decode(raw)?,
                    (Some(name), None) => name.clone().into_bytes(),
                    (None, None) => return Err(broken("an entry of a file has no name")),
                };
                let mut crc = Crc::new();
                let mut content = open(&name)?.take(entry.size + 1);
                let mut buffer = vec![0; 128 << 10];
                let mut size = 0;
                loop {
                    match content.read(&mut buffer)? {
                        0 => break,
                        n => {
                            crc.update(&buffer[..n]);
                            target.write_all(&buffer[..n])?;
                            size += n as u64;
                        }
                    }
                }
                if size != entry.size || crc.finish().to_be_bytes()[..] != payload[..] {
                    return Err(broken(&format!("{} is not what it was", String::from_utf8_lossy(&name))));
                }
            }
            other => return Err(broken(&format!("an entry is of the unknown type {other}"))),
        }
    }
    Ok(())
}

/// The checksum of a file's content: CRC-64/GO-ISO.
pub(crate) struct Crc(crc_fast::Digest);

impl Crc {
    pub(crate) fn new() -> Self {
        Self(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64GoIso))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_gos_crc64_iso() {
        // From the tests of Go's hash/crc64.
        let crc = |text: &str| {
            let mut crc = Crc::new();
            crc.update(text.as_bytes());
            crc.finish()
        };
        assert_eq!(crc("a"), 0x3420_0000_0000_0000);
        assert_eq!(crc("abc"), 0x3776_c420_0000_0000);
        assert_eq!(crc(""), 0);
    }

    #[test]
    fn contents_can_be_named_or_inside() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("content"), "hello").unwrap();
        let mut crc = Crc::new();
        crc.update(b"hello");
        let mut packer = Packer::create(&at("a")).unwrap();
        packer.segment(b"head").unwrap();
        let position = packer.file(b"bad\xffname", 5, crc.finish()).unwrap();
        packer.file(b"empty", 0, 0).unwrap();
        packer.segment(b"tail").unwrap();
        packer.finish().unwrap();
        let content = at("content");
        inline(&at("a"), &at("b"), &[Inline { position, content: content.clone() }]).unwrap();
        for file in ["a", "b"] {
            let mut asked = Vec::new();
            let mut stream = Vec::new();
            let open = |name: &[u8]| {
                asked.push(name.to_owned());
                Ok(Box::new(File::open(&content)?) as Box<dyn Read>)
            };
            assemble(File::open(at(file)).unwrap(), open, &mut stream).unwrap();
            assert_eq!(stream, b"headhellotail");
            assert_eq!(asked.len(), usize::from(file == "a"));
        }
        std::fs::write(&content, "jello").unwrap();
        let open = |_: &[u8]| Ok(Box::new(File::open(&content)?) as Box<dyn Read>);
        assemble(File::open(at("a")).unwrap(), open, &mut Vec::new()).unwrap_err();
    }
}
