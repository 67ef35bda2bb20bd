//! The keys of version 4 of `config.plist`, as the decoders of UTM 5.0.3 ask for them: `Configuration/UTMQemuConfiguration*.swift`,
//! `UTMConfigurationInfo.swift`, `UTMConfigurationTerminal.swift`, `QEMUConstant.swift`, `QEMUConstantGenerated.swift`.
//!
//! A key that is not here is one that UTM does not know: it reads past it, and loses it when it saves.

/// What a value must be.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Flag,
    /// An integer, from the first to the second.
    Number(i64, i64),
    /// A string with a UUID.
    Uuid,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// An array of strings.
    Texts,
    /// A dictionary.
    Table(&'static [Key]),
    /// An array of dictionaries.
    Tables(&'static [Key]),
}

/// A key of a dictionary.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Whether UTM refuses the file without it.
    pub(crate) required: bool,
    pub(crate) kind: Kind,
}

const fn must(name: &'static str, kind: Kind) -> Key {
    Key { name, required: true, kind }
}

const fn may(name: &'static str, kind: Kind) -> Key {
    Key { name, required: false, kind }
}

/// Not negative: UTM makes ranges of these numbers, and ends at a negative one.
const COUNT: Kind = Kind::Number(0, i64::MAX);
const PORT: Kind = Kind::Number(1, 65_535);

/// The whole configuration.
pub(crate) const ROOT: &[Key] = &[
    must("Backend", Kind::Choice(&["QEMU"])),
    must("ConfigurationVersion", Kind::Number(4, 4)),
    must("Information", Kind::Table(INFORMATION)),
    must("System", Kind::Table(SYSTEM)),
    must("QEMU", Kind::Table(QEMU)),
    must("Input", Kind::Table(INPUT)),
    must("Sharing", Kind::Table(SHARING)),
    must("Display", Kind::Tables(DISPLAY)),
    must("Drive", Kind::Tables(DRIVE)),
    must("Network", Kind::Tables(NETWORK)),
    must("Serial", Kind::Tables(SERIAL)),
    must("Sound", Kind::Tables(&[must("Hardware", Kind::Text)])),
];

const INFORMATION: &[Key] = &[
    must("Name", Kind::Text),
    must("IconCustom", Kind::Flag),
    must("UUID", Kind::Uuid),
    may("Icon", Kind::Text),
    may("Notes", Kind::Text),
];

const SYSTEM: &[Key] = &[
    must("Architecture", Kind::Choice(ARCHITECTURES)),
    must("Target", Kind::Text),
    must("CPU", Kind::Text),
    must("CPUFlagsAdd", Kind::Texts),
    must("CPUFlagsRemove", Kind::Texts),
    must("CPUCount", COUNT),
    must("ForceMulticore", Kind::Flag),
    must("MemorySize", Kind::Number(1, i64::MAX)),
    must("JITCacheSize", COUNT),
];

const QEMU: &[Key] = &[
    must("DebugLog", Kind::Flag),
    must("UEFIBoot", Kind::Flag),
    must("RNGDevice", Kind::Flag),
    must("BalloonDevice", Kind::Flag),
    must("TPMDevice", Kind::Flag),
    must("Hypervisor", Kind::Flag),
    may("TSO", Kind::Flag),
    must("RTCLocalTime", Kind::Flag),
    must("PS2Controller", Kind::Flag),
    may("MachinePropertyOverride", Kind::Text),
    must("AdditionalArguments", Kind::Texts),
];

const INPUT: &[Key] = &[
    must("UsbBusSupport", Kind::Choice(&["Disabled", "2.0", "3.0"])),
    must("UsbSharing", Kind::Flag),
    must("MaximumUsbShare", COUNT),
];

const SHARING: &[Key] = &[
    must("DirectoryShareMode", Kind::Choice(&["None", "WebDAV", "VirtFS"])),
    must("DirectoryShareReadOnly", Kind::Flag),
    must("ClipboardSharing", Kind::Flag),
];

const FILTERS: Kind = Kind::Choice(&["Linear", "Nearest"]);

const DISPLAY: &[Key] = &[
    must("Hardware", Kind::Text),
    may("VgaRamMib", Kind::Number(1, i64::MAX)),
    must("DynamicResolution", Kind::Flag),
    must("NativeResolution", Kind::Flag),
    must("UpscalingFilter", FILTERS),
    must("DownscalingFilter", FILTERS),
];

const DRIVE: &[Key] = &[
    may("ImageName", Kind::Text),
    must("ImageType", Kind::Choice(&["None", "Disk", "CD", "BIOS", "LinuxKernel", "LinuxInitrd", "LinuxDTB"])),
    must("Interface", Kind::Choice(&["None", "IDE", "SCSI", "SD", "MTD", "Floppy", "PFlash", "VirtIO", "NVMe", "USB"])),
    may("InterfaceVersion", Kind::Number(0, 1)),
    must("Identifier", Kind::Text),
    may("ReadOnly", Kind::Flag),
];

const NETWORK: &[Key] = &[
    must("Mode", Kind::Choice(&["Emulated", "Shared", "Host", "Bridged"])),
    must("Hardware", Kind::Text),
    must("MacAddress", Kind::Text),
    must("IsolateFromHost", Kind::Flag),
    must("PortForward", Kind::Tables(PORT_FORWARD)),
    may("BridgeInterface", Kind::Text),
    may("VlanGuestAddress", Kind::Text),
    may("VlanGuestAddressIPv6", Kind::Text),
    may("VlanHostAddress", Kind::Text),
    may("VlanHostAddressIPv6", Kind::Text),
    may("VlanDhcpStartAddress", Kind::Text),
    may("VlanDhcpEndAddress", Kind::Text),
    may("VlanDhcpDomain", Kind::Text),
    may("VlanDnsServerAddress", Kind::Text),
    may("VlanDnsServerAddressIPv6", Kind::Text),
    may("VlanDnsSearchDomain", Kind::Text),
    may("HostNetUuid", Kind::Uuid),
];

const PORT_FORWARD: &[Key] = &[
    must("Protocol", Kind::Choice(&["TCP", "UDP"])),
    may("HostAddress", Kind::Text),
    must("HostPort", PORT),
    may("GuestAddress", Kind::Text),
    must("GuestPort", PORT),
];

const SERIAL: &[Key] = &[
    must("Mode", Kind::Choice(&["Terminal", "TcpClient", "TcpServer", "Ptty"])),
    must("Target", Kind::Choice(&["Auto", "Manual", "GDB", "Monitor"])),
    may("Terminal", Kind::Table(TERMINAL)),
    may("Hardware", Kind::Text),
    may("TcpHostAddress", Kind::Text),
    may("TcpPort", PORT),
    may("WaitForConnection", Kind::Flag),
    may("RemoteConnectionAllowed", Kind::Flag),
];

const TERMINAL: &[Key] = &[
    may("Theme", Kind::Choice(&["Default"])),
    may("ForegroundColor", Kind::Text),
    may("BackgroundColor", Kind::Text),
    must("Font", Kind::Text),
    must("FontSize", Kind::Number(1, i64::MAX)),
    may("ResizeCommand", Kind::Text),
    may("CursorBlink", Kind::Flag),
];

/// The architectures that UTM knows.
pub(crate) const ARCHITECTURES: &[&str] = &[
    "alpha",
    "arm",
    "aarch64",
    "avr",
    "hppa",
    "i386",
    "loongarch64",
    "m68k",
    "microblaze",
    "microblazeel",
    "mips",
    "mipsel",
    "mips64",
    "mips64el",
    "or1k",
    "ppc",
    "ppc64",
    "riscv32",
    "riscv64",
    "rx",
    "s390x",
    "sh4",
    "sh4eb",
    "sparc",
    "sparc64",
    "tricore",
    "x86_64",
    "xtensa",
    "xtensaeb",
];

/// The machines for which UTM has UEFI firmware; with others it does not save the VM.
pub(crate) const UEFI_ARCHITECTURES: &[&str] = &["arm", "aarch64", "i386", "x86_64", "loongarch64", "riscv64"];

/// The values of `Target` for `aarch64` that a guest with UEFI can have: `enum QEMUTarget_aarch64`, of which the others are boards.
pub(crate) const VIRT_TARGETS: &[&str] = &[
    "virt",
    "virt-10.0",
    "virt-2.6",
    "virt-2.7",
    "virt-2.8",
    "virt-2.9",
    "virt-2.10",
    "virt-2.11",
    "virt-2.12",
    "virt-3.0",
    "virt-3.1",
    "virt-4.0",
    "virt-4.1",
    "virt-4.2",
    "virt-5.0",
    "virt-5.1",
    "virt-5.2",
    "virt-6.0",
    "virt-6.1",
    "virt-6.2",
    "virt-7.0",
    "virt-7.1",
    "virt-7.2",
    "virt-8.0",
    "virt-8.1",
    "virt-8.2",
    "virt-9.0",
    "virt-9.1",
    "virt-9.2",
];
