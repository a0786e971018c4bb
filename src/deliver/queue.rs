//! One queue a sink: next alert, `Attempted`, send, `Delivered` or `Dead`, next. Beside it go notices,
//! signs of life and tests, which are not recorded: they are about the way, not about patients.

mod aside;
mod flood;
mod handle;

pub use handle::{Ground, Handle, Kept, QueueSettings, Status, Tested};

use super::{Choice, Letter, Sink, SinkError};
use crate::clock;
use crate::core::delivery::Passed;
use crate::core::episode::Transition;
use crate::core::fact::{Fact, JournalPosition};
use crate::core::fold::state::StateError;
use crate::core::fold::views::{self, Next, Waiting};
use crate::core::time::{Span, Timestamp};
use crate::engine::{Progress, StateHandle};
use crate::failpoints;
use crate::journal::{Appender, Draft, Hold};
use crate::notice::Standing;
use crate::telemetry::events;
use std::hash::{BuildHasher, Hasher};
use std::time::Instant;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio_util::sync::CancellationToken;

/// Alerts that are dealt with before the fold is waited for: what is to be sent again is seen only then.
const IN_ADVANCE: u32 = 64;

/// The way of alerts to one sink.
pub struct Queue {
    settings: QueueSettings,
    sink: Box<dyn Sink>,
    appender: Appender,
    state: StateHandle,
    progress: watch::Receiver<Progress>,
    standing: watch::Receiver<Standing>,
    holding: watch::Receiver<Option<Hold>>,
    /// What is recorded is recorded under this right.
    hold: Hold,
    /// Held while it runs: the next one of this name waits for it.
    kept: OwnedMutexGuard<Kept>,
    stop: CancellationToken,
}

/// What came of looking at the queue.
enum Dealt {
    /// Something was dealt with.
    Done,
    /// Nothing waits.
    Nothing,
    /// The fold has yet to see what was recorded.
    Behind,
    /// What waits is held for a digest.
    Held(Instant),
}

/// What a failed delivery was about, for the log.
struct Failed {
    id: String,
    error: SinkError,
}

impl Queue {
    /// A queue from the state's outbox to a sink.
    pub fn new(
        settings: QueueSettings,
        sink: Box<dyn Sink>,
        ground: Ground,
        mut kept: OwnedMutexGuard<Kept>,
    ) -> Self {
        let now = clock::monotonic();
        kept.heartbeat_at = (settings.heartbeat)
            .map(|every| kept.heartbeat_at.map_or(now, |at| at.min(now + every)));
        if settings.digest.is_none() {
            kept.holding = false;
        }
        Self {
            settings,
            sink,
            holding: ground.appender.holding(),
            hold: ground.appender.hold().unwrap_or(Hold::ALONE),
            appender: ground.appender,
            state: ground.state,
            progress: ground.progress,
            standing: ground.notices.subscribe(),
            kept,
            stop: ground.stop,
        }
    }

    /// Delivers until the daemon ends.
    pub async fn run(mut self) {
        let mut failures = 0_u32;
        let mut again_at: Option<Instant> = None;
        let mut held_until: Option<Instant> = None;
        while !self.stop.is_cancelled() {
            if again_at.is_none_or(|at| clock::monotonic() >= at) {
                again_at = None;
                match self.deliver_next().await {
                    Ok(Dealt::Done) => {
                        failures = 0;
                        continue;
                    }
                    Ok(Dealt::Nothing) => (failures, held_until) = (0, None),
                    Ok(Dealt::Behind) => held_until = None,
                    Ok(Dealt::Held(until)) => (failures, held_until) = (0, Some(until)),
                    Err(Failed { id, error }) => {
                        failures = failures.saturating_add(1);
                        let asked = match &error {
                            SinkError::Later { after, .. } => *after,
                            SinkError::Never(_) => None,
                        };
                        let pause = self.settings.retry.pause(failures, chance(), asked);
                        let why = error.to_string();
                        events::delivery_failed(&self.settings.name, &id, &why, pause);
                        again_at = Some(clock::monotonic() + pause);
                    }
                }
            }
            self.wait(again_at, held_until).await;
        }
    }

    /// Until something is to be done: at `again_at` where a pause lasts, else when something changes.
    async fn wait(&mut self, again_at: Option<Instant>, held_until: Option<Instant>) {
        let pausing = again_at.is_some();
        let stop = self.stop.clone();
        let heartbeat_at = self.kept.heartbeat_at.filter(|_| !pausing);
        let held_until = held_until.filter(|_| !pausing);
        let test = tokio::select! {
            () = stop.cancelled() => None,
            () = at(again_at) => None,
            () = at(heartbeat_at) => None,
            () = at(held_until) => None,
            Some(answer) = self.kept.tests.recv() => Some(answer),
            changed = self.progress.changed(), if !pausing => {
                // The fold has ended: so does the daemon.
                if changed.is_err() {
                    stop.cancelled().await;
                }
                None
            }
            Ok(()) = self.holding.changed() => None,
            _ = self.standing.changed(), if !pausing && self.settings.choice.notices => None,
        };
        if let Some(answer) = test {
            let tested = self.test().await;
            let _ = answer.send(tested);
        }
    }

    /// The right to deliver, where this instance has it and has folded all that the former holder did.
    fn may_deliver(&mut self) -> Option<Hold> {
        self.holding.borrow_and_update();
        let hold = self.appender.hold();
        let folded = self.progress.borrow().folded;
        let hold = hold.filter(|hold| folded >= hold.since)?;
        if self.kept.epoch != Some(hold.epoch) {
            self.kept.epoch = Some(hold.epoch);
            self.kept.ahead = 0;
            self.kept.in_advance = 0;
        }
        Some(hold)
    }

    async fn deliver_next(&mut self) -> Result<Dealt, Failed> {
        let Some(hold) = self.may_deliver() else {
            return Ok(Dealt::Behind);
        };
        self.hold = hold;
        self.beat().await?;
        self.tell_notices().await?;
        // While the state is being built its cursors are old news: a delivered alert would look new.
        let progress = *self.progress.borrow_and_update();
        if progress.folded >= self.kept.recorded {
            self.kept.ahead = 0;
            self.kept.in_advance = 0;
        } else if self.kept.ahead == 0 || self.settings.digest.is_some() {
            return Ok(Dealt::Behind);
        }
        if !progress.current {
            return Ok(Dealt::Behind);
        }
        // A state that cannot be read is the fold's to mend; when it is, the progress changes.
        let Ok((next, cursor)) = self.next().await else {
            return Ok(Dealt::Nothing);
        };
        match next {
            Next::Nothing => Ok(Dealt::Nothing),
            Next::Pass {
                after,
                through,
                reason,
            } => {
                let passed = Fact::Passed(Passed {
                    sink: self.settings.name.clone(),
                    after,
                    through,
                    reason: reason.to_owned(),
                    at: clock::now(),
                });
                let recorded = self.record(passed).await;
                let recorded = recorded.map_err(|error| Failed {
                    id: String::new(),
                    error,
                })?;
                self.wait_folded(recorded).await;
                Ok(Dealt::Done)
            }
            Next::Send(waiting) => {
                if let Some(dealt) = self.flood(&waiting).await? {
                    return Ok(dealt);
                }
                let id = waiting.transition.alert_id.0.clone();
                // A digest looks at the state; what is sent again is known by it alone.
                let ahead = Some(waiting.place).filter(|place| {
                    *place > cursor && waiting.step == 0 && self.settings.digest.is_none()
                });
                let recorded = match self.deliver(*waiting).await {
                    Ok(recorded) => recorded,
                    Err(error) => {
                        // Since when it is tried is in the state, once that has seen the first try.
                        self.kept.ahead = 0;
                        return Err(Failed { id, error });
                    }
                };
                match ahead {
                    Some(place) if self.kept.in_advance < IN_ADVANCE => {
                        self.kept.ahead = place;
                        self.kept.in_advance = self.kept.in_advance.saturating_add(1);
                    }
                    Some(_) | None => self.wait_folded(recorded).await,
                }
                Ok(Dealt::Done)
            }
        }
    }

    /// Nothing comes for a sink until the state has seen it: it would be given all of the past.
    async fn next(&self) -> Result<(Next, u64), StateError> {
        let (name, choice) = (self.settings.name.clone(), self.settings.choice.clone());
        let (now, ahead) = (clock::now(), self.kept.ahead);
        let read = move |state: &dyn crate::core::fold::state::State| {
            let Some(cursor) = views::cursor(state, &name)? else {
                return Ok((Next::Nothing, 0));
            };
            let mutes = views::mutes(state)?;
            let passes = |transition: &Transition| choice.passes(transition, &mutes, now);
            Ok((views::next(state, &name, ahead, &passes)?, cursor))
        };
        self.state.read_apart(read).await
    }

    /// `Attempted`, send, and how it ended.
    async fn deliver(&mut self, waiting: Waiting) -> Result<JournalPosition, SinkError> {
        let Waiting {
            transition,
            attempted,
            step,
            ..
        } = waiting;
        let sink = self.settings.name.clone();
        let alert_id = transition.alert_id.0.clone();
        let first = attempted.unwrap_or_else(clock::now);
        if attempted.is_none() {
            let fact = Fact::Attempted {
                sink: sink.clone(),
                alert_id: alert_id.clone(),
                at: first,
            };
            self.record(fact).await?;
        }
        let Choice { phi, .. } = self.settings.choice;
        let (site, links) = (&self.settings.site, &self.settings.links);
        let letter = Letter::alert(&transition, site, phi, links, step);
        tokio::task::block_in_place(|| failpoints::stall("deliver-before-send"));
        let sent = self.send(&letter).await;
        tokio::task::block_in_place(|| failpoints::stall("deliver-after-send"));
        let at = clock::now();
        let fact = match sent {
            Ok(()) => {
                events::delivered(&sink, &alert_id);
                Fact::Delivered { sink, alert_id, at }
            }
            Err(SinkError::Never(reason)) => self.dead(sink, alert_id, at, reason),
            Err(SinkError::Later { why, .. }) if self.too_late(first, at) => {
                let reason = format!("given up: {why}");
                self.dead(sink, alert_id, at, reason)
            }
            Err(later @ SinkError::Later { .. }) => return Err(later),
        };
        self.record(fact).await
    }

    fn dead(&self, sink: String, alert_id: String, at: Timestamp, reason: String) -> Fact {
        events::dead_letter(&sink, &alert_id, &reason);
        Fact::Dead {
            sink,
            alert_id,
            at,
            reason,
        }
    }

    fn too_late(&self, first: Timestamp, now: Timestamp) -> bool {
        let give_up = self.settings.retry.give_up_after;
        give_up.is_some_and(|after| {
            let after = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
            now.since(first) >= Span::micros(after)
        })
    }

    /// One try, within its time, noted in the status.
    async fn send(&mut self, letter: &Letter) -> Result<(), SinkError> {
        let sending = self.sink.deliver(letter);
        let sent = match tokio::time::timeout(self.settings.timeout, sending).await {
            Ok(sent) => sent,
            Err(_) => Err(SinkError::later(format!(
                "no answer within {:?}",
                self.settings.timeout
            ))),
        };
        let now = clock::now();
        self.kept.status.send_modify(|status| match &sent {
            // A refusal is an answer: the way is open.
            Ok(()) | Err(SinkError::Never(_)) => {
                *status = Status {
                    last_delivered: sent.is_ok().then_some(now).or(status.last_delivered),
                    last_error: sent.as_ref().err().map(ToString::to_string),
                    ..Status::default()
                };
            }
            Err(SinkError::Later { why, .. }) => {
                status.failures = status.failures.saturating_add(1);
                status.failing_since = status.failing_since.or(Some(now));
                status.last_error = Some(why.clone());
            }
        });
        if sent.is_ok() {
            // What was handed over is a sign of life.
            let next = self
                .settings
                .heartbeat
                .map(|every| clock::monotonic() + every);
            self.kept.heartbeat_at = next;
        }
        sent
    }

    async fn record(&mut self, fact: Fact) -> Result<JournalPosition, SinkError> {
        self.record_all(vec![fact]).await
    }

    async fn record_all(&mut self, facts: Vec<Fact>) -> Result<JournalPosition, SinkError> {
        let gone = || SinkError::later("the journal is closed, or another instance delivers now");
        let stored = self
            .appender
            .submit_held(self.hold, facts.into_iter().map(Draft::from).collect())
            .await
            .map_err(|_| gone())?
            .await
            .map_err(|_| gone())?;
        let last = stored.last().map(|stored| stored.position);
        self.kept.recorded = self.kept.recorded.max(last.unwrap_or(self.kept.recorded));
        last.ok_or_else(gone)
    }

    /// Until the cursor has moved: or the same alert would come next again.
    async fn wait_folded(&mut self, position: JournalPosition) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.progress.wait_for(|progress| progress.folded >= position) => {}
        }
    }
}

/// Waits for an instant; for ever where there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// Any number, another each time.
fn chance() -> u32 {
    let seeded = std::collections::hash_map::RandomState::new();
    let number = seeded.build_hasher().finish();
    u32::try_from(number >> 32).unwrap_or_default()
}
