//! The configuration of a package, as data.

use helix_vm::life::Image;
use plist::{Dictionary, Value};

use crate::create::Options;
use crate::identity;

/// The file names in the folder of data.
pub(crate) const DISK: &str = "disk.qcow2";
pub(crate) const DATA_DISK: &str = "data.qcow2";
pub(crate) const SEED: &str = "seed.img";
pub(crate) const ICON: &str = "icon.png";

/// The port of the Mac that leads to the guest's SSH, and the one that leads to its API; on 127.0.0.1 alone.
const SSH: (u16, u16) = (2222, 22);
const API: (u16, u16) = (8080, 8080);

/// The configuration of the VM `name`.
pub(crate) fn of(image: &Image, name: &str, options: &Options) -> Dictionary {
    table([
        ("Backend", "QEMU".into()),
        ("ConfigurationVersion", 4.into()),
        ("Information", information(image, name)),
        ("System", system(options)),
        ("QEMU", qemu(options)),
        ("Input", input()),
        ("Sharing", sharing()),
        ("Display", vec![display()].into()),
        ("Drive", drives()),
        ("Network", vec![network(image)].into()),
        ("Serial", vec![serial()].into()),
        // Sound of a desktop comes with its stream.
        ("Sound", Value::Array(Vec::new())),
    ])
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Dictionary {
    Dictionary::from_iter(entries)
}

fn information(image: &Image, name: &str) -> Value {
    let entries = [
        ("Name", name.into()),
        ("UUID", identity::uuid(&image.sha256).into()),
        ("IconCustom", true.into()),
        ("Icon", ICON.into()),
        ("Notes", notes(image).into()),
    ];
    table(entries).into()
}

fn notes(image: &Image) -> String {
    let Image { recipe, user, .. } = image;
    format!(
        "Helix Linux, made from the recipe {recipe}.\n\n\
         The display and the terminal are logged in as {user}; there is no password.\n\n\
         SSH: put your public key into ~/.ssh/authorized_keys there, then\n  ssh -p {} {user}@127.0.0.1\n\
         API: http://127.0.0.1:{}\n\n\
         Data/{DISK} is the system, Data/{DATA_DISK} keeps what survives an exchange of the system, Data/{SEED} is what the system \
         reads at its first start (cloud-init).",
        SSH.0, API.0
    )
}

fn system(options: &Options) -> Value {
    let entries = [
        ("Architecture", "aarch64".into()),
        ("Target", "virt".into()),
        // The processor of the Mac, where the hypervisor is used.
        ("CPU", "default".into()),
        ("CPUFlagsAdd", Value::Array(Vec::new())),
        ("CPUFlagsRemove", Value::Array(Vec::new())),
        ("CPUCount", options.cpus.into()),
        ("ForceMulticore", false.into()),
        ("MemorySize", options.memory_mib.into()),
        ("JITCacheSize", 0.into()),
    ];
    table(entries).into()
}

fn qemu(options: &Options) -> Value {
    let arguments = options.arguments.iter().map(|word| word.as_str().into()).collect();
    let entries = [
        ("DebugLog", false.into()),
        ("UEFIBoot", true.into()),
        ("RNGDevice", true.into()),
        ("BalloonDevice", false.into()),
        ("TPMDevice", false.into()),
        ("Hypervisor", true.into()),
        ("RTCLocalTime", false.into()),
        ("PS2Controller", false.into()),
        ("AdditionalArguments", Value::Array(arguments)),
    ];
    table(entries).into()
}

/// The keyboard and the pointer are on the bus; nothing of the Mac is passed on, for which UTM would make controllers.
fn input() -> Value {
    table([("UsbBusSupport", "3.0".into()), ("UsbSharing", false.into()), ("MaximumUsbShare", 0.into())]).into()
}

fn sharing() -> Value {
    let entries = [
        ("DirectoryShareMode", "None".into()),
        ("DirectoryShareReadOnly", true.into()),
        ("ClipboardSharing", false.into()),
    ];
    table(entries).into()
}

/// OpenGL by virgl, and Vulkan by Venus: UTM adds what that needs by itself.
fn display() -> Value {
    let entries = [
        ("Hardware", "virtio-gpu-gl-pci".into()),
        // It is done by SPICE's agent, which the image does not have.
        ("DynamicResolution", false.into()),
        ("NativeResolution", false.into()),
        ("UpscalingFilter", "Linear".into()),
        ("DownscalingFilter", "Linear".into()),
    ];
    table(entries).into()
}

/// In the order in which the firmware tries them.
fn drives() -> Value {
    let drive = |name: &str, interface: &str, identifier: &str, read_only: bool| {
        let entries = [
            ("ImageType", "Disk".into()),
            ("ImageName", name.into()),
            ("Interface", interface.into()),
            ("InterfaceVersion", 1.into()),
            ("Identifier", identifier.into()),
            ("ReadOnly", read_only.into()),
        ];
        Value::from(table(entries))
    };
    vec![
        drive(DISK, "VirtIO", "helix-root", false),
        // The guest knows this disk by its serial number, which is the identifier. UTM leaves the hyphen out for VirtIO.
        drive(DATA_DISK, "NVMe", "helix-data", false),
        drive(SEED, "VirtIO", "helix-seed", true),
    ]
    .into()
}

fn network(image: &Image) -> Value {
    let forward = |(host, guest): (u16, u16)| {
        let entries = [
            ("Protocol", "TCP".into()),
            // Without it the port is open on every interface.
            ("HostAddress", "127.0.0.1".into()),
            ("HostPort", host.into()),
            ("GuestPort", guest.into()),
        ];
        Value::from(table(entries))
    };
    let entries = [
        ("Mode", "Emulated".into()),
        ("Hardware", "virtio-net-pci".into()),
        ("MacAddress", identity::mac(&image.sha256).into()),
        ("IsolateFromHost", false.into()),
        ("PortForward", vec![forward(SSH), forward(API)].into()),
    ];
    table(entries).into()
}

/// UTM's own terminal, as UTM makes it.
fn serial() -> Value {
    let terminal = table([
        ("ForegroundColor", "#ffffff".into()),
        ("BackgroundColor", "#000000".into()),
        ("Font", "Menlo".into()),
        ("FontSize", 12.into()),
        ("CursorBlink", true.into()),
    ]);
    table([("Mode", "Terminal".into()), ("Target", "Auto".into()), ("Terminal", terminal.into())]).into()
}
