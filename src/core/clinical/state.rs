//! One result becomes a state (CLINICAL 6.1, with rulings 1, 7, 9, 10, 18, 23).

use super::age::{AgeReading, age_at};
use super::decimal::{self, exceeds};
use super::demographics::Demographics;
use super::guard::{disagrees, implausible, unit_suspect};
use super::interval::{Interval, IntervalQuery};
use super::laboratory::LaboratoryInterval;
use super::observation::{
    Analyte, BirthDate, Flag, Observation, ObservedAt, ReportedValue, Sex, Specimen, StatusClass,
};
use super::version::Current;
use super::{Comparator, Limits};
use crate::core::policy::Policy;
use jiff::civil::Date;
use rust_decimal::Decimal;

pub use super::judged::{IntervalSource, Judged, Measured, Note, State, Why};

/// The state of one result that stands (CLINICAL 6.1).
///
/// `birth` and `sex` are the person's; the age is that at collection. Total: whatever stands gives a
/// state or the reason for none.
pub fn state(
    current: &Current<'_>,
    sex: Option<Sex>,
    birth: Option<&BirthDate>,
    policy: &Policy,
) -> Judged {
    Judge::new(sex, birth.copied(), policy).state(current)
}

/// Judges the results of one person. It remembers what the next result mostly shares with the one
/// before: the day of collection, and the laboratory's interval for the analyte.
pub struct Judge<'a> {
    policy: &'a Policy,
    sex: Option<Sex>,
    birth: Option<BirthDate>,
    aged: Option<(Date, AgeReading)>,
    intervals: [Option<LaboratoryInterval<'a>>; Analyte::COUNT],
}

impl<'a> Judge<'a> {
    /// For a person of this sex and birth date.
    pub fn new(sex: Option<Sex>, birth: Option<BirthDate>, policy: &'a Policy) -> Self {
        Self {
            policy,
            sex,
            birth,
            aged: None,
            intervals: Default::default(),
        }
    }

    /// For a person.
    pub fn of(person: &Demographics, policy: &'a Policy) -> Self {
        let sex = person.sex.as_ref().map(|sex| *sex.expose());
        let birth = person.birth.as_ref().map(|birth| *birth.expose());
        Self::new(sex, birth, policy)
    }

    /// As [`state`].
    pub fn state(&mut self, current: &Current<'a>) -> Judged {
        let mut judged = self.judge(current);
        let observation = current.observation;
        if observation.status.assumed {
            judged.notes.push(Note::StatusAssumed);
        }
        if current.promoted {
            judged.notes.push(Note::Promoted);
        }
        if observation.observed.as_ref().is_some_and(|at| at.clamped) {
            judged.notes.push(Note::ClockFuture);
        }
        judged
    }

    /// The age on the day of a collection.
    pub fn age_on(&mut self, date: Date) -> AgeReading {
        match self.aged {
            Some((on, age)) if on == date => age,
            Some(_) | None => {
                let age = age_at(self.birth.as_ref(), date);
                self.aged = Some((date, age));
                age
            }
        }
    }

    fn judge(&mut self, current: &Current<'a>) -> Judged {
        let observation = current.observation;
        if observation.id.specimen == Specimen::Cord {
            return shown_only(observation, Why::Cord);
        }
        if current.class != StatusClass::Final && !self.policy.detection.page_preliminary {
            return shown_only(observation, Why::Preliminary);
        }
        let Some(observed) = &observation.observed else {
            return shown_only(observation, Why::NoTime);
        };
        let age = self.age_on(observed.date);
        if matches!(age, AgeReading::Invalid) {
            return shown_only(observation, Why::AgeInvalid);
        }
        match measure(observation.value.expose()) {
            Ok(reported) => {
                let tables = Tables {
                    observation,
                    observed,
                    sex: self.sex,
                    age,
                    policy: self.policy,
                };
                against(observation, reported, self.interval(observation), &tables)
            }
            Err(None) => Judged {
                state: State::Low,
                interval_source: Some(IntervalSource::Flag),
                low_by_flag: true,
                ..Judged::unknown(Why::NoValue)
            },
            Err(Some(why)) => Judged::unknown(why),
        }
    }

    fn interval(&mut self, observation: &'a Observation) -> Option<&LaboratoryInterval<'a>> {
        let (sex, policy) = (self.sex, self.policy);
        let kept = self.intervals.get_mut(observation.id.analyte.place())?;
        if !kept.as_ref().is_some_and(|kept| kept.is_of(observation)) {
            *kept = Some(LaboratoryInterval::of(observation, sex, policy));
        }
        kept.as_ref()
    }
}

/// The number of a value; `Err(None)` is the value below the instrument's scale (6.1.3).
fn measure(value: &ReportedValue) -> Result<Measured, Option<Why>> {
    match value {
        ReportedValue::Amount(amount) => Ok(Measured {
            comparator: amount.comparator,
            from: amount.value,
            to: amount.value,
        }),
        ReportedValue::Range(a, b) => Ok(Measured {
            comparator: Comparator::Exactly,
            from: *a.min(b),
            to: *a.max(b),
        }),
        ReportedValue::BelowScale => Err(None),
        ReportedValue::Absent => Err(Some(Why::NoValue)),
        ReportedValue::Undetectable => Err(Some(Why::Undetectable)),
        ReportedValue::Unreadable(reason) => Err(Some(Why::NonNumeric(*reason))),
    }
}

/// An unjudged result, with its number for showing.
fn shown_only(observation: &Observation, why: Why) -> Judged {
    let Ok(reported) = measure(observation.value.expose()) else {
        return Judged::unknown(why);
    };
    let converted = in_gram_per_litre(observation, reported);
    Judged {
        measured: Some(converted.unwrap_or(reported)),
        in_gram_per_litre: converted.is_some(),
        ..Judged::unknown(why)
    }
}

fn in_gram_per_litre(observation: &Observation, measured: Measured) -> Option<Measured> {
    let from = observation.unit.to_gram_per_litre(measured.from)?;
    Some(Measured {
        comparator: measured.comparator,
        from,
        to: if measured.is_point() {
            from
        } else {
            observation.unit.to_gram_per_litre(measured.to)?
        },
    })
}

/// The tables, asked about one result.
pub(super) struct Tables<'q> {
    observation: &'q Observation,
    observed: &'q ObservedAt,
    sex: Option<Sex>,
    /// At collection.
    pub(super) age: AgeReading,
    policy: &'q Policy,
}

impl<'q> Tables<'q> {
    /// The row that may judge.
    fn judging(&self) -> Option<Interval<'q>> {
        self.find(self.policy.detection.use_builtin_intervals)
    }

    /// The row that the guards look at.
    pub(super) fn guarding(&self) -> Option<Interval<'q>> {
        self.find(true)
    }

    fn find(&self, built_in: bool) -> Option<Interval<'q>> {
        let shown = &self.observation.shown;
        self.policy.intervals.find(&IntervalQuery {
            analyte: self.observation.id.analyte,
            age: self.age,
            sex: self.sex,
            feed: &shown.feed,
            laboratory: &shown.laboratory,
            method: &shown.method,
            on: self.observed.date,
            built_in,
        })
    }
}

/// Steps 4 to 8 for a number.
fn against(
    observation: &Observation,
    reported: Measured,
    interval: Option<&LaboratoryInterval<'_>>,
    tables: &Tables<'_>,
) -> Judged {
    let converted = in_gram_per_litre(observation, reported);
    let laboratory = interval.and_then(|interval| interval.limits);
    let mut judged = Judged {
        measured: Some(converted.unwrap_or(reported)),
        in_gram_per_litre: converted.is_some(),
        ..Judged::unknown(Why::NoInterval)
    };
    // What the state is computed from, in one unit.
    let compared = if let Some(limits) = laboratory {
        judged.interval_source = Some(IntervalSource::Obx7);
        judged.state = compare(reported, limits);
        let limits_converted = interval.and_then(|interval| interval.in_gram_per_litre);
        show_limits(&mut judged, reported, limits, limits_converted);
        Some((reported, limits))
    } else if let Some(flag) = observation.flag {
        judged.interval_source = Some(IntervalSource::Flag);
        judged.state = match flag {
            Flag::Low | Flag::VeryLow => State::Low,
            Flag::High | Flag::VeryHigh => State::High,
            Flag::Normal => State::Normal,
        };
        judged.low_by_flag = judged.state == State::Low;
        let table_limits = tables.judging().map(|row| row.limits);
        judged.limits = converted.and(table_limits).unwrap_or_default();
        converted.zip(table_limits)
    } else if let Some(row) = tables.judging() {
        judged.interval_source = Some(if row.built_in {
            IntervalSource::BuiltIn
        } else {
            IntervalSource::Site
        });
        let Some(converted) = converted else {
            judged.state = State::Unknown(Why::Unit);
            return judged;
        };
        judged.limits = row.limits;
        judged.state = compare(converted, row.limits);
        judged.notes.extend(row.age_noted.map(Note::Age));
        Some((converted, row.limits))
    } else {
        None
    };
    judged.ratio = compared.and_then(|(measured, limits)| {
        let low = limits
            .low
            .filter(|low| low.is_sign_positive() && !low.is_zero())?;
        let asked = judged.state == State::Low || exceeds(measured.to, 49, low);
        asked.then(|| measured.to.checked_div(low)).flatten()
    });
    if unit_suspect(&judged, interval, tables) {
        judged.state = State::Unknown(Why::UnitSuspect);
    } else if implausible(observation.id.analyte, reported, converted) {
        judged.state = State::Unknown(Why::Implausible);
    } else if judged.interval_source == Some(IntervalSource::Obx7)
        && disagrees(&judged, reported, observation.flag, laboratory)
    {
        judged.state = State::Unknown(Why::FlagIntervalDisagreement);
    }
    judged.low_by_flag &= judged.state == State::Low;
    if reported.to.is_zero() && reported.comparator == Comparator::Exactly {
        judged.notes.push(Note::ReportedAsZero);
    }
    judged
}

/// Puts the laboratory's limits beside the value, in g/L where all of it converts.
fn show_limits(judged: &mut Judged, reported: Measured, limits: Limits, converted: Option<Limits>) {
    if let Some(converted) = converted.filter(|_| judged.in_gram_per_litre) {
        judged.limits = converted;
    } else {
        judged.limits = limits;
        judged.measured = Some(reported);
        judged.in_gram_per_litre = false;
    }
}

/// The table of step 6; equality with a limit is Normal (CLINICAL 9.9).
fn compare(value: Measured, limits: Limits) -> State {
    let below = |x: Decimal| {
        limits
            .low
            .is_some_and(|low| decimal::compare(x, low).is_lt())
    };
    let above = |x: Decimal| {
        limits
            .high
            .is_some_and(|high| decimal::compare(x, high).is_gt())
    };
    let Measured {
        comparator,
        from,
        to,
    } = value;
    let unsure = State::Unknown(Why::Comparator);
    let state = match comparator {
        Comparator::Exactly | Comparator::About => {
            if below(to) {
                State::Low
            } else if above(from) {
                State::High
            } else if value.is_point() {
                State::Normal
            } else if below(from) {
                unsure
            } else if above(to) {
                State::NotLow
            } else {
                State::Normal
            }
        }
        Comparator::Below
            if limits
                .low
                .is_some_and(|low| decimal::compare(to, low).is_le()) =>
        {
            State::Low
        }
        Comparator::AtMost if below(to) => State::Low,
        Comparator::Below | Comparator::AtMost => unsure,
        Comparator::Above
            if limits
                .high
                .is_some_and(|high| decimal::compare(from, high).is_ge()) =>
        {
            State::High
        }
        Comparator::AtLeast if above(from) => State::High,
        Comparator::Above | Comparator::AtLeast => {
            if below(from) {
                unsure
            } else {
                State::NotLow
            }
        }
    };
    if limits.low.is_none() && state != State::High {
        State::Unknown(Why::NoLowLimit)
    } else {
        state
    }
}

#[cfg(test)]
mod tests;
