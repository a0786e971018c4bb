//! What is noted with each message.

use super::{LocalHour, local_seconds};
use crate::core::time::{Span, Timestamp};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// So many messages tell of a sender's clock: a backlog that is sent late shows in some, a clock in all.
const CLOCK_READINGS: usize = 16;
/// A clock further off than this is wrong (WIRE T-8), in seconds.
pub const CLOCK_OFF: i32 = 600;

/// What is known of a feed: a sending system on a listener.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeedMark {
    /// When its first message was received.
    pub first: Timestamp,
    /// When its last message was received.
    pub last: Timestamp,
    /// MSH-7 less receipt of the last message that had a readable one, in microseconds.
    pub skew_micros: Option<i64>,
    /// Messages so far.
    pub messages: u64,
    /// The address that the last one came from, without the port.
    pub peer: String,
    /// MSH-7 less receipt of the last messages that had one with a time of day, in seconds.
    clock: VecDeque<i32>,
    /// The hour of the last message.
    hour: LocalHour,
    /// Messages in it so far.
    in_hour: u32,
    /// The longest silence that ended in it, in seconds.
    longest_gap: u32,
}

/// An hour of a feed that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Which.
    pub hour: LocalHour,
    /// Messages in it.
    pub messages: u32,
    /// The longest silence that ended in it, in seconds.
    pub longest_gap: u32,
}

impl FeedMark {
    /// Notes a message: receipt, MSH-7 where it is readable, and where it came from. The hour that is
    /// over by it, if one is.
    pub fn hear(
        &mut self,
        at: Timestamp,
        sent_at: Option<Timestamp>,
        peer: &str,
        zone: &TimeZone,
    ) -> Option<Heard> {
        let is_first = self.messages == 0;
        if is_first {
            self.first = at;
        }
        self.hear_clock(at, sent_at, zone);
        peer_address(peer).clone_into(&mut self.peer);
        self.messages = self.messages.saturating_add(1);
        let local = local_seconds(at, zone);
        let hour = LocalHour::of(local);
        let gap = match is_first {
            true => 0,
            false => at.since(self.last).as_micros().max(0) / 1_000_000,
        };
        // A clock that was set back does not make an hour begin again.
        let over = (hour > self.hour && !is_first).then_some(Heard {
            hour: self.hour,
            messages: self.in_hour,
            longest_gap: self.longest_gap,
        });
        if over.is_some() || is_first {
            (self.hour, self.in_hour, self.longest_gap) = (hour, 0, 0);
        }
        self.in_hour = self.in_hour.saturating_add(1);
        self.longest_gap = self.longest_gap.max(u32::try_from(gap).unwrap_or(u32::MAX));
        self.last = self.last.max(at);
        over
    }

    fn hear_clock(&mut self, at: Timestamp, sent_at: Option<Timestamp>, zone: &TimeZone) {
        let Some(sent) = sent_at else { return };
        let skew = sent.since(at);
        self.skew_micros = Some(skew.as_micros());
        // Midnight to the second is a date without a time.
        if local_seconds(sent, zone).rem_euclid(86_400) == 0 {
            return;
        }
        let seconds = skew.as_micros() / Span::seconds(1).as_micros();
        let bound = i64::from(i32::MAX);
        let seconds = i32::try_from(seconds.clamp(-bound, bound)).unwrap_or(0);
        if self.clock.len() >= CLOCK_READINGS {
            self.clock.pop_front();
        }
        self.clock.push_back(seconds);
    }

    /// By how many seconds the sender's clock is wrong (before ours: positive), where all of its last
    /// messages say so: the least of what they say.
    pub fn clock_off(&self) -> Option<i32> {
        if self.clock.len() < CLOCK_READINGS {
            return None;
        }
        let least = self
            .clock
            .iter()
            .copied()
            .min_by_key(|seconds| seconds.saturating_abs())?;
        let all = self.clock.iter().all(|one| one.signum() == least.signum());
        (all && least.saturating_abs() > CLOCK_OFF).then_some(least)
    }

    /// The hour that is not over yet.
    pub(super) const fn open_hour(&self) -> Heard {
        Heard {
            hour: self.hour,
            messages: self.in_hour,
            longest_gap: self.longest_gap,
        }
    }
}

/// `10.0.0.5:4711` and `[fd00::5]:4711` without the port.
fn peer_address(peer: &str) -> &str {
    let address = peer.rsplit_once(':').map_or(peer, |(address, _)| address);
    address.trim_start_matches('[').trim_end_matches(']')
}
