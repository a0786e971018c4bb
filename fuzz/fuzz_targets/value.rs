//! OBX-5: no text becomes a number that it does not wholly consist of, and no amount is out of bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentamer::core::clinical::Unit;
use pentamer::core::clinical::number::{read_number, split_number};
use pentamer::core::clinical::observation::ReportedValue;
use pentamer::core::clinical::value::{ValueKind, ValueText, is_plausible, read_value};
use pentamer::core::clinical::words::Words;
use std::sync::LazyLock;

static WORDS: LazyLock<Words> = LazyLock::new(Words::built_in);

fuzz_target!(|input: (u8, u8, bool, Vec<Vec<String>>, String)| {
    let (kind, decimal, flag_below, repetitions, unit) = input;
    let kind = [
        ValueKind::Nm,
        ValueKind::Sn,
        ValueKind::Text,
        ValueKind::Coded,
    ][usize::from(kind % 4)];
    let decimal = [None, Some('.'), Some(',')][usize::from(decimal % 3)];
    let reading = read_value(
        &ValueText {
            kind,
            repetitions: &repetitions,
            decimal,
            flag_below,
        },
        &WORDS,
    );
    let unit = Unit::parse(&unit);
    is_plausible(&reading.value, &unit);
    // Written again as our own pages write it, it is the same.
    if let ReportedValue::Amount(amount) = &reading.value {
        let shown = format!("{}{}", amount.comparator.symbol(), amount.value);
        let again = vec![vec![shown]];
        let again = read_value(
            &ValueText {
                kind: ValueKind::Text,
                repetitions: &again,
                decimal: Some('.'),
                flag_below: false,
            },
            &WORDS,
        );
        assert!(
            again.value == reading.value,
            "a value that is shown reads as itself"
        );
        assert!(
            repetitions
                .iter()
                .flatten()
                .any(|text| text.chars().any(char::is_numeric)),
            "no number out of nothing"
        );
    }
    for text in repetitions.iter().flatten() {
        if let Some((number, rest)) = split_number(text) {
            assert!(text.trim_start().starts_with(number) || text.contains(number));
            assert!(text.ends_with(rest));
        }
        let _ = read_number(text, decimal);
    }
});
