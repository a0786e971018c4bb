//! Keeping up with the stream: what other instances store is known here within moments.
//!
//! A plain subscription says that something is on its way; what it became is asked of the stream, in order. So
//! nothing hangs on a consumer whose server may die, and nothing is believed before it is stored.

use super::link::{Link, LinkError};
use super::tail::Tail;
use crate::clock;
use crate::core::fact::JournalPosition;
use crate::journal::Inlet;
use futures_util::{StreamExt as _, stream};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Messages asked for at a time.
const AT_ONCE: usize = 128;
/// Messages of one pass at most.
const PASS: u64 = 8_192;
/// Without a hint the end is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a hint it is looked at so often, at the longest for so many times: the message may still be on its way.
const SOON: Duration = Duration::from_millis(3);
const TIMES: u32 = 4;
/// A failed look is tried again after so long.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Follower {
    pub link: Arc<Link>,
    pub tail: Arc<Tail>,
    pub inlet: Inlet,
    pub stop: CancellationToken,
}

impl Follower {
    /// Follows until it is stopped.
    pub(super) async fn run(self) {
        let mut hints = None;
        let mut hinted = 0;
        loop {
            if hints.is_none() {
                hints = self.link.hints().await.ok();
            }
            let before = self.tail.reached();
            let pause = match self.pass().await {
                Ok(true) => continue,
                Ok(false) if self.tail.reached() > before => {
                    hinted = 0;
                    LOOK_EVERY
                }
                Ok(false) if hinted > 0 => {
                    hinted -= 1;
                    SOON
                }
                Ok(false) => LOOK_EVERY,
                Err(_) => PAUSE,
            };
            let hint = async {
                match &mut hints {
                    Some(hints) => hints.next().await.is_some(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.tail.stored.notified() => {}
                alive = hint => {
                    hinted = TIMES;
                    if !alive {
                        hints = None;
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            // All that came meanwhile is one hint.
            if let Some(open) = &mut hints {
                while let Some(Some(_)) = futures_util::FutureExt::now_or_never(open.next()) {
                    hinted = TIMES;
                }
            }
        }
    }

    /// Takes up what is new; true where more is left.
    async fn pass(&self) -> Result<bool, LinkError> {
        let asked = clock::monotonic();
        let (first, last) = self.link.ends().await?;
        let from = self.tail.reached().saturating_add(1).max(first);
        let through = last.min(from.saturating_add(PASS));
        let fetched = stream::iter(from..=through).map(|sequence| async move {
            match self.tail.recent(sequence) {
                Some(record) => Ok((sequence, Some(record))),
                None => match self.link.record(sequence).await {
                    Ok(record) => Ok((sequence, record)),
                    // The fold tells of it; here nothing can be known of it.
                    Err(LinkError::Unreadable { .. }) => Ok((sequence, None)),
                    Err(error) => Err(error),
                },
            }
        });
        let mut fetched = std::pin::pin!(fetched.buffered(AT_ONCE));
        while let Some(one) = fetched.next().await {
            let (sequence, record) = one?;
            self.tail.followed(sequence, record);
            self.inlet.synced(JournalPosition(sequence));
            if self.stop.is_cancelled() {
                return Ok(false);
            }
        }
        if through < last {
            return Ok(true);
        }
        self.tail.is_at_the_end(asked, first);
        Ok(false)
    }
}
