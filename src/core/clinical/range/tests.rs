use super::{RangeReading, read_range};
use crate::core::clinical::observation::ReportedRange;
use crate::core::clinical::words::Words;
use crate::core::clinical::{Limits, Unit};
use proptest::prelude::*;
use rust_decimal::Decimal;

fn read(field: &str, unit: &Unit, decimal: Option<char>) -> RangeReading {
    let repetitions: Vec<Vec<String>> = field
        .split('~')
        .map(|repetition| repetition.split('^').map(str::to_owned).collect())
        .collect();
    read_range(&repetitions, unit, decimal, &Words::built_in())
}

fn limits(limits: Limits) -> String {
    let side = |limit: Option<Decimal>| limit.map_or("none".to_owned(), |limit| limit.to_string());
    format!("{} to {}", side(limits.low), side(limits.high))
}

fn say(reading: &RangeReading) -> String {
    let range = match reading.range {
        ReportedRange::None => "none".to_owned(),
        ReportedRange::Plain(plain) => limits(plain),
        ReportedRange::BySex { male, female } => {
            format!("M {} F {}", limits(male), limits(female))
        }
    };
    match reading.count {
        Some(count) => format!("{range}, {count}"),
        None => range,
    }
}

fn check(unit: &Unit, table: &[(&str, &str)]) {
    for (field, expected) in table {
        assert_eq!(say(&read(field, unit, None)), *expected, "{field:?}");
    }
}

#[test]
fn r1_two_limits() {
    check(
        &Unit::GramPerLitre,
        &[
            ("0.4-2.3", "0.4 to 2.3"),
            ("40 - 230", "40 to 230"),
            ("0.40\u{2013}2.30", "0.40 to 2.30"),
            ("0.40\u{2014}2.30", "0.40 to 2.30"),
            ("0.40\u{2212}2.30", "0.40 to 2.30"),
            ("0.40\u{2010}2.30", "0.40 to 2.30"),
            ("0.40\u{a0}-\u{a0}2.30", "0.40 to 2.30"),
            ("(0.4-2.3)", "0.4 to 2.3"),
            ("[0.4-2.3]", "0.4 to 2.3"),
            ("{0.4 - 2.3}", "0.4 to 2.3"),
            ("([0.4 - 2.3])", "0.4 to 2.3"),
            ("0.4 to 2.3", "0.4 to 2.3"),
            ("0.4 bis 2.3", "0.4 to 2.3"),
            ("0,4 \u{e0} 2,3", "0.4 to 2.3"),
            ("0,4 a\u{300} 2,3", "0.4 to 2.3"),
            ("0.4 a 2.3", "0.4 to 2.3"),
            ("0.4 until 2.3", "0.4 to 2.3"),
            ("from 0.4 to 2.3", "0.4 to 2.3"),
            ("von 0,4 bis 2,3", "0.4 to 2.3"),
            ("0.4..2.3", "0.4 to 2.3"),
            ("0.4...2.3", "0.4 to 2.3"),
            ("0.4\u{2026}2.3", "0.4 to 2.3"),
            ("0.4^2.3", "0.4 to 2.3"),
            ("^0.4^-^2.3", "0.4 to 2.3"),
            ("0.4-2.3^", "0.4 to 2.3"),
            ("0.4-2.3^text^L", "0.4 to 2.3"),
            ("0-0.02", "0 to 0.02"),
            ("\u{ff10}.4-2.3", "0.4 to 2.3"),
            (" 0.4-2.3 ", "0.4 to 2.3"),
        ],
    );
}

#[test]
fn r2_decimal_comma() {
    check(
        &Unit::GramPerLitre,
        &[
            ("0,4-2,3", "0.4 to 2.3"),
            ("0,40 - 2,30", "0.40 to 2.30"),
            ("1,200-2,300", "none, range_unparsed"),
        ],
    );
    let read = |decimal| {
        say(&read(
            "1,200-2,300",
            &Unit::MilligramPerLitre,
            Some(decimal),
        ))
    };
    assert_eq!(read(','), "1.200 to 2.300");
    assert_eq!(read('.'), "1200 to 2300");
}

#[test]
fn r3_units() {
    check(
        &Unit::MilligramPerDecilitre,
        &[
            ("40-230 mg/dL", "40 to 230"),
            ("40-230mg/dl", "40 to 230"),
            ("40 mg/dL - 230 mg/dL", "40 to 230"),
            ("(40-230) mg/dL", "40 to 230"),
            ("[40-230 mg/dL]", "40 to 230"),
            ("40^230^mg/dL", "40 to 230"),
            ("0.4-2.3 g/L", "40 to 230"),
            ("0.40 - 2.30 g/L", "40 to 230"),
            (">0.4 g/L", "40 to none"),
            ("40-230 IU/mL", "none, range_unparsed"),
            ("40 g/L - 230 mg/dL", "none, range_unparsed"),
            ("(40-230 g/L) mg/dL", "none, range_unparsed"),
            ("40-230 units", "none, range_unparsed"),
        ],
    );
    check(&Unit::GramPerLitre, &[("40-230 mg/dL", "0.40 to 2.30")]);
    let iu = Unit::parse("IU/mL");
    check(
        &iu,
        &[
            ("40-230 iu/ml", "40 to 230"),
            ("40-230", "40 to 230"),
            ("40-230 mg/dL", "none, range_unparsed"),
        ],
    );
    check(
        &Unit::Missing,
        &[
            ("0.4-2.3", "0.4 to 2.3"),
            ("0.4-2.3 g/L", "none, range_unparsed"),
        ],
    );
}

#[test]
fn r4_high_limit_only() {
    check(
        &Unit::GramPerLitre,
        &[
            ("<2.0", "none to 2.0"),
            ("< 2.0", "none to 2.0"),
            ("<=2.0", "none to 2.0"),
            ("\u{2264} 2", "none to 2"),
            ("up to 2.0", "none to 2.0"),
            ("bis 2,0", "none to 2.0"),
            ("(<1.0)", "none to 1.0"),
            ("<^2.0", "none to 2.0"),
            ("<2.0 g/L", "none to 2.0"),
            ("less than 2", "none to 2"),
            ("<0", "none, range_unparsed"),
        ],
    );
}

#[test]
fn r5_low_limit_only() {
    check(
        &Unit::GramPerLitre,
        &[
            (">0.4", "0.4 to none"),
            (">=0.4", "0.4 to none"),
            ("\u{2265}0,4", "0.4 to none"),
            ("from 0.4", "0.4 to none"),
            ("ab 0,4", "0.4 to none"),
            (">^0.4", "0.4 to none"),
        ],
    );
}

#[test]
fn r6_one_number_is_no_limit() {
    check(
        &Unit::GramPerLitre,
        &[
            ("2.3", "none, range_single"),
            ("(2.3)", "none, range_single"),
            ("0.4~2.3", "none, range_single"),
        ],
    );
}

#[test]
fn r7_by_sex() {
    check(
        &Unit::GramPerLitre,
        &[
            ("M: 0.4-2.3 F: 0.5-2.4", "M 0.4 to 2.3 F 0.5 to 2.4"),
            ("M:0.4-2.3 F:0.5-2.4", "M 0.4 to 2.3 F 0.5 to 2.4"),
            ("m 0,4-2,3; w 0,5-2,4", "M 0.4 to 2.3 F 0.5 to 2.4"),
            ("Female 0.5-2.4, Male 0.4-2.3", "M 0.4 to 2.3 F 0.5 to 2.4"),
            (
                "M: 0.4-2.3 g/L F: 50-240 mg/dL",
                "M 0.4 to 2.3 F 0.50 to 2.40",
            ),
            ("(M) 0.4-2.3 (F) >0.5", "M 0.4 to 2.3 F 0.5 to none"),
            (
                "Adult male: 0.4-2.3 Adult female: 0.5-2.4",
                "M 0.4 to 2.3 F 0.5 to 2.4",
            ),
            (
                "Männer : 0.4-2.3\nFrauen : 0.5-2.4",
                "M 0.4 to 2.3 F 0.5 to 2.4",
            ),
            ("M: 0.4-2.3", "none, range_unparsed"),
            ("M: 0.4-2.3 F: see below", "none, range_unparsed"),
            ("M: 0.4-2.3 M: 0.5-2.4 F: 0.5-2.4", "none, range_unparsed"),
            ("M/F: 0.4-2.3", "0.4 to 2.3"),
        ],
    );
}

#[test]
fn r8_ages_are_for_the_table() {
    check(
        &Unit::GramPerLitre,
        &[
            ("0-1 y: 0.1-0.7; >18 y: 0.4-2.3", "none"),
            ("0-1y: 0.1-0.7\n>18y: 0.4-2.3", "none"),
            ("Adult: 0.4-2.3 Child: 0.2-1.0", "none"),
            ("0-6 mo: 0.1-0.7", "none"),
            ("Erwachsene: 0,4-2,3 Kinder: 0,2-1,0", "none"),
            ("0.4-2.3; 0-1 y 0.1-0.7", "none"),
        ],
    );
}

#[test]
fn r9_unparsed() {
    for field in [
        "2.3-0.4",
        "0-0",
        "9-9",
        "-",
        "N/A",
        "see below",
        "See Below",
        "negative",
        "70_105",
        "[ ]",
        "...",
        "0.4-",
        "0.4 -",
        "0.4-2.3-4.5",
        "0.4/2.3",
        "*",
        "0.4-2.3 x",
        "Normal",
        "=0.4-2.3",
        "(0.4-2.3)Follikul.. \\ (0.5-2.4)..",
        "1.2.3-4",
        "0.4\u{b2}-2.3",
        "(0.4-2.3",
        "~0.4-2.3x",
    ] {
        // The tilde is no repetition mark here.
        let reading = read_range(
            &[vec![field.to_owned()]],
            &Unit::GramPerLitre,
            None,
            &Words::built_in(),
        );
        assert_eq!(say(&reading), "none, range_unparsed", "{field:?}");
    }
    check(
        &Unit::GramPerLitre,
        &[
            ("", "none"),
            ("\"\"", "none"),
            ("^^", "none"),
            (" ", "none"),
        ],
    );
    let nothing = read_range(&[], &Unit::GramPerLitre, None, &Words::built_in());
    assert_eq!(say(&nothing), "none");
}

#[test]
fn r10_signs() {
    check(
        &Unit::GramPerLitre,
        &[
            ("-0.4-2.3", "none, range_unparsed"),
            ("0.4--2.3", "none, range_unparsed"),
            ("-0.4", "none, range_unparsed"),
            (">-0.4", "none, range_unparsed"),
            ("+0.4-2.3", "none, range_unparsed"),
        ],
    );
}

#[test]
fn r11_several() {
    check(
        &Unit::GramPerLitre,
        &[
            ("0.4-2.3~see below", "0.4 to 2.3"),
            ("see below~0.4-2.3", "0.4 to 2.3"),
            ("0.4-2.3~", "0.4 to 2.3"),
            ("0.4-2.3~0.5-2.4", "none"),
            ("0.4-2.3~0.5-2.4~see below", "none"),
            ("0.4-2.3~0.4-2.3", "0.4 to 2.3"),
            ("0.4-2.3~40-230 mg/dL", "0.4 to 2.3"),
            ("0.4-2.3; 0.5-2.4", "none"),
            ("0.4-2.3; see note", "0.4 to 2.3"),
            ("0.4-2.3~0-1 y: 0.1-0.7", "none"),
            ("x~y z", "none"),
            ("x~z", "none, range_unparsed"),
        ],
    );
}

#[test]
fn r12_the_normal_one() {
    check(
        &Unit::GramPerLitre,
        &[
            ("Normal: 0.4-2.3 Deficient: <0.2", "0.4 to 2.3"),
            ("Deficient: <0.2; Normal: 0.4-2.3", "0.4 to 2.3"),
            ("Deficient: <0.2, Reference range: 0.4-2.3", "0.4 to 2.3"),
            ("Adult: 0.4-2.3", "0.4 to 2.3"),
            ("Deficient: <0.2 Borderline: 0.2-0.4", "none"),
            ("Normal: 0.4-2.3 Normal: 0.5-2.4", "none"),
            ("Deficient: <0.2", "none, range_unparsed"),
        ],
    );
}

proptest! {
    #[test]
    fn any_text_is_a_range_or_none(field in any::<String>()) {
        let _ = read(&field, &Unit::GramPerLitre, None);
    }

    #[test]
    fn near_ranges_are_sound(
        field in "[-–<>=≤≥~^ .,;:0-9tobisMFNormal()\\[\\]gmd/L\n]{0,40}",
        decimal in prop::option::of(prop::sample::select(vec!['.', ','])),
    ) {
        let reading = read(&field, &Unit::MilligramPerDecilitre, decimal);
        let sound = |limits: Limits| match (limits.low, limits.high) {
            (Some(low), Some(high)) => Decimal::ZERO <= low && low < high,
            (None, Some(high)) => high > Decimal::ZERO,
            (Some(low), None) => low >= Decimal::ZERO,
            (None, None) => false,
        };
        let all_sound = match reading.range {
            ReportedRange::None => true,
            ReportedRange::Plain(limits) => sound(limits),
            ReportedRange::BySex { male, female } => sound(male) && sound(female),
        };
        prop_assert!(all_sound);
        prop_assert!(reading.count.is_none() || reading.range == ReportedRange::None);
    }

    #[test]
    fn a_written_range_is_read_back(a in 0_i64..100_000, b in 1_i64..100_000, scale in 0_u32..4, place in 0_usize..5) {
        let (low, high) = (Decimal::new(a, scale), Decimal::new(a + b, scale));
        let separator = ["-", " - ", " to ", "..", "\u{2013}"][place];
        let text = format!("({low}{separator}{high})");
        let expected = ReportedRange::Plain(Limits { low: Some(low), high: Some(high) });
        prop_assert_eq!(read(&text, &Unit::GramPerLitre, None).range, expected);
    }
}
