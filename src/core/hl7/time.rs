//! HL7 times (WIRE 6): a civil time, how much of it was said, and the offset if one was.
//!
//! A civil time is not an instant; it becomes one only with a zone ([`Hl7Time::to_timestamp`]).

use crate::core::clinical::observation::BirthDate;
use crate::core::time::{Span, Timestamp};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use std::collections::BTreeSet;

/// How much of a time was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `2026`.
    Year,
    /// `202603`.
    Month,
    /// `20260301`.
    Day,
    /// `2026030110`.
    Hour,
    /// `202603011015`.
    Minute,
    /// `20260301101500`.
    Second,
    /// `20260301101500.25`; kept to the microsecond.
    Fraction,
}

/// A time as sent: the start of the interval that its precision leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hl7Time {
    /// The earliest civil time that it can mean.
    pub civil: DateTime,
    /// What was said of it.
    pub precision: Precision,
    /// The offset, if one was sent and is possible (T-7).
    pub offset: Option<Offset>,
}

/// What stands in a time field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeReading {
    /// Nothing: empty, `""`, zeros (T-6).
    Empty,
    /// A time in HL7's form.
    Time(Hl7Time),
    /// A time in one of the other accepted forms (T-2): count `time_form`.
    OtherForm(Hl7Time),
    /// No time (T-5): count `time_invalid` and use the next source.
    Invalid,
}

impl TimeReading {
    /// The time, in whichever form.
    pub const fn time(self) -> Option<Hl7Time> {
        match self {
            Self::Time(time) | Self::OtherForm(time) => Some(time),
            Self::Empty | Self::Invalid => None,
        }
    }
}

/// No offset is larger, in seconds (T-7).
const FARTHEST: i32 = 14 * 3600;

/// The number of two digits that begins there.
fn two_digits(text: &[u8], at: usize) -> Option<i8> {
    match text.get(at..)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..] => {
            Some(((tens - b'0') * 10 + (ones - b'0')) as i8)
        }
        _ => None,
    }
}

/// Takes `count` digits from the front.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

impl Hl7Time {
    /// Reads the first component of a TS or a DTM (T-1, T-2, T-5 to T-7).
    pub fn read(text: &str) -> TimeReading {
        match Self::read_usual(text.as_bytes()) {
            Some(time) => TimeReading::Time(time),
            None => Self::read_any(text),
        }
    }

    /// A day, or a time to the minute or second, with an offset or without, as nearly all are. What is odd about
    /// it in any way is left to [`read_any`](Self::read_any), which says the same of these.
    pub(crate) fn read_usual(text: &[u8]) -> Option<Self> {
        let (number, offset) = match text.len() {
            8 | 12 | 14 => (text, None),
            17 => text.split_at_checked(12).map(|(a, b)| (a, Some(b)))?,
            19 => text.split_at_checked(14).map(|(a, b)| (a, Some(b)))?,
            _ => return None,
        };
        let offset = match offset {
            None => None,
            Some([sign, rest @ ..]) => {
                let hours = two_digits(rest, 0)?;
                let minutes = two_digits(rest, 2).filter(|minutes| *minutes < 60)?;
                let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
                let signed = match sign {
                    b'+' => seconds,
                    b'-' => -seconds,
                    _ => return None,
                };
                Some(
                    Offset::from_seconds(signed)
                        .ok()
                        .filter(|_| seconds <= FARTHEST)?,
                )
            }
            Some([]) => return None,
        };
        let (century, year) = (two_digits(number, 0)?, two_digits(number, 2)?);
        let year = i16::from(century) * 100 + i16::from(year);
        let date = Date::new(year, two_digits(number, 4)?, two_digits(number, 6)?).ok()?;
        let (time, precision) = match number.len() {
            8 => (Time::midnight(), Precision::Day),
            length => {
                let (hour, minute) = (two_digits(number, 8)?, two_digits(number, 10)?);
                let (second, precision) = match length {
                    12 => (0, Precision::Minute),
                    _ => (two_digits(number, 12)?, Precision::Second),
                };
                (Time::new(hour, minute, second, 0).ok()?, precision)
            }
        };
        (year > 0).then(|| Self {
            civil: date.to_datetime(time),
            precision,
            offset,
        })
    }

    fn read_any(text: &str) -> TimeReading {
        let text = text.trim();
        if text.is_empty() || text == "\"\"" {
            return TimeReading::Empty;
        }
        let (body, zone) = split_offset(text);
        let Some(offset) = zone.map_or(Some(None), read_offset) else {
            return TimeReading::Invalid;
        };
        let other_form = body.contains(['-', ':', 'T', ' '])
            || zone.is_some_and(|zone| zone.len() != 5 || zone.contains(':'));
        let Some(plain) = plain_body(body) else {
            return TimeReading::Invalid;
        };
        match read_plain(&plain) {
            Plain::Empty => TimeReading::Empty,
            Plain::Invalid => TimeReading::Invalid,
            Plain::Read(civil, precision) => {
                let time = Self {
                    civil,
                    precision,
                    offset,
                };
                if other_form {
                    TimeReading::OtherForm(time)
                } else {
                    TimeReading::Time(time)
                }
            }
        }
    }

    /// The start of the interval as an instant (T-3, T-4).
    ///
    /// Without an offset of its own a time takes `default_offset` (that of MSH-7), else `zone`. A time
    /// that a clock change skips is moved forward by the gap; of one that comes twice, the earlier.
    pub fn to_timestamp(
        &self,
        zone: &TimeZone,
        default_offset: Option<Offset>,
    ) -> Option<Timestamp> {
        let instant = match self.offset.or(default_offset) {
            Some(offset) => offset.to_timestamp(self.civil),
            None => zone.to_ambiguous_timestamp(self.civil).compatible(),
        };
        instant.ok().map(Timestamp::from_jiff)
    }

    /// True where a clock change makes the time skipped or double (T-4).
    pub fn is_ambiguous(&self, zone: &TimeZone, default_offset: Option<Offset>) -> bool {
        self.offset.or(default_offset).is_none()
            && zone.to_ambiguous_timestamp(self.civil).is_ambiguous()
    }

    /// The civil date where it happened; a date alone never shifts (T-3).
    pub fn date(&self) -> Date {
        self.civil.date()
    }

    /// Earliest and latest day that the time can mean.
    fn days(&self) -> (Date, Date) {
        let first = self.civil.date();
        let last = match self.precision {
            Precision::Year => Date::new(first.year(), 12, 31).unwrap_or(first),
            Precision::Month => first.last_of_month(),
            _ => first,
        };
        (first, last)
    }
}

/// Cuts an offset off the end: `Z`, or a sign that stands behind the time and not between `YYYY-MM-DD`.
fn split_offset(text: &str) -> (&str, Option<&str>) {
    if let Some(body) = text.strip_suffix(['Z', 'z']) {
        return (body, Some("Z"));
    }
    let sign = text.rfind(['+', '-']).filter(|at| {
        let before = text.get(..*at).unwrap_or_default();
        text.get(*at..).is_some_and(|tail| tail.starts_with('+'))
            || !before.contains('-') && before.len() != 4
            || before.contains(':')
            // YYYY-MM-DDTHH-hh
            || before.contains(['T', ' '])
            // YYYY-hhmm: a year with an offset, not a year and a month
            || before.len() == 4 && text.len() == 9
    });
    match sign.and_then(|at| text.split_at_checked(at)) {
        Some((body, zone)) => (body, Some(zone)),
        None => (text, None),
    }
}

/// `Some(None)`: an offset that is ignored (T-7). `None`: no offset at all.
fn read_offset(zone: &str) -> Option<Option<Offset>> {
    if zone == "Z" {
        return Some(Some(Offset::UTC));
    }
    let (sign, number) = match zone.split_at_checked(1)? {
        ("+", number) => (1, number),
        ("-", number) => (-1, number),
        _ => return None,
    };
    let (hours, rest) = digits(number, 2)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let (minutes, rest) = if rest.is_empty() {
        (0, rest)
    } else {
        digits(rest, 2)?
    };
    if !rest.is_empty() {
        return None;
    }
    let seconds = i32::try_from((hours * 60 + minutes) * 60).ok()?;
    if minutes > 59 || seconds > FARTHEST {
        return Some(None);
    }
    Some(Offset::from_seconds(sign * seconds).ok())
}

/// HL7's form of a time in one of the accepted other forms: hyphens, `T` or blank, colons removed.
fn plain_body(body: &str) -> Option<String> {
    if !body.contains(['-', ':', 'T', ' ']) {
        return Some(body.to_owned());
    }
    let (date, time) = match body.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (body, None),
    };
    let hyphens = date.bytes().filter(|b| *b == b'-').count();
    let places = |number: usize| date.as_bytes().get(number) == Some(&b'-');
    let dated = match hyphens {
        0 => date.len() == 8,
        1 => date.len() == 7 && places(4) && time.is_none(),
        2 => date.len() == 10 && places(4) && places(7),
        _ => false,
    };
    if !dated {
        return None;
    }
    let mut plain: String = date.chars().filter(|c| *c != '-').collect();
    if let Some(time) = time {
        let (clock, fraction) = match time.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (time, None),
        };
        for (number, part) in clock.split(':').enumerate() {
            let all_in_one = !clock.contains(':') && matches!(part.len(), 4 | 6);
            if number > 2 || !(part.len() == 2 || all_in_one) {
                return None;
            }
            plain.push_str(part);
        }
        if let Some(fraction) = fraction {
            plain.push('.');
            plain.push_str(fraction);
        }
    }
    Some(plain)
}

enum Plain {
    Empty,
    Invalid,
    Read(DateTime, Precision),
}

/// `YYYY[MM[DD[HH[MM[SS[.S…]]]]]]`.
fn read_plain(body: &str) -> Plain {
    let (number, fraction) = match body.split_once('.') {
        Some((number, fraction)) => (number, Some(fraction)),
        None => (body, None),
    };
    let shaped = matches!(number.len(), 4 | 6 | 8 | 10 | 12 | 14)
        && number.bytes().all(|b| b.is_ascii_digit())
        && fraction.is_none_or(|f| {
            number.len() == 14 && !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit())
        });
    if !shaped {
        return Plain::Invalid;
    }
    if number.bytes().all(|b| b == b'0') || number.starts_with("19000000") {
        return Plain::Empty;
    }
    read_digits(number, fraction).unwrap_or(Plain::Invalid)
}

fn read_digits(number: &str, fraction: Option<&str>) -> Option<Plain> {
    let (year, rest) = digits(number, 4)?;
    let mut rest = rest;
    let mut next = || -> Option<u32> {
        let (value, behind) = digits(rest, 2)?;
        rest = behind;
        Some(value)
    };
    let month = next();
    let day = next();
    let hour = next();
    let minute = next();
    let second = next();
    let year = i16::try_from(year).ok().filter(|year| *year > 0)?;
    let small = |value: u32| i8::try_from(value).ok();
    // Zero parts at the end (19800000, 19800500): only so much was said.
    let month = month.filter(|month| *month > 0);
    let Some(month) = month else {
        let tail_is_zero = day.is_none_or(|day| day == 0);
        let civil = Date::new(year, 1, 1).ok()?.to_datetime(Time::midnight());
        return tail_is_zero.then_some(Plain::Read(civil, Precision::Year));
    };
    let Some(day) = day.filter(|day| *day > 0) else {
        let civil = Date::new(year, small(month)?, 1)
            .ok()?
            .to_datetime(Time::midnight());
        return Some(Plain::Read(civil, Precision::Month));
    };
    let date = Date::new(year, small(month)?, small(day)?).ok()?;
    let precision = match (hour, minute, second, fraction) {
        (None, ..) => Precision::Day,
        (_, None, ..) => Precision::Hour,
        (_, _, None, _) => Precision::Minute,
        (.., None) => Precision::Second,
        (.., Some(_)) => Precision::Fraction,
    };
    let (minute, second) = (minute.unwrap_or(0), second.unwrap_or(0));
    let nanosecond = i32::try_from(microseconds(fraction.unwrap_or("0"))? * 1000).ok()?;
    // 240000 is the end of the day; a leap second is the second before it.
    if hour == Some(24) {
        let midnight = minute == 0 && second == 0 && nanosecond == 0;
        let civil = date.tomorrow().ok()?.to_datetime(Time::midnight());
        return midnight.then_some(Plain::Read(civil, precision));
    }
    let second = if second == 60 { 59 } else { second };
    let time = Time::new(
        small(hour.unwrap_or(0))?,
        small(minute)?,
        small(second)?,
        nanosecond,
    )
    .ok()?;
    Some(Plain::Read(date.to_datetime(time), precision))
}

/// Up to six digits of a fraction count; the rest is cut.
fn microseconds(fraction: &str) -> Option<u32> {
    let digits: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(6)
        .collect();
    digits.parse().ok()
}

/// More than this after receipt and a time is of a clock that runs wrong (T-8).
const FUTURE_SLACK: Span = Span::seconds(86_400);

/// 1990-01-01T00:00:00Z: no feed of today has results from before (T-8).
const EARLIEST_RESULT: Timestamp = Timestamp::from_micros(631_152_000_000_000);

/// An instant after T-8: clamped to receipt where it lies in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clamped {
    /// The instant, or receipt.
    pub at: Timestamp,
    /// It was more than 24 h after receipt: count `clock_future`.
    pub clamped: bool,
}

/// Clamps an instant that is more than 24 h after receipt to receipt (T-8).
pub fn clamp_future(at: Timestamp, received_at: Timestamp) -> Clamped {
    let clamped = at > received_at.plus(FUTURE_SLACK);
    Clamped {
        at: if clamped { received_at } else { at },
        clamped,
    }
}

/// True for a result's time that cannot be: before 1990 (T-8); the next source is used.
pub fn is_too_early(at: Timestamp) -> bool {
    at < EARLIEST_RESULT
}

/// What stands in a birth date field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BirthReading {
    /// Nothing, or a placeholder.
    Empty,
    /// A possible date.
    Date(BirthDate),
    /// No date, one in the future, or one more than 130 years ago.
    Invalid,
}

/// Reads PID-7 (T-10, CLINICAL 9.11). `today` is the date of receipt at the site.
pub fn read_birth_date(text: &str, placeholders: &BTreeSet<String>, today: Date) -> BirthReading {
    let text = text.trim();
    let day = text.get(..8).unwrap_or(text);
    if placeholders.contains(text) || placeholders.contains(day) {
        return BirthReading::Empty;
    }
    let reading = Hl7Time::read(text);
    if reading == TimeReading::Empty {
        return BirthReading::Empty;
    }
    let Some(time) = reading.time() else {
        return BirthReading::Invalid;
    };
    let (earliest, latest) = time.days();
    let tomorrow = today.tomorrow().unwrap_or(today);
    let oldest = i32::from(today.year()) - i32::from(latest.year()) > 130;
    if earliest > tomorrow || oldest {
        return BirthReading::Invalid;
    }
    BirthReading::Date(BirthDate { earliest, latest })
}

#[cfg(test)]
mod tests;
