//! A log of facts that is not on this disk: what takes the place of the segments behind [`Appender`] and
//! [`Reader`](super::Reader) where several instances share one (`src/cluster`).
//!
//! The data directory then holds only what is this instance's own: the lock, checkpoints, cache and index. The
//! queue, its bounds and answers are those of the segments' writer; who drains it gets it as an [`Inlet`].

use super::appender::{Appender, Counters, Shared};
use super::checkpoint::{self, Window};
use super::duplicates::{Fingerprint, Index};
use super::encode::{self, Encoded};
use super::error::{DecodeError, JournalError, ReadError};
use super::open::Options;
use super::queue::{Group, Queue};
use super::table::{Library, segments_dir};
use super::writer::{Status, Storing};
use super::{Disk, DiskLock};
use crate::core::fact::{Fact, JournalPosition};
use crate::core::time::Timestamp;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A fact as a log keeps it: the parts of a record without its place on a disk.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place in the log.
    pub position: JournalPosition,
    /// The kind's number, as in segments.
    pub kind: u8,
    /// The version of the kind.
    pub version: u8,
    /// The meta part, JSON.
    pub meta: Bytes,
    /// The bytes of a message.
    pub raw: Bytes,
}

impl Record {
    /// The fact in it.
    ///
    /// # Errors
    /// A newer version wrote it, or it is not whole.
    pub fn fact(&self) -> Result<Fact, DecodeError> {
        encode::decode(self.kind, self.version, &self.meta, &self.raw)
    }

    /// By what duplicates of it are known, where it is a message, and its receipt.
    pub fn fingerprint(&self) -> Option<(Fingerprint, Timestamp)> {
        encode::fingerprint(self.kind, self.version, &self.meta)
    }
}

/// Reads records of such a log, one after another.
pub trait LogReader: Send {
    /// The next record, if its position is not beyond `through`. Waits for the log, on the calling thread.
    ///
    /// # Errors
    /// [`ReadError::Dropped`] of positions that are no longer kept, once; [`ReadError::Io`] where the log does not
    /// answer: then the same is tried again.
    fn next(&mut self, through: JournalPosition) -> Result<Option<Record>, ReadError>;

    /// The position behind which it reads on.
    fn position(&self) -> JournalPosition;
}

/// A log that is read by position.
pub trait Log: Send + Sync {
    /// A reader of what is behind a position.
    fn reader(&self, after: JournalPosition) -> Box<dyn LogReader>;

    /// The first position that is kept; `None` where there is none.
    fn oldest(&self) -> Option<JournalPosition>;
}

/// The right to decide and to deliver, which one instance of a site has at a time.
///
/// What was decided under one is stored only while it stands: whoever lost it in between, and be it that the right
/// was given again, has decided about a past that has gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Rises by one with every taking; 0 where there is only one instance.
    pub epoch: u64,
    /// Where the log says so: all that former holders did stands before it.
    pub since: JournalPosition,
}

impl Hold {
    /// That of a journal which nobody shares.
    pub const ALONE: Self = Self {
        epoch: 0,
        since: JournalPosition::START,
    };
}

/// What a data directory has of its own beside such a log.
pub struct Beside {
    lock: Box<dyn DiskLock>,
    kept: checkpoint::Kept,
    disk: Arc<dyn Disk>,
    /// The messages that the newest checkpoint knows; what follows it is to be read from the log.
    pub(crate) index: Index,
    /// Where that checkpoint stands.
    pub base: JournalPosition,
}

/// Locks a data directory whose facts are elsewhere, and chooses the checkpoint that serves.
///
/// # Errors
/// As [`open`](super::open); and [`JournalError::HasSegments`] where facts are kept in it, too.
pub fn open_beside(disk: Arc<dyn Disk>, options: &Options) -> Result<Beside, JournalError> {
    let dir = &options.dir;
    let made = disk.create_dir(dir);
    made.map_err(|error| JournalError::io("create", dir, error))?;
    let path = dir.join("lock");
    let lock = disk.lock(&path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => JournalError::Locked { path },
        _ => JournalError::io("lock", path, error),
    })?;
    if has_segments(disk.as_ref(), dir)? {
        return Err(JournalError::HasSegments { dir: dir.clone() });
    }
    let kept = checkpoint::choose(disk.as_ref(), dir, &options.keys)?;
    let mut index = Index::new(options.duplicate_days, options.duplicate_entries);
    let mut base = JournalPosition::START;
    if let Some(newest) = kept.newest() {
        base = newest.position;
        let known = newest.known(|one| index.insert(&one.fingerprint, one.at, one.position));
        known.map_err(|error| JournalError::io("read", &newest.path, error))?;
    }
    Ok(Beside {
        lock,
        kept,
        disk,
        index,
        base,
    })
}

/// Whether a data directory holds segments of a journal.
///
/// # Errors
/// Where it cannot be listed.
pub fn has_segments(disk: &dyn Disk, dir: &Path) -> Result<bool, JournalError> {
    let segments = segments_dir(dir);
    match disk.list(&segments) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(JournalError::io("list", segments, error)),
        Ok(names) => Ok(names
            .iter()
            .any(|name| super::table::segment_number(name).is_some())),
    }
}

/// What a small file beside the facts says; `None` where there is none.
///
/// # Errors
/// Where it cannot be read.
pub fn read_mark(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(|text| Some(text.trim_end().to_owned())),
    }
}

/// Writes such a file, durably.
///
/// # Errors
/// Where the disk refuses.
pub fn write_mark(path: &Path, text: &str) -> io::Result<()> {
    let mut working = path.as_os_str().to_owned();
    working.push(".new");
    let mut file = std::fs::File::create(&working)?;
    io::Write::write_all(&mut file, format!("{text}\n").as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&working, path)?;
    match path.parent() {
        Some(dir) => std::fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// The numbers that entries of a directory are named by, in order; none where there is no such directory.
pub fn numbers_in(dir: &Path) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let numbers = entries.flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// Removes a directory and all that is in it.
///
/// # Errors
/// Where the disk refuses.
pub fn remove_with_all(dir: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(dir)
}

impl Beside {
    /// What of the checkpoints could not be used.
    pub fn unfit(&self) -> &[super::Unfit] {
        &self.kept.unfit
    }

    /// The door to a log that ends at `last` now, and the other side of it. The lock is held as long as the inlet.
    pub(crate) fn attach(
        self,
        options: &Options,
        log: Arc<dyn Log>,
        last: JournalPosition,
    ) -> (Appender, Inlet, Index) {
        let dir = segments_dir(&options.dir);
        let no_segments = Library::new(
            self.disk,
            dir,
            options.keys.clone(),
            Vec::new(),
            JournalPosition::START,
        );
        let shared = Arc::new(Shared {
            queue: Queue::new(),
            library: Arc::new(no_segments),
            log: Some(log),
            hold: watch::Sender::new(None),
            counters: Counters::default(),
            kept: Mutex::new(self.kept),
            takings: AtomicU64::new(0),
            data: options.dir.clone(),
            window: Window {
                days: options.duplicate_days,
                entries: options.duplicate_entries,
            },
            retention: options.retention,
            damaged: BTreeSet::new(),
            status: watch::Sender::new(Status {
                synced: last,
                storing: Storing::Good,
            }),
            storing: watch::Sender::new(Storing::Good),
        });
        let inlet = Inlet {
            shared: Arc::clone(&shared),
            _lock: Arc::new(Mutex::new(self.lock)),
        };
        (Appender::new(shared), inlet, self.index)
    }
}

/// The inner side of the door: who stores elsewhere takes groups here and says what became of them.
#[derive(Clone)]
pub(crate) struct Inlet {
    shared: Arc<Shared>,
    _lock: Arc<Mutex<Box<dyn DiskLock>>>,
}

impl Inlet {
    /// See [`Queue::take`].
    pub fn take(&self, patience: Duration, pending: &mut VecDeque<Group>) -> bool {
        self.shared.queue.take(patience, pending)
    }

    /// See [`Queue::rest`].
    pub fn rest(&self, patience: Duration) -> bool {
        self.shared.queue.rest(patience)
    }

    /// Drops the groups that nobody waits for any more.
    pub fn drop_abandoned(&self) {
        self.shared.queue.drop_abandoned();
    }

    /// Takes no more groups.
    pub fn close(&self) {
        self.shared.queue.close();
    }

    /// Gives up what is queued.
    pub fn clear(&self) {
        self.shared.queue.clear();
    }

    /// The log holds all up to here.
    pub fn synced(&self, through: JournalPosition) {
        self.shared.status.send_if_modified(|status| {
            let further = through > status.synced;
            status.synced = status.synced.max(through);
            further
        });
    }

    /// Whether more can be stored.
    pub fn storing(&self, storing: Storing) {
        self.shared.say(storing);
    }

    /// Since when, and why, nothing is stored.
    pub fn failing(&self, since: Instant, why: &'static str) {
        self.shared
            .counters
            .failures
            .fetch_add(1, Ordering::Relaxed);
        self.storing(Storing::Failing { since, why });
    }

    /// Since when nothing is stored, and what listeners receive is kept aside.
    pub fn aside(&self, since: Instant) {
        if self.shared.status.borrow().storing != (Storing::Aside { since }) {
            self.shared
                .counters
                .failures
                .fetch_add(1, Ordering::Relaxed);
            self.storing(Storing::Aside { since });
        }
    }

    /// Counts what was stored.
    pub fn stored(&self, records: u64, bytes: u64) {
        let counters = &self.shared.counters;
        counters.syncs.fetch_add(1, Ordering::Relaxed);
        counters.records.fetch_add(records, Ordering::Relaxed);
        counters.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says who may decide.
    pub fn set_hold(&self, hold: Option<Hold>) {
        self.shared.hold.send_if_modified(|now| {
            let other = *now != hold;
            *now = hold;
            other
        });
    }

    /// Positions up to here are behind both checkpoints that this instance keeps.
    pub fn floor(&self) -> JournalPosition {
        self.shared.kept().floor()
    }

    /// The checkpoints that this instance keeps, the newest first.
    pub fn checkpoints(&self) -> Vec<checkpoint::Checkpoint> {
        self.shared.kept().good
    }

    /// Whether this instance may decide.
    pub fn holds(&self) -> bool {
        self.shared.hold.borrow().is_some()
    }
}

/// The record of "seen again" for a message that is known.
pub(crate) fn seen_again(
    known: &super::queue::KnownBy,
    first: JournalPosition,
) -> Result<Encoded, super::AppendError> {
    let again = Fact::SeenAgain {
        first,
        origin: known.origin.clone(),
        received_at: known.received_at,
    };
    encode::encode(&again, None)
}
