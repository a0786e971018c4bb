//! The answers of one connection: in the order of the messages, each after its fdatasync, one write each.

use super::intake::Answer;
use crate::clock;
use crate::config::Listener as ListenerConfig;
use crate::journal::Stored;
use crate::telemetry::events;
use crate::telemetry::peers::Peers;
use jiff::tz::TimeZone;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// A peer that does not read its answers for so long is left (WIRE F-41).
const WRITE_WITHIN: Duration = Duration::from_secs(60);

/// A frame on its way into the journal, and what is to be said when it is there.
pub(super) struct Pending {
    pub(super) answer: Answer,
    pub(super) stored: oneshot::Receiver<Vec<Stored>>,
    pub(super) complete_at: Instant,
    pub(super) bytes: usize,
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
    max_frames: usize,
    max_bytes: usize,
}

/// The writing end.
pub(super) struct Answerer {
    line: Arc<Line>,
    queue: mpsc::UnboundedReceiver<Pending>,
    config: ListenerConfig,
    zone: TimeZone,
    peer: SocketAddr,
    peers: Arc<Peers>,
}

impl Answering {
    pub(super) fn new(
        config: ListenerConfig,
        zone: TimeZone,
        (peer, peers): (SocketAddr, Arc<Peers>),
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
        let (sender, queue) = mpsc::unbounded_channel();
        let answerer = Answerer {
            line: Arc::clone(&line),
            queue,
            config,
            zone,
            peer,
            peers,
        };
        (
            Self {
                line,
                queue: sender,
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

    /// Returns when nothing will be answered any more.
    pub(super) async fn broken(&self) {
        self.line.broken.cancelled().await;
    }
}

impl Answerer {
    /// Answers until the line ends. Gives the socket back, and whether all was answered.
    pub(super) async fn run(mut self, mut write: OwnedWriteHalf) -> (Option<OwnedWriteHalf>, bool) {
        while let Some(pending) = self.queue.recv().await {
            let waited = clock::monotonic().saturating_duration_since(pending.complete_at);
            let left = self.config.store_wait.saturating_sub(waited);
            let stored = match tokio::time::timeout(left, pending.stored).await {
                Ok(Ok(stored)) => stored,
                // Not stored in time, or given up: silence, and the sender keeps its message (P-SILENCE).
                Ok(Err(_)) | Err(_) => {
                    self.line.broken.cancel();
                    let waiting = self.line.frames.load(Ordering::Acquire);
                    events::unanswered(&self.config.name, self.peer, waiting);
                    return (None, false);
                }
            };
            for answer in pending.answer.write(&stored, &self.config, &self.zone) {
                let written = tokio::time::timeout(WRITE_WITHIN, write.write_all(&answer)).await;
                if !matches!(written, Ok(Ok(()))) {
                    self.line.broken.cancel();
                    return (None, false);
                }
                let after = clock::monotonic().saturating_duration_since(pending.complete_at);
                events::acknowledged(after);
                self.peers.answered(&self.config.name, self.peer, after);
            }
            self.line.frames.fetch_sub(1, Ordering::AcqRel);
            self.line.bytes.fetch_sub(pending.bytes, Ordering::AcqRel);
            self.line.moved.notify_one();
        }
        (Some(write), true)
    }
}
