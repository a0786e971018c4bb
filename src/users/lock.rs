//! The lock after failed tries: by name and by address, whether the name is somebody's or not.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed tries in a row before a name or an address has to wait.
const TRIES: u32 = 5;
/// How long: doubled with every try after that, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(900);
/// After so long without a try all is forgotten.
const FORGET: Duration = Duration::from_secs(1_800);
/// Names and addresses remembered at most.
const MOST: usize = 10_000;

/// It has to wait so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked(pub Duration);

#[derive(Debug, Clone, Copy)]
struct Tries {
    failed: u32,
    last: Instant,
}

impl Tries {
    fn until(self) -> Option<Instant> {
        let beyond = self.failed.checked_sub(TRIES)?;
        let wait = FIRST.saturating_mul(1_u32.checked_shl(beyond).unwrap_or(u32::MAX));
        self.last.checked_add(wait.min(LONGEST))
    }
}

/// All who failed of late.
#[derive(Debug, Default)]
pub struct Lock(Mutex<BTreeMap<String, Tries>>);

impl Lock {
    /// Whether all of these may try now.
    ///
    /// # Errors
    /// The longest wait of any of them.
    pub fn check(&self, of: &[String], now: Instant) -> Result<(), Locked> {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = of.iter().filter_map(|one| tries.get(one)?.until());
        match waits.max() {
            Some(until) if until > now => Err(Locked(until.saturating_duration_since(now))),
            _ => Ok(()),
        }
    }

    /// Notes a failed try of all of these.
    pub fn failed(&self, of: &[String], now: Instant) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.retain(|_, one| now.saturating_duration_since(one.last) < FORGET);
        for one in of {
            if tries.len() >= MOST && !tries.contains_key(one) {
                let oldest = tries.iter().min_by_key(|(_, tries)| tries.last);
                if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                    tries.remove(&oldest);
                }
            }
            let entry = tries.entry(one.clone()).or_insert(Tries {
                failed: 0,
                last: now,
            });
            entry.failed = entry.failed.saturating_add(1);
            entry.last = now;
        }
    }

    /// Forgets the tries of a name that signed in.
    pub fn succeeded(&self, of: &str) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.remove(of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    fn the_fifth_failure_locks_and_each_after_it_for_longer() {
        let lock = Lock::default();
        let (start, who) = (Instant::now(), ["name:a".to_owned()]);
        for _ in 0..4 {
            lock.failed(&who, start);
            assert_eq!(lock.check(&who, start), Ok(()));
        }
        lock.failed(&who, start);
        assert_eq!(lock.check(&who, start), Err(Locked(FIRST)));
        assert_eq!(lock.check(&["name:b".to_owned()], start), Ok(()));
        let later = start + FIRST;
        assert_eq!(lock.check(&who, later), Ok(()));
        lock.failed(&who, later);
        assert_eq!(lock.check(&who, later), Err(Locked(FIRST * 2)));
        for _ in 0..40 {
            lock.failed(&who, later);
        }
        assert_eq!(lock.check(&who, later), Err(Locked(LONGEST)));
        lock.succeeded("name:a");
        assert_eq!(lock.check(&who, later), Ok(()));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    fn memory_is_bounded_and_old_tries_are_forgotten() {
        let lock = Lock::default();
        let start = Instant::now();
        for n in 0..MOST + 10 {
            lock.failed(&[format!("name:{n}")], start);
        }
        assert!(lock.0.lock().unwrap().len() <= MOST);
        lock.failed(&["x".to_owned()], start + FORGET);
        assert_eq!(lock.0.lock().unwrap().len(), 1);
    }
}
