//! Pauses between tries: twice as long each time up to a maximum, spread by chance, and never shorter
//! than the receiver asked for.

use std::time::Duration;

/// `[[sink]] retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// First pause.
    pub initial: Duration,
    /// Longest pause of ours.
    pub max: Duration,
    /// Since the first try of an alert, after which it goes to the dead letters; `None`: never.
    pub give_up_after: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(60),
            give_up_after: None,
        }
    }
}

/// No receiver makes us wait longer than this.
pub const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

impl Retry {
    /// The pause after so many failures in a row (from 1). `chance` spreads it over the upper half, so
    /// that many senders do not come back together; `asked` is the receiver's Retry-After.
    pub fn pause(&self, failures: u32, chance: u32, asked: Option<Duration>) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let full = self.initial.saturating_mul(doubled).min(self.max);
        let half = full / 2;
        let spread = half.mul_f64(f64::from(chance) / f64::from(u32::MAX));
        let ours = half.saturating_add(spread);
        asked.map_or(ours, |asked| ours.max(asked.min(LONGEST_ASKED)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        initial: Duration::from_secs(2),
        max: Duration::from_secs(60),
        give_up_after: None,
    };

    #[test]
    fn doubles_up_to_the_maximum_within_its_upper_half() {
        for (failures, full) in [(1, 2), (2, 4), (5, 32), (6, 60), (40, 60), (u32::MAX, 60)] {
            let full = Duration::from_secs(full);
            assert_eq!(RETRY.pause(failures, 0, None), full / 2, "{failures}");
            assert_eq!(RETRY.pause(failures, u32::MAX, None), full, "{failures}");
            let between = RETRY.pause(failures, u32::MAX / 2, None);
            assert!(between > full / 2 && between < full, "{failures}");
        }
    }

    #[test]
    fn a_receiver_is_obeyed_up_to_an_hour() {
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(RETRY.pause(1, 0, asked(30)), Duration::from_secs(30));
        assert_eq!(RETRY.pause(1, 0, asked(0)), Duration::from_secs(1));
        assert_eq!(RETRY.pause(1, 0, asked(86_400)), LONGEST_ASKED);
    }
}
