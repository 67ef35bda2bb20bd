//! Compiles the library that mkfs.xfs is run with, so that the crate can carry it as bytes.

use std::env;
use std::path::Path;
use std::process::Command;

const SOURCE: &str = "src/xfs/sorted_listing.rs";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    if variable("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let output = Path::new(&variable("OUT_DIR")).join("sorted_listing.so");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition", "2024", "--crate-type", "cdylib", "--target", &variable("TARGET"), SOURCE, "-o"]);
    rustc.arg(output);
    // No panics, and nothing to link with: the C library's symbols are left for the loader to find, without a version,
    // so that the C library of the tools may be older or newer than the one here.
    rustc.args(["-Cpanic=abort", "-Copt-level=s", "-Cstrip=symbols", "-Clink-arg=-nostdlib"]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let status = rustc.status().unwrap_or_else(|error| panic!("cannot start {rustc:?}: {error}"));
    assert!(status.success(), "{rustc:?} ended with {status}");
}
