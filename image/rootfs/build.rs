//! Compiles `src/dispatch.rs` into the static executable that `emulation.rs` embeds.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/dispatch.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("dispatch");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        std::fs::write(&out, b"").expect("OUT_DIR is writable");
        return;
    }
    let status = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC"))
        .args(["--edition=2024", "-Copt-level=2", "-Cpanic=abort", "-Cstrip=symbols", "-Ctarget-feature=+crt-static"])
        .arg(format!("--target={}", env::var("TARGET").expect("cargo sets TARGET")))
        .arg("-o")
        .arg(&out)
        .arg("src/dispatch.rs")
        .status()
        .expect("rustc can be started");
    assert!(status.success(), "compiling src/dispatch.rs failed; a static C library is needed (package libc6-dev)");
}
