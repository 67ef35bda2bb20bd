//! How large a machine is: half of the computer.

use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::platform;

/// More processors are of no use to the guest, and 24 of them once gave it time-outs of udev.
const MOST_CPUS: u32 = 8;
/// With one processor a guest's start-up jobs wait for each other.
const LEAST_CPUS: u32 = 2;
/// What two desktops need.
const LEAST_MIB: u64 = 6 << 10;

/// The window of host memory that the graphics device has, in MiB, on a computer with 16 GiB and less: such a Mac cannot map a
/// larger one. It is enough for three desktops.
pub(crate) const LEAST_GRAPHICS_MIB: u64 = 256;
/// The same on a computer with more. A desktop takes 64 to 128 MiB, and a window that is too small hangs the whole guest.
const MORE_GRAPHICS_MIB: u64 = 1024;
/// The most memory, in GiB, with which a computer gets the small window.
const LITTLE_GIB: u64 = 16;

/// Processors and memory of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// How many processors it has.
    pub cpus: u32,
    /// Its memory in MiB.
    pub memory_mib: u64,
}

impl Sizes {
    /// The sizes for the machine `name` on this computer, where they are not given.
    ///
    /// # Errors
    /// When the computer is too small, or does not tell its memory.
    pub(crate) fn choose(name: &str, cpus: Option<u32>, memory_mib: Option<u64>) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory_mib = match memory_mib {
            Some(given) => given,
            None => half_of(name, memory_bytes()?)?,
        };
        Ok(Self { cpus: cpus.unwrap_or_else(|| half_of_cores(cores)), memory_mib })
    }
}

/// The window of host memory for the graphics device, in MiB, where it is not given.
pub(crate) fn choose_graphics(given: Option<u64>) -> Result<u64, Error> {
    given.map_or_else(|| memory_bytes().map(graphics_of), Ok)
}

fn memory_bytes() -> Result<u64, Error> {
    let path = std::path::Path::new("the memory of this computer");
    platform::memory_bytes().map_err(Error::io("asking for", path))
}

fn graphics_of(memory: u64) -> u64 {
    if whole_gib(memory) <= LITTLE_GIB { LEAST_GRAPHICS_MIB } else { MORE_GRAPHICS_MIB }
}

/// What is built in is a little more than what the kernel tells: it is rounded to a whole GiB.
fn whole_gib(memory: u64) -> u64 {
    (memory + (1 << 29)) >> 30
}

fn half_of_cores(cores: usize) -> u32 {
    u32::try_from(cores / 2).unwrap_or(MOST_CPUS).clamp(LEAST_CPUS, MOST_CPUS)
}

/// Half of `memory` bytes in MiB.
fn half_of(name: &str, memory: u64) -> Result<u64, Error> {
    let have_gib = whole_gib(memory);
    let half = have_gib * 512;
    if half < LEAST_MIB {
        return Err(Error::Memory { name: name.to_owned(), have_gib, least_gib: LEAST_MIB >> 10 });
    }
    Ok(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_cores_up_to_eight() {
        assert_eq!([1, 2, 4, 10, 16, 24, 1000].map(half_of_cores), [2, 2, 2, 5, 8, 8, 8]);
    }

    #[test]
    fn half_of_the_memory_or_a_reason() {
        let gib = |n: u64| half_of("a", n << 30).ok();
        assert_eq!([16, 64, 12].map(gib), [Some(8 << 10), Some(32 << 10), Some(6 << 10)]);
        // 12 GiB of memory as Linux tells them.
        assert_eq!(half_of("a", 12_474_974_208).ok(), Some(6 << 10));
        let error = half_of("a", 8 << 30).unwrap_err().to_string();
        assert!(error.contains("has 8 GiB") && error.contains("vm up a --memory 4096"), "{error}");
    }

    #[test]
    fn the_graphics_window_follows_the_memory() {
        let of = |gib: u64| graphics_of(gib << 30);
        assert_eq!([8, 16, 17, 18, 24, 64].map(of), [256, 256, 1024, 1024, 1024, 1024]);
        // 16 GiB of memory as Linux tells them.
        assert_eq!(graphics_of(16_374_000_000), 256);
        assert_eq!(choose_graphics(Some(4096)).unwrap(), 4096);
    }

    #[test]
    fn what_is_given_is_taken() {
        let sizes = Sizes::choose("a", Some(3), Some(2048)).unwrap();
        assert_eq!(sizes, Sizes { cpus: 3, memory_mib: 2048 });
    }
}
