//! Reading and compressing clusters on several threads; results come in the order of the disk.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
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
    number: u64,
    range: Range<u64>,
    /// A used batch, for its memory.
    batch: Batch,
}

type Done = (u64, Result<Batch, Error>);

/// Gives every batch of `source` that holds data to `sink`, in order, compressed at `level` by `threads` threads.
pub(super) fn compress(
    source: &Source,
    level: i32,
    threads: NonZeroUsize,
    mut sink: impl FnMut(&Batch) -> Result<(), Error>,
) -> Result<(), Error> {
    let limit = (threads.get() * BATCHES_PER_THREAD) as u64;
    let (task_sender, tasks) = channel::<Task>();
    let (done_sender, done) = channel::<Done>();
    let tasks = Mutex::new(tasks);
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            let (tasks, done) = (&tasks, done_sender.clone());
            scope.spawn(move || work(source, level, tasks, &done));
        }
        drop(done_sender);
        // Owned by this closure, so that the threads see the end of their work when it returns, for whatever reason.
        let task_sender = task_sender;
        let mut ranges = Ranges { source, data: 0..0 };
        let (mut sent, mut finished) = (0, 0);
        let (mut waiting, mut spare) = (BTreeMap::new(), Vec::new());
        loop {
            while sent - finished < limit {
                let Some(range) = ranges.next()? else { break };
                let task = Task { number: sent, range, batch: spare.pop().unwrap_or_default() };
                task_sender.send(task).expect("a thread is there to take it");
                sent += 1;
            }
            if sent == finished {
                return Ok(());
            }
            let (number, batch) = done.recv().expect("a thread is there to finish it");
            waiting.insert(number, batch);
            while let Some(batch) = waiting.remove(&finished) {
                let batch = batch?;
                sink(&batch)?;
                spare.push(batch);
                finished += 1;
            }
        }
    })
}

fn work(source: &Source, level: i32, tasks: &Mutex<Receiver<Task>>, done: &Sender<Done>) {
    let mut packer = Packer::new(level);
    loop {
        let Ok(Task { number, range, mut batch }) = tasks.lock().expect("no thread panics while it waits").recv()
        else {
            return;
        };
        let result = match &mut packer {
            Ok(packer) => packer.pack(source, range, &mut batch).map(|()| batch),
            Err(error) => Err(Error::Compress(error.to_string())),
        };
        if done.send((number, result)).is_err() {
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
}
