//! Which worker does what next: workers read layers and make trees, and wait for one another as little as they can.
//!
//! The end of every job wakes everybody who waits, also when the job failed or panicked. After a failure no job begins,
//! and those under way are told to end.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::deep;
use crate::digest::Digest;
use crate::error::{Error, Fault};
use crate::image::{Blob, Image};
use crate::inode::LeftOut;
use crate::layer::Extracted;
use crate::stop::Stop;
use crate::store::Staged;
use crate::tree::Tree;

/// A layer that the store does not have.
pub(crate) struct Step<'a> {
    pub(crate) image: &'a Image,
    /// Its place in the image.
    pub(crate) at: usize,
    pub(crate) chain_id: Digest,
    /// The chain id of the layer below.
    pub(crate) parent: Option<Digest>,
}

impl Step<'_> {
    pub(crate) fn diff_id(&self) -> &Digest {
        &self.image.layers[self.at].diff_id
    }

    pub(crate) fn blob(&self) -> &Blob {
        self.image.layers[self.at].blob.as_ref().expect("a layer that is missing has its bytes")
    }

    pub(crate) fn fault(&self, fault: Fault) -> Error {
        Error::of_fault(&self.image.origin, fault.at(format_args!("layer {} ({})", self.at + 1, self.diff_id())))
    }
}

/// A layer whose tree is known.
pub(crate) struct Planned<'a> {
    /// Its place among all.
    at: usize,
    pub(crate) step: &'a Step<'a>,
    pub(crate) extracted: Arc<Extracted>,
    pub(crate) tree: Tree,
}

/// Trees in memory, by chain id.
pub(crate) type Trees<'a> = HashMap<&'a Digest, Tree>;

/// The work itself.
pub(crate) trait Hands: Sync {
    /// Reads the layer of a step.
    fn read(&self, step: &Step<'_>) -> Result<Extracted, Error>;
    /// Puts the tree after a step together, in memory. Those of the steps below are in `trees`.
    fn plan(&self, trees: &Trees<'_>, step: &Step<'_>, extracted: &Extracted) -> Result<Tree, Error>;
    /// Makes a tree on the disk.
    fn plant(&self, planned: &Planned<'_>) -> Result<(Staged, LeftOut), Error>;
    /// Has the disk write what was read, while the last trees are made.
    fn flush(&self) -> Result<(), Error>;
}

/// What came of all steps, in their order.
pub(crate) struct Done {
    pub(crate) staged: Vec<Staged>,
    pub(crate) left_out: LeftOut,
}

/// Does all steps; those below come before those above. `stop` is set when one fails.
pub(crate) fn work(steps: &[Step<'_>], threads: NonZeroUsize, hands: &dyn Hands, stop: &Stop) -> Result<Done, Error> {
    let crew = Crew { hands, stop, board: Mutex::new(Board::new(steps)), changed: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 0..threads.get().min(steps.len()) {
            deep::thread().spawn_scoped(scope, || crew.run()).expect("the system has room for a few threads");
        }
        crew.wait_until_read();
        if let Err(error) = hands.flush() {
            crew.fail(error);
        }
    });
    let mut board = crew.board.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = board.error.take() {
        return Err(error);
    }
    board.staged.sort_by_key(|(at, _)| *at);
    Ok(Done { staged: board.staged.into_iter().map(|(_, staged)| staged).collect(), left_out: board.left_out })
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
    trees: Trees<'a>,
    /// Trees to make.
    ready: VecDeque<Planned<'a>>,
    staged: Vec<(usize, Staged)>,
    left_out: LeftOut,
    /// The first one.
    error: Option<Error>,
}

impl<'a> Board<'a> {
    fn new(steps: &'a [Step<'a>]) -> Self {
        let mut seen = HashSet::new();
        let mut unread: Vec<&Step<'_>> = steps.iter().filter(|step| seen.insert(step.diff_id())).collect();
        // One that is as large as all others together is begun first, or all would wait for it.
        let all = unread.iter().fold(0_u64, |sum, step| sum.saturating_add(step.blob().length));
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

    /// Leaves out all that is not begun.
    fn clear(&mut self) {
        self.unread.clear();
        self.ready.clear();
        self.planned = self.steps.len();
    }
}

enum Job<'a> {
    Read(&'a Step<'a>),
    Plant(Planned<'a>),
}

struct Crew<'a> {
    hands: &'a dyn Hands,
    stop: &'a Stop,
    board: Mutex<Board<'a>>,
    changed: Condvar,
}

impl<'a> Crew<'a> {
    /// After a panic the board is still used, to end everything; what it holds then is not used.
    fn board(&self) -> MutexGuard<'_, Board<'a>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One worker's life.
    fn run(&self) {
        while let Some(job) = self.next() {
            let _end = EndOfJob { crew: self, reading: matches!(job, Job::Read(_)) };
            let result = match job {
                Job::Read(step) => self.read(step),
                Job::Plant(planned) => self.plant(&planned),
            };
            if let Err(error) = result {
                self.fail(error);
            }
        }
    }

    fn fail(&self, error: Error) {
        let mut board = self.board();
        board.error.get_or_insert(error);
        board.clear();
        self.stop.fail();
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
            board = self.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_until_read(&self) {
        let read = |board: &mut Board<'a>| board.reading > 0 || !board.unread.is_empty();
        drop(self.changed.wait_while(self.board(), read).unwrap_or_else(PoisonError::into_inner));
    }

    fn read(&self, step: &'a Step<'a>) -> Result<(), Error> {
        let mut extracted = self.hands.read(step)?;
        let mut board = self.board();
        let noted = std::mem::take(&mut extracted.left_out.0);
        let origin = &step.image.origin;
        board.left_out.0.extend(noted.into_iter().map(|what| format!("{origin}: {what}")));
        board.extracted.insert(step.diff_id(), Arc::new(extracted));
        self.plan(&mut board)
    }

    /// Puts together the trees for which all is there.
    fn plan(&self, board: &mut Board<'a>) -> Result<(), Error> {
        let steps = board.steps;
        while let Some(step) = steps.get(board.planned) {
            let Some(extracted) = board.extracted.get(step.diff_id()).cloned() else { break };
            let tree = self.hands.plan(&board.trees, step, &extracted)?;
            board.trees.insert(&step.chain_id, tree.clone());
            board.ready.push_back(Planned { at: board.planned, step, extracted, tree });
            board.planned += 1;
        }
        Ok(())
    }

    fn plant(&self, planned: &Planned<'a>) -> Result<(), Error> {
        let (staged, left_out) = self.hands.plant(planned)?;
        let mut board = self.board();
        board.staged.push((planned.at, staged));
        board.left_out.0.extend(left_out.0);
        Ok(())
    }
}

/// Counts a job as done, however it ended, and wakes all who wait.
struct EndOfJob<'w, 'a> {
    crew: &'w Crew<'a>,
    reading: bool,
}

impl Drop for EndOfJob<'_, '_> {
    fn drop(&mut self) {
        let mut board = self.crew.board();
        board.reading -= usize::from(self.reading);
        if std::thread::panicking() {
            // The panic goes on to the caller when all workers have ended.
            board.clear();
            self.crew.stop.fail();
        }
        drop(board);
        self.crew.changed.notify_all();
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
