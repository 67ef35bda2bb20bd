//! Pixels of all formats to 4:2:0, with even sides.
//!
//! H.264 in 4:2:0 has no odd sides: its cropping counts in pairs of pixels. A picture with an odd side is encoded one pixel
//! wider or higher, where the last column or row is repeated, so that nothing of it is lost.

use helix_frame_protocol::{Colorimetry, Matrix, PixelFormat, Plane, Range, Size};

/// A frame's pixels, in memory.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// The size in pixels.
    pub size: Size,
    /// How the pixels lie.
    pub format: PixelFormat,
    planes: [Rows<'a>; 3],
}

/// The rows of a plane.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rows<'a> {
    /// From the first byte of the first row on; the last row needs no padding.
    pub data: &'a [u8],
    /// From one row to the next, in bytes.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    fn row(&self, index: usize, length: usize) -> &'a [u8] {
        &self.data[index * self.stride..][..length]
    }
}

impl<'a> Picture<'a> {
    /// The picture whose planes are at these places of `data`; nothing if one does not lie within.
    pub fn new(format: PixelFormat, size: Size, planes: &[Plane; 3], data: &'a [u8]) -> Option<Self> {
        let mut rows = [Rows::default(); 3];
        for (index, plane) in planes.iter().enumerate().take(format.planes()) {
            let (bytes, count) = format.rows(size, index);
            let stride = plane.stride as usize;
            let length = stride.checked_mul(count.checked_sub(1)? as usize)?.checked_add(bytes as usize)?;
            let end = (plane.offset as usize).checked_add(length)?;
            rows[index] = Rows { data: data.get(plane.offset as usize..end)?, stride };
        }
        Some(Self { size, format, planes: rows })
    }

    fn plane(&self, index: usize) -> Rows<'a> {
        self.planes[index]
    }

    fn width(&self) -> usize {
        self.size.width as usize
    }

    /// A row of luma into `out`, as long as the even width. Rows beyond the last are the last.
    fn luma_row(&self, weights: &Weights, index: usize, out: &mut [u8]) {
        let index = index.min(self.size.height as usize - 1);
        let width = self.width();
        let (out, more) = out.split_at_mut(width);
        match self.format {
            PixelFormat::Nv12 | PixelFormat::I420 => out.copy_from_slice(self.planes[0].row(index, width)),
            PixelFormat::Bgrx | PixelFormat::Bgra => luma::<2, 0>(weights, self.planes[0].row(index, 4 * width), out),
            PixelFormat::Rgbx | PixelFormat::Rgba => luma::<0, 2>(weights, self.planes[0].row(index, 4 * width), out),
        }
        more.fill(out[width - 1]);
    }

    /// A row of chroma into `u` and `v`, each half as long as the even width.
    fn chroma_row(&self, weights: &Weights, index: usize, u: &mut [u8], v: &mut [u8]) {
        let half = u.len();
        match self.format {
            PixelFormat::I420 => {
                u.copy_from_slice(self.planes[1].row(index, half));
                v.copy_from_slice(self.planes[2].row(index, half));
            }
            PixelFormat::Nv12 => {
                let pairs = self.planes[1].row(index, 2 * half).chunks_exact(2);
                for ((u, v), pair) in u.iter_mut().zip(v).zip(pairs) {
                    (*u, *v) = (pair[0], pair[1]);
                }
            }
            PixelFormat::Bgrx | PixelFormat::Bgra => chroma::<2, 0>(weights, self.two_rows(index), u, v),
            PixelFormat::Rgbx | PixelFormat::Rgba => chroma::<0, 2>(weights, self.two_rows(index), u, v),
        }
    }

    /// The two rows of pixels that share a row of chroma; at an odd end the last one twice.
    fn two_rows(&self, index: usize) -> [&'a [u8]; 2] {
        let last = self.size.height as usize - 1;
        [2 * index, (2 * index + 1).min(last)].map(|row| self.planes[0].row(row, 4 * self.width()))
    }
}

/// The size of the encoded picture: odd sides are one pixel longer.
pub fn even(size: Size) -> Size {
    Size { width: size.width.next_multiple_of(2), height: size.height.next_multiple_of(2) }
}

const BITS: u32 = 16;

/// The matrix from red, green and blue to Y, U and V, in units of 2⁻¹⁶, and the least luma.
struct Weights {
    y: [i32; 3],
    u: [i32; 3],
    v: [i32; 3],
    black: i32,
}

impl Weights {
    fn new(colorimetry: Colorimetry) -> Self {
        let (kr, kb) = match colorimetry.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (black, luma, chroma) = match colorimetry.range {
            Range::Limited => (16, 219.0 / 255.0, 224.0 / 255.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let fixed = |weight: f64| (weight * f64::from(1 << BITS)).round() as i32;
        // Green takes what rounding leaves, so that greys have no colour and white is white.
        let row = |total: f64, r: f64, b: f64| [fixed(r), fixed(total) - fixed(r) - fixed(b), fixed(b)];
        let u = row(0.0, -kr / (2.0 * (1.0 - kb)) * chroma, 0.5 * chroma);
        let v = row(0.0, 0.5 * chroma, -kb / (2.0 * (1.0 - kr)) * chroma);
        Self { y: row(luma, kr * luma, kb * luma), u, v, black }
    }
}

fn dot(weights: &[i32; 3], [r, g, b]: [i32; 3]) -> i32 {
    weights[0] * r + weights[1] * g + weights[2] * b
}

/// `R` and `B` say which byte of a pixel is red and which is blue.
fn luma<const R: usize, const B: usize>(weights: &Weights, row: &[u8], out: &mut [u8]) {
    let base = (weights.black << BITS) + (1 << (BITS - 1));
    for (y, pixel) in out.iter_mut().zip(row.chunks_exact(4)) {
        let rgb = [pixel[R].into(), pixel[1].into(), pixel[B].into()];
        *y = ((dot(&weights.y, rgb) + base) >> BITS) as u8;
    }
}

/// The mean of two by two pixels.
fn chroma<const R: usize, const B: usize>(weights: &Weights, rows: [&[u8]; 2], u: &mut [u8], v: &mut [u8]) {
    // The sum of four pixels is four times the mean.
    let (shift, base) = (BITS + 2, (128 << (BITS + 2)) + (1 << (BITS + 1)));
    let mut put = |at: usize, sum: [i32; 3]| {
        u[at] = ((dot(&weights.u, sum) + base) >> shift).clamp(0, 255) as u8;
        v[at] = ((dot(&weights.v, sum) + base) >> shift).clamp(0, 255) as u8;
    };
    let pairs = rows[0].chunks_exact(8).zip(rows[1].chunks_exact(8));
    for (at, (top, low)) in pairs.enumerate() {
        let sum =
            |byte: usize| [top[byte], top[byte + 4], low[byte], low[byte + 4]].iter().map(|v| i32::from(*v)).sum();
        put(at, [sum(R), sum(1), sum(B)]);
    }
    if let ([.., tr, tg, tb, _], [.., lr, lg, lb, _], true) = (rows[0], rows[1], !rows[0].len().is_multiple_of(8)) {
        let sum = [(tr, lr), (tg, lg), (tb, lb)].map(|(top, low)| 2 * (i32::from(*top) + i32::from(*low)));
        put(rows[0].len() / 8, [sum[R], sum[1], sum[B]]);
    }
}

/// A picture in I420 with even sides, whose memory is used again.
#[derive(Debug, Default)]
pub struct I420 {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl I420 {
    /// Converts what cannot be used as it is: chroma unless it is planar, and luma unless its sides are even. What remains
    /// is taken from the picture itself, without a copy. The planes are Y, U and V; their strides follow.
    pub fn fill<'a>(&'a mut self, picture: &Picture<'a>, colorimetry: Colorimetry) -> [Rows<'a>; 3] {
        let size = even(picture.size);
        let (width, height) = (size.width as usize, size.height as usize);
        let weights = Weights::new(colorimetry);
        let is_yuv = matches!(picture.format, PixelFormat::Nv12 | PixelFormat::I420);
        let y = if is_yuv && size == picture.size {
            picture.plane(0)
        } else {
            self.y.resize(width * height, 0);
            for (index, row) in self.y.chunks_exact_mut(width).enumerate() {
                picture.luma_row(&weights, index, row);
            }
            Rows { data: &self.y, stride: width }
        };
        let (u, v) = (picture.plane(1), picture.plane(2));
        // OpenH264 has one stride for both.
        if picture.format == PixelFormat::I420 && u.stride == v.stride {
            return [y, u, v];
        }
        let half = width / 2;
        self.u.resize(half * height / 2, 0);
        self.v.resize(half * height / 2, 0);
        for (index, (u, v)) in self.u.chunks_exact_mut(half).zip(self.v.chunks_exact_mut(half)).enumerate() {
            picture.chroma_row(&weights, index, u, v);
        }
        [y, Rows { data: &self.u, stride: half }, Rows { data: &self.v, stride: half }]
    }
}

/// Where NV12 goes: a plane of luma and one of chroma, with their strides in bytes.
#[derive(Debug)]
pub struct Nv12Mut<'a> {
    /// Luma, at least stride × even height.
    pub y: &'a mut [u8],
    /// From one row of luma to the next.
    pub y_stride: usize,
    /// U and V in turns, at least stride × half the even height.
    pub uv: &'a mut [u8],
    /// From one row of chroma to the next.
    pub uv_stride: usize,
}

/// Converts a picture to NV12 with even sides.
pub fn to_nv12(picture: &Picture<'_>, colorimetry: Colorimetry, out: &mut Nv12Mut<'_>) {
    let size = even(picture.size);
    let (width, height) = (size.width as usize, size.height as usize);
    let weights = Weights::new(colorimetry);
    for (index, row) in out.y.chunks_mut(out.y_stride).take(height).enumerate() {
        picture.luma_row(&weights, index, &mut row[..width]);
    }
    let (mut u, mut v) = (vec![0; width / 2], vec![0; width / 2]);
    for (index, row) in out.uv.chunks_mut(out.uv_stride).take(height / 2).enumerate() {
        if picture.format == PixelFormat::Nv12 {
            row[..width].copy_from_slice(picture.plane(1).row(index, width));
            continue;
        }
        picture.chroma_row(&weights, index, &mut u, &mut v);
        for (pair, (u, v)) in row[..width].chunks_exact_mut(2).zip(u.iter().zip(&v)) {
            pair.copy_from_slice(&[*u, *v]);
        }
    }
}

#[cfg(test)]
mod tests {
    use helix_frame_protocol::packed_planes;

    use super::*;

    const ALL: [(Matrix, Range); 4] = [
        (Matrix::Bt601, Range::Limited),
        (Matrix::Bt601, Range::Full),
        (Matrix::Bt709, Range::Limited),
        (Matrix::Bt709, Range::Full),
    ];

    fn solid(format: PixelFormat, size: Size, pixel: [u8; 4]) -> Vec<u8> {
        pixel.repeat(format.packed_length(size).div_ceil(4) as usize)
    }

    fn converted(format: PixelFormat, size: Size, data: &[u8], colorimetry: Colorimetry) -> [Vec<u8>; 3] {
        let picture = Picture::new(format, size, &packed_planes(format, size), data).expect("it lies within");
        let mut i420 = I420::default();
        i420.fill(&picture, colorimetry).map(|rows| rows.data.to_vec())
    }

    /// Table values of the recommendations: white, black, and pure colours.
    #[test]
    fn colours_become_what_the_recommendations_say() {
        let size = Size { width: 16, height: 16 };
        let expected = |matrix, range, colour| match (matrix, range, colour) {
            (_, Range::Limited, "white") => [235, 128, 128],
            (_, Range::Full, "white") => [255, 128, 128],
            (_, Range::Limited, "black") => [16, 128, 128],
            (_, Range::Full, "black") => [0, 128, 128],
            (Matrix::Bt601, Range::Limited, _) => [81, 90, 240],
            (Matrix::Bt709, Range::Limited, _) => [63, 102, 240],
            (Matrix::Bt601, Range::Full, _) => [76, 85, 255],
            (Matrix::Bt709, Range::Full, _) => [54, 99, 255],
        };
        for (matrix, range) in ALL {
            for (colour, rgb) in [("white", [255; 3]), ("black", [0; 3]), ("red", [255, 0, 0])] {
                let [r, g, b] = rgb;
                for (format, pixel) in [(PixelFormat::Rgbx, [r, g, b, 7]), (PixelFormat::Bgra, [b, g, r, 7])] {
                    let data = solid(format, size, pixel);
                    let planes = converted(format, size, &data, Colorimetry { matrix, range });
                    let found = planes.map(|plane| i32::from(plane[0]));
                    assert_eq!(found, expected(matrix, range, colour), "{matrix} {range} {colour} {format}");
                }
            }
        }
    }

    #[test]
    fn odd_sides_repeat_the_last_column_and_row() {
        let size = Size { width: 17, height: 19 };
        for format in PixelFormat::ALL.iter().copied() {
            let data = solid(format, size, [200; 4]);
            let [y, u, v] = converted(format, size, &data, Colorimetry { matrix: Matrix::Bt709, range: Range::Full });
            assert_eq!((y.len(), u.len(), v.len()), (18 * 20, 9 * 10, 9 * 10), "{format}");
            assert!(y.iter().all(|y| *y == 200), "{format}");
            let grey = if matches!(format, PixelFormat::Nv12 | PixelFormat::I420) { 200 } else { 128 };
            assert!(u.iter().chain(&v).all(|c| *c == grey), "{format}");
        }
    }

    #[test]
    fn nv12_has_the_same_values_as_i420() {
        for size in [Size { width: 32, height: 18 }, Size { width: 33, height: 17 }] {
            for format in PixelFormat::ALL.iter().copied() {
                let data: Vec<u8> = (0..format.packed_length(size)).map(|i| (i * 7 % 251) as u8).collect();
                let [y, u, v] = converted(format, size, &data, Colorimetry::default());
                let picture = Picture::new(format, size, &packed_planes(format, size), &data).expect("a picture");
                let to = even(size);
                let (stride, height) = (to.width as usize + 6, to.height as usize);
                let (mut luma, mut chroma) = (vec![0; stride * height], vec![0; stride * height / 2]);
                let mut out = Nv12Mut { y: &mut luma, y_stride: stride, uv: &mut chroma, uv_stride: stride };
                to_nv12(&picture, Colorimetry::default(), &mut out);
                let width = to.width as usize;
                let rows =
                    |plane: &[u8]| plane.chunks(stride).flat_map(|row| row[..width].to_vec()).collect::<Vec<_>>();
                assert_eq!(rows(&luma), y, "{format}");
                let pairs: Vec<u8> = u.iter().zip(&v).flat_map(|(u, v)| [*u, *v]).collect();
                assert_eq!(rows(&chroma), pairs, "{format}");
            }
        }
    }

    #[test]
    fn planes_beyond_the_data_are_no_picture() {
        let size = Size { width: 16, height: 16 };
        let planes = packed_planes(PixelFormat::Nv12, size);
        assert!(Picture::new(PixelFormat::Nv12, size, &planes, &[0; 383]).is_none());
        assert!(Picture::new(PixelFormat::Nv12, size, &planes, &[0; 384]).is_some());
    }
}
