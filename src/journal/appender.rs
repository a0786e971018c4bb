//! The door: how facts get to the writer, and how others learn what is stored.

use super::checkpoint::{Checkpoint, Kept, TakeError, Taking, Window};
use super::duplicates::Fingerprint;
use super::encode::{Encoded, encode};
use super::error::{AppendError, JournalError};
use super::keeper::Keeper;
use super::log::{Hold, Log};
use super::open::Retention;
use super::queue::{Group, KnownBy, Queue, Queued, SLOTS, block_on, slots_of};
use super::reader::Reader;
use super::table::Library;
use super::writer::{Status, Stored, Storing};
use crate::core::fact::{Fact, JournalPosition};
use crate::core::fold::state::State;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot, watch};

/// A fact to be appended.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The fact.
    pub fact: Fact,
    /// How duplicates of a message are known; looked at only with [`Fact::Received`].
    pub fingerprint: Option<Fingerprint>,
}

impl From<Fact> for Draft {
    fn from(fact: Fact) -> Self {
        Self {
            fact,
            fingerprint: None,
        }
    }
}

/// What the writer has done since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Successful syncs of groups (`pentamer_journal_syncs_total`).
    pub syncs: u64,
    /// Facts stored.
    pub records: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// Failed attempts to store.
    pub failures: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub syncs: AtomicU64,
    pub records: AtomicU64,
    pub bytes: AtomicU64,
    pub failures: AtomicU64,
}

/// What appenders, readers and the writer have in common.
pub(crate) struct Shared {
    pub queue: Queue,
    pub library: Arc<Library>,
    /// Where the facts are, if not in segments: then the library is empty.
    pub log: Option<Arc<dyn Log>>,
    /// The right to decide, while this instance has it.
    pub hold: watch::Sender<Option<Hold>>,
    pub counters: Counters,
    pub kept: Mutex<Kept>,
    /// How many checkpoints were begun.
    pub takings: AtomicU64,
    /// The data directory.
    pub data: PathBuf,
    pub window: Window,
    pub retention: Retention,
    /// Segments found damaged at the opening: they stay as they are.
    pub damaged: BTreeSet<u64>,
    pub status: watch::Sender<Status>,
    /// What `status` says of storing, for those who need not be woken by every sync.
    pub storing: watch::Sender<Storing>,
}

impl Shared {
    /// Says whether more can be stored.
    pub fn say(&self, storing: Storing) {
        self.status.send_modify(|status| status.storing = storing);
        self.storing.send_replace(storing);
    }

    /// The checkpoints kept now.
    pub fn kept(&self) -> Kept {
        let kept = self.kept.lock();
        kept.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Closes the queue when the last appender is dropped.
struct Door(Arc<Shared>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

/// Appends facts; clones share one writer.
#[derive(Clone)]
pub struct Appender {
    door: Arc<Door>,
}

type Answer = oneshot::Receiver<Vec<Stored>>;

/// Under what a group is stored.
#[derive(Default)]
struct Conditions {
    hold: Option<Hold>,
    after: Option<JournalPosition>,
    received: bool,
}

impl Appender {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            door: Arc::new(Door(shared)),
        }
    }

    fn shared(&self) -> &Shared {
        &self.door.0
    }

    /// Queues a group, waiting for a slot where the queue is full. It is written contiguously; the
    /// answer, one [`Stored`] a draft, comes after `fdatasync`. While nothing can be stored, a group
    /// whose answer is dropped is dropped too; otherwise it is stored whether or not anyone listens.
    pub async fn submit(&self, group: Vec<Draft>) -> Result<Answer, AppendError> {
        self.submit_as(Conditions::default(), group).await
    }

    /// Like [`submit`](Self::submit), for what a listener received. While a log elsewhere does not answer it may be
    /// kept aside and answered for (`[cluster] spool`): the position is then a provisional one.
    pub async fn submit_received(&self, group: Vec<Draft>) -> Result<Answer, AppendError> {
        let received = Conditions {
            received: true,
            ..Conditions::default()
        };
        self.submit_as(received, group).await
    }

    /// Facts as another journal had them; copies among them are not looked for.
    pub(crate) async fn submit_encoded(&self, facts: Vec<Encoded>) -> Result<Answer, AppendError> {
        let queued = |encoded| Queued {
            encoded,
            known_by: None,
        };
        let facts: Vec<Queued> = facts.into_iter().map(queued).collect();
        self.submit_prepared(Conditions::default(), facts).await
    }

    /// Like [`submit`](Self::submit), for what only the instance may store that has the right to decide: where that
    /// is lost or was given anew meanwhile, the group is dropped without an answer.
    pub async fn submit_held(&self, hold: Hold, group: Vec<Draft>) -> Result<Answer, AppendError> {
        let held = Conditions {
            hold: Some(hold),
            ..Conditions::default()
        };
        self.submit_as(held, group).await
    }

    async fn submit_as(
        &self,
        conditions: Conditions,
        group: Vec<Draft>,
    ) -> Result<Answer, AppendError> {
        self.submit_prepared(conditions, prepare(group)?).await
    }

    async fn submit_prepared(
        &self,
        conditions: Conditions,
        facts: Vec<Queued>,
    ) -> Result<Answer, AppendError> {
        let slots = Arc::clone(&self.shared().queue.slots);
        let slots = slots.acquire_many_owned(slots_of(&facts)).await;
        self.push(facts, slots.map_err(|_| AppendError::Closed)?, conditions)
    }

    /// Like [`submit`](Self::submit), for a chain of facts of one kind: where the newest of them stands elsewhere
    /// than at `after`, because another instance has added to it, the group is dropped without an answer.
    pub async fn submit_linked(
        &self,
        after: JournalPosition,
        group: Vec<Draft>,
    ) -> Result<Answer, AppendError> {
        let linked = Conditions {
            after: Some(after),
            ..Conditions::default()
        };
        self.submit_as(linked, group).await
    }

    /// The right to decide and to deliver, while this instance has it.
    pub fn hold(&self) -> Option<Hold> {
        *self.shared().hold.borrow()
    }

    /// Changes with [`hold`](Self::hold).
    pub fn holding(&self) -> watch::Receiver<Option<Hold>> {
        self.shared().hold.subscribe()
    }

    /// Whether other instances may share the log.
    pub fn is_shared(&self) -> bool {
        self.shared().log.is_some()
    }

    /// Like [`submit`](Self::submit), with [`AppendError::Full`] instead of waiting.
    pub fn try_submit(&self, group: Vec<Draft>) -> Result<Answer, AppendError> {
        let facts = prepare(group)?;
        let slots: Arc<Semaphore> = Arc::clone(&self.shared().queue.slots);
        let slots = slots.try_acquire_many_owned(slots_of(&facts));
        let slots = slots.map_err(|error| match error {
            TryAcquireError::Closed => AppendError::Closed,
            TryAcquireError::NoPermits => AppendError::Full,
        })?;
        self.push(facts, slots, Conditions::default())
    }

    /// Facts that are queued or being written and not yet answered for.
    pub fn unanswered(&self) -> usize {
        let free = self.shared().queue.slots.available_permits();
        (SLOTS as usize).saturating_sub(free)
    }

    /// For threads without a runtime: queues a group and waits until it is stored, however long.
    pub fn append_blocking(&self, group: Vec<Draft>) -> Result<Vec<Stored>, AppendError> {
        let answer = block_on(self.submit(group))?;
        block_on(answer).map_err(|_| AppendError::Closed)
    }

    /// Like [`append_blocking`](Self::append_blocking), for what [`submit_held`](Self::submit_held) is for.
    ///
    /// # Errors
    /// [`AppendError::NotHeld`] where the right to decide is lost.
    pub fn append_held(&self, hold: Hold, group: Vec<Draft>) -> Result<Vec<Stored>, AppendError> {
        let answer = block_on(self.submit_held(hold, group))?;
        let shared = self.is_shared();
        block_on(answer).map_err(|_| match shared && self.hold() != Some(hold) {
            true => AppendError::NotHeld,
            false => AppendError::Closed,
        })
    }

    fn push(
        &self,
        facts: Vec<Queued>,
        slots: OwnedSemaphorePermit,
        conditions: Conditions,
    ) -> Result<Answer, AppendError> {
        let (answer, receiver) = oneshot::channel();
        if facts.is_empty() {
            let _ = answer.send(Vec::new());
            return Ok(receiver);
        }
        let group = Group {
            stored: Vec::with_capacity(facts.len()),
            facts,
            answer,
            slots,
            hold: conditions.hold,
            after: conditions.after,
            received: conditions.received,
        };
        if self.shared().queue.push(group) {
            Ok(receiver)
        } else {
            Err(AppendError::Closed)
        }
    }

    /// What is synced, and whether the journal can store.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared().status.subscribe()
    }

    /// Whether the journal can store; unlike [`status`](Self::status) it is not touched by what is synced.
    pub fn storing(&self) -> watch::Receiver<Storing> {
        self.shared().storing.subscribe()
    }

    /// A reader of the facts behind a position.
    pub fn reader(&self, after: JournalPosition) -> Result<Reader, JournalError> {
        Ok(self.read_from(after))
    }

    fn read_from(&self, after: JournalPosition) -> Reader {
        let shared = self.shared();
        match &shared.log {
            None => Reader::new(Arc::clone(&shared.library), after),
            Some(log) => Reader::of_log(Arc::clone(log), shared.library.keys.clone(), after),
        }
    }

    /// The newest checkpoint, if there is one.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.shared().kept().newest().cloned()
    }

    /// The first position whose fact is kept.
    pub fn oldest(&self) -> JournalPosition {
        let shared = self.shared();
        let none_yet = || shared.status.borrow().synced.next();
        let oldest = match &shared.log {
            None => shared.library.oldest(),
            Some(log) => log.oldest(),
        };
        oldest.unwrap_or_else(none_yet)
    }

    /// Begins a checkpoint of a state as it is now.
    ///
    /// # Errors
    /// Where the state cannot be read or the file not be made.
    pub fn begin_checkpoint(&self, state: &dyn State) -> Result<Taking, TakeError> {
        let shared = self.shared();
        let before = self.checkpoint();
        let after = before.as_ref().map(|before| before.position);
        let disk = Arc::clone(&shared.library.disk);
        let reader = self.read_from(after.unwrap_or(JournalPosition::START));
        let turn = shared.takings.fetch_add(1, Ordering::Relaxed);
        let (data, window) = (&shared.data, shared.window);
        Taking::begin(disk, data, state, before, reader, window, turn)
    }

    /// Puts a finished checkpoint in force: from now on segments behind the one before it may go.
    ///
    /// # Errors
    /// Where the disk refuses; then the ones before stay in force.
    pub fn publish_checkpoint(&self, taking: Taking) -> Result<Checkpoint, TakeError> {
        let published = taking.publish()?;
        let newest = published.newest().cloned();
        let mut kept = self.shared().kept.lock();
        *kept.as_deref_mut().unwrap_or_else(|error| {
            // Nothing panics while it is held.
            error.get_mut()
        }) = published;
        newest.ok_or_else(|| TakeError::Io(std::io::ErrorKind::NotFound.into()))
    }

    /// What compresses and drops closed segments. It does not keep the journal open.
    pub fn keeper(&self) -> Keeper {
        Keeper::new(Arc::clone(&self.door.0), self.shared().retention)
    }

    /// What was done since the start.
    pub fn stats(&self) -> Stats {
        let counters = &self.shared().counters;
        Stats {
            syncs: counters.syncs.load(Ordering::Relaxed),
            records: counters.records.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
        }
    }
}

/// Encodes on the caller's thread, so that the writer only writes.
fn prepare(group: Vec<Draft>) -> Result<Vec<Queued>, AppendError> {
    let mut facts = Vec::with_capacity(group.len());
    for Draft { fact, fingerprint } in group {
        let encoded = encode(&fact, fingerprint.as_ref())?;
        let known_by = match (fact, fingerprint) {
            (Fact::Received(received), Some(fingerprint)) => Some(KnownBy {
                fingerprint,
                origin: received.origin,
                received_at: received.received_at,
            }),
            _ => None,
        };
        facts.push(Queued { encoded, known_by });
    }
    Ok(facts)
}
