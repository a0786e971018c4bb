//! The answers of one connection: in the order of the messages, each after its fdatasync, one write each.

use super::intake::Answer;
use super::terms::Terms;
use crate::clock;
use crate::config::Framing;
use crate::core::mllp::{ACK, CR, FS, NAK, VT};
use crate::journal::Stored;
use crate::telemetry::events;
use crate::telemetry::peers::Sender;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// A peer that does not read its answers for so long is left (WIRE F-41).
const WRITE_WITHIN: Duration = Duration::from_secs(60);
/// How long the peer's commit block for an answer of ours is waited for, twice (F-71).
const COMMIT_WITHIN: Duration = Duration::from_secs(30);
/// Commit blocks that wait to be looked at; a peer that sends more has sent too many.
const COMMITS: usize = 64;
/// MLLP release 2: stored (F-71).
const COMMIT_BLOCK: [u8; 4] = [VT, ACK, FS, CR];
/// MLLP release 2: not stored (F-72).
const REFUSE_BLOCK: [u8; 4] = [VT, NAK, FS, CR];

/// A frame on its way into the journal, and what is to be said when it is there.
pub(super) struct Pending {
    pub(super) answer: Answer,
    pub(super) stored: oneshot::Receiver<Vec<Stored>>,
    pub(super) complete_at: Instant,
    pub(super) bytes: usize,
    /// The peer's shares in the journal's queue; given back once it is stored.
    pub(super) shares: Option<OwnedSemaphorePermit>,
}

/// A frame that is stored, and what is to be said of it.
struct Ready {
    answer: Answer,
    stored: Vec<Stored>,
    complete_at: Instant,
    bytes: usize,
}

/// What of the line both ends see.
struct Line {
    frames: AtomicUsize,
    bytes: AtomicUsize,
    moved: Notify,
    broken: CancellationToken,
}

/// The reading end's view of the line of answers.
pub(super) struct Answering {
    line: Arc<Line>,
    queue: mpsc::UnboundedSender<Pending>,
    commits: mpsc::Sender<bool>,
    max_frames: usize,
    max_bytes: usize,
}

/// The writing end.
pub(super) struct Answerer {
    line: Arc<Line>,
    queue: mpsc::UnboundedReceiver<Pending>,
    commits: mpsc::Receiver<bool>,
    terms: Arc<Terms>,
    peer: SocketAddr,
    sender: Arc<Sender>,
}

impl Answering {
    pub(super) fn new(
        terms: Arc<Terms>,
        (peer, sender): (SocketAddr, Arc<Sender>),
        max_frames: usize,
        max_bytes: usize,
    ) -> (Self, Answerer) {
        let line = Arc::new(Line {
            frames: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            moved: Notify::new(),
            broken: CancellationToken::new(),
        });
        // Unbounded as a type, bounded by `wait_for_room`.
        let (line_in, queue) = mpsc::unbounded_channel();
        let (commit, commits) = mpsc::channel(COMMITS);
        let answerer = Answerer {
            line: Arc::clone(&line),
            queue,
            commits,
            terms,
            peer,
            sender,
        };
        (
            Self {
                line,
                queue: line_in,
                commits: commit,
                max_frames,
                max_bytes,
            },
            answerer,
        )
    }

    /// Puts a frame in line.
    pub(super) fn push(&self, pending: Pending) -> Result<(), ()> {
        self.line.frames.fetch_add(1, Ordering::AcqRel);
        self.line.bytes.fetch_add(pending.bytes, Ordering::AcqRel);
        self.queue.send(pending).map_err(|_| ())
    }

    /// A commit block of the peer came (F-71). One that nobody waits for changes nothing.
    pub(super) fn commit(&self, stored: bool) {
        let _ = self.commits.try_send(stored);
    }

    /// Returns when the line is short enough to read on; an error when nothing will be answered any more.
    pub(super) async fn wait_for_room(&self) -> Result<(), ()> {
        loop {
            let moved = self.line.moved.notified();
            if self.line.broken.is_cancelled() {
                return Err(());
            }
            if self.line.frames.load(Ordering::Acquire) < self.max_frames
                && self.line.bytes.load(Ordering::Acquire) <= self.max_bytes
            {
                return Ok(());
            }
            tokio::select! {
                () = moved => {}
                () = self.line.broken.cancelled() => return Err(()),
            }
        }
    }

    /// Cancelled when nothing will be answered any more.
    pub(super) fn line_broken(&self) -> CancellationToken {
        self.line.broken.clone()
    }

    /// Returns when nothing will be answered any more.
    pub(super) async fn broken(&self) {
        self.line.broken.cancelled().await;
    }
}

impl Answerer {
    /// Answers until the line ends. Gives the socket back where all was answered.
    pub(super) async fn run<W: AsyncWrite + Unpin>(self, write: W) -> Option<W> {
        let (sender, ready) = mpsc::unbounded_channel();
        let terms = Arc::clone(&self.terms);
        let gather = Gather {
            line: Arc::clone(&self.line),
            queue: self.queue,
            ready: sender,
            store_wait: terms.config.store_wait,
        };
        let writer = Writer {
            line: self.line,
            ready,
            commits: self.commits,
            terms: self.terms,
            sender: self.sender,
        };
        let (gathered, write) = tokio::join!(gather.run(), writer.run(write));
        match gathered {
            Ok(()) => write,
            Err(waiting) => {
                events::unanswered(&terms.config.name, self.peer, waiting);
                None
            }
        }
    }
}

/// Waits for what is being stored. Apart from the writing, so that a peer that does not read its answers
/// keeps no share of the journal's queue from its other connections.
struct Gather {
    line: Arc<Line>,
    queue: mpsc::UnboundedReceiver<Pending>,
    ready: mpsc::UnboundedSender<Step>,
    store_wait: Duration,
}

/// What the writer does next.
enum Step {
    Answer(Ready),
    /// The next frame was not stored in time, or given up: silence, and the sender keeps its message
    /// (P-SILENCE); in MLLP release 2 the block that says so.
    NotStored,
}

impl Gather {
    /// The error is the number of frames that wait in vain.
    async fn run(mut self) -> Result<(), usize> {
        let line = Arc::clone(&self.line);
        let mut broken = pin!(line.broken.cancelled());
        // One timer for all: what comes later is due later, so it is set again only when it fires.
        let mut timer = pin!(tokio::time::sleep(self.store_wait));
        loop {
            let next = tokio::select! {
                next = self.queue.recv() => next,
                () = &mut broken => return Ok(()),
            };
            let Some(mut pending) = next else {
                return Ok(());
            };
            let due = pending.complete_at + self.store_wait;
            let stored = loop {
                tokio::select! {
                    biased;
                    stored = &mut pending.stored => break stored.ok(),
                    () = &mut broken => return Ok(()),
                    () = &mut timer => {
                        if clock::monotonic() >= due {
                            break None;
                        }
                        timer.as_mut().reset(due.into());
                    }
                }
            };
            drop(pending.shares);
            let Some(stored) = stored else {
                let waiting = self.line.frames.load(Ordering::Acquire);
                let _ = self.ready.send(Step::NotStored);
                return Err(waiting);
            };
            let _ = self.ready.send(Step::Answer(Ready {
                answer: pending.answer,
                stored,
                complete_at: pending.complete_at,
                bytes: pending.bytes,
            }));
        }
    }
}

/// Writes the answers.
struct Writer {
    line: Arc<Line>,
    ready: mpsc::UnboundedReceiver<Step>,
    commits: mpsc::Receiver<bool>,
    terms: Arc<Terms>,
    /// Where it is noted how long answers took.
    sender: Arc<Sender>,
}

impl Writer {
    /// Gives the socket back where all was written.
    async fn run<W: AsyncWrite + Unpin>(mut self, mut write: W) -> Option<W> {
        while let Some(step) = self.ready.recv().await {
            let written = match step {
                Step::Answer(ready) => self.answer(ready, &mut write).await,
                Step::NotStored => {
                    if self.terms.config.framing == Framing::Mllp2
                        && put(&mut write, &REFUSE_BLOCK).await.is_ok()
                    {
                        let _ = write.shutdown().await;
                    }
                    Err(())
                }
            };
            if written.is_err() {
                self.line.broken.cancel();
                return None;
            }
        }
        Some(write)
    }

    async fn answer<W: AsyncWrite + Unpin>(
        &mut self,
        ready: Ready,
        write: &mut W,
    ) -> Result<(), ()> {
        let release_2 = self.terms.config.framing == Framing::Mllp2;
        if release_2 && !matches!(ready.answer, Answer::Nothing) {
            put(write, &COMMIT_BLOCK).await?;
        }
        for answer in ready.answer.write(&ready.stored, &self.terms) {
            if release_2 {
                self.put_until_committed(write, &answer).await?;
            } else {
                put(write, &answer).await?;
            }
            let after = clock::monotonic().saturating_duration_since(ready.complete_at);
            self.terms.counts.acknowledged(after);
            self.sender.answered(after);
        }
        self.line.frames.fetch_sub(1, Ordering::AcqRel);
        self.line.bytes.fetch_sub(ready.bytes, Ordering::AcqRel);
        self.line.moved.notify_one();
        Ok(())
    }

    /// F-71: an answer of ours is a block that the peer commits; it is sent once more where it does not.
    async fn put_until_committed<W: AsyncWrite + Unpin>(
        &mut self,
        write: &mut W,
        answer: &[u8],
    ) -> Result<(), ()> {
        for _ in 0..2 {
            // Blocks that nobody waited for commit nothing.
            while self.commits.try_recv().is_ok() {}
            put(write, answer).await?;
            let commit = tokio::time::timeout(COMMIT_WITHIN, self.commits.recv()).await;
            // Committed; or the peer has closed its side, and can commit nothing any more.
            if matches!(commit, Ok(Some(true) | None)) {
                return Ok(());
            }
        }
        events::wire(&self.terms.config.name, "commit_missing", 1);
        Err(())
    }
}

/// One write for one frame (F-1).
async fn put<W: AsyncWrite + Unpin>(write: &mut W, frame: &[u8]) -> Result<(), ()> {
    let whole = async {
        write.write_all(frame).await?;
        write.flush().await
    };
    match tokio::time::timeout(WRITE_WITHIN, whole).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}
