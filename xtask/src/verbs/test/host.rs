//! Programs of the host that tests need besides those that a build needs.

use helix_build::host::install;

/// A program and the Debian package that has it.
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
        Ok(_) => Err(format!("this machine lacks programs that the tests need; install them with\n  {command}")),
        Err(e) => Err(format!("{e}\ninstall what is missing with\n  {command}")),
    }
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(program).is_file())
}
