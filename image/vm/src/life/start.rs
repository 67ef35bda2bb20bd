//! From the files of a machine to a QEMU that runs apart from this process.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::accelerator;
use super::clock::{Clock, SystemClock};
use super::create;
use super::daemon::Daemon;
use super::error::Error;
use super::home::Vm;
use super::logs::{self, Log};
use super::ports::Ports;
use super::state::{self, Config, Run};
use super::up::UpConfig;
use crate::accel::Accelerator;
use crate::folder::RunFolder;
use crate::host_network::HostNetwork;
use crate::machine::{DataDisk, DiskFormat, Machine};
use crate::pace::Pace;
use crate::programs::QemuFacts;
use crate::seed::Seed;
use crate::ssh::SshKey;

/// QEMU of the machine, whether or not it runs.
pub(crate) fn qemu(vm: &Vm) -> Daemon {
    Daemon::at(&vm.run_folder(), "qemu")
}

/// Everything that is decided before QEMU starts.
pub(crate) struct Start {
    pub(crate) folder: RunFolder,
    pub(crate) facts: QemuFacts,
    machine: Machine,
    run: Run,
}

/// Makes what a start needs, seed and keys among it, and decides about sizes and the accelerator.
pub(crate) fn prepare(vm: &Vm, config: &Config, up: &UpConfig) -> Result<Start, Error> {
    check_data_disk(vm)?;
    let sizes = super::Sizes::choose(vm.name(), up.cpus, up.memory_mib)?;
    // While QEMU does not run, logs and the sockets of the last run are nobody's.
    if vm.run_folder().exists() {
        logs::rotate(vm, Log::Serial)?;
        logs::rotate(vm, Log::Qemu)?;
    }
    let folder = RunFolder::prepare(&vm.run_folder())?;
    let facts = QemuFacts::ask(&up.programs)?;
    let accelerator = accelerator::find(vm, &up.programs, config.architecture, &folder)?;
    tracing::info!("accelerator: {accelerator}");
    folder.copy_firmware_vars(&up.programs.firmware_vars)?;
    seed(vm, config, up.host_network.clone())?.write(&folder.seed()).map_err(crate::programs::Error::from)?;
    let ports = Ports::choose().map_err(Error::io("looking for a free port on", Path::new("127.0.0.1")))?;
    let seen = |path: &Path| up.programs.seen(path);
    let data = seen(&vm.folder().join(create::data_disk(create::DATA_VERSION)))?;
    let root = vm.folder().join(create::system_disk(config.system));
    let (programs, chosen) = (&up.programs, accelerator.chosen);
    let graphics_mib = super::sizes::choose_graphics(up.graphics_mib)?;
    let machine = Machine {
        graphics_mib,
        data_disk: Some(DataDisk { path: data, format: DiskFormat::Qcow2 }),
        seed: Some(seen(&folder.seed())?),
        ssh_port: Some(ports.ssh),
        api_port: Some(ports.api),
        encoder_socket: Some(seen(&folder.encoder_socket())?),
        console_socket: Some(seen(&folder.console_socket())?),
        ..Machine::in_folder(programs, &folder, config.architecture, chosen, sizes, &root)?
    };
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let qemu_version = facts.version.clone();
    let (failed_units, pace) = (Vec::new(), Pace::default());
    let graphics_mib = (chosen == Accelerator::Hvf).then_some(graphics_mib);
    let run = Run { ports, sizes, graphics_mib, accelerator, qemu_version, started, ready: false, failed_units, pace };
    Ok(Start { folder, facts, machine, run })
}

impl Start {
    /// Starts QEMU. What is remembered of it is on the disk before.
    pub(crate) fn go(&self, vm: &Vm, up: &UpConfig) -> Result<(Daemon, Run), Error> {
        state::write(&vm.run_file(), &self.run)?;
        // A guest takes the time from this computer when it boots.
        vm.note_clock(&SystemClock.now())?;
        let mut daemon = qemu(vm);
        daemon.start(&up.programs.qemu.clone().args(self.machine.arguments()))?;
        Ok((daemon, self.run.clone()))
    }

    /// Takes other ports, because somebody was quicker.
    pub(crate) fn choose_ports(&mut self) -> Result<(), Error> {
        self.run.ports = Ports::any().map_err(Error::io("looking for a free port on", Path::new("127.0.0.1")))?;
        (self.machine.ssh_port, self.machine.api_port) = (Some(self.run.ports.ssh), Some(self.run.ports.api));
        Ok(())
    }
}

/// Whether the data disk is there, and one that this program knows.
fn check_data_disk(vm: &Vm) -> Result<(), Error> {
    let newest = create::numbers(vm, "data.v")?.into_iter().max();
    let path = vm.folder().join(create::data_disk(newest.unwrap_or(create::DATA_VERSION)));
    match newest {
        Some(found) if found > create::DATA_VERSION => Err(Error::Newer { path, found, known: create::DATA_VERSION }),
        Some(_) => Ok(()),
        None => Err(Error::Damaged {
            path,
            reason: format!(
                "the data disk is missing; put it back, or give the VM and what was on the disk up with\n  cargo xtask vm rm {}",
                vm.name()
            ),
        }),
    }
}

/// What the guest is told. It is made at every start, so that a lost key only means another one.
fn seed(vm: &Vm, config: &Config, host_network: Option<HostNetwork>) -> Result<Seed, Error> {
    let folder = vm.folder();
    let key = match SshKey::open(&folder) {
        Some(key) => key,
        None => {
            tracing::info!("the VM's SSH key is missing or broken: a new one is made");
            SshKey::create(&folder)?
        }
    };
    let token = create::token(&folder)?;
    // cloud-init takes over what a seed says when the instance is a new one: so it is when anything of it has changed.
    let content = [&config.hostname, &config.user, &key.public, &token].map(String::as_str).join("\n");
    let content = host_network.iter().fold(content, |content, network| content + &network.fingerprint());
    let digest: String = Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(Seed {
        instance_id: format!("helix-{digest}"),
        hostname: config.hostname.clone(),
        user: config.user.clone(),
        authorized_keys: vec![key.public],
        encoder_token: Some(token),
        console_login: false,
        network_config: None,
        host_network,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Home;
    use crate::machine::Arch;

    fn vm(temp: &Path) -> (Vm, Config) {
        let vm = Home::find(Some(temp)).unwrap().vm("a").unwrap();
        std::fs::create_dir_all(vm.folder()).unwrap();
        let config = Config {
            image: "/i".into(),
            recipe: "r".into(),
            sha256: "0".into(),
            architecture: Arch::Arm64,
            user: "user".into(),
            hostname: "host".into(),
            system: 1,
            previous: None,
        };
        (vm, config)
    }

    #[test]
    fn a_seed_is_the_same_until_something_of_it_is_lost() {
        let temp = tempfile::tempdir().unwrap();
        let (vm, config) = vm(temp.path());
        let first = seed(&vm, &config, None).unwrap();
        assert_eq!(seed(&vm, &config, None).unwrap(), first);
        for lost in ["id_ed25519", "token"] {
            let before = seed(&vm, &config, None).unwrap();
            std::fs::remove_file(vm.folder().join(lost)).unwrap();
            assert_ne!(seed(&vm, &config, None).unwrap().instance_id, before.instance_id, "{lost}");
        }
    }

    #[test]
    fn other_network_settings_are_another_instance() {
        let temp = tempfile::tempdir().unwrap();
        let (vm, config) = vm(temp.path());
        let network = |proxy: &str| HostNetwork { http: Some(proxy.to_owned()), ..HostNetwork::default() };
        let id = |network| seed(&vm, &config, network).unwrap().instance_id;
        let ids = [id(None), id(Some(network("http://a:1/"))), id(Some(network("http://b:1/")))];
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
        assert_eq!(id(None), ids[0]);
    }

    #[test]
    fn a_data_disk_of_a_later_program_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let (vm, _) = vm(temp.path());
        let error = check_data_disk(&vm).unwrap_err().to_string();
        assert!(error.contains("the data disk is missing"), "{error}");
        std::fs::write(vm.folder().join("data.v1.qcow2"), "").unwrap();
        check_data_disk(&vm).unwrap();
        std::fs::write(vm.folder().join("data.v2.qcow2"), "").unwrap();
        let error = check_data_disk(&vm).unwrap_err();
        assert!(matches!(error, Error::Newer { found: 2, known: 1, .. }), "{error}");
    }
}
