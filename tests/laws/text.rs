//! Laws of texts and times, and of reading whole messages.

use super::generate::{Form, ascii_delimiters, damage, damaged, delimiters, happening, write};
use super::{cases, read};
use encoding_rs::UTF_8;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use pentamer::core::hl7::escape::{escape, unescape};
use pentamer::core::hl7::segments::segments;
use pentamer::core::hl7::tally::Tally;
use pentamer::core::hl7::time::{Hl7Time, Precision, TimeReading};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn moment() -> impl Strategy<Value = DateTime> {
    (
        1901_i16..2100,
        1_i8..=12,
        1_i8..=28,
        0_i8..24,
        0_i8..60,
        0_i8..60,
        0..1_000_000_i32,
    )
        .prop_map(|(year, month, day, hour, minute, second, micro)| {
            let date = Date::new(year, month, day).expect("a date");
            let time = Time::new(hour, minute, second, micro * 1000).expect("a time");
            DateTime::from_parts(date, time)
        })
}

/// Every form of T-1 with what it says, from a year to a microsecond.
fn forms(moment: DateTime) -> Vec<(String, DateTime, Precision)> {
    let (d, t) = (moment.date(), moment.time());
    let date = |month, day| Date::new(d.year(), month, day).expect("a date");
    let at = |date: Date, hour, minute, second, nanosecond| {
        DateTime::from_parts(
            date,
            Time::new(hour, minute, second, nanosecond).expect("a time"),
        )
    };
    let midnight = |date| at(date, 0, 0, 0, 0);
    let mut forms = vec![
        ("%Y".to_owned(), midnight(date(1, 1)), Precision::Year),
        (
            "%Y%m".to_owned(),
            midnight(date(d.month(), 1)),
            Precision::Month,
        ),
        ("%Y%m%d".to_owned(), midnight(d), Precision::Day),
        (
            "%Y%m%d%H".to_owned(),
            at(d, t.hour(), 0, 0, 0),
            Precision::Hour,
        ),
        (
            "%Y%m%d%H%M".to_owned(),
            at(d, t.hour(), t.minute(), 0, 0),
            Precision::Minute,
        ),
        (
            "%Y%m%d%H%M%S".to_owned(),
            at(d, t.hour(), t.minute(), t.second(), 0),
            Precision::Second,
        ),
    ];
    for digits in 1..=6_u32 {
        let unit = 10_i32.pow(9 - digits);
        let fraction = t.subsec_nanosecond() / unit;
        let said = at(d, t.hour(), t.minute(), t.second(), fraction * unit);
        let width = usize::try_from(digits).expect("small");
        forms.push((
            format!("%Y%m%d%H%M%S.{fraction:0width$}"),
            said,
            Precision::Fraction,
        ));
    }
    forms
        .into_iter()
        .map(|(form, said, precision)| (moment.strftime(&form).to_string(), said, precision))
        .collect()
}

fn read_time(text: &str) -> Hl7Time {
    match Hl7Time::read(text) {
        TimeReading::Time(time) => time,
        other => panic!("{text}: {other:?}"),
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn unescaping_what_was_escaped_gives_it_back(
        text in "([ -~]|[|^~\\\\&#\n\u{1}-\u{9}]|\\PC){0,40}",
        delimiters in delimiters(),
    ) {
        let escaped = escape(&text, &delimiters);
        let tally = Tally::default();
        let back = unescape(&escaped, &delimiters, UTF_8, &tally);
        prop_assert_eq!(back.as_ref(), text.as_str());
        prop_assert_eq!(tally.into_counts().len(), 0, "nothing odd in it");
        for delimiter in [Some(delimiters.field), delimiters.component, delimiters.repetition, delimiters.subcomponent] {
            prop_assert!(!delimiter.is_some_and(|d| escaped.contains(d)), "it structures nothing");
        }
    }

    #[test]
    fn segments_are_the_same_whatever_ends_them(
        happening in happening(3, 2),
        ends in vec(select(&["\r", "\n", "\r\n"][..]), 12),
    ) {
        let text = String::from_utf8(happening.raw()).expect("UTF-8");
        let lines: Vec<&str> = text.split_terminator('\r').collect();
        let mixed: String = lines.iter().zip(ends.iter().cycle()).flat_map(|(line, end)| [*line, *end]).collect();
        let split: Vec<&str> = segments(&mixed, '|').map(|segment| segment.text).collect();
        prop_assert_eq!(split, lines);
    }

    #[test]
    fn what_a_message_says_does_not_depend_on_its_delimiters(
        happening in happening(3, 2),
        delimiters in ascii_delimiters(),
    ) {
        let other = write(&happening.segments(), &Form { delimiters, ..Form::default() });
        prop_assert_eq!(read(&other), read(&happening.raw()), "{}", String::from_utf8_lossy(&other));
    }

    #[test]
    fn what_a_message_says_does_not_depend_on_its_line_ends(
        happening in happening(3, 2),
        line_end in select(&["\n", "\r\n", "\r\r", "\r \r"][..]),
    ) {
        let other = write(&happening.segments(), &Form { line_end, ..Form::default() });
        prop_assert_eq!(read(&other), read(&happening.raw()));
    }

    #[test]
    fn what_a_message_says_does_not_depend_on_its_character_set(happening in happening(3, 2)) {
        let other = write(&happening.segments(), &Form { latin: true, ..Form::default() });
        prop_assert!(other != happening.raw(), "the name is not ASCII");
        prop_assert_eq!(read(&other), read(&happening.raw()));
    }

    #[test]
    fn reading_arbitrary_bytes_is_total(
        bytes in vec(any::<u8>(), 0..400),
        after in vec(select(&b"|^~\\&\r\nOBXPID0123456789.<> "[..]), 0..400),
    ) {
        let _ = read(&bytes);
        let _ = read(&[b"MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\r", bytes.as_slice()].concat());
        let _ = read(&[b"MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rPID|1||1\rOBR|1|2\rOBX|", after.as_slice()].concat());
    }

    #[test]
    fn reading_a_damaged_message_is_total_and_always_the_same(
        happening in happening(3, 2),
        damage in damage(),
    ) {
        let damaged = damaged(happening.raw(), &damage);
        prop_assert_eq!(read(&damaged), read(&damaged));
    }

    #[test]
    fn every_form_of_t1_reads_to_what_it_says(moment in moment(), offset in -840_i32..=840) {
        let sign = if offset < 0 { '-' } else { '+' };
        let zone = format!("{sign}{:02}{:02}", offset.abs() / 60, offset.abs() % 60);
        for (text, civil, precision) in forms(moment) {
            prop_assert_eq!(read_time(&text), Hl7Time { civil, precision, offset: None }, "{}", text);
            let offset = Offset::from_seconds(offset * 60).ok();
            prop_assert_eq!(read_time(&format!("{text}{zone}")), Hl7Time { civil, precision, offset }, "{}{}", text, zone);
        }
    }

    #[test]
    fn the_less_is_said_of_a_time_the_earlier_it_begins(moment in moment(), other in moment()) {
        let begins = |moment| forms(moment).iter().map(|(text, ..)| read_time(text).civil).collect::<Vec<_>>();
        prop_assert!(begins(moment).is_sorted());
        for (a, b) in begins(moment).into_iter().zip(begins(other)) {
            prop_assert!(a == b || (a < b) == (moment < other), "cutting keeps the order");
        }
    }

    #[test]
    fn an_offset_moves_the_instant_by_itself_and_outranks_the_zone(moment in moment(), minutes in -840_i32..=840) {
        let zone = TimeZone::get("America/St_Johns").expect("a zone");
        let time = read_time(&forms(moment)[5].0);
        let offset = Offset::from_seconds(minutes * 60).ok();
        let utc = time.to_timestamp(&TimeZone::UTC, None).expect("an instant");
        let with = Hl7Time { offset, ..time };
        let moved = with.to_timestamp(&zone, Some(Offset::UTC)).expect("an instant");
        prop_assert_eq!(utc.since(moved).as_micros(), i64::from(minutes) * 60_000_000);
        prop_assert_eq!(time.to_timestamp(&zone, offset), Some(moved), "that of MSH-7 does the same");
        prop_assert_eq!(with.date(), time.date(), "a date never shifts");
    }
}
