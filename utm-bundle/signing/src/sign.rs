//! Signs an app from the inside out: what is sealed must be signed before.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use helix_macho::Unsigned;

use crate::blob::{
    self, CMS, SLOT_CMS, SLOT_DIRECTORY, SLOT_ENTITLEMENTS, SLOT_ENTITLEMENTS_DER, SLOT_INFO, SLOT_REQUIREMENTS,
    SLOT_RESOURCES,
};
use crate::bundle::{Bundle, Code, LARGEST_CODE, LARGEST_LIST};
use crate::directory::{self, Facts, Special, sha256};
use crate::entitlements;
use crate::error::{Error, Fault};
use crate::identity::{Identity, now};
use crate::message;
use crate::requirement;
use crate::resources::{self, Inner, Sealed};

/// A signature's length is a multiple of this, so that what follows could begin there.
const ALIGNMENT: usize = 16;

/// Signs all code of an app, and seals its files; signatures that are there are replaced. The same app gives the same
/// bytes, but for the time in what a certificate signs. As many files are signed at a time as there are processors; `hashed` counts the bytes of sealed files.
///
/// # Errors
/// When it is no app, or a program or library cannot be signed, with all faults; when a file cannot be read or written, or there
/// is no timestamp. An app
/// that was signed in part is one that [`crate::verify`] refuses, and can be signed again.
pub fn sign(app: &Path, identity: &Identity, hashed: &AtomicU64) -> Result<(), Error> {
    let bundle = Bundle::read(app)?;
    let signed = Mutex::new(Inner::new());
    let faults = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Error> {
        while let Some(code) = bundle.inner.get(next.fetch_add(1, Ordering::Relaxed)) {
            match sign_one(&bundle, code, identity, &Inner::new(), hashed) {
                Ok(sealed) => drop(signed.lock().expect("no holder panics").insert(code.nested.clone(), sealed)),
                Err(Error::App { faults: more, .. }) => faults.lock().expect("no holder panics").extend(more),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a signer does not panic"))
    })?;
    let mut faults = faults.into_inner().expect("no holder panics");
    if !faults.is_empty() {
        faults.sort();
        return Err(Error::App { app: app.to_owned(), faults });
    }
    let signed = signed.into_inner().expect("no holder panics");
    sign_one(&bundle, &bundle.main, identity, &signed, hashed).map(drop)
}

/// Signs one program or library, its seal first.
fn sign_one(
    bundle: &Bundle,
    code: &Code,
    identity: &Identity,
    inner: &Inner,
    hashed: &AtomicU64,
) -> Result<Sealed, Error> {
    let path = bundle.app.join(&code.path);
    let data = bundle.bytes(&code.path, LARGEST_CODE)?;
    let refuse = |what: String| Error::App { app: bundle.app.clone(), faults: vec![Fault::new(&code.path, what)] };
    let mut file = Unsigned::read(data).map_err(|why| refuse(why.to_string()))?;
    let mut special = Vec::new();
    if let (Some((folder, info)), Some(seal)) = (&code.sealed, code.seal()) {
        let info = bundle.bytes(&format!("{folder}/{info}"), LARGEST_LIST)?;
        let text = resources::text(resources::seal(bundle, code, inner, hashed)?);
        special.extend([(SLOT_INFO, sha256(&info)), (SLOT_RESOURCES, sha256(&text))]);
        write(&bundle.app.join(seal), &[&text], 0o644, &path)?;
    }
    let (signature, cd_hash) = signature(&mut file, code, identity, special)?;
    write(&path, &[&file.code, &signature], 0o755, &path)?;
    Ok(Sealed { cd_hash, requirement: requirement::text(&code.identifier, &cd_hash, identity.vouching()) })
}

/// The signature of a file, whose load commands then tell of it, and the hash that stands for it.
fn signature(
    file: &mut Unsigned,
    code: &Code,
    identity: &Identity,
    mut special: Vec<Special>,
) -> Result<(Vec<u8>, [u8; 20]), Error> {
    let signer = identity.vouching();
    let entitlements = entitlements::of(code);
    let (plist, der) = (entitlements::as_plist(entitlements), entitlements::as_der(entitlements));
    let requirements = requirement::set(&code.identifier, signer);
    let mut beside = blob::beside_directory(&requirements, plist.as_deref(), der.as_deref());
    let hashed = [SLOT_REQUIREMENTS, SLOT_ENTITLEMENTS, SLOT_ENTITLEMENTS_DER];
    special.extend(beside.iter().filter(|(slot, _)| hashed.contains(slot)).map(|(slot, blob)| (*slot, sha256(blob))));
    let team = signer.and_then(|signer| signer.leaf().team());
    let vouched = signer.map(|_| team.as_deref());
    let facts = Facts { identifier: &code.identifier, special: &special, vouched };
    // The pages that are hashed tell how long the signature is, before there is the message of the signer.
    let index = 12 + 8 * (beside.len() + 2);
    let rest: usize = beside.iter().map(|(_, blob)| blob.len()).sum();
    let message = 8 + identity.message_room();
    let size = (index + directory::length(file.code.len(), &facts) + rest + message).next_multiple_of(ALIGNMENT);
    file.make_room(size as u32);
    let directory = directory::build(file, &facts);
    let hash = directory::cd_hash(&directory);
    let message = signer.map(|_| message::make(&directory, identity, now())).transpose()?;
    beside.push((SLOT_CMS, blob::blob(CMS, &message.unwrap_or_default())));
    let blobs: Vec<(u32, Vec<u8>)> = [(SLOT_DIRECTORY, directory)].into_iter().chain(beside).collect();
    let mut signature = blob::table(&blobs);
    if signature.len() > size {
        return Err(Error::Key { why: format!("its messages are longer than the {size} bytes that were kept") });
    }
    signature.resize(size, 0);
    Ok((signature, hash))
}

/// Writes a file aside, and gives it its name. It and its folder get the time of the file `like`: all of an app has one time.
fn write(path: &Path, parts: &[&[u8]], mode: u32, like: &Path) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let modified = std::fs::metadata(like)?.modified()?;
        let date = |folder: &Path| std::fs::File::open(folder)?.set_modified(modified);
        if !folder.exists() {
            std::fs::create_dir(folder)?;
            folder.parent().map_or(Ok(()), date)?;
        }
        let mut aside = tempfile::Builder::new().prefix(".signing-").tempfile_in(folder)?;
        parts.iter().try_for_each(|part| aside.write_all(part))?;
        aside.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        aside.as_file().set_modified(modified)?;
        aside.as_file().sync_all()?;
        aside.persist(path)?;
        date(folder)
    };
    write().map_err(Error::io("writing", path))
}
