//! Images as QEMU sees them. qemu-img comes from `HELIX_QEMU_IMG` or `PATH`; without it these tests fail.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use helix_disk::Source;
use helix_disk::qcow2::{self, Options, Reader, Report};

const CLUSTER: usize = 64 << 10;
const MIB: u64 = 1 << 20;

fn qemu_img(args: &[&str]) -> String {
    let program = std::env::var_os("HELIX_QEMU_IMG").unwrap_or_else(|| "qemu-img".into());
    let result = Command::new(&program).args(args).output();
    let output =
        result.unwrap_or_else(|e| panic!("cannot run {program:?} ({e}): install qemu-utils or set HELIX_QEMU_IMG"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "qemu-img {args:?}: {}\n{said}", output.status);
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Bytes without any pattern, the same in every run.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        // SplitMix64 (Steele, Lea, Flood, 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    (0..length.div_ceil(8)).map(step).flat_map(u64::to_le_bytes).take(length).collect()
}

/// Bytes that compress to a third or so.
fn prose(length: usize, seed: u64) -> Vec<u8> {
    let line = |n: u64| format!("line {n}: the quick brown fox and {:016x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (seed..).flat_map(|n| line(n).into_bytes()).take(length).collect()
}

struct Case {
    folder: tempfile::TempDir,
    size: u64,
}

impl Case {
    /// A raw disk of `size` bytes with these parts.
    fn new(size: u64, parts: &[(u64, Vec<u8>)]) -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap(), size };
        let raw = File::create_new(case.folder.path().join("raw")).unwrap();
        raw.set_len(size).unwrap();
        parts.iter().for_each(|(offset, bytes)| raw.write_all_at(bytes, *offset).unwrap());
        case
    }

    fn write(&self, name: &str, threads: usize) -> (Report, std::path::PathBuf) {
        let path = self.folder.path().join(name);
        let mut source = Source::new(self.size);
        source.add_file(0, &self.folder.path().join("raw")).unwrap();
        let options = Options { threads: NonZeroUsize::new(threads).unwrap(), ..Options::default() };
        let report = qcow2::write(&source, self.size, &File::create_new(&path).unwrap(), &options).unwrap();
        assert_eq!(report.file_size, path.metadata().unwrap().len());
        (report, path)
    }

    /// Writes the image and lets QEMU and our reader compare it with the raw disk.
    fn check(&self) -> Report {
        let (report, path) = self.write("image", 3);
        assert!(qemu_img(&["check", text(&path)]).contains("No errors were found"));
        let raw = self.folder.path().join("raw");
        assert!(qemu_img(&["compare", "-f", "raw", "-F", "qcow2", text(&raw), text(&path)]).contains("identical"));
        self.compare_with_reader(&path);
        report
    }

    fn compare_with_reader(&self, path: &Path) {
        let raw = File::open(self.folder.path().join("raw")).unwrap();
        let mut reader = Reader::open(File::open(path).unwrap()).unwrap();
        assert_eq!(reader.virtual_size(), self.size.next_multiple_of(512));
        let ranges = reader.allocated_ranges().collect::<Result<Vec<_>, _>>().unwrap();
        for range in ranges {
            for start in range.clone().step_by(3 * CLUSTER) {
                let end = (start + 3 * CLUSTER as u64).min(range.end);
                let (mut ours, mut theirs) = (vec![1; (end - start) as usize], vec![0; (end - start) as usize]);
                reader.read_at(start, &mut ours).unwrap();
                let inside = theirs.len().min(self.size.saturating_sub(start) as usize);
                raw.read_exact_at(&mut theirs[..inside], start).unwrap();
                assert!(ours == theirs, "{start}..{end}");
            }
        }
    }
}

fn counts(report: &Report) -> (u64, u64, u64) {
    (report.data_clusters, report.compressed_clusters, report.zero_clusters)
}

#[test]
fn compressible_content_shares_clusters_of_the_file() {
    let report = Case::new(20 * MIB, &[(0, prose(20 * MIB as usize, 0))]).check();
    assert_eq!(counts(&report), (0, 320, 0));
    assert!(report.file_size < 10 * MIB, "{report:?}");
}

#[test]
fn random_content_is_stored_as_it_is() {
    let report = Case::new(5 * MIB, &[(0, noise(5 * MIB as usize, 1))]).check();
    assert_eq!(counts(&report), (80, 0, 0));
    assert_eq!(report.file_size, 5 * MIB + 5 * CLUSTER as u64);
}

#[test]
fn zeros_take_no_space_whether_stored_or_not() {
    let stored = Case::new(8 * MIB, &[(0, vec![0; 8 * MIB as usize])]).check();
    let holes = Case::new(8 * MIB, &[]).check();
    assert_eq!((stored, counts(&stored)), (holes, (0, 0, 128)));
}

#[test]
fn mixed_content_is_packed_around_plain_clusters() {
    let mut parts = Vec::new();
    for index in 0..200 {
        let bytes = if index % 3 == 0 { noise(CLUSTER, index) } else { prose(CLUSTER, index * 7) };
        parts.push((index * 2 * CLUSTER as u64, bytes));
    }
    let report = Case::new(400 * CLUSTER as u64, &parts).check();
    assert_eq!(counts(&report), (67, 133, 200));
}

#[test]
fn odd_sizes_are_rounded_up_to_sectors() {
    for size in [1, 511, 513, CLUSTER - 1, CLUSTER + 1, 3 * CLUSTER + 12_345] {
        Case::new(size as u64, &[(0, prose(size, 3))]).check();
    }
}

#[test]
fn the_smallest_disks_are_images_too() {
    assert_eq!(counts(&Case::new(CLUSTER as u64, &[(5, vec![1])]).check()), (0, 1, 0));
    assert_eq!(counts(&Case::new(CLUSTER as u64, &[]).check()), (0, 0, 1));
    assert_eq!(counts(&Case::new(0, &[]).check()), (0, 0, 0));
}

#[test]
fn a_sparse_disk_of_terabytes_takes_as_much_as_its_content() {
    let size = 5 << 40;
    let parts = [(0, prose(200_000, 1)), (size / 2 - 10, noise(300_000, 2)), (size - 100_000, prose(100_000, 3))];
    let report = Case::new(size, &parts).check();
    assert!(report.file_size < MIB, "{report:?}");
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let mut parts = Vec::new();
    for index in 0..300 {
        let bytes = if index % 5 == 0 { noise(70_000, index) } else { prose(150_000, index) };
        parts.push((index * 333_333, bytes));
    }
    let case = Case::new(100 * MIB, &parts);
    let images = [1, 2, 7].map(|threads| case.write(&threads.to_string(), threads));
    let [one, two, seven] = images.map(|(report, path)| (report, std::fs::read(path).unwrap()));
    assert!(one == two && one == seven);
}

#[test]
fn images_that_qemu_wrote_are_read() {
    let parts = [(MIB, prose(3 * MIB as usize, 1)), (6 * MIB, noise(MIB as usize, 2)), (9 * MIB, prose(1000, 3))];
    let case = Case::new(10 * MIB, &parts);
    let raw = case.folder.path().join("raw");
    for (index, options) in
        [&["-c", "-o", "compression_type=zstd"][..], &[], &["-o", "cluster_size=4096"]].iter().enumerate()
    {
        let image = case.folder.path().join(index.to_string());
        qemu_img(&[&["convert", "-f", "raw", "-O", "qcow2"], *options, &[text(&raw), text(&image)]].concat());
        case.compare_with_reader(&image);
    }
}
