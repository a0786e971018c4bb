//! What listeners receive while JetStream is away (`[cluster] spool`): a journal of its own on this disk, whose
//! facts go into the stream, in order, when it answers again.
//!
//! # Invariants
//!
//! 1. What is kept here is answered for after `fdatasync`, as in any journal; one machine has it.
//! 2. While anything is kept here, what comes in is put behind it: the order is that of receipt.
//! 3. A fact leaves only when the stream has it. After a crash in between it is found there: it is the same receipt.
//! 4. Answers carry a provisional position, which no fact in the stream has; where it went is known as long as what
//!    refers to it may come.

use crate::core::fact::{Fact, JournalPosition};
use crate::journal::{
    self, Appender, Disk, Encoded, JournalError, KnownBy, Options, Queued, ReadError, Reader,
    Record, Stored, WriterHandle, encode_fact, kind, numbers_in, read_mark, remove_with_all,
    write_mark,
};
use crate::pulse::Pulse;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// In the data directory.
pub(super) const DIR: &str = "spool";
/// How far the facts of a spool are in the stream.
const MARK: &str = "forwarded";
/// Bytes of a segment, at most.
const SEGMENT: u64 = 16 << 20;
/// Facts and bytes that go into the stream at a time, about.
const BATCH: usize = 1_024;
const BATCH_BYTES: usize = 4 << 20;
/// How long the disk may take to keep something.
const KEPT_WITHIN: Duration = Duration::from_secs(2);
/// Positions given to messages whose place in the stream is remembered.
const PLACES: usize = 1 << 16;
/// Marks a provisional position.
const PROVISIONAL: u64 = 1 << 63;

/// Why something cannot be kept aside.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("it cannot be read")]
    Read(#[source] ReadError),
    #[error("the disk does not take it")]
    Refused,
    #[error("how far it is in the stream cannot be noted")]
    Mark(#[source] io::Error),
}

/// What happens to what is kept aside, for the log and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spooling {
    /// JetStream does not answer, for this reason: it begins.
    Begun(String),
    /// So many facts wait.
    Waiting(u64),
    /// The stream has all of it.
    Emptied,
    /// Something cannot be read, or cannot be kept.
    Damaged(String),
    /// An answer of a laboratory system to a message whose place in the stream is not known any more.
    Unrelated,
}

/// Who is told of it.
pub type OnSpooling = Arc<dyn Fn(Spooling) + Send + Sync>;

/// What is kept aside.
pub(super) struct Spool {
    disk: Arc<dyn Disk>,
    options: Options,
    /// Whether more may be kept.
    pub(super) wanted: bool,
    pub(super) tell: OnSpooling,
    open: Option<Open>,
    places: BTreeMap<JournalPosition, JournalPosition>,
}

struct Open {
    dir: PathBuf,
    /// Seconds since 1970 when it was begun: no two have the same.
    begun: u64,
    appender: Appender,
    writer: WriterHandle,
    reader: Reader,
    forwarded: JournalPosition,
    /// Read, and not forwarded yet.
    ahead: Option<Record>,
}

/// A fact on its way from here to the stream.
pub(super) struct Kept {
    pub(super) position: JournalPosition,
    pub(super) queued: Queued,
}

impl Spool {
    /// What an earlier run left is taken up, whether or not more is `wanted`.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        options: &Options,
        wanted: bool,
        tell: OnSpooling,
    ) -> Result<Self, JournalError> {
        let mut spool = Self {
            disk,
            options: Options {
                dir: options.dir.join(DIR),
                segment_size: options.segment_size.min(SEGMENT),
                retention: journal::Retention::default(),
                prepare_ahead: false,
                on_sync: None,
                pulse: Pulse::new("spool"),
                ..options.clone()
            },
            wanted,
            tell,
            open: None,
            places: BTreeMap::new(),
        };
        spool.take_up(None)?;
        Ok(spool)
    }

    /// Whether the stream has all of it.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none()
    }

    /// Facts that the stream has not got.
    fn waiting(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| {
            let last = open.appender.status().borrow().synced;
            last.0.saturating_sub(open.forwarded.0)
        })
    }

    /// Opens the oldest that is left, begun after `behind`; one that the stream has all of is passed over.
    fn take_up(&mut self, behind: Option<u64>) -> Result<(), JournalError> {
        for begun in numbers_in(&self.options.dir) {
            if behind.is_some_and(|behind| begun <= behind) {
                continue;
            }
            self.open = Some(self.begin(begun)?);
            if self.waiting() > 0 {
                return Ok(());
            }
            self.remove();
        }
        Ok(())
    }

    fn begin(&self, begun: u64) -> Result<Open, JournalError> {
        let dir = self.options.dir.join(begun.to_string());
        let made = self.disk.create_dir(&self.options.dir);
        made.map_err(|source| error("create", &self.options.dir, source))?;
        let options = Options {
            dir: dir.clone(),
            ..self.options.clone()
        };
        let (journal, recovery) = journal::open(Arc::clone(&self.disk), options)?;
        for damage in &recovery.damage {
            (self.tell)(Spooling::Damaged(damage.to_string()));
        }
        let mark = dir.join(MARK);
        let noted = read_mark(&mark).map_err(|source| error("read", &mark, source))?;
        // Where the note is lost, all of it goes again, and is found to be there.
        let noted = noted.and_then(|text| text.parse().ok()).unwrap_or(0);
        let forwarded = JournalPosition(noted);
        let (appender, writer) = journal.start();
        let reader = appender.reader(forwarded)?;
        Ok(Open {
            dir,
            begun,
            appender,
            writer,
            reader,
            forwarded,
            ahead: None,
        })
    }

    /// Keeps facts, in order, contiguously; one answer each.
    pub(super) async fn keep(&mut self, facts: Vec<Encoded>) -> Result<Vec<Stored>, SpoolError> {
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let now = (self.options.clock)().as_micros() / 1_000_000;
                let last = self
                    .places
                    .last_key_value()
                    .map_or(0, |(last, _)| begun_of(*last) + 1);
                let begun = u64::try_from(now).unwrap_or(0).max(last);
                self.open.insert(self.begin(begun)?)
            }
        };
        let answer = open.appender.submit_encoded(facts).await;
        let answer = answer.map_err(|_| SpoolError::Refused)?;
        let kept = tokio::time::timeout(KEPT_WITHIN, answer).await;
        let Ok(Ok(mut kept)) = kept else {
            return Err(SpoolError::Refused);
        };
        for stored in &mut kept {
            stored.position = provisional(open.begun, stored.position);
        }
        (self.tell)(Spooling::Waiting(self.waiting()));
        Ok(kept)
    }

    /// What goes into the stream next.
    pub(super) fn next(&mut self) -> Result<Vec<Kept>, SpoolError> {
        let mut batch = Vec::new();
        let Some(open) = &mut self.open else {
            return Ok(batch);
        };
        let last = open.appender.status().borrow().synced;
        let mut bytes = 0;
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let read = match open.ahead.take() {
                Some(record) => Ok(Some(record)),
                None => open.reader.next_record(last),
            };
            let record = match read {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error @ ReadError::Io { .. }) => return Err(SpoolError::Read(error)),
                Err(error) => {
                    (self.tell)(Spooling::Damaged(error.to_string()));
                    continue;
                }
            };
            bytes += record.meta.len() + record.raw.len();
            let position = record.position;
            match queued(record, &self.places) {
                Ready::Fact(queued) => batch.push(Kept { position, queued }),
                // It may be about one of this batch.
                Ready::NotYet(record) if !batch.is_empty() => {
                    open.ahead = Some(record);
                    break;
                }
                Ready::NotYet(_) => (self.tell)(Spooling::Unrelated),
            }
        }
        Ok(batch)
    }

    /// Notes where facts of it stand in the stream, and ends it where none is left.
    pub(super) fn forwarded(
        &mut self,
        places: &[(JournalPosition, JournalPosition)],
    ) -> Result<(), SpoolError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        for (from, to) in places {
            self.places.insert(provisional(open.begun, *from), *to);
            open.forwarded = open.forwarded.max(*from);
        }
        while self.places.len() > PLACES {
            self.places.pop_first();
        }
        if open.ahead.is_none() {
            // What could not be read is behind us, too.
            open.forwarded = open.forwarded.max(open.reader.behind());
        }
        let mark = open.dir.join(MARK);
        write_mark(&mark, &open.forwarded.0.to_string()).map_err(SpoolError::Mark)?;
        let begun = open.begun;
        if self.waiting() == 0 {
            self.remove();
            self.take_up(Some(begun))?;
        }
        (self.tell)(Spooling::Waiting(self.waiting()));
        Ok(())
    }

    /// The stream has all of it.
    fn remove(&mut self) {
        if let Some(open) = self.open.take() {
            let dir = open.dir.clone();
            open.close();
            // What stays is found again at the next start, and is in the stream.
            let _: io::Result<()> = remove_with_all(&dir);
        }
    }

    /// Has a fact about a message say where that stands in the stream. False where it is not known any more.
    pub(super) fn resolve(&self, encoded: &mut Encoded) -> bool {
        let record = Record {
            position: JournalPosition::START,
            kind: encoded.kind,
            version: encoded.version,
            meta: encoded.meta.clone().into(),
            raw: encoded.raw.clone(),
        };
        let Some(fact) = about_provisional(&record) else {
            return true;
        };
        match resolved(fact, &self.places) {
            Some(found) => {
                *encoded = found;
                true
            }
            None => false,
        }
    }

    /// Leaves it for the next start.
    pub(super) fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.close();
        }
    }
}

impl Open {
    fn close(self) {
        let Self {
            appender,
            writer,
            reader,
            ..
        } = self;
        drop((appender, reader));
        writer.stop();
        writer.join();
    }
}

enum Ready {
    Fact(Queued),
    NotYet(Record),
}

fn queued(record: Record, places: &BTreeMap<JournalPosition, JournalPosition>) -> Ready {
    let mut encoded = Encoded {
        kind: record.kind,
        version: record.version,
        meta: record.meta.to_vec(),
        raw: record.raw.clone(),
    };
    if let Some(fact) = about_provisional(&record) {
        match resolved(fact, places) {
            Some(found) => encoded = found,
            None => return Ready::NotYet(record),
        }
    }
    let known_by = match (record.fingerprint(), record.fact()) {
        (Some((fingerprint, _)), Ok(Fact::Received(received))) => Some(KnownBy {
            fingerprint,
            origin: received.origin,
            received_at: received.received_at,
        }),
        _ => None,
    };
    Ready::Fact(Queued { encoded, known_by })
}

/// The fact, where it is one about a message that was kept aside.
fn about_provisional(record: &Record) -> Option<Fact> {
    if record.kind != kind::LIS_ANSWERED {
        return None;
    }
    let is_provisional = |message: &JournalPosition| message.0 & PROVISIONAL != 0;
    let fact = record.fact().ok()?;
    matches!(&fact, Fact::LisAnswered { message, .. } if is_provisional(message)).then_some(fact)
}

fn resolved(fact: Fact, places: &BTreeMap<JournalPosition, JournalPosition>) -> Option<Encoded> {
    let Fact::LisAnswered {
        message,
        code,
        at,
        after_micros,
    } = fact
    else {
        return None;
    };
    let answered = Fact::LisAnswered {
        message: *places.get(&message)?,
        code,
        at,
        after_micros,
    };
    encode_fact(&answered).ok()
}

fn provisional(begun: u64, position: JournalPosition) -> JournalPosition {
    JournalPosition(PROVISIONAL | (begun & 0x7fff_ffff) << 32 | position.0 & 0xffff_ffff)
}

fn begun_of(position: JournalPosition) -> u64 {
    (position.0 & !PROVISIONAL) >> 32
}

/// Whether a data directory holds what the stream has not got.
pub(super) fn is_left(data: &Path) -> bool {
    !numbers_in(&data.join(DIR)).is_empty()
}

fn error(what: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}
