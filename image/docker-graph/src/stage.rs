//! Layers that the store lacks become trees in the staging folder.
//!
//! Layers are read from the lowest to the highest, some at the same time. As soon as a layer and all below it are read,
//! the tree after it is put together in memory and then made on the disk, while others are still being read.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::error::{Error, Fault};
use crate::image::{Blob, Image};
use crate::inode::{self, Content, Inode, LeftOut, Place};
use crate::layer::{self, Extracted, Memory};
use crate::store::{self, Staged, Store};
use crate::tar_split::{self, Inline};
use crate::tar_stream::{Meta, Time};
use crate::tree::{self, Tree};
use crate::{Digest, Options, plant};

/// The most files that a layer may change by hard links to them: each is copied, and looked for in the whole tree.
const MAX_REMADE: u32 = 10_000;

/// Reads what the store does not have of `images`, and makes its trees in `staging`; what the disk will not have comes
/// with them.
pub(crate) fn stage(
    store: &Store,
    staging: &Path,
    images: &[Image],
    options: &Options,
) -> Result<(Vec<Staged>, LeftOut), Error> {
    let steps = steps(store, images);
    let memory = Memory::default();
    let work = Work { store, staging, options, memory, board: Mutex::new(Board::new(&steps)), changed: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 0..options.threads.get().min(steps.len()) {
            scope.spawn(|| work.run());
        }
        // The disk writes what was read while the last trees are made.
        work.wait_until_read();
        store.sync()
    })?;
    let mut board = work.board.into_inner().expect("no holder panics");
    if let Some(error) = board.error.take() {
        return Err(error);
    }
    board.staged.sort_by_key(|(at, _)| *at);
    let staged: Vec<Staged> = board.staged.into_iter().map(|(_, staged)| staged).collect();
    // All files have their names in the trees now.
    remove_all(board.extracted.keys().map(|diff_id| staging.join(diff_id.hex())))?;
    Ok((staged, board.left_out))
}

/// A layer that the store does not have.
struct Step<'a> {
    image: &'a Image,
    /// Its place in the image.
    at: usize,
    chain_id: Digest,
    /// The chain id of the layer below.
    parent: Option<Digest>,
}

impl Step<'_> {
    fn diff_id(&self) -> &Digest {
        &self.image.layers[self.at].diff_id
    }

    fn blob(&self) -> &Blob {
        self.image.layers[self.at].blob.as_ref().expect("a layer that is missing has its bytes")
    }

    fn fault(&self, fault: Fault) -> Error {
        Error::of_fault(&self.image.origin, fault.at(format_args!("layer {} ({})", self.at + 1, self.diff_id())))
    }
}

/// Every layer that is missing, each once, those below before those above.
fn steps<'a>(store: &Store, images: &'a [Image]) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let mut seen = HashSet::new();
    for image in images {
        let chain = image.chain();
        for (at, chain_id) in chain.iter().enumerate() {
            if store.tree(chain_id).is_none() && seen.insert(chain_id.clone()) {
                let parent = at.checked_sub(1).map(|below| chain[below].clone());
                steps.push(Step { image, at, chain_id: chain_id.clone(), parent });
            }
        }
    }
    steps
}

/// A layer whose tree is known.
struct Planned<'a> {
    /// Its place among all.
    at: usize,
    step: &'a Step<'a>,
    extracted: Arc<Extracted>,
    tree: Tree,
}

/// What is to be done, and what was done.
struct Board<'a> {
    steps: &'a [Step<'a>],
    /// Those whose layer nobody reads yet; two may be of the same layer.
    unread: VecDeque<&'a Step<'a>>,
    /// How many are being read.
    reading: usize,
    extracted: HashMap<&'a Digest, Arc<Extracted>>,
    /// How many steps have their tree in memory.
    planned: usize,
    trees: HashMap<&'a Digest, Tree>,
    /// Trees to make.
    ready: VecDeque<Planned<'a>>,
    staged: Vec<(usize, Staged)>,
    left_out: LeftOut,
    /// The first one. Nothing more is begun after it.
    error: Option<Error>,
}

impl<'a> Board<'a> {
    fn new(steps: &'a [Step<'a>]) -> Self {
        let mut seen = HashSet::new();
        let mut unread: Vec<&Step<'_>> = steps.iter().filter(|step| seen.insert(step.diff_id())).collect();
        // One that is as large as all others together is begun first, or all would wait for it.
        let all: u64 = unread.iter().map(|step| step.blob().length).sum();
        unread.sort_by_key(|step| step.blob().length < all / 2);
        Self {
            steps,
            unread: unread.into(),
            reading: 0,
            extracted: HashMap::new(),
            planned: 0,
            trees: HashMap::new(),
            ready: VecDeque::new(),
            staged: Vec::new(),
            left_out: LeftOut::default(),
            error: None,
        }
    }

    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
        self.unread.clear();
        self.ready.clear();
        self.planned = self.steps.len();
    }
}

enum Job<'a> {
    Read(&'a Step<'a>),
    Plant(Planned<'a>),
}

struct Work<'a> {
    store: &'a Store,
    staging: &'a Path,
    options: &'a Options,
    memory: Memory,
    board: Mutex<Board<'a>>,
    changed: Condvar,
}

impl<'a> Work<'a> {
    fn board(&self) -> MutexGuard<'_, Board<'a>> {
        self.board.lock().expect("no holder panics")
    }

    /// One worker's life.
    fn run(&self) {
        while let Some(job) = self.next() {
            match job {
                Job::Read(step) => self.read(step),
                Job::Plant(planned) => {
                    let result = self.plant(&planned);
                    let mut board = self.board();
                    match result {
                        Ok((staged, left_out)) => {
                            board.staged.push((planned.at, staged));
                            board.left_out.0.extend(left_out.0);
                        }
                        Err(error) => board.fail(error),
                    }
                }
            }
        }
    }

    /// The next thing to do, trees first; `None` when nothing more can come.
    fn next(&self) -> Option<Job<'a>> {
        let mut board = self.board();
        loop {
            if let Some(planned) = board.ready.pop_front() {
                return Some(Job::Plant(planned));
            }
            if let Some(step) = board.unread.pop_front() {
                board.reading += 1;
                return Some(Job::Read(step));
            }
            if board.reading == 0 {
                return None;
            }
            board = self.changed.wait(board).expect("no holder panics");
        }
    }

    fn wait_until_read(&self) {
        let read = |board: &mut Board<'a>| board.reading > 0 || !board.unread.is_empty();
        drop(self.changed.wait_while(self.board(), read).expect("no holder panics"));
    }

    fn read(&self, step: &'a Step<'a>) {
        // However this ends, the others do not wait for it any more.
        let _end = EndOfReading(self);
        let result = self.extract(step);
        let mut board = self.board();
        match result {
            Ok(mut extracted) => {
                let noted = std::mem::take(&mut extracted.left_out.0);
                let origin = &step.image.origin;
                board.left_out.0.extend(noted.into_iter().map(|what| format!("{origin}: {what}")));
                board.extracted.insert(step.diff_id(), Arc::new(extracted));
                if let Err(error) = self.plan(&mut board) {
                    board.fail(error);
                }
            }
            Err(error) => board.fail(error),
        }
    }

    fn extract(&self, step: &Step<'_>) -> Result<Extracted, Error> {
        let folder = self.staging.join(step.diff_id().hex());
        std::fs::create_dir(&folder).map_err(Error::io("making", &folder))?;
        let Options { limits, devices, .. } = *self.options;
        let extracted = layer::extract(step.blob(), step.diff_id(), &folder, limits, devices, &self.memory);
        let extracted = extracted.map_err(|fault| step.fault(fault))?;
        if extracted.diff_id != *step.diff_id() {
            return Err(step.fault(format!("it unpacks to {}; nothing of it was used", extracted.diff_id).into()));
        }
        Ok(extracted)
    }

    /// Puts together the trees for which all is there.
    fn plan(&self, board: &mut Board<'a>) -> Result<(), Error> {
        let steps = board.steps;
        while let Some(step) = steps.get(board.planned) {
            let Some(extracted) = board.extracted.get(step.diff_id()).cloned() else { break };
            let tree = self.tree(board, step, &extracted)?;
            board.trees.insert(&step.chain_id, tree.clone());
            board.ready.push_back(Planned { at: board.planned, step, extracted, tree });
            board.planned += 1;
        }
        Ok(())
    }

    /// The tree after a layer.
    fn tree(&self, board: &Board<'a>, step: &Step<'_>, extracted: &Extracted) -> Result<Tree, Error> {
        let mut tree = match &step.parent {
            None => Tree::new(Time { seconds: self.options.time, nanoseconds: 0 }),
            Some(parent) => match board.trees.get(parent) {
                Some(tree) => tree.clone(),
                None => {
                    let there = self.store.tree(parent).expect("what is below a layer is there or before it");
                    Tree::read(&there).map_err(Error::io("reading", &there))?
                }
            },
        };
        let (mut remade, mut copied) = (0, 0);
        let mut remake = |inode: &Inode, meta: &Meta| {
            remade += 1;
            copied += inode.path().symlink_metadata().map_or(0, |stat| stat.len());
            if remade > MAX_REMADE || copied > self.options.limits.bytes {
                return Err("the layer changes too many files by hard links".into());
            }
            let path = self.staging.join(format!("{}-{remade}", step.chain_id.hex()));
            remake(inode, meta, path)
        };
        tree.apply(&extracted.changes, &mut remake).map_err(|fault| step.fault(fault))?;
        Ok(tree)
    }

    /// Makes a tree on the disk, and the files about its layer.
    fn plant(&self, planned: &Planned<'_>) -> Result<(Staged, LeftOut), Error> {
        let Planned { step, extracted, tree, .. } = planned;
        let folder = self.staging.join(format!("layer-{}", step.chain_id.hex()));
        let staged = Staged { chain_id: step.chain_id.clone(), tree: folder.join("tree"), about: folder.join("about") };
        std::fs::create_dir_all(&staged.about).map_err(Error::io("making", &staged.about))?;
        let mut left_out = LeftOut::default();
        plant::plant(tree, &staged.tree, self.options.sharing, &mut left_out)
            .map_err(|fault| Error::of_fault(&step.image.origin, fault))?;
        store::write_about(&staged.about, &step.chain_id, &extracted.diff_id, step.parent.as_ref(), extracted.size)?;
        describe(extracted, tree, &staged.about.join("tar-split.json.gz"))?;
        Ok((staged, left_out))
    }
}

/// Counts a read as done, and tells the others.
struct EndOfReading<'w, 'a>(&'w Work<'a>);

impl Drop for EndOfReading<'_, '_> {
    fn drop(&mut self) {
        if let Ok(mut board) = self.0.board.lock() {
            board.reading -= 1;
        }
        self.0.changed.notify_all();
    }
}

/// Writes the description of a layer's stream: as it was read, if the engine will find all contents by their names.
fn describe(extracted: &Extracted, tree: &Tree, target: &Path) -> Result<(), Error> {
    let lost: Vec<Inline> = extracted
        .named
        .iter()
        .filter(|named| !tree::finds(tree, &named.name, &named.inode))
        .map(|named| Inline { position: named.position, content: named.inode.path() })
        .collect();
    let from = &extracted.tar_split;
    let result = if lost.is_empty() {
        // Two chains may hold the same layer.
        std::fs::hard_link(from, target).or_else(|_| std::fs::copy(from, target).map(drop))
    } else {
        tar_split::inline(from, target, &lost)
    };
    result.map_err(Error::io("writing", target))
}

/// A copy of an inode with another owner, mode and time.
fn remake(inode: &Inode, meta: &Meta, path: PathBuf) -> Result<Arc<Inode>, Fault> {
    let told = |e: std::io::Error| Fault::from(e).at(format_args!("copying {}", inode.path().display()));
    let mut left_out = LeftOut::default();
    let mut meta = meta.clone();
    match &inode.content {
        Content::Symlink(target) => {
            use std::os::unix::ffi::OsStrExt;
            std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &path).map_err(told)?;
            meta.mtime = inode.meta.mtime;
        }
        Content::File => inode::duplicate(&inode.path(), &path, false).map_err(told)?,
        Content::Special | Content::Missing => return Err("changes a device by a hard link".into()),
    }
    if inode.content == Content::File {
        // A change of owner takes a file's capabilities away: they are set anew, after it.
        meta.xattrs = tree::merged(&inode::xattrs_of(&inode.path()).map_err(told)?, &meta.xattrs);
    }
    inode::set_meta(&path, &meta, b"", &mut left_out).map_err(told)?;
    Ok(Arc::new(Inode { place: Place::At(path), content: inode.content.clone(), meta }))
}

/// Removes folders, all at the same time.
fn remove_all(folders: impl Iterator<Item = PathBuf>) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let remove = |folder: PathBuf| move || std::fs::remove_dir_all(&folder).map_err(Error::io("removing", &folder));
        let removals: Vec<_> = folders.map(|folder| scope.spawn(remove(folder))).collect();
        removals.into_iter().try_for_each(|removal| removal.join().expect("a removal does not panic"))
    })
}
