//! What an instance does when it gets the right to decide, and what is told of who has it.

use crate::clock;
use crate::cluster::Lease;
use crate::core::delivery::SinksSeen;
use crate::core::fact::Fact;
use crate::engine::Progress;
use crate::journal::{Appender, Draft, Status};
use crate::telemetry::events;
use std::time::Duration;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

/// So many facts behind are no reason not to be given the right to decide.
const BEHIND: u64 = 10_000;
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Says whether this instance knows all that the stream holds.
pub(super) async fn note_current(
    lease: Lease,
    status: channel::Receiver<Status>,
    progress: channel::Receiver<Progress>,
    stop: CancellationToken,
) {
    loop {
        let progress = *progress.borrow();
        let behind = status.borrow().synced.0.saturating_sub(progress.folded.0);
        lease.set_current(progress.current && behind <= BEHIND);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Tells who decides whenever that changes; each time it is this instance, its sinks are recorded first: one that
/// is new begins behind the newest alert.
pub(super) async fn watch(
    lease: Lease,
    appender: Appender,
    sinks: Vec<String>,
    stop: CancellationToken,
) {
    let mut standing = lease.standing();
    let mut holding = appender.holding();
    let mut seen_in = None;
    loop {
        let now = standing.borrow_and_update().clone();
        let holder = now.holder.as_deref().unwrap_or("nobody");
        events::lease(now.is_ours, now.epoch, holder, now.drained);
        loop {
            let hold = *holding.borrow_and_update();
            if let Some(hold) = hold.filter(|hold| seen_in != Some(hold.epoch)) {
                let seen = Fact::SinksSeen(SinksSeen {
                    sinks: sinks.clone(),
                    at: clock::now(),
                });
                let stored = async {
                    let answer = appender
                        .submit_held(hold, vec![Draft::from(seen)])
                        .await
                        .ok()?;
                    answer.await.ok()
                };
                let stored = tokio::select! {
                    () = stop.cancelled() => return,
                    stored = stored => stored,
                };
                if stored.is_some() {
                    seen_in = Some(hold.epoch);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = holding.changed() => {}
                Ok(()) = standing.changed() => break,
            }
        }
    }
}
