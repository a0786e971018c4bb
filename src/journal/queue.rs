//! The bounded queue between all who append and the one thread that writes.

use super::duplicates::Fingerprint;
use super::encode::Encoded;
use super::log::Hold;
use super::writer::Stored;
use crate::clock;
use crate::core::fact::{JournalPosition, Origin};
use crate::core::time::Timestamp;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// What is queued at most, in bytes (one larger group may always be alone).
const QUEUE_BYTES: u64 = 64 << 20;
/// One slot stands for so many bytes.
const SLOT: u64 = 1 << 10;
pub(crate) const SLOTS: u32 = (QUEUE_BYTES / SLOT) as u32;
/// What is written and synced together at most.
const BATCH_BYTES: u64 = 8 << 20;
const BATCH_FACTS: usize = 4096;

/// A fact ready to be written.
pub(crate) struct Queued {
    pub encoded: Encoded,
    /// Of a message whose duplicates count.
    pub known_by: Option<KnownBy>,
}

/// By what a message is known again, and what its "seen again" would say.
pub(crate) struct KnownBy {
    pub fingerprint: Fingerprint,
    pub origin: Origin,
    pub received_at: Timestamp,
}

/// Facts that are answered together.
pub(crate) struct Group {
    pub facts: Vec<Queued>,
    /// Of those that are synced.
    pub stored: Vec<Stored>,
    pub answer: oneshot::Sender<Vec<Stored>>,
    pub slots: OwnedSemaphorePermit,
    /// Stored only while this right to decide stands.
    pub hold: Option<Hold>,
    /// Stored only right behind the fact of its kind that stands here.
    pub after: Option<JournalPosition>,
    /// A listener received it: it may be kept aside while a log elsewhere does not answer.
    pub received: bool,
}

impl Group {
    /// Facts that nobody waits for, outside of any queue.
    pub fn unanswered(facts: Vec<Queued>) -> Option<Self> {
        let slots = Arc::new(Semaphore::new(0)).try_acquire_many_owned(0).ok()?;
        Some(Self {
            stored: Vec::with_capacity(facts.len()),
            facts,
            answer: oneshot::channel().0,
            slots,
            hold: None,
            after: None,
            received: true,
        })
    }

    fn bytes(&self) -> u64 {
        self.facts.iter().map(|fact| fact.encoded.payload()).sum()
    }
}

/// How many slots a group of such facts needs.
pub(crate) fn slots_of(facts: &[Queued]) -> u32 {
    let each = facts.iter().map(|fact| fact.encoded.payload() / SLOT + 1);
    u32::try_from(each.sum::<u64>()).map_or(SLOTS, |slots| slots.min(SLOTS))
}

#[derive(Default)]
struct State {
    groups: VecDeque<Group>,
    closed: bool,
}

/// The queue.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    pub slots: Arc<Semaphore>,
}

impl Queue {
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            slots: Arc::new(Semaphore::new(SLOTS as usize)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a group that has its slots; false if the queue is closed.
    pub fn push(&self, group: Group) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.groups.push_back(group);
        drop(state);
        self.changed.notify_one();
        true
    }

    /// Takes no more groups; what is queued stays.
    pub fn close(&self) {
        self.lock().closed = true;
        self.slots.close();
        self.changed.notify_one();
    }

    /// Waits until there is something to write, `patience` is over or the queue is closed, then
    /// moves one batch to `pending`. Whether the queue is closed and nothing is left in it.
    pub fn take(&self, patience: Duration, pending: &mut VecDeque<Group>) -> bool {
        let mut state = self.wait(patience, |s| s.groups.is_empty() && !s.closed);
        let (mut bytes, mut facts) = (0, 0);
        while let Some(group) = state.groups.front() {
            bytes += group.bytes();
            facts += group.facts.len();
            let full = bytes > BATCH_BYTES || facts > BATCH_FACTS;
            if full && !pending.is_empty() {
                break;
            }
            pending.extend(state.groups.pop_front());
        }
        state.closed && state.groups.is_empty()
    }

    /// Waits for `patience`, or for the closing of the queue; whether it is closed.
    pub fn rest(&self, patience: Duration) -> bool {
        self.wait(patience, |s| !s.closed).closed
    }

    fn wait(&self, patience: Duration, idle: fn(&State) -> bool) -> MutexGuard<'_, State> {
        let until = clock::monotonic() + patience;
        let mut state = self.lock();
        while idle(&state) {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Drops the groups that nobody waits for any more.
    pub fn drop_abandoned(&self) {
        self.lock().groups.retain(|group| !group.answer.is_closed());
    }

    /// Drops everything; nobody is answered.
    pub fn clear(&self) {
        self.lock().groups.clear();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on a thread that has no runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
