//! Short names: the eight and three bytes that every entry has, whatever its long name.

use std::collections::{BTreeMap, BTreeSet};

/// A short name: eight bytes and three, padded with spaces, without the dot.
pub(crate) type ShortName = [u8; 11];

/// The names of `.` and `..`.
pub(crate) const DOT: ShortName = *b".          ";
pub(crate) const DOT_DOT: ShortName = *b"..         ";

/// Gives each of `names`, which are one folder's, a short name that no other has.
///
/// A name that is a short name by itself keeps it, whichever place it has in the list; the others get one made from
/// their first characters and, where that is not unique or not faithful, a number.
pub(crate) fn assign(names: &[&str]) -> Vec<ShortName> {
    let exact = names.iter().map(|name| exact(name)).collect::<Vec<_>>();
    let mut taken = exact.iter().flatten().copied().collect::<BTreeSet<_>>();
    let mut numbers = BTreeMap::new();
    let mut alias = |name: &str| {
        let plain = exact_of_upper_case(name).filter(|alias| !taken.contains(alias));
        let alias = plain.unwrap_or_else(|| numbered(name, &taken, &mut numbers));
        taken.insert(alias);
        alias
    };
    names.iter().zip(&exact).map(|(name, exact)| exact.unwrap_or_else(|| alias(name))).collect()
}

/// The short name that says all that `name` says, if there is one.
pub(crate) fn exact(name: &str) -> Option<ShortName> {
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    let dotless = name.len() == base.len();
    let fits = (1..=8).contains(&base.len()) && (dotless || (1..=3).contains(&extension.len()));
    (fits && base.bytes().chain(extension.bytes()).all(is_plain)).then(|| join(base.as_bytes(), extension.as_bytes()))
}

fn exact_of_upper_case(name: &str) -> Option<ShortName> {
    exact(&name.to_ascii_uppercase())
}

/// Which bytes a short name may hold (FAT specification, "Short Directory Entries"); code pages are left alone.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"$%'-_@~`!(){}^#&".contains(&byte)
}

fn join(base: &[u8], extension: &[u8]) -> ShortName {
    let mut name = [b' '; 11];
    name[..base.len()].copy_from_slice(base);
    name[8..8 + extension.len()].copy_from_slice(extension);
    name
}

/// `LONGNA~1.EXT`, with the next number that is free for these letters.
fn numbered(name: &str, taken: &BTreeSet<ShortName>, numbers: &mut BTreeMap<Vec<u8>, u32>) -> ShortName {
    let (base, extension) = name.trim_start_matches('.').rsplit_once('.').unwrap_or((name, ""));
    let (base, extension) = (squeeze(base, 6), squeeze(extension, 3));
    let number = numbers.entry([&base[..], b".", &extension].concat()).or_insert(0);
    loop {
        *number += 1;
        let tail = format!("~{number}");
        let head = &base[..base.len().min(8 - tail.len())];
        let alias = join(&[head, tail.as_bytes()].concat(), &extension);
        if !taken.contains(&alias) {
            return alias;
        }
    }
}

/// The first `length` characters of `text` that a short name can hold, others replaced, spaces and dots left out.
fn squeeze(text: &str, length: usize) -> Vec<u8> {
    let upper = text.chars().filter(|c| !" .".contains(*c)).map(|c| c.to_ascii_uppercase());
    upper.map(|c| u8::try_from(c).ok().filter(|&byte| is_plain(byte)).unwrap_or(b'_')).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(names: &[&str]) -> Vec<String> {
        assign(names).iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
    }

    #[test]
    fn short_names_stay_and_others_are_made_from_them() {
        assert_eq!(assigned(&["BOOTAA64.EFI", "EFI", "grub.cfg"]), ["BOOTAA64EFI", "EFI        ", "GRUB    CFG"]);
        assert_eq!(assigned(&["größe.txt", "a b.c", ".profile"]), ["GR__E~1 TXT", "AB~1    C  ", "PROFIL~1   "]);
        assert_eq!(assigned(&["user-data.yaml", "x.tar.gz"]), ["USER-D~1YAM", "XTAR~1  GZ "]);
    }

    #[test]
    fn a_name_made_up_gives_way_to_one_that_is_given() {
        assert_eq!(assigned(&["longer name", "LONGER~1"]), ["LONGER~2   ", "LONGER~1   "]);
        assert_eq!(assigned(&["foo", "FOO"]), ["FOO~1      ", "FOO        "]);
    }

    #[test]
    fn thousands_of_like_names_stay_apart() {
        let names = (0..20_000).map(|n| format!("a long name {n}")).collect::<Vec<_>>();
        let short = assign(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(short.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
