//! A feed's own rhythm, clock and silence, out of the recorded times of its messages (DESIGN,
//! vocabulary: "feed silent beyond its usual rhythm"). No clock: "now" is an argument.
//!
//! Times are counted as local seconds, those that a clock on the wall of the site has shown: a
//! laboratory's rhythm is that of its people.

mod mark;
mod rhythm;
mod silence;

pub use mark::{CLOCK_OFF, FeedMark, Heard};
pub use rhythm::{Rhythm, SLOTS};
pub use silence::{Moment, Silence, judge};

use super::time::Timestamp;
use jiff::tz::TimeZone;

/// Seconds of an hour.
const HOUR: i64 = 3_600;
/// Hours from a Monday's midnight to the first hour of 1970, a Thursday.
const EPOCH_IN_WEEK: i64 = 72;

/// An instant as a clock on the wall shows it: seconds since 1970-01-01 00:00 there.
pub fn local_seconds(at: Timestamp, zone: &TimeZone) -> i64 {
    let seconds = at.as_micros().div_euclid(1_000_000);
    seconds.saturating_add(i64::from(zone.to_offset(at.to_jiff()).seconds()))
}

/// An hour of the wall's clock, counted from 1970-01-01 00:00.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct LocalHour(i64);

impl LocalHour {
    /// The hour that these local seconds are in.
    pub const fn of(local: i64) -> Self {
        Self(local.div_euclid(HOUR))
    }

    /// The hour of the week, from Monday 00:00 = 0 to Sunday 23:00 = 167.
    pub fn slot(self) -> u8 {
        u8::try_from(self.in_weeks().rem_euclid(168)).unwrap_or(0)
    }

    /// The week, from Monday to Sunday.
    const fn week(self) -> i64 {
        self.in_weeks().div_euclid(168)
    }

    const fn in_weeks(self) -> i64 {
        self.0.saturating_add(EPOCH_IN_WEEK)
    }

    const fn plus(self, hours: i64) -> Self {
        Self(self.0.saturating_add(hours))
    }

    /// Its first local second.
    const fn start(self) -> i64 {
        self.0.saturating_mul(HOUR)
    }
}

#[cfg(test)]
mod tests;
