//! What overrides a computed state: unit slips, impossible values, contradicting flags (CLINICAL 6.1,
//! steps 7 and 8, rulings 1 and 18).

use super::observation::{Analyte, Flag};
use super::state::{IntervalSource, Judged, Measured, State, Tables};
use super::{Comparator, Limits, Unit};
use crate::core::policy::AgeSpan;
use rust_decimal::Decimal;

/// Step 8's unit-slip guard (CLINICAL 9.1, 9.18): 0.2 to 5 between the laboratory's high limit and
/// the table's, 0.05 to 20 under 6 months (and where the age cannot be told: it may be an infant).
pub(super) fn unit_suspect(
    judged: &Judged,
    unit: &Unit,
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
        .and_then(|high| unit.to_gram_per_litre(high));
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
/// a division. True also where their scales lie far apart, so that the division decides.
pub(super) fn exceeds(value: Decimal, times: u8, other: Decimal) -> bool {
    let times = i128::from(times);
    if value.scale() == other.scale() {
        return value.mantissa() > other.mantissa() * times;
    }
    let scale = value.scale().max(other.scale());
    // A mantissa has 96 bits: with six zeros more, and so many times, it still fits.
    let whole = |number: Decimal| match scale - number.scale() {
        zeros @ 0..=6 => Some(number.mantissa() * 10_i128.pow(zeros)),
        _ => None,
    };
    match (whole(value), whole(other)) {
        (Some(value), Some(other)) => value > other * times,
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
    negative(reported.from)
        || converted.is_some_and(|value| exceeds(value.to, 100, Decimal::ONE) && value.to > most)
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

#[cfg(test)]
mod tests {
    use super::exceeds;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    proptest! {
        #[test]
        fn what_does_not_exceed_does_not_by_division_either(a in any::<i64>(), b in 1_i64..i64::MAX, x in 0_u32..12, y in 0_u32..12, times in 1_u8..=100) {
            let (value, other) = (Decimal::new(a, x), Decimal::new(b, y));
            let ratio = value.checked_div(other);
            if !exceeds(value, times, other) {
                prop_assert!(ratio.is_none_or(|ratio| ratio <= Decimal::from(times)));
            } else if x.abs_diff(y) <= 6 {
                prop_assert!(ratio.is_none_or(|ratio| ratio >= Decimal::from(times)));
            }
        }
    }

    #[test]
    fn a_whole_number_of_times_does_not_exceed_it() {
        let number = |text: &str| text.parse::<Decimal>().expect("a number");
        for (value, times, other, want) in [
            ("2.3", 1, "2.30", false),
            ("2.31", 1, "2.3", true),
            ("9.2", 4, "2.30", false),
            ("9.200001", 4, "2.3", true),
            ("0", 4, "0.00", false),
            ("-1", 4, "-1", true),
            ("100", 100, "1", false),
            ("0.00000001", 4, "1", true),
            (
                "79228162514264337593543950335",
                100,
                "79228162514264337593543950335",
                false,
            ),
        ] {
            assert_eq!(
                exceeds(number(value), times, number(other)),
                want,
                "{value} {other}"
            );
        }
    }
}
