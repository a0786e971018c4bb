//! Limits of `[[interval]]` that look like another unit (CLINICAL 6.1.8, 9.18).

use super::warning;
use crate::config::Config;
use crate::config::keys::INTERVAL;
use crate::config::layer::Raw;
use crate::config::problem::Warning;
use crate::config::quantity::length;
use crate::config::tables::UNITS;
use crate::config::validate::in_row;
use crate::core::clinical::Unit;
use crate::core::clinical::interval::{IntervalRow, IntervalTable};
use crate::core::policy::AgeSpan;
use rust_decimal::Decimal;

/// From 6 months on published tables differ by less than 5 times, and every slip of a unit is 10
/// times or more; below, tables themselves differ by up to 7 times, so only more than 20 times is told.
/// These are the bounds of the unit-slip guard for results.
const MOST: u32 = 5;
const MOST_OF_INFANTS: u32 = 20;
const INFANT: AgeSpan = AgeSpan { months: 6, days: 0 };

/// A limit far from the built-in one.
struct Slip {
    key: &'static str,
    written: Decimal,
    built_in: Decimal,
    most: Decimal,
}

/// Limits far from the built-in ones for the same analyte and ages.
pub(super) fn slips(config: &Config, raw: &Raw) -> Vec<Warning> {
    let built_in = IntervalTable::built_in();
    let mut warnings = Vec::new();
    for (index, row) in config.tables.intervals.iter().enumerate() {
        let same: Vec<&IntervalRow> = built_in
            .rows()
            .filter(|other| other.analyte == row.analyte && share_ages(row, other))
            .collect();
        let slips: Vec<Slip> = [low_slip(row, &same), high_slip(row, &same)]
            .into_iter()
            .flatten()
            .collect();
        warnings.extend(told(row, &slips, raw, index));
    }
    warnings
}

fn share_ages(row: &IntervalRow, other: &IntervalRow) -> bool {
    let below = |from: Option<AgeSpan>, to: Option<AgeSpan>| {
        to.is_none_or(|to| from.map_or(0, length) < length(to))
    };
    below(row.from_age, other.to_age) && below(other.from_age, row.to_age)
}

fn most(built_in: &IntervalRow) -> Decimal {
    let infant = built_in
        .from_age
        .is_none_or(|from| length(from) < length(INFANT));
    Decimal::from(if infant { MOST_OF_INFANTS } else { MOST })
}

/// The low limit may be that of any age that the row holds for.
fn low_slip(row: &IntervalRow, same: &[&IntervalRow]) -> Option<Slip> {
    let written = row.low.filter(|low| !low.is_zero())?;
    let all = same.iter().filter_map(|other| {
        Some(Slip {
            key: "low",
            written,
            built_in: positive(other.low)?,
            most: most(other),
        })
    });
    nearest(row, all)
}

/// The high limit must do for the age that has the highest.
fn high_slip(row: &IntervalRow, same: &[&IntervalRow]) -> Option<Slip> {
    let written = row.high.filter(|high| !high.is_zero())?;
    let highest = same.iter().max_by_key(|other| other.high)?;
    let slip = Slip {
        key: "high",
        written,
        built_in: positive(highest.high)?,
        most: most(highest),
    };
    nearest(row, std::iter::once(slip))
}

/// The nearest of several, if all of them are far.
fn nearest(row: &IntervalRow, slips: impl Iterator<Item = Slip>) -> Option<Slip> {
    let mut nearest: Option<(Decimal, Slip)> = None;
    for slip in slips {
        let times = times(&row.unit, &slip)?;
        if times <= slip.most {
            return None;
        }
        if nearest.as_ref().is_none_or(|(before, _)| times < *before) {
            nearest = Some((times, slip));
        }
    }
    nearest.map(|(_, slip)| slip)
}

fn positive(limit: Option<Decimal>) -> Option<Decimal> {
    limit.filter(|limit| *limit > Decimal::ZERO)
}

/// How many times apart a limit is from the built-in one if it is in `unit`; 1 or more.
fn times(unit: &Unit, slip: &Slip) -> Option<Decimal> {
    let written = unit.to_gram_per_litre(slip.written)?;
    let (less, more) = if written < slip.built_in {
        (written, slip.built_in)
    } else {
        (slip.built_in, written)
    };
    more.checked_div(less)
}

/// The unit in which all of these limits would be near to the built-in ones.
fn fitting_unit(slips: &[&Slip]) -> Option<&'static str> {
    let farthest = |unit: &Unit| {
        slips
            .iter()
            .map(|slip| times(unit, slip).unwrap_or(Decimal::MAX))
            .max()
    };
    UNITS
        .into_iter()
        .filter_map(|name| Some((farthest(&Unit::parse(name))?, name)))
        .min_by_key(|(times, _)| *times)
        .filter(|(times, _)| *times <= Decimal::from(MOST))
        .map(|(_, name)| name)
}

/// What to say of a row's limits that are off: once where one unit suits all of them.
fn told(row: &IntervalRow, slips: &[Slip], raw: &Raw, index: usize) -> Vec<Warning> {
    let together: Vec<&Slip> = slips.iter().collect();
    let limits = [row.low, row.high].into_iter().flatten().count();
    let of_all = fitting_unit(&together).filter(|_| slips.len() == limits);
    if let (Some(unit), [low, high]) = (of_all, slips) {
        let what = format!(
            "`low` = {} and `high` = {} {} of {} are {} the built-in {} and {} g/L at these ages; \
             they would fit in {unit}",
            low.written,
            high.written,
            row.unit.shown(),
            row.analyte.name(),
            relation(row, high),
            low.built_in,
            high.built_in,
        );
        let place = in_row(raw, &INTERVAL, index, "unit");
        return vec![warning(place, what, remedy(unit))];
    }
    slips
        .iter()
        .map(|slip| {
            let (fits, help) = match (of_all, fitting_unit(&[slip])) {
                (Some(unit), _) => (format!("; it would fit in {unit}"), remedy(unit)),
                (None, Some(unit)) => (
                    format!("; it would fit in {unit}"),
                    "write both limits in `unit`, or correct the number".to_owned(),
                ),
                (None, None) => (String::new(), "correct the number or `unit`".to_owned()),
            };
            let what = format!(
                "`{}` = {} {} of {} is {} the built-in {} g/L at these ages{fits}",
                slip.key,
                slip.written,
                row.unit.shown(),
                row.analyte.name(),
                relation(row, slip),
                slip.built_in,
            );
            warning(in_row(raw, &INTERVAL, index, slip.key), what, help)
        })
        .collect()
}

fn remedy(unit: &str) -> String {
    format!("write `unit = \"{unit}\"`, or correct the numbers")
}

/// `100 times`, `1/100 of`.
fn relation(row: &IntervalRow, slip: &Slip) -> String {
    let written = row.unit.to_gram_per_litre(slip.written).unwrap_or_default();
    let times = times(&row.unit, slip).unwrap_or_default().round();
    if written < slip.built_in {
        format!("1/{times} of")
    } else {
        format!("{times} times")
    }
}
