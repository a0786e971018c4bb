//! How many patients have news that no decision covers, for the metrics.
//!
//! Counting looks at each of them. That is nothing where there are some; behind a flood there may be a million,
//! and whoever asks every few seconds must not keep the fold from what it is behind with.

use crate::clock;
use crate::core::fold::state::{State, StateError};
use crate::core::fold::views;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Above so many the last count is told again for a while.
const MANY: usize = 10_000;
/// For so long.
const WHILE: Duration = Duration::from_secs(15);

/// The last count, and when it was taken.
#[derive(Debug, Default)]
pub struct Undecided(Mutex<Option<(Instant, usize)>>);

impl Undecided {
    /// How many there are now, or where they are many, were within the last 15 seconds.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(super) fn count(&self, state: &dyn State) -> Result<usize, StateError> {
        self.count_at(clock::monotonic(), || views::dirty_count(state))
    }

    fn count_at<E>(
        &self,
        now: Instant,
        count: impl FnOnce() -> Result<usize, E>,
    ) -> Result<usize, E> {
        // Not held while it is counted: a cache may never answer, and the next state must not wait for it.
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, many)) = last
            && many > MANY
            && now.saturating_duration_since(at) < WHILE
        {
            return Ok(many);
        }
        let counted = count()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, counted));
        Ok(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_hangs_holds_up_nobody_else() {
        let undecided = Undecided::default();
        let now = clock::monotonic();
        let within = undecided.count_at(now, || undecided.count_at(now, || Ok::<_, StateError>(3)));
        assert_eq!(within.unwrap(), 3);
    }

    #[test]
    fn many_are_counted_once_in_a_while_and_few_whenever_asked() {
        let undecided = Undecided::default();
        let start = clock::monotonic();
        let ask = |seconds, now: usize| {
            let at = start + Duration::from_secs(seconds);
            undecided.count_at(at, || Ok::<_, StateError>(now)).unwrap()
        };
        assert_eq!(ask(0, MANY), MANY);
        assert_eq!(ask(1, MANY + 2), MANY + 2);
        assert_eq!(ask(15, 7), MANY + 2);
        assert_eq!(ask(16, 7), 7);
        assert_eq!(ask(16, 8), 8);
        let broken = |seconds| {
            let at = start + Duration::from_secs(seconds);
            undecided.count_at(at, || Err(StateError::Store("gone".to_owned())))
        };
        assert!(broken(17).is_err());
        assert_eq!(ask(17, 9), 9, "a count that failed is none");
    }
}
