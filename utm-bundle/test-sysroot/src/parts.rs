//! What is compiled: names and dependencies as in UTM's sysroot.

use crate::BUILT_IN;

/// A library, or a program if it has no install name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it is, below the sysroot.
    pub path: String,
    /// The name by which others load it.
    pub install_name: Option<String>,
    /// The paths of what it loads; they come before it.
    pub loads: Vec<String>,
    /// The paths of what it loads if it is there.
    pub loads_weakly: Vec<String>,
    /// The paths of what it loads and hands on as its own.
    pub reexports: Vec<String>,
    /// Where it looks for libraries named by `@rpath`.
    pub rpaths: Vec<String>,
    /// Names of links to it, in its folder.
    pub links: Vec<String>,
    /// The room for load commands that grow, in bytes.
    pub header_room: u32,
    /// The oldest macOS that it runs on.
    pub minimum_macos: String,
    /// Whether it has chained fixups; else the older dyld info.
    pub chained_fixups: bool,
}

impl Part {
    fn new(path: &str, install_name: Option<String>, loads: &[&str]) -> Self {
        Self {
            path: path.to_owned(),
            install_name,
            loads: loads.iter().map(|name| format!("lib/{name}")).collect(),
            loads_weakly: Vec::new(),
            reexports: Vec::new(),
            rpaths: Vec::new(),
            links: Vec::new(),
            // What -headerpad_max_install_names gives for a few dependencies.
            header_room: 0x2000,
            minimum_macos: "14.0".to_owned(),
            chained_fixups: true,
        }
    }

    /// A library with the install name that a build by autotools or meson gives.
    fn library(file: &str, loads: &[&str]) -> Self {
        Self::new(&format!("lib/{file}"), Some(format!("{BUILT_IN}/lib/{file}")), loads)
    }

    fn program(name: &str, loads: &[&str]) -> Self {
        let built_in = format!("{BUILT_IN}/lib");
        Self { rpaths: vec![built_in], ..Self::new(&format!("bin/{name}"), None, loads) }
    }

    fn linked(mut self, link: &str) -> Self {
        self.links.push(link.to_owned());
        self
    }
}

/// The parts of a sysroot, each after what it loads.
pub(crate) fn sysroot() -> Vec<Part> {
    // ANGLE and Vulkan's loader are built by tools that name them by @rpath.
    let by_rpath = |file: &str| Some(format!("@rpath/{file}"));
    vec![
        Part { chained_fixups: false, ..Part::library("libintl.8.dylib", &[]) },
        Part::library("libglib-2.0.0.dylib", &["libintl.8.dylib"]).linked("libglib-2.0.dylib"),
        Part { reexports: vec!["lib/libglib-2.0.0.dylib".to_owned()], ..Part::library("libgthread-2.0.0.dylib", &[]) },
        Part::library("libslirp.0.dylib", &["libglib-2.0.0.dylib"]).linked("libslirp.dylib"),
        Part::library("libpixman-1.0.dylib", &[]),
        // The file has a longer name than the one by which it is loaded.
        Part {
            install_name: Some(format!("{BUILT_IN}/lib/libzstd.1.dylib")),
            ..Part::library("libzstd.1.5.2.dylib", &[]).linked("libzstd.1.dylib").linked("libzstd.dylib")
        },
        Part::new("lib/libGLESv2.dylib", by_rpath("libGLESv2.dylib"), &[]),
        Part::new("lib/libEGL.dylib", by_rpath("libEGL.dylib"), &["libGLESv2.dylib"]),
        Part::library("libepoxy.0.dylib", &[]).linked("libepoxy.dylib"),
        Part {
            rpaths: vec![format!("{BUILT_IN}/lib")],
            ..Part::new("lib/libvulkan.1.dylib", by_rpath("libvulkan.1.dylib"), &[]).linked("libvulkan.dylib")
        },
        Part {
            loads_weakly: vec!["lib/libvulkan.1.dylib".to_owned()],
            ..Part::library("libvirglrenderer.1.dylib", &["libepoxy.0.dylib"])
        },
        Part {
            rpaths: vec!["@loader_path/../lib".to_owned()],
            ..Part::library(
                "libqemu-aarch64-softmmu.dylib",
                &[
                    "libglib-2.0.0.dylib",
                    "libgthread-2.0.0.dylib",
                    "libslirp.0.dylib",
                    "libpixman-1.0.dylib",
                    "libvirglrenderer.1.dylib",
                    "libepoxy.0.dylib",
                    "libzstd.1.5.2.dylib",
                ],
            )
        },
        Part::new("lib/libMoltenVK.dylib", by_rpath("libMoltenVK.dylib"), &[]),
        // Nothing of the application needs it: it stays behind.
        Part::library("libspice-client-glib-2.0.8.dylib", &["libglib-2.0.0.dylib"]),
        Part::program("qemu-system-aarch64", &["libqemu-aarch64-softmmu.dylib"]),
        Part::program("qemu-img", &["libglib-2.0.0.dylib", "libzstd.1.5.2.dylib"]),
    ]
}

/// Stand-ins for what the project itself adds.
pub(crate) fn own() -> Vec<Part> {
    let own = |path: &str, install_name| Part::new(path, install_name, &[]);
    let library = "libhelix_host_encoder_capi.dylib";
    vec![own("Helix", None), own("helix-host-encoder", None), own(library, Some(format!("@rpath/{library}")))]
}
