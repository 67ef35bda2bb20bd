//! `.DS_Store`: how Finder shows a folder.
//!
//! Apple has not published the format. The source is the Python package `ds_store` of dmgbuild. The file is a buddy allocator
//! with a B-tree of records in it; the few records of a volume are one leaf, so that nothing here grows or splits.

use plist::{Dictionary, Value};
use time::OffsetDateTime;

use super::{APPLICATION, APPLICATIONS, ICON, WINDOW, alias};

/// Blocks have a power of two of bytes. Positions are without the four bytes that begin the file.
const HEADER: Block = Block { start: 0, log: 5 };
const TREE: Block = Block { start: 32, log: 5 };
const ROOT: Block = Block { start: 2048, log: 11 };
const LEAF: Block = Block { start: 4096, log: 12 };
/// The size of a node of the tree, in bytes.
const PAGE: u32 = 4096;
/// Addresses of blocks stand in a table of this many.
const ADDRESSES: usize = 256;
/// Bytes of the header that every file of Finder has there, without a known meaning.
const UNKNOWN: [u8; 16] = *b"\x00\x00\x10\x0c\x00\x00\x00\x87\x00\x00\x20\x0b\x00\x00\x00\x00";

struct Block {
    start: u32,
    log: u32,
}

impl Block {
    /// The position with the size in its lowest bits.
    fn address(&self) -> u32 {
        self.start | self.log
    }

    fn bytes(&self) -> usize {
        1 << self.log
    }
}

/// A record: of which name in the folder, what, and its value with the type.
struct Record {
    name: String,
    code: &'static [u8; 4],
    value: Vec<u8>,
}

/// The view of a volume with an application and the link to Applications.
pub(super) fn write(volume: &str, application: &str, modified: OffsetDateTime) -> Vec<u8> {
    let mut records = [
        Record { name: ".".into(), code: b"bwsp", value: blob(&binary(window())) },
        Record { name: ".".into(), code: b"icvp", value: blob(&binary(icons(alias::background(volume, modified)))) },
        Record { name: ".".into(), code: b"vSrn", value: b"long\0\0\0\x01".to_vec() },
        Record { name: application.into(), code: b"Iloc", value: blob(&place(APPLICATION)) },
        Record { name: "Applications".into(), code: b"Iloc", value: blob(&place(APPLICATIONS)) },
    ];
    records.sort_by_key(|r| (r.name.to_lowercase(), r.code));
    let count = u32::try_from(records.len()).expect("five");
    // The leaf: no children, so many records.
    let leaf = [words(&[0, count]), records.iter().flat_map(Record::bytes).collect()].concat();
    // The tree: its root is block 2, no levels above it, its records, one node.
    let tree = words(&[2, 0, count, 1, PAGE]);
    let header = [&b"Bud1"[..], &words(&[ROOT.start, 2048, ROOT.start]), &UNKNOWN].concat();
    let mut file = vec![0, 0, 0, 1];
    file.resize(4 + LEAF.start as usize + LEAF.bytes(), 0);
    for (block, content) in [(HEADER, header), (TREE, tree), (ROOT, root()), (LEAF, leaf)] {
        assert!(content.len() <= block.bytes() || block.start == 0, "names are short");
        file[4 + block.start as usize..][..content.len()].copy_from_slice(&content);
    }
    file
}

/// The allocator's own block: addresses, the one entry of its contents, and the free blocks of each size.
fn root() -> Vec<u8> {
    let mut addresses = vec![ROOT.address(), TREE.address(), LEAF.address()];
    addresses.resize(ADDRESSES, 0);
    let contents = [&words(&[1])[..], b"\x04DSDB", &words(&[1])].concat();
    // A space of 2 GiB, of which blocks were taken: of every other size what is left lies at that position.
    let used = [HEADER.log, ROOT.log, LEAF.log];
    let free = (0..32)
        .flat_map(|log| if log < 5 || log == 31 || used.contains(&log) { words(&[0]) } else { words(&[1, 1 << log]) });
    [words(&[3, 0]), words(&addresses), contents, free.collect()].concat()
}

impl Record {
    fn bytes(&self) -> Vec<u8> {
        let name: Vec<u16> = self.name.encode_utf16().collect();
        let length = u32::try_from(name.len()).expect("names are short");
        let name: Vec<u8> = name.iter().flat_map(|u| u.to_be_bytes()).collect();
        [&words(&[length])[..], &name, self.code, &self.value].concat()
    }
}

/// The window: its place on the screen, and nothing but icons in it. The title takes 28 points.
fn window() -> Dictionary {
    let (width, height) = WINDOW;
    let mut view = Dictionary::new();
    view.insert("WindowBounds".into(), format!("{{{{200, 200}}, {{{width}, {}}}}}", height + 28).into());
    for off in [
        "ContainerShowSidebar",
        "PreviewPaneVisibility",
        "ShowPathbar",
        "ShowSidebar",
        "ShowStatusBar",
        "ShowTabView",
        "ShowToolbar",
    ] {
        view.insert(off.into(), false.into());
    }
    view.insert("SidebarWidth".into(), 0.into());
    view
}

/// The view as icons, with a picture behind them.
fn icons(background: Vec<u8>) -> Dictionary {
    let mut view = Dictionary::new();
    let mut set = |key: &str, value: Value| view.insert(key.into(), value);
    set("arrangeBy", "none".into());
    set("backgroundColorBlue", 1.0.into());
    set("backgroundColorGreen", 1.0.into());
    set("backgroundColorRed", 1.0.into());
    set("backgroundImageAlias", Value::Data(background));
    set("backgroundType", 2.into());
    set("gridOffsetX", 0.0.into());
    set("gridOffsetY", 0.0.into());
    set("gridSpacing", 100.0.into());
    set("iconSize", f64::from(ICON).into());
    set("labelOnBottom", true.into());
    set("showIconPreview", true.into());
    set("showItemInfo", false.into());
    set("textSize", 13.0.into());
    set("viewOptionsVersion", 1.into());
    view
}

/// The middle of an icon.
fn place((x, y): (u32, u32)) -> Vec<u8> {
    words(&[x, y, 0xFFFF_FFFF, 0xFFFF_0000])
}

fn blob(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a page at most");
    [&b"blob"[..], &length.to_be_bytes(), content].concat()
}

fn binary(list: Dictionary) -> Vec<u8> {
    let mut bytes = Vec::new();
    plist::to_writer_binary(&mut bytes, &Value::Dictionary(list)).expect("memory takes it");
    bytes
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}
