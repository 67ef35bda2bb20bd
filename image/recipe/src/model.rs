//! The keys of a recipe: the one definition of names, types, defaults, descriptions and examples. The walk, the JSON
//! schema, the reference page and the types of this crate are all made from it.

use crate::choice::choice;
use crate::path::{FileKind, ImageSource, Location, SourcePath};
use crate::record::{mapping, record};
use crate::rule;
use crate::shape::{
    filled_list, flag, image_source, integer, list, location, parsed, per_architecture, settings, source_path, text,
    word,
};
use crate::{ByteSize, Mode, Owner, Timeout};
use serde_json::{Map, Value};

choice! {
    /// A processor architecture, named as Debian names it.
    pub enum Architecture is "an architecture" {
        /// 64-bit Arm.
        Arm64 = "arm64",
        /// 64-bit x86.
        Amd64 = "amd64",
    }
}

choice! {
    /// A distribution.
    pub enum Distribution is "a distribution" {
        /// Debian.
        Debian = "debian",
        /// Ubuntu.
        Ubuntu = "ubuntu",
    }
}

choice! {
    /// How Docker stores its layers.
    pub enum StorageDriver is "a storage driver" {
        /// Full copies, shared through reflinks where the file system can.
        Vfs = "vfs",
        /// Overlay mounts.
        Overlay2 = "overlay2",
    }
}

choice! {
    /// A program of this project for the image. It is built for the image's architecture and packed as a Debian package.
    pub enum GuestComponent is "a guest component" {
        /// The GStreamer elements `vsockenc` and `helixh264enc`.
        Vsockenc = "vsockenc",
    }
}

record! {
    /// Keys that say how a file relates to others. They are about the file that has them and are never inherited.
    pub(crate) struct Header is "a recipe" {
        /// The recipe that this one adds to, relative to this file. It may itself extend another one.
        extends: Option<String> = text(&rule::SOURCE), optional, "base.yaml";
        /// Whether this recipe is only for extending: it may lack required keys and is never built itself.
        r#abstract: bool = flag(), default(false), false;
    }
}

record! {
    /// A recipe: everything that decides what is in an image.
    pub struct Recipe is "a recipe" {
        /// What the image is, in one line.
        summary: String = text(&rule::SUMMARY), required, "Debian 13 with Docker";
        /// The distribution.
        distribution: Distribution = word::<Distribution>(), required, "debian";
        /// The codename of the distribution's release.
        release: String = text(&rule::RELEASE), required, "trixie";
        /// The architecture of the image; `--arch` overrides it. In package names, URLs and kernel arguments
        /// `${architecture}` is replaced by it.
        architecture: Architecture = word::<Architecture>(), required, "arm64";
        /// Where packages come from. The first one is the main archive, whose mirror `--mirror` replaces.
        archives: Vec<Archive> = filled_list(mapping::<Archive>()), required, null;
        /// Packages to install. An entry with `-` behind it removes an inherited one.
        packages: Vec<String> = filled_list(text(&rule::PACKAGE)), required,
            ["systemd", "docker.io", "linux-image-${architecture}"];
        /// Programs of this project, each built for the architecture and installed as a Debian package.
        guest_components: Vec<GuestComponent> = list(word::<GuestComponent>()), default([]), ["vsockenc"];
        /// Folders whose contents are laid over the tree.
        files: Vec<FilesLayer> = list(mapping::<FilesLayer>()), default([]), null;
        /// Modes and owners, set after files and artifacts.
        permissions: Vec<Permission> = list(mapping::<Permission>()), default([]), null;
        /// Files and archives that are not packages, each with its digest.
        artifacts: Vec<Artifact> = list(mapping::<Artifact>()), default([]), null;
        /// Users to create. There are no passwords in this format.
        users: Vec<User> = list(mapping::<User>()), default([]), null;
        /// What systemd starts.
        units: Units = mapping::<Units>(), default({}), null;
        /// The host name.
        hostname: String = text(&rule::HOSTNAME), default("helix"), "helix";
        /// The system's locale.
        locale: String = text(&rule::LOCALE), default("C.UTF-8"), "C.UTF-8";
        /// The system's time zone.
        timezone: String = text(&rule::TIMEZONE), default("Etc/UTC"), "Europe/Berlin";
        /// Arguments for the kernel, besides those that the boot entry needs anyway.
        kernel_command_line: Vec<String> = list(text(&rule::KERNEL_ARGUMENT)), default([]), ["console=tty0"];
        /// The disk.
        disk: Disk = mapping::<Disk>(), required, null;
        /// How Docker is configured. Without this key `/etc/docker/daemon.json` is not written.
        docker: Option<Docker> = mapping::<Docker>(), optional, null;
        /// Container images that are in Docker's stores from the start.
        container_images: Vec<ContainerImage> = list(mapping::<ContainerImage>()), default([]), null;
        /// What is run inside the booted image to find out whether it is good.
        checks: Vec<Check> = list(mapping::<Check>()), default([]), null;
    }
}

record! {
    /// An apt archive.
    pub struct Archive is "an archive" {
        /// Its name, which no other archive has; it becomes `/etc/apt/sources.list.d/NAME.sources`.
        name: String = text(&rule::SLUG), required, "debian";
        /// The URL of the mirror, the same for all architectures or one for each.
        mirror: String = per_architecture(text(&rule::MIRROR)), required,
            {"arm64": "http://ftp.debian.org/debian", "amd64": "http://ftp.debian.org/debian"};
        /// Other addresses of the archive. They are tried in this order where the mirror has no such suite, since a release
        /// moves when its life has ended. The image's own apt knows the mirror alone.
        also_at: Option<Vec<String>> = filled_list(text(&rule::MIRROR)), optional, ["http://old-releases.ubuntu.com/ubuntu"];
        /// The suites.
        suites: Vec<String> = filled_list(text(&rule::SUITE)), required, ["trixie", "trixie-updates"];
        /// The components.
        components: Vec<String> = filled_list(text(&rule::COMPONENT)), default(["main"]), ["main"];
        /// The file with the archive's public keys, as ASCII armour or binary, relative to this file.
        key: SourcePath = source_path(FileKind::File), required, "keys/debian-archive-keyring.asc";
        /// The moment (UTC) at which the archive is used. The build then takes packages from
        /// `{snapshot-mirror}/{snapshot}`.
        snapshot: Option<String> = text(&rule::SNAPSHOT), optional, "20261101T000000Z";
        /// Where snapshots are; required with `snapshot`.
        snapshot_mirror: Option<String> = text(&rule::SNAPSHOT_MIRROR), optional,
            "https://snapshot.debian.org/archive/debian";
        /// Whether to accept a Release file that is correctly signed but out of date.
        allow_expired: bool = flag(), default(false), true;
        /// The packages that may come from it, when not all may: for a few packages that the main archive lacks. It holds
        /// in the image too.
        only: Vec<String> = list(text(&rule::PACKAGE)), default([]), ["chromium"];
    }
}

record! {
    /// A folder laid over the tree.
    pub struct FilesLayer is "a files entry" {
        /// The folder, relative to this file.
        source: SourcePath = source_path(FileKind::Folder), required, "../guest-components/overlay";
        /// Where its contents go.
        target: String = text(&rule::PATH), default("/"), "/";
        /// The owner of everything in it.
        owner: Owner = parsed::<Owner>(&rule::OWNER), default("root:root"), "root:root";
    }
}

record! {
    /// The mode and owner of one path.
    pub struct Permission is "a permission" {
        /// The path in the image.
        path: String = text(&rule::PATH), required, "/etc/sudoers.d/helix";
        /// Its mode, in quotes.
        mode: Mode = parsed::<Mode>(&rule::MODE), required, "0440";
        /// Its owner; without this key the owner stays.
        owner: Option<Owner> = parsed::<Owner>(&rule::OWNER), optional, "root:root";
    }
}

record! {
    /// A file or archive that is not a package.
    pub struct Artifact is "an artifact" {
        /// Where it is: an `http:` or `https:` URL, or `file:` and a path relative to this file; the same for all
        /// architectures or one for each.
        url: Location = per_architecture(location()), required, "https://example.org/tool-${architecture}.tar.gz";
        /// Its SHA-256 digest, the same for all architectures or one for each.
        sha256: String = per_architecture(text(&rule::SHA256)), required,
            {"arm64": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
             "amd64": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"};
        /// The file it becomes, or with `unpack` the folder below which it is unpacked.
        target: String = text(&rule::PATH), required, "/usr/local/lib/tool";
        /// Whether it is a tar archive (plain, gz, xz or zst) or a Debian package to unpack. A package that is unpacked is
        /// not installed: dpkg knows nothing of it.
        unpack: bool = flag(), default(false), true;
        /// How many leading parts of each path are left out while unpacking.
        strip_components: u32 = integer(0, 32), default(0), 1;
        /// The mode of a file, in quotes.
        mode: Mode = parsed::<Mode>(&rule::MODE), default("0755"), "0755";
    }
}

record! {
    /// A user.
    pub struct User is "a user" {
        /// The name, which no other user has; `root` exists already.
        name: String = text(&rule::USER), required, "helix";
        /// The number, which no other user has; without this key the next free one.
        uid: Option<u32> = integer(1, 59_999), optional, 1000;
        /// Groups besides the user's own.
        groups: Vec<String> = list(text(&rule::GROUP)), default([]), ["docker", "video"];
        /// The login shell.
        shell: String = text(&rule::PATH), default("/bin/bash"), "/bin/bash";
        /// The home folder; without this key `/home/NAME`.
        home: Option<String> = text(&rule::PATH), optional, "/home/helix";
        /// Whether the user may use sudo without a password.
        sudo: bool = flag(), default(false), true;
    }
}

record! {
    /// What systemd starts.
    pub struct Units is "units" {
        /// Units to start at boot.
        enable: Vec<String> = list(text(&rule::UNIT)), default([]), ["docker.service"];
        /// Units not to start at boot.
        disable: Vec<String> = list(text(&rule::UNIT)), default([]), ["apt-daily.timer"];
        /// Units that nothing may start.
        mask: Vec<String> = list(text(&rule::UNIT)), default([]), ["systemd-networkd-wait-online.service"];
    }
}

record! {
    /// The disk.
    pub struct Disk is "a disk" {
        /// Its size.
        size: ByteSize = parsed::<ByteSize>(&rule::SIZE), required, "64GiB";
        /// The size of the EFI system partition.
        esp: ByteSize = parsed::<ByteSize>(&rule::SIZE), default("512MiB"), "512MiB";
        /// The zstd level at which the image's clusters are compressed.
        compression_level: u32 = integer(1, 19), default(3), 3;
    }
}

record! {
    /// How Docker is configured, in `/etc/docker/daemon.json`.
    pub struct Docker is "a docker section" {
        /// How layers are stored.
        storage_driver: StorageDriver = word::<StorageDriver>(), default("vfs"), "vfs";
        /// Where everything is stored.
        data_root: String = text(&rule::PATH), default("/var/lib/docker"), "/var/lib/docker";
        /// Other settings, merged in as they are; they cannot repeat the two keys above.
        settings: Map<String, Value> = settings(), default({}), {"log-driver": "journald"};
    }
}

record! {
    /// A container image in a store of Docker's. The store is that of the `vfs` driver.
    pub struct ContainerImage is "a container image" {
        /// Where it comes from: `registry:` and a reference, by digest or by a tag, which the lock turns into a digest;
        /// `archive:` and a file of `docker save`; `layout:` and the folder of an OCI layout; `build:` and a container
        /// recipe. Paths are relative to this file.
        source: ImageSource = image_source(), required, "build:containers/helix-encode.yaml";
        /// Its name in the store; without this key the names that the source states.
        name: Option<String> = text(&rule::IMAGE_NAME), optional, "helix/encode:latest";
        /// The data root of its store: that of the image's own engine, or of an engine inside a container.
        data_root: String = text(&rule::PATH), default("/var/lib/docker"), "/var/lib/docker";
        /// Whether its layers become one. That makes it another image, with an id of its own.
        flatten: bool = flag(), default(false), true;
        /// Its licence, for the bill of materials. Without this key the licences of its packages are named, as Debian's, Ubuntu's
        /// and Alpine's package managers know them, else that of its label `org.opencontainers.image.licenses`.
        licence: Option<String> = text(&rule::LICENCE), optional, "MIT OR Apache-2.0";
    }
}

record! {
    /// A container recipe: everything that decides what is in a container image.
    pub struct ContainerRecipe is "a container recipe" {
        /// What the image is, in one line.
        summary: String = text(&rule::SUMMARY), required, "GStreamer and what the encoder needs";
        /// The distribution.
        distribution: Distribution = word::<Distribution>(), required, "debian";
        /// The codename of the distribution's release.
        release: String = text(&rule::RELEASE), required, "trixie";
        /// The architecture of the image; that of the machine it is built into overrides it.
        architecture: Architecture = word::<Architecture>(), required, "arm64";
        /// Where packages come from.
        archives: Vec<Archive> = filled_list(mapping::<Archive>()), required, null;
        /// Packages to install: the lowest layer. An entry with `-` behind it removes an inherited one.
        packages: Vec<String> = filled_list(text(&rule::PACKAGE)), required, ["gstreamer1.0-tools"];
        /// Whether manual pages, other documentation and translations of the packages are left out. Their licences
        /// (`/usr/share/doc/*/copyright`) are not.
        slim: bool = flag(), default(true), true;
        /// Layers on top of the packages, from the lowest to the highest. Each is kept by itself, so that a change does
        /// not touch those below.
        layers: Vec<ContainerLayer> = list(mapping::<ContainerLayer>()), default([]), null;
        /// What an engine does with the image.
        config: ContainerConfig = mapping::<ContainerConfig>(), default({}), null;
    }
}

record! {
    /// A layer of a container image.
    pub struct ContainerLayer is "a layer" {
        /// Its name, which no other layer has; it becomes part of the image's history.
        name: String = text(&rule::SLUG), required, "desktop";
        /// Packages that it adds to those below, installed before everything else of the layer.
        packages: Vec<String> = list(text(&rule::PACKAGE)), default([]), ["gnome-shell"];
        /// Programs of this project, each built for the architecture and installed as a Debian package.
        guest_components: Vec<GuestComponent> = list(word::<GuestComponent>()), default([]), ["vsockenc"];
        /// Folders whose contents are laid over the tree.
        files: Vec<FilesLayer> = list(mapping::<FilesLayer>()), default([]), null;
        /// Files and archives that are not packages, each with its digest.
        artifacts: Vec<Artifact> = list(mapping::<Artifact>()), default([]), null;
        /// Users to create.
        users: Vec<User> = list(mapping::<User>()), default([]), null;
        /// Modes and owners, set after all others.
        permissions: Vec<Permission> = list(mapping::<Permission>()), default([]), null;
    }
}

record! {
    /// What an engine does with a container image, as the OCI image specification has it.
    pub struct ContainerConfig is "a config" {
        /// The program and its first arguments.
        entrypoint: Vec<String> = list(text(&rule::ARGUMENT)), default([]), ["/usr/bin/tini", "--"];
        /// Arguments that a user may replace.
        command: Vec<String> = list(text(&rule::ARGUMENT)), default([]), ["/bin/sh"];
        /// Variables, each `NAME=value`.
        environment: Vec<String> = list(text(&rule::ASSIGNMENT)), default([]), ["LANG=C.UTF-8"];
        /// The user, by name or number, with a group behind a colon.
        user: Option<String> = text(&rule::CONTAINER_USER), optional, "helix";
        /// The folder that programs start in.
        working_folder: Option<String> = text(&rule::PATH), optional, "/home/helix";
        /// Labels, each `NAME=value`.
        labels: Vec<String> = list(text(&rule::ASSIGNMENT)), default([]), ["org.opencontainers.image.vendor=Helix"];
        /// Ports that programs in it listen on.
        ports: Vec<String> = list(text(&rule::PORT)), default([]), ["8080/tcp"];
    }
}

record! {
    /// One check, run inside the guest as root by `sh -c`.
    pub struct Check is "a check" {
        /// Its name, which no other check has.
        name: String = text(&rule::SLUG), required, "docker-driver";
        /// The command.
        run: String = text(&rule::COMMAND), required, "docker info --format '{{.Driver}}'";
        /// What it must print, without white space around it. Without this key exit status 0 is enough.
        expect: Option<String> = text(&rule::OUTPUT), optional, "vfs";
        /// How long it may take.
        timeout: Timeout = parsed::<Timeout>(&rule::TIMEOUT), default("60s"), "90s";
    }
}

impl Archive {
    /// The URL that packages come from: the snapshot if there is one, else the mirror.
    pub fn url(&self) -> String {
        match (&self.snapshot, &self.snapshot_mirror) {
            (Some(snapshot), Some(mirror)) => format!("{}/{snapshot}", mirror.trim_end_matches('/')),
            _ => self.mirror.clone(),
        }
    }
}

impl User {
    /// The home folder: the one given, else `/home/NAME`.
    pub fn home_folder(&self) -> String {
        self.home.clone().unwrap_or_else(|| format!("/home/{}", self.name))
    }
}
