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

/// A Mach-O file for arm64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachO {
    /// Program or library.
    pub kind: Kind,
    /// The oldest macOS that it runs on; nothing if it is for another system, or says nothing.
    pub minimum_macos: Option<Version>,
    /// The name by which others load this library.
    pub install_name: Option<String>,
    /// The install names of the libraries that it loads.
    pub libraries: Vec<String>,
    /// Where libraries named by `@rpath` are looked for.
    pub rpaths: Vec<String>,
    /// What it takes from libraries.
    pub imports: Vec<Import>,
    /// How many bytes load commands can grow by before they meet the first section.
    pub header_room: u32,
    /// Its signature.
    pub signature: Option<Signature>,
}

impl MachO {
    /// Reads the facts of a file.
    ///
    /// # Errors
    /// When it is not a program or library for arm64 with chained fixups, or damaged.
    pub fn read(data: &[u8]) -> Result<Self, ReadError> {
        let header = MachHeader64::<Endianness>::parse(data, 0)?;
        let endian = header.endian()?;
        if endian != Endianness::Little || header.cputype(endian) != macho::CPU_TYPE_ARM64 {
            return Err(ReadError::Unsupported("another processor than arm64"));
        }
        let kind = match header.filetype(endian) {
            macho::MH_EXECUTE => Kind::Executable,
            macho::MH_DYLIB => Kind::Library,
            _ => return Err(ReadError::Unsupported("another type than program or library")),
        };
        let mut commands = Commands::default();
        for command in header.load_commands(endian, data, 0)? {
            commands.take(command?, endian)?;
        }
        commands.facts(kind, data, header.sizeofcmds(endian))
    }
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

/// What the load commands say.
#[derive(Default)]
struct Commands {
    minimum_macos: Option<Version>,
    install_name: Option<String>,
    libraries: Vec<String>,
    rpaths: Vec<String>,
    first_section: Option<u32>,
    fixups: Option<Place>,
    signature: Option<Place>,
}

impl Commands {
    fn take(&mut self, command: LoadCommandData<'_, Endianness>, endian: Endianness) -> Result<(), ReadError> {
        let text = |at| command.string(endian, at).map(|name| String::from_utf8_lossy(name).into_owned());
        let name = |dylib: &DylibCommand<Endianness>| text(dylib.dylib.name);
        match command.variant()? {
            LoadCommandVariant::BuildVersion(build, _) if build.platform.get(endian) == macho::PLATFORM_MACOS => {
                let version = build.minos.get(endian);
                self.minimum_macos = Some(Version { major: version.major(), minor: version.minor() });
            }
            LoadCommandVariant::IdDylib(dylib) => self.install_name = Some(name(dylib)?),
            LoadCommandVariant::Dylib(dylib) => self.libraries.push(name(dylib)?),
            LoadCommandVariant::Rpath(rpath) => self.rpaths.push(text(rpath.path)?),
            LoadCommandVariant::Segment64(segment, sections) => self.take_sections(segment, sections, endian)?,
            LoadCommandVariant::LinkeditData(table) => match command.cmd() {
                macho::LC_DYLD_CHAINED_FIXUPS => self.fixups = Some(Place::of(table, endian)),
                macho::LC_CODE_SIGNATURE => self.signature = Some(Place::of(table, endian)),
                _ => {}
            },
            // An older form of imports beside the one that is read would be an import that nobody sees.
            LoadCommandVariant::DyldInfo(_) => {
                return Err(ReadError::Unsupported("dyld info instead of chained fixups"));
            }
            _ => {}
        }
        Ok(())
    }

    fn take_sections(
        &mut self,
        segment: &SegmentCommand64<Endianness>,
        sections: &[u8],
        endian: Endianness,
    ) -> Result<(), ReadError> {
        // Sections of zeros have no place in the file.
        let places = segment.sections(endian, sections)?.iter().map(|s| s.offset(endian)).filter(|at| *at != 0);
        self.first_section = self.first_section.into_iter().chain(places).min();
        Ok(())
    }

    fn facts(self, kind: Kind, data: &[u8], commands: u32) -> Result<MachO, ReadError> {
        let fixups = self.fixups.ok_or(ReadError::Unsupported("no chained fixups"))?;
        let end = (size_of::<MachHeader64<Endianness>>() as u32).saturating_add(commands);
        Ok(MachO {
            kind,
            minimum_macos: self.minimum_macos,
            install_name: self.install_name,
            imports: imports::read(fixups.bytes(data, imports::TABLE)?, &self.libraries)?,
            libraries: self.libraries,
            rpaths: self.rpaths,
            header_room: self.first_section.unwrap_or(end).saturating_sub(end),
            signature: self.signature.map(|place| signature::read(data, place)).transpose()?,
        })
    }
}
