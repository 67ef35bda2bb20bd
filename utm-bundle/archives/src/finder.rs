//! What Finder reads of a volume to show it as a window with a picture: an application, an arrow, the folder Applications.
//!
//! - `.DS_Store`: the window's size, the picture, the places of the icons;
//! - `.background/background.png`: the picture;
//! - `.VolumeIcon.icns`, and `._.`, which says that the volume has an icon of its own. That is a bit of the root's Finder
//!   information, for which ISO 9660 has no place; macOS keeps such things of a file `name` in `._name` where a file system
//!   cannot, and of a volume's root in `._.`.

mod alias;
mod background;
mod ds_store;

use std::time::SystemTime;

use time::OffsetDateTime;

use crate::tree::{Content, Entry, Kind};

/// The window's content, and the picture, in points.
const WINDOW: (u32, u32) = (600, 400);
/// The middles of the two icons, in points, and their size.
const APPLICATION: (u32, u32) = (160, 200);
const APPLICATIONS: (u32, u32) = (440, 200);
const ICON: u32 = 128;
/// The folder of the picture, and its name there.
const BACKGROUND: (&str, &str) = (".background", "background.png");
/// Finder information of a folder whose icon is in a file (`kHasCustomIcon`), at its place in the 32 bytes.
const CUSTOM_ICON: (usize, u16) = (8, 0x0400);

/// What is on the volume beside the application.
pub(crate) fn entries(volume: &str, application: &str, icon: Option<Vec<u8>>, modified: SystemTime) -> Vec<Entry> {
    let store = ds_store::write(volume, application, modified.into());
    let picture = format!("{}/{}", BACKGROUND.0, BACKGROUND.1);
    let mut all = vec![
        file(".DS_Store", store),
        Entry { path: BACKGROUND.0.into(), mode: 0o755, kind: Kind::Folder },
        file(&picture, background::png()),
        Entry { path: "Applications".into(), mode: 0o777, kind: Kind::Link("/Applications".into()) },
    ];
    if let Some(icon) = icon {
        all.push(file(".VolumeIcon.icns", icon));
        all.push(file("._.", apple_double()));
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

fn file(path: &str, bytes: Vec<u8>) -> Entry {
    Entry { path: path.to_owned(), mode: 0o644, kind: Kind::File(Content::Made(bytes)) }
}

/// The Finder information of a folder that has an icon of its own.
pub(crate) fn custom_icon() -> [u8; 32] {
    let mut info = [0; 32];
    info[CUSTOM_ICON.0..][..2].copy_from_slice(&CUSTOM_ICON.1.to_be_bytes());
    info
}

/// The same in a file, with an empty resource fork (AppleDouble, version 2: RFC 1740).
fn apple_double() -> Vec<u8> {
    let words = |numbers: [u32; 3]| numbers.map(u32::to_be_bytes).concat();
    let header = [&[0, 5, 0x16, 7, 0, 2, 0, 0], &b"Mac OS X        "[..], &[0, 2]].concat();
    [header, words([9, 50, 32]), words([2, 82, 0]), custom_icon().to_vec()].concat()
}

/// Seconds since the beginning of 1904, as HFS counts.
fn hfs_seconds(date: OffsetDateTime) -> u32 {
    const FROM_1904_TO_1970: i64 = 2_082_844_800;
    u32::try_from(date.unix_timestamp() + FROM_1904_TO_1970).unwrap_or(0)
}
