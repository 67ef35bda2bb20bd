use super::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::image::Layer;
use crate::tar_stream::Time;

/// Long enough for the slowest machine: only a run that never ends takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Read,
    Plan,
    Plant,
    Flush,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Error,
    Panic,
}

/// Hands that do nothing, until one job of a kind fails.
struct Failing {
    moment: Moment,
    /// How many of its kind go well.
    after: usize,
    how: How,
    count: AtomicUsize,
}

impl Failing {
    fn reach(&self, moment: Moment) -> Result<(), Error> {
        // Others come and go meanwhile.
        std::thread::sleep(Duration::from_micros(200));
        if moment != self.moment || self.count.fetch_add(1, Ordering::SeqCst) != self.after {
            return Ok(());
        }
        match self.how {
            How::Error => Err(Error::image("test", format!("{moment:?} {}", self.after))),
            How::Panic => panic!("{moment:?} {}", self.after),
        }
    }
}

impl Hands for Failing {
    fn read(&self, step: &Step<'_>) -> Result<Extracted, Error> {
        self.reach(Moment::Read)?;
        let (diff_id, tar_split) = (step.diff_id().clone(), PathBuf::new());
        let left_out = LeftOut(vec![format!("{}", step.at)]);
        Ok(Extracted { diff_id, size: 0, changes: Vec::new(), named: Vec::new(), tar_split, left_out })
    }

    fn plan(&self, trees: &Trees<'_>, step: &Step<'_>, _: &Extracted) -> Result<Tree, Error> {
        assert!(step.parent.as_ref().is_none_or(|parent| trees.contains_key(parent)), "a tree before the one below");
        self.reach(Moment::Plan).map(|()| Tree::new(Time::default()))
    }

    fn plant(&self, planned: &Planned<'_>) -> Result<(Staged, LeftOut), Error> {
        self.reach(Moment::Plant)?;
        let chain_id = planned.step.chain_id.clone();
        Ok((Staged { chain_id, tree: PathBuf::new(), about: PathBuf::new() }, LeftOut::default()))
    }

    fn flush(&self) -> Result<(), Error> {
        self.reach(Moment::Flush)
    }
}

fn image(layers: usize) -> Image {
    let layer = |at: usize| Layer {
        diff_id: Digest::of(&[at as u8]),
        blob: Some(Blob { file: Arc::default(), offset: 0, length: 1, digest: None }),
    };
    let (id, layers) = (Digest::of(b""), (0..layers).map(layer).collect());
    Image { origin: "test".into(), id, config: Vec::new(), layers, names: Vec::new(), pulled_from: None }
}

/// What the run ends with: the chain ids, the error's text, or the word "panic".
fn run(layers: usize, threads: usize, hands: Failing) -> (Result<Vec<Digest>, String>, bool) {
    let what = format!("{:?} {} {:?}, {threads} threads", hands.moment, hands.after, hands.how);
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let image = image(layers);
        let chain = image.chain();
        let step = |at: usize| Step {
            image: &image,
            at,
            chain_id: chain[at].clone(),
            parent: at.checked_sub(1).map(|below| chain[below].clone()),
        };
        let steps: Vec<_> = (0..layers).map(step).collect();
        let stop = Stop::new(Arc::default());
        let threads = NonZeroUsize::new(threads).unwrap();
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&steps, threads, &hands, &stop)));
        let result = match done {
            Ok(Ok(done)) => {
                assert_eq!(done.left_out.0.len(), layers);
                Ok(done.staged.into_iter().map(|staged| staged.chain_id).collect())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("panic".to_owned()),
        };
        let _ = sender.send((result, stop.check().is_err()));
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what}: it never ends"))
}

#[test]
fn a_failure_of_any_kind_at_any_moment_ends_all_waits() {
    const LAYERS: usize = 7;
    for threads in [1, 2, 3, 8] {
        for how in [How::Error, How::Panic] {
            for moment in [Moment::Read, Moment::Plan, Moment::Plant, Moment::Flush] {
                let times = if moment == Moment::Flush { 1 } else { LAYERS };
                for after in 0..times {
                    let (result, stopped) =
                        run(LAYERS, threads, Failing { moment, after, how, count: AtomicUsize::new(0) });
                    let expected = match how {
                        How::Error => format!("test: {moment:?} {after}"),
                        How::Panic => "panic".to_owned(),
                    };
                    assert_eq!(result, Err(expected), "{threads} threads");
                    assert!(stopped || (moment, how) == (Moment::Flush, How::Panic), "jobs under way go on");
                }
            }
        }
    }
}

#[test]
fn all_is_done_in_the_order_of_the_layers() {
    for threads in [1, 2, 3, 8] {
        let hands = Failing { moment: Moment::Flush, after: 1, how: How::Panic, count: AtomicUsize::new(0) };
        assert_eq!(run(20, threads, hands), (Ok(image(20).chain()), false));
    }
}
