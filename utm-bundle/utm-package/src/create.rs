//! The making of a package: in a folder aside, which takes its name when everything is in it and on the disk.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use helix_disk::{Source, qcow2};
use helix_vm::life::{Copied, Image};
use helix_vm::{Arch, Seed};
use plist::{Dictionary, Value};

use crate::config::{self, DATA_DISK, DISK, ICON, SEED};
use crate::error::Error;
use crate::files::{DATA, SCREENSHOT};
use crate::identity;
use crate::inspect::{CONFIG, Fault, faults_of, inspect};

/// How large the data disk is for the guest, in bytes, as that of [`helix_vm::life`]; in the package it takes what is in it.
const DATA_SIZE: u64 = 256 << 30;
/// The time of every file, in seconds since 1970: the first that FAT and ZIP know, 1980-01-01.
const TIME: u64 = 315_532_800;

/// What a package is made with, besides the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many processors the guest has; 0 for as many as the Mac has fast ones.
    pub cpus: u32,
    /// The guest's memory, in MiB.
    pub memory_mib: u32,
    /// Words that UTM adds to QEMU's command line. UTM asks before it runs a VM that has any.
    pub arguments: Vec<String>,
    /// The VM's icon, as PNG, in the place of Helix' own.
    pub icon: Option<PathBuf>,
    /// What UTM shows while the VM has not run yet, as PNG, in the place of a console.
    pub screenshot: Option<PathBuf>,
}

impl Default for Options {
    /// What every Mac with Apple's processors has, without the time-outs that guests with 24 processors had; the memory is the
    /// least that a VM of this project gets.
    fn default() -> Self {
        Self { cpus: 4, memory_mib: 6 << 10, arguments: Vec::new(), icon: None, screenshot: None }
    }
}

/// A package that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The VM's identifier.
    pub uuid: String,
    /// The address of its network card.
    pub mac: String,
    /// How the disk came into the package.
    pub disk: Copied,
}

/// Makes the package `to`, whose name must end in `.utm` and which must not exist, of the image in the folder `image`. `advance`
/// hears of the bytes of the disk that are copied, and of all there are.
///
/// The same image and options give the same bytes. What an interrupted attempt left is removed; two at once must not make the same
/// package.
///
/// # Errors
/// When the image is not one for UTM or is damaged, when UTM would refuse what `options` ask for, or when a file cannot be
/// written; then nothing is left.
pub fn create(image: &Path, to: &Path, options: &Options, advance: &mut dyn FnMut(u64, u64)) -> Result<Made, Error> {
    let image = Image::read(image)?;
    if image.architecture != Arch::Arm64 {
        return Err(Error::Architecture(image.folder));
    }
    let (name, aside) = names(to)?;
    let config = config::of(&image, name, options);
    let faults: Vec<Fault> = argument_faults(&options.arguments).into_iter().chain(faults_of(&config)).collect();
    refuse(to, faults)?;
    remove(&aside)?;
    let made = fill(&aside, &image, &config, options, advance).and_then(|disk| {
        refuse(to, inspect(&aside))?;
        fs::rename(&aside, to).map_err(Error::io("finishing", to))?;
        sync(to.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(".")))?;
        Ok(Made { uuid: identity::uuid(&image.sha256), mac: identity::mac(&image.sha256), disk })
    });
    if made.is_err() {
        // The reason is what counts; what remains is removed at the next attempt.
        let _ = fs::remove_dir_all(&aside);
    }
    made
}

/// The VM's name, and where the package is made.
fn names(to: &Path) -> Result<(&str, PathBuf), Error> {
    let refuse = |why: &'static str| Error::Target { path: to.to_owned(), why };
    let name = to.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".utm"));
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| refuse("a package of UTM is called NAME.utm"))?;
    match fs::symlink_metadata(to) {
        Ok(_) => {
            Err(refuse("exists already, and may be a VM with somebody's data; move it away, or choose another place"))
        }
        Err(_) => Ok((name, to.with_file_name(format!(".{name}.new.utm")))),
    }
}

/// Whether UTM would give QEMU these words as they are, for callers who want to know it early.
///
/// # Errors
/// With all the words that it would not.
pub fn check_arguments(words: &[String]) -> Result<(), Error> {
    refuse(Path::new("config.plist"), argument_faults(words))
}

/// UTM splits its arguments at white space, and takes quotation marks off.
fn argument_faults(words: &[String]) -> Vec<Fault> {
    let bad = |word: &&String| word.is_empty() || word.contains(|c: char| c.is_whitespace() || c == '"');
    let fault = |word: &String| Fault {
        place: "the arguments".to_owned(),
        what: format!(
            "{word:?} would not come to QEMU as one word: UTM splits at white space and takes quotation marks off"
        ),
    };
    words.iter().filter(bad).map(fault).collect()
}

fn refuse(to: &Path, faults: Vec<Fault>) -> Result<(), Error> {
    if faults.is_empty() { Ok(()) } else { Err(Error::Faults { path: to.to_owned(), faults }) }
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("removing what an interrupted attempt left,", folder)(error))
        }
        _ => Ok(()),
    }
}

fn fill(
    package: &Path,
    image: &Image,
    config: &Dictionary,
    options: &Options,
    advance: &mut dyn FnMut(u64, u64),
) -> Result<Copied, Error> {
    let data = package.join(DATA);
    fs::create_dir_all(&data).map_err(Error::io("making", &data))?;
    let copied = image.copy_disk(&data.join(DISK), advance)?;
    write_data_disk(&data.join(DATA_DISK))?;
    seed(image).write(&data.join(SEED))?;
    write_picture(options.icon.as_deref(), include_bytes!("../icon.png"), &data.join(ICON))?;
    write_picture(options.screenshot.as_deref(), include_bytes!("../screenshot.png"), &package.join(SCREENSHOT))?;
    write_config(config, &package.join(CONFIG))?;
    let files = [DISK, DATA_DISK, SEED, ICON].map(|name| data.join(name)).into_iter();
    for file in files.chain([package.join(SCREENSHOT), package.join(CONFIG)]) {
        settle(&file, 0o644)?;
    }
    settle(&data, 0o755)?;
    settle(package, 0o755)?;
    Ok(copied)
}

fn write_data_disk(path: &Path) -> Result<(), Error> {
    let file = File::create_new(path).map_err(Error::io("making", path))?;
    let written = qcow2::write(&Source::new(DATA_SIZE), DATA_SIZE, &file, &qcow2::Options::default());
    written.map(drop).map_err(|source| Error::DataDisk { path: path.to_owned(), source })
}

/// What the guest is told at its first start. Nobody's key is in it: the windows are the owner's, and that is where one puts it.
fn seed(image: &Image) -> Seed {
    Seed {
        // The digest is that of the disk, or there would be no copy of it.
        instance_id: format!("helix-utm-{}", image.sha256.get(..16).unwrap_or_default()),
        hostname: image.hostname.clone(),
        user: image.user.clone(),
        authorized_keys: Vec::new(),
        encoder_token: None,
        console_login: true,
        network_config: None,
        host_network: None,
    }
}

fn write_picture(from: Option<&Path>, own: &[u8], to: &Path) -> Result<(), Error> {
    match from {
        Some(from) => fs::copy(from, to).map(drop).map_err(Error::io("copying", from)),
        None => fs::write(to, own).map_err(Error::io("writing", to)),
    }
}

fn write_config(config: &Dictionary, path: &Path) -> Result<(), Error> {
    let mut bytes = Vec::new();
    let written = Value::from(config.clone()).to_writer_xml(&mut bytes);
    written.map_err(|error| Error::io("writing", path)(std::io::Error::other(error)))?;
    bytes.push(b'\n');
    let mut file = File::create_new(path).map_err(Error::io("making", path))?;
    file.write_all(&bytes).map_err(Error::io("writing", path))
}

/// Gives a file or folder the mode and the time that all of its kind have, and brings it to the disk.
fn settle(path: &Path, mode: u32) -> Result<(), Error> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(TIME);
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io("setting the mode of", path))?;
    let file = File::open(path).map_err(Error::io("opening", path))?;
    file.set_modified(time).map_err(Error::io("setting the time of", path))?;
    file.sync_all().map_err(Error::io("flushing", path))
}

/// Makes names in `folder` last.
fn sync(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("flushing", folder))
}
