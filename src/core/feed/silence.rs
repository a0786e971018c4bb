//! Whether a feed is silent beyond its own rhythm.
//!
//! Told when so many messages are missing that chance does not explain it, by what comes at these
//! hours even on the quietest day of the week; or, for feeds that rest on some days, when nothing came
//! for hours of which the same day's have them. The first weeks, an hour in which nothing ever comes,
//! and bursts at their time are no silence; a holiday is one only when nothing at all comes.

use super::{FeedMark, LocalHour, Rhythm, local_seconds};
use crate::core::time::Timestamp;
use jiff::tz::TimeZone;

/// So many messages must be missing: with a steady rate, chance does that once in 160,000.
const MISSING: f64 = 12.0;
/// Of them since we listen, so that our own absence is no silence of theirs.
const MISSING_SINCE_START: f64 = 3.0;
/// For this long, where the quietest day has no such rate: it may be a holiday.
const LONG: i64 = 3 * super::HOUR;
/// Longer than the usual gap by this, in percent.
const BEYOND: i64 = 125;
/// Further back nothing more is added up: it is silent or has no rhythm.
const LOOK_BACK: i64 = 21 * 24 * super::HOUR;

/// When it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// Since when we listen without a break.
    pub listening_since: Timestamp,
}

/// How silent a feed is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silence {
    /// Since the last message, in seconds.
    pub seconds: i64,
    /// Messages that usually come in such a time, at these hours.
    pub expected: f64,
    /// That is beyond its rhythm.
    pub beyond: bool,
}

/// Judges a feed.
pub fn judge(mark: &FeedMark, rhythm: &Rhythm, zone: &TimeZone, moment: Moment) -> Silence {
    // The last hour counts too: what is missing of it is counted against it.
    let mut known = rhythm.clone();
    known.add(mark.open_hour());
    let now = local_seconds(moment.now, zone);
    let last = local_seconds(mark.last, zone).max(now.saturating_sub(LOOK_BACK));
    let seconds = moment.now.since(mark.last).as_micros().max(0) / 1_000_000;
    let listening = local_seconds(moment.listening_since, zone).max(last);
    let expected = known.expected(last, now, Rhythm::usual);
    let even_on_a_quiet_day = known.expected(last, now, Rhythm::on_the_quietest_day);
    let since_start = known.expected(listening, now, Rhythm::usual);
    let gap = i64::from(known.usual_gap(LocalHour::of(now)));
    let too_few = even_on_a_quiet_day >= MISSING || (seconds >= LONG && expected >= MISSING);
    let beyond = too_few
        && since_start >= MISSING_SINCE_START
        && seconds.saturating_mul(100) > gap.saturating_mul(BEYOND);
    Silence {
        seconds,
        expected,
        beyond,
    }
}
