//! From the queue of a relay into the journal.

use super::Relay;
use super::item::Item;
use super::queue::Batch;
use crate::clock;
use crate::core::fact::{Fact, JournalPosition, Reason, Refused};
use crate::journal::{Draft, Stored};
use crate::listen::accept::since_failing;
use crate::listen::intake::{self, Relayed};
use crate::telemetry::events;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Messages whose positions are remembered for their answers.
const REMEMBERED: usize = 65_536;
/// How long after `drain` connections may still hand over what they saw.
const LATEST: Duration = Duration::from_secs(5);
/// Between two notes that all is journaled.
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// While the end is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Where messages are, by their numbers.
#[derive(Default)]
struct Positions(BTreeMap<u64, JournalPosition>);

impl Positions {
    fn note(&mut self, number: u64, position: JournalPosition) {
        self.0.insert(number, position);
        if self.0.len() > REMEMBERED {
            self.0.pop_first();
        }
    }
}

/// The daemon ends, and nothing can be stored.
struct GivenUp;

/// A group of the journal, and the numbers of its first drafts.
struct Group {
    numbers: Vec<u64>,
    messages: usize,
    stored: oneshot::Receiver<Vec<Stored>>,
}

/// Notes every second that all is journaled, where it is.
pub(super) async fn note_times(relay: Arc<Relay>) {
    loop {
        let now = clock::now();
        if relay.queue.is_drained() {
            let mark = Arc::clone(&relay.mark);
            // Where it cannot be written the time stays what it was: the gap would be told too long.
            let _ = tokio::task::spawn_blocking(move || mark.kept_until(now)).await;
        }
        tokio::select! {
            () = relay.listener.stop.cancelled() => return,
            () = tokio::time::sleep(NOTE_EVERY) => {}
        }
    }
}

/// Journals everything in order until nobody can push any more.
pub(super) async fn keep(relay: Arc<Relay>) {
    if keep_all(&relay).await == 0 {
        let mark = Arc::clone(&relay.mark);
        let removed = tokio::task::spawn_blocking(move || mark.remove()).await;
        if let Ok(Err(error)) = removed {
            let name = &relay.listener.config.name;
            events::spill_failed(name, "remove", &error.kind().to_string());
        }
    }
}

/// How many messages could not be kept in the end.
async fn keep_all(relay: &Arc<Relay>) -> u64 {
    let mut positions = Positions::default();
    while let Some(batch) = relay.queue.next().await {
        let journaled = tokio::select! {
            journaled = journal(relay, &batch, &mut positions) => journaled,
            () = give_up(relay) => Err(GivenUp),
        };
        match journaled {
            Ok(()) => relay.queue.done(&batch),
            Err(GivenUp) => {
                let lost = relay.queue.keep_for_next_run(batch).await;
                events::tap_kept_for_next_run(&relay.listener.config.name, lost);
                return lost;
            }
        }
    }
    0
}

/// Returns when the daemon ends and storing has failed for `store_wait`. Not before the connections have
/// handed over what they saw, unless they wait for room in vain (`closed`).
async fn give_up(relay: &Relay) {
    relay.listener.stop.cancelled().await;
    let config = &relay.listener.config;
    let latest = tokio::time::Instant::now() + config.drain + LATEST;
    loop {
        let left = match since_failing(&relay.listener) {
            Some(since) => config.store_wait.saturating_sub(since),
            None => Duration::MAX,
        };
        let all_here = relay.queue.has_ended() || tokio::time::Instant::now() >= latest;
        if left.is_zero() && all_here {
            return;
        }
        tokio::time::sleep(left.clamp(LOOK_EVERY, 10 * LOOK_EVERY)).await;
    }
}

async fn journal(relay: &Relay, batch: &Batch, positions: &mut Positions) -> Result<(), GivenUp> {
    let mut groups = Vec::new();
    for item in &batch.items {
        let (drafts, numbers, messages) = match item {
            Item::Frame {
                number,
                origin,
                received_at,
                content,
            } => {
                // A failure of ours in one message leaves all others as they are (P-8).
                let take = AssertUnwindSafe(|| {
                    intake::take_relayed(&relay.listener, origin, *received_at, content)
                });
                let Relayed { drafts, parts } = catch_unwind(take).unwrap_or_else(|_| {
                    events::tap_failed(&origin.listener);
                    let refused = Fact::Refused(Refused {
                        origin: origin.clone(),
                        received_at: *received_at,
                        reason: Reason::Internal,
                        total_len: content.len() as u64,
                        raw: content.clone(),
                    });
                    Relayed {
                        drafts: vec![Draft::from(refused)],
                        parts: Vec::new(),
                    }
                });
                let numbers: Vec<u64> =
                    parts.iter().map(|part| number + u64::from(*part)).collect();
                let messages = numbers.len();
                (drafts, numbers, messages)
            }
            Item::Refused {
                number,
                origin,
                received_at,
                reason,
                total_len,
                raw,
            } => {
                if let Ok(peer) = origin.peer.parse() {
                    events::frame_refused(&origin.listener, peer, reason.word(), *total_len);
                }
                let refused = Fact::Refused(Refused {
                    origin: origin.clone(),
                    received_at: *received_at,
                    reason: *reason,
                    total_len: *total_len,
                    raw: raw.clone(),
                });
                (vec![Draft::from(refused)], vec![*number], 0)
            }
            Item::Gap(gap) => {
                events::tap_gap(&gap.origin.listener, gap.messages, gap.bytes);
                (relay.listener.on_gap)(gap);
                (vec![Draft::from(Fact::Gap(gap.clone()))], Vec::new(), 0)
            }
            Item::Answer { .. } => continue,
        };
        if !drafts.is_empty() {
            groups.push(submit(relay, drafts, numbers, messages).await?);
        }
    }
    settle(relay, groups, positions).await?;
    answers(relay, batch, positions).await
}

async fn submit(
    relay: &Relay,
    drafts: Vec<Draft>,
    numbers: Vec<u64>,
    messages: usize,
) -> Result<Group, GivenUp> {
    let appender = &relay.listener.appender;
    let stored = appender
        .submit_received(drafts)
        .await
        .map_err(|_| GivenUp)?;
    Ok(Group {
        numbers,
        messages,
        stored,
    })
}

/// Waits until all groups are stored.
async fn settle(
    relay: &Relay,
    groups: Vec<Group>,
    positions: &mut Positions,
) -> Result<(), GivenUp> {
    for group in groups {
        let stored = group.stored.await.map_err(|_| GivenUp)?;
        for (number, stored) in group.numbers.iter().zip(&stored) {
            positions.note(*number, stored.position);
        }
        let messages = stored.get(..group.messages).unwrap_or_default();
        intake::count_stored(messages, &relay.listener.terms);
    }
    Ok(())
}

/// Records the answers, whose messages are stored by now.
async fn answers(relay: &Relay, batch: &Batch, positions: &mut Positions) -> Result<(), GivenUp> {
    let mut drafts = Vec::new();
    for item in &batch.items {
        if let Item::Answer {
            message,
            code,
            at,
            after_micros,
        } = item
            && let Some(message) = positions.0.get(message)
        {
            drafts.push(Draft::from(Fact::LisAnswered {
                message: *message,
                code: *code,
                at: *at,
                after_micros: *after_micros,
            }));
        }
    }
    if drafts.is_empty() {
        return Ok(());
    }
    let group = submit(relay, drafts, Vec::new(), 0).await?;
    settle(relay, vec![group], positions).await
}
