//! The thread that keeps the index up with the journal, behind the fold: what the fold has read just now comes
//! from there, all else from the journal. It never hurries, so that nothing waits for it.

use super::feed::Feed;
use super::row::read;
use super::steps::{Step, of_fact};
use super::{BLOCK, Index};
use crate::core::episode::Delivery;
use crate::core::fact::{Fact, JournalPosition};
use crate::core::fold::views;
use crate::core::policy::Policy;
use crate::engine::{Progress, StateHandle, extract_caught};
use crate::journal::{Appender, ReadError, Reader};
use crate::telemetry::events;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Facts read before what they say is given to the index.
const CHUNK: usize = 512;
/// It yields to the feed, and to the fold.
const NICENESS: i32 = 10;
/// How long it waits where the disk refuses.
const PAUSE: Duration = Duration::from_secs(5);

/// What the thread reads from.
pub struct Source {
    /// The journal.
    pub appender: Appender,
    /// What the fold has read.
    pub feed: Feed,
    /// The state, for the pages that were made before.
    pub state: StateHandle,
    /// How far the fold is.
    pub progress: watch::Receiver<Progress>,
    /// The policy in force.
    pub policy: watch::Receiver<Arc<Policy>>,
    /// The daemon ends.
    pub stop: CancellationToken,
}

/// The thread.
pub struct Follower(JoinHandle<()>);

impl Follower {
    /// Starts the thread on a runtime whose signals it waits for.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(index: Index, source: Source, runtime: Handle) -> io::Result<Self> {
        let thread = std::thread::Builder::new().name("index".to_owned());
        let joined = thread.spawn(move || {
            // Of this thread alone. Where it is not allowed, nothing is lost but the order.
            let _ = rustix::process::nice(NICENESS);
            follow(&index, source, &runtime);
        })?;
        Ok(Self(joined))
    }

    /// Waits for its end.
    pub fn join(self) {
        let _ = self.0.join();
    }
}

fn follow(index: &Index, mut source: Source, runtime: &Handle) {
    let mut reader: Option<Reader> = None;
    let mut knows_pages = false;
    loop {
        let Progress {
            folded: through,
            current,
        } = *source.progress.borrow_and_update();
        if current && !knows_pages {
            knows_pages = pages_so_far(index, &source.state);
        }
        while index.through() < through && !source.stop.is_cancelled() {
            let stepped = match source.feed.next(index.through()) {
                Ok(batch) => {
                    reader = None;
                    index.take(batch.steps, batch.through)
                }
                Err(later) => {
                    let until = later.map_or(through, |later| later.min(through));
                    let open = match reader.take() {
                        Some(open) => Ok(open),
                        None => source.appender.reader(index.through()),
                    };
                    let Ok(mut open) = open else { break };
                    let stepped = step(index, &source, &mut open, until);
                    reader = Some(open).filter(|_| stepped.is_ok());
                    stepped
                }
            };
            if let Err(error) = stepped {
                events::index_failing(&error.to_string());
                wait(runtime, &source.stop, PAUSE);
            }
        }
        index.drop_before(source.appender.oldest());
        let changed = runtime.block_on(async {
            tokio::select! {
                () = source.stop.cancelled() => false,
                changed = source.progress.changed() => changed.is_ok(),
            }
        });
        if !changed {
            return;
        }
    }
}

/// Messages that pages rest on, of all that the state knows; false where it cannot be read now.
fn pages_so_far(index: &Index, state: &StateHandle) -> bool {
    let alerts = state.read(|state| views::alerts(state, 0, usize::MAX));
    let Ok(alerts) = alerts else { return false };
    let paged = alerts.into_iter().map(|(_, transition)| transition);
    let paged = paged.filter(|transition| transition.delivery == Delivery::Page);
    index.note_paged(paged.map(|transition| transition.evidence_through));
    true
}

fn wait(runtime: &Handle, stop: &CancellationToken, pause: Duration) {
    runtime.block_on(async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    });
}

/// Reads one chunk and gives it to the index.
fn step(
    index: &Index,
    source: &Source,
    reader: &mut Reader,
    through: JournalPosition,
) -> io::Result<()> {
    let policy = Arc::clone(&source.policy.borrow());
    let mut steps = Vec::new();
    let mut last = index.through();
    for _ in 0..CHUNK.min(BLOCK) {
        let (position, fact) = match reader.next(through) {
            Ok(Some(read)) => read,
            Ok(None) => break,
            Err(ReadError::Io { source, .. }) => return Err(source),
            // Lost, dropped or not understood: there is nothing to index, and the fold tells of it.
            Err(_) => {
                last = reader.behind();
                continue;
            }
        };
        last = position;
        match &fact {
            Fact::Received(received) => {
                let extraction = extract_caught(received, position, &policy);
                steps.push(Step::Message(read(position, received, &extraction)));
            }
            other => steps.extend(of_fact(position, other)),
        }
    }
    index.take(steps, last)
}
