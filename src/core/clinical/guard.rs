//! What overrides a computed state: unit slips, impossible values, contradicting flags (CLINICAL 6.1,
//! steps 7 and 8, rulings 1 and 18).

use super::decimal::{compare, exceeds};
use super::laboratory::LaboratoryInterval;
use super::observation::{Analyte, Flag};
use super::state::{IntervalSource, Judged, Measured, State, Tables};
use super::{Comparator, Limits};
use crate::core::policy::AgeSpan;
use rust_decimal::Decimal;

/// Step 8's unit-slip guard (CLINICAL 9.1, 9.18): 0.2 to 5 between the laboratory's high limit and
/// the table's, 0.05 to 20 under 6 months (and where the age cannot be told: it may be an infant).
pub(super) fn unit_suspect(
    judged: &Judged,
    interval: Option<&LaboratoryInterval<'_>>,
    tables: &Tables<'_>,
) -> bool {
    if judged.ratio.is_some_and(|ratio| ratio > Decimal::from(50)) {
        return true;
    }
    if judged.interval_source != Some(IntervalSource::Obx7) {
        return false;
    }
    let grown = || tables.age.is_grown();
    let Some(interval) = interval.filter(|it| !(it.undoubted_in_adults && grown())) else {
        return false;
    };
    let known = || tables.guarding().and_then(|row| row.limits.high);
    let Some((sent, known)) = interval.high.and_then(|sent| Some((sent, known()?))) else {
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
    negative(reported.from) || converted.is_some_and(|value| compare(value.to, most).is_gt())
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
    // A laboratory may call its own low limit low; at the high limit `L` is a slip.
    let at_limit = reported.comparator == Comparator::Exactly
        && reported.from == reported.to
        && laboratory.is_some_and(|limits| limits.low == Some(reported.to));
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
