//! Any text is a lock, which then reads back as the same, or is refused.
#![no_main]

use helix_build::lock::Lock;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(lock) = Lock::parse(text) {
        assert_eq!(Lock::parse(&lock.to_text()).as_ref(), Ok(&lock));
    }
});
