//! What a queue is set up with, how it is reached while it runs, and what it leaves to the next one of its name.

use super::super::{Choice, Links, SinkError};
use crate::core::delivery::backoff::Retry;
use crate::core::delivery::digest::Digest;
use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use crate::engine::{Progress, StateHandle};
use crate::journal::Appender;
use crate::notice::{Notice, Notices};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Commands that wait at most.
const COMMANDS: usize = 16;

/// What a queue needs.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// The sink's name: its cursor is kept under it.
    pub name: String,
    /// Its kind, as configured.
    pub kind: &'static str,
    /// `[site] name`.
    pub site: String,
    /// What the sink gets.
    pub choice: Choice,
    /// Pauses between tries.
    pub retry: Retry,
    /// How long one try may take.
    pub timeout: Duration,
    /// When a flood becomes one message.
    pub digest: Option<Digest>,
    /// Between two signs of life.
    pub heartbeat: Option<Duration>,
    /// Where links lead.
    pub links: Links,
}

/// How the way to a sink is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Tries in a row that failed.
    pub failures: u32,
    /// Since when.
    pub failing_since: Option<Timestamp>,
    /// Why, of the last one; no patient data.
    pub last_error: Option<String>,
    /// When something was last handed over.
    pub last_delivered: Option<Timestamp>,
}

/// What came of a test.
pub type Tested = Result<Duration, SinkError>;

/// The running queue as the API sees it.
#[derive(Debug, Clone)]
pub struct Handle {
    /// The sink's name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// How the way to it is.
    pub status: watch::Receiver<Status>,
    tests: mpsc::Sender<oneshot::Sender<Tested>>,
}

/// What a queue knows that is kept nowhere else: the one that takes its place goes on with it.
#[derive(Debug)]
pub struct Kept {
    /// Notices that the sink was told of.
    pub(super) told: Vec<Notice>,
    pub(super) tests: mpsc::Receiver<oneshot::Sender<Tested>>,
    pub(super) status: watch::Sender<Status>,
    pub(super) heartbeat_at: Option<Instant>,
    /// When alerts went by themselves, as far as a digest counts them.
    pub(super) went: VecDeque<Instant>,
    /// Alerts are held back: they go together when their time comes.
    pub(super) holding: bool,
    /// What was recorded last must be folded, or the same alert would come next again.
    pub(super) recorded: JournalPosition,
    /// Up to this place of the log of alerts all is dealt with, though it is not folded yet; 0 where the
    /// fold is waited for.
    pub(super) ahead: u64,
    /// How many alerts that is.
    pub(super) in_advance: u32,
    /// The right to deliver under which that is so.
    pub(super) epoch: Option<u64>,
}

impl Kept {
    /// For another receiver under the same name: it is told of what stands anew.
    pub fn forget_what_was_told(&mut self) {
        self.told.clear();
    }
}

/// What queues run on.
#[derive(Clone)]
pub struct Ground {
    /// The door to the journal.
    pub appender: Appender,
    /// The folded state.
    pub state: StateHandle,
    /// How far the fold is.
    pub progress: watch::Receiver<Progress>,
    /// What an operator must act on.
    pub notices: Notices,
    /// Ends them.
    pub stop: CancellationToken,
}

impl Handle {
    /// How a queue is reached that is yet to run, and what it is to be given then.
    pub fn new(settings: &QueueSettings) -> (Self, Kept) {
        let (test, tests) = mpsc::channel(COMMANDS);
        let status = watch::Sender::new(Status::default());
        let handle = Self {
            name: settings.name.clone(),
            kind: settings.kind,
            status: status.subscribe(),
            tests: test,
        };
        let kept = Kept {
            told: Vec::new(),
            tests,
            status,
            heartbeat_at: None,
            went: VecDeque::new(),
            holding: false,
            recorded: JournalPosition(0),
            ahead: 0,
            in_advance: 0,
            epoch: None,
        };
        (handle, kept)
    }

    /// The same way to a sink of another kind.
    #[must_use]
    pub fn of_kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// Sends a marked test alert now, whatever waits; the time that it took. `None` where the daemon ends.
    pub async fn test(&self) -> Option<Tested> {
        let (answer, answered) = oneshot::channel();
        self.tests.send(answer).await.ok()?;
        answered.await.ok()
    }
}
