//! From an image and a sysroot to the files that people download.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use helix_app::{Component, Parts, Programs, Vm};
use helix_archives::{Tree, Volume};
use helix_command::Cmd;
use helix_products::{Artifact, LAUNCHER_IMPORTS, Order, Target};
use helix_provenance::{Build, Key, Source};
use helix_signing::{CertificateFiles, Identity, Report, Timestamps};
use helix_vm::life;
use serde::Serialize;
use serde_json::json;

use crate::args::{MakeArgs, VmArg};
use crate::error::Error;
use crate::output::Output;

/// The time of every file, in seconds since 1970: the first that FAT and ZIP know, 1980-01-01.
const TIME: u32 = 315_532_800;
/// The variable of the environment with the password of a certificate's key.
const CERTIFICATE_PASSWORD: &str = "HELIX_CERTIFICATE_PASSWORD";
/// What the bundle consists of.
pub(crate) const APP: &str = "Helix.app";
const APP_ZIP: &str = "Helix.zip";
/// What has a digest beside it.
pub(crate) const PUBLISHED: [&str; 4] = [APP_ZIP, APP_DMG, UTM_ZIP, helix_provenance::STATEMENT];
pub(crate) const APP_DMG: &str = "Helix.dmg";
pub(crate) const UTM: &str = "helix-linux.utm";
pub(crate) const UTM_ZIP: &str = "helix-linux.utm.zip";
/// The packages whose programs are in the app.
const OWN: [&str; 3] = ["helix-launcher", "helix-host-encoder", "helix-host-encoder-capi"];

/// Hears what is being done.
pub trait Progress: Sync {
    /// A step begins.
    fn begin(&self, step: &str);
    /// So many bytes of so many are done.
    fn at(&self, done: u64, all: u64);
    /// The step is done.
    fn end(&self, summary: &str);
    /// Something within a step.
    fn say(&self, text: &str);
}

/// A bundle that was made.
#[derive(Debug, Serialize)]
pub struct Made {
    /// The app, as a folder.
    pub app: PathBuf,
    /// Who vouches for it.
    pub signature: String,
    /// The identifier of the VM for UTM.
    pub utm_uuid: String,
    /// What can be published; beside each is its digest, and its signature where a key was named.
    pub files: Vec<MadeFile>,
}

/// A file of it.
#[derive(Debug, Serialize)]
pub struct MadeFile {
    /// Where it is.
    pub file: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its sha256, in hexadecimal.
    pub sha256: String,
}

/// Makes the bundle that `args` ask for, of the sources in `root`, which is the project's folder.
///
/// The same image, sysroot and sources give the same bytes; signatures of minisign differ each time.
///
/// # Errors
/// When a part is missing or not good, with all faults of it, and when something cannot be built or written. What was in the
/// folder before stays then.
pub fn make(args: &MakeArgs, root: &Path, progress: &dyn Progress) -> Result<Made, Error> {
    // What the caller's shell masks must not show in a bundle.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let Ready {
        key,
        signer,
        output,
        own,
        #[cfg(feature = "notarization")]
        notary,
    } = ready(args, root)?;
    let folder = output.folder();
    let app = folder.join(APP);
    assemble(args, root, &own, &app, progress)?;
    let signature = sign(&app, &signer, progress)?;
    #[cfg(feature = "notarization")]
    let signature = match &notary {
        Some(notary) => format!("{signature}, {}", notarize(folder, notary, &signer, progress)?),
        None => signature,
    };
    let utm_uuid = utm(args, folder, progress)?;
    pack(args, folder, progress)?;
    progress.begin("publish");
    let mut files = vec![folder.join(UTM_ZIP), folder.join(APP_ZIP)];
    files.extend((!args.no_dmg).then(|| folder.join(APP_DMG)));
    let published = helix_provenance::publish_beside(&files, &build(args, root)?, key.as_ref())?;
    progress.end(&format!("{} files with digests", published.len()));
    let place = output.finish()?;
    let file = |one: &helix_provenance::Published| {
        let file = place.join(one.path.file_name().unwrap_or_default());
        let size = std::fs::metadata(&file).map_err(Error::io("looking at", &file))?.len();
        Ok(MadeFile { file, size, sha256: one.sha256.clone() })
    };
    let files = published.iter().map(file).collect::<Result<_, Error>>()?;
    Ok(Made { app: place.join(APP), signature, utm_uuid, files })
}

/// What was judged before anything is built.
struct Ready {
    key: Option<Key>,
    signer: Signer,
    output: Output,
    /// The licences of what the project's own programs are made of.
    own: Vec<Component>,
    #[cfg(feature = "notarization")]
    notary: Option<helix_notary::Service>,
}

/// Judges everything that takes a second, before what takes minutes; all that is wrong is told together.
fn ready(args: &MakeArgs, root: &Path) -> Result<Ready, Error> {
    let mut wrong = Vec::new();
    let key = heard(key(args), &mut wrong).flatten();
    let signer = heard(signer(args), &mut wrong);
    #[cfg(feature = "notarization")]
    let notary = {
        heard(must_be_vouched_for(args), &mut wrong);
        let asked = args.notarize.then(|| helix_notary::Service::from_environment().map_err(Error::from));
        heard(asked.transpose(), &mut wrong).flatten()
    };
    heard(helix_utm_package::check_arguments(&args.utm_argument).map_err(Error::from), &mut wrong);
    let own = heard(own(root), &mut wrong).unwrap_or_default();
    heard(judge(args), &mut wrong);
    heard(must_fit_disk_image(args), &mut wrong);
    let output = heard(Output::start(&args.output), &mut wrong);
    match (signer, output) {
        (Some(signer), Some(output)) if wrong.is_empty() => Ok(Ready {
            key,
            signer,
            output,
            own,
            #[cfg(feature = "notarization")]
            notary,
        }),
        _ if wrong.len() == 1 => Err(wrong.remove(0)),
        _ => Err(Error::Several(wrong)),
    }
}

/// The value; an error goes to the others.
fn heard<T>(result: Result<T, Error>, wrong: &mut Vec<Error>) -> Option<T> {
    result.map_err(|error| wrong.push(error)).ok()
}

/// What is wrong with sysroot and image. The disk is not read: its digest is compared while it is copied.
fn judge(args: &MakeArgs) -> Result<(), Error> {
    let faults = helix_app::judge(&parts(args, &[]));
    if !faults.is_empty() {
        return Err(helix_app::Error::Faults(faults).into());
    }
    let image = life::Image::read(&args.image).map_err(helix_app::Error::Image)?;
    let missing = |error| life::Error::Image {
        path: image.folder.clone(),
        reason: format!(
            "disk.qcow2: {error}\n  build the image anew with\n    cargo xtask build-image {}",
            image.recipe
        ),
    };
    Ok(std::fs::metadata(image.disk()).map(drop).map_err(missing).map_err(helix_app::Error::Image)?)
}

/// What the app is made of besides the project's own programs.
fn parts<'a>(args: &'a MakeArgs, own: &'a [Component]) -> Parts<'a> {
    let vm = match (args.vm, &args.disk_url) {
        (VmArg::Download, Some(url)) => Vm::Download { image: &args.image, url },
        _ => Vm::Embed(&args.image),
    };
    Parts { sysroot: &args.sysroot, own, vm, version: &args.app_version, epoch: TIME }
}

fn key(args: &MakeArgs) -> Result<Option<Key>, Error> {
    let Some(path) = &args.minisign_key else { return Ok(None) };
    let password =
        helix_provenance::password(helix_provenance::PASSWORD_VARIABLE, args.minisign_password_file.as_ref())?;
    Ok(Some(Key::open(path, password.as_deref())?))
}

/// A disk in the app has to fit into the disk image too.
fn must_fit_disk_image(args: &MakeArgs) -> Result<(), Error> {
    let disk = args.image.join("disk.qcow2");
    // One that is missing is told with the image's other faults.
    let bytes = std::fs::metadata(&disk).map_or(0, |metadata| metadata.len());
    if args.no_dmg || args.vm == VmArg::Download || bytes <= helix_archives::largest_in_disk_image() {
        return Ok(());
    }
    let why = "has 4 GiB or more, which a .dmg that is made on Linux cannot hold; add --no-dmg, or --vm download, or make it on a Mac";
    Err(Error::Place { path: disk, why })
}

/// What Apple would refuse after minutes.
#[cfg(feature = "notarization")]
fn must_be_vouched_for(args: &MakeArgs) -> Result<(), Error> {
    let none = args.timestamp_url.as_deref() == Some("none");
    match args.notarize && (none || args.codesign.as_deref() == Some("-")) {
        false => Ok(()),
        true => Err(Error::Place {
            path: args.output.clone(),
            why: "Apple notarises no ad hoc signature and none without timestamps; leave out --notarize, or --timestamp-url none",
        }),
    }
}

/// Who signs the app.
enum Signer {
    Own(Identity),
    Codesign(String),
}

fn signer(args: &MakeArgs) -> Result<Signer, Error> {
    if let Some(name) = &args.codesign {
        return Ok(Signer::Codesign(name.clone()));
    }
    let Some(certificate) = &args.certificate else { return Ok(Signer::Own(Identity::ad_hoc())) };
    let password = helix_provenance::password(CERTIFICATE_PASSWORD, args.certificate_password_file.as_ref())?;
    let key = args.certificate_key.as_deref();
    let timestamps = match args.timestamp_url.as_deref() {
        None => Timestamps::Usual,
        Some("none") => Timestamps::None,
        Some(url) => Timestamps::From(url),
    };
    let files = CertificateFiles { certificate, key, password: password.as_deref() };
    Ok(Signer::Own(Identity::load(&files, timestamps)?))
}

fn assemble(args: &MakeArgs, root: &Path, own: &[Component], app: &Path, progress: &dyn Progress) -> Result<(), Error> {
    progress.begin("programs");
    let say = |text: &str| progress.say(text);
    let order =
        Order { target: Target::Mac, root, output: Path::new("target/launcher"), imports: LAUNCHER_IMPORTS, hint: "" };
    let launcher = helix_products::build(&[helix_products::launcher()], &order, &say)?;
    let encoder = helix_host_encoder_artifacts::BuildArgs {
        target: Some(Target::Mac),
        output: PathBuf::from("target/host-encoder"),
    };
    let encoder = helix_host_encoder_artifacts::build(&encoder, root, &say)?;
    progress.end("");
    progress.begin("app");
    let programs = Programs {
        launcher: of(&launcher, "Helix")?,
        host_encoder: of(&encoder, "helix-host-encoder")?,
        host_encoder_library: of(&encoder, "libhelix_host_encoder_capi.dylib")?,
    };
    helix_app::assemble(&parts(args, own), &programs, app)?;
    progress.end("");
    Ok(())
}

/// The file that was built by this name.
fn of<'a>(made: &'a [Artifact], name: &str) -> Result<&'a Path, Error> {
    let found = made.iter().find(|artifact| artifact.file.ends_with(name)).map(|artifact| artifact.file.as_path());
    found.ok_or_else(|| Error::Faults { what: "what was built".to_owned(), faults: vec![format!("{name} is missing")] })
}

/// The licences of what the project's own programs are made of.
fn own(root: &Path) -> Result<Vec<Component>, Error> {
    Ok(helix_app::of_crates(root, &OWN, &compiler(root)?)?)
}

/// The version of the compiler, as `1.95.0`.
fn compiler(root: &Path) -> Result<String, Error> {
    let text = Cmd::new("rustc").arg("--version").dir(root).output()?.text();
    Ok(text.split_whitespace().nth(1).unwrap_or_default().to_owned())
}

/// Signs the app, looks at it, and says who vouches for it.
fn sign(app: &Path, signer: &Signer, progress: &dyn Progress) -> Result<String, Error> {
    progress.begin("sign");
    let identity = match signer {
        Signer::Own(identity) => identity,
        Signer::Codesign(name) => {
            // Its signatures have another form than those that are verified here; it looked at them itself.
            helix_signing::sign_by_codesign(app, name)?;
            let signature = format!("by codesign as {name:?}");
            return good(helix_app::check(app).iter().map(ToString::to_string).collect(), signature, progress);
        }
    };
    let all = Tree::read(app)?.bytes();
    let hashed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let signing = scope.spawn(|| helix_signing::sign(app, identity, &hashed));
        while !signing.is_finished() {
            progress.at(hashed.load(Ordering::Relaxed), all);
            std::thread::sleep(Duration::from_millis(50));
        }
        signing.join().expect("a signer does not panic")
    })?;
    let (faults, report) = look(app)?;
    progress.say(&format!("{} programs and libraries, {} entries sealed", report.codes, report.sealed));
    good(faults, report.authority.to_string(), progress)
}

/// Everything that is wrong with an app.
fn look(app: &Path) -> Result<(Vec<String>, Report), Error> {
    let report = helix_signing::verify(app)?;
    let mut faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    faults.extend(helix_app::check(app).iter().map(ToString::to_string));
    Ok((faults, report))
}

/// Has Apple look at the app, and puts its ticket into it.
#[cfg(feature = "notarization")]
fn notarize(
    folder: &Path,
    notary: &helix_notary::Service,
    signer: &Signer,
    progress: &dyn Progress,
) -> Result<String, Error> {
    let (app, archive) = (folder.join(APP), folder.join(APP_ZIP));
    progress.begin("notarise");
    zip(&app, &archive, progress)?;
    let ticket = notary.notarize(&archive, &helix_signing::cd_hash(&app)?, &mut |event| match event {
        helix_notary::Event::Uploaded(done, all) => progress.at(done, all),
        helix_notary::Event::Said(text) => progress.say(&text),
    })?;
    helix_notary::staple(&app, &ticket)?;
    std::fs::remove_file(&archive).map_err(Error::io("removing", &archive))?;
    let faults = match signer {
        Signer::Own(_) => look(&app)?.0,
        Signer::Codesign(_) => helix_app::check(&app).iter().map(ToString::to_string).collect(),
    };
    good(faults, "notarised".to_owned(), progress)
}

/// The end of a step, when nothing is wrong.
fn good(faults: Vec<String>, signature: String, progress: &dyn Progress) -> Result<String, Error> {
    if !faults.is_empty() {
        return Err(Error::Faults { what: APP.to_owned(), faults });
    }
    progress.end(&signature);
    Ok(signature)
}

/// The package for UTM, which stays as an archive only. Returns the VM's identifier.
fn utm(args: &MakeArgs, folder: &Path, progress: &dyn Progress) -> Result<String, Error> {
    progress.begin("package for UTM");
    let package = folder.join(UTM);
    let options = helix_utm_package::Options { arguments: args.utm_argument.clone(), ..Default::default() };
    let made = helix_utm_package::create(&args.image, &package, &options, &mut |done, all| progress.at(done, all))?;
    zip(&package, &folder.join(UTM_ZIP), progress)?;
    std::fs::remove_dir_all(&package).map_err(Error::io("removing", &package))?;
    progress.end("");
    Ok(made.uuid)
}

fn time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(TIME.into())
}

fn zip(from: &Path, to: &Path, progress: &dyn Progress) -> Result<(), Error> {
    Ok(helix_archives::write_zip(&Tree::read(from)?, time(), to, &mut |done, all| progress.at(done, all))?)
}

/// The app as one file, in each form that is wanted.
fn pack(args: &MakeArgs, folder: &Path, progress: &dyn Progress) -> Result<(), Error> {
    let app = folder.join(APP);
    progress.begin("zip");
    zip(&app, &folder.join(APP_ZIP), progress)?;
    progress.end("");
    if args.no_dmg {
        return Ok(());
    }
    progress.begin("disk image");
    let icon = app.join("Contents/Resources/AppIcon.icns");
    let volume = Volume { name: "Helix", icon: Some(&icon), modified: time() };
    let place = folder.join(APP_DMG);
    helix_archives::write_disk_image(&Tree::read(&app)?, &volume, &place, &mut |done, all| progress.at(done, all))?;
    progress.end("");
    Ok(())
}

/// What the provenance says of how it was made.
fn build(args: &MakeArgs, root: &Path) -> Result<Build, Error> {
    let vm = if args.vm == VmArg::Download { "download" } else { "embed" };
    let options = json!({ "vm": vm, "disk-url": args.disk_url, "app-version": args.app_version, "utm-arguments": args.utm_argument });
    let tools = [("helix-bundle", env!("CARGO_PKG_VERSION").to_owned()), ("rustc", compiler(root)?)];
    Ok(Build {
        image: args.image.clone(),
        sysroot: Some(args.sysroot.clone()),
        source: source(root),
        options: options.as_object().cloned().unwrap_or_default(),
        tools: BTreeMap::from_iter(tools.map(|(name, version)| (name.to_owned(), version))),
        builder: args.builder.clone(),
    })
}

/// The commit, where the sources are just those of one that can be had somewhere.
fn source(root: &Path) -> Option<Source> {
    let git = |words: &[&str]| {
        let text = Cmd::new("git").arg("-C").arg(root).args(words).output().ok()?.text();
        Some(text.trim().to_owned())
    };
    let changed = git(&["status", "--porcelain"])?;
    let (uri, commit) = (git(&["remote", "get-url", "origin"])?, git(&["rev-parse", "HEAD"])?);
    (changed.is_empty() && uri.starts_with("https://")).then(|| Source { uri: format!("git+{uri}"), commit })
}
