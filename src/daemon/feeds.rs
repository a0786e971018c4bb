//! Feeds that watch themselves: silence beyond their rhythm and wrong clocks, looked at once in a while
//! out of what the fold has recorded.

use crate::clock;
use crate::core::feed::{Moment, judge};
use crate::core::fold::views::{self, Feed};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use crate::engine::{Progress, StateHandle};
use crate::notice::{NoticeKind, Notices};
use crate::telemetry::events;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Feeds that a notice names.
const NAMED: usize = 8;

/// What is looked at.
pub(super) struct FeedWatch {
    pub(super) state: StateHandle,
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) policy: watch::Receiver<Arc<Policy>>,
    pub(super) notices: Notices,
    pub(super) listening_since: Timestamp,
}

impl FeedWatch {
    /// Looks until the daemon ends.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                current = self.progress.wait_for(|progress| progress.current) => {
                    if current.is_err() { return }
                }
            }
            // What cannot be read now is the fold's trouble.
            if let Ok(feeds) = self.state.read_apart(views::feeds).await {
                let now = clock::now();
                let policy = Arc::clone(&self.policy.borrow());
                self.tell(&feeds, &policy, now);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    fn tell(&self, feeds: &[Feed], policy: &Policy, now: Timestamp) {
        let moment = Moment {
            now,
            listening_since: self.listening_since,
        };
        let mut silent = Vec::new();
        let mut wrong = Vec::new();
        for feed in feeds {
            let silence = judge(&feed.mark, &feed.rhythm, &policy.site.zone, moment);
            let last = feed.mark.last.as_micros() as f64 / 1e6;
            let skew = feed.mark.skew_micros.map(|micros| micros as f64 / 1e6);
            events::feed_seen(&feed.listener, &feed.name, last, skew);
            events::feed_judged(&feed.listener, &feed.name, silence.beyond, silence.expected);
            let name = format!("{} on `{}`", feed.name, feed.listener);
            if silence.beyond {
                silent.push(format!(
                    "{name} since {} (about {:.0} messages usually come in such a time)",
                    feed.mark.last.to_rfc3339(),
                    silence.expected
                ));
            }
            if let Some(seconds) = feed.mark.clock_off() {
                let way = if seconds > 0 { "ahead" } else { "behind" };
                wrong.push(format!("{name} by {} s {way}", seconds.saturating_abs()));
            }
        }
        let told = |list: Vec<String>, what: &str, help: &str| {
            (!list.is_empty()).then(|| {
                let more = match list.len().checked_sub(NAMED) {
                    Some(more @ 1..) => format!(", and {more} more"),
                    _ => String::new(),
                };
                let named = list
                    .iter()
                    .take(NAMED)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ");
                format!("{what}: {named}{more}; {help}")
            })
        };
        self.notices.set(
            NoticeKind::FeedSilent,
            told(
                silent,
                "silent beyond their usual rhythm",
                "see `pentamer feeds`, and ask whether the sender is up and connected",
            ),
        );
        self.notices.set(
            NoticeKind::FeedClock,
            told(
                wrong,
                "the clocks of senders (MSH-7) and ours differ",
                "see that NTP runs there and here",
            ),
        );
    }
}
