//! The machine as data, and QEMU's arguments for it: a pure function.

use std::path::Path;

use crate::accel::Accelerator;
use crate::folder::RunFolder;
use crate::life::{LEAST_GRAPHICS_MIB, Sizes};
use crate::programs::{Error, Programs};

/// The architecture of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit ARM, on QEMU's `virt` machine.
    Arm64,
    /// 64-bit x86, on QEMU's `q35` machine.
    Amd64,
}

impl std::fmt::Display for Arch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Arm64 => "arm64",
            Self::Amd64 => "amd64",
        })
    }
}

/// How the bytes of a disk file are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// QEMU's own format.
    Qcow2,
    /// The plain content of the disk.
    Raw,
}

impl DiskFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
        }
    }
}

/// A second disk, which the guest finds by its serial number `helix-data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDisk {
    /// The file; the guest writes to it.
    pub path: String,
    /// Its format.
    pub format: DiskFormat,
}

/// The name of the guest's port for a host encoder: `/dev/virtio-ports/` and this.
pub const ENCODER_PORT: &str = "dev.helix.encoder";

/// The port of the host's vsock at which a guest finds a host encoder.
pub const ENCODER_VSOCK_PORT: u32 = 9000;

/// A machine to run. Every path is as QEMU sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The guest's architecture.
    pub arch: Arch,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// How many processors the guest has.
    pub cpus: u32,
    /// The guest's memory in MiB.
    pub memory_mib: u64,
    /// How much memory of the host the graphics device can show its guest, in MiB, a power of two. Only under HVF it has such a
    /// window.
    pub graphics_mib: u64,
    /// The UEFI firmware, read only.
    pub firmware_code: String,
    /// The UEFI variable store, of this machine alone.
    pub firmware_vars: String,
    /// The root disk, as qcow2.
    pub root_disk: String,
    /// Whether the root disk is thrown away after the run: flushes are then ignored, which makes a first boot faster.
    pub throwaway: bool,
    /// A second disk.
    pub data_disk: Option<DataDisk>,
    /// A first-boot seed, read only.
    pub seed: Option<String>,
    /// The port on 127.0.0.1 that leads to the guest's port 22.
    pub ssh_port: Option<u16>,
    /// The port on 127.0.0.1 that leads to the guest's port 8080, which is its API's.
    pub api_port: Option<u16>,
    /// Where QEMU listens for a host encoder, which is behind the guest's port [`ENCODER_PORT`].
    pub encoder_socket: Option<String>,
    /// Where QEMU finds the vsock device, a vhost-user program.
    pub vsock_device: Option<String>,
    /// Where QEMU listens for a client of the guest agent.
    pub agent_socket: String,
    /// Where QEMU listens for a QMP client.
    pub qmp_socket: String,
    /// The file that takes what the guest writes to its serial console.
    pub serial_log: String,
    /// Where QEMU listens for somebody at the serial console.
    pub console_socket: Option<String>,
    /// Where QEMU would listen for a SPICE client. Under HVF nobody connects, but it is what gives the graphics device OpenGL.
    pub spice_socket: String,
    /// Whether QEMU is told to end with the process that started it; see [`crate::QemuFacts::exit_with_parent`].
    pub exit_with_parent: bool,
}

impl Machine {
    /// A machine whose files are in `folder`, with a root disk and nothing that is optional.
    ///
    /// # Errors
    /// When a path cannot be told to QEMU.
    pub(crate) fn in_folder(
        programs: &Programs,
        folder: &RunFolder,
        arch: Arch,
        accelerator: Accelerator,
        sizes: Sizes,
        root_disk: &Path,
    ) -> Result<Self, Error> {
        Ok(Self {
            arch,
            accelerator,
            cpus: sizes.cpus,
            memory_mib: sizes.memory_mib,
            graphics_mib: LEAST_GRAPHICS_MIB,
            firmware_code: programs.seen(&programs.firmware_code)?,
            firmware_vars: programs.seen(&folder.firmware_vars())?,
            root_disk: programs.seen(root_disk)?,
            throwaway: false,
            data_disk: None,
            seed: None,
            ssh_port: None,
            api_port: None,
            encoder_socket: None,
            vsock_device: None,
            agent_socket: programs.seen(&folder.agent_socket())?,
            qmp_socket: programs.seen(&folder.qmp_socket())?,
            serial_log: programs.seen(&folder.serial_log())?,
            console_socket: None,
            spice_socket: programs.seen(&folder.spice_socket())?,
            exit_with_parent: false,
        })
    }

    /// QEMU's arguments.
    pub fn arguments(&self) -> Vec<String> {
        let mut args = Args::default();
        args.flags(&["-no-user-config", "-nodefaults"]);
        args.flags(&["-display", "none", "-name", "helix"]);
        if self.exit_with_parent {
            args.flags(&["-run-with", "exit-with-parent=on"]);
        }
        args.flags(&processor(self.arch, self.accelerator));
        args.pair("-smp", self.cpus.to_string());
        args.pair("-m", format!("{}M", self.memory_mib));
        if let Some(socket) = &self.vsock_device {
            self.vsock(&mut args, socket);
        }
        // Without a menu time of its own the ARM firmware waits five seconds for a key before it boots.
        args.flags(&["-boot", "menu=on,splash-time=0"]);
        args.firmware(&self.firmware_code, &self.firmware_vars);
        self.disks(&mut args);
        self.network(&mut args);
        self.graphics(&mut args);
        args.flags(&["-device", "virtio-rng-pci"]);
        self.channels(&mut args);
        args.list
    }

    fn disks(&self, args: &mut Args) {
        let cache = if self.throwaway { ",cache=unsafe" } else { "" };
        args.disk("root", &self.root_disk, DiskFormat::Qcow2, cache, "serial=helix-root,bootindex=0");
        if let Some(data) = &self.data_disk {
            args.disk("data", &data.path, data.format, "", "serial=helix-data");
        }
        if let Some(seed) = &self.seed {
            let drive = format!("if=none,id=seed,file={},format=raw,readonly=on", escaped(seed));
            args.pair("-drive", drive);
            args.flags(&["-device", "virtio-blk-pci,drive=seed,serial=helix-seed"]);
        }
    }

    /// On a Mac frames stay on the host: OpenGL and Vulkan go through Venus, with a window of host memory. QEMU makes that device only where a display offers OpenGL. UTM's QEMU has one that needs no window, SPICE, whose
    /// OpenGL ES is ANGLE's: <https://github.com/utmapp/UTM/blob/v5.0.3/Configuration/UTMQemuConfiguration%2BArguments.swift>.
    fn graphics(&self, args: &mut Args) {
        if self.accelerator != Accelerator::Hvf {
            return args.flags(&["-device", "virtio-gpu-pci"]);
        }
        args.pair("-device", format!("virtio-gpu-gl-pci,hostmem={}M,blob=true,venus=true", self.graphics_mib));
        args.pair("-spice", format!("unix=on,addr={},disable-ticketing=on,gl=es", escaped(&self.spice_socket)));
    }

    fn network(&self, args: &mut Args) {
        let forward = |port: Option<u16>, guest: u16| {
            port.map(|port| format!(",hostfwd=tcp:127.0.0.1:{port}-:{guest}")).unwrap_or_default()
        };
        let (ssh, api) = (forward(self.ssh_port, 22), forward(self.api_port, 8080));
        args.pair("-netdev", format!("user,id=net0{ssh}{api}"));
        // No option ROM: nothing boots from the network, and QEMU then needs no ROM files.
        args.flags(&["-device", "virtio-net-pci,netdev=net0,romfile="]);
    }

    /// The device is a process of its own, which reads and writes the guest's memory.
    fn vsock(&self, args: &mut Args, socket: &str) {
        args.pair("-object", format!("memory-backend-memfd,id=memory,size={}M,share=on", self.memory_mib));
        args.flags(&["-machine", "memory-backend=memory"]);
        args.pair("-chardev", format!("socket,id=vsock,path={}", escaped(socket)));
        args.flags(&["-device", "vhost-user-vsock-pci,chardev=vsock"]);
    }

    fn channels(&self, args: &mut Args) {
        args.pair("-chardev", format!("socket,id=agent,path={},server=on,wait=off", escaped(&self.agent_socket)));
        args.flags(&["-device", "virtio-serial-pci"]);
        args.flags(&["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]);
        if let Some(socket) = &self.encoder_socket {
            args.pair("-chardev", format!("socket,id=encoder,path={},server=on,wait=off", escaped(socket)));
            args.pair("-device", format!("virtserialport,chardev=encoder,name={ENCODER_PORT}"));
        }
        match &self.console_socket {
            Some(socket) => args.console(socket, &self.serial_log),
            None => args.serial(&self.serial_log),
        }
        args.qmp(&self.qmp_socket);
    }
}

/// Machine type, accelerator and processor.
pub(crate) fn processor(arch: Arch, accelerator: Accelerator) -> [&'static str; 6] {
    let machine = match (arch, accelerator) {
        (Arch::Arm64, Accelerator::Hvf) => "virt,gic-version=3,highmem=on",
        (Arch::Arm64, _) => "virt,gic-version=max",
        (Arch::Amd64, _) => "q35",
    };
    let cpu = match (arch, accelerator) {
        // To a login prompt, QEMU 11.1 spent 51 to 68 s of processor time on `max`, 47 to 48 s on this and 41 to 45 s on
        // `cortex-a72`, which however lacks the atomics that some programs for today's machines are built with.
        (Arch::Arm64, Accelerator::Tcg) => "neoverse-n1",
        (Arch::Amd64, Accelerator::Tcg) => "max",
        (_, Accelerator::Kvm | Accelerator::Hvf) => "host",
    };
    ["-machine", machine, "-accel", accelerator.option(), "-cpu", cpu]
}

/// QEMU's arguments under construction.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) list: Vec<String>,
}

impl Args {
    pub(crate) fn flags(&mut self, words: &[&str]) {
        self.list.extend(words.iter().map(|&word| word.to_owned()));
    }

    pub(crate) fn pair(&mut self, option: &str, value: String) {
        self.list.extend([option.to_owned(), value]);
    }

    pub(crate) fn firmware(&mut self, code: &str, vars: &str) {
        self.pair("-drive", format!("if=pflash,unit=0,format=raw,readonly=on,file={}", escaped(code)));
        self.pair("-drive", format!("if=pflash,unit=1,format=raw,file={}", escaped(vars)));
    }

    pub(crate) fn serial(&mut self, log: &str) {
        self.pair("-chardev", format!("file,id=serial,path={}", escaped(log)));
        self.flags(&["-serial", "chardev:serial"]);
    }

    /// A console for somebody to sit at; what it says is in the log whether or not anybody does. It is appended, so that the log
    /// can be cut short while the guest writes.
    fn console(&mut self, socket: &str, log: &str) {
        let (socket, log) = (escaped(socket), escaped(log));
        self.pair("-chardev", format!("socket,id=serial,path={socket},server=on,wait=off,logfile={log},logappend=on"));
        self.flags(&["-serial", "chardev:serial"]);
    }

    pub(crate) fn qmp(&mut self, socket: &str) {
        self.pair("-chardev", format!("socket,id=qmp,path={},server=on,wait=off", escaped(socket)));
        self.flags(&["-qmp", "chardev:qmp"]);
    }

    fn disk(&mut self, id: &str, path: &str, format: DiskFormat, cache: &str, device: &str) {
        let (file, format) = (escaped(path), format.name());
        let discard = "discard=unmap,detect-zeroes=unmap";
        self.pair("-drive", format!("if=none,id={id},file={file},format={format},{discard}{cache}"));
        self.pair("-device", format!("virtio-blk-pci,drive={id},{device}"));
    }
}

/// A comma within a value of an option is written twice.
fn escaped(path: &str) -> String {
    path.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(arch: Arch, accelerator: Accelerator) -> Machine {
        Machine {
            arch,
            accelerator,
            cpus: 2,
            memory_mib: 2048,
            graphics_mib: 1024,
            firmware_code: "/fw/code.fd".into(),
            firmware_vars: "/run/vars.fd".into(),
            root_disk: "/run/overlay.qcow2".into(),
            throwaway: true,
            data_disk: None,
            seed: None,
            ssh_port: None,
            api_port: None,
            encoder_socket: None,
            vsock_device: None,
            agent_socket: "/run/agent.sock".into(),
            qmp_socket: "/run/qmp.sock".into(),
            serial_log: "/run/serial.log".into(),
            console_socket: None,
            spice_socket: "/run/spice.sock".into(),
            exit_with_parent: true,
        }
    }

    /// One option and its value a line, as one would write it in a script.
    fn lines(machine: &Machine) -> String {
        machine.arguments().join(" ").replace(" -", "\n-")
    }

    #[test]
    fn an_emulated_arm64_machine() {
        insta::assert_snapshot!(lines(&machine(Arch::Arm64, Accelerator::Tcg)));
    }

    /// A machine that stays, with all that one can have.
    fn with_everything(arch: Arch, accelerator: Accelerator) -> Machine {
        Machine {
            data_disk: Some(DataDisk { path: "/a,b/data.raw".into(), format: DiskFormat::Raw }),
            seed: Some("/run/seed.img".into()),
            ssh_port: Some(2222),
            api_port: Some(8080),
            console_socket: Some("/run/console.sock".into()),
            encoder_socket: Some("/run/enc.sock".into()),
            vsock_device: Some("/run/vsock.dev".into()),
            throwaway: false,
            exit_with_parent: false,
            ..machine(arch, accelerator)
        }
    }

    #[test]
    fn an_amd64_machine_under_kvm_with_everything() {
        insta::assert_snapshot!(lines(&with_everything(Arch::Amd64, Accelerator::Kvm)));
    }

    /// As the app on a Mac starts it, but for the vsock, which QEMU has on Linux only.
    #[test]
    fn a_mac_gives_the_guest_its_processor_and_its_gpu() {
        let mac = Machine { vsock_device: None, ..with_everything(Arch::Arm64, Accelerator::Hvf) };
        insta::assert_snapshot!(lines(&mac));
    }

    #[test]
    fn processors_of_the_other_combinations() {
        assert_eq!(processor(Arch::Amd64, Accelerator::Tcg).join(" "), "-machine q35 -accel tcg,thread=multi -cpu max");
    }
}
