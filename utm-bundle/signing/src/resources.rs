//! The seal of a bundle, `CodeResources`: a hash of each file, and what stands for the code in it.
//!
//! It has two halves. `files` is for systems before OS X 10.9 and lists resources by SHA-1; `files2` lists everything. The rules
//! beside them say what is to be listed; they are codesign's own, word for word, since macOS refuses an app whose rules leave
//! out more.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use plist::{Dictionary, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::bundle::{Bundle, Code, LARGEST_CODE, Thing};
use crate::error::{Error, Fault};

/// The largest disk that is sealed, in bytes.
const LARGEST_DISK: u64 = 256 << 30;

/// What stands for code in a seal.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) cd_hash: [u8; 20],
    /// By what other code counts as the same.
    pub(crate) requirement: String,
}

/// The code in a bundle, by its path below the app.
pub(crate) type Inner = BTreeMap<String, Sealed>;

/// A file's name in the seal, and its two hashes.
type Hashed<'a> = (&'a str, Vec<u8>, Vec<u8>);

/// The seal of the bundle of `code`. Other code in it stands in `inner`; what is neither that nor a resource is a fault.
pub(crate) fn seal(bundle: &Bundle, code: &Code, inner: &Inner, hashed: &AtomicU64) -> Result<Dictionary, Error> {
    let (folder, _) = code.sealed.as_ref().expect("only a bundle has a seal");
    let mut files = Vec::new();
    let mut files2 = Dictionary::new();
    let mut faults = Vec::new();
    let prefix = format!("{folder}/");
    let inside = bundle.things.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
    for (path, thing) in inside.filter(|(path, _)| **path != code.path) {
        let name = &path[prefix.len()..];
        match (place(name), thing) {
            (Place::Omitted, _) => {}
            (Place::Nested, _) => match inner.iter().find(|(nested, _)| *nested == path || is_below(path, nested)) {
                Some((nested, sealed)) => {
                    files2.insert(nested[prefix.len()..].to_owned(), nested_entry(sealed));
                }
                None => faults.push(Fault::new(path, "is no code; what is no code belongs into Resources")),
            },
            (Place::Resource, Thing::Link(target)) => {
                let link = Dictionary::from_iter([("symlink", Value::from(target.as_str()))]);
                files2.insert(name.to_owned(), link.into());
            }
            (Place::Resource, Thing::File) => {
                let file = bundle.app.join(path);
                let size = std::fs::metadata(&file).map_err(Error::io("looking at", &file))?.len();
                let most = largest(name);
                if size > most {
                    faults.push(Fault::new(path, format!("has {size} bytes; more than {most} are not read")));
                }
                files.push((name, file));
            }
        }
    }
    if !faults.is_empty() {
        return Err(Error::App { app: bundle.app.clone(), faults });
    }
    let mut files1 = Dictionary::new();
    for (name, sha1, sha256) in hash_all(&files, hashed)? {
        files1.insert(name.to_owned(), Value::Data(sha1));
        let entry = Dictionary::from_iter([("hash2", Value::Data(sha256))]);
        files2.insert(name.to_owned(), entry.into());
    }
    files1.sort_keys();
    files2.sort_keys();
    Ok(Dictionary::from_iter([
        ("files", Value::Dictionary(files1)),
        ("files2", files2.into()),
        ("rules", rules().into()),
        ("rules2", rules2().into()),
    ]))
}

/// As it is written.
pub(crate) fn text(seal: Dictionary) -> Vec<u8> {
    let mut text = Vec::new();
    Value::Dictionary(seal).to_writer_xml(&mut text).expect("strings are written to memory");
    text.push(b'\n');
    text
}

/// What the rules make of a path below the sealed folder.
enum Place {
    /// Known otherwise: by the code directory, or as the seal itself.
    Omitted,
    Nested,
    Resource,
}

fn place(name: &str) -> Place {
    match name.split('/').collect::<Vec<_>>()[..] {
        ["Resources", ..] => Place::Resource,
        // The ticket of a notarised app is CodeResources without a folder.
        ["Info.plist" | "PkgInfo" | "CodeResources"] | ["_CodeSignature", ..] => Place::Omitted,
        _ => Place::Nested,
    }
}

/// The most that is hashed of a resource. A file of a TiB takes no room on a disk, and would take an hour here.
fn largest(name: &str) -> u64 {
    if name.ends_with(".qcow2") { LARGEST_DISK } else { LARGEST_CODE }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn nested_entry(sealed: &Sealed) -> Value {
    let requirement = sealed.requirement.as_str().into();
    Dictionary::from_iter([("cdhash", Value::Data(sealed.cd_hash.to_vec())), ("requirement", requirement)]).into()
}

/// Hashes all files, as many at a time as there are processors. The two hashes of a file are two pieces of work: the disk is nearly
/// all of an app, and two processors that read it are done sooner than one that reads it once.
fn hash_all<'a>(files: &[(&'a str, PathBuf)], hashed: &AtomicU64) -> Result<Vec<Hashed<'a>>, Error> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(vec![Vec::new(); 2 * files.len()]);
    let work = || -> Result<(), Error> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((_, path)) = files.get(at / 2) else { return Ok(()) };
            let nothing = AtomicU64::new(0);
            let hash = if at.is_multiple_of(2) { hash::<Sha1>(path, &nothing) } else { hash::<Sha256>(path, hashed) };
            done.lock().expect("no holder panics")[at] = hash.map_err(Error::io("reading", path))?;
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(2 * files.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a reader does not panic"))
    })?;
    let hashes = done.into_inner().expect("no holder panics");
    let pairs = files.iter().zip(hashes.chunks_exact(2));
    Ok(pairs.map(|((name, _), pair)| (*name, pair[0].clone(), pair[1].clone())).collect())
}

fn hash<D: Digest>(path: &Path, hashed: &AtomicU64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut digest = D::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(digest.finalize().to_vec());
        }
        digest.update(&buffer[..read]);
        hashed.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// A rule, which says of paths like this what becomes of them, and how much it weighs against others.
fn rule(flag: Option<&str>, weight: f64) -> Value {
    let flag = flag.map(|flag| (flag, Value::Boolean(true)));
    Dictionary::from_iter(flag.into_iter().chain([("weight", Value::Real(weight))])).into()
}

/// The rules of `files`.
pub(crate) fn rules() -> Dictionary {
    Dictionary::from_iter([
        ("^Resources/", Value::Boolean(true)),
        (r"^Resources/.*\.lproj/", rule(Some("optional"), 1000.0)),
        (r"^Resources/.*\.lproj/locversion.plist$", rule(Some("omit"), 1100.0)),
        (r"^Resources/Base\.lproj/", rule(None, 1010.0)),
        ("^version.plist$", Value::Boolean(true)),
    ])
}

/// The rules of `files2`.
pub(crate) fn rules2() -> Dictionary {
    let nested = "^(Frameworks|SharedFrameworks|PlugIns|Plug-ins|XPCServices|Helpers|MacOS|Library/(Automator|Spotlight|LoginItems))/";
    Dictionary::from_iter([
        (r".*\.dSYM($|/)", rule(None, 11.0)),
        (r"^(.*/)?\.DS_Store$", rule(Some("omit"), 2000.0)),
        (nested, rule(Some("nested"), 10.0)),
        ("^.*", Value::Boolean(true)),
        (r"^Info\.plist$", rule(Some("omit"), 20.0)),
        ("^PkgInfo$", rule(Some("omit"), 20.0)),
        ("^Resources/", rule(None, 20.0)),
        (r"^Resources/.*\.lproj/", rule(Some("optional"), 1000.0)),
        (r"^Resources/.*\.lproj/locversion.plist$", rule(Some("omit"), 1100.0)),
        (r"^Resources/Base\.lproj/", rule(None, 1010.0)),
        ("^[^/]+$", rule(Some("nested"), 10.0)),
        (r"^embedded\.provisionprofile$", rule(None, 20.0)),
        (r"^version\.plist$", rule(None, 20.0)),
    ])
}
