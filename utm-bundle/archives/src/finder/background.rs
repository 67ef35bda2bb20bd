//! The picture behind the icons: a soft ground and an arrow from the application to the folder Applications.

use super::{APPLICATION, APPLICATIONS, ICON, WINDOW};

/// Colours (red, green, blue) at the top and at the bottom, and the arrow's.
const TOP: [u32; 3] = [0xFB, 0xFC, 0xFE];
const BOTTOM: [u32; 3] = [0xE3, 0xE9, 0xF3];
const ARROW: [u8; 3] = [0x8A, 0x97, 0xAD];
/// Half the thickness of the shaft, and half the height of the head, in points.
const SHAFT: u32 = 4;
const HEAD: u32 = 18;
/// The room between an icon and the arrow, in points.
const ROOM: u32 = 24;

/// The picture as PNG.
pub(super) fn png() -> Vec<u8> {
    let (width, height) = WINDOW;
    let pixels: Vec<u8> = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("memory takes it");
    writer.write_image_data(&pixels).expect("the picture has its size");
    writer.finish().expect("memory takes it");
    file
}

fn pixel(x: u32, y: u32) -> [u8; 3] {
    if on_arrow(x, y) {
        return ARROW;
    }
    let last = WINDOW.1 - 1;
    std::array::from_fn(|i| u8::try_from((TOP[i] * (last - y) + BOTTOM[i] * y) / last).expect("between two colours"))
}

fn on_arrow(x: u32, y: u32) -> bool {
    let (tail, tip) = (APPLICATION.0 + ICON / 2 + ROOM, APPLICATIONS.0 - ICON / 2 - ROOM);
    let beside = y.abs_diff(APPLICATION.1);
    let neck = tip - HEAD;
    if x < neck { x >= tail && beside <= SHAFT } else { x <= tip && beside <= tip - x }
}
