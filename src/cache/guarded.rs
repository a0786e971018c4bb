//! sled while it is in use: every call is timed, and it can be given up at any moment.
//!
//! A call into sled that does not return cannot be ended, only left behind. So each call is noted while
//! it lasts ([`Guarded::longest`]); whoever watches gives the state up, and from then on every call
//! fails at once, also the one that comes back late.

use super::sled::Sled;
use crate::clock;
use crate::core::fact::JournalPosition;
use crate::core::fold::state::{Batch, Entry, Placed, State, StateError};
use crate::failpoints;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, mpsc};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// How long closing may take when the state is dropped: all of the cache may have to be written.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);

/// A state on disk that is not trusted to answer.
pub struct Guarded {
    /// `None` once it is let go.
    sled: RwLock<Option<Arc<Sled>>>,
    calls: Mutex<Calls>,
    given_up: OnceLock<String>,
}

/// The calls under way.
#[derive(Default)]
struct Calls {
    next: u64,
    under_way: BTreeMap<u64, (ThreadId, Instant)>,
}

/// A call while it lasts.
struct Call<'a>(&'a Mutex<Calls>, u64);

fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Call<'a> {
    fn begin(calls: &'a Mutex<Calls>) -> Self {
        let entry = (std::thread::current().id(), clock::monotonic());
        let mut inside = lock(calls);
        let number = inside.next;
        inside.next += 1;
        inside.under_way.insert(number, entry);
        Self(calls, number)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        lock(self.0).under_way.remove(&self.1);
    }
}

impl Guarded {
    /// Guards an open state.
    pub fn new(sled: Sled) -> Self {
        Self {
            sled: RwLock::new(Some(Arc::new(sled))),
            calls: Mutex::default(),
            given_up: OnceLock::new(),
        }
    }

    /// Threads that have been in a call for longer than this.
    pub fn waiting_longer_than(&self, bound: Duration) -> Vec<ThreadId> {
        let now = clock::monotonic();
        let calls = lock(&self.calls);
        let late = calls
            .under_way
            .values()
            .filter(|(_, since)| now.saturating_duration_since(*since) > bound);
        late.map(|(thread, _)| *thread).collect()
    }

    /// From now on every call fails with this reason, the ones under way too when they return.
    pub fn give_up(&self, why: &str) {
        let _ = self.given_up.set(why.to_owned());
    }

    /// Lets go of sled, which writes out what it holds. False where that takes longer than `within`:
    /// then its files may still be written to.
    pub fn close(&self, within: Duration) -> bool {
        let mut held = self.sled.write().unwrap_or_else(PoisonError::into_inner);
        let taken = held.take();
        drop(held);
        let Some(mut sled) = taken else {
            return true;
        };
        let (done, closed) = mpsc::channel();
        let thread = std::thread::Builder::new().name("cache-close".to_owned());
        let closing = thread.spawn(move || {
            // A call that is under way holds it as well.
            let last = loop {
                match Arc::try_unwrap(sled) {
                    Ok(last) => break last,
                    Err(shared) => sled = shared,
                }
                std::thread::park_timeout(Duration::from_millis(2));
            };
            let _ = catch_unwind(AssertUnwindSafe(|| drop(last)));
            let _ = done.send(());
        });
        closing.is_ok() && closed.recv_timeout(within).is_ok()
    }

    fn doubt(&self) -> Result<(), StateError> {
        match self.given_up.get() {
            Some(why) => Err(StateError::Store(why.clone())),
            None => Ok(()),
        }
    }

    fn call<T>(&self, work: impl FnOnce(&Sled) -> Result<T, StateError>) -> Result<T, StateError> {
        self.doubt()?;
        let sled = self
            .sled
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let sled = sled.ok_or_else(|| StateError::Store("it is closed".to_owned()))?;
        let call = Call::begin(&self.calls);
        failpoints::stall("cache-hang");
        if std::thread::current().name() != Some("fold") {
            failpoints::stall("cache-hang-for-readers");
        }
        if failpoints::on("cache-slow") {
            std::thread::park_timeout(Duration::from_millis(200));
        }
        let done = work(&sled);
        drop(call);
        self.doubt()?;
        done
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.close(CLOSED_WITHIN);
    }
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guarded")
    }
}

impl State for Guarded {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.call(|sled| sled.get(key))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Entry>, StateError> {
        self.call(|sled| sled.scan(prefix, from, limit))
    }

    fn place(&self, key: &[u8]) -> Result<Vec<u8>, StateError> {
        self.call(|sled| sled.place(key))
    }

    fn walk(&self, behind: Option<&[u8]>, limit: usize) -> Result<Vec<Placed>, StateError> {
        self.call(|sled| sled.walk(behind, limit))
    }

    fn commit(&self, batch: Batch, through: JournalPosition) -> Result<(), StateError> {
        self.call(|sled| sled.commit(batch, through))
    }

    fn position(&self) -> Result<JournalPosition, StateError> {
        self.call(Sled::position)
    }
}
