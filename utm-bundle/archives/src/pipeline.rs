//! Work on all cores, with results in the order of the input and a bounded number of pieces in memory.

use std::collections::VecDeque;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;

/// Takes pieces from `next` until there is none, calls `work` for each on some thread, and `done` with the results in order.
/// `next` and `done` run on the caller's thread. The first error ends it.
pub(crate) fn in_order<T: Send, R: Send>(
    mut next: impl FnMut() -> Result<Option<T>, Error>,
    work: impl Fn(T) -> R + Sync,
    mut done: impl FnMut(R) -> Result<(), Error>,
) -> Result<(), Error> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // As long as there are not too many results to wait for, there are not too many pieces either.
    let (sender, receiver) = channel::<(T, Sender<R>)>();
    // The threads alone own it: when they are gone, because the work panicked, nobody waits for a result.
    let receiver = Arc::new(Mutex::new(receiver));
    std::thread::scope(|scope| {
        let work = &work;
        for receiver in vec![receiver; threads] {
            scope.spawn(move || {
                loop {
                    let piece = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((piece, result)) = piece else { break };
                    // Nobody waits for it after an error.
                    let _ = result.send(work(piece));
                }
            });
        }
        // It belongs to this closure, so that the threads end when it does.
        let sender = sender;
        let mut waiting = VecDeque::new();
        loop {
            let piece = next()?;
            let most = if piece.is_some() { 2 * threads } else { 0 };
            if let Some(piece) = piece {
                let (result, later) = channel();
                sender.send((piece, result)).expect("a piece that panics ends its thread only");
                waiting.push_back(later);
            }
            while waiting.len() > most {
                let result = waiting.pop_front().expect("there is one").recv();
                done(result.expect("the work does not panic"))?;
            }
            if most == 0 {
                return Ok(());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_pieces() {
        let (mut pieces, mut results) = ((0..1000_u64).collect::<VecDeque<_>>(), Vec::new());
        let work = |n: u64| (0..n % 7 * 1000).fold(n, |a, _| std::hint::black_box(a));
        let done = |n| {
            results.push(n);
            Ok(())
        };
        in_order(|| Ok(pieces.pop_front()), work, done).unwrap();
        assert!(results.into_iter().eq(0..1000));
    }

    #[test]
    fn an_error_on_either_side_ends_it() {
        let error = || Error::damaged("x".as_ref(), "y");
        let mut left = 100;
        let next = || {
            left -= 1;
            if left > 0 { Ok(Some(left)) } else { Err(error()) }
        };
        in_order(next, |n| n, |_| Ok(())).unwrap_err();
        in_order(|| Ok(Some(1)), |n| n, |_| Err(error())).unwrap_err();
    }

    #[test]
    #[should_panic(expected = "panic")]
    fn work_that_panics_is_not_waited_for() {
        let _ = in_order(|| Ok(Some(())), |()| panic!("work"), |()| Ok(()));
    }
}
