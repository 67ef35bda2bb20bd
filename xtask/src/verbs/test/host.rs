//! What tests and the host encoder need of this machine besides what building an image needs.

use std::process::Stdio;

use helix_build::host::install;

/// A program, or a command that succeeds when something is there, and the Debian package that brings it.
pub(crate) type Need = (&'static str, &'static str);

/// Installs what is missing where that is allowed, and says so.
///
/// # Errors
/// The one command that helps, when nothing may be installed.
pub(crate) fn ensure(needs: &[Need]) -> Result<(), String> {
    let missing = |list: &[Need]| -> Vec<&'static str> {
        list.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect()
    };
    let mut packages = missing(needs);
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let command = format!("sudo apt-get install {}", packages.join(" "));
    match install(&packages, &|text| eprintln!("{text}")) {
        Ok(true) if missing(needs).is_empty() => Ok(()),
        Ok(_) => Err(format!("this machine lacks what is needed here; install it with\n  {command}")),
        Err(e) => Err(format!("{e}\ninstall what is missing with\n  {command}")),
    }
}

fn is_there(need: &str) -> bool {
    let mut words = need.split(' ');
    let program = words.next().unwrap_or_default();
    let arguments: Vec<&str> = words.collect();
    if !arguments.is_empty() {
        let mut command = std::process::Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        return command.status().is_ok_and(|status| status.success());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(program).is_file())
}
