//! The fold's thread.

use super::handle::StateHandle;
use crate::clock;
use crate::core::extract::{self, Extraction, Place, Refusal};
use crate::core::fact::{Fact, JournalPosition, Reason, Received};
use crate::core::fold::state::{State, StateError};
use crate::core::fold::{self, Effects};
use crate::core::policy::Policy;
use crate::core::{alert, fact};
use crate::journal::{Appender, Draft, ReadError, Reader};
use crate::telemetry::events;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Facts folded in one batch at most, and their bytes.
const BATCH_FACTS: usize = 1_024;
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How long new facts are gathered before they are folded together. A page is none the later for
/// it, and the fold, a batch at a time, leaves the processor to those who wait for an answer
/// (`benches/end_to_end.rs`).
const GATHER: Duration = Duration::from_millis(10);
/// Pause before a failed fold starts again.
const PAUSE: Duration = Duration::from_secs(1);

/// Gives an empty state in place of one that cannot be used, for the reason told.
pub type FreshState = Box<dyn Fn(&str) -> Arc<dyn State> + Send>;

/// What the fold needs beside journal and state.
pub struct Settings {
    /// Tables in force.
    pub policy: Arc<Policy>,
    /// Facts up to here were counted by an earlier run; folding them again counts nothing.
    pub counted_through: JournalPosition,
    /// Gives an empty state in place of one that cannot be used.
    pub fresh_state: FreshState,
}

/// How far the fold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The state stands here.
    pub folded: JournalPosition,
    /// It has caught up with the journal at least once since the start.
    pub current: bool,
}

/// The fold over one journal.
pub struct Folder {
    appender: Appender,
    state: StateHandle,
    settings: Settings,
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
    runtime: Handle,
    /// Our newest `Decided`; nothing is decided until it is folded.
    decided_at: JournalPosition,
}

impl Folder {
    /// A fold that starts where the state stands.
    pub fn new(
        appender: Appender,
        state: StateHandle,
        settings: Settings,
        stop: CancellationToken,
        runtime: Handle,
    ) -> (Self, watch::Receiver<Progress>) {
        let start = Progress {
            folded: JournalPosition::START,
            current: false,
        };
        let (progress, seen) = watch::channel(start);
        let decided_at = JournalPosition::START;
        (
            Self {
                appender,
                state,
                settings,
                progress,
                stop,
                runtime,
                decided_at,
            },
            seen,
        )
    }

    /// Runs until `stop`; an unusable state is replaced and built again, whatever happens.
    pub fn run(mut self) {
        while !self.stop.is_cancelled() {
            // A failure of ours inside must not end the thread: that would be silence without a word.
            let folded = catch_unwind(AssertUnwindSafe(|| self.fold_on()));
            let error = match folded {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => FoldError::Journal("an internal failure, see the line before".to_owned()),
            };
            match error {
                FoldError::State(error) => {
                    let why = error.to_string();
                    events::cache_rebuild(&why);
                    self.state.replace((self.settings.fresh_state)(&why));
                }
                FoldError::Journal(why) => events::fold_failed(&why),
            }
            self.progress
                .send_modify(|progress| progress.current = false);
            std::thread::park_timeout(PAUSE);
        }
    }

    fn fold_on(&mut self) -> Result<(), FoldError> {
        let state = self.state.get();
        let mut at = state.position()?;
        let mut reader = self
            .appender
            .reader(at)
            .map_err(|error| FoldError::Journal(error.to_string()))?;
        let started = clock::monotonic();
        let mut folded = 0_u64;
        let mut status = self.appender.status();
        loop {
            let synced = status.borrow_and_update().synced;
            let facts = read_batch(&mut reader, synced)?;
            if let Some((last, _)) = facts.last() {
                at = *last;
                folded += facts.len() as u64;
                self.apply(&facts, state.as_ref())?;
            }
            // Nothing more was read up to there, be it that the rest is damaged.
            let caught_up = at >= synced || facts.is_empty();
            self.progress.send_if_modified(|progress| {
                let next = Progress {
                    folded: at,
                    current: progress.current || caught_up,
                };
                if next.current && !progress.current {
                    events::folded_up(
                        at.0,
                        folded,
                        clock::monotonic().saturating_duration_since(started),
                    );
                }
                std::mem::replace(progress, next) != next
            });
            if at >= self.decided_at && (caught_up || self.progress.borrow().current) {
                self.decide(state.as_ref())?;
            }
            if !caught_up {
                continue;
            }
            if self.stop.is_cancelled() && facts.is_empty() {
                return Ok(());
            }
            let until_deadline = self.meet_deadline(state.as_ref())?;
            let stop = self.stop.clone();
            self.runtime.block_on(async {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = pass(until_deadline) => {}
                    changed = status.changed() => match changed {
                        Ok(()) => drop(tokio::time::timeout(GATHER, stop.cancelled()).await),
                        Err(_) => stop.cancel(),
                    },
                }
            });
        }
    }

    fn apply(&self, facts: &[(JournalPosition, Fact)], state: &dyn State) -> Result<(), FoldError> {
        let policy = self.settings.policy.as_ref();
        let applied = fold::apply(facts, state, policy, &extract_caught)?;
        state.commit(applied.batch, applied.through)?;
        if applied.through > self.settings.counted_through {
            tell(&applied.effects);
        }
        Ok(())
    }

    /// Decides over all that is folded, and makes the decision durable. It is folded when it comes
    /// back out of the journal.
    fn decide(&mut self, state: &dyn State) -> Result<(), FoldError> {
        let Some(decided) = fold::decide(state, &self.settings.policy)? else {
            return Ok(());
        };
        if crate::failpoints::on("decide-panic") {
            std::panic::panic_any("a fault switched on by a test");
        }
        let draft = Draft {
            fact: Fact::Decided(decided),
            fingerprint: None,
        };
        let stored = self
            .appender
            .append_blocking(vec![draft])
            .map_err(|error| FoldError::Journal(error.to_string()))?;
        if let Some(stored) = stored.last() {
            self.decided_at = stored.position;
        }
        Ok(())
    }

    /// Records a deadline that has come; else tells how long the next one is away. Where messages keep
    /// coming they do the same: this is for the quiet hours.
    fn meet_deadline(&self, state: &dyn State) -> Result<Option<Duration>, FoldError> {
        let Some(due) = fold::next_deadline(state)? else {
            return Ok(None);
        };
        let at = clock::now();
        let left = u64::try_from(due.since(at).as_micros()).unwrap_or(0);
        if left > 0 {
            return Ok(Some(Duration::from_micros(left)));
        }
        self.appender
            .append_blocking(vec![Fact::Deadline { at }.into()])
            .map_err(|error| FoldError::Journal(error.to_string()))?;
        Ok(None)
    }
}

/// Waits so long; for ever where there is nothing to wait for.
async fn pass(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

#[derive(Debug)]
enum FoldError {
    State(StateError),
    Journal(String),
}

impl From<StateError> for FoldError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

fn read_batch(
    reader: &mut Reader,
    synced: JournalPosition,
) -> Result<Vec<(JournalPosition, Fact)>, FoldError> {
    let mut facts = Vec::new();
    let mut bytes = 0_usize;
    while facts.len() < BATCH_FACTS && bytes < BATCH_BYTES {
        match reader.next(synced) {
            Ok(Some((position, fact))) => {
                if let Fact::Received(received) = &fact {
                    bytes = bytes.saturating_add(received.raw.len());
                }
                facts.push((position, fact));
            }
            Ok(None) => break,
            // What is whole is read on; what is damaged was named when the journal was opened.
            Err(error @ ReadError::Damaged { .. }) => events::journal_damaged(&error.to_string()),
            Err(error) => return Err(FoldError::Journal(error.to_string())),
        }
    }
    Ok(facts)
}

/// Reads a message; should our reader fail inside, the message goes to quarantine (WIRE A-40 j).
pub(crate) fn extract_caught(
    received: &Received,
    position: JournalPosition,
    policy: &Policy,
) -> Extraction {
    catch_unwind(AssertUnwindSafe(|| {
        if crate::failpoints::on("extract-panic") {
            std::panic::panic_any("a fault switched on by a test");
        }
        extract::extract(received, position, policy)
    }))
    .unwrap_or_else(|_| {
        events::reader_failed(position.0);
        let place = Place {
            segment: "MSH".to_owned(),
            occurrence: 1,
            field: 0,
            name: "message header".to_owned(),
        };
        let refusal = Refusal {
            reason: Reason::Internal,
            place,
            result: false,
            remedy: "report this; the message is kept and read again by a later version".to_owned(),
        };
        Extraction {
            refusals: vec![refusal],
            counts: [("internal_error", 1)].into(),
            ..Extraction::default()
        }
    })
}

/// Counters and log lines of a batch that is folded for the first time (WIRE 12.12).
fn tell(effects: &Effects) {
    for ((listener, name), times) in &effects.counts {
        events::wire(listener, name, *times);
    }
    for ((listener, outcome), times) in &effects.messages {
        events::message(listener, outcome, *times);
    }
    for (reason, times) in &effects.refusals {
        events::quarantined(fact::Reason::word(*reason), *times);
    }
    for new in &effects.new_alerts {
        events::alert_decided(
            alert::kind_word(new.kind),
            alert::severity_word(new.severity),
            alert::delivery_word(new.delivery),
            &new.alert_id.0,
        );
    }
    for ((listener, feed), seen) in &effects.feeds {
        let at = seen.0.as_micros() as f64 / 1e6;
        events::feed_seen(listener, feed, at, seen.1);
    }
}

#[cfg(test)]
mod tests;
