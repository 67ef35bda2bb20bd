//! Which graphics devices the machine has.

use std::fs;
use std::path::{Path, PathBuf};

/// Who made a device, as PCI numbers makers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vendor(u32);

impl Vendor {
    pub(crate) const NVIDIA: Self = Self(0x10de);
    /// Red Hat's number for all virtio devices, thus of virtio-gpu.
    pub(crate) const VIRTIO: Self = Self(0x1af4);
}

/// The render nodes, sorted, with their vendors; `root` is the root of the file system.
pub(crate) fn render_nodes(root: &Path) -> Vec<(PathBuf, Vendor)> {
    let entries = fs::read_dir(root.join("sys/class/drm")).into_iter().flatten().flatten();
    let mut nodes: Vec<_> = entries.filter_map(|entry| render_node(root, &entry.path())).collect();
    nodes.sort_by(|a, b| a.0.cmp(&b.0));
    nodes
}

fn render_node(root: &Path, class: &Path) -> Option<(PathBuf, Vendor)> {
    let name = class.file_name()?.to_str()?;
    name.strip_prefix("renderD")?;
    let text = fs::read_to_string(class.join("device/vendor")).ok()?;
    let vendor = u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()?;
    Some((root.join("dev/dri").join(name), Vendor(vendor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn render_nodes_have_vendors() {
        let root = tempfile::tempdir().expect("a folder");
        for (name, vendor) in [("renderD129", "0x10de\n"), ("renderD128", "0x1af4\n"), ("card0", "0x10de\n")] {
            let device = root.path().join("sys/class/drm").join(name).join("device");
            fs::create_dir_all(&device).expect("a folder");
            fs::write(device.join("vendor"), vendor).expect("a file");
        }
        fs::create_dir_all(root.path().join("sys/class/drm/renderD130")).expect("a folder");
        let dev = root.path().join("dev/dri");
        let expected = [(dev.join("renderD128"), Vendor::VIRTIO), (dev.join("renderD129"), Vendor::NVIDIA)];
        assert_eq!(render_nodes(root.path()), expected);
        assert!(render_nodes(Path::new("/nowhere")).is_empty());
    }
}
