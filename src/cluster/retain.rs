//! Dropping what is old (`[storage] retention`): the deciding instance does it, behind the checkpoints of all.

use super::link::{Link, LinkError};
use super::status::{Instance, overview};
use crate::clock;
use crate::core::time::{Span, Timestamp};
use crate::journal::{Inlet, Retention};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two passes.
const PAUSE: Duration = Duration::from_secs(5);
/// An instance that was not there for longer is waited for no more.
const GONE: Span = Span::days(30);
/// A fact is stored at most so long after its parts.
const PUBLISHED_WITHIN: Span = Span::days(1);

pub(super) struct Keeper {
    pub link: Arc<Link>,
    pub inlet: Inlet,
    pub retention: Retention,
    pub stop: CancellationToken,
}

impl Keeper {
    /// Works until it is stopped.
    pub(super) async fn run(self) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            let wants = self.retention.age.is_some() || self.retention.size.is_some();
            if wants && self.inlet.holds() {
                // What fails now is done by the next pass.
                let _ = self.pass().await;
            }
        }
    }

    async fn pass(&self) -> Result<(), LinkError> {
        let now = clock::now();
        let (first, last, bytes) = self.link.extent().await?;
        let until = |age: Span| now.plus(Span::micros(-age.as_micros())).as_micros();
        let until = self.retention.age.map(until);
        let surplus = match self.retention.size {
            Some(size) => surplus(bytes, first, last, size),
            None => 0,
        };
        // Mostly there is nothing to do, and that costs two questions.
        let is_old = match until {
            Some(until) => self
                .link
                .stored_at(first)
                .await?
                .is_some_and(|at| at < until),
            None => false,
        };
        if !is_old && surplus == 0 {
            return Ok(());
        }
        let found = overview(&self.link).await?;
        let needed = floor(&found.instances, now).saturating_add(1);
        let mut keep = first;
        if let Some(until) = until {
            let mut search = Search::new(first, needed);
            while let Some(sequence) = search.ask() {
                let at = self.link.stored_at(sequence).await?;
                search.told(at.is_some_and(|at| at < until));
            }
            keep = search.found();
        }
        keep = keep.max((first + surplus).min(needed));
        if keep > first && self.inlet.holds() {
            self.link.drop_before(keep).await?;
            self.drop_parts(keep).await?;
        }
        Ok(())
    }

    /// The parts of what was dropped: they were stored before the fact that names them.
    async fn drop_parts(&self, keep: u64) -> Result<(), LinkError> {
        let Some(kept_since) = self.link.stored_at(keep).await? else {
            return Ok(());
        };
        let until = kept_since - PUBLISHED_WITHIN.as_micros();
        let (first, last) = self.link.ends_of_parts().await?;
        let mut search = Search::new(first, last.saturating_add(1));
        while let Some(sequence) = search.ask() {
            let at = self.link.part_stored_at(sequence).await?;
            search.told(at.is_some_and(|at| at < until));
        }
        if search.found() > first {
            self.link.drop_parts_before(search.found()).await?;
        }
        Ok(())
    }
}

/// How many of the first facts to drop, so that about `size` bytes are left.
fn surplus(bytes: u64, first: u64, last: u64, size: u64) -> u64 {
    let facts = u128::from((last + 1).saturating_sub(first));
    let over = u128::from(bytes.saturating_sub(size));
    let surplus = (facts * over).checked_div(u128::from(bytes)).unwrap_or(0);
    u64::try_from(surplus).unwrap_or(0)
}

/// Up to here nobody needs a fact any more.
fn floor(instances: &[Instance], now: Timestamp) -> u64 {
    let there = |one: &&Instance| now.since(one.at) <= GONE;
    let floors = instances.iter().filter(there).map(|one| one.floor);
    floors.min().unwrap_or(0)
}

/// Looks for the first sequence that is not old, where all before an old one are old.
struct Search {
    /// All before are old.
    from: u64,
    /// This one is to be kept in any case.
    to: u64,
}

impl Search {
    fn new(from: u64, to: u64) -> Self {
        Self { from, to }
    }

    fn ask(&self) -> Option<u64> {
        (self.from < self.to).then(|| self.from + (self.to - self.from) / 2)
    }

    fn told(&mut self, is_old: bool) {
        let Some(asked) = self.ask() else { return };
        if is_old {
            self.from = asked + 1;
        } else {
            self.to = asked;
        }
    }

    fn found(&self) -> u64 {
        self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_found_and_nothing_behind_the_floor() {
        for (first, floor, old_until) in [
            (1, 100, 40),
            (1, 100, 0),
            (1, 30, 40),
            (7, 7, 100),
            (9, 3, 99),
        ] {
            let mut search = Search::new(first, floor + 1);
            let mut asked = 0;
            while let Some(sequence) = search.ask() {
                search.told(sequence <= old_until);
                asked += 1;
            }
            let expected = (old_until + 1).min(floor + 1).max(first);
            assert_eq!(search.found(), expected, "{first} {floor} {old_until}");
            assert!(asked < 9);
        }
    }

    #[test]
    fn what_is_too_much_is_dropped_in_proportion() {
        assert_eq!(surplus(1_000, 1, 100, 1_000), 0);
        assert_eq!(surplus(1_000, 1, 100, 750), 25);
        assert_eq!(surplus(1_000, 51, 150, 0), 100);
        assert_eq!(surplus(0, 1, 0, 10), 0);
    }

    #[test]
    fn the_one_that_needs_most_counts_unless_it_is_gone_for_long() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let one = |floor, days: i64| Instance {
            name: String::new(),
            version: String::new(),
            holds: false,
            drained: false,
            floor,
            reached: 0,
            at: now.plus(Span::days(-days)),
            silent: days > 0,
        };
        assert_eq!(floor(&[one(50, 0), one(20, 3)], now), 20);
        assert_eq!(floor(&[one(50, 0), one(20, 31)], now), 50);
        assert_eq!(
            floor(&[one(50, 0), one(0, 0)], now),
            0,
            "it has no two checkpoints"
        );
        assert_eq!(floor(&[], now), 0);
    }
}
