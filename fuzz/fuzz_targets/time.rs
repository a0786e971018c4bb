//! Times and birth dates: total; what has a precision of seconds and is written again is the same instant.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use pentamer::core::hl7::time::{
    BirthReading, Hl7Time, Precision, TimeReading, is_too_early, read_birth_date,
};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static ZONE: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::get("Europe/Amsterdam").unwrap_or(TimeZone::UTC));

fuzz_target!(|text: &str| {
    let today = jiff::civil::date(2026, 2, 1);
    if let Some(time) = Hl7Time::read(text).time() {
        let at = time.to_timestamp(&ZONE, None);
        time.is_ambiguous(&ZONE, None);
        if let Some(at) = at {
            is_too_early(at);
        }
        if time.precision == Precision::Second {
            let offset = time.offset.map_or_else(String::new, |offset| {
                let seconds = offset.seconds();
                let sign = if seconds < 0 { '-' } else { '+' };
                format!(
                    "{sign}{:02}{:02}",
                    seconds.abs() / 3600,
                    seconds.abs() / 60 % 60
                )
            });
            let again = format!("{}{offset}", time.civil.strftime("%Y%m%d%H%M%S"));
            assert_eq!(
                Hl7Time::read(&again),
                TimeReading::Time(time),
                "written again it is the same"
            );
        }
    }
    if let BirthReading::Date(date) = read_birth_date(text, &BTreeSet::new(), today) {
        assert!(date.earliest <= date.latest);
        assert!(date.earliest.year() >= 1895, "nobody is so old");
    }
});
