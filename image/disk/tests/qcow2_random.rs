//! Random disks through the writer and the reader, and random damage that the reader has to survive.

use std::io::{Cursor, Read, Seek};
use std::num::NonZeroUsize;

use helix_disk::Source;
use helix_disk::qcow2::{self, Options, Reader};
use proptest::collection::vec;
use proptest::prelude::*;

const CLUSTER: u64 = 64 << 10;

fn write(source: &Source, virtual_size: u64, threads: usize) -> Vec<u8> {
    let mut file = tempfile::tempfile().unwrap();
    let options = Options { threads: NonZeroUsize::new(threads).unwrap(), ..Options::default() };
    qcow2::write(source, virtual_size, &file, &options).unwrap();
    let mut image = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut image).unwrap();
    image
}

/// Reads all that an image says to hold, but no more than a few MiB, as damage can make it say anything.
fn read_some(image: &[u8]) -> Result<(), qcow2::ReadError> {
    let mut reader = Reader::open(Cursor::new(image))?;
    let size = reader.virtual_size();
    let mut buffer = vec![0; 3 * CLUSTER as usize];
    for offset in [0, size / 2, size.saturating_sub(1)] {
        let length = (size - offset).min(buffer.len() as u64) as usize;
        reader.read_at(offset, &mut buffer[..length])?;
    }
    let ranges = reader.allocated_ranges().take(50).collect::<Result<Vec<_>, _>>()?;
    for range in ranges {
        let length = (range.end - range.start).min(buffer.len() as u64) as usize;
        reader.read_at(range.start, &mut buffer[..length])?;
    }
    Ok(())
}

fn sample() -> Vec<u8> {
    let text = (0..40_000_u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>();
    let noise = (0..70_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ n as u8).collect();
    let mut source = Source::new(2 << 30);
    source.add_bytes(100_000, text).unwrap();
    source.add_bytes(1 << 30, noise).unwrap();
    write(&source, 2 << 30, 1)
}

/// The parts of the sample that are metadata: damage to them says more than damage to content.
fn interesting(position: usize, length: usize) -> usize {
    match position % 4 {
        0 => position / 4 % 120,
        1 => CLUSTER as usize + position / 4 % 64,
        _ => position % length,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_was_written_is_read(
        parts in vec((0..40_u64 * CLUSTER, 1..200_000_usize, any::<u8>(), any::<bool>()), 0..12),
        (extra, threads) in (0..100_000_u64, 1..4_usize),
    ) {
        let mut disk = vec![0; 44 * CLUSTER as usize];
        let mut source = Source::new(disk.len() as u64);
        for (offset, length, seed, plain) in parts {
            let content = |n: usize| if plain { (n * n * 31 / 8) as u8 ^ seed } else { seed };
            let bytes = (0..length).map(content).collect::<Vec<_>>();
            // Parts that overlap are refused; what is left is the disk.
            if source.add_bytes(offset, bytes.clone()).is_ok() {
                disk[offset as usize..offset as usize + length].copy_from_slice(&bytes);
            }
        }
        let size = disk.len() as u64 + extra;
        let image = write(&source, size, threads);
        let mut reader = Reader::open(Cursor::new(image)).unwrap();
        disk.resize(reader.virtual_size() as usize, 0);
        let mut read = vec![1; disk.len()];
        reader.read_at(0, &mut read).unwrap();
        prop_assert!(read == disk);

        let mut covered = vec![0; disk.len()];
        for range in reader.allocated_ranges().map(Result::unwrap) {
            let range = range.start as usize..range.end as usize;
            covered[range.clone()].copy_from_slice(&disk[range]);
        }
        prop_assert!(covered == disk);
    }
}

#[test]
fn damaged_images_are_errors_and_never_a_panic() {
    let sample = sample();
    read_some(&sample).unwrap();
    let positions = vec((any::<usize>(), any::<u8>()), 1..6);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) };
    proptest!(config, |(damage in positions, cut in 0..20_usize)| {
        let mut image = sample.clone();
        for (position, value) in damage {
            let place = interesting(position, image.len());
            image[place] = value;
        }
        if cut == 0 {
            image.truncate(image.len() / 2);
        }
        let _ = read_some(&image);
    });
}

#[test]
fn reading_past_the_end_is_an_error() {
    let mut reader = Reader::open(Cursor::new(write(&Source::new(1000), 1000, 1))).unwrap();
    assert_eq!(reader.virtual_size(), 1024);
    for (offset, length) in [(1024, 1), (0, 1025), (u64::MAX, 1)] {
        let error = reader.read_at(offset, &mut vec![0; length]).unwrap_err();
        assert!(matches!(error, qcow2::ReadError::Beyond { .. }), "{error}");
    }
}

#[test]
fn what_is_no_image_or_an_unsupported_one_is_told_apart() {
    let fault = |image: &[u8]| Reader::open(Cursor::new(image)).err().unwrap();
    let changed = |position: usize, value: u8| {
        let mut image = write(&Source::new(1000), 1000, 1);
        image[position] = value;
        image
    };
    assert!(matches!(fault(b""), qcow2::ReadError::NotQcow2));
    assert!(matches!(fault(&[0; 1000]), qcow2::ReadError::NotQcow2));
    for (position, value) in [(7, 2), (15, 1), (35, 1), (79, 1), (79, 9), (79, 16), (104, 2)] {
        let error = fault(&changed(position, value));
        assert!(matches!(error, qcow2::ReadError::Unsupported(_)), "{position}: {error}");
    }
    for (position, value) in [(23, 8), (23, 22), (24, 0x80), (36, 1), (44, 1), (46, 1), (103, 100)] {
        let error = fault(&changed(position, value));
        assert!(matches!(error, qcow2::ReadError::Damaged(_)), "{position}: {error}");
    }
}
