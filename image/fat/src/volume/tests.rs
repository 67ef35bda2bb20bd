use std::io::Cursor;

use fatfs::{FileSystem, FsOptions};

use super::*;

const MIB: u64 = 1 << 20;
const SEED: u64 = MIB;

fn volume(size: u64) -> Volume {
    Volume { label: "CIDATA".into(), volume_id: 0x1234_abcd, size, timestamp: 1_700_000_000 }
}

fn file(path: &str, bytes: &[u8]) -> File {
    File { path: path.into(), content: Content::Bytes(bytes.into()) }
}

fn write(volume: &Volume, files: &[File]) -> Result<(Vec<u8>, Report), Error> {
    let mut out = Cursor::new(Vec::new());
    let report = volume.write(&mut out, files)?;
    Ok((out.into_inner(), report))
}

fn read_back(image: Vec<u8>, path: &str) -> Vec<u8> {
    let volume = FileSystem::new(Cursor::new(image), FsOptions::new()).unwrap();
    let mut bytes = Vec::new();
    volume.root_dir().open_file(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn files_come_back_with_their_names_times_and_bytes() {
    let long = "a folder/A rather long name, größer than 8.3.conf";
    let files = [file(long, &[7; 3000]), file("meta-data", b"instance-id: x\n"), file("EMPTY", b"")];
    let (image, report) = write(&volume(SEED), &files).unwrap();
    assert_eq!((image.len() as u64, report.fat_bits), (SEED, 12));
    assert_eq!(read_back(image.clone(), long), [7; 3000]);
    assert_eq!(read_back(image.clone(), "meta-data"), b"instance-id: x\n");
    assert_eq!(read_back(image.clone(), "EMPTY"), b"");

    let volume = FileSystem::new(Cursor::new(image), FsOptions::new()).unwrap();
    assert_eq!((volume.volume_label().as_str(), volume.volume_id()), ("CIDATA", 0x1234_abcd));
    for entry in volume.root_dir().iter().map(Result::unwrap) {
        let (date, time) = (entry.modified().date, entry.modified().time);
        assert_eq!((date.year, date.month, date.day, time.hour, time.min, time.sec), (2023, 11, 14, 22, 13, 20));
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_order_of_the_files() {
    let files = [file("b/2", b"2"), file("a", b"1"), file("B/1", b"3")];
    let turned = files.iter().rev().cloned().collect::<Vec<_>>();
    assert_eq!(write(&volume(SEED), &files).unwrap().0, write(&volume(SEED), &turned).unwrap().0);
    assert_eq!(read_back(write(&volume(SEED), &files).unwrap().0, "B/2"), b"2");
}

#[test]
fn a_large_volume_takes_little_space() {
    use std::os::unix::fs::MetadataExt;
    let mut out = tempfile::tempfile().unwrap();
    volume(512 * MIB).write(&mut out, &[file("EFI/BOOT/BOOTAA64.EFI", &[1; 100_000])]).unwrap();
    let meta = out.metadata().unwrap();
    assert_eq!(meta.len(), 512 * MIB);
    assert!(meta.blocks() * 512 < MIB, "{} bytes in use", meta.blocks() * 512);
}

#[test]
fn content_that_does_not_fit_names_the_file_and_the_room() {
    let error = write(&volume(SEED), &[file("a", &[0; 500_000]), file("b", &[0; 600_000])]).unwrap_err();
    let Error::TooLarge { path, size, room } = error else { panic!("{error}") };
    assert_eq!((path.as_str(), size), ("b", 600_000));
    assert!(room > 400_000 && room < 600_000, "{room}");
}

#[test]
fn a_file_may_fill_the_volume_to_its_last_byte() {
    let room = write(&volume(SEED), &[]).unwrap().1.free as usize;
    let (image, report) = write(&volume(SEED), &[file("all", &vec![9; room])]).unwrap();
    assert_eq!(report.free, 0);
    assert_eq!(read_back(image, "all").len(), room);
}

#[test]
fn a_missing_source_is_named() {
    let missing = File { path: "kernel".into(), content: Content::Path("/no/such/kernel".into()) };
    let error = write(&volume(SEED), &[missing]).unwrap_err().to_string();
    assert!(error.starts_with("kernel: cannot read /no/such/kernel: "), "{error}");
}

#[test]
fn a_root_folder_has_512_entries_at_most() {
    let files = (0..600).map(|n| file(&format!("F{n}"), b"")).collect::<Vec<_>>();
    let error = write(&volume(SEED), &files).unwrap_err();
    assert!(matches!(error, Error::FolderFull { entries: 601, most: 512, .. }), "{error}");
}

#[test]
fn what_cannot_be_stored_is_refused_before_anything_is_written() {
    let mut out = Cursor::new(Vec::new());
    for label in ["", "   ", "lower", "TWELVE CHARS", "Ä"] {
        let odd = Volume { label: label.into(), ..volume(SEED) };
        assert!(matches!(odd.write(&mut out, &[]), Err(Error::Label(_))), "{label:?}");
    }
    for size in [0, 512, SEED + 1, 2 << 40] {
        assert!(matches!(volume(size).write(&mut out, &[]), Err(Error::Size(_))), "{size}");
    }
    let error = volume(SEED).write(&mut out, &[file("a", b""), file("A", b"")]).unwrap_err();
    assert!(matches!(error, Error::Name { fault: NameFault::Duplicate, .. }), "{error}");
    assert!(out.into_inner().is_empty());
    assert!(matches!(volume(SEED).write(&mut Cursor::new(vec![1]), &[]), Err(Error::NotEmpty(1))));
}
