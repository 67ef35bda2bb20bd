//! From source to the daemon and the library for C.

use std::path::{Path, PathBuf};

use helix_products::{Artifact, Notices, Order, Product, Target};

use crate::error::Error;

/// What is built, and where.
#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// What it is built for [default: this machine]
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// The folder; the files are in a folder of the target's name in it
    #[arg(long, value_name = "DIR", default_value = "target/host-encoder")]
    pub output: PathBuf,
}

/// The daemon and the library.
pub fn products(target: Target) -> [Product; 2] {
    let library = format!("libhelix_host_encoder_capi.{}", target.library_extension());
    // On a Mac VideoToolbox encodes; OpenH264 is C++.
    let options: &[&str] = if target == Target::Mac { &["--no-default-features"] } else { &[] };
    [
        Product {
            package: "helix-host-encoder",
            selection: &["--bin", "helix-host-encoder"],
            options,
            made: "helix_host_encoder".to_owned(),
            name: "helix-host-encoder".to_owned(),
            library: false,
        },
        Product {
            package: "helix-host-encoder-capi",
            selection: &["--lib", "--crate-type", "cdylib"],
            options,
            made: library.clone(),
            name: library,
            library: true,
        },
    ]
}

/// Builds, inspects and puts in place, with the licences of what is linked in.
///
/// # Errors
/// When this machine lacks something, when it does not compile, when a licence is not known, and when the inspection finds a fault: then nothing new
/// is in the folder.
pub fn build(args: &BuildArgs, root: &Path, say: &dyn Fn(&str)) -> Result<Vec<Artifact>, Error> {
    let host = Target::host();
    let target = args.target.or(host).ok_or_else(|| Error::NotReady("name a platform with --target".to_owned()))?;
    if target != Target::Mac && Some(target) != host {
        return Err(Error::NotReady(format!(
            "OpenH264 is C++, which is not compiled for another machine: build for {target} on such a machine, with\n  \
             cargo xtask build-host-encoder"
        )));
    }
    let order = Order {
        target,
        root,
        output: &args.output,
        imports: "host-encoder/dist/macos-imports.txt",
        hint: "OpenH264 needs a C++ compiler and an assembler:\n  sudo apt-get install g++ nasm",
    };
    let products = products(target);
    // Before anything is in place: what cannot be passed on is not built.
    let notices = Notices::collect(&products, &order)?;
    let mut made = helix_products::build(&products, &order, say)?;
    made.push(notices.put(&order)?);
    Ok(made)
}
