//! Reading and compressing clusters on several threads; results come in the order of the disk.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::writer::{CLUSTER, Error};
use crate::source::{self, Source};

/// Clusters that a thread takes at a time: enough to make reading and handing over cheap, and little to hold.
const BATCH: u64 = 16 * CLUSTER;
/// Batches under way per thread: one in work, and enough to be worked on while the oldest is waited for.
const BATCHES_PER_THREAD: usize = 4;
/// The longest compressed cluster that is kept, in bytes. One that saves less is stored as it is: that costs a few
/// bytes and spares every reader of it the decompression.
const WORTHWHILE: usize = CLUSTER as usize - 1024;

/// How a cluster is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    /// Not at all: it is zeros.
    Zero,
    /// As it is.
    Plain,
    /// As so many bytes of zstd.
    Compressed(usize),
}

/// Consecutive clusters, ready to be stored.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The first cluster's number on the disk.
    pub(super) first: u64,
    /// What became of each.
    pub(super) clusters: Vec<Packed>,
    /// Their bytes, one after the other.
    pub(super) bytes: Vec<u8>,
}

struct Task {
    range: Range<u64>,
    /// A used batch, for its memory.
    batch: Batch,
    /// Goes with the thread when that panics, so that nobody waits for the result.
    done: Sender<Result<Batch, Error>>,
}

/// Gives every batch of `source` that holds data to `sink`, in order, compressed at `level` by `threads` threads.
pub(super) fn compress(
    source: &Source,
    level: i32,
    threads: NonZeroUsize,
    sink: impl FnMut(&Batch) -> Result<(), Error>,
) -> Result<(), Error> {
    let worker = || {
        let mut packer = Packer::new(level);
        move |range, batch: &mut Batch| match &mut packer {
            Ok(packer) => packer.pack(source, range, batch),
            Err(error) => Err(Error::Compress(error.to_string())),
        }
    };
    in_order(source, threads, worker, sink)
}

/// As [`compress`], with the work of each thread made by `worker`.
fn in_order<W: FnMut(Range<u64>, &mut Batch) -> Result<(), Error>>(
    source: &Source,
    threads: NonZeroUsize,
    worker: impl Fn() -> W + Sync,
    mut sink: impl FnMut(&Batch) -> Result<(), Error>,
) -> Result<(), Error> {
    let limit = threads.get() * BATCHES_PER_THREAD;
    let (task_sender, tasks) = channel::<Task>();
    // The threads alone own it: when they are gone, so is what they have not begun.
    let tasks = Arc::new(Mutex::new(tasks));
    thread::scope(|scope| {
        let worker = &worker;
        for tasks in vec![tasks; threads.get()] {
            scope.spawn(move || run(worker(), &tasks));
        }
        // Owned by this closure, so that the threads see the end of their work when it returns, for whatever reason.
        let task_sender = task_sender;
        let mut ranges = Ranges { source, data: 0..0 };
        let (mut waiting, mut spare) = (VecDeque::new(), Vec::new());
        loop {
            while waiting.len() < limit {
                let Some(range) = ranges.next()? else { break };
                let (done, later) = channel();
                let task = Task { range, batch: spare.pop().unwrap_or_default(), done };
                task_sender.send(task).expect("a thread is there to take it");
                waiting.push_back(later);
            }
            let Some(later) = waiting.pop_front() else { return Ok(()) };
            let batch = later.recv().expect("the thread that took it has not panicked")?;
            sink(&batch)?;
            spare.push(batch);
        }
    })
}

fn run(mut work: impl FnMut(Range<u64>, &mut Batch) -> Result<(), Error>, tasks: &Mutex<Receiver<Task>>) {
    loop {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Task { range, mut batch, done }) = task else { return };
        let result = work(range, &mut batch).map(|()| batch);
        if done.send(result).is_err() {
            return;
        }
    }
}

/// What a thread keeps between batches.
struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl Packer {
    fn new(level: i32) -> std::io::Result<Self> {
        let zstd = zstd::bulk::Compressor::new(level)?;
        Ok(Self { zstd, plain: vec![0; BATCH as usize], packed: vec![0; WORTHWHILE] })
    }

    fn pack(&mut self, source: &Source, range: Range<u64>, batch: &mut Batch) -> Result<(), Error> {
        let Self { zstd, plain, packed } = self;
        let plain = &mut plain[..(range.end - range.start) as usize];
        source.read_at(range.start, plain)?;
        batch.first = range.start / CLUSTER;
        batch.clusters.clear();
        batch.bytes.clear();
        for cluster in plain.chunks(CLUSTER as usize) {
            if is_zero(cluster) {
                batch.clusters.push(Packed::Zero);
            // The only way to fail for want of anything but memory is that the result is longer than is worthwhile.
            } else if let Ok(length) = zstd.compress_to_buffer(cluster, &mut packed[..]) {
                batch.clusters.push(Packed::Compressed(length));
                batch.bytes.extend(&packed[..length]);
            } else {
                batch.clusters.push(Packed::Plain);
                batch.bytes.extend(cluster);
            }
        }
        Ok(())
    }
}

/// Compares the bytes with themselves, 16 further on: memcmp(3) is the fastest loop there is.
fn is_zero(bytes: &[u8]) -> bool {
    let (head, rest) = bytes.split_at(16);
    head == [0; 16] && *rest == bytes[..rest.len()]
}

/// Goes through the parts of a source that may hold data, as runs of whole clusters.
struct Ranges<'a> {
    source: &'a Source,
    /// What was found and not yet handed out. Its start is where the search goes on.
    data: Range<u64>,
}

impl Ranges<'_> {
    fn next(&mut self) -> Result<Option<Range<u64>>, source::Error> {
        if self.data.is_empty() {
            let Some(found) = self.source.data_after(self.data.start)? else { return Ok(None) };
            let start = (found.start / CLUSTER * CLUSTER).max(self.data.start);
            self.data = start..found.end.next_multiple_of(CLUSTER);
        }
        let start = self.data.start;
        let end = (start / BATCH * BATCH + BATCH).min(self.data.end);
        self.data.start = end;
        Ok(Some(start..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_makes_a_cluster_not_zero() {
        let mut cluster = vec![0; CLUSTER as usize];
        assert!(is_zero(&cluster));
        for place in [0, 15, 16, 17, 1000, cluster.len() - 1] {
            cluster[place] = 1;
            assert!(!is_zero(&cluster), "{place}");
            cluster[place] = 0;
        }
    }

    #[test]
    fn ranges_are_whole_clusters_and_never_twice_the_same() {
        let mut source = Source::new(40 * CLUSTER);
        for offset in [10, CLUSTER - 5, 3 * CLUSTER] {
            source.add_bytes(offset, vec![1; 10]).unwrap();
        }
        source.add_bytes(4 * CLUSTER, vec![1; 30 * CLUSTER as usize]).unwrap();
        let mut ranges = Ranges { source: &source, data: 0..0 };
        let found = std::iter::from_fn(|| ranges.next().unwrap()).map(|r| (r.start / CLUSTER, r.end / CLUSTER));
        assert_eq!(found.collect::<Vec<_>>(), [(0, 1), (1, 2), (3, 4), (4, 16), (16, 32), (32, 34)]);
    }

    /// A run over 40 batches on `threads` threads, whose workers do `work`.
    fn run_over(
        threads: usize,
        work: impl Fn(u64) -> Result<(), Error> + Sync + Send + 'static,
        sink: impl FnMut(&Batch) -> Result<(), Error> + Send + 'static,
    ) -> std::thread::Result<Result<(), Error>> {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut source = Source::new(40 * BATCH);
            source.add_bytes(0, vec![1; 40 * BATCH as usize]).unwrap();
            let threads = NonZeroUsize::new(threads).unwrap();
            let worker = || {
                |range: Range<u64>, batch: &mut Batch| {
                    batch.first = range.start / BATCH;
                    work(batch.first)
                }
            };
            let ended = std::panic::AssertUnwindSafe(|| in_order(&source, threads, worker, sink));
            let _ = sender.send(std::panic::catch_unwind(ended));
        });
        // Only a run that never ends takes as long.
        receiver.recv_timeout(std::time::Duration::from_secs(60)).expect("it ends")
    }

    #[test]
    fn every_failure_at_any_moment_ends_the_run() {
        let error = || Error::Compress("test".into());
        for threads in [1, 2, 8] {
            for at in [0, 1, 7, 20, 39] {
                let failed = run_over(threads, move |n| if n == at { Err(error()) } else { Ok(()) }, |_| Ok(()));
                failed.unwrap().unwrap_err();
                run_over(threads, |_| Ok(()), move |batch| if batch.first == at { Err(error()) } else { Ok(()) })
                    .unwrap()
                    .unwrap_err();
                run_over(threads, move |n| if n == at { panic!("work") } else { Ok(()) }, |_| Ok(())).unwrap_err();
                run_over(threads, |_| Ok(()), move |batch| if batch.first == at { panic!("sink") } else { Ok(()) })
                    .unwrap_err();
            }
            let mut next = 0;
            let sink = move |batch: &Batch| {
                assert_eq!(batch.first, next);
                next += 1;
                Ok(())
            };
            run_over(threads, |_| Ok(()), sink).unwrap().unwrap();
        }
    }
}
