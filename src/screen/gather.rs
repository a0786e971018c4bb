//! From archives to a pile of what they say of each patient: one thread reads, all cores understand.

use super::pile::Pile;
use super::reader::{Reader, read_safely};
use super::tally::Tally;
use super::{Input, Without};
use crate::archive::{Chunk, Chunks, Reading, Spares, open};
use crate::cache::Memory;
use crate::core::extract::{Extraction, IdentityEvent};
use crate::core::fact::{Fact, JournalPosition, Reason, Received};
use crate::core::fold;
use crate::core::fold::state::State as _;
use crate::core::policy::Policy;
use crate::core::time::{Span, Timestamp};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// What is common to all who read.
pub(super) struct Gathering<'p> {
    pub(super) policy: &'p Policy,
    pub(super) listener: String,
    pub(super) now: Timestamp,
    pub(super) pile: Pile,
    /// Merges, moves and links: few, and needed all at once.
    identity: Mutex<BTreeSet<IdentityEvent>>,
    /// Parts of messages.
    parts: Mutex<Vec<Received>>,
    spares: Arc<Spares>,
}

impl<'p> Gathering<'p> {
    pub(super) fn new(policy: &'p Policy, listener: String, now: Timestamp, pile: Pile) -> Self {
        Self {
            policy,
            listener,
            now,
            pile,
            identity: Mutex::default(),
            parts: Mutex::default(),
            spares: Arc::default(),
        }
    }
}

/// All that archives say.
pub(super) struct Gathered {
    pub(super) pile: Pile,
    pub(super) identity: BTreeSet<IdentityEvent>,
    pub(super) tally: Tally,
    /// Files that could not be read to their end, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
    /// Files without any message.
    pub(super) without: Vec<Without>,
}

/// A chunk, and what was found so far in its file.
type Job = (Chunk, Arc<Found>);

/// What was found in a file.
#[derive(Debug, Default)]
struct Found {
    messages: AtomicU64,
    /// Bytes that are no message, by why not.
    refused: Mutex<BTreeMap<Reason, u64>>,
}

impl Found {
    fn take(&self, messages: u64, refused: &mut Vec<Reason>) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        if !refused.is_empty() {
            let mut sum = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            for reason in refused.drain(..) {
                *sum.entry(reason).or_default() += 1;
            }
        }
    }

    /// What of it is no message though messages should be there. A file with nothing that looks like one
    /// is none of an archive: that is said once, of the file.
    fn refused(&self) -> BTreeMap<Reason, u64> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let mut refused = refused.clone();
        if self.messages.load(Ordering::Relaxed) == 0 {
            refused.remove(&Reason::UnreadableMsh);
        }
        refused
    }
}

/// Reads all files. `None` where it was asked to stop.
///
/// # Errors
/// What does not fit into memory cannot be written.
pub(super) fn gather(input: &Input, policy: &Policy) -> io::Result<Option<Gathered>> {
    let memory = input.memory / 4 * 3;
    let pile = Pile::new(memory, &input.spill);
    let gathering = Gathering::new(policy, input.listener.clone(), input.now, pile);
    // Some 512 bytes each, in a quarter of what may be used.
    let most_known = (input.memory / 4 / 512 / input.jobs).max(1_000);
    let (give, jobs) = sync_channel::<Job>(input.jobs * 2);
    let jobs = Mutex::new(jobs);
    let ended: Mutex<io::Result<Tally>> = Mutex::new(Ok(Tally::default()));
    let failed = AtomicU64::new(0);
    let read = std::thread::scope(|scope| {
        for _ in 0..input.jobs {
            scope.spawn(|| {
                let mut reader = Reader::new(&gathering, most_known);
                let result = work(&mut reader, &jobs, input, (&gathering.spares, &failed));
                let tally = result.map(|()| std::mem::take(&mut reader.tally));
                let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                match (tally, &mut *ended) {
                    (Ok(tally), Ok(sum)) => sum.add(tally),
                    (Err(error), Ok(_)) => *ended = Err(error),
                    (_, Err(_)) => {}
                }
            });
        }
        read_files(input, give, (&gathering.spares, &failed))
    });
    let tally = ended.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    if input.stopped() {
        return Ok(None);
    }
    let Files { unreadable, marks } = read;
    let mut tally = tally;
    let mut without = Vec::new();
    for (path, found) in marks {
        let refused = found.refused();
        for (reason, times) in &refused {
            tally.refuse_bytes(*reason, *times);
        }
        let unread = unreadable.iter().any(|(other, _)| *other == path);
        if found.messages.load(Ordering::Relaxed) == 0 && !unread {
            without.push(Without {
                path,
                why: refused.into_keys().next(),
            });
        }
    }
    let tally = join_parts(&gathering, tally)?;
    Ok(Some(Gathered {
        pile: gathering.pile,
        identity: gathering
            .identity
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
        tally,
        unreadable,
        without,
    }))
}

/// Takes chunks until there are no more.
fn work(
    reader: &mut Reader<'_>,
    jobs: &Mutex<Receiver<Job>>,
    input: &Input,
    (spares, failed): (&Spares, &AtomicU64),
) -> io::Result<()> {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((chunk, found)) = job else { break };
        if failed.load(Ordering::Relaxed) > 0 {
            // Whoever reads the files must not wait for room.
            continue;
        }
        match reader.chunk(&chunk) {
            Ok(messages) => {
                found.take(messages, &mut reader.no_messages);
                spares.put(chunk);
                input
                    .progress
                    .messages
                    .fetch_add(messages, Ordering::Relaxed);
            }
            Err(error) => {
                failed.fetch_add(1, Ordering::Relaxed);
                return drain(jobs, error);
            }
        }
    }
    reader.forget()
}

/// Takes what is still given, so that nobody waits, and fails.
fn drain(jobs: &Mutex<Receiver<Job>>, error: io::Error) -> io::Result<()> {
    let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    while jobs.recv().is_ok() {}
    Err(error)
}

#[derive(Default)]
struct Files {
    unreadable: Vec<(PathBuf, String)>,
    marks: Vec<(PathBuf, Arc<Found>)>,
}

fn read_files(
    input: &Input,
    give: SyncSender<Job>,
    (spares, failed): (&Arc<Spares>, &AtomicU64),
) -> Files {
    let mut files = Files::default();
    for path in &input.files {
        let found = Arc::new(Found::default());
        files.marks.push((path.clone(), Arc::clone(&found)));
        if let Err(error) = read_file(path, input, &give, &found, (spares, failed)) {
            files.unreadable.push((path.clone(), error.to_string()));
        }
        if input.stopped() || failed.load(Ordering::Relaxed) > 0 {
            break;
        }
    }
    files
}

fn read_file(
    path: &Path,
    input: &Input,
    give: &SyncSender<Job>,
    found: &Arc<Found>,
    (spares, failed): (&Arc<Spares>, &AtomicU64),
) -> io::Result<()> {
    let reading = Reading::default();
    let mut chunks = Chunks::reusing(open(path, &reading)?, spares);
    let mut counted = 0;
    while let Some(chunk) = chunks.next_chunk()? {
        let now = reading.bytes();
        input
            .progress
            .bytes
            .fetch_add(now - counted, Ordering::Relaxed);
        counted = now;
        let is_over = give.send((chunk, Arc::clone(found))).is_err();
        if is_over || input.stopped() || failed.load(Ordering::Relaxed) > 0 {
            break;
        }
    }
    Ok(())
}

impl Gathering<'_> {
    /// A part of a message, which is read once all are there.
    pub(super) fn part(&self, received: Received) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        // Its chunk must not stay for it.
        let raw = bytes::Bytes::copy_from_slice(&received.raw);
        parts.push(Received { raw, ..received });
    }

    /// Identity events; said twice is said once.
    pub(super) fn identify(&self, events: Vec<IdentityEvent>) {
        if events.is_empty() {
            return;
        }
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        identity.extend(events);
    }
}

/// Puts the parts of messages together, by the fold's own rules, in the order in which they were sent.
fn join_parts(gathering: &Gathering<'_>, mut tally: Tally) -> io::Result<Tally> {
    let mut parts = std::mem::take(
        &mut *gathering
            .parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    if parts.is_empty() {
        return Ok(tally);
    }
    parts.sort_by(|a, b| (a.received_at, &a.raw).cmp(&(b.received_at, &b.raw)));
    let (state, read) = (Memory::new(), RefCell::new(Vec::new()));
    let extract = |received: &Received, _: JournalPosition, policy: &Policy| {
        let extraction = read_safely(received, None, policy);
        let mut read = read.borrow_mut();
        read.push((extraction, received.received_at));
        Extraction::default()
    };
    let last = parts.last().map_or(gathering.now, |part| part.received_at);
    // Whatever still waits then is given up.
    let end = Fact::Deadline {
        at: last.plus(Span::days(2)),
    };
    let facts = parts.into_iter().map(Fact::Received).chain([end]);
    for (position, fact) in (1..).map(JournalPosition).zip(facts) {
        let applied = fold::apply(&[(position, fact)], &state, gathering.policy, &extract)
            .map_err(io::Error::other)?;
        let refused = applied.effects.refusals.get(&Reason::Continuation);
        tally.refuse_bytes(Reason::Continuation, refused.copied().unwrap_or_default());
        state
            .commit(applied.batch, applied.through)
            .map_err(io::Error::other)?;
    }
    let mut reader = Reader::new(gathering, 0);
    reader.tally = tally;
    for (extraction, at) in read.into_inner() {
        reader.take(extraction, at)?;
    }
    Ok(reader.tally)
}
