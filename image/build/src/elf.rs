//! What a shared library needs of the system it is loaded in.

use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, FileHeader};

/// The libraries that a library needs, and the version of the C library.
#[derive(Debug)]
pub(crate) struct Needs {
    /// Their names.
    pub(crate) libraries: Vec<String>,
    /// The newest version of glibc whose symbols are used.
    pub(crate) glibc: (u32, u32),
}

impl Needs {
    /// Reads a 64-bit ELF file; an error says what is wrong with it.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, String> {
        Self::read(bytes).map_err(|e| format!("the library cannot be read: {e}"))
    }

    fn read(bytes: &[u8]) -> Result<Self, object::read::Error> {
        let file = FileHeader64::<Endianness>::parse(bytes)?;
        let endian = file.endian()?;
        let sections = file.sections(endian, bytes)?;
        let mut needs = Self { libraries: Vec::new(), glibc: (0, 0) };
        if let Some((entries, strings)) = sections.dynamic(endian, bytes)? {
            let strings = sections.strings(endian, bytes, strings)?;
            for entry in entries.iter().filter(|entry| entry.d_tag(endian) == DT_NEEDED) {
                needs.libraries.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
            }
        }
        if let Some((mut files, strings)) = sections.gnu_verneed(endian, bytes)? {
            let strings = sections.strings(endian, bytes, strings)?;
            while let Some((_, mut versions)) = files.next()? {
                while let Some(version) = versions.next()? {
                    let name = String::from_utf8_lossy(version.name(endian, strings)?).into_owned();
                    needs.glibc = needs.glibc.max(glibc(&name).unwrap_or_default());
                }
            }
        }
        Ok(needs)
    }
}

/// The version in `GLIBC_2.34`.
fn glibc(name: &str) -> Option<(u32, u32)> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.').map_while(|n| n.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_needs_the_c_library() {
        let program = std::fs::read(std::env::current_exe().expect("a path")).expect("the program");
        let needs = Needs::of(&program).expect("a program");
        assert!(needs.libraries.iter().any(|name| name == "libc.so.6"), "{needs:?}");
        assert!(needs.glibc >= (2, 17), "{needs:?}");
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(Needs::of(b"!<arch>\n").is_err());
        let mut cut = std::fs::read(std::env::current_exe().expect("a path")).expect("the program");
        cut.truncate(4096);
        assert!(Needs::of(&cut).is_err());
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(glibc("GLIBC_2.34") > glibc("GLIBC_2.4"));
        assert_eq!(glibc("GLIBC_2.3.4"), Some((2, 3)));
        assert_eq!(glibc("GLIBC_PRIVATE"), None);
        assert_eq!(glibc("GCC_3.0"), None);
    }
}
