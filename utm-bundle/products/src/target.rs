//! What is built for.

use clap::ValueEnum;

/// A platform, by the name that Rust has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// macOS 14 and later on Apple's processors
    #[value(name = "aarch64-apple-darwin")]
    Mac,
    /// Linux on 64-bit ARM
    #[value(name = "aarch64-unknown-linux-gnu")]
    LinuxArm64,
    /// Linux on 64-bit x86
    #[value(name = "x86_64-unknown-linux-gnu")]
    LinuxAmd64,
}

impl Target {
    /// This machine; nothing if nothing is built for its kind.
    pub fn host() -> Option<Self> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("macos", "aarch64") => Some(Self::Mac),
            ("linux", "aarch64") => Some(Self::LinuxArm64),
            ("linux", "x86_64") => Some(Self::LinuxAmd64),
            _ => None,
        }
    }

    /// Rust's name.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Mac => "aarch64-apple-darwin",
            Self::LinuxArm64 => "aarch64-unknown-linux-gnu",
            Self::LinuxAmd64 => "x86_64-unknown-linux-gnu",
        }
    }

    /// The ending of its dynamic libraries.
    pub fn library_extension(self) -> &'static str {
        if self == Self::Mac { "dylib" } else { "so" }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.triple())
    }
}
