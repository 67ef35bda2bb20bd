//! The preferences of UTM that `helix-linux.utm` needs: for people who open that in UTM, and so never done by a launch.
//!
//! UTM's own defaults choose ANGLE's Metal and MoltenVK, which is what the guest's Venus needs. Somebody may have chosen
//! others; of some pairs UTM refuses to start a VM. UTM is sandboxed: its preferences are in its container, and a change of
//! the domain by its name would write a file that UTM never reads. macOS asks for consent before another program writes there.

use std::ffi::OsStr;
use std::path::Path;

use helix_command::Cmd;

use crate::error::Error;

/// UTM's preferences below the home folder, without `.plist`, as `defaults` takes it.
const DOMAIN: &str = "Library/Containers/com.utmapp.UTM/Data/Library/Preferences/com.utmapp.UTM";
/// The renderer: 0 is ANGLE with Metal. The Vulkan driver: 2 is MoltenVK. See `UTMQEMURendererBackend` and
/// `UTMQEMUVulkanDriver` in UTM 5.0.3.
const PREFERENCES: [(&str, &str); 2] = [("QEMURendererBackend", "0"), ("QEMUVulkanDriver", "2")];

/// Sets the two preferences with the program `defaults` of the Mac, for the user whose home folder this is. Returns what was
/// done, in words.
///
/// # Errors
/// When UTM has never run here, or `defaults` fails.
pub fn set_utm_preferences(home: &Path, defaults: &OsStr) -> Result<Vec<String>, Error> {
    let domain = home.join(DOMAIN);
    if !domain.parent().is_some_and(Path::is_dir) {
        let what = format!("UTM's container {}", domain.parent().unwrap_or(&domain).display());
        return Err(Error::Missing { what, help: "install UTM, start it once, and end it".to_owned() });
    }
    let mut done = Vec::new();
    for (name, value) in PREFERENCES {
        Cmd::new(defaults).arg("write").arg(&domain).args([name, "-int", value]).run()?;
        done.push(format!("{name} is {value}"));
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_into_the_container_of_utm_and_nowhere_else() {
        let temp = tempfile::tempdir().unwrap();
        let error = set_utm_preferences(temp.path(), OsStr::new("false")).unwrap_err().to_string();
        assert!(error.contains("com.utmapp.UTM") && error.contains("start it once"), "{error}");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);

        let folder = temp.path().join(DOMAIN);
        std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
        let error = set_utm_preferences(temp.path(), OsStr::new("false")).unwrap_err().to_string();
        assert!(error.contains("QEMURendererBackend -int 0"), "{error}");
        // Notes what it was asked for, where the first word after the verb is the domain.
        let (script, defaults) = (temp.path().join("script"), temp.path().join("defaults"));
        std::fs::write(&script, "#!/bin/sh\necho \"$@\" >> \"$2.asked\"\n").unwrap();
        Cmd::new("install").args(["-m", "755"]).arg(&script).arg(&defaults).run().unwrap();
        let done = set_utm_preferences(temp.path(), defaults.as_os_str()).unwrap();
        assert_eq!(done, ["QEMURendererBackend is 0", "QEMUVulkanDriver is 2"]);
        let asked = std::fs::read_to_string(folder.with_extension("UTM.asked")).unwrap();
        let domain = folder.display();
        assert_eq!(
            asked,
            format!("write {domain} QEMURendererBackend -int 0\nwrite {domain} QEMUVulkanDriver -int 2\n")
        );
    }
}
