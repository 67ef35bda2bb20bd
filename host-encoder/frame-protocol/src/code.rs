//! Numbered choices, and sets of them.

use std::fmt;
use std::marker::PhantomData;

/// A choice with a number on the wire, which is also its bit in a [`Set`].
pub trait Code: Copy + 'static {
    /// All choices.
    const CHOICES: &'static [Self];
    /// The bit in a set.
    fn bit(self) -> u32;
}

macro_rules! codes {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $number:literal, $text:literal;)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$each])* $variant = $number,)+ }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number on the wire.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The name in the specification.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            pub(crate) fn from_number(number: u16) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| u16::from(known.number()) == number)
            }
        }

        impl Code for $name {
            const CHOICES: &'static [Self] = Self::ALL;

            fn bit(self) -> u32 {
                1 << self.number()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

codes! {
    /// How a frame travels, best way first.
    FrameWay {
        /// The id of a virtio-gpu resource that is the frame.
        Resource = 1, "resource";
        /// The id of a virtio-gpu blob in guest memory that the frame was copied to.
        Blob = 2, "blob";
        /// The pixels themselves, after the request.
        Pixels = 3, "pixels";
    }
}

codes! {
    /// How the pixels of a frame lie in memory. Names are GStreamer's: the order of bytes in memory.
    PixelFormat {
        /// Blue, green, red and an unused byte for each pixel.
        Bgrx = 1, "BGRx";
        /// Blue, green, red and alpha for each pixel. Alpha is ignored.
        Bgra = 2, "BGRA";
        /// Red, green, blue and an unused byte for each pixel.
        Rgbx = 3, "RGBx";
        /// Red, green, blue and alpha for each pixel. Alpha is ignored.
        Rgba = 4, "RGBA";
        /// A plane of luma, and one of U and V in turns for every two by two pixels.
        Nv12 = 5, "NV12";
        /// A plane of luma, one of U and one of V, both for every two by two pixels.
        I420 = 6, "I420";
    }
}

codes! {
    /// A codec and its profile.
    Profile {
        /// H.264, constrained baseline.
        H264ConstrainedBaseline = 1, "h264-constrained-baseline";
        /// H.264, main.
        H264Main = 2, "h264-main";
        /// H.264, high.
        H264High = 3, "h264-high";
    }
}

codes! {
    /// How red, green and blue become luma and chroma: the matrix of YUV.
    Matrix {
        /// ITU-R BT.601, of standard definition: Kr 0.299, Kb 0.114.
        Bt601 = 1, "bt601";
        /// ITU-R BT.709, of high definition: Kr 0.2126, Kb 0.0722.
        Bt709 = 2, "bt709";
    }
}

codes! {
    /// Which values of luma and chroma stand for black, white and the strongest colours.
    Range {
        /// Luma from 16 to 235, chroma from 16 to 240.
        Limited = 1, "limited";
        /// Both from 0 to 255.
        Full = 2, "full";
    }
}

codes! {
    /// Why a frame has no access unit.
    SkipReason {
        /// The encoder left it out to keep its bitrate.
        RateControl = 1, "rate-control";
        /// More frames came than can be encoded.
        Overload = 2, "overload";
        /// Its stream was closed before its turn came.
        Closed = 3, "closed";
    }
}

codes! {
    /// What kind of error a peer states.
    ErrorCode {
        /// A message was malformed or out of order. Always fatal for the connection.
        Protocol = 1, "protocol";
        /// No version is spoken by both ends. Always fatal for the connection.
        Version = 2, "version";
        /// The token is wrong or missing. Always fatal for the connection.
        Unauthorized = 3, "unauthorized";
        /// The type of the request is not known.
        UnknownType = 4, "unknown-type";
        /// The request is understood but cannot be met, as a configuration that no encoder has.
        Unsupported = 5, "unsupported";
        /// The stream of the request has failed.
        NoStream = 6, "no-stream";
        /// The resource or blob of a frame is not there, or is not what the frame says.
        NoResource = 7, "no-resource";
        /// The encoder failed.
        Encoder = 8, "encoder";
        /// The end has as much to do as it takes.
        Busy = 9, "busy";
        /// The end is being stopped.
        ShuttingDown = 10, "shutting-down";
        /// The peer took longer than it may. Always fatal for the connection.
        Timeout = 11, "timeout";
        /// Anything else. A number that is not known is read as this one.
        Internal = 12, "internal";
    }
}

/// A set of choices.
pub struct Set<T> {
    bits: u32,
    of: PhantomData<T>,
}

impl<T: Code> Set<T> {
    /// The empty set.
    pub const EMPTY: Self = Self { bits: 0, of: PhantomData };

    /// The set of everything.
    pub fn all() -> Self {
        T::CHOICES.iter().copied().collect()
    }

    /// Whether `choice` is in it.
    pub fn contains(self, choice: T) -> bool {
        self.bits & choice.bit() != 0
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// Whether everything in it is in `other` too.
    pub fn is_subset(self, other: Self) -> bool {
        self.bits & !other.bits == 0
    }

    /// What is in both.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self { bits: self.bits & other.bits, of: PhantomData }
    }

    /// What is in this one, not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self { bits: self.bits & !other.bits, of: PhantomData }
    }

    /// What is in it, in the order of the numbers.
    pub fn iter(self) -> impl Iterator<Item = T> {
        T::CHOICES.iter().copied().filter(move |choice| self.contains(*choice))
    }

    pub(crate) fn bits(self) -> u32 {
        self.bits
    }

    /// The known choices of a set on the wire, and the bits that stand for none.
    pub(crate) fn from_bits(bits: u32) -> (Self, u32) {
        let known = Self { bits, of: PhantomData }.common(Self::all());
        (known, bits & !known.bits)
    }
}

impl<T: Code> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(choices: I) -> Self {
        let bits = choices.into_iter().fold(0, |bits, choice| bits | choice.bit());
        Self { bits, of: PhantomData }
    }
}

impl<T: Code, const N: usize> From<[T; N]> for Set<T> {
    fn from(choices: [T; N]) -> Self {
        choices.into_iter().collect()
    }
}

// Derived, these would ask for the same of `T`.
impl<T> Clone for Set<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Set<T> {}

impl<T> PartialEq for Set<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}

impl<T> Eq for Set<T> {}

impl<T: Code + fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<T: Code + fmt::Display> fmt::Display for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|choice| choice.to_string()).collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}
