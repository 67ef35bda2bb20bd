//! How layers and archives are packed. Their first bytes say it, as for engines; media types and names do not.

use std::io::{BufRead, Read};

use liblzma::stream::{CONCATENATED, Stream};

/// The most memory that unpacking one xz stream may take, in bytes: its header may ask for 4 GiB, `xz -9` for 65 MiB.
const MAX_XZ_MEMORY: u64 = 512 << 20;

/// What a stream is packed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Packing {
    /// Of a stream that begins like this.
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A tar stream may begin with a name like BZh9: the first block, or the end of an empty file, has to follow.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// The stream behind its packing, or as it is. Whoever reads it bounds its length.
pub(crate) fn unpacked<'a>(mut source: impl BufRead + 'a) -> std::io::Result<Box<dyn Read + 'a>> {
    Ok(match Packing::of(source.fill_buf()?) {
        Packing::Plain => Box::new(source),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(source)),
        Packing::Xz => {
            let stream = Stream::new_stream_decoder(MAX_XZ_MEMORY, CONCATENATED).map_err(std::io::Error::other)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(source, stream))
        }
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(source)?),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn streams_of_several_parts_are_unpacked_to_their_end() {
        let (one, two) = (vec![b'1'; 70_000], vec![b'2'; 3]);
        let bz = |bytes: &[u8]| {
            let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            packer.write_all(bytes).unwrap();
            packer.finish().unwrap()
        };
        let xz = |bytes: &[u8]| {
            let mut packer = liblzma::write::XzEncoder::new(Vec::new(), 1);
            packer.write_all(bytes).unwrap();
            packer.finish().unwrap()
        };
        for packed in [[bz(&one), bz(&[]), bz(&two)].concat(), [xz(&one), xz(&[]), xz(&two)].concat()] {
            let mut found = Vec::new();
            unpacked(&packed[..]).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == [&one[..], &two].concat());
            unpacked(&packed[..packed.len() - 5]).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        }
        assert_eq!(Packing::of(&bz(&[])), Packing::Bzip2);
        assert_eq!(Packing::of(b"BZh9-is-the-name-of-a-file"), Packing::Plain);
    }

    #[test]
    fn an_xz_stream_that_asks_for_gibibytes_of_memory_is_refused() {
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(options.dict_size(1 << 20));
        let stream = Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32).unwrap();
        let mut packer = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        packer.write_all(b"small").unwrap();
        let mut packed = packer.finish().unwrap();
        let mut found = Vec::new();
        unpacked(&packed[..]).unwrap().read_to_end(&mut found).unwrap();
        assert_eq!(found, b"small");
        // The size of the dictionary is the last property of the only filter of the first block's header: 40 is 4 GiB.
        let header = 12;
        let length = (usize::from(packed[header]) + 1) * 4;
        assert_eq!(packed[header + 2..header + 4], [0x21, 1]);
        packed[header + 4] = 40;
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &packed[header..header + length - 4]);
        packed[header + length - 4..header + length].copy_from_slice(&(crc as u32).to_le_bytes());
        let error = unpacked(&packed[..]).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }
}
