//! The overlay over an image: the guest writes there, the image under test never changes.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::programs::{Error, Programs, file_error};

/// Makes `overlay` over the qcow2 `image`, with the image's size or `size_mib` MiB.
///
/// # Errors
/// When `qemu-img` cannot see the files or fails.
pub(crate) fn create(programs: &Programs, image: &Path, overlay: &Path, size_mib: Option<u64>) -> Result<(), Error> {
    // A relative name of the backing file would be taken from the overlay's folder, an absolute one is what was meant.
    let (image, overlay) = (programs.seen(image)?, programs.seen(overlay)?);
    let cmd = programs.qemu_img.clone().args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]);
    let cmd = cmd.args([image, overlay]).args(size_mib.map(|size| format!("{size}M")));
    Ok(cmd.run()?)
}

/// How many bytes of the host's disk `path` occupies: what a guest's `fstrim` gives back shows here, not in the length.
///
/// # Errors
/// When the file cannot be looked at.
pub fn allocated_bytes(path: &Path) -> Result<u64, Error> {
    let meta = std::fs::metadata(path).map_err(|source| file_error("look at", path, source))?;
    // POSIX leaves the unit of st_blocks open; Linux and macOS count 512 bytes, whatever the file system's block is.
    Ok(meta.blocks() * 512)
}

/// How large a qcow2 is for its guest, in bytes, from its header:
/// <https://www.qemu.org/docs/master/interop/qcow2.html>. Nothing where it is none.
pub(crate) fn virtual_bytes(path: &Path) -> Option<u64> {
    const SIZE_AT: usize = 24;
    let mut header = [0; SIZE_AT + 8];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).ok()?;
    let size = header.last_chunk().copied().map(u64::from_be_bytes);
    size.filter(|_| header.starts_with(b"QFI\xfb"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use helix_command::Cmd;

    #[test]
    fn the_overlay_names_its_image_and_size() {
        let temp = tempfile::tempdir().unwrap();
        let log = temp.path().join("argv");
        let script = format!("printf '%s ' \"$@\" > {}", log.display());
        let programs = Programs {
            qemu: Cmd::new("false"),
            qemu_img: Cmd::new("sh").args(["-c", &script, "qemu-img"]),
            vsock: None,
            firmware_code: "/c".into(),
            firmware_vars: "/v".into(),
            root: None,
        };
        create(&programs, Path::new("/i.qcow2"), Path::new("/o.qcow2"), Some(4096)).unwrap();
        let argv = std::fs::read_to_string(log).unwrap();
        assert_eq!(argv.trim(), "create -q -f qcow2 -F qcow2 -b /i.qcow2 /o.qcow2 4096M");
    }

    #[test]
    fn only_a_qcow2_tells_its_size() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("disk");
        let mut header = [b"QFI\xfb\0\0\0\x03".as_slice(), &[0; 16], &(64_u64 << 30).to_be_bytes()].concat();
        std::fs::write(&path, &header).unwrap();
        assert_eq!(virtual_bytes(&path), Some(64 << 30));
        std::fs::write(&path, &header[..31]).unwrap();
        assert_eq!(virtual_bytes(&path), None);
        header[3] = b'\n';
        std::fs::write(&path, &header).unwrap();
        assert_eq!(virtual_bytes(&path), None);
    }

    #[test]
    fn a_hole_occupies_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 30).unwrap();
        assert!(allocated_bytes(file.path()).unwrap() < 1 << 20);
    }
}
