//! Decimals against each other, as quickly as whole numbers where their digits allow: thousands of such
//! comparisons stand behind every verdict.

use rust_decimal::Decimal;
use std::cmp::Ordering;

/// Powers of ten by which a mantissa of 96 bits, a hundred times over, still fits 127 bits.
const TENS: [i128; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// Both as whole numbers of the smaller unit of the two; `None` where their scales lie too far apart.
fn aligned(a: Decimal, b: Decimal) -> Option<(i128, i128)> {
    let (scale_a, scale_b) = (a.scale(), b.scale());
    let tens = |zeros: u32| {
        usize::try_from(zeros)
            .ok()
            .and_then(|zeros| TENS.get(zeros))
    };
    let (a, b) = (a.mantissa(), b.mantissa());
    match scale_a.cmp(&scale_b) {
        Ordering::Equal => Some((a, b)),
        Ordering::Less => Some((a * tens(scale_b - scale_a)?, b)),
        Ordering::Greater => Some((a, b * tens(scale_a - scale_b)?)),
    }
}

/// As `a.cmp(&b)`.
pub(super) fn compare(a: Decimal, b: Decimal) -> Ordering {
    match aligned(a, b) {
        Some((a, b)) => a.cmp(&b),
        None => a.cmp(&b),
    }
}

/// Whether a value is more than so many times another one, in whole numbers: what spares most results
/// a division. True also where their scales lie far apart, so that the division decides.
pub(super) fn exceeds(value: Decimal, times: u8, other: Decimal) -> bool {
    // At most a hundred times, for which `TENS` leaves room.
    let times = i128::from(times.min(100));
    aligned(value, other).is_none_or(|(value, other)| value > other * times)
}

#[cfg(test)]
mod tests {
    use super::{compare, exceeds};
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    proptest! {
        #[test]
        fn compares_as_decimals_do(a in any::<i64>(), b in any::<i64>(), many in any::<i128>(), x in 0_u32..28, y in 0_u32..28) {
            let large = Decimal::from_i128_with_scale(many >> 32, x);
            for (one, other) in [
                (Decimal::new(a, x), Decimal::new(b, y)),
                (Decimal::new(a % 1000, x % 4), Decimal::new(b % 1000, y % 4)),
                (large, Decimal::new(b, y)),
            ] {
                prop_assert_eq!(compare(one, other), one.cmp(&other));
            }
        }

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
