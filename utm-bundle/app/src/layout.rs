//! Where things are in the app; paths are below `Contents`.

/// Programs: the one that macOS starts, those of the sysroot, and the project's daemon.
pub(crate) const LAUNCHER: &str = "MacOS/Helix";
pub(crate) const HOST_ENCODER: &str = "MacOS/helix-host-encoder";
pub(crate) const OF_SYSROOT: [&str; 2] = ["qemu-system-aarch64", "qemu-img"];

/// The file that a folder is known by as an application.
pub(crate) const INFO: &str = "Info.plist";
pub(crate) const PKG_INFO: &str = "PkgInfo";
pub(crate) const ICON: &str = "Resources/AppIcon.icns";
pub(crate) const NOTICES: &str = "Resources/NOTICES.txt";
pub(crate) const ICD: &str = "Resources/vulkan/icd.d/MoltenVK_icd.json";
/// From the ICD's folder to `Contents`.
pub(crate) const ICD_TO_CONTENTS: &str = "../../..";
pub(crate) const QEMU_DATA: &str = "Resources/qemu";
pub(crate) const IMAGE: &str = "Resources/image";
pub(crate) const FRAMEWORKS: &str = "Frameworks";

/// Where programs look for what is named by `@rpath`: the folder of frameworks.
pub(crate) const RPATH: &str = "@executable_path/../Frameworks";

/// QEMU's firmware for arm64: code, and variables that are empty.
pub(crate) const FIRMWARE: [&str; 2] = ["edk2-aarch64-code.fd", "edk2-arm-vars.fd"];

/// The library that the ICD is about.
pub(crate) const MOLTENVK: &str = "MoltenVK";
/// libepoxy loads ANGLE by these names when it runs (`EGL.framework/EGL`), which no load command tells.
pub(crate) const LOADED_BY_NAME: [&str; 2] = ["EGL", "GLESv2"];

/// The oldest macOS that the app runs on.
pub(crate) const MINIMUM_MACOS: helix_macho::Version = helix_macho::Version { major: 14, minor: 0 };

/// The library of a framework.
pub(crate) fn library(name: &str) -> String {
    format!("{FRAMEWORKS}/{name}.framework/Versions/A/{name}")
}

/// The name by which others load it.
pub(crate) fn install_name(name: &str) -> String {
    format!("@rpath/{name}.framework/Versions/A/{name}")
}

/// The links of a framework, each with its target.
pub(crate) fn links(name: &str) -> [(String, String); 3] {
    let framework = format!("{FRAMEWORKS}/{name}.framework");
    [
        (format!("{framework}/Versions/Current"), "A".to_owned()),
        (format!("{framework}/{name}"), format!("Versions/Current/{name}")),
        (format!("{framework}/Resources"), "Versions/Current/Resources".to_owned()),
    ]
}

/// The information of a framework.
pub(crate) fn framework_info(name: &str) -> String {
    format!("{FRAMEWORKS}/{name}.framework/Versions/A/Resources/Info.plist")
}

/// Whether a library is one of macOS: these folders are sealed, and nothing else is on every Mac.
pub(crate) fn is_of_system(install_name: &str) -> bool {
    let sealed = install_name.starts_with("/usr/lib/") || install_name.starts_with("/System/Library/");
    sealed && !install_name.split('/').any(|part| part == "..")
}
