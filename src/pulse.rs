//! The signs of life of the daemon's loops, for its watchdog: not that time passes, but that each loop
//! goes round, or goes round when it is asked to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;

/// One loop's sign of life; clones are of the same loop.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    name: String,
    turns: AtomicU64,
    outside: AtomicBool,
    asked: Notify,
}

/// While it lives, the loop waits for what is not in the daemon's hand.
#[derive(Debug)]
pub struct Outside(Pulse);

impl Drop for Outside {
    fn drop(&mut self) {
        self.0.0.outside.store(false, Ordering::Release);
    }
}

impl Pulse {
    /// Of a loop with this name, as the log has it.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Arc::new(Inside {
            name: name.into(),
            turns: AtomicU64::new(0),
            outside: AtomicBool::new(false),
            asked: Notify::new(),
        }))
    }

    /// The loop's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The loop goes round.
    pub fn beat(&self) {
        self.0.turns.fetch_add(1, Ordering::AcqRel);
    }

    /// How often it has gone round.
    pub fn turns(&self) -> u64 {
        self.0.turns.load(Ordering::Acquire)
    }

    /// Asks the loop to go round, should it be waiting.
    pub fn ask(&self) {
        self.0.asked.notify_one();
    }

    /// Returns when the loop is asked to go round: one of the things that an idle loop waits for.
    pub async fn asked(&self) {
        self.0.asked.notified().await;
    }

    /// The loop is about to wait for a disk: however long that takes, another start would not help.
    pub fn outside(&self) -> Outside {
        self.0.outside.store(true, Ordering::Release);
        Outside(self.clone())
    }

    /// Whether it waits for what is not in the daemon's hand.
    pub fn is_outside(&self) -> bool {
        self.0.outside.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_idle_loop_goes_round_when_it_is_asked() {
        let pulse = Pulse::new("loop");
        let idle = pulse.clone();
        let turning = tokio::spawn(async move {
            idle.asked().await;
            idle.beat();
        });
        assert_eq!(pulse.turns(), 0);
        pulse.ask();
        turning.await.unwrap();
        assert_eq!((pulse.turns(), pulse.name()), (1, "loop"));
    }

    #[test]
    fn it_is_outside_while_it_waits_for_the_disk_only() {
        let pulse = Pulse::new("loop");
        let waiting = pulse.clone().outside();
        assert!(pulse.is_outside());
        drop(waiting);
        assert!(!pulse.is_outside());
    }
}
