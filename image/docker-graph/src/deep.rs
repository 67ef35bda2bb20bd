//! Folders may lie in each other as deep as a path allows, which is some 2,000. A walk through them that calls itself needs
//! more stack than a thread has by default.

use std::thread::Builder;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Room on the stack, in bytes: 16 KiB for each folder, of which unoptimised code needs a quarter. What is not used costs
/// address space alone.
const STACK: usize = 32 << 20;

/// A thread with enough stack.
pub(crate) fn thread() -> Builder {
    Builder::new().stack_size(STACK)
}

/// Does `work` in such a thread, and waits for it.
pub(crate) fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = thread().spawn_scoped(scope, work).expect("the system has room for one thread");
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How many files a process should be able to have open: the walks that remove and read folders hold each on their way.
const OPEN_FILES: u64 = 8192;

/// Lets this process have enough open files, within what it is allowed.
pub(crate) fn allow_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if current.is_some_and(|now| now < wanted) {
        // Without them only folders in each other by the thousand cannot be removed, and then that says so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}
