//! What an instance last heard of its site's cluster: asked for at intervals, so that whoever looks never waits for
//! JetStream.

use super::lease::{Lease, Standing};
use super::link::{Link, LinkError};
use super::status::{Overview, overview};
use crate::clock;
use crate::core::time::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between an answer and the next question; a change of who decides is looked at sooner.
const EVERY: Duration = Duration::from_secs(5);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(4);

/// What was heard so far.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The newest overview; `None` before the first.
    pub last: Option<Arc<Last>>,
    /// Why JetStream did not answer the last question, in words; `None` where it did.
    pub trouble: Option<String>,
}

/// An overview, and how old it is.
#[derive(Debug)]
pub struct Last {
    /// As JetStream had it.
    pub overview: Overview,
    /// When it was asked for.
    pub at: Timestamp,
    asked: Instant,
}

impl Last {
    /// How long ago it was asked for.
    pub fn age(&self) -> Duration {
        clock::monotonic().saturating_duration_since(self.asked)
    }
}

/// The cluster as this instance sees it; clones share it.
#[derive(Clone)]
pub struct Outlook {
    lease: Lease,
    heard: watch::Receiver<Heard>,
}

impl Outlook {
    pub(super) fn start(
        runtime: &Runtime,
        link: Arc<Link>,
        lease: Lease,
        stop: CancellationToken,
    ) -> Self {
        let (told, heard) = watch::channel(Heard::default());
        runtime.spawn(ask(link, lease.standing(), told, stop));
        Self { lease, heard }
    }

    /// This instance's name.
    pub fn name(&self) -> &str {
        self.lease.name()
    }

    /// How this instance itself stands to the right to decide.
    pub fn standing(&self) -> Standing {
        self.lease.standing().borrow().clone()
    }

    /// What JetStream said last.
    pub fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }
}

async fn ask(
    link: Arc<Link>,
    mut standing: watch::Receiver<Standing>,
    told: watch::Sender<Heard>,
    stop: CancellationToken,
) {
    loop {
        standing.mark_unchanged();
        let (at, asked) = (clock::now(), clock::monotonic());
        let answer = tokio::select! {
            () = stop.cancelled() => return,
            answer = tokio::time::timeout(PATIENCE, overview(&link)) => answer,
        };
        let trouble = match answer {
            Ok(Ok(overview)) => {
                let last = Last {
                    overview,
                    at,
                    asked,
                };
                told.send_replace(Heard {
                    last: Some(Arc::new(last)),
                    trouble: None,
                });
                None
            }
            Ok(Err(LinkError::Away(why))) => Some(why),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        if trouble.is_some() {
            told.send_modify(|heard| heard.trouble = trouble);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
            Ok(()) = standing.changed() => {}
        }
    }
}
