//! Any bytes are changed as asked or stay as they are, and what is changed is only the load commands.
#![no_main]

use helix_macho::{Changes, Head};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let changes = Changes {
        libraries: [("/usr/lib/libSystem.B.dylib".to_owned(), "@rpath/small.framework/small".to_owned())].into(),
        rpaths: Some(vec!["@executable_path/../Frameworks".to_owned()]),
        ..Changes::default()
    };
    let mut data = input.to_vec();
    match changes.apply(&mut data) {
        Ok(changed) => {
            assert!(data[changed..] == input[changed..]);
            assert_eq!(Head::read(&data).expect("what was a file is one still").rpaths.len(), 1);
        }
        Err(_) => assert!(data == input),
    }
});
