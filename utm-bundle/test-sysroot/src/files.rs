//! What is not compiled: firmware, the ICD and the licences.

use std::path::Path;

use serde_json::{Value, json};

use crate::Error;

/// MoltenVK's own ICD names the library beside it, which a bundle does not have there.
const ICD: &str = r#"{
    "file_format_version": "1.0.0",
    "ICD": {
        "library_path": "./libMoltenVK.dylib",
        "api_version": "1.3.0",
        "is_portability_driver": true
    }
}
"#;

/// Files of QEMU, with their lengths in bytes.
const DATA: [(&str, usize); 5] = [
    ("edk2-aarch64-code.fd", 65536),
    ("edk2-arm-vars.fd", 65536),
    ("efi-virtio.rom", 4096),
    ("keymaps/en-us", 512),
    // For another processor: an application leaves it out.
    ("edk2-x86_64-code.fd", 65536),
];

/// Components: name, version, licence, and the beginnings of the paths of their files.
const COMPONENTS: [(&str, &str, &str, &[&str]); 11] = [
    ("gettext", "0.22.5", "LGPL-2.1-or-later", &["lib/libintl."]),
    ("glib", "2.83.0", "LGPL-2.1-or-later", &["lib/libglib-2.0.", "lib/libgthread-2.0."]),
    ("libslirp", "4.9.1", "BSD-3-Clause", &["lib/libslirp."]),
    ("pixman", "0.38.0", "MIT", &["lib/libpixman-1."]),
    ("zstd", "1.5.2", "BSD-3-Clause OR GPL-2.0-only", &["lib/libzstd."]),
    ("ANGLE", "2025-01", "BSD-3-Clause", &["lib/libEGL.", "lib/libGLESv2."]),
    ("libepoxy", "1.5.10", "MIT", &["lib/libepoxy."]),
    ("Vulkan-Loader", "1.4.0", "Apache-2.0", &["lib/libvulkan.1."]),
    ("virglrenderer", "1.1.0", "MIT", &["lib/libvirglrenderer."]),
    ("MoltenVK", "1.3.0", "Apache-2.0", &["lib/libMoltenVK.", "share/vulkan/icd.d/MoltenVK_icd.json"]),
    ("QEMU", "10.0.2", "GPL-2.0-or-later", &["bin/qemu-", "lib/libqemu-", "share/qemu/"]),
];

/// Writes them into the sysroot `to`.
pub(crate) fn write(to: &Path) -> Result<(), Error> {
    put(&to.join("share/vulkan/icd.d/MoltenVK_icd.json"), ICD.as_bytes())?;
    for (name, length) in DATA {
        put(&to.join("share/qemu").join(name), &content(name, length))?;
    }
    let licenses = to.join("share/licenses");
    for (name, _, license, _) in COMPONENTS {
        put(&licenses.join(name).join("COPYING"), format!("The text of {license} for {name}.\n").as_bytes())?;
    }
    let list: Vec<Value> = COMPONENTS.iter().map(component).collect();
    put(&licenses.join("components.json"), format!("{:#}\n", Value::from(list)).as_bytes())
}

fn component((name, version, license, files): &(&str, &str, &str, &[&str])) -> Value {
    json!({
        "name": name,
        "version": version,
        "license": license,
        "source": format!("https://example.org/{name}-{version}.tar.xz"),
        "files": files.iter().map(|file| format!("{file}*")).collect::<Vec<_>>(),
        "texts": [format!("{name}/COPYING")],
    })
}

/// Bytes that are the same in every run and differ from file to file.
fn content(name: &str, length: usize) -> Vec<u8> {
    name.bytes().cycle().take(length).collect()
}

/// Writes a file, with the folders above it.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let error = |source| Error::File { path: path.to_owned(), source };
    std::fs::create_dir_all(path.parent().unwrap_or(path)).map_err(error)?;
    std::fs::write(path, bytes).map_err(error)
}
