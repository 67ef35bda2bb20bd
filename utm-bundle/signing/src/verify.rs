//! Looks at a signed app as if somebody else had made it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use helix_macho::{Kind, MachO, Unsigned};
use plist::{Dictionary, Value};

use crate::blob::{
    self, CMS, SLOT_CMS, SLOT_DIRECTORY, SLOT_ENTITLEMENTS, SLOT_INFO, SLOT_REQUIREMENTS, SLOT_RESOURCES,
};
use crate::bundle::{self, Bundle, Code, LARGEST_CODE, LARGEST_LIST};
use crate::directory::{self, AD_HOC, Directory, Facts, RUNTIME, Signature, Special, sha256};
use crate::entitlements;
use crate::error::{Error, Fault};
use crate::identity::now;
use crate::requirement::{self, Signer};
use crate::resources::{self, Inner, Sealed};
use crate::timestamp;

/// Where the ticket of a notarised app is.
const TICKET: &str = "Contents/CodeResources";
/// More than any ticket has, in bytes.
const LARGEST_TICKET: u64 = 1 << 20;
/// More than is kept for the message of a signer: a timestamp, and certificates.
const LARGEST_MESSAGE: usize = timestamp::ROOM + (32 << 10);

/// What was found in an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who vouches for it, as far as it is good.
    pub authority: Authority,
    /// Whether it has a ticket of Apple's notary service. What is in it, only a Mac can tell.
    pub ticket: bool,
    /// How many programs and libraries were looked at.
    pub codes: usize,
    /// How many files the seals list.
    pub sealed: usize,
    /// Everything that is wrong; nothing for an app that is as it was signed.
    pub faults: Vec<Fault>,
}

/// Who vouches for an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// Nobody.
    AdHoc,
    /// The holder of a certificate.
    Certificate {
        /// Whose it is.
        name: String,
        /// The name of the root above it. Of foreign roots only Apple's is known here; who the others are, macOS asks its user.
        root: String,
        /// The team to which Apple gave it.
        team: Option<String>,
        /// The roots above the authorities for timestamps; none when a signature has no timestamp.
        timestamps: Vec<String>,
    },
}

impl std::fmt::Display for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Certificate { name, root, timestamps, .. } = self else { return f.write_str("ad hoc") };
        write!(f, "by {name:?} under {root:?}, ")?;
        match &timestamps[..] {
            [] => f.write_str("without timestamps"),
            roots => write!(f, "with timestamps under {}", quoted(roots)),
        }
    }
}

/// Compares an app with its signatures: each page of each program and library, entitlements, each sealed file, each piece of code
/// with what the seal around it says, and that nothing was added. Whether the parts are those of Helix.app is not asked here.
///
/// # Errors
/// When a file cannot be read. What has not the shape of an app is a fault.
pub fn verify(app: &Path) -> Result<Report, Error> {
    verify_at(app, now())
}

/// As [`verify`], at another time since 1970: what has no timestamp is good only as long as the certificates.
///
/// # Errors
/// The same.
pub fn verify_at(app: &Path, time: Duration) -> Result<Report, Error> {
    let bundle = match Bundle::read(app) {
        Ok(bundle) => bundle,
        Err(Error::App { faults, .. }) => {
            return Ok(Report { authority: Authority::AdHoc, ticket: false, codes: 0, sealed: 0, faults });
        }
        Err(error) => return Err(error),
    };
    let signer = signer(&bundle)?;
    let signer = signer.as_ref();
    let mut check =
        Check { bundle: &bundle, signer, times: Times::default(), found: Inner::new(), sealed: 0, faults: Vec::new() };
    for code in &bundle.inner {
        if let Some(cd_hash) = check.code(code)? {
            let requirement = requirement::text(&code.identifier, &cd_hash, signer);
            check.found.insert(code.nested.clone(), Sealed { cd_hash, requirement });
        }
        check.seal(code, &Inner::new())?;
    }
    let cd_hash = check.code(&bundle.main)?;
    if let Some(signer) = signer {
        check.vouching(signer, time);
    }
    let found = std::mem::take(&mut check.found);
    check.seal(&bundle.main, &found)?;
    check.leftovers();
    let ticket = check.ticket(cd_hash)?;
    check.faults.sort();
    let authority = match signer {
        None => Authority::AdHoc,
        Some(signer) => Authority::Certificate {
            name: signer.leaf().name(),
            root: signer.path.last().map(|root| root.name()).unwrap_or_default(),
            team: signer.leaf().team(),
            timestamps: check.times.roots(),
        },
    };
    Ok(Report { authority, ticket, codes: bundle.codes().count(), sealed: check.sealed, faults: check.faults })
}

/// The hash of the code directory of an app's own program, by which Apple knows the app.
///
/// # Errors
/// When it is no app, or not signed.
pub fn cd_hash(app: &Path) -> Result<[u8; 20], Error> {
    let bundle = Bundle::read(app)?;
    let data = bundle.bytes(&bundle.main.path, LARGEST_CODE)?;
    let refuse = |what: String| Error::App { app: app.to_owned(), faults: vec![Fault::new(&bundle.main.path, what)] };
    let place = MachO::read(&data).map_err(|why| refuse(why.to_string()))?.signature;
    let place = place.ok_or_else(|| refuse("is not signed".to_owned()))?;
    let signature = data.get(place.offset as usize..).unwrap_or_default();
    Signature::read(signature).map(|signature| signature.cd_hash).map_err(|why| refuse(why.to_owned()))
}

/// Who vouches for the app: the first whose message is good, the app's own program asked first. All other code must have the same.
fn signer(bundle: &Bundle) -> Result<Option<Signer>, Error> {
    for code in [&bundle.main].into_iter().chain(&bundle.inner) {
        let data = match bundle.bytes(&code.path, LARGEST_CODE) {
            // It is told when the code itself is looked at.
            Err(Error::App { .. }) => continue,
            data => data?,
        };
        let Ok(MachO { signature: Some(place), .. }) = MachO::read(&data) else { continue };
        let Ok(signature) = Signature::read(data.get(place.offset as usize..).unwrap_or_default()) else { continue };
        if let Some(Ok(message)) = signature.message() {
            return Ok(Some(message.signer));
        }
    }
    Ok(None)
}

/// What was seen of timestamps.
#[derive(Default)]
struct Times {
    /// The roots above the authorities, and whether each is Apple's.
    seen: BTreeSet<(String, bool)>,
    /// Whether there is code without one.
    missing: bool,
}

impl Times {
    /// The names of the roots, where all code has timestamps.
    fn roots(&self) -> Vec<String> {
        self.seen.iter().filter(|_| !self.missing).map(|(root, _)| root.clone()).collect()
    }

    /// The names of roots that are not Apple's.
    fn foreign(&self) -> Vec<String> {
        self.seen.iter().filter(|(_, apples)| !apples).map(|(root, _)| root.clone()).collect()
    }
}

struct Check<'a> {
    bundle: &'a Bundle,
    /// Who has to vouch for all code.
    signer: Option<&'a Signer>,
    times: Times,
    /// What stands for code that was looked at.
    found: Inner,
    sealed: usize,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, path: &str, what: impl Into<String>) {
        self.faults.push(Fault::new(path, what));
    }

    /// The bytes of a file; where there is none, that is a fault.
    fn bytes(&mut self, path: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
        let bytes = self.bundle.bytes(path, most);
        self.or_faults(bytes)
    }

    /// What there is, or nothing when the app is at fault.
    fn or_faults<T>(&mut self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Err(Error::App { faults, .. }) => {
                self.faults.extend(faults);
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    /// Looks at one program or library, and says what stands for it.
    fn code(&mut self, code: &Code) -> Result<Option<[u8; 20]>, Error> {
        let Some(data) = self.bytes(&code.path, LARGEST_CODE)? else { return Ok(None) };
        let known = self.faults.len();
        let file = match MachO::read(&data) {
            Ok(file) => file,
            Err(why) => {
                self.fault(&code.path, why.to_string());
                return Ok(None);
            }
        };
        let Some(signature) = file.signature else {
            self.fault(&code.path, "is not signed");
            return Ok(None);
        };
        if signature.covered != signature.offset {
            self.fault(&code.path, "the signature does not cover all of the file");
        }
        if !signature.changed_pages.is_empty() {
            let pages: Vec<String> = signature.changed_pages.iter().take(5).map(usize::to_string).collect();
            let more = if signature.changed_pages.len() > 5 { ", …" } else { "" };
            self.fault(&code.path, format!("was changed after it was signed, in its pages {}{more}", pages.join(", ")));
        }
        let (kind, rest) = (file.head.kind, data.get(signature.offset as usize..).unwrap_or_default().to_vec());
        let Ok(signature) = Signature::read(&rest).map_err(|why| self.fault(&code.path, why)) else { return Ok(None) };
        let special = self.signature(code, &signature, &rest, kind)?;
        if self.faults.len() == known {
            self.remade(code, &signature, data, &special);
        }
        Ok(Some(signature.cd_hash))
    }

    /// Compares the code directory with the one that is made of the same file. Those above say what is wrong with a field that
    /// has a name for people; this finds the others, such as the bounds of the code segment, of which a seal says nothing where
    /// the program is the app's own.
    fn remade(&mut self, code: &Code, signature: &Signature<'_>, data: Vec<u8>, special: &[Special]) {
        let file = match Unsigned::read(data) {
            Ok(file) => file,
            Err(why) => return self.fault(&code.path, why.to_string()),
        };
        let team = self.signer.and_then(|signer| signer.leaf().team());
        let vouched = self.signer.map(|_| team.as_deref());
        let wanted = directory::build(&file, &Facts { identifier: &code.identifier, special, vouched });
        let found = signature.part(SLOT_DIRECTORY).unwrap_or_default();
        if found != wanted {
            let at = found.iter().zip(&wanted).take_while(|(found, wanted)| found == wanted).count();
            self.fault(&code.path, format!("its code directory is not that of this file, from byte {at} of it on"));
        }
    }

    /// Looks at a signature: its table of blobs to the end of the file. Returns the hashes that its directory must have besides
    /// those of pages.
    fn signature(
        &mut self,
        code: &Code,
        signature: &Signature<'_>,
        data: &[u8],
        kind: Kind,
    ) -> Result<Vec<Special>, Error> {
        let wanted = beside(code, self.signer);
        let slots: BTreeSet<u32> = signature.blobs.iter().map(|(slot, _)| *slot).collect();
        let known: BTreeSet<u32> = wanted.iter().map(|(slot, _)| *slot).chain([SLOT_DIRECTORY, SLOT_CMS]).collect();
        if signature.blobs.len() != slots.len() || !slots.is_subset(&known) {
            self.fault(
                &code.path,
                "its signature has parts that do not belong there: entitlements, or another directory",
            );
        }
        for (slot, blob) in &wanted {
            if signature.part(*slot) != Some(blob) {
                self.fault(&code.path, format!("{} not as this program has to have them", named(*slot)));
            }
        }
        self.message(code, signature);
        self.padding(code, &signature.blobs, data);
        self.directory(code, &signature.directory, kind, &wanted)
    }

    /// What is wrong with who vouches for all code.
    fn vouching(&mut self, signer: &Signer, time: Duration) {
        let mut faults = Vec::new();
        if !signer.is_anchored() {
            faults.push("its signer claims a Developer ID, and the root above it is not Apple's".to_owned());
        }
        let foreign = self.times.foreign();
        if signer.is_developer_id() && !foreign.is_empty() {
            faults.push(format!(
                "its signer claims a Developer ID, and its timestamps are not Apple's, but of an authority under {}",
                quoted(&foreign)
            ));
        }
        if self.times.missing {
            let expired = signer.path.iter().filter_map(|one| one.expired(time));
            faults.extend(expired.map(|why| format!("{why}, and nothing says that it was signed before")));
        }
        for what in faults {
            self.fault(&self.bundle.main.path, what);
        }
    }

    /// Whoever vouches for one program or library vouches for all.
    fn message(&mut self, code: &Code, signature: &Signature<'_>) {
        let nobody = blob::blob(CMS, &[]);
        let what = match (signature.message(), self.signer) {
            (None, None) if signature.part(SLOT_CMS) == Some(&nobody[..]) => return,
            (None, None) => "the part of its signature that names its signer is missing, or damaged".to_owned(),
            (None, Some(signer)) => format!("nobody vouches for it, and {:?} for the app", signer.leaf().name()),
            (Some(Err(why)), _) => why,
            (Some(Ok(message)), signer) if Some(&message.signer) == signer => {
                self.times.missing |= message.timestamp.is_none();
                self.times.seen.extend(message.timestamp.map(|stamp| (stamp.root(), stamp.is_apples())));
                return;
            }
            (Some(Ok(message)), _) => {
                format!("{:?} vouches for it, not who signed the app", message.signer.leaf().name())
            }
        };
        self.fault(&code.path, what);
    }

    /// What is behind the last blob is zero, and no more than is kept.
    fn padding(&mut self, code: &Code, blobs: &[(u32, &[u8])], data: &[u8]) {
        let parts: Vec<(u32, Vec<u8>)> = blobs.iter().map(|(slot, blob)| (*slot, blob.to_vec())).collect();
        let packed = blob::table(&parts);
        let rest = data.strip_prefix(&packed[..]);
        let most = if self.signer.is_some() { 16 + LARGEST_MESSAGE } else { 16 };
        if rest.is_none_or(|rest| rest.len() >= most || rest.iter().any(|byte| *byte != 0)) {
            self.fault(&code.path, "its signature has bytes that belong to no part of it");
        }
    }

    fn directory(
        &mut self,
        code: &Code,
        directory: &Directory,
        kind: Kind,
        beside: &[(u32, Vec<u8>)],
    ) -> Result<Vec<Special>, Error> {
        if !directory.is_of_our_version(self.signer.is_some()) {
            self.fault(&code.path, "its code directory is of another version than is made here");
        }
        let flags = if self.signer.is_some() { RUNTIME } else { AD_HOC };
        if directory.flags != flags {
            let found = directory.flags;
            self.fault(&code.path, format!("its signature has the flags {found:#x}, not {flags:#x}"));
        }
        let team = self.signer.and_then(|signer| signer.leaf().team());
        if directory.team != team {
            let name = |team: Option<String>| team.unwrap_or("nobody".to_owned());
            let (found, team) = (name(directory.team.clone()), name(team));
            self.fault(&code.path, format!("its code directory names the team {found}, not {team}"));
        }
        if directory.identifier != code.identifier {
            let found = &directory.identifier;
            self.fault(&code.path, format!("is signed as {found:?}, not as {:?}", code.identifier));
        }
        if directory.is_program() != (kind == Kind::Executable) {
            self.fault(&code.path, "its signature takes a library for a program, or the other way round");
        }
        let mut special: Vec<_> = beside.iter().map(|(slot, blob)| (*slot, sha256(blob))).collect();
        if let (Some((folder, info)), Some(seal)) = (&code.sealed, code.seal()) {
            for (slot, path) in [(SLOT_INFO, format!("{folder}/{info}")), (SLOT_RESOURCES, seal)] {
                if let Some(text) = self.bytes(&path, LARGEST_LIST)? {
                    special.push((slot, sha256(&text)));
                }
                if special.last().is_some_and(|hash| hash.0 == slot && !directory.special.contains(hash)) {
                    self.fault(&path, format!("is not what {} was signed with", code.path));
                }
            }
        }
        let slots = |special: &[(u32, [u8; 32])]| special.iter().map(|(slot, _)| *slot).collect::<BTreeSet<_>>();
        if slots(&directory.special) != slots(&special) {
            self.fault(&code.path, "its signature is about other parts than such a program has");
        }
        let own = special.iter().filter(|(slot, _)| ![SLOT_INFO, SLOT_RESOURCES].contains(slot));
        let wrong: Vec<u32> = own.filter(|hash| !directory.special.contains(hash)).map(|(slot, _)| *slot).collect();
        for slot in wrong {
            self.fault(
                &code.path,
                format!("its code directory has another hash of what {} in the signature", named(slot)),
            );
        }
        Ok(special)
    }

    /// Compares a seal with what is there.
    fn seal(&mut self, code: &Code, inner: &Inner) -> Result<(), Error> {
        let (Some((folder, _)), Some(path)) = (&code.sealed, code.seal()) else { return Ok(()) };
        // That it is missing, or no file, was told with the code directory.
        let Ok(text) = self.bundle.bytes(&path, LARGEST_LIST) else { return Ok(()) };
        let found = match helix_property_list::dictionary(&text) {
            Ok(found) => found,
            Err(why) => {
                self.fault(&path, why);
                return Ok(());
            }
        };
        let wanted = resources::seal(self.bundle, code, inner, &AtomicU64::new(0));
        let Some(wanted) = self.or_faults(wanted)? else { return Ok(()) };
        for what in seal_faults(&found) {
            self.fault(&path, what);
        }
        for half in ["files", "files2"] {
            let [listed, there] = [&found, &wanted].map(|seal| seal.get(half).and_then(Value::as_dictionary));
            self.compare(folder, listed.unwrap_or(&Dictionary::new()), there.unwrap_or(&Dictionary::new()));
        }
        self.sealed += wanted.get("files2").and_then(Value::as_dictionary).map_or(0, Dictionary::len);
        Ok(())
    }

    fn compare(&mut self, folder: &str, listed: &Dictionary, there: &Dictionary) {
        let names: BTreeSet<&String> = listed.keys().chain(there.keys()).collect();
        for name in names {
            let what = match (listed.get(name), there.get(name)) {
                (Some(_), None) => "is missing, or cannot be read as code; the seal lists it",
                (None, Some(_)) => "was added after the app was signed",
                (one, other) if one != other => "is not what was signed: it was changed or replaced",
                _ => continue,
            };
            let fault = Fault::new(format!("{folder}/{name}"), what);
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
    }

    /// What a notarised app has beside its signature.
    fn ticket(&mut self, cd_hash: Option<[u8; 20]>) -> Result<bool, Error> {
        if !self.bundle.things.contains_key(TICKET) {
            return Ok(false);
        }
        let Some(data) = self.bytes(TICKET, LARGEST_TICKET)? else { return Ok(false) };
        if !data.starts_with(b"s8ch") {
            self.fault(TICKET, "is no ticket of Apple's notary service");
        }
        if cd_hash.is_some_and(|hash| !data.windows(hash.len()).any(|part| part == hash)) {
            self.fault(TICKET, "is the ticket of another app: the hash of this one's code directory is not in it");
        }
        Ok(true)
    }

    /// What no seal lists: files beside `Contents`, and what lies where seals are.
    fn leftovers(&mut self) {
        let seals: BTreeSet<String> = self.bundle.codes().filter_map(Code::seal).collect();
        let stray = self.bundle.things.keys().filter(|path| {
            !path.starts_with("Contents/") || (path.contains("/_CodeSignature/") && !seals.contains(*path))
        });
        let stray: Vec<String> = stray.cloned().collect();
        for path in stray {
            self.fault(&path, "was added after the app was signed");
        }
    }
}

/// What is wrong with the `Info.plist` and the seal of a bundle by themselves, without its files.
pub fn list_faults(info: &[u8], seal: &[u8]) -> Vec<String> {
    let info = bundle::names(info).err();
    let seal = helix_property_list::dictionary(seal).map_or_else(|why| vec![why], |seal| seal_faults(&seal));
    info.into_iter().chain(seal).collect()
}

/// What is wrong with a seal but for the files that it lists.
fn seal_faults(seal: &Dictionary) -> Vec<String> {
    let rules = [("rules", resources::rules()), ("rules2", resources::rules2())];
    let others = rules.iter().filter(|(name, rules)| seal.get(name).and_then(Value::as_dictionary) != Some(rules));
    let mut faults: Vec<String> =
        others.map(|(name, _)| format!("its {name} are not those that list everything")).collect();
    let keys: BTreeSet<&str> = seal.keys().map(String::as_str).collect();
    if keys != BTreeSet::from(["files", "files2", "rules", "rules2"]) {
        faults.push("has keys that no seal has, or lacks some".to_owned());
    }
    faults
}

/// Names, as they are shown.
fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" and ")
}

/// The blobs that the signature of `code` must have besides the code directory and the message.
fn beside(code: &Code, signer: Option<&Signer>) -> Vec<(u32, Vec<u8>)> {
    let entitlements = entitlements::of(code);
    let (plist, der) = (entitlements::as_plist(entitlements), entitlements::as_der(entitlements));
    blob::beside_directory(&requirement::set(&code.identifier, signer), plist.as_deref(), der.as_deref())
}

/// A part of a signature, with its verb.
fn named(slot: u32) -> &'static str {
    match slot {
        SLOT_REQUIREMENTS => "its requirements are",
        SLOT_ENTITLEMENTS => "its entitlements are",
        _ => "its entitlements as DER are",
    }
}
