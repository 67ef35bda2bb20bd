//! Where the host encoder is when no property says so: a pipeline that works in one machine works in the next one too.
//!
//! Vsock is not among the guesses: its device is on every Linux that has the module, and no port of it is anybody's.

use std::path::Path;

use crate::address::{Address, AddressError};

/// For whoever cannot change the pipeline.
const VARIABLE: &str = "HELIX_ENCODER";

/// The port of virtio-serial that the machines of this project have, as `image/vm` names it.
const PORT: &str = "dev.helix.encoder";

/// The address that the property `transport` states, or else what this machine says, or why there is none.
pub(crate) fn address(transport: Option<&str>) -> Result<Address, String> {
    let variable = std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
    address_in(Path::new("/"), transport, variable.as_deref())
}

/// `root` is the root of the file system.
fn address_in(root: &Path, transport: Option<&str>, variable: Option<&str>) -> Result<Address, String> {
    if let Some(text) = transport {
        return text.parse().map_err(|e: AddressError| e.to_string());
    }
    if let Some(text) = variable.filter(|text| !text.is_empty()) {
        return text.parse().map_err(|e: AddressError| format!("the environment variable {VARIABLE}: {e}"));
    }
    if root.join("dev/virtio-ports").join(PORT).exists() {
        return Ok(Address::VirtioPort(PORT.to_owned()));
    }
    Err(format!(
        "nothing says where the host encoder is: set the property transport, or the environment variable {VARIABLE}, to \
         vsock://CID:PORT, unix:PATH, tcp://HOST:PORT or virtio-port:NAME, or give the machine a port of virtio-serial \
         with the name {PORT}, which has none in /dev/virtio-ports"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_comes_first_then_the_variable_then_the_port() {
        let root = tempfile::tempdir().expect("a folder");
        let found = |transport, variable| address_in(root.path(), transport, variable).map(|found| found.to_string());
        let none = found(None, None).expect_err("there is no host");
        for way in ["property transport", "HELIX_ENCODER", "dev.helix.encoder"] {
            assert!(none.contains(way), "{way}: {none}");
        }
        let ports = root.path().join("dev/virtio-ports");
        std::fs::create_dir_all(&ports).expect("a folder");
        std::fs::write(ports.join(PORT), "").expect("a port");
        assert_eq!(found(None, None), Ok("virtio-port:dev.helix.encoder".to_owned()));
        assert_eq!(found(None, Some("")), found(None, None), "an empty variable says nothing");
        assert_eq!(found(None, Some("tcp://10.0.2.2:9000")), Ok("tcp://10.0.2.2:9000".to_owned()));
        assert_eq!(found(Some("unix:/a"), Some("tcp://10.0.2.2:9000")), Ok("unix:/a".to_owned()));
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let error = address_in(Path::new("/nowhere"), None, Some("udp:1")).expect_err("it is no address");
        assert!(error.contains("HELIX_ENCODER") && error.contains("udp:1"), "{error}");
    }
}
