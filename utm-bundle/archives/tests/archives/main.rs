//! Archives, read back by programs that are not ours: unzip, 7-Zip, Python, dmg2img, xorriso.

mod disk_image;
mod faults;
mod property;
mod support;
mod zip;
