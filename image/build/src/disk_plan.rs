//! What goes onto the disk besides the tree: sizes, identities, and the files of the boot loader.

use std::fs::File;
use std::path::Path;

use helix_recipe::Recipe;
use helix_rootfs::Arch;

use crate::Error;
use crate::steps::arch_of;

/// The most that a kernel is unpacked to, in bytes.
const LARGEST_KERNEL: u64 = 256 << 20;

/// Sizes and identities of the disk: the latter are made from the key, so that equal inputs give equal disks and
/// different ones do not share an identity.
pub(crate) fn layout(recipe: &Recipe, key: &str) -> helix_disk::Layout {
    let id = |name: &str| {
        let hash = blake3::hash(format!("{key} {name}").as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    };
    helix_disk::Layout {
        architecture: match arch_of(recipe) {
            Arch::Arm64 => helix_disk::Architecture::Arm64,
            Arch::Amd64 => helix_disk::Architecture::Amd64,
        },
        size: recipe.disk.size.bytes(),
        esp_size: recipe.disk.esp.bytes(),
        disk_guid: id("disk"),
        esp_guid: id("esp"),
        root_guid: id("root partition"),
        root_uuid: id("root file system"),
        esp_volume_id: id("esp volume").as_fields().0,
        esp_label: "HELIX-ESP".to_owned(),
        root_label: "helix-root".to_owned(),
    }
}

/// The boot loader at the removable path, and the first entry as kernel-install would write it
/// (<https://uapi-group.org/specifications/specs/boot_loader_specification/>).
pub(crate) fn esp_files(recipe: &Recipe, tree: &Path, kernel: &str) -> Result<Vec<helix_fat::File>, Error> {
    use helix_fat::{Content, File};
    let (suffix, upper) = match arch_of(recipe) {
        Arch::Arm64 => ("aa64", "AA64"),
        Arch::Amd64 => ("x64", "X64"),
    };
    let loader = tree.join(format!("usr/lib/systemd/boot/efi/systemd-boot{suffix}.efi"));
    if !loader.exists() {
        return Err(Error::RecipeFile("the tree has no boot loader: add systemd-boot to `packages`".into()));
    }
    let token_file = tree.join("etc/kernel/entry-token");
    let token = std::fs::read_to_string(&token_file).map_err(|e| Error::io("reading", &token_file, e))?;
    let token = token.trim();
    let pretty = os_release(tree, "PRETTY_NAME").unwrap_or_else(|| recipe.release.clone());
    let entry = format!(
        "title      {pretty}\nversion    {kernel}\nsort-key   {}\noptions    {}\nlinux      /{token}/{kernel}/linux\ninitrd     /{token}/{kernel}/initrd.img-{kernel}\n",
        os_release(tree, "ID").unwrap_or_else(|| recipe.distribution.to_string()),
        recipe.kernel_command_line.join(" "),
    );
    let path = |path: &str| Content::Path(tree.join(path));
    Ok(vec![
        File { path: format!("EFI/BOOT/BOOT{upper}.EFI"), content: Content::Path(loader.clone()) },
        File { path: format!("EFI/systemd/systemd-boot{suffix}.efi"), content: Content::Path(loader) },
        File {
            path: "loader/loader.conf".into(),
            content: Content::Bytes(b"timeout 0\nconsole-mode keep\neditor no\n".to_vec()),
        },
        File { path: "loader/entries.srel".into(), content: Content::Bytes(b"type1\n".to_vec()) },
        File { path: format!("loader/entries/{token}-{kernel}.conf"), content: Content::Bytes(entry.into_bytes()) },
        File { path: format!("{token}/{kernel}/linux"), content: plain_kernel(tree, kernel)? },
        File {
            path: format!("{token}/{kernel}/initrd.img-{kernel}"),
            content: path(&format!("boot/initrd.img-{kernel}")),
        },
    ])
}

/// The kernel as the boot loader wants it: Ubuntu's is packed with gzip, which systemd-boot does not undo.
fn plain_kernel(tree: &Path, kernel: &str) -> Result<helix_fat::Content, Error> {
    use std::io::Read;
    let path = tree.join(format!("boot/vmlinuz-{kernel}"));
    let failed = |e: std::io::Error| Error::io("reading the kernel", &path, e);
    let mut magic = [0; 2];
    File::open(&path).and_then(|mut f| f.read_exact(&mut magic)).map_err(failed)?;
    if magic != [0x1f, 0x8b] {
        return Ok(helix_fat::Content::Path(path));
    }
    let mut bytes = Vec::new();
    let packed = flate2::read::GzDecoder::new(File::open(&path).map_err(failed)?);
    packed.take(LARGEST_KERNEL).read_to_end(&mut bytes).map_err(failed)?;
    Ok(helix_fat::Content::Bytes(bytes))
}

fn os_release(tree: &Path, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(tree.join("usr/lib/os-release")).ok()?;
    let value = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}
