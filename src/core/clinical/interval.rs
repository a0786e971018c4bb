//! Reference intervals by age and sex (CLINICAL 5, 6.7).

use super::age::{ADULT_MONTHS, AgeReading, parse_age};
use super::observation::{Analyte, Sex};
use super::{Limits, Unit};
use crate::core::policy::AgeSpan;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval<'t> {
    /// In g/L.
    pub limits: Limits,
    /// Built-in, or the site's.
    pub built_in: bool,
    /// Where the numbers come from.
    pub source: &'t str,
    /// What had to be assumed of the age: two rows were possible and the one with the lower low
    /// limit was taken, or the age is unknown and the adult row was.
    pub age_noted: Option<&'static str>,
}

/// The interval table: site rows before built-in ones.
#[derive(Debug, Clone, Default, Serialize)]
pub struct IntervalTable {
    rows: Vec<IntervalRow>,
    /// The rows that have limits, so that a look-up meets no others.
    #[serde(skip)]
    by_analyte: BTreeMap<Analyte, Usable>,
}

/// The rows of one analyte that have limits.
#[derive(Debug, Clone, Default)]
struct Usable {
    site: Vec<UsableRow>,
    built_in: Vec<UsableRow>,
}

/// A row by its place in the table, with its limits in g/L and its ages, by which most rows are out.
#[derive(Debug, Clone, Copy)]
struct UsableRow {
    place: usize,
    limits: Limits,
    scope: usize,
    from_age: Option<AgeSpan>,
    to_age: Option<AgeSpan>,
    /// The completed months after which it certainly holds no more: no month is shorter than 28 days.
    outgrown: Option<i64>,
    built_in: bool,
}

impl UsableRow {
    /// Whether an age that is at least what `at_least` says lies in [from, to).
    fn holds(&self, at_least: impl Fn(AgeSpan) -> bool) -> bool {
        !self.to_age.is_some_and(&at_least) && self.from_age.is_none_or(&at_least)
    }
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
    let rows = file.interval.into_iter();
    IntervalTable::of(rows.filter_map(FileRow::read).collect())
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
        Self::of(rows.into_iter().chain(self.rows).collect())
    }

    fn of(rows: Vec<IntervalRow>) -> Self {
        let mut by_analyte: BTreeMap<Analyte, Usable> = BTreeMap::new();
        for (place, row) in rows.iter().enumerate() {
            let Some(limits) = row.limits_in_gram_per_litre() else {
                continue;
            };
            let usable = by_analyte.entry(row.analyte).or_default();
            let of_its_kind = if row.built_in {
                &mut usable.built_in
            } else {
                &mut usable.site
            };
            of_its_kind.push(UsableRow {
                place,
                limits,
                scope: row.scope(),
                from_age: row.from_age,
                to_age: row.to_age,
                outgrown: row
                    .to_age
                    .map(|to| i64::from(to.months) + i64::from(to.days.div_ceil(28))),
                built_in: row.built_in,
            });
        }
        Self { rows, by_analyte }
    }

    /// The least and the greatest high limit, in g/L, of the rows that can hold for somebody of 18
    /// years or more; `None` where no such row has one.
    pub(super) fn high_limits_of_adults(&self, analyte: Analyte) -> Option<(Decimal, Decimal)> {
        let usable = self.by_analyte.get(&analyte)?;
        usable
            .site
            .iter()
            .chain(&usable.built_in)
            .filter(|row| row.outgrown.is_none_or(|end| end > ADULT_MONTHS))
            .filter_map(|row| row.limits.high)
            .fold(None, |found, high| match found {
                None => Some((high, high)),
                Some((least, most)) => Some((high.min(least), high.max(most))),
            })
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
    pub fn find(&self, query: &IntervalQuery<'_>) -> Option<Interval<'_>> {
        let usable = self.by_analyte.get(&query.analyte)?;
        let site = match usable.site.as_slice() {
            [] => None,
            rows => self.by_age(rows, query),
        };
        match site {
            None if query.built_in => self.by_age(&usable.built_in, query),
            site => site,
        }
    }

    fn by_age<'t>(
        &'t self,
        rows: &'t [UsableRow],
        query: &IntervalQuery<'_>,
    ) -> Option<Interval<'t>> {
        match query.age {
            AgeReading::Invalid => None,
            AgeReading::Unknown => {
                let ageless = |row: &UsableRow| row.from_age.is_none() && row.to_age.is_none();
                self.narrowest(rows, query, ageless).or_else(|| {
                    let adult = |row: &UsableRow| row.built_in && row.to_age.is_none();
                    Some(Interval {
                        age_noted: Some(ADULT_ROW),
                        ..self.narrowest(rows, query, adult)?
                    })
                })
            }
            AgeReading::Known(age) => {
                let months = age.least_months();
                let young_enough = |row: &UsableRow| row.outgrown.is_none_or(|end| months < end);
                let youngest = self.narrowest(rows, query, |row| {
                    young_enough(row) && row.holds(|span| age.youngest_is_at_least(span))
                })?;
                if age.is_exact() {
                    return Some(youngest);
                }
                let oldest = self.narrowest(rows, query, |row| {
                    young_enough(row) && row.holds(|span| age.oldest_is_at_least(span))
                })?;
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

    /// The interval of the rows that serve a query and fit an age: narrowest scope, then sex, then the
    /// first.
    fn narrowest<'t>(
        &'t self,
        rows: &'t [UsableRow],
        query: &IntervalQuery<'_>,
        fits: impl Fn(&UsableRow) -> bool,
    ) -> Option<Interval<'t>> {
        let mut narrowest = Narrowest::default();
        for usable in rows.iter().filter(|row| fits(row)) {
            if let Some(row) = self.rows.get(usable.place)
                && row.serves(query)
                // Before the scope is looked at: a narrow row for the other sex hides nothing.
                && (query.sex.is_none() || row.sex.is_none() || row.sex == query.sex)
            {
                narrowest.meet((row, &usable.limits), usable.scope);
            }
        }
        narrowest.interval(query.sex)
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

    /// Everything but analyte, age and sex.
    fn serves(&self, query: &IntervalQuery<'_>) -> bool {
        names(&self.feed, query.feed)
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
}

/// A row's key against a result's text: empty = any; whole, without case and outer blanks.
fn names(key: &str, text: &str) -> bool {
    key.is_empty() || {
        let key = key.trim();
        key.is_empty() || key.to_lowercase() == text.trim().to_lowercase()
    }
}

/// A row's key against several names joined by [`NAMES_APART`]: one of them whole, or some in a row.
fn names_one(key: &str, joined: &str) -> bool {
    key.is_empty() || key.trim().is_empty() || {
        let apart =
            |text: &str| format!("{NAMES_APART}{}{NAMES_APART}", text.trim().to_lowercase());
        apart(joined).contains(&apart(key))
    }
}

/// MSH-4 of `MSH-3/MSH-4`.
fn facility_of(feed: &str) -> &str {
    feed.split_once('/').map_or("", |(_, facility)| facility)
}

/// A row with its limits in g/L.
type Met<'t> = (&'t IntervalRow, &'t Limits);

/// Of the rows met so far those of the narrowest scope, of each kind the first.
#[derive(Default)]
struct Narrowest<'t> {
    scope: usize,
    for_both_sexes: Option<Met<'t>>,
    for_one_sex: Option<Met<'t>>,
    for_the_other: Option<Met<'t>>,
}

impl<'t> Narrowest<'t> {
    fn meet(&mut self, met: Met<'t>, scope: usize) {
        let (row, _) = met;
        if scope < self.scope {
            return;
        }
        if scope > self.scope {
            *self = Self {
                scope,
                ..Self::default()
            };
        }
        let kind = match (row.sex, self.for_one_sex) {
            (None, _) => &mut self.for_both_sexes,
            (Some(_), Some((one, _))) if one.sex != row.sex => &mut self.for_the_other,
            (Some(_), _) => &mut self.for_one_sex,
        };
        kind.get_or_insert(met);
    }

    /// The patient's own sex before both; of an unknown sex both before the two together.
    fn interval(self, sex: Option<Sex>) -> Option<Interval<'t>> {
        let interval = |(row, limits): Met<'t>| Interval {
            limits: *limits,
            built_in: row.built_in,
            source: &row.source,
            age_noted: None,
        };
        if sex.is_some() {
            let own = [self.for_one_sex, self.for_the_other]
                .into_iter()
                .flatten()
                .find(|(row, _)| row.sex == sex);
            return own.or(self.for_both_sexes).map(interval);
        }
        match (self.for_both_sexes, self.for_one_sex, self.for_the_other) {
            (Some(row), _, _) | (None, Some(row), None) => Some(interval(row)),
            (None, Some(one), Some(other)) => {
                let (lower, higher) = if other.1.low < one.1.low {
                    (other, one)
                } else {
                    (one, other)
                };
                // A missing limit is the one that cannot be violated.
                let limits = Limits {
                    low: lower.1.low,
                    high: lower.1.high.and_then(|high| Some(high.max(higher.1.high?))),
                };
                Some(Interval {
                    limits,
                    ..interval(lower)
                })
            }
            (None, None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests;
