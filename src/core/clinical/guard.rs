//! What overrides a computed state: unit slips, impossible values, contradicting flags (CLINICAL 6.1,
//! steps 7 and 8, rulings 1 and 18).

use super::observation::{Analyte, Flag, Observation};
use super::state::{IntervalSource, Judged, Measured, State, Tables};
use super::{Comparator, Limits};
use crate::core::policy::AgeSpan;
use rust_decimal::Decimal;

/// Step 8's unit-slip guard (CLINICAL 9.1, 9.18): 0.2 to 5 between the laboratory's high limit and
/// the table's, 0.05 to 20 under 6 months (and where the age cannot be told: it may be an infant).
pub(super) fn unit_suspect(
    judged: &Judged,
    observation: &Observation,
    laboratory: Option<Limits>,
    tables: &Tables<'_>,
) -> bool {
    if judged.ratio.is_some_and(|ratio| ratio > Decimal::from(50)) {
        return true;
    }
    if judged.interval_source != Some(IntervalSource::Obx7) {
        return false;
    }
    let sent = laboratory
        .and_then(|limits| limits.high)
        .and_then(|high| observation.unit.to_gram_per_litre(high));
    let known = || tables.guarding().and_then(|row| row.limits.high);
    let Some((sent, known)) = sent.and_then(|sent| Some((sent, known()?))) else {
        return false;
    };
    if !exceeds(sent, 4, known) && !exceeds(known, 4, sent) {
        // No ratio that is doubted at any age.
        return false;
    }
    let Some(ratio) = sent.checked_div(known) else {
        return false;
    };
    let half_a_year = AgeSpan { months: 6, days: 0 };
    let (least, most) = if tables.age.is_below(half_a_year) == Some(false) {
        (Decimal::new(2, 1), Decimal::from(5))
    } else {
        (Decimal::new(5, 2), Decimal::from(20))
    };
    ratio < least || ratio > most
}

/// Whether a value is more than so many times another one, in whole numbers: what spares most results
/// a division. True also where the numbers are too long for it, so that the division decides.
pub(super) fn exceeds(value: Decimal, times: i128, other: Decimal) -> bool {
    let scale = value.scale().max(other.scale());
    let whole = |number: Decimal| {
        let zeros = scale.checked_sub(number.scale())?;
        number.mantissa().checked_mul(10_i128.checked_pow(zeros)?)
    };
    match (whole(value), whole(other)) {
        (Some(value), Some(other)) => other.checked_mul(times).is_none_or(|bound| value > bound),
        (_, _) => true,
    }
}

/// Step 8's absolute bounds.
pub(super) fn implausible(
    analyte: Analyte,
    reported: Measured,
    converted: Option<Measured>,
) -> bool {
    let most = match analyte {
        Analyte::IgM | Analyte::IgA => Decimal::ONE_HUNDRED,
        Analyte::IgG | Analyte::IgG1 | Analyte::IgG2 | Analyte::IgG3 | Analyte::IgG4 => {
            Decimal::from(150)
        }
    };
    let negative = |value: Decimal| value.is_sign_negative() && !value.is_zero();
    negative(reported.from) || converted.is_some_and(|value| value.to > most)
}

/// Step 7: the flag says otherwise than value and OBX-7.
pub(super) fn disagrees(
    judged: &Judged,
    reported: Measured,
    flag: Option<Flag>,
    laboratory: Option<Limits>,
) -> bool {
    let Some(flag) = flag else {
        return false;
    };
    let at_limit = reported.comparator == Comparator::Exactly
        && reported.from == reported.to
        && laboratory.is_some_and(|limits| {
            limits.low == Some(reported.to) || limits.high == Some(reported.to)
        });
    match (flag, judged.state) {
        (Flag::Low | Flag::Normal, _) if at_limit => false,
        (Flag::Low | Flag::VeryLow, State::Normal | State::High | State::NotLow) => {
            !matches!(reported.comparator, Comparator::Below | Comparator::AtMost)
        }
        (Flag::Normal | Flag::High | Flag::VeryHigh, State::Low) => true,
        (
            Flag::Low | Flag::VeryLow | Flag::Normal | Flag::High | Flag::VeryHigh,
            State::Low | State::Normal | State::High | State::NotLow | State::Unknown(_),
        ) => false,
    }
}
