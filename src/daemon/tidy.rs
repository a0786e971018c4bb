//! The thread that compresses and drops closed segments of the journal.

use crate::clock;
use crate::config::Storage;
use crate::core::time::Span;
use crate::journal::{Keeper, Retention};
use crate::telemetry::events;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// From one pass to the next.
const PAUSE: Duration = Duration::from_secs(5);
/// Nobody waits for it.
const NICENESS: i32 = 10;

/// `[storage] retention` and `retention_size` as the journal knows them.
pub(super) fn retention(storage: &Storage) -> Retention {
    let span = |age: Duration| Span::micros(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
    Retention {
        age: storage.retention.map(span),
        size: (storage.retention_size > 0).then_some(storage.retention_size),
    }
}

/// The running thread.
pub(super) struct Tidier {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Tidier {
    /// Ends it, in the middle of a segment if need be.
    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        let _ = self.thread.join();
    }
}

/// Starts it.
pub(super) fn start(keeper: Keeper) -> io::Result<Tidier> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::Builder::new().name("journal-tidy".to_owned());
    let thread = thread.spawn(move || {
        let _ = rustix::process::nice(NICENESS);
        let mut told = String::new();
        while !stopped.load(Ordering::Relaxed) {
            pass(&keeper, &stopped, &mut told);
            std::thread::park_timeout(PAUSE);
        }
    })?;
    Ok(Tidier { stop, thread })
}

/// One pass; a failure is told once.
fn pass(keeper: &Keeper, stop: &AtomicBool, told: &mut String) {
    match keeper.pass(clock::now(), stop) {
        Ok(tidied) => {
            told.clear();
            let since = tidied.since.unwrap_or_default();
            let seconds = since.as_micros() as f64 / 1e6;
            events::journal_kept(tidied.bytes, tidied.oldest.0, seconds);
            if tidied.packed + tidied.dropped > 0 {
                let since = jiff::Timestamp::from_microsecond(since.as_micros());
                let since = since.map(|at| at.to_string()).unwrap_or_default();
                let oldest = tidied.oldest.0;
                events::journal_tidied(tidied.packed, tidied.dropped, tidied.bytes, oldest, &since);
            }
        }
        Err(error) => {
            let why = error.to_string();
            if *told != why {
                events::journal_untidy(&why);
                *told = why;
            }
        }
    }
}
