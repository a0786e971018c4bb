//! The one thread that writes: take what is queued, write all, `fdatasync` once, answer all.
//!
//! It never ends by an error (WIRE A-70). A write or sync that fails costs the segment: what was in
//! flight is written again into a new one, at once the first time and then every `retry`.

use super::Options;
use super::active::Active;
use super::appender::Shared;
use super::disk::{Disk, DiskFile, DiskLock};
use super::duplicates::{Fingerprint, Index, Preview, Verdict};
use super::encode::{Encoded, encode};
use super::layout::{SEGMENT_HEADER, SegmentHeader, kept_size, record_size};
use super::prepare::Preparer;
use super::queue::{Group, Queued};
use super::sealing::Opener;
use super::table::Segment;
use crate::clock;
use crate::core::fact::{Fact, JournalPosition};
use crate::core::time::Timestamp;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its position, also of a duplicate's "seen again".
    pub position: JournalPosition,
    /// The first copy, where this one is its duplicate (WIRE A-60).
    pub duplicate_of: Option<JournalPosition>,
    /// The control id was used lately for other bytes (WIRE A-61).
    pub control_id_reused: bool,
}

/// How the writer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Everything up to here is durable and may be read.
    pub synced: JournalPosition,
    /// Whether more can be stored.
    pub storing: Storing,
}

/// Whether the journal can store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storing {
    /// It can.
    Good,
    /// It cannot; it tries again by itself.
    Failing {
        /// Since when without a success.
        since: Instant,
        /// `disk_full`, `reserve`, `write` or `sync`; `stream` where JetStream does not answer.
        why: &'static str,
    },
    /// It cannot, and what listeners receive is kept aside on this disk and answered for. All else waits.
    Aside {
        /// Since when without a success.
        since: Instant,
    },
}

/// Why an attempt failed.
struct Trouble {
    why: &'static str,
}

impl Trouble {
    const RESERVE: Self = Self { why: "reserve" };

    fn writing(error: io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk_full",
            _ => "write",
        };
        Self { why }
    }

    fn syncing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self { why: "disk_full" },
            _ => Self { why: "sync" },
        }
    }
}

/// A record written and not yet synced.
struct InFlight {
    stored: Stored,
    offset: u64,
    bytes: u64,
    /// To be known again by.
    index: Option<(Fingerprint, Timestamp)>,
}

pub(crate) struct Writer {
    pub disk: Arc<dyn Disk>,
    pub options: Options,
    pub shared: Arc<Shared>,
    pub index: Index,
    pub active: Option<Active>,
    pub next_number: u64,
    pub synced: JournalPosition,
    /// The highest position that something on disk proves to be synced.
    pub proven: JournalPosition,
    pub preparer: Option<Preparer>,
    pub lock: Box<dyn DiskLock>,
    /// Earlier segments, to be cut once the next one has its name.
    pub closed: Vec<(Arc<dyn DiskFile>, u64)>,
    pub pending: VecDeque<Group>,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub fn run(mut self) {
        let mut failing: Option<(Instant, Instant)> = None;
        let pulse = self.options.pulse.clone();
        loop {
            crate::failpoints::stall("writer-hang");
            pulse.beat();
            let ending = match failing {
                None => {
                    let shared = Arc::clone(&self.shared);
                    shared.queue.take(self.options.retry, &mut self.pending)
                }
                Some((_, retry_at)) => {
                    let left = retry_at.saturating_duration_since(clock::monotonic());
                    let ending = self.shared.queue.rest(left);
                    self.drop_abandoned();
                    ending
                }
            };
            let at_the_disk = pulse.outside();
            let attempted = self.attempt(failing.is_some());
            drop(at_the_disk);
            match attempted {
                Ok(()) => {
                    if failing.take().is_some() {
                        self.say(Storing::Good);
                        // What came meanwhile is still queued.
                        continue;
                    }
                    if ending {
                        break;
                    }
                }
                Err(trouble) => {
                    self.shared
                        .counters
                        .failures
                        .fetch_add(1, Ordering::Relaxed);
                    self.abandon(&trouble);
                    let now = clock::monotonic();
                    let since = failing.map_or(now, |(since, _)| since);
                    let why = trouble.why;
                    self.say(Storing::Failing { since, why });
                    if ending && failing.is_some() {
                        break;
                    }
                    // The first time at once: a new segment often is all it takes.
                    let patience = match failing {
                        None => Duration::ZERO,
                        Some(_) => self.options.retry,
                    };
                    failing = Some((since, now + patience));
                }
            }
        }
        self.end(failing.is_none());
    }

    fn say(&self, storing: Storing) {
        self.shared.say(storing);
    }

    fn drop_abandoned(&mut self) {
        self.pending.retain(|group| !group.answer.is_closed());
        self.shared.queue.drop_abandoned();
    }

    fn dir(&self) -> &Path {
        &self.shared.library.dir
    }

    /// Stores what is pending. A probe really writes and syncs, even with nothing pending.
    fn attempt(&mut self, probe: bool) -> Result<(), Trouble> {
        let free = self.disk.free_space(self.dir());
        if free.is_ok_and(|free| free < self.options.reserve) {
            return Err(Trouble::RESERVE);
        }
        if probe && self.pending.is_empty() {
            return self.mark();
        }
        while let Some(payload) = self.first_payload() {
            self.make_room(payload).map_err(Trouble::writing)?;
            let written = self.write().map_err(Trouble::writing)?;
            self.sync()?;
            self.commit(written);
        }
        Ok(())
    }

    fn first_payload(&self) -> Option<u64> {
        let group = self.pending.front()?;
        let fact = group.facts.get(group.stored.len())?;
        let (record, _) = render(fact, &Preview::new(&self.index));
        Some(record.payload())
    }

    /// Sees to it that the active segment takes such a record.
    fn make_room(&mut self, payload: u64) -> io::Result<()> {
        match self.active.take() {
            Some(active) if active.fits(payload) => {
                self.active = Some(active);
                return Ok(());
            }
            Some(full) => self.closed.push(full.into_closed()),
            None => {}
        }
        let created = (self.options.clock)();
        let header = SegmentHeader::new(self.next_number, self.synced.next(), created);
        let sealer = self.options.keys.sealer();
        let needed = record_size(kept_size(payload, sealer.is_some()));
        let usual = SEGMENT_HEADER + needed <= self.options.segment_size;
        let prepared = self.preparer.as_ref().filter(|_| usual);
        let prepared = prepared.and_then(Preparer::take);
        let size = self.options.segment_size;
        let disk = self.disk.as_ref();
        let active = Active::begin(disk, self.dir(), header, sealer, size, payload, prepared)?;
        self.active = Some(active);
        Ok(())
    }

    /// Writes as much of what is pending as the active segment takes.
    fn write(&mut self) -> io::Result<Vec<InFlight>> {
        let mut written = Vec::new();
        let Some(active) = &mut self.active else {
            return Ok(written);
        };
        let mut preview = Preview::new(&self.index);
        let mut position = self.synced;
        let facts = self
            .pending
            .iter()
            .flat_map(|g| g.facts.iter().skip(g.stored.len()));
        for fact in facts {
            let (record, verdict) = render(fact, &preview);
            if !active.fits(record.payload()) {
                break;
            }
            position = position.next();
            let offset = active.put(position, self.synced, &record)?;
            let known_by = fact.known_by.as_ref();
            let index = known_by
                .filter(|_| verdict.duplicate_of.is_none())
                .map(|known| (known.fingerprint, known.received_at));
            if let Some((fingerprint, _)) = &index {
                preview.note(fingerprint, position);
            }
            written.push(InFlight {
                stored: Stored {
                    position,
                    duplicate_of: verdict.duplicate_of,
                    control_id_reused: verdict.control_id_reused,
                },
                offset,
                bytes: active.size_of(record.payload()),
                index,
            });
        }
        active.write()?;
        Ok(written)
    }

    /// Makes the active segment durable, with its name if it is new.
    fn sync(&mut self) -> Result<(), Trouble> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        let begun = clock::monotonic();
        active.sync().map_err(Trouble::syncing)?;
        if let Some(on_sync) = &self.options.on_sync {
            on_sync(begun.elapsed());
        }
        self.shared.counters.syncs.fetch_add(1, Ordering::Relaxed);
        let library = &self.shared.library;
        let new = active.publish(self.disk.as_ref(), &library.dir);
        if new.map_err(Trouble::syncing)? {
            let SegmentHeader {
                number,
                first,
                salt,
                created,
                ..
            } = active.header;
            let sealer = active.sealer().cloned();
            let opener = sealer.map_or(Opener::Plain, Opener::Sealed);
            let segment = Segment::new(number, first, salt).created(created);
            library.push(segment.opened_by(opener));
            self.next_number = number + 1;
            self.proven = self.synced;
            for (file, end) in self.closed.drain(..) {
                // Only to give space back; what is behind the end is void anyway.
                let _ = file.set_len(end);
            }
            if let Some(preparer) = &self.preparer {
                preparer.request();
            }
        }
        Ok(())
    }

    /// Takes note of what is now durable, and answers.
    fn commit(&mut self, written: Vec<InFlight>) {
        let counters = &self.shared.counters;
        let mut answers = Vec::new();
        self.proven = self.proven.max(self.synced);
        for record in written {
            let position = record.stored.position;
            if let Some((fingerprint, at)) = &record.index {
                self.index.insert(fingerprint, *at, position);
            }
            self.shared.library.note(position, record.offset);
            counters.records.fetch_add(1, Ordering::Relaxed);
            counters.bytes.fetch_add(record.bytes, Ordering::Relaxed);
            self.synced = position;
            let Some(group) = self.pending.front_mut() else {
                continue;
            };
            group.stored.push(record.stored);
            if group.stored.len() == group.facts.len() {
                answers.extend(self.pending.pop_front());
            }
        }
        let synced = self.synced;
        self.shared
            .status
            .send_modify(|status| status.synced = synced);
        for group in answers {
            drop(group.slots);
            let _ = group.answer.send(group.stored);
        }
    }

    /// Writes and syncs a record that is no fact.
    fn mark(&mut self) -> Result<(), Trouble> {
        let mark = Encoded::mark();
        self.make_room(mark.payload()).map_err(Trouble::writing)?;
        if let Some(active) = &mut self.active {
            let put = active.put(self.synced, self.synced, &mark);
            put.and_then(|_| active.write()).map_err(Trouble::writing)?;
        }
        self.sync()?;
        self.proven = self.synced;
        Ok(())
    }

    /// Gives the active segment up. A sync that failed is never tried again on the same file.
    fn abandon(&mut self, trouble: &Trouble) {
        if trouble.why == Trouble::RESERVE.why {
            return;
        }
        if let Some(active) = self.active.take() {
            if active.is_published() {
                self.closed.push(active.into_closed());
            } else {
                active.discard(self.disk.as_ref());
            }
        }
    }

    /// Ends in good order: what is stored is proven to be, what is not is given up unanswered.
    fn end(mut self, good: bool) {
        self.shared.queue.close();
        self.pending.clear();
        self.shared.queue.clear();
        self.preparer = None;
        if good && self.active.is_some() && self.proven < self.synced && self.mark().is_err() {
            self.active = None;
        }
        if let Some(active) = self.active.take() {
            let (file, end) = active.into_closed();
            let _ = file.set_len(end);
        }
        let _ = self.disk.remove(&self.dir().join(super::prepare::PREPARED));
        drop(self.lock);
    }
}

/// The record to write for a fact: a message seen before becomes a small "seen again".
fn render<'a>(fact: &'a Queued, preview: &Preview<'_>) -> (Cow<'a, Encoded>, Verdict) {
    let Some(known) = &fact.known_by else {
        return (Cow::Borrowed(&fact.encoded), Verdict::default());
    };
    let verdict = preview.look_up(&known.fingerprint, known.received_at);
    if let Some(first) = verdict.duplicate_of {
        let again = Fact::SeenAgain {
            first,
            origin: known.origin.clone(),
            received_at: known.received_at,
        };
        if let Ok(record) = encode(&again, None) {
            return (Cow::Owned(record), verdict);
        }
    }
    (Cow::Borrowed(&fact.encoded), verdict)
}
