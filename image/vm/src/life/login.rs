//! Logging in: the machine's own key, and a host key that was seen where nobody can stand between.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use super::error::Error;
use super::home::Vm;
use super::state;
use crate::running::Running;

/// How long a guest of the usual pace has to tell its host key.
const ANSWER: Duration = Duration::from_secs(20);

impl Vm {
    /// The `ssh` command that logs in, or runs `command` there.
    ///
    /// # Errors
    /// When the machine does not exist or does not run.
    pub fn ssh(&self, command: &[OsString]) -> Result<Command, Error> {
        self.must_exist()?;
        let run = match self.run()? {
            Some(run) if super::start::qemu(self).is_alive()? => run,
            _ => return Err(Error::NotRunning { name: self.name().to_owned() }),
        };
        let config = self.config()?;
        let mut ssh = Command::new("ssh");
        // What the user's own configuration says of 127.0.0.1 is not about this guest.
        ssh.args(["-F", "/dev/null", "-i"]).arg(self.folder().join("id_ed25519"));
        ssh.args(["-p", &run.ports.ssh.to_string(), "-l", &config.user]);
        let known = quoted(&self.known_hosts().to_string_lossy());
        let alias = self.host_key_alias();
        // Without the key, because `up` was interrupted, the first one that is seen is taken.
        let checking = if self.known_hosts().exists() { "yes" } else { "accept-new" };
        for option in [
            "IdentitiesOnly=yes".to_owned(),
            format!("UserKnownHostsFile={known}"),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            format!("HostKeyAlias={alias}"),
            format!("StrictHostKeyChecking={checking}"),
            "LogLevel=ERROR".to_owned(),
        ] {
            ssh.args(["-o", &option]);
        }
        ssh.arg("127.0.0.1").args(command);
        Ok(ssh)
    }

    /// Remembers the guest's host key, which its agent tells: over a port of QEMU, not over the network.
    pub(crate) fn pin_host_key(&self, running: &mut Running) -> Result<(), Error> {
        let told = running.exec("cat /etc/ssh/ssh_host_ed25519_key.pub", ANSWER);
        let text = told.map(|output| output.stdout_text()).unwrap_or_default();
        let Some(line) = known_host(&self.host_key_alias(), &text) else {
            tracing::warn!("the guest does not tell its host key; the first one that is seen will be taken");
            return Ok(());
        };
        state::write_whole(&self.known_hosts(), line.as_bytes())
    }
}

/// A line of `known_hosts` from one of `ssh_host_ed25519_key.pub`.
fn known_host(alias: &str, public: &str) -> Option<String> {
    let key = public.trim().parse::<ssh_key::PublicKey>().ok()?;
    let mut words = public.split_whitespace();
    (key.algorithm() == ssh_key::Algorithm::Ed25519).then_some(())?;
    Some(format!("{alias} {} {}\n", words.next()?, words.next()?))
}

/// A path as the value of an option of ssh: a list of files separated by spaces, in which % begins a variable.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_key_is_one_line_under_the_machines_name() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
        assert_eq!(known_host("helix-a", &format!("{key} root@host\n")).unwrap(), format!("helix-a {key}\n"));
        for bad in ["", "ssh-ed25519", "ssh-ed25519 AAAA\nother ssh-rsa BBBB", &format!("{key}\n{key}")] {
            assert_eq!(known_host("helix-a", bad).filter(|line| line.lines().count() != 1), None, "{bad}");
        }
    }

    #[test]
    fn a_path_with_spaces_is_one_file() {
        assert_eq!(quoted("/Application Support/100%"), "\"/Application Support/100%%\"");
    }
}
