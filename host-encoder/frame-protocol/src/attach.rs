//! How a connection begins on a transport that has no connections, as a port of virtio-serial.

use memchr::memmem;

/// What every attach begins with. It is in no message: pixels that have it are not sent.
///
/// The bytes 0 and 255 are no luma or chroma of limited range, and every fourth byte is not the same, as the unused one of
/// BGRx is: no picture on a desktop has it.
pub const ATTACH: [u8; 32] = [
    0x00, 0xff, 0x00, 0xff, 0x00, 0xff, 0x00, 0xff, 0x0f, 0x3e, 0x0b, 0x8e, 0xa6, 0x32, 0x9e, 0x75, 0xe8, 0x34, 0x32,
    0x66, 0x67, 0xc8, 0x20, 0x8a, 0x6b, 0x00, 0x9c, 0xbc, 0x05, 0x62, 0x6d, 0x32,
];

/// The length of an attach, in bytes.
const LENGTH: usize = ATTACH.len() + 16;

/// Where a connection begins in a stream of bytes that had others before, maybe cut off in the middle of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attach([u8; LENGTH]);

impl Attach {
    /// One with a mark, by which a client knows the answer to it from those to other clients.
    pub fn new(mark: [u8; 16]) -> Self {
        let mut bytes = [0; LENGTH];
        bytes[..ATTACH.len()].copy_from_slice(&ATTACH);
        bytes[ATTACH.len()..].copy_from_slice(&mark);
        Self(bytes)
    }

    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether the data of a frame have what an attach begins with, so that they must not be sent.
pub fn has_attach(data: &[&[u8]]) -> bool {
    let mut finder = Finder::default();
    // The fields before end with a zero, and what comes behind may be the mark.
    let around = [&[0][..], &[0; 16]];
    around[..1].iter().chain(data).chain(&around[1..]).any(|part| finder.find(part).is_some())
}

/// Finds an attach in a stream of bytes, however it is sliced, and also one that begins within another.
#[derive(Debug, Default)]
pub struct Finder {
    /// The last bytes, fewer than an attach has.
    tail: Vec<u8>,
}

impl Finder {
    /// Looks for the next attach that ends in `bytes`, and how many of them come up to its end. Without one, all are taken.
    pub fn find(&mut self, bytes: &[u8]) -> Option<(Attach, usize)> {
        // What ends in the first bytes can have begun before them; what ends behind them has not.
        let before = self.tail.len();
        self.tail.extend_from_slice(&bytes[..bytes.len().min(LENGTH - 1)]);
        let within = find(&self.tail).map(|(attach, end)| (attach, end - before));
        let found = within.or_else(|| find(bytes));
        let taken = found.map_or(bytes.len(), |(_, end)| end);
        self.keep_tail(before, &bytes[..taken]);
        found
    }

    /// `self.tail` has `before` bytes from before `taken`, and then some that are in it.
    fn keep_tail(&mut self, before: usize, taken: &[u8]) {
        self.tail.truncate(before);
        self.tail.extend_from_slice(&taken[taken.len().saturating_sub(LENGTH - 1)..]);
        self.tail.drain(..self.tail.len().saturating_sub(LENGTH - 1));
    }
}

fn find(bytes: &[u8]) -> Option<(Attach, usize)> {
    let begin = memmem::find(bytes, &ATTACH)?;
    let whole = bytes.get(begin..begin + LENGTH)?.try_into().ok()?;
    Some((Attach(whole), begin + LENGTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 16] = [1; 16];

    /// All that is found when the stream comes in slices of so many bytes.
    fn all(stream: &[u8], slice: usize) -> Vec<(Attach, usize)> {
        let (mut finder, mut found) = (Finder::default(), Vec::new());
        for (index, mut bytes) in stream.chunks(slice).enumerate() {
            let mut at = index * slice;
            while let Some((attach, end)) = finder.find(bytes) {
                at += end;
                found.push((attach, at));
                bytes = &bytes[end..];
            }
        }
        found
    }

    #[test]
    fn data_have_it_wherever_it_is() {
        let data = [&[7; 50][..], &ATTACH, &[7; 50]].concat();
        for cut in 0..data.len() {
            assert!(has_attach(&[&data[..cut], &data[cut..]]), "{cut}");
        }
        assert!(has_attach(&[&ATTACH]) && has_attach(&[&ATTACH[1..]]));
        assert!(!has_attach(&[&ATTACH[2..]]) && !has_attach(&[&data[..81]]) && !has_attach(&[]));
    }

    #[test]
    fn it_is_found_in_slices_of_any_length_and_when_others_were_cut() {
        let (one, two) = (Attach::new(ONE), Attach::new([2; 16]));
        for cut in 0..=LENGTH {
            let stream = [&[0; 70], &one.bytes()[..cut], two.bytes(), &[0xff; 70], one.bytes(), two.bytes()].concat();
            let last = stream.len();
            for slice in 1..=stream.len() {
                let mut found = all(&stream, slice);
                // One that was cut behind its fixed part takes the beginning of the next one for its mark.
                if cut >= ATTACH.len() {
                    let (first, end) = found.remove(0);
                    assert!(first == one || cut < LENGTH);
                    assert_eq!(end, 70 + LENGTH);
                }
                let whole = [(two, 70 + cut + LENGTH), (one, last - LENGTH), (two, last)];
                assert_eq!(found, whole, "cut after {cut}, slices of {slice}");
            }
        }
    }
}
