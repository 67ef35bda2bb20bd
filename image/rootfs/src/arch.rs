//! Machine architectures under the names that the different worlds give them.

use std::fmt;

/// An architecture, for images and for hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 64-bit ARM.
    Arm64,
    /// 64-bit x86.
    Amd64,
}

impl Arch {
    /// The architecture this program runs on; `None` on one that is not supported.
    pub fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::Amd64),
            "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }

    /// Debian's name.
    pub fn debian_name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Amd64 => "amd64",
        }
    }

    /// The kernel's and QEMU's name.
    pub fn kernel_name(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64",
            Self::Amd64 => "x86_64",
        }
    }

    /// The multiarch folder below `/usr/lib`.
    pub fn triplet(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu",
            Self::Amd64 => "x86_64-linux-gnu",
        }
    }

    /// The file name of glibc's program loader.
    pub fn loader(self) -> &'static str {
        match self {
            Self::Arm64 => "ld-linux-aarch64.so.1",
            Self::Amd64 => "ld-linux-x86-64.so.2",
        }
    }

    /// Magic and mask of an ELF executable or shared object, as `binfmt_misc` wants them
    /// (QEMU's `scripts/qemu-binfmt-conf.sh`).
    pub(crate) fn binfmt_magic(self) -> String {
        let machine = match self {
            Self::Arm64 => "\\xb7",
            Self::Amd64 => "\\x3e",
        };
        let magic = format!("\\x7fELF\\x02\\x01\\x01{}\\x02\\x00{machine}\\x00", "\\x00".repeat(9));
        let mask = format!("{}\\x00{}\\xfe\\xff\\xff\\xff", "\\xff".repeat(7), "\\xff".repeat(8));
        format!("{magic}:{mask}")
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.debian_name())
    }
}
