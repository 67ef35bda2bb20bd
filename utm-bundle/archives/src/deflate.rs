//! Compression of pieces, and whether it pays.
//!
//! Disks and frameworks' archives are often compressed already. A few samples of a piece show it in a tenth of the time that
//! compressing all of it takes.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The level of zlib: its default. Higher ones take twice the time for a hundredth.
const LEVEL: u32 = 6;
/// Samples of a piece, and the size of each in bytes.
const SAMPLES: usize = 4;
const SAMPLE: usize = 16 << 10;
/// The longest stored block of deflate, in bytes (RFC 1951, 3.2.4).
const STORED: usize = 0xFFFF;

/// The end of a deflate stream: a last block that is empty.
pub(crate) const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// A zlib stream, when it is smaller.
pub(crate) fn zlib(piece: &[u8]) -> Option<Vec<u8>> {
    if !promises(piece) {
        return None;
    }
    let packed = compress(piece, true, LEVEL, FlushCompress::Finish);
    (packed.len() < piece.len()).then_some(packed)
}

/// A piece of a deflate stream that ends at a whole byte and refers to nothing before it, so that the next can follow. What
/// compression does not make smaller is in stored blocks.
pub(crate) fn blocks(piece: &[u8]) -> Vec<u8> {
    if promises(piece) {
        let packed = compress(piece, false, LEVEL, FlushCompress::Sync);
        if packed.len() < piece.len() {
            return packed;
        }
    }
    piece.chunks(STORED).flat_map(|c| [&stored_header(c.len())[..], c].concat()).collect()
}

/// The zlib stream's content, when it has exactly `bytes`.
pub(crate) fn unpack(packed: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(bytes);
    let mut stream = Decompress::new(true);
    let status = stream.decompress_vec(packed, &mut content, FlushDecompress::Finish).ok()?;
    let whole = status == Status::StreamEnd && stream.total_in() == packed.len() as u64 && content.len() == bytes;
    whole.then_some(content)
}

/// Whether samples become at least a sixteenth smaller.
fn promises(piece: &[u8]) -> bool {
    if piece.len() <= SAMPLES * SAMPLE {
        return true;
    }
    let step = (piece.len() - SAMPLE) / (SAMPLES - 1);
    let small = |n: usize| compress(&piece[n * step..][..SAMPLE], false, 1, FlushCompress::Finish).len();
    (0..SAMPLES).map(small).sum::<usize>() < SAMPLES * SAMPLE / 16 * 15
}

fn compress(piece: &[u8], header: bool, level: u32, flush: FlushCompress) -> Vec<u8> {
    let mut stream = Compress::new(Compression::new(level), header);
    // More than deflate makes of anything: its fixed code has nine bits for a byte; then a header, a flush, an end.
    let mut packed = Vec::with_capacity(piece.len() + piece.len() / 4 + 128);
    stream.compress_vec(piece, &mut packed, flush).expect("no dictionary is set");
    assert!(packed.len() < packed.capacity(), "all of it came out");
    packed
}

fn stored_header(len: usize) -> [u8; 5] {
    let [low, high] = u16::try_from(len).expect("chunks are that small").to_le_bytes();
    [0, low, high, !low, !high]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without any order (xorshift), the same each time.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..bytes).map(|_| next()).collect()
    }

    fn inflated(stream: &[u8], bytes: usize) -> Vec<u8> {
        let mut content = Vec::with_capacity(bytes + 1);
        let mut inflate = Decompress::new(false);
        let status = inflate.decompress_vec(stream, &mut content, FlushDecompress::Finish).unwrap();
        assert_eq!(status, Status::StreamEnd);
        assert_eq!(inflate.total_in(), stream.len() as u64);
        content
    }

    #[test]
    fn pieces_one_after_the_other_are_one_stream() {
        let pieces = [b"text ".repeat(50_000), noise(300_000), vec![7], noise(STORED), vec![0; 1 << 20], noise(100)];
        let stream: Vec<u8> = pieces.iter().flat_map(|p| blocks(p)).chain(LAST_BLOCK).collect();
        let content = pieces.concat();
        assert_eq!(inflated(&stream, content.len()), content);
        assert!(stream.len() < 300_000 + STORED + 10_000, "what can be packed is packed: {}", stream.len());
    }

    #[test]
    fn what_cannot_be_packed_grows_by_a_few_bytes_only() {
        for bytes in [1, 100, 65_535, 65_536, 65_537, 1 << 20] {
            let content = noise(bytes);
            let stream = [blocks(&content), LAST_BLOCK.to_vec()].concat();
            assert!(stream.len() <= bytes + 5 * bytes.div_ceil(STORED) + 2, "{bytes}: {}", stream.len());
            assert_eq!(inflated(&stream, bytes), content);
        }
    }

    #[test]
    fn a_zlib_stream_unpacks_to_its_size_or_not_at_all() {
        let content = b"something ".repeat(1000);
        let packed = zlib(&content).unwrap();
        assert_eq!(unpack(&packed, content.len()).as_deref(), Some(&content[..]));
        assert_eq!(unpack(&packed, content.len() - 1), None);
        assert_eq!(unpack(&packed, content.len() + 1), None);
        assert_eq!(unpack(&packed[..packed.len() - 1], content.len()), None);
        assert_eq!(zlib(&noise(1 << 18)), None);
    }
}
