//! `[[interval]]` rows that overlap with equal precedence.

use super::{is_feed, odd_feed, warning};
use crate::config::Config;
use crate::config::keys::INTERVAL;
use crate::config::layer::Raw;
use crate::config::problem::Warning;
use crate::config::quantity::{length, show_age};
use crate::config::validate::in_row;
use crate::core::clinical::interval::IntervalRow;
use crate::core::clinical::observation::Sex;
use crate::core::policy::AgeSpan;
use jiff::civil::Date;

/// Ages nearer than this are one: `30 d` and `1 mo`, `365 d` and `1 y`.
pub(super) const A_DAY: u64 = 10_000;

/// Two rows of one analyte of which the same result may need either, and neither is narrower.
pub(super) fn overlaps(config: &Config, raw: &Raw) -> Vec<Warning> {
    let rows = &config.tables.intervals;
    let mut warnings = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        for (first, other) in rows.iter().enumerate().take(index) {
            let Some(overlap) = overlap(other, row) else {
                continue;
            };
            let key = if row.from_age.is_some() {
                "from_age"
            } else {
                "analyte"
            };
            let (at, _) = in_row(raw, &INTERVAL, first, key);
            warnings.push(warning(
                in_row(raw, &INTERVAL, index, key),
                format!(
                    "two intervals of {} hold for {overlap}; the first, at {at}, is taken",
                    row.analyte.name()
                ),
                "end one where the other begins, or remove one",
            ));
        }
    }
    warnings
}

/// What two rows of equal precedence have in common, in words; `None` where nothing.
fn overlap(one: &IntervalRow, other: &IntervalRow) -> Option<String> {
    if one.analyte != other.analyte || one.sex != other.sex || one.scope() != other.scope() {
        return None;
    }
    let (from, to) = common_ages(one, other)?;
    let mut words = vec![ages(from, to), sexes(one.sex).to_owned()];
    for (what, key) in [
        ("feed", common(&one.feed, &other.feed)?),
        ("laboratory", common(&one.laboratory, &other.laboratory)?),
        ("method", common(&one.method, &other.method)?),
    ] {
        if !key.is_empty() {
            words.push(format!("{what} `{key}`"));
        }
    }
    words.extend(common_days(one, other)?);
    Some(words.join(", "))
}

/// The ages that both rows hold for, if that is more than a day.
fn common_ages(
    one: &IntervalRow,
    other: &IntervalRow,
) -> Option<(Option<AgeSpan>, Option<AgeSpan>)> {
    let from = [one.from_age, other.from_age]
        .into_iter()
        .flatten()
        .max_by_key(|age| length(*age));
    let to = [one.to_age, other.to_age]
        .into_iter()
        .flatten()
        .min_by_key(|age| length(*age));
    let begins = from.map_or(0, length);
    (to.is_none_or(|to| begins.saturating_add(A_DAY) < length(to))).then_some((from, to))
}

/// The narrower of two keys; `None` where they exclude each other.
fn common<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    let (one, other) = (one.trim(), other.trim());
    if one.is_empty() {
        Some(other)
    } else if other.is_empty() || one.to_lowercase() == other.to_lowercase() {
        Some(one)
    } else {
        None
    }
}

/// The days on which both rows hold, in words where they are bounded; `None` where there are none.
fn common_days(one: &IntervalRow, other: &IntervalRow) -> Option<Option<String>> {
    let from = one.valid_from.max(other.valid_from);
    let to = [one.valid_to, other.valid_to].into_iter().flatten().min();
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return None;
    }
    Some(days(from, to))
}

/// `from 2026-01-01 to 2026-12-31`.
fn days(from: Option<Date>, to: Option<Date>) -> Option<String> {
    match (from, to) {
        (None, None) => None,
        (Some(from), None) => Some(format!("collected from {from} on")),
        (None, Some(to)) => Some(format!("collected up to {to}")),
        (Some(from), Some(to)) => Some(format!("collected from {from} to {to}")),
    }
}

/// `ages 12y to 18y`, `ages from 18y on`, `ages below 1y`, `all ages`.
pub(super) fn ages(from: Option<AgeSpan>, to: Option<AgeSpan>) -> String {
    match (from.filter(|from| length(*from) > 0), to) {
        (None, None) => "all ages".to_owned(),
        (Some(from), None) => format!("ages from {} on", show_age(from)),
        (None, Some(to)) => format!("ages below {}", show_age(to)),
        (Some(from), Some(to)) => format!("ages {} to {}", show_age(from), show_age(to)),
    }
}

pub(super) const fn sexes(sex: Option<Sex>) -> &'static str {
    match sex {
        None => "both sexes",
        Some(Sex::Female) => "sex F",
        Some(Sex::Male) => "sex M",
    }
}

/// Feeds that no message has.
pub(super) fn odd_feeds(config: &Config, raw: &Raw) -> Vec<Warning> {
    let rows = config.tables.intervals.iter().enumerate();
    rows.filter(|(_, row)| !is_feed(&row.feed))
        .map(|(index, row)| odd_feed(in_row(raw, &INTERVAL, index, "feed"), &row.feed))
        .collect()
}
