//! The serial console, for somebody to sit at.

use std::os::unix::net::UnixStream;

use super::error::Error;
use super::home::Vm;
use super::start;

impl Vm {
    /// A connection to the guest's serial console. One at a time gets through, a second one waits.
    ///
    /// # Errors
    /// When the machine does not exist or does not run.
    pub fn console(&self) -> Result<UnixStream, Error> {
        self.must_exist()?;
        if !start::qemu(self).is_alive()? {
            return Err(Error::NotRunning { name: self.name().to_owned() });
        }
        let socket = self.sockets().console_socket();
        UnixStream::connect(&socket).map_err(Error::io("connecting to the console at", &socket))
    }
}
