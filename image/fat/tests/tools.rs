//! Volumes as others see them: `fsck.fat` of dosfstools, and mtools. A missing tool is a failure, not a skip.

use std::path::Path;
use std::process::Command;

use helix_fat::{Content, File, Volume};

const LONG: &str = "EFI/helix/a name that is longer than eight dot three.conf";

fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let result = Command::new(program).args(args).env("LC_ALL", "C.UTF-8").env("MTOOLS_SKIP_CHECK", "0").output();
    let output = result.unwrap_or_else(|e| panic!("cannot run {program} ({e}): install dosfstools and mtools"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {}\n{said}", output.status);
    output.stdout
}

fn make(path: &Path, label: &str, size: u64) {
    let bytes = (0..200_000_u32).flat_map(|n| n.to_le_bytes()).take(100_000).collect::<Vec<_>>();
    let files = [
        File { path: "EFI/BOOT/BOOTAA64.EFI".into(), content: Content::Bytes(bytes) },
        File { path: LONG.into(), content: Content::Bytes(b"timeout 0\n".to_vec()) },
        File { path: "user-data".into(), content: Content::Bytes(b"#cloud-config\n".to_vec()) },
    ];
    let many = (0..300).map(|n| File { path: format!("many/file-{n}"), content: Content::Bytes(vec![b'x'; 10]) });
    let volume = Volume { label: label.into(), volume_id: 0xcafe_0001, size, timestamp: 1_700_000_000 };
    let mut out = std::fs::File::options().read(true).write(true).create_new(true).open(path).unwrap();
    volume.write(&mut out, &files.into_iter().chain(many).collect::<Vec<_>>()).unwrap();
}

#[test]
fn fsck_finds_no_fault_and_mtools_reads_every_file() {
    let folder = tempfile::tempdir().unwrap();
    for (label, mib) in [("CIDATA", 1), ("SMALL", 64), ("ESP", 260), ("EFI SYSTEM", 512)] {
        let image = folder.path().join(label);
        make(&image, label, mib << 20);
        let image = image.to_str().unwrap();
        let said = String::from_utf8(run("fsck.fat", &["-n", "-v", image])).unwrap();
        assert_eq!(said.contains("4 bytes per FAT entry") || said.contains("32 bit"), mib >= 260, "{said}");

        assert_eq!(run("mtype", &["-i", image, &format!("::{LONG}")]), b"timeout 0\n");
        let listing = String::from_utf8(run("mdir", &["-i", image, "::"])).unwrap();
        assert!(listing.contains(&format!("is {label}")) && listing.contains("CAFE-0001"), "{listing}");
        assert!(listing.contains("2023-11-14"), "{listing}");
        assert_eq!(run("mtype", &["-i", image, "::EFI/BOOT/BOOTAA64.EFI"]).len(), 100_000);
    }
}
