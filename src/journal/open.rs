//! Opening a data directory: lock, recover, make the tail durable; then starting the writer.

use super::active::{Active, NEXT};
use super::appender::{Appender, Counters, Shared};
use super::checkpoint::{self, Kept, Window};
use super::cursor::Cursor;
use super::disk::{Disk, DiskLock};
use super::duplicates::Index;
use super::encode::Encoded;
use super::error::JournalError;
use super::keeper::finish_packing;
use super::layout::{SegmentHeader, kept_size, record_size};
use super::log::Hold;
use super::prepare::{PREPARED, Preparer, prepare};
use super::queue::Queue;
use super::reader::Reader;
use super::recovery::{Base, Found, Recovery, recover, survey};
use super::sealing::Opener;
use super::table::{Library, Segment, open_segment, segments_dir};
use super::writer::{Status, Storing, Writer};
use crate::core::fact::JournalPosition;
use crate::core::time::{Span, Timestamp};
use crate::pulse::Pulse;
use crate::seal::Keyring;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// For how long segments are kept that both checkpoints have passed (`[storage] retention`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Segments whose youngest fact is older are dropped; `None` keeps them.
    pub age: Option<Span>,
    /// While all segments together have more bytes, the oldest is dropped; `None` keeps them.
    pub size: Option<u64>,
}

/// How to keep the journal.
#[derive(Clone)]
pub struct Options {
    /// The data directory; segments are in its `journal`, the lock file beside that.
    pub dir: PathBuf,
    /// Bytes of a segment; a larger record gets one of its own size. Default 64 MiB.
    pub segment_size: u64,
    /// Bytes to leave free on the disk (`[storage] reserve`). Default 1 GiB.
    pub reserve: u64,
    /// How long a message is known again (WIRE A-60). Default 30 days.
    pub duplicate_days: u32,
    /// How many messages are known again at most; each takes about 60 bytes of memory. Default 1,000,000.
    pub duplicate_entries: usize,
    /// What may be dropped. Default nothing.
    pub retention: Retention,
    /// Time between attempts while nothing can be stored (WIRE A-70). Default 1 s.
    pub retry: Duration,
    /// Keys: the first seals what is written, all open what is read. Default none.
    pub keys: Keyring,
    /// Whether a thread makes the next segment ready ahead. Default true.
    pub prepare_ahead: bool,
    /// Told the duration of every successful sync (`pentamer_journal_sync_seconds`).
    pub on_sync: Option<Arc<dyn Fn(Duration) + Send + Sync>>,
    /// The time, for the headers of segments.
    pub clock: fn() -> Timestamp,
    /// The writer's sign of life.
    pub pulse: Pulse,
}

impl Options {
    /// The defaults for a data directory.
    pub fn new(dir: impl Into<PathBuf>, clock: fn() -> Timestamp) -> Self {
        Self {
            dir: dir.into(),
            segment_size: 64 << 20,
            reserve: 1 << 30,
            duplicate_days: 30,
            duplicate_entries: 1_000_000,
            retention: Retention::default(),
            retry: Duration::from_secs(1),
            keys: Keyring::none(),
            prepare_ahead: true,
            on_sync: None,
            clock,
            pulse: Pulse::new("journal"),
        }
    }
}

/// A journal that is open and not yet written to.
pub struct Journal {
    disk: Arc<dyn Disk>,
    options: Options,
    lock: Box<dyn DiskLock>,
    library: Arc<Library>,
    kept: Kept,
    index: Index,
    damaged: BTreeSet<u64>,
    active: Option<Active>,
    next_number: u64,
    last: JournalPosition,
    proven: JournalPosition,
}

/// The writer's thread.
pub struct WriterHandle {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl WriterHandle {
    /// Takes no more groups; what is queued is stored (or, if that fails, given up) and the thread ends.
    pub fn stop(&self) {
        self.shared.queue.close();
    }

    /// Waits until the thread has ended and the lock is free: after [`stop`](Self::stop), or when
    /// all appenders are dropped.
    pub fn join(self) {
        let _ = self.thread.join();
    }
}

/// A journal looked at without changing or locking it, perhaps beside a running daemon.
pub struct Inspection {
    /// What was found. Beside a running daemon a group just being written looks like a torn tail.
    pub recovery: Recovery,
    /// The checkpoints, each verified whole.
    pub checkpoints: Kept,
    library: Arc<Library>,
}

impl Inspection {
    /// A reader; pass it `recovery.last` as the last position to read.
    pub fn reader(&self, after: JournalPosition) -> Reader {
        // What was dropped is not there to be read, and no fault.
        let dropped = JournalPosition(self.recovery.oldest.0.saturating_sub(1));
        let after = after.max(dropped.min(self.recovery.base));
        Reader::new(Arc::clone(&self.library), after)
    }
}

/// Reads and verifies a data directory's checkpoints and every segment kept, changing nothing:
/// [`Recovery::oldest`] and [`Recovery::since`] say from where on facts are kept.
///
/// # Errors
/// [`JournalError::Sealed`] where a key is missing, [`JournalError::Io`], or that of a newer version.
pub fn inspect(disk: Arc<dyn Disk>, dir: &Path) -> Result<Inspection, JournalError> {
    inspect_with(disk, dir, &Keyring::none())
}

/// Like [`inspect`], of a directory in which these keys open what is sealed.
///
/// # Errors
/// As there.
pub fn inspect_with(
    disk: Arc<dyn Disk>,
    dir: &Path,
    keys: &Keyring,
) -> Result<Inspection, JournalError> {
    let checkpoints = checkpoint::survey(disk.as_ref(), dir, keys)?;
    let base = checkpoints.newest().map(|newest| newest.position);
    let base = base.unwrap_or(JournalPosition::START);
    let dir = segments_dir(dir);
    let mut index = Index::new(0, 0);
    let mut found = recover(disk.as_ref(), &dir, keys, Base::Read(base), &mut index)?;
    found
        .recovery
        .checkpoints_unfit
        .clone_from(&checkpoints.unfit);
    Ok(Inspection {
        recovery: found.recovery,
        checkpoints,
        library: Arc::new(Library::new(disk, dir, keys.clone(), found.segments, base)),
    })
}

/// Locks and recovers a data directory's journal, making it if it is not there.
///
/// # Errors
/// [`JournalError::Locked`] when another process has it, [`JournalError::NewerFormat`] when a newer
/// version wrote it, [`JournalError::Sealed`] when one of its keys is missing (then nothing is changed), [`JournalError::Io`] when it cannot be read, or its tail not be made durable.
pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Journal, Recovery), JournalError> {
    let dir = segments_dir(&options.dir);
    let made = disk.create_dir(&dir);
    made.map_err(|error| JournalError::io("create", &dir, error))?;
    let path = options.dir.join("lock");
    let lock = disk.lock(&path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => JournalError::Locked { path },
        _ => JournalError::io("lock", path, error),
    })?;
    let synced = disk.sync_dir(&options.dir);
    synced.map_err(|error| JournalError::io("sync", &options.dir, error))?;
    // Before anything is set aside or removed: what cannot be opened is not damaged.
    survey(disk.as_ref(), &dir, &options.keys, &mut Recovery::default())?;
    let kept = checkpoint::choose(disk.as_ref(), &options.dir, &options.keys)?;
    let packed = finish_packing(disk.as_ref(), &dir);
    packed.map_err(|error| JournalError::io("tidy", &dir, error))?;
    let mut index = Index::new(options.duplicate_days, options.duplicate_entries);
    let mut base = JournalPosition::START;
    if let Some(newest) = kept.newest() {
        base = newest.position;
        let known =
            newest.known(|known| index.insert(&known.fingerprint, known.at, known.position));
        known.map_err(|error| JournalError::io("read", &newest.path, error))?;
    }
    let mut found = recover(
        disk.as_ref(),
        &dir,
        &options.keys,
        Base::Skip(base),
        &mut index,
    )?;
    found.recovery.checkpoints_unfit.clone_from(&kept.unfit);
    if let Some(newer) = found.recovery.newer_record(&options.dir) {
        return Err(newer);
    }
    for leftover in [NEXT, PREPARED] {
        match disk.remove(&dir.join(leftover)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(JournalError::io("remove", dir.join(leftover), error));
            }
            _ => {}
        }
    }
    let active = keep_tail(disk.as_ref(), &dir, &options, &mut found)
        .map_err(|error| JournalError::io("make durable the end of", &dir, error))?;
    let recovery = found.recovery;
    let journal = Journal {
        library: Arc::new(Library::new(
            Arc::clone(&disk),
            dir,
            options.keys.clone(),
            found.segments,
            base,
        )),
        kept,
        disk,
        options,
        lock,
        index,
        damaged: recovery.damage.iter().map(|one| one.segment).collect(),
        active,
        next_number: found.next_number,
        last: recovery.last,
        proven: found.proven,
    };
    Ok((journal, recovery))
}

/// Copies the whole records that nothing proves to be synced into a new segment. A process that was
/// killed leaves them in the page cache, and after a failed sync no later sync can be believed.
fn keep_tail(
    disk: &dyn Disk,
    dir: &Path,
    options: &Options,
    found: &mut Found,
) -> io::Result<Option<Active>> {
    let Some((number, offsets)) = found.unproven.take() else {
        return Ok(None);
    };
    let Some(old) = found.segments.iter().find(|s| s.number == number) else {
        return Ok(None);
    };
    let file = open_segment(disk, dir, number, &options.keys)?;
    let mut cursor = Cursor::new(file)?;
    let salt = Some(old.salt);
    let (opener, mut scratch) = (old.opener.clone(), Vec::new());
    let sealer = options.keys.sealer();
    let mut size = super::layout::SEGMENT_HEADER;
    for offset in &offsets {
        let record = cursor.record(*offset, salt)?;
        // As it is, or sealed: at the most.
        let sealed = |payload: u32| kept_size(u64::from(payload), sealer.is_some());
        size += record.map_or(0, |r| record_size(sealed(r.header.payload)));
    }
    let first = found.proven.next();
    let header = SegmentHeader::new(found.next_number, first, (options.clock)());
    let size = size.max(options.segment_size);
    let mut active = Active::begin(disk, dir, header, sealer, size, 0, None)?;
    let mut segment =
        Segment::new(header.number, header.first, header.salt).created(header.created);
    segment = segment.opened_by(Opener::of(&active.header, &options.keys)?);
    for offset in offsets {
        let record = cursor.record(offset, salt)?;
        let record = record.ok_or(io::ErrorKind::InvalidData)?;
        let position = record.header.position;
        let (meta, raw) = opener.open(&record, &mut scratch)?;
        let copy = Encoded {
            kind: record.header.kind,
            version: record.header.version,
            meta: meta.to_vec(),
            raw: Bytes::copy_from_slice(raw),
        };
        let place = active.put(position, found.proven, &copy)?;
        segment.note(position, place);
    }
    active.write()?;
    active.sync()?;
    active.publish(disk, dir)?;
    found.segments.push(segment);
    found.next_number += 1;
    Ok(Some(active))
}

impl Journal {
    /// The last position taken.
    pub fn last(&self) -> JournalPosition {
        self.last
    }

    /// Starts the writer's thread. It ends when all appenders are dropped or it is told to stop.
    ///
    /// # Panics
    /// If the system gives no thread.
    pub fn start(self) -> (Appender, WriterHandle) {
        let status = Status {
            synced: self.last,
            storing: Storing::Good,
        };
        let shared = Arc::new(Shared {
            queue: Queue::new(),
            library: self.library,
            log: None,
            hold: watch::Sender::new(Some(Hold::ALONE)),
            counters: Counters::default(),
            kept: Mutex::new(self.kept),
            takings: AtomicU64::new(0),
            data: self.options.dir.clone(),
            window: Window {
                days: self.options.duplicate_days,
                entries: self.options.duplicate_entries,
            },
            retention: self.options.retention,
            damaged: self.damaged,
            status: watch::Sender::new(status),
            storing: watch::Sender::new(status.storing),
        });
        let preparer = self.options.prepare_ahead.then(|| {
            let (size, reserve) = (self.options.segment_size, self.options.reserve);
            let dir = &shared.library.dir;
            // The first one now: the feed has not begun. Without it the writer makes its own.
            let go_on = AtomicBool::new(false);
            let first = prepare(self.disk.as_ref(), dir, size, reserve, &go_on).ok();
            Preparer::start(Arc::clone(&self.disk), dir.clone(), size, reserve, first)
        });
        let writer = Writer {
            disk: self.disk,
            options: self.options,
            shared: Arc::clone(&shared),
            index: self.index,
            active: self.active,
            next_number: self.next_number,
            synced: self.last,
            proven: self.proven,
            preparer,
            lock: self.lock,
            closed: Vec::new(),
            pending: VecDeque::new(),
        };
        let thread = std::thread::Builder::new().name("journal".to_owned());
        #[expect(
            clippy::expect_used,
            reason = "at start-up, before anything is accepted"
        )]
        let thread = thread
            .spawn(move || writer.run())
            .expect("a thread for the journal");
        (
            Appender::new(Arc::clone(&shared)),
            WriterHandle { shared, thread },
        )
    }
}
