//! A system that is built in seconds: a C library, a shell and the tools that maintainer scripts call are real; kernel,
//! boot loader and initramfs-tools are made up. It does not boot.

use std::path::Path;

use super::debs::{Deb, Synthetic, closure};
use super::warm::warm;

/// The address that recipes of tests give the archive. The name can exist nowhere (RFC 6761): only the test's server,
/// named as proxy, answers for it.
pub(crate) const MIRROR: &str = "http://archive.invalid/mini";

/// The recipe.
pub(crate) const MINI: &str = r#"summary: A system that is built in seconds
distribution: debian
release: mini
architecture: arm64
archives:
  - name: mini
    mirror: http://archive.invalid/mini
    suites: [mini]
    key: keys/test.asc
packages: [linux-image-mini, systemd-boot, initramfs-tools, mini-tool]
files:
  - source: ../layer
kernel-command-line: [root=LABEL=helix-root]
disk: {size: 2GiB, esp: 64MiB}
"#;

/// The kernel's version.
const KERNEL: &str = "6.1.0-mini";

/// Writes an initramfs that is the same in every run; like the real one it reads what hooks are there.
const UPDATE_INITRAMFS: &str = "#!/bin/sh\nset -e\n[ \"$1 $2\" = '-c -k' ]\n\
    { echo \"initramfs for $3\"; [ ! -d /etc/initramfs-tools ] || ls /etc/initramfs-tools; } > \"/boot/initrd.img-$3\"\n";

/// The packages of the archive.
#[derive(Debug)]
pub(crate) struct Mini {
    pub(crate) debs: Vec<Deb>,
}

impl Mini {
    /// Builds the made-up packages in `dir` and reads the real ones.
    pub(crate) fn in_dir(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("a folder for packages");
        let essential = ["base-files", "base-passwd", "coreutils", "dash", "dpkg", "libc-bin", "mawk", "sed"];
        let real = closure(&essential, &warm().files("arm64"));
        let mut debs: Vec<Deb> = real
            .into_iter()
            .map(|d| {
                let mark = essential.contains(&d.name()).then_some("yes");
                d.with("Essential", mark)
            })
            .collect();
        // Twins for the machine that builds: what of the above it would run itself.
        let host = helix_rootfs::Arch::host().expect("a known architecture").debian_name();
        if host != "arm64" {
            let present: Vec<String> = debs.iter().map(|d| d.name().to_owned()).collect();
            let names: Vec<&str> = present.iter().map(String::as_str).collect();
            let twins = closure(&names, &warm().files(host));
            debs.extend(twins.into_iter().filter(|d| d.field("Architecture") == Some(host)));
        }
        debs.extend(Self::made_up().iter().map(|s| s.build(dir)));
        Self { debs }
    }

    fn made_up() -> [Synthetic; 5] {
        [
            Synthetic::new("linux-image-mini", "6.1")
                .field("Depends", "mini-data")
                .file(&format!("boot/vmlinuz-{KERNEL}"), 0o644, [0x4d; 4096])
                .file(&format!("usr/lib/modules/{KERNEL}/modules.builtin"), 0o644, ""),
            Synthetic::new("systemd-boot", "257").file(
                "usr/lib/systemd/boot/efi/systemd-bootaa64.efi",
                0o644,
                "no boot loader",
            ),
            Synthetic::new("initramfs-tools", "1").file("usr/sbin/update-initramfs", 0o755, UPDATE_INITRAMFS),
            Synthetic::new("mini-data", "1").file("usr/share/zoneinfo/Etc/UTC", 0o644, "UTC0"),
            Self::tool("1"),
        ]
    }

    /// The package whose versions come and go in tests.
    pub(crate) fn tool(version: &str) -> Synthetic {
        Synthetic::new("mini-tool", version)
            .file("usr/bin/mini-tool", 0o755, format!("#!/bin/sh\necho {version}\n"))
            .file(
                "DEBIAN/postinst",
                0o755,
                "#!/bin/sh\nset -e\nmkdir -p /var/lib/mini-tool\nid -u > /var/lib/mini-tool/made\n",
            )
    }

    /// Replaces the package of the same name.
    pub(crate) fn replace(&mut self, deb: Deb) {
        self.debs.retain(|d| d.name() != deb.name());
        self.debs.push(deb);
    }
}
