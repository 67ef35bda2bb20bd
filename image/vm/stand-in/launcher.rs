//! `vm up` and `vm down` as a process of their own.

use std::path::PathBuf;
use std::time::Duration;

use helix_command::Cmd;
use helix_vm::Programs;
use helix_vm::life::{Home, UpConfig, Vm};

/// HOME NAME FIRMWARE IMAGE
pub(crate) fn up(args: &[String]) {
    let itself = std::env::current_exe().expect("this program");
    let stand_in = |what: &str| Cmd::new(&itself).arg(what);
    let firmware = PathBuf::from(&args[2]);
    let config = UpConfig {
        programs: Programs {
            qemu: stand_in("qemu"),
            qemu_img: stand_in("img"),
            vsock: None,
            firmware_code: firmware.clone(),
            firmware_vars: firmware,
            root: None,
        },
        image: Some(PathBuf::from(&args[3])),
        cpus: Some(2),
        memory_mib: Some(1024),
        graphics_mib: None,
        host_network: None,
        encoder: None,
        deadline: Duration::from_secs(20),
        interrupted: std::sync::Arc::default(),
    };
    vm(args).up(&config, &mut |_| {}).map(drop).unwrap_or_else(|error| fail(&error));
}

/// HOME NAME
pub(crate) fn down(args: &[String]) {
    vm(args).down(Duration::from_secs(5)).map(drop).unwrap_or_else(|error| fail(&error));
}

fn vm(args: &[String]) -> Vm {
    Home::find(Some(args[0].as_ref())).and_then(|home| home.vm(&args[1])).unwrap_or_else(|error| fail(&error))
}

fn fail(error: &helix_vm::life::Error) -> ! {
    eprintln!("{error}");
    std::process::exit(1)
}
