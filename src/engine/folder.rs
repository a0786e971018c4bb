//! The fold's thread.

mod decide;

use super::checkpointer::{self, Beginning, Checkpointer, Checkpointing};
use super::handle::StateHandle;
use super::source::{Facts, OnDamage, Source};
use super::told::Told;
use crate::clock;
use crate::core::extract::{self, Extraction, Place, Refusal};
use crate::core::fact::{Fact, JournalPosition, Reason, Received};
use crate::core::fold::state::{State, StateError};
use crate::core::fold::{self, Effects};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use crate::core::{alert, fact};
use crate::journal::{Appender, ReadError};
use crate::pulse::Pulse;
use crate::telemetry::events;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// From one batch to the next at least: under load facts are gathered and folded together, which
/// leaves the processor to those who wait for an answer (`benches/end_to_end.rs`).
const GATHER: Duration = Duration::from_millis(10);
/// Pause before a failed fold starts again.
const PAUSE: Duration = Duration::from_secs(1);

/// Gives an empty state in place of one that cannot be used, for the reason told.
pub type FreshState = Arc<dyn Fn(&str) -> Arc<dyn State> + Send + Sync>;

/// Gives an empty state to be folded into with these tables.
pub type StateFor = Arc<dyn Fn(&Policy) -> Arc<dyn State> + Send + Sync>;

/// What the fold needs beside journal and state.
#[derive(Clone)]
pub struct Settings {
    /// Tables in force; others may come at any time.
    pub policies: watch::Receiver<Arc<Policy>>,
    /// Gives an empty state to be folded into with these tables.
    pub state_for: StateFor,
    /// Facts up to here were counted by an earlier run; folding them again counts nothing.
    pub counted_through: JournalPosition,
    /// Gives an empty state in place of one that cannot be used.
    pub fresh_state: FreshState,
    /// When checkpoints are taken.
    pub checkpointing: Checkpointing,
    /// Told of a place in the journal that cannot be read while it is folded.
    pub on_damage: Arc<dyn Fn(&ReadError) + Send + Sync>,
    /// The fold's sign of life.
    pub pulse: Pulse,
    /// Hears what was read of messages.
    pub told: Option<Arc<dyn Told>>,
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
    /// What the state is folded with.
    policy: Arc<Policy>,
    checkpointer: Checkpointer,
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
    runtime: Handle,
    /// Our newest `Decided`; nothing is decided until it is folded.
    decided_at: JournalPosition,
    /// The journal says which policy is in force.
    policy_noted: bool,
    /// The newest message that no `Decided` covers, and its receipt.
    unrecorded: Option<(JournalPosition, Timestamp)>,
    /// What was folded up to here was counted, by this run or an earlier one.
    counted: Arc<AtomicU64>,
    /// Another one has taken over: this one must do nothing any more.
    retired: Arc<AtomicBool>,
}

impl Folder {
    /// A fold that starts where the state stands.
    pub fn new(
        appender: Appender,
        state: StateHandle,
        mut settings: Settings,
        stop: CancellationToken,
        runtime: Handle,
    ) -> (Self, watch::Receiver<Progress>) {
        let start = Progress {
            folded: JournalPosition::START,
            current: false,
        };
        let (progress, seen) = watch::channel(start);
        let decided_at = JournalPosition::START;
        let counted = Arc::new(AtomicU64::new(settings.counted_through.0));
        let policy = Arc::clone(&settings.policies.borrow_and_update());
        (
            Self {
                appender,
                state,
                checkpointer: Checkpointer::new(settings.checkpointing),
                settings,
                policy,
                progress,
                stop,
                runtime,
                decided_at,
                policy_noted: false,
                unrecorded: None,
                counted,
                retired: Arc::default(),
            },
            seen,
        )
    }

    /// One that has not begun, to take over should this one be left behind in a call that never returns.
    #[must_use]
    pub fn successor(&self) -> Self {
        let mut settings = self.settings.clone();
        let policy = Arc::clone(&settings.policies.borrow_and_update());
        Self {
            appender: self.appender.clone(),
            state: self.state.clone(),
            checkpointer: Checkpointer::new(self.settings.checkpointing),
            settings,
            policy,
            progress: self.progress.clone(),
            stop: self.stop.clone(),
            runtime: self.runtime.clone(),
            decided_at: JournalPosition::START,
            policy_noted: false,
            unrecorded: None,
            counted: Arc::clone(&self.counted),
            retired: Arc::default(),
        }
    }

    /// Set this when another one takes over.
    pub fn retired(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.retired)
    }

    /// Puts a state in force that is to be folded into from the beginning.
    pub fn begin_again(&self, state: impl FnOnce() -> Arc<dyn State>) {
        // First of all: nobody may take a state that is being built for one that is built.
        self.progress.send_replace(Progress {
            folded: JournalPosition::START,
            current: false,
        });
        self.state.replace(state());
    }

    /// Runs until `stop`; an unusable state is replaced and built again, whatever happens.
    pub fn run(mut self) {
        while !self.stop.is_cancelled() {
            // A failure of ours inside must not end the thread: that would be silence without a word.
            let folded = catch_unwind(AssertUnwindSafe(|| self.fold_on()));
            self.checkpointer.give_up();
            let error = match folded {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => FoldError::Journal("an internal failure, see the line before".to_owned()),
            };
            if self.retired.load(Ordering::Acquire) {
                return;
            }
            match error {
                FoldError::State(why) => {
                    events::cache_rebuild(&why);
                    self.begin_again(|| (self.settings.fresh_state)(&why));
                }
                FoldError::Journal(why) => events::fold_failed(&why),
                FoldError::OtherTables => {
                    self.take_tables();
                    continue;
                }
            }
            self.progress
                .send_modify(|progress| progress.current = false);
            std::thread::park_timeout(PAUSE);
        }
    }

    fn fold_on(&mut self) -> Result<(), FoldError> {
        let state = self.state.get();
        let policy = Arc::clone(&self.policy);
        let mut at = checkpointer::begin(state.as_ref(), &Beginning::of(&self.appender), &policy)?;
        let reader = self
            .appender
            .reader(at)
            .map_err(|error| FoldError::Journal(error.to_string()))?;
        let told = Arc::clone(&self.settings.on_damage);
        let on_damage: OnDamage = Arc::new(move |error| {
            events::journal_damaged(&error.to_string());
            told(error);
        });
        let mut source = Source::new(reader, Arc::clone(&policy), on_damage);
        let started = clock::monotonic();
        let mut folded = 0_u64;
        let mut status = self.appender.status();
        let mut holding = self.appender.holding();
        loop {
            crate::failpoints::stall("fold-hang");
            self.settings.pulse.beat();
            holding.borrow_and_update();
            if let Some(why) = self.state.take_doubt() {
                return Err(FoldError::State(why));
            }
            let synced = status.borrow_and_update().synced;
            let batch = source.next(at, synced);
            let batch = batch.map_err(|error| FoldError::Journal(error.to_string()))?;
            let facts = &batch.facts;
            if let Some((last, _)) = facts.last() {
                self.apply(&batch, at, state.as_ref())?;
                at = *last;
                folded += facts.len() as u64;
            }
            let stopping = self.stop.is_cancelled();
            let more = !stopping && self.checkpointer.step(&self.appender, state.as_ref());
            // Nothing more was read up to there, be it that the rest is damaged.
            let caught_up = at >= synced || facts.is_empty();
            // Only one instance of a site decides, and only with all that the former one did.
            let hold = self.appender.hold().filter(|hold| at >= hold.since);
            if let Some(hold) = hold.filter(|_| caught_up && !self.policy_noted)
                && self.note_policy(hold, state.as_ref())?
            {
                continue;
            }
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
            let others = self.settings.policies.has_changed().unwrap_or(false);
            if others && !self.progress.borrow().current {
                // Nothing has been considered with these yet.
                return Err(FoldError::OtherTables);
            }
            if at >= self.decided_at && (caught_up || self.progress.borrow().current) {
                match hold {
                    Some(hold) => {
                        if others && self.consider_with_these_tables(hold, state.as_ref())? {
                            return Err(FoldError::OtherTables);
                        }
                        self.decide(hold, state.as_ref())?;
                    }
                    // What is decided comes from elsewhere, whatever the tables are here.
                    None if others => return Err(FoldError::OtherTables),
                    None => {}
                }
            }
            if !caught_up || more {
                continue;
            }
            if self.stop.is_cancelled() && facts.is_empty() {
                if let Some(hold) = hold
                    && self.note_considered(hold, state.as_ref())?
                {
                    continue;
                }
                return Ok(());
            }
            let until_deadline = match hold {
                Some(hold) => self.meet_deadline(hold, state.as_ref())?,
                None => None,
            };
            let stop = self.stop.clone();
            let mut policies = self.settings.policies.clone();
            let next = clock::monotonic() + GATHER;
            self.runtime.block_on(async {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = pass(until_deadline) => {}
                    () = self.state.doubted() => {}
                    () = self.settings.pulse.asked() => {}
                    Ok(()) = holding.changed() => {}
                    Ok(()) = policies.changed() => {}
                    changed = status.changed() => match changed {
                        Ok(()) => tokio::select! {
                            () = stop.cancelled() => {}
                            () = tokio::time::sleep_until(next.into()) => {}
                        },
                        Err(_) => stop.cancel(),
                    },
                }
            });
        }
    }

    /// Folds the facts behind `after`.
    fn apply(
        &mut self,
        batch: &Facts,
        after: JournalPosition,
        state: &dyn State,
    ) -> Result<(), FoldError> {
        let facts = &batch.facts;
        for (position, fact) in facts {
            if let Fact::Received(received) = fact {
                self.unrecorded = Some((*position, received.received_at));
            } else if let Fact::Decided(decided) = fact {
                self.unrecorded = self.unrecorded.filter(|(at, _)| *at > decided.through);
            }
        }
        let policy = self.policy.as_ref();
        let told = self.settings.told.as_deref();
        let extract = |received: &Received, position: JournalPosition, policy: &Policy| {
            batch.extract(received, position, policy, told)
        };
        let applied = fold::apply(facts, state, policy, &extract)?;
        self.checkpointer
            .before_commit(facts, &applied.batch, state)?;
        state.commit(applied.batch, applied.through)?;
        if let Some(told) = told {
            told.folded(after, facts);
        }
        if applied.through.0 > self.counted.fetch_max(applied.through.0, Ordering::AcqRel) {
            tell(&applied.effects);
        }
        Ok(())
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
    State(String),
    Journal(String),
    /// Not a failure: other tables are in force.
    OtherTables,
}

impl From<StateError> for FoldError {
    fn from(error: StateError) -> Self {
        Self::State(error.why())
    }
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
