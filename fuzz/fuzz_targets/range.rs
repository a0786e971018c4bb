//! OBX-7: an interval has its limits in order, and what is shown of it reads as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentamer::core::clinical::observation::ReportedRange;
use pentamer::core::clinical::range::read_range;
use pentamer::core::clinical::words::Words;
use pentamer::core::clinical::{Limits, Unit};
use std::sync::LazyLock;

static WORDS: LazyLock<Words> = LazyLock::new(Words::built_in);

fn in_order(limits: &Limits) {
    if let (Some(low), Some(high)) = (limits.low, limits.high) {
        assert!(low < high, "low below high");
    }
}

fuzz_target!(|input: (u8, Vec<Vec<String>>, String)| {
    let (decimal, repetitions, unit) = input;
    let decimal = [None, Some('.'), Some(',')][usize::from(decimal % 3)];
    let unit = Unit::parse(&unit);
    let reading = read_range(&repetitions, &unit, decimal, &WORDS);
    match &reading.range {
        ReportedRange::None => {}
        ReportedRange::Plain(limits) => {
            in_order(limits);
            if let (Some(low), Some(high)) = (limits.low, limits.high) {
                let shown = vec![vec![format!("{low} - {high}")]];
                let again = read_range(&shown, &Unit::parse(""), Some('.'), &WORDS);
                if low.is_sign_positive() && high.is_sign_positive() {
                    assert!(
                        again.range == reading.range,
                        "an interval that is shown reads as itself"
                    );
                }
            }
        }
        ReportedRange::BySex { male, female } => {
            in_order(male);
            in_order(female);
        }
    }
});
