//! A feed's week: for each hour of it, what the same hour of the last weeks was like.

use super::{HOUR, Heard, LocalHour};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Hours of a week.
pub const SLOTS: u8 = 168;
/// Weeks that are looked back on.
const WEEKS: i64 = 6;
/// Weeks that there must be before an hour has a rate: two, so that no single one is the rule.
const KNOWN_FROM: usize = 2;

/// An hour that is over, of one week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Past {
    week: i64,
    messages: u32,
    longest_gap: u32,
}

/// What the hours of a feed's last weeks were like. Hours without a message are not written down: with
/// nothing between two that are, it was silent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rhythm {
    /// The first hour that was ever over.
    begun: Option<LocalHour>,
    slots: BTreeMap<u8, Vec<Past>>,
}

impl Rhythm {
    /// Writes down an hour that is over.
    pub fn add(&mut self, heard: Heard) {
        let Heard {
            hour,
            messages,
            longest_gap,
        } = heard;
        self.begun = Some(self.begun.map_or(hour, |begun| begun.min(hour)));
        let past = self.slots.entry(hour.slot()).or_default();
        past.retain(|one| one.week > hour.week() - WEEKS && one.week != hour.week());
        past.push(Past {
            week: hour.week(),
            messages,
            longest_gap,
        });
    }

    /// Messages that usually come in this hour: the lower median of the last weeks, in which a week
    /// that was different (a holiday, an outage) does not show. `None` while too little is known.
    pub fn usual(&self, hour: LocalHour) -> Option<u32> {
        // The first hour may have been half a one.
        let begun = self.begun?.plus(1);
        let past = self.slots.get(&hour.slot());
        let mut weeks: Vec<u32> = (1..=WEEKS)
            .map(|back| hour.plus(-back * i64::from(SLOTS)))
            .filter(|same| *same >= begun)
            .map(|same| {
                let found = past.and_then(|past| past.iter().find(|one| one.week == same.week()));
                found.map_or(0, |one| one.messages)
            })
            .collect();
        if weeks.len() < KNOWN_FROM {
            return None;
        }
        weeks.sort_unstable();
        weeks.get((weeks.len() - 1) / 2).copied()
    }

    /// Messages that come at this time of the day on the day of the week with the fewest.
    pub fn on_the_quietest_day(&self, hour: LocalHour) -> Option<u32> {
        let days = (0..7).map(|days| self.usual(hour.plus(-24 * days)));
        days.min().flatten()
    }

    /// The longest silence that usually ends about this hour of the week, in seconds: the second
    /// longest of the last weeks, so that one outage is not the rule.
    pub fn usual_gap(&self, hour: LocalHour) -> u32 {
        let mut gaps: Vec<u32> = (-1..=1)
            .filter_map(|by| {
                let near = hour.plus(by);
                let past = self.slots.get(&near.slot())?;
                Some(
                    past.iter()
                        .filter(move |one| one.week > near.week() - WEEKS - 1),
                )
            })
            .flatten()
            .map(|one| one.longest_gap)
            .collect();
        gaps.sort_unstable();
        let second = gaps.len().checked_sub(2).and_then(|at| gaps.get(at));
        second.or_else(|| gaps.last()).copied().unwrap_or(0)
    }

    /// Messages that usually come between two moments, in local seconds, at the rate of each hour.
    pub(super) fn expected(
        &self,
        from: i64,
        to: i64,
        rate: impl Fn(&Self, LocalHour) -> Option<u32>,
    ) -> f64 {
        let mut sum = 0.0;
        let mut at = from;
        while at < to {
            let hour = LocalHour::of(at);
            let end = hour.plus(1).start().min(to);
            let share = (end - at) as f64 / HOUR as f64;
            sum += f64::from(rate(self, hour).unwrap_or(0)) * share;
            at = end;
        }
        sum
    }
}
