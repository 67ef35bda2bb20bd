//! What QEMU takes a file for when nobody names a format: the probes of QEMU's `block/*.c`, version 10.0.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// So much of a file's beginning is probed (`BLOCK_PROBE_BUF_SIZE`), and of its end.
const PROBED: usize = 512;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// What no probe knows.
    Raw,
    Qcow2,
    /// By the name that QEMU has for it.
    Other(&'static str),
}

/// Formats by their marks: where a mark is, and its bytes.
const MARKS: [(&str, usize, &[u8]); 12] = [
    ("qed", 0, b"QED\0"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vdi", 64, &[0x7F, 0x10, 0xDA, 0xBE]),
    ("vhdx", 0, b"vhdxfile"),
    ("vpc", 0, b"conectix"),
    ("parallels", 0, b"WithoutFreeSpace"),
    ("parallels", 0, b"WithouFreSpacExt"),
    ("bochs", 0, b"Bochs Virtual HD Image"),
    ("cloop", 0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n"),
    ("luks", 0, &[b'L', b'U', b'K', b'S', 0xBA, 0xBE]),
    ("qcow", 0, b"QFI\xFB\0\0\0\x01"),
];
/// The beginning of a qcow2 image.
const QCOW2: &[u8] = b"QFI\xFB";

/// The format of the file.
pub(crate) fn of(path: &Path) -> std::io::Result<Format> {
    let file = File::open(path)?;
    let mut head = Vec::new();
    (&file).take(PROBED as u64).read_to_end(&mut head)?;
    let length = file.metadata()?.len();
    let mut tail = Vec::new();
    if let Some(start) = length.checked_sub(PROBED as u64) {
        tail.resize(PROBED, 0);
        file.read_exact_at(&mut tail, start)?;
    }
    let named_dmg = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("dmg"));
    Ok(probed(&head, &tail, named_dmg))
}

fn probed(head: &[u8], tail: &[u8], named_dmg: bool) -> Format {
    let mark = MARKS.iter().find(|(_, at, bytes)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes)));
    if let Some((name, ..)) = mark {
        return Format::Other(name);
    }
    if head.starts_with(QCOW2) {
        return Format::Qcow2;
    }
    if describes_vmdk(head) {
        return Format::Other("vmdk");
    }
    // A disk of a fixed size has its mark at the end alone, and an Apple image is known by name or trailer.
    match (tail.starts_with(b"conectix"), named_dmg || tail.starts_with(b"koly")) {
        (true, _) => Format::Other("vpc"),
        (_, true) => Format::Other("dmg"),
        _ => Format::Raw,
    }
}

/// A text that names the files of a vmdk: remarks and blank lines, then the version (`vmdk_probe`). Any version counts, in case
/// that a newer QEMU knows it.
fn describes_vmdk(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.find(|line| !line.starts_with(b"#") && !line.iter().all(|byte| *byte == b' '));
    first.is_some_and(|line| line.starts_with(b"version="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_of_a_vmdk_is_known_as_qemu_knows_it() {
        for text in ["# Disk DescriptorFile\nversion=1\n", "\n  \r\n#x\r\nversion=3\r\n", "version=1\nCID=0\n"] {
            assert_eq!(probed(text.as_bytes(), b"", false), Format::Other("vmdk"), "{text:?}");
        }
        for text in ["# only a remark\n", "x\nversion=1\n", " version=1\n", ""] {
            assert_eq!(probed(text.as_bytes(), b"", false), Format::Raw, "{text:?}");
        }
    }

    #[test]
    fn marks_count_where_they_belong() {
        let mut disk = vec![0; 512];
        disk[64..68].copy_from_slice(&[0x7F, 0x10, 0xDA, 0xBE]);
        assert_eq!(probed(&disk, &[], false), Format::Other("vdi"));
        assert_eq!(probed(b"QFI\xFB\0\0\0\x03", &[], false), Format::Qcow2);
        assert_eq!(probed(b"QFI\xFB\0\0\0\x01", &[], false), Format::Other("qcow"));
        assert_eq!(probed(&[0; 512], b"conectix", false), Format::Other("vpc"));
        assert_eq!(probed(&[0; 512], &[0; 512], true), Format::Other("dmg"));
        assert_eq!(probed(&[0; 512], &[0; 512], false), Format::Raw);
    }
}
