//! Reference intervals by age and sex (CLINICAL 5, 6.7).

use super::age::{AgeReading, parse_age};
use super::observation::{Analyte, Sex};
use super::{Limits, Unit};
use crate::core::policy::AgeSpan;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::sync::LazyLock;

/// Stands between the names of one laboratory or method in the texts of an observation.
pub const NAMES_APART: &str = " / ";

/// Noted where the birth date allows two ages with different intervals (CLINICAL 6.7).
const TWO_ROWS: &str = "birth date not exact, lower limit of two ages taken";
/// Noted where the age is unknown and the built-in adult interval serves (CLINICAL 6.3).
const ADULT_ROW: &str = "age unknown, adult interval taken";

/// One `[[interval]]` of the site or of `config/intervals.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IntervalRow {
    /// Of what.
    pub analyte: Analyte,
    /// Low limit, in `unit`.
    pub low: Option<Decimal>,
    /// High limit, in `unit`.
    pub high: Option<Decimal>,
    /// The limits' unit; a row whose unit is not one of mass never matches.
    pub unit: Unit,
    /// From this age on; `None` = from birth.
    pub from_age: Option<AgeSpan>,
    /// Below this age; `None` = without end.
    pub to_age: Option<AgeSpan>,
    /// For this sex only.
    pub sex: Option<Sex>,
    /// For this feed (`MSH-3/MSH-4`) only; empty = all.
    pub feed: String,
    /// For this performing laboratory only, by its name or its code; empty = all.
    pub laboratory: String,
    /// For this method only, by its name or its code, or by the instrument; empty = all.
    pub method: String,
    /// From this day of collection on.
    pub valid_from: Option<Date>,
    /// Up to and with this day of collection.
    pub valid_to: Option<Date>,
    /// Where the numbers come from.
    pub source: String,
    /// Of `config/intervals.toml`, not the site's.
    pub built_in: bool,
}

/// For whom and from where an interval is wanted.
#[derive(Debug, Clone, Copy)]
pub struct IntervalQuery<'a> {
    /// Of what.
    pub analyte: Analyte,
    /// Age at collection.
    pub age: AgeReading,
    /// PID-8; `None` = unknown.
    pub sex: Option<Sex>,
    /// `MSH-3/MSH-4`.
    pub feed: &'a str,
    /// Performing laboratory: its names, joined by [`NAMES_APART`]. Where none was sent, the facility
    /// of the feed is taken (HL7 2.5.1 7.4.2.15: an empty OBX-15 means the sending organization).
    pub laboratory: &'a str,
    /// Method and instrument, joined by [`NAMES_APART`].
    pub method: &'a str,
    /// Day of collection.
    pub on: Date,
    /// `use_builtin_intervals`.
    pub built_in: bool,
}

/// The interval of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// In g/L.
    pub limits: Limits,
    /// Built-in, or the site's.
    pub built_in: bool,
    /// Where the numbers come from.
    pub source: String,
    /// What had to be assumed of the age: two rows were possible and the one with the lower low
    /// limit was taken, or the age is unknown and the adult row was.
    pub age_noted: Option<&'static str>,
}

/// The interval table: site rows before built-in ones.
#[derive(Debug, Clone, Default, Serialize)]
pub struct IntervalTable {
    rows: Vec<IntervalRow>,
}

/// `config/intervals.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    interval: Vec<FileRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    analyte: Analyte,
    low: Option<Decimal>,
    high: Option<Decimal>,
    unit: String,
    from_age: Option<String>,
    to_age: Option<String>,
    source: String,
}

static BUILT_IN: LazyLock<IntervalTable> = LazyLock::new(|| {
    let file: File =
        toml::from_str(include_str!("../../../config/intervals.toml")).unwrap_or_default();
    IntervalTable {
        rows: file
            .interval
            .into_iter()
            .filter_map(FileRow::read)
            .collect(),
    }
});

impl FileRow {
    fn read(self) -> Option<IntervalRow> {
        let age = |text: Option<String>| match text {
            Some(text) => parse_age(&text).map(Some),
            None => Some(None),
        };
        Some(IntervalRow {
            analyte: self.analyte,
            low: self.low,
            high: self.high,
            unit: Unit::parse(&self.unit),
            from_age: age(self.from_age)?,
            to_age: age(self.to_age)?,
            sex: None,
            feed: String::new(),
            laboratory: String::new(),
            method: String::new(),
            valid_from: None,
            valid_to: None,
            source: self.source,
            built_in: true,
        })
    }
}

impl IntervalTable {
    /// The built-in rows of `config/intervals.toml`.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// The same table with a site's rows before those that it has.
    #[must_use]
    pub fn with_rows(self, rows: Vec<IntervalRow>) -> Self {
        Self {
            rows: rows.into_iter().chain(self.rows).collect(),
        }
    }

    /// The rows in force, site rows first.
    pub fn rows(&self) -> impl Iterator<Item = &IntervalRow> {
        self.rows.iter()
    }

    /// The interval for a result: the site's, else the built-in one if the query allows it.
    ///
    /// Among rows that fit age and sex, the one that names most of feed, laboratory and method wins,
    /// then one for the patient's sex, then the first. With the sex unknown and rows for each sex, the lower
    /// of two low limits (CLINICAL 6.3) and the higher of two high ones hold. A birth date of a year
    /// or month is taken at both its ends (6.7). With the age unknown a row without ages holds, and
    /// of the built-in table the adult one; collected before birth nothing does.
    pub fn find(&self, query: &IntervalQuery<'_>) -> Option<Interval> {
        let among = |built_in: bool| {
            let rows: Vec<(&IntervalRow, Limits)> = self
                .rows
                .iter()
                .filter(|row| row.built_in == built_in && row.serves(query))
                .filter_map(|row| Some((row, row.limits_in_gram_per_litre()?)))
                .collect();
            by_age(&rows, query)
        };
        among(false).or_else(|| query.built_in.then(|| among(true)).flatten())
    }
}

impl IntervalRow {
    /// The limits in g/L; `None` where they cannot be converted or there are none.
    pub fn limits_in_gram_per_litre(&self) -> Option<Limits> {
        let convert = |limit: Option<Decimal>| match limit {
            Some(limit) => self.unit.to_gram_per_litre(limit).map(Some),
            None => Some(None),
        };
        let limits = Limits {
            low: convert(self.low)?,
            high: convert(self.high)?,
        };
        (limits.low.is_some() || limits.high.is_some()).then_some(limits)
    }

    /// Everything but age and sex.
    fn serves(&self, query: &IntervalQuery<'_>) -> bool {
        self.analyte == query.analyte
            && names(&self.feed, query.feed)
            && if query.laboratory.trim().is_empty() {
                names(&self.laboratory, facility_of(query.feed))
            } else {
                names_one(&self.laboratory, query.laboratory)
            }
            && names_one(&self.method, query.method)
            && self.valid_from.is_none_or(|from| from <= query.on)
            && self.valid_to.is_none_or(|to| query.on <= to)
    }

    /// How many of feed, laboratory and method it names: of rows that fit, the one that names most wins.
    pub fn scope(&self) -> usize {
        [&self.feed, &self.laboratory, &self.method]
            .into_iter()
            .filter(|name| !name.trim().is_empty())
            .count()
    }

    /// Whether an age that is at least what `at_least` says lies in [from, to).
    fn holds(&self, at_least: impl Fn(AgeSpan) -> bool) -> bool {
        self.from_age.is_none_or(&at_least) && !self.to_age.is_some_and(&at_least)
    }
}

/// A row's key against a result's text: empty = any; whole, without case and outer blanks.
fn names(key: &str, text: &str) -> bool {
    let key = key.trim();
    key.is_empty() || key.to_lowercase() == text.trim().to_lowercase()
}

/// A row's key against several names joined by [`NAMES_APART`]: one of them whole, or some in a row.
fn names_one(key: &str, joined: &str) -> bool {
    let apart = |text: &str| format!("{NAMES_APART}{}{NAMES_APART}", text.trim().to_lowercase());
    key.trim().is_empty() || apart(joined).contains(&apart(key))
}

/// MSH-4 of `MSH-3/MSH-4`.
fn facility_of(feed: &str) -> &str {
    feed.split_once('/').map_or("", |(_, facility)| facility)
}

fn by_age(rows: &[(&IntervalRow, Limits)], query: &IntervalQuery<'_>) -> Option<Interval> {
    let choose = |holds: &dyn Fn(&IntervalRow) -> bool| {
        let fitting = rows.iter().filter(|(row, _)| holds(row)).copied();
        by_sex(fitting.collect(), query.sex)
    };
    match query.age {
        AgeReading::Invalid => None,
        AgeReading::Unknown => {
            let ageless = |row: &IntervalRow| row.from_age.is_none() && row.to_age.is_none();
            choose(&ageless).or_else(|| {
                let adult = choose(&|row| row.built_in && row.to_age.is_none())?;
                Some(Interval {
                    age_noted: Some(ADULT_ROW),
                    ..adult
                })
            })
        }
        AgeReading::Known(age) => {
            let youngest = choose(&|row| row.holds(|span| age.youngest_is_at_least(span)))?;
            if age.is_exact() {
                return Some(youngest);
            }
            let oldest = choose(&|row| row.holds(|span| age.oldest_is_at_least(span)))?;
            if youngest.limits == oldest.limits {
                return Some(youngest);
            }
            let lower = if oldest.limits.low < youngest.limits.low {
                oldest
            } else {
                youngest
            };
            Some(Interval {
                age_noted: Some(TWO_ROWS),
                ..lower
            })
        }
    }
}

/// The interval of rows that fit the age: narrowest scope, then sex, then the first.
fn by_sex(mut rows: Vec<(&IntervalRow, Limits)>, sex: Option<Sex>) -> Option<Interval> {
    // Before the scope is looked at: a narrow row for the other sex hides nothing.
    rows.retain(|(row, _)| sex.is_none() || row.sex.is_none_or(|of| Some(of) == sex));
    let scope = rows.iter().map(|(row, _)| row.scope()).max()?;
    rows.retain(|(row, _)| row.scope() == scope);
    // Rows of the patient's own sex before rows for both; of an unknown sex the other way round.
    rows.sort_by_key(|(row, _)| Reverse(row.sex.is_some() == sex.is_some()));
    let (first, limits) = rows.first()?;
    let interval = |row: &IntervalRow, limits: Limits| Interval {
        limits,
        built_in: row.built_in,
        source: row.source.clone(),
        age_noted: None,
    };
    let first_of_other_sex = rows
        .iter()
        .find(|(row, _)| sex.is_none() && first.sex.is_some() && row.sex != first.sex);
    Some(match first_of_other_sex {
        None => interval(first, *limits),
        Some((other, others)) => {
            // A missing limit is the one that cannot be violated.
            let both = Limits {
                low: limits.low.min(others.low),
                high: limits.high.and_then(|high| Some(high.max(others.high?))),
            };
            let row = if others.low < limits.low {
                other
            } else {
                first
            };
            interval(row, both)
        }
    })
}

#[cfg(test)]
mod tests;
