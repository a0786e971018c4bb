//! The interval that a laboratory sends with a result (OBX-7): made ready once for all the results that
//! repeat it, as those of one person mostly do.

use super::decimal::{compare, exceeds};
use super::observation::{Analyte, Observation, ReportedRange, Sex};
use super::{Limits, Unit};
use crate::core::policy::Policy;
use rust_decimal::Decimal;

/// OBX-7 of a result, for one sex.
pub(super) struct LaboratoryInterval<'a> {
    range: &'a ReportedRange,
    unit: &'a Unit,
    /// The limits in the reported unit; `None` where nothing usable stands there.
    pub(super) limits: Option<Limits>,
    /// The same in g/L, where all of it converts.
    pub(super) in_gram_per_litre: Option<Limits>,
    /// The high limit in g/L.
    pub(super) high: Option<Decimal>,
    /// No row of the tables that can hold for an adult casts a doubt on the unit.
    pub(super) undoubted_in_adults: bool,
}

impl<'a> LaboratoryInterval<'a> {
    /// Makes OBX-7 of a result ready.
    pub(super) fn of(observation: &'a Observation, sex: Option<Sex>, policy: &Policy) -> Self {
        let (range, unit) = (&observation.range, &observation.unit);
        let limits = usable(range, sex);
        let convert = |limit: Option<Decimal>| match limit {
            Some(limit) => unit.to_gram_per_litre(limit).map(Some),
            None => Some(None),
        };
        let high = limits
            .and_then(|limits| limits.high)
            .and_then(|high| unit.to_gram_per_litre(high));
        Self {
            range,
            unit,
            limits,
            in_gram_per_litre: limits.and_then(|limits| {
                Some(Limits {
                    low: convert(limits.low)?,
                    high: convert(limits.high)?,
                })
            }),
            high,
            undoubted_in_adults: high
                .is_none_or(|high| undoubted(high, observation.id.analyte, policy)),
        }
    }

    /// Whether another result of the same analyte was sent with the same interval in the same unit.
    pub(super) fn is_of(&self, observation: &Observation) -> bool {
        same(self.range, &observation.range) && self.unit == &observation.unit
    }
}

/// One sex's limits, or both where the sex is unknown: the lower of the two low limits (CLINICAL 9.7)
/// and the higher of the two high ones.
fn usable(range: &ReportedRange, sex: Option<Sex>) -> Option<Limits> {
    let limits = match (range, sex) {
        (ReportedRange::None, _) => return None,
        (ReportedRange::Plain(limits), _) => *limits,
        (ReportedRange::BySex { male, .. }, Some(Sex::Male)) => *male,
        (ReportedRange::BySex { female, .. }, Some(Sex::Female)) => *female,
        (ReportedRange::BySex { male, female }, None) => Limits {
            low: male.low.zip(female.low).map(|(a, b)| a.min(b)),
            high: male.high.zip(female.high).map(|(a, b)| a.max(b)),
        },
    };
    let usable = match (limits.low, limits.high) {
        (Some(low), Some(high)) => compare(low, high).is_lt(),
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
    };
    usable.then_some(limits)
}

/// Whether no row for adults has a high limit so far from this one that their ratio could be doubted.
fn undoubted(high: Decimal, analyte: Analyte, policy: &Policy) -> bool {
    let adults = policy.intervals.high_limits_of_adults(analyte);
    adults.is_none_or(|(least, most)| !exceeds(high, 4, least) && !exceeds(most, 4, high))
}

/// Whether two ranges are written with the same digits: cheaper than whether they are equal.
fn same(one: &ReportedRange, other: &ReportedRange) -> bool {
    let digits = |limit: Option<Decimal>| limit.map(|limit| limit.serialize());
    match (one, other) {
        (ReportedRange::Plain(one), ReportedRange::Plain(other)) => {
            digits(one.low) == digits(other.low) && digits(one.high) == digits(other.high)
        }
        (one, other) => one == other,
    }
}
