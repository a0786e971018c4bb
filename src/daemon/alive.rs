//! What the service manager is told while the daemon runs: that it is alive, and how it stands.
//!
//! A thread of its own, apart from all that it watches. It feeds the watchdog only while every loop
//! goes round: the journal's writer, the fold, who looks after the fold, and each listener's accepting.
//! An idle loop is asked to go round once, and so shows that it can. Waiting for a disk is no reason to
//! be started again (the next start would wait for the same disk, and cut every connection); a fold that
//! waits for the journal, or a call into the cache that `daemon::fold` is patient with, is neither.

use crate::clock;
use crate::pulse::Pulse;
use crate::service;
use crate::telemetry::events;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The status is told at most so often.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// A loop may stand still for half of the manager's patience, and for so long at least: the journal's
/// writer goes round once a second when there is nothing to do.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

/// A loop that must go round.
pub(super) struct Watched {
    pub(super) pulse: Pulse,
    /// How long it may take for one turn; where the manager is more patient, as long as that.
    pub(super) turn: Duration,
    /// Stands still, and rightly so, while this loop waits for the disk.
    pub(super) behind: Option<Pulse>,
}

/// The running thread.
pub(super) struct Alive {
    /// `None` where nobody wants to be told.
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Alive {
    /// Starts to tell; `standing` is how the daemon stands, in a line.
    pub(super) fn start(
        watched: Vec<Watched>,
        standing: Arc<dyn Fn() -> String + Send + Sync>,
    ) -> std::io::Result<Self> {
        if !service::is_managed() {
            return Ok(Self { running: None });
        }
        let (stop, stopped) = channel();
        let watchdog = service::watchdog();
        let every = watchdog.map_or(STATUS_EVERY, |patience| (patience / 8).min(STATUS_EVERY));
        let work = move || {
            let mut loops: Vec<Seen> = watched
                .into_iter()
                .map(|one| Seen::new(one, watchdog.unwrap_or_default(), clock::monotonic()))
                .collect();
            let mut told = String::new();
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let now = clock::monotonic();
                let mut all = true;
                for one in &mut loops {
                    all &= one.look(now);
                }
                if all && watchdog.is_some() {
                    service::alive();
                }
                let standing = standing();
                if standing != told {
                    service::status(&standing);
                    told = standing;
                }
            }
        };
        let thread = std::thread::Builder::new().name("alive".to_owned());
        Ok(Self {
            running: Some((stop, thread.spawn(work)?)),
        })
    }

    /// Tells no more: from here on the end has its own time limit.
    pub(super) fn stop(self) {
        if let Some((stop, thread)) = self.running {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// A loop, and when it was last seen to be alive.
struct Seen {
    watched: Watched,
    patience: Duration,
    turns: u64,
    at: Instant,
    stuck: bool,
}

impl Seen {
    fn new(watched: Watched, manager: Duration, now: Instant) -> Self {
        let patience = watched.turn.max(manager / 2).max(LEAST_PATIENCE);
        Self {
            turns: watched.pulse.turns(),
            watched,
            patience,
            at: now,
            stuck: false,
        }
    }

    /// Whether it is alive.
    fn look(&mut self, now: Instant) -> bool {
        let pulse = &self.watched.pulse;
        let turns = pulse.turns();
        let behind = self.watched.behind.as_ref();
        let excused = pulse.is_outside() || behind.is_some_and(Pulse::is_outside);
        if turns != self.turns || excused {
            (self.turns, self.at) = (turns, now);
        }
        pulse.ask();
        let still = now.saturating_duration_since(self.at);
        let stuck = still > self.patience;
        if stuck != self.stuck {
            self.stuck = stuck;
            if stuck {
                events::stuck(pulse.name(), still);
            } else {
                events::unstuck(pulse.name());
            }
        }
        !stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(turn: u64, behind: Option<Pulse>) -> (Pulse, Seen, Instant) {
        let pulse = Pulse::new("loop");
        let now = clock::monotonic();
        let watched = Watched {
            pulse: pulse.clone(),
            turn: Duration::from_secs(turn),
            behind,
        };
        (pulse, Seen::new(watched, Duration::from_secs(8), now), now)
    }

    #[test]
    fn a_loop_is_alive_while_it_turns_and_stuck_when_it_does_not() {
        let (pulse, mut seen, start) = seen(0, None);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(seen.look(after(4)), "half of eight seconds");
        assert!(!seen.look(after(5)));
        pulse.beat();
        assert!(seen.look(after(6)));
        assert!(seen.look(after(10)) && !seen.look(after(11)));
    }

    #[test]
    fn one_that_may_take_longer_is_given_longer() {
        let (_pulse, mut seen, start) = seen(60, None);
        assert!(seen.look(start + Duration::from_secs(60)));
        assert!(!seen.look(start + Duration::from_secs(61)));
    }

    #[test]
    fn waiting_for_the_disk_is_not_being_stuck_also_behind_another() {
        let journal = Pulse::new("journal");
        let (pulse, mut seen, start) = seen(0, Some(journal.clone()));
        let after = |seconds| start + Duration::from_secs(seconds);
        let waiting = journal.outside();
        assert!(seen.look(after(1_000)));
        drop(waiting);
        let waiting = pulse.outside();
        assert!(seen.look(after(2_000)));
        drop(waiting);
        assert!(!seen.look(after(2_005)), "now it has no excuse");
    }
}
