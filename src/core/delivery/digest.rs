//! Digests: a flood of alerts as one message. Pure: whether an alert goes by itself, waits, or goes with
//! those that wait.

use std::time::Duration;

/// `[[sink]] digest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// So many go by themselves within `within`; those above wait and go together.
    pub above: u32,
    /// The span that is counted over, and the longest that one waits.
    pub within: Duration,
}

/// What becomes of the next alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It goes by itself.
    Alone,
    /// It goes with all that wait behind it.
    Together,
    /// It waits for so long, unless something urgent comes.
    Wait(Duration),
}

impl Digest {
    /// `ages`: how long ago alerts went by themselves, oldest first. `urgent_follows`: something urgent
    /// waits behind; that must not wait, and the order is kept, so all before it goes now. `begun`: a
    /// digest was being sent when the daemon ended.
    pub fn turn(&self, ages: &[Duration], urgent_follows: bool, begun: bool) -> Turn {
        if begun {
            return Turn::Together;
        }
        let recent: Vec<&Duration> = ages.iter().filter(|age| **age < self.within).collect();
        let full = u32::try_from(recent.len()).unwrap_or(u32::MAX) >= self.above;
        match recent.first() {
            Some(_) if full && urgent_follows => Turn::Together,
            Some(oldest) if full => Turn::Wait(self.within.saturating_sub(**oldest)),
            Some(_) | None => Turn::Alone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_bound_alerts_wait_and_nothing_urgent_does() {
        let digest = Digest {
            above: 2,
            within: Duration::from_secs(60),
        };
        let ago = |seconds: &[u64]| -> Vec<Duration> {
            seconds.iter().map(|s| Duration::from_secs(*s)).collect()
        };
        let turn = |ages: &[u64], urgent, begun| digest.turn(&ago(ages), urgent, begun);
        assert_eq!(turn(&[], false, false), Turn::Alone);
        assert_eq!(turn(&[30], false, false), Turn::Alone);
        assert_eq!(turn(&[90, 30], false, false), Turn::Alone);
        assert_eq!(
            turn(&[40, 30], false, false),
            Turn::Wait(Duration::from_secs(20))
        );
        assert_eq!(turn(&[40, 30], true, false), Turn::Together);
        assert_eq!(turn(&[], false, true), Turn::Together);
    }
}
