use super::{ValueKind, ValueReading, ValueText, is_plausible, read_value};
use crate::core::clinical::observation::{Flag, ReportedValue};
use crate::core::clinical::words::Words;
use crate::core::clinical::{Amount, Comparator, Unit};
use crate::core::fact::Reason;
use proptest::prelude::*;
use rust_decimal::Decimal;

/// Repetitions are parted by `§` here, as `~` is a comparator too.
fn read_as(kind: ValueKind, field: &str, decimal: Option<char>, flag_below: bool) -> ValueReading {
    let repetitions: Vec<Vec<String>> = field
        .split('\u{a7}')
        .map(|repetition| repetition.split('^').map(str::to_owned).collect())
        .collect();
    let text = ValueText {
        kind,
        repetitions: &repetitions,
        decimal,
        flag_below,
    };
    read_value(&text, &Words::built_in())
}

/// An own rendering, so that one line of a table says it all.
fn say(reading: &ValueReading) -> String {
    let mut text = match &reading.value {
        ReportedValue::Amount(amount) => format!("{}{}", amount.comparator.symbol(), amount.value),
        ReportedValue::Range(low, high) => format!("{low}..{high}"),
        ReportedValue::BelowScale => "below scale".to_owned(),
        ReportedValue::Absent => "absent".to_owned(),
        ReportedValue::Undetectable => "undetectable".to_owned(),
        ReportedValue::Unreadable(reason) => format!("refused {}", reason.word()),
    };
    if let Some(unit) = &reading.unit {
        text = format!("{text} {}", unit.shown());
    }
    if let Some(flag) = reading.flag {
        text = format!("{text} {flag:?}");
    }
    let refused = matches!(reading.value, ReportedValue::Unreadable(_));
    assert_eq!(reading.refusal.is_some(), refused);
    text
}

fn check(kind: ValueKind, table: &[(&str, &str)]) {
    for (field, expected) in table {
        let reading = read_as(kind, field, None, false);
        assert_eq!(say(&reading), *expected, "{kind:?} {field:?}");
    }
}

#[test]
fn v1_numbers() {
    check(
        ValueKind::Nm,
        &[
            ("0.21", "0.21"),
            (" 0.21 ", "0.21"),
            (".21", "0.21"),
            ("21.", "21"),
            ("+0.21", "0.21"),
            ("2.1e-1", "0.21"),
            ("0,21", "0.21"),
            ("0", "0"),
            ("0.00", "0.00"),
            ("<0.2", "<0.2"),
            ("85^^Hexokinase^false", "85"),
            ("0.21^^^", "0.21"),
            ("0.21^0.4", "refused text_value"),
            ("None", "refused text_value"),
        ],
    );
}

#[test]
fn v2_structured_numbers() {
    let table = [
        ("<^0.2", "<0.2"),
        ("<=^0.2", "<=0.2"),
        (">^4.5", ">4.5"),
        (">=^4.5", ">=4.5"),
        ("=^0.21", "0.21"),
        ("^0.21", "0.21"),
        ("<^0,17", "<0.17"),
        ("^0.2^-^0.4", "0.2..0.4"),
        ("^0.2^-^0.3", "0.2..0.3"),
        ("^1^:^128", "absent"),
        ("^1^/^128", "absent"),
        ("^2^+", "absent"),
        ("^1,200", "refused ambiguous_number"),
        ("^-0.2", "refused implausible"),
    ];
    check(ValueKind::Sn, &table);
    // Clear components are read so whatever OBX-2 says.
    check(ValueKind::Text, &table);
    check(ValueKind::Nm, &table);
    check(
        ValueKind::Sn,
        &[
            ("<>^0.2", "refused text_value"),
            ("&lt;^0.2", "refused text_value"),
            ("<^0.2^-^0.4", "refused text_value"),
            ("^0.4^-^0.2", "refused text_value"),
            ("^0.4^-", "refused text_value"),
            ("^0.4^.^2", "refused text_value"),
            ("^0.4^^2", "refused text_value"),
            ("^QNS", "absent"),
            ("^abc", "refused text_value"),
            ("<", "refused text_value"),
            ("<0.2", "<0.2"),
            ("0.21", "0.21"),
            ("^^^", "absent"),
        ],
    );
}

#[test]
fn v3_texts() {
    check(
        ValueKind::Text,
        &[
            ("0.21", "0.21"),
            ("<0.17", "<0.17"),
            ("< 0.17", "<0.17"),
            ("&lt;0.17", "<0.17"),
            ("lt 0.17", "<0.17"),
            ("LT0.17", "<0.17"),
            ("less than 0.2", "<0.2"),
            ("below 0.2", "<0.2"),
            ("under 0.2", "<0.2"),
            ("kleiner 0,2", "<0.2"),
            ("inf. 0,2", "<0.2"),
            ("\u{2264}0.2", "<=0.2"),
            ("<= 0.2", "<=0.2"),
            ("=<0.2", "<=0.2"),
            (">4.5", ">4.5"),
            ("more than 4.5", ">4.5"),
            ("\u{2265}4.5", ">=4.5"),
            ("=>4.5", ">=4.5"),
            ("= 0.21", "0.21"),
            ("~0.2", "~0.2"),
            ("0.3 L", "0.3 Low"),
            ("0.3L", "0.3 Low"),
            ("0.21*", "0.21"),
            ("0.21 (L)", "0.21 Low"),
            ("0.21 [LL]", "0.21 VeryLow"),
            ("0.21(L)", "0.21 Low"),
            ("3 H", "3 High"),
            ("3 HH", "3 VeryHigh"),
            ("1.2 N", "1.2 Normal"),
            ("0.21 -", "0.21"),
            ("3.5 +", "3.5"),
            ("0.21 !", "0.21"),
            ("L 0.21", "0.21 Low"),
            ("* 0.21", "0.21"),
            ("*0.21", "0.21"),
            ("(L) <0.2", "<0.2 Low"),
            ("0.21 g/L", "0.21 g/L"),
            ("0.21g/L", "0.21 g/L"),
            ("<0.2 g/L", "<0.2 g/L"),
            ("0.21 g/L L", "0.21 g/L Low"),
            ("21 mg/dL (L)", "21 mg/dL Low"),
            ("21 mg/100 mL", "21 mg/dL"),
            ("21 mg/dL L *", "21 mg/dL Low"),
            ("0.21 g/L*", "0.21 g/L"),
            ("12 IU/mL", "12 IU/mL"),
            ("12 IU/mL L", "12 IU/mL Low"),
            ("0.21 g / L", "0.21 g/L"),
            ("5%", "5 %"),
            ("1 210 mg/L", "1210 mg/L"),
            // What is left over makes all of it no value.
            ("0.21 approx", "refused text_value"),
            ("IgM 0.21", "refused text_value"),
            ("0.21-0.4", "refused text_value"),
            ("0.2 - 0.4", "refused text_value"),
            ("0.21 g/L see note", "refused text_value"),
            ("0.21 see note", "refused text_value"),
            ("0.21 0.22", "refused text_value"),
            ("1:128", "refused text_value"),
            ("2+", "refused text_value"),
            ("++", "refused text_value"),
            ("low", "refused text_value"),
            ("negative", "refused text_value"),
            ("<", "refused text_value"),
            ("< L", "refused text_value"),
            ("0.21 L L L L L", "refused text_value"),
            ("12.03.2026", "refused text_value"),
            ("<<0.2", "refused text_value"),
        ],
    );
}

#[test]
fn v4_commas_and_grouping() {
    check(
        ValueKind::Nm,
        &[
            ("0,21", "0.21"),
            ("0,210", "0.210"),
            ("12,1", "12.1"),
            ("1,200", "refused ambiguous_number"),
            ("1,210", "refused ambiguous_number"),
            ("1,210.5", "1210.5"),
            ("1.210,5", "1210.5"),
            ("1,21.5", "refused ambiguous_number"),
            ("1'210", "1210"),
        ],
    );
    for (decimal, value) in [(',', "1.200"), ('.', "1200")] {
        let reading = read_as(ValueKind::Nm, "1,200", Some(decimal), false);
        assert_eq!(say(&reading), value);
    }
}

#[test]
fn v5_coded_values() {
    check(
        ValueKind::Coded,
        &[
            ("1.93", "1.93"),
            ("^0.21 g/L", "0.21 g/L"),
            ("A12^<0.2^L", "<0.2"),
            ("0.21^0.21", "0.21"),
            ("1^0.21", "refused repeated_value"),
            ("1^0.21^L", "0.21"),
            ("260385009^Negative^SCT", "absent"),
            ("10828004^^SCT", "absent"),
            ("NEG", "absent"),
            ("LOW^Low^L", "absent"),
            ("^^99ROC", "absent"),
            ("ND^not detected^L", "undetectable"),
            ("^0.21 approx", "refused text_value"),
        ],
    );
}

#[test]
fn v6_no_result() {
    let words = [
        "",
        " ",
        ".",
        " . ",
        "-",
        "---",
        "****",
        "\"\"",
        "see note",
        "see comment",
        "SEE NOTE",
        "QNS",
        "ND",
        "N/A",
        "insufficient",
        "hemolyzed",
        "HEMOLYSED",
        "lipaemic",
        "pending",
        "PENDING",
        "cancelled",
        "CANCELLED",
        "!!Storno",
        "TNP",
        "NA",
    ];
    for kind in [
        ValueKind::Nm,
        ValueKind::Sn,
        ValueKind::Text,
        ValueKind::Coded,
    ] {
        for text in words {
            assert_eq!(
                say(&read_as(kind, text, None, false)),
                "absent",
                "{kind:?} {text}"
            );
        }
    }
}

#[test]
fn undetectable_is_highlighted_and_no_value() {
    for text in [
        "undetectable",
        "not detected",
        "below detection",
        "nachweisbar nicht",
        "absent",
    ] {
        for kind in [ValueKind::Nm, ValueKind::Text, ValueKind::Coded] {
            assert_eq!(
                say(&read_as(kind, text, None, true)),
                "undetectable",
                "{text}"
            );
        }
    }
}

#[test]
fn below_the_scale_needs_an_empty_value() {
    for (field, value) in [
        ("", "below scale"),
        ("^^", "below scale"),
        ("§", "below scale"),
        ("\"\"", "absent"),
        ("****", "absent"),
        ("0.3", "0.3"),
    ] {
        assert_eq!(
            say(&read_as(ValueKind::Nm, field, None, true)),
            value,
            "{field}"
        );
    }
    let none = ValueText {
        kind: ValueKind::Nm,
        repetitions: &[],
        decimal: None,
        flag_below: false,
    };
    assert_eq!(
        read_value(&none, &Words::built_in()).value,
        ReportedValue::Absent
    );
}

#[test]
fn v8_implausible() {
    check(
        ValueKind::Nm,
        &[
            ("-0.21", "refused implausible"),
            ("-0.0", "0.0"),
            ("1000001 g/L", "refused implausible"),
            ("1000000 g/L", "1000000 g/L"),
            ("11000000 ng/mL", "11000000 ug/L"),
            ("1e13", "refused implausible"),
            ("1e50", "refused implausible"),
            ("^-0.2^-^0.3", "refused implausible"),
        ],
    );
    // Without a unit of its own the text cannot tell; with OBX-6 known it can.
    let reading = read_as(ValueKind::Nm, "1000001", None, false);
    assert!(!is_plausible(&reading.value, &Unit::GramPerLitre));
    assert!(!is_plausible(&reading.value, &Unit::Missing));
    assert!(is_plausible(&reading.value, &Unit::MicrogramPerLitre));
}

#[test]
fn repetitions_are_one_number_or_none() {
    check(
        ValueKind::Nm,
        &[
            ("0.21§0.21", "0.21"),
            ("0.21§0.210", "0.21"),
            ("0.21§", "0.21"),
            ("§0.21", "0.21"),
            ("0.21§see note", "0.21"),
            ("60§120", "refused repeated_value"),
            ("0.21§<0.21", "refused repeated_value"),
            ("0.21§1,200", "refused repeated_value"),
            ("0.21 g/L§0.21 mg/dL", "refused repeated_value"),
            ("0.21§0.21 g/L L", "0.21 g/L Low"),
            ("QNS§pending", "absent"),
            ("undetectable§see method X", "undetectable"),
            ("see note§something", "refused text_value"),
        ],
    );
}

#[test]
fn a_value_shows_nothing_of_itself() {
    let reading = read_as(ValueKind::Nm, "0.217", None, false);
    assert!(!format!("{reading:?}").contains("217"));
}

fn any_kind() -> impl Strategy<Value = ValueKind> {
    prop::sample::select(vec![
        ValueKind::Nm,
        ValueKind::Sn,
        ValueKind::Text,
        ValueKind::Coded,
    ])
}

proptest! {
    #[test]
    fn any_text_gives_a_value_or_a_reason(kind in any_kind(), field in any::<String>(), below in any::<bool>()) {
        let _ = say(&read_as(kind, &field, None, below));
    }

    #[test]
    fn near_values_give_a_value_or_a_reason(
        kind in any_kind(),
        field in "[-<>=≤~^ .,0-9eLHN*+!()gm/d:\"µ]{0,24}",
        decimal in prop::option::of(prop::sample::select(vec!['.', ','])),
    ) {
        let reading = read_as(kind, &field, decimal, false);
        if let ReportedValue::Amount(amount) = &reading.value {
            prop_assert!(amount.value >= Decimal::ZERO);
        }
        let _ = say(&reading);
    }

    #[test]
    fn a_written_amount_is_read_back(units in 0_i64..1_000_000, scale in 0_u32..4, place in 0_usize..6) {
        let comparators = [
            Comparator::Exactly, Comparator::Below, Comparator::AtMost,
            Comparator::Above, Comparator::AtLeast, Comparator::About,
        ];
        let amount = Amount { comparator: comparators[place], value: Decimal::new(units, scale) };
        let text = format!("{} {} mg/dL L", amount.comparator.symbol(), amount.value);
        let reading = read_as(ValueKind::Text, &text, None, false);
        prop_assert_eq!(reading.value, ReportedValue::Amount(amount));
        prop_assert_eq!(reading.unit, Some(Unit::MilligramPerDecilitre));
        prop_assert_eq!(reading.flag, Some(Flag::Low));
    }

    #[test]
    fn text_left_over_is_never_a_value(value in "0\\.[0-9]{2}", word in "[a-z]{5,9}") {
        let reading = read_as(ValueKind::Text, &format!("{value} {word}"), None, false);
        prop_assert!(matches!(
            reading.value,
            ReportedValue::Unreadable(Reason::TextValue)
        ) || ["normal", "grams"].contains(&word.as_str()));
    }
}
