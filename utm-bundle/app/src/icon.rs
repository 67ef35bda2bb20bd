//! The app's icon: the picture of the package for UTM in all sizes that macOS asks for.

use std::io::Cursor;

use icns::{IconFamily, IconType, Image, PixelFormat};

/// 512 by 512 points, rendered from `icon.svg` beside it.
const PICTURE: &[u8] = include_bytes!("../../utm-package/icon.png");

/// The kinds of pictures, from the largest down; those of double density serve the next size too.
const KINDS: [&[IconType]; 6] = [
    &[IconType::RGBA32_512x512, IconType::RGBA32_256x256_2x],
    &[IconType::RGBA32_256x256, IconType::RGBA32_128x128_2x],
    &[IconType::RGBA32_128x128],
    &[IconType::RGBA32_32x32_2x],
    &[IconType::RGBA32_32x32, IconType::RGBA32_16x16_2x],
    &[IconType::RGBA32_16x16],
];

/// The file AppIcon.icns.
pub(crate) fn file() -> Vec<u8> {
    let mut image = Image::read_png(Cursor::new(PICTURE)).expect("the picture is a PNG").convert_to(PixelFormat::RGBA);
    let mut family = IconFamily::new();
    for kinds in KINDS {
        for kind in kinds {
            family.add_icon_with_type(&image, *kind).expect("the picture has the size of its kind");
        }
        image = halved(&image);
    }
    let mut file = Cursor::new(Vec::new());
    family.write(&mut file).expect("pictures are written to memory");
    file.into_inner()
}

/// The picture in half the size: four points become one, each as strong as it is opaque.
fn halved(image: &Image) -> Image {
    let (width, height) = (image.width() / 2, image.height() / 2);
    let mut half = Image::new(PixelFormat::RGBA, width, height);
    let (row, from) = (4 * image.width() as usize, image.data());
    for (index, to) in half.data_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (index % width as usize, index / width as usize);
        let first = 2 * y * row + 8 * x;
        let points = [first, first + 4, first + row, first + row + 4].map(|at| &from[at..at + 4]);
        let opacity: u32 = points.iter().map(|point| u32::from(point[3])).sum();
        for channel in 0..3 {
            let sum: u32 = points.iter().map(|point| u32::from(point[channel]) * u32::from(point[3])).sum();
            to[channel] = sum.checked_div(opacity).unwrap_or_default() as u8;
        }
        to[3] = (opacity / 4) as u8;
    }
    half
}
