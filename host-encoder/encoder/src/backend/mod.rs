//! The encoders that there are.

mod discard;
#[cfg(feature = "openh264")]
mod openh264;
#[cfg(target_os = "macos")]
mod videotoolbox;

use std::sync::Arc;

pub use self::discard::Discard;
#[cfg(feature = "openh264")]
pub use self::openh264::OpenH264;
#[cfg(target_os = "macos")]
pub use self::videotoolbox::VideoToolbox;
use crate::encoder::Backend;

/// The names that [`backend`] knows here, the one that is used by default first.
pub const NAMES: &[&str] = &[
    #[cfg(target_os = "macos")]
    "videotoolbox",
    #[cfg(feature = "openh264")]
    "openh264",
    "discard",
];

/// The encoder of this name; nothing if this build has none of it.
pub fn backend(name: &str) -> Option<Arc<dyn Backend>> {
    match name {
        #[cfg(target_os = "macos")]
        "videotoolbox" => Some(Arc::new(VideoToolbox)),
        #[cfg(feature = "openh264")]
        "openh264" => Some(Arc::new(OpenH264)),
        "discard" => Some(Arc::new(Discard)),
        _ => None,
    }
}
