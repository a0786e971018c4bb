//! When checkpoints are taken, and how the fold begins with one.

use crate::clock;
use crate::core::fact::{Fact, JournalPosition};
use crate::core::fold::state::{Batch, State, StateError};
use crate::core::fold::views;
use crate::core::policy::Policy;
use crate::journal::{Appender, Checkpoint, TakeError, Taking};
use crate::telemetry::events;
use std::time::{Duration, Instant};

/// Bytes written between two batches of the fold, about: some milliseconds.
const STEP: usize = 1 << 20;
/// A failed one is tried again after so long.
const PAUSE: Duration = Duration::from_secs(60);
/// Bytes of a fact beside a message's own.
const RECORD: u64 = 200;

/// When a checkpoint is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpointing {
    /// Bytes of facts since the last one (`[storage] checkpoint_after`).
    pub after: u64,
    /// Time since the last one, where anything was folded since (`[storage] checkpoint_every`).
    pub every: Duration,
}

/// Takes checkpoints between the fold's batches.
pub(super) struct Checkpointer {
    when: Checkpointing,
    bytes: u64,
    last: Instant,
    not_before: Instant,
    taking: Option<(Taking, Instant)>,
}

impl Checkpointer {
    pub fn new(when: Checkpointing) -> Self {
        let now = clock::monotonic();
        Self {
            when,
            bytes: 0,
            last: now,
            not_before: now,
            taking: None,
        }
    }

    /// Facts are about to be committed.
    pub fn before_commit(
        &mut self,
        facts: &[(JournalPosition, Fact)],
        batch: &Batch,
        state: &dyn State,
    ) -> Result<(), StateError> {
        for (_, fact) in facts {
            let raw = match fact {
                Fact::Received(received) => received.raw.len() as u64,
                _ => 0,
            };
            self.bytes = self.bytes.saturating_add(raw + RECORD);
        }
        match &mut self.taking {
            Some((taking, _)) => taking.preserve(batch, state),
            None => Ok(()),
        }
    }

    /// One step; true while there is more to do at once.
    pub fn step(&mut self, appender: &Appender, state: &dyn State) -> bool {
        if self.taking.is_none() {
            let now = clock::monotonic();
            let due = self.bytes >= self.when.after
                || self.bytes > 0 && now.saturating_duration_since(self.last) >= self.when.every;
            if !due || now < self.not_before {
                return false;
            }
            match appender.begin_checkpoint(state) {
                Ok(taking) => {
                    self.taking = Some((taking, now));
                    self.bytes = 0;
                }
                Err(error) => self.failed(&error),
            }
        }
        let Some((taking, _)) = &mut self.taking else {
            return false;
        };
        match taking.step(state, STEP) {
            Ok(false) => true,
            Ok(true) => {
                self.publish(appender);
                false
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    fn publish(&mut self, appender: &Appender) {
        let Some((taking, begun)) = self.taking.take() else {
            return;
        };
        match appender.publish_checkpoint(taking) {
            Ok(checkpoint) => {
                self.last = clock::monotonic();
                let took = self.last.saturating_duration_since(begun);
                events::checkpoint(
                    checkpoint.position.0,
                    checkpoint.entries(),
                    checkpoint.bytes,
                    took,
                );
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &TakeError) {
        self.give_up();
        // What was folded since the last good one is still to be covered.
        self.bytes = self.bytes.max(self.when.after);
        self.not_before = clock::monotonic() + PAUSE;
        events::checkpoint_failed(&error.to_string());
    }

    /// Gives up the one on its way: another state is in force, or the daemon ends.
    pub fn give_up(&mut self) {
        if let Some((taking, _)) = self.taking.take() {
            taking.discard();
        }
    }
}

/// What a journal offers to begin with.
pub(crate) struct Beginning {
    /// The last position that is synced.
    pub synced: JournalPosition,
    /// The first position whose fact is kept.
    pub oldest: JournalPosition,
    /// The newest good checkpoint.
    pub checkpoint: Option<Checkpoint>,
}

impl Beginning {
    /// What an open journal offers now.
    pub fn of(appender: &Appender) -> Self {
        Self {
            synced: appender.status().borrow().synced,
            oldest: appender.oldest(),
            checkpoint: appender.checkpoint(),
        }
    }
}

/// Brings a state to where the journal can be folded on from; the position it is at then.
///
/// It goes on where it stands if the journal holds all that follows. Else the newest checkpoint is put
/// into it, which needs it empty. A checkpoint that was folded with other tables gives way to the
/// journal while that reaches back to the first fact.
///
/// # Errors
/// Where it has to be replaced by an empty one first, or cannot be read or written.
pub(crate) fn begin(
    state: &dyn State,
    journal: &Beginning,
    policy: &Policy,
) -> Result<JournalPosition, StateError> {
    let at = state.position()?;
    if at > journal.synced {
        return Err(StateError::Store(
            "it is of another journal: it stands behind this one's end".to_owned(),
        ));
    }
    let oldest = journal.oldest;
    if at > JournalPosition::START {
        if at.next() >= oldest {
            return Ok(at);
        }
        return Err(StateError::Store(
            "it is older than what the journal keeps".to_owned(),
        ));
    }
    // The policy's mark is all that an empty one holds.
    if state.walk(None, 2)?.len() > 1 {
        return Err(StateError::Store("it was not filled to its end".to_owned()));
    }
    let Some(checkpoint) = &journal.checkpoint else {
        return Ok(at);
    };
    let hash = policy.hash();
    if checkpoint.policy != hash {
        if oldest <= at.next() {
            return Ok(at);
        }
        events::checkpoint_other_policy(oldest.0);
    }
    let begun = clock::monotonic();
    checkpoint.load(state, &hash)?;
    let took = clock::monotonic().saturating_duration_since(begun);
    events::checkpoint_loaded(checkpoint.position.0, checkpoint.entries(), took);
    if views::policy(state)?.as_deref() != Some(hash.as_str()) {
        return Err(StateError::Store(
            "it does not keep what is written".to_owned(),
        ));
    }
    Ok(checkpoint.position)
}
