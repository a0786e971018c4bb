//! Ages for which a site's own `[[interval]]` table has no row.

use super::intervals::{A_DAY, ages, sexes};
use super::warning;
use crate::config::Config;
use crate::config::keys::INTERVAL;
use crate::config::layer::Raw;
use crate::config::problem::Warning;
use crate::config::quantity::length;
use crate::config::validate::in_row;
use crate::core::clinical::interval::{IntervalRow, IntervalTable};
use crate::core::clinical::observation::{Analyte, Sex};
use crate::core::policy::AgeSpan;
use jiff::civil::Date;

/// A table that ends above this age and below [`OLDEST`] was probably meant to go on. One that ends
/// here, or begins here, is a table for children or for adults: that is no gap.
const ADULT: AgeSpan = AgeSpan {
    months: 18 * 12,
    days: 0,
};
/// An end from this age on is as good as none.
const OLDEST: AgeSpan = AgeSpan {
    months: 100 * 12,
    days: 0,
};

/// A row of the site, with its number among all of them.
type Numbered<'a> = (usize, &'a IntervalRow);

/// Ages without a row of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    from: Option<AgeSpan>,
    /// `None`: without end.
    to: Option<AgeSpan>,
    /// The row beside it, and the key that ends or begins there.
    beside: (usize, &'static str),
}

impl Gap {
    fn is_same(&self, other: &Self) -> bool {
        let ends = |gap: &Self| (gap.from.map_or(0, length), gap.to.map(length));
        ends(self) == ends(other)
    }
}

/// The gaps of every analyte that the site has rows for: in each feed, laboratory and method that
/// they name, and at each time at which others of them hold.
pub(super) fn gaps(config: &Config, raw: &Raw) -> Vec<Warning> {
    let rows = &config.tables.intervals;
    let built_in = config.detection.use_builtin_intervals;
    let mut warnings = Vec::new();
    for analyte in Analyte::ALL {
        let of_analyte: Vec<Numbered<'_>> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.analyte == analyte)
            .collect();
        let mut told: Vec<(Gap, Option<Sex>)> = Vec::new();
        for scope in scopes(&of_analyte) {
            let serving: Vec<Numbered<'_>> = of_analyte
                .iter()
                .filter(|(_, row)| serves(row, scope))
                .copied()
                .collect();
            for day in days(&serving) {
                let in_force: Vec<Numbered<'_>> = serving
                    .iter()
                    .filter(|(_, row)| holds_on(row, day))
                    .copied()
                    .collect();
                for (gap, sex) in gaps_by_sex(&in_force, built_in) {
                    let known = told
                        .iter()
                        .any(|(other, of)| other.is_same(&gap) && (of.is_none() || *of == sex));
                    if !known {
                        told.push((gap, sex));
                    }
                }
            }
        }
        let tables = IntervalTable::built_in();
        let has_built_in = built_in && tables.rows().any(|row| row.analyte == analyte);
        for (gap, sex) in told {
            let (index, key) = gap.beside;
            let (name, whom) = (analyte.name(), ages(gap.from, gap.to));
            let then = if has_built_in {
                "there the built-in interval applies"
            } else {
                "there only OBX-7 or a flag can judge"
            };
            warnings.push(warning(
                in_row(raw, &INTERVAL, index, key),
                format!(
                    "no interval of the site for {name}, {whom}, {}; {then}",
                    sexes(sex)
                ),
                "add a row for these ages, or let a row beside them begin or end there",
            ));
        }
    }
    warnings
}

/// The row that names most of a feed, laboratory and method: each combination once, widest first.
fn scopes<'a>(rows: &[Numbered<'a>]) -> Vec<&'a IntervalRow> {
    let mut scopes: Vec<&IntervalRow> = Vec::new();
    for (_, row) in rows {
        let known = scopes.iter().any(|scope| keys(scope) == keys(row));
        if !known {
            scopes.push(row);
        }
    }
    scopes.sort_by_key(|row| row.scope());
    scopes
}

fn keys(row: &IntervalRow) -> [String; 3] {
    [&row.feed, &row.laboratory, &row.method].map(|key| key.trim().to_lowercase())
}

/// Whether a row holds for a result that has just what the scope names.
fn serves(row: &IntervalRow, scope: &IntervalRow) -> bool {
    keys(row)
        .iter()
        .zip(keys(scope))
        .all(|(key, named)| key.is_empty() || *key == named)
}

/// A day of every stretch of time in which the same rows hold.
fn days(rows: &[Numbered<'_>]) -> Vec<Date> {
    let mut days: Vec<Date> = rows
        .iter()
        .flat_map(|(_, row)| {
            let after = row.valid_to.and_then(|day| day.tomorrow().ok());
            [Some(row.valid_from.unwrap_or(Date::MIN)), after]
        })
        .flatten()
        .collect();
    days.sort();
    days.dedup();
    days
}

fn holds_on(row: &IntervalRow, day: Date) -> bool {
    row.valid_from.is_none_or(|from| from <= day) && row.valid_to.is_none_or(|to| day <= to)
}

fn gaps_by_sex(rows: &[Numbered<'_>], built_in: bool) -> Vec<(Gap, Option<Sex>)> {
    let of = |sex: Sex| {
        let serving = rows
            .iter()
            .filter(|(_, row)| row.sex.is_none_or(|only| only == sex));
        uncovered(rows, serving.copied().collect(), built_in)
    };
    let (female, male) = (of(Sex::Female), of(Sex::Male));
    let mut gaps = Vec::new();
    for gap in &female {
        let both = male.iter().any(|other| other.is_same(gap));
        gaps.push((*gap, (!both).then_some(Sex::Female)));
    }
    for gap in male {
        if !female.iter().any(|other| other.is_same(&gap)) {
            gaps.push((gap, Some(Sex::Male)));
        }
    }
    gaps
}

/// The ages between the first and the last of `rows` that none of `serving` holds for.
fn uncovered(rows: &[Numbered<'_>], mut serving: Vec<Numbered<'_>>, built_in: bool) -> Vec<Gap> {
    let begin = |row: &IntervalRow| row.from_age.map_or(0, length);
    let end = |row: &IntervalRow| {
        row.to_age
            .map(length)
            .filter(|end| *end < length(OLDEST))
            .unwrap_or(u64::MAX)
    };
    let Some((first, first_row)) = rows.iter().min_by_key(|(_, row)| begin(row)) else {
        return Vec::new();
    };
    let Some((last, last_row)) = rows.iter().max_by_key(|(_, row)| end(row)) else {
        return Vec::new();
    };
    let mut gaps = Vec::new();
    // Without built-in intervals nothing at all holds beyond the table.
    if !built_in && begin(first_row) > 0 {
        gaps.push(Gap {
            from: None,
            to: first_row.from_age,
            beside: (*first, "from_age"),
        });
    }
    serving.sort_by_key(|(_, row)| begin(row));
    let mut covered = begin(first_row);
    let mut until = (first_row.from_age, (*first, "from_age"));
    for (index, row) in serving {
        if begin(row) > covered.saturating_add(A_DAY) {
            gaps.push(Gap {
                from: until.0,
                to: row.from_age,
                beside: until.1,
            });
        }
        if end(row) > covered {
            covered = end(row);
            until = (row.to_age, (index, "to_age"));
        }
    }
    let open_end = end(last_row) == u64::MAX;
    let meant_to_go_on = end(last_row) > length(ADULT) || !built_in;
    if covered.saturating_add(A_DAY) < end(last_row) {
        gaps.push(Gap {
            from: until.0,
            to: last_row.to_age.filter(|_| !open_end),
            beside: until.1,
        });
    }
    if !open_end && meant_to_go_on {
        gaps.push(Gap {
            from: last_row.to_age,
            to: None,
            beside: (*last, "to_age"),
        });
    }
    gaps
}
