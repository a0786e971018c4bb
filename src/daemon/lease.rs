//! What an instance does when it gets the right to decide, and what is told of who has it.

use crate::clock;
use crate::cluster::Lease;
use crate::core::delivery::SinksSeen;
use crate::core::fact::Fact;
use crate::journal::{Appender, Draft};
use crate::telemetry::events;
use tokio_util::sync::CancellationToken;

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
