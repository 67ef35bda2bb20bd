//! The facts of a file, in one pass over its load commands.

use object::macho::{self, DylibCommand, LinkeditDataCommand, MachHeader64, SegmentCommand64};
use object::read::macho::{LoadCommandData, LoadCommandVariant, MachHeader, Section, Segment};
use object::{Endianness, ReadRef};

use crate::imports::{self, Import};
use crate::signature::{self, Signature};

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// It is not of this format, or damaged.
    #[error("this is no Mach-O file, or a damaged one: {0}")]
    Format(#[from] object::read::Error),
    /// It holds programs for several processors.
    #[error("this is a universal file; one for arm64 is made of it by\n  lipo -thin arm64 FILE -output THIN")]
    Universal,
    /// It is of the format, and of a kind that nothing here makes.
    #[error("this Mach-O file has {0}, which is not read here")]
    Unsupported(&'static str),
    /// A table leads out of the file or contradicts itself.
    #[error("the {table} of this Mach-O file is damaged: {fault}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A program.
    Executable,
    /// A dynamic library.
    Library,
}

/// A version of macOS; patch levels do not count here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u8,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The beginning of a file that holds all load commands and the room behind them, in bytes: what [`Head::read`] and
/// [`crate::Changes::apply`] need of a file. Real files have a few KiB of load commands.
pub const HEAD_SIZE: usize = 256 << 10;

/// What the load commands of a Mach-O file for arm64 say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Program or library.
    pub kind: Kind,
    /// The oldest macOS that it runs on; nothing if it is for another system, or says nothing.
    pub minimum_macos: Option<Version>,
    /// The name by which others load this library.
    pub install_name: Option<String>,
    /// The install names of the libraries that it loads, also of those that may be missing.
    pub libraries: Vec<String>,
    /// Where libraries named by `@rpath` are looked for.
    pub rpaths: Vec<String>,
    /// How many bytes load commands can grow by before they meet the first section.
    pub header_room: u32,
}

impl Head {
    /// Reads the load commands of a file; its first [`HEAD_SIZE`] bytes are enough.
    ///
    /// # Errors
    /// When it is not a program or library for arm64, or damaged.
    pub fn read(data: &[u8]) -> Result<Self, ReadError> {
        Ok(Commands::read(data)?.0)
    }
}

/// A Mach-O file for arm64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachO {
    /// What its load commands say.
    pub head: Head,
    /// What it takes from libraries; nothing unless chained fixups say all of it: dyld info, the older form, is not read.
    pub imports: Option<Vec<Import>>,
    /// Its signature.
    pub signature: Option<Signature>,
}

impl MachO {
    /// Reads the facts of a whole file, and compares its pages with its signature.
    ///
    /// # Errors
    /// When it is not a program or library for arm64, or damaged.
    pub fn read(data: &[u8]) -> Result<Self, ReadError> {
        let (head, commands) = Commands::read(data)?;
        // An older form of imports beside the one that is read would be an import that nobody sees.
        let fixups = commands.fixups.filter(|_| !commands.dyld_info);
        let imports = |place: Place| imports::read(place.bytes(data, imports::TABLE)?, &head.libraries);
        Ok(Self {
            imports: fixups.map(imports).transpose()?,
            signature: commands.signature.map(|place| signature::read(data, place)).transpose()?,
            head,
        })
    }
}

/// The header, if the file is one that is read here.
pub(crate) fn header(data: &[u8]) -> Result<&MachHeader64<Endianness>, ReadError> {
    let magic = data.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    if matches!(magic, Some(macho::FAT_MAGIC | macho::FAT_MAGIC_64)) {
        return Err(ReadError::Universal);
    }
    let header = MachHeader64::<Endianness>::parse(data, 0)?;
    let endian = header.endian()?;
    if endian != Endianness::Little || header.cputype(endian) != macho::CPU_TYPE_ARM64 {
        return Err(ReadError::Unsupported("another processor than arm64"));
    }
    Ok(header)
}

/// Where the load commands end.
pub(crate) fn end_of_commands(header: &MachHeader64<Endianness>) -> u32 {
    (size_of::<MachHeader64<Endianness>>() as u32).saturating_add(header.sizeofcmds(Endianness::Little))
}

/// A table that a load command says where to find.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) offset: u32,
    pub(crate) size: u32,
}

impl Place {
    fn of(command: &LinkeditDataCommand<Endianness>, endian: Endianness) -> Self {
        Self { offset: command.dataoff.get(endian), size: command.datasize.get(endian) }
    }

    pub(crate) fn bytes<'a>(self, data: &'a [u8], table: &'static str) -> Result<&'a [u8], ReadError> {
        data.read_bytes_at(self.offset.into(), self.size.into())
            .map_err(|()| ReadError::Damaged { table, fault: "it leads out of the file" })
    }
}

/// What the load commands say, on the way to a [`Head`].
#[derive(Default)]
struct Commands {
    minimum_macos: Option<Version>,
    install_name: Option<String>,
    libraries: Vec<String>,
    rpaths: Vec<String>,
    first_content: Option<u64>,
    fixups: Option<Place>,
    dyld_info: bool,
    signature: Option<Place>,
}

impl Commands {
    fn read(data: &[u8]) -> Result<(Head, Self), ReadError> {
        let header = header(data)?;
        let endian = Endianness::Little;
        let kind = match header.filetype(endian) {
            macho::MH_EXECUTE => Kind::Executable,
            macho::MH_DYLIB => Kind::Library,
            _ => return Err(ReadError::Unsupported("another type than program or library")),
        };
        let mut commands = Self::default();
        for command in header.load_commands(endian, data, 0)? {
            commands.take(command?, endian)?;
        }
        let end = end_of_commands(header);
        let room = commands.first_content.map_or(0, |content| content.saturating_sub(end.into()));
        let head = Head {
            kind,
            minimum_macos: commands.minimum_macos,
            install_name: commands.install_name.take(),
            libraries: std::mem::take(&mut commands.libraries),
            rpaths: std::mem::take(&mut commands.rpaths),
            header_room: u32::try_from(room).unwrap_or(u32::MAX),
        };
        Ok((head, commands))
    }

    fn take(&mut self, command: LoadCommandData<'_, Endianness>, endian: Endianness) -> Result<(), ReadError> {
        let text = |at| command.string(endian, at).map(|name| String::from_utf8_lossy(name).into_owned());
        let name = |dylib: &DylibCommand<Endianness>| text(dylib.dylib.name);
        let version = |v: macho::Version| Version { major: v.major(), minor: v.minor() };
        match command.variant()? {
            LoadCommandVariant::BuildVersion(build, _) if build.platform.get(endian) == macho::PLATFORM_MACOS => {
                self.minimum_macos = Some(version(build.minos.get(endian)));
            }
            // What came before LC_BUILD_VERSION.
            LoadCommandVariant::VersionMin(build) if command.cmd() == macho::LC_VERSION_MIN_MACOSX => {
                self.minimum_macos = Some(version(build.version.get(endian)));
            }
            LoadCommandVariant::IdDylib(dylib) => self.install_name = Some(name(dylib)?),
            LoadCommandVariant::Dylib(dylib) => self.libraries.push(name(dylib)?),
            LoadCommandVariant::Rpath(rpath) => self.rpaths.push(text(rpath.path)?),
            LoadCommandVariant::Segment64(segment, sections) => self.take_contents(segment, sections, endian)?,
            LoadCommandVariant::LinkeditData(table) => match command.cmd() {
                macho::LC_DYLD_CHAINED_FIXUPS => self.fixups = Some(Place::of(table, endian)),
                macho::LC_CODE_SIGNATURE => self.signature = Some(Place::of(table, endian)),
                _ => {}
            },
            LoadCommandVariant::DyldInfo(_) => self.dyld_info = true,
            _ => {}
        }
        Ok(())
    }

    /// Notes where the first content is that is not the load commands themselves.
    fn take_contents(
        &mut self,
        segment: &SegmentCommand64<Endianness>,
        sections: &[u8],
        endian: Endianness,
    ) -> Result<(), ReadError> {
        let sections = segment.sections(endian, sections)?.iter().map(|s| u64::from(s.offset(endian)));
        let places = sections.chain([segment.fileoff(endian)]);
        // Sections of zeros have no place in the file, and the first segment holds the load commands.
        self.first_content = self.first_content.into_iter().chain(places.filter(|at| *at != 0)).min();
        Ok(())
    }
}
