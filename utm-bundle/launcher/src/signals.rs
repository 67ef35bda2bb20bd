//! Ctrl-C, SIGTERM and a terminal that closes.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Calls `first` at the first of these signals. The second one ends this program at once; the VM goes on then.
///
/// # Errors
/// When the system gives no handler.
pub(crate) fn watch(first: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let (mut read, write) = UnixStream::pair()?;
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, again.clone())?;
        signal_hook::flag::register(signal, again.clone())?;
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    std::thread::spawn(move || {
        // The other end is never closed: what comes is a signal.
        if read.read_exact(&mut [0]).is_ok() {
            first();
        }
    });
    Ok(())
}
