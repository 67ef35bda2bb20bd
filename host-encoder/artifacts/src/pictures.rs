//! A known moving pattern in all formats, and how near another picture is to it.

use helix_frame_protocol::{Colorimetry, Matrix, PixelFormat, Plane, Range, Size};

/// Soft colours that move with every frame: red, green, blue.
fn colour(x: u32, y: u32, frame: u32) -> [f64; 3] {
    let wave = |v: f64| 0.5 + 0.35 * v.sin();
    let (x, y, t) = (f64::from(x), f64::from(y), f64::from(frame));
    [wave(x / 23.0 + t / 5.0), wave(y / 31.0 - t / 7.0), wave((x + y) / 41.0 + t / 9.0)].map(|c| c * 255.0)
}

/// In floating point, apart from what is tested.
fn yuv([r, g, b]: [f64; 3], Colorimetry { matrix, range }: Colorimetry) -> [f64; 3] {
    let (kr, kb) = if matrix == Matrix::Bt601 { (0.299, 0.114) } else { (0.2126, 0.0722) };
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (u, v) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
    match range {
        Range::Limited => [16.0 + y * 219.0 / 255.0, 128.0 + u * 224.0 / 255.0, 128.0 + v * 224.0 / 255.0],
        Range::Full => [y, 128.0 + u, 128.0 + v],
    }
}

fn byte(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// The pattern as I420 with even sides, odd ones repeated: what a decoder should show.
pub fn expected(size: Size, frame: u32, colorimetry: Colorimetry) -> Vec<u8> {
    let (w, h) = (size.width.next_multiple_of(2), size.height.next_multiple_of(2));
    let at = |x: u32, y: u32| yuv(colour(x.min(size.width - 1), y.min(size.height - 1), frame), colorimetry);
    let mut out: Vec<u8> = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| byte(at(x, y)[0])).collect();
    for plane in [1, 2] {
        for y in (0..h).step_by(2) {
            for x in (0..w).step_by(2) {
                let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
                out.push(byte(four.iter().map(|pixel| pixel[plane]).sum::<f64>() / 4.0));
            }
        }
    }
    out
}

/// The pattern in a format, its planes where they are said to be, garbage between them.
pub fn draw(
    format: PixelFormat,
    size: Size,
    planes: &[Plane; 3],
    length: usize,
    frame: u32,
    colorimetry: Colorimetry,
) -> Vec<u8> {
    let mut data = vec![0xa7; length];
    let i420 = expected(size, frame, colorimetry);
    let (w, h) = (size.width.next_multiple_of(2) as usize, size.height.next_multiple_of(2) as usize);
    let (luma, chroma) = i420.split_at(w * h);
    let (u, v) = chroma.split_at(w * h / 4);
    for (index, plane) in planes.iter().enumerate().take(format.planes()) {
        let (bytes, rows) = format.rows(size, index);
        for y in 0..rows as usize {
            let row = &mut data[plane.offset as usize + plane.stride as usize * y..][..bytes as usize];
            for (x, out) in row.iter_mut().enumerate() {
                *out = match (format, index) {
                    (PixelFormat::Nv12 | PixelFormat::I420, 0) => luma[y * w + x],
                    (PixelFormat::Nv12, _) => [u, v][x % 2][y * w / 2 + x / 2],
                    (PixelFormat::I420, 1) => u[y * w / 2 + x],
                    (PixelFormat::I420, _) => v[y * w / 2 + x],
                    (rgb, _) => {
                        let component = match (rgb, x % 4) {
                            (PixelFormat::Bgrx | PixelFormat::Bgra, c @ 0..3) => 2 - c,
                            (_, c @ 0..3) => c,
                            _ => continue,
                        };
                        byte(colour(x as u32 / 4, y as u32, frame)[component])
                    }
                };
            }
        }
    }
    data
}

/// The peak signal-to-noise ratio in dB of a plane.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / sum.max(1.0)).log10()
}

/// The lowest ratio of the three planes.
pub fn worst_psnr(size: Size, a: &[u8], b: &[u8]) -> f64 {
    let luma = (size.width * size.height) as usize;
    let cut =
        |frame: &'_ [u8]| [frame[..luma].to_vec(), frame[luma..luma * 5 / 4].to_vec(), frame[luma * 5 / 4..].to_vec()];
    cut(a).iter().zip(cut(b).iter()).map(|(a, b)| psnr(a, b)).fold(f64::INFINITY, f64::min)
}
