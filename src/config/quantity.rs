//! Quantities as people write them: `30s`, `16 MiB`, `6 mo`, `0.07 g/L`; and back.

use crate::core::policy::AgeSpan;
use rust_decimal::Decimal;
use std::time::Duration;

/// `30s`, `250 ms`, `1h 30m`, `30d`; `0` is zero.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "0" {
        return Some(Duration::ZERO);
    }
    humantime::parse_duration(text).ok()
}

/// `16 MiB`, `64KiB`, `1 GB`, or bytes; `0` is zero.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let exact = text.parse::<bytesize::ByteSize>().ok()?.as_u64();
    (exact < u64::MAX).then_some(exact)
}

/// `6mo`, `4 y`, `12 d`, `2 wk`, `1 y 6 mo`; `0` is birth. Years and months are those of the calendar.
pub(super) fn age(text: &str) -> Option<AgeSpan> {
    let mut rest = text.trim();
    let mut age = AgeSpan { months: 0, days: 0 };
    if rest == "0" {
        return Some(age);
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let number: u32 = number.parse().ok()?;
        let tail = tail.trim_start();
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at(letters);
        let (months, days) = match unit {
            "y" | "yr" | "yrs" | "year" | "years" => (number.checked_mul(12)?, 0),
            "mo" | "month" | "months" => (number, 0),
            "w" | "wk" | "wks" | "week" | "weeks" => (0, number.checked_mul(7)?),
            "d" | "day" | "days" => (0, number),
            _ => return None,
        };
        age.months = age.months.checked_add(months)?;
        age.days = age.days.checked_add(days)?;
        rest = after.trim_start();
    }
    Some(age)
}

/// `0.07 g/L`, `7 mg/dL`, `70 mg/L`, as g/L (CLINICAL 4.1).
pub(super) fn grams_per_litre(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = text.split_at(unit_at);
    let number: Decimal = number.parse().ok()?;
    let factor = match unit.trim() {
        "g/L" | "g/l" => Decimal::ONE,
        "mg/dL" | "mg/dl" => Decimal::new(1, 2),
        "mg/L" | "mg/l" => Decimal::new(1, 3),
        "g/dL" | "g/dl" => Decimal::TEN,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The mean length of an age in ten-thousandths of a day: a month is 30.4375 days. To put ages in order;
/// whether somebody has reached one, the calendar says.
pub(super) fn length(age: AgeSpan) -> u64 {
    u64::from(age.months) * 304_375 + u64::from(age.days) * 10_000
}

/// A duration in its largest whole unit, as [`duration`] reads it.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ]
    .into_iter()
    .find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit))
    .map_or_else(
        || match millis {
            0 => "0".to_owned(),
            _ => format!("{millis}ms"),
        },
        |(unit, name)| format!("{}{name}", millis / unit),
    )
}

/// A size in its largest whole unit, as [`size`] reads it.
pub(super) fn show_size(size: u64) -> String {
    [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ]
    .into_iter()
    .find(|(unit, _)| size >= *unit && size.is_multiple_of(*unit))
    .map_or_else(
        || match size {
            0 => "0".to_owned(),
            _ => format!("{size} B"),
        },
        |(unit, name)| format!("{} {name}", size / unit),
    )
}

/// An age as [`age`] reads it.
pub(super) fn show_age(age: AgeSpan) -> String {
    let AgeSpan { months, days } = age;
    let months_part = match months {
        0 => String::new(),
        _ if months % 12 == 0 => format!("{}y", months / 12),
        _ => format!("{months}mo"),
    };
    match (months, days) {
        (0, 0) => "0".to_owned(),
        (_, 0) => months_part,
        (0, _) => format!("{days}d"),
        _ => format!("{months_part} {days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_as_people_write_them() {
        let seconds = Duration::from_secs;
        assert_eq!(duration("30s"), Some(seconds(30)));
        assert_eq!(duration("30 s"), Some(seconds(30)));
        assert_eq!(duration("1h 30m"), Some(seconds(5400)));
        assert_eq!(duration("30d"), Some(seconds(30 * 86_400)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        for wrong in ["", "soon", "30", "-1s", "s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!(size("16 MiB"), Some(16 << 20));
        assert_eq!(size("64KiB"), Some(64 << 10));
        assert_eq!(size("1 GB"), Some(1_000_000_000));
        assert_eq!(size("0"), Some(0));
        for wrong in ["", "big", "-1", "1 parsec", "99999999999999 TiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ages_as_people_write_them() {
        let age_of = |months, days| Some(AgeSpan { months, days });
        assert_eq!(age("6mo"), age_of(6, 0));
        assert_eq!(age("18 y"), age_of(216, 0));
        assert_eq!(age("2 wk"), age_of(0, 14));
        assert_eq!(age("1 y 6 mo 3 d"), age_of(18, 3));
        assert_eq!(age("0"), age_of(0, 0));
        for wrong in ["", "6", "mo", "6 m", "six months", "99999999999 y"] {
            assert_eq!(age(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ages_are_in_order_whatever_their_unit() {
        let ordered = ["0", "14d", "4wk", "1mo", "42d", "6mo", "52wk", "1y", "13mo"];
        let lengths = ordered.map(|text| length(age(text).expect("an age")));
        assert!(lengths.is_sorted(), "{lengths:?}");
        assert_eq!(age("12mo").map(length), age("1y").map(length));
    }

    #[test]
    fn amounts_need_a_unit_and_become_grams_per_litre() {
        assert_eq!(grams_per_litre("0.07 g/L"), Some(Decimal::new(7, 2)));
        assert_eq!(grams_per_litre("20 mg/dL"), Some(Decimal::new(2, 1)));
        assert_eq!(grams_per_litre("70mg/L"), Some(Decimal::new(7, 2)));
        for wrong in ["0.07", "", "g/L", "0,07 g/L", "1 IU/mL", "-1 g/L"] {
            assert_eq!(grams_per_litre(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_shown_reads_back_as_the_same(millis in 0u64..4_000_000_000, bytes in 0u64..(1 << 50), months in 0u32..2000, days in 0u32..400) {
            let millis = Duration::from_millis(millis);
            prop_assert_eq!(duration(&show_duration(millis)), Some(millis));
            prop_assert_eq!(size(&show_size(bytes)), Some(bytes));
            let span = AgeSpan { months, days };
            prop_assert_eq!(age(&show_age(span)), Some(span));
        }
    }
}
