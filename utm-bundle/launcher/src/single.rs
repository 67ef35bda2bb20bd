//! One launcher of a VM at a time. The kernel keeps the lock, so that it ends with its holder, however that ends.

use std::fs::{File, TryLockError};
use std::io::Write;

use helix_vm::life::{State, Vm};

use crate::browser;
use crate::error::Error;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Single {
    _file: File,
}

impl Single {
    /// Takes the lock of `vm`; nothing when another launcher has it.
    pub(crate) fn take(vm: &Vm) -> Result<Option<Self>, Error> {
        let path = vm.home().join(format!(".{}.launcher", vm.name()));
        std::fs::create_dir_all(vm.home()).map_err(Error::io("making", vm.home()))?;
        let options = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(Error::io("opening", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(Error::io("locking", &path)(source)),
        }
        // For people only: what counts is the lock.
        let text = format!("{}\n", std::process::id());
        let written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(Error::io("writing", &path))?;
        Ok(Some(Self { _file: file }))
    }
}

/// What a second launcher does: it opens what the first one has made, and says so.
pub(crate) fn second(vm: &Vm, browse: bool) -> Result<String, Error> {
    let status = if vm.exists() { Some(vm.status()?) } else { None };
    let ready = status.filter(|status| status.state == State::Running).and_then(|status| status.run);
    let Some(run) = ready else {
        return Ok(format!("the VM {} is on its way: another launcher works on it", vm.name()));
    };
    let address = browser::address(run.ports.api);
    if browse {
        browser::open(&address);
    }
    Ok(format!("the VM {} is up already: {address}", vm.name()))
}
