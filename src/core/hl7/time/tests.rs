use super::*;
use proptest::prelude::*;

fn time(text: &str) -> Hl7Time {
    match Hl7Time::read(text) {
        TimeReading::Time(time) => time,
        other => panic!("{text}: {other:?}"),
    }
}

fn shown(text: &str) -> String {
    let time = Hl7Time::read(text)
        .time()
        .unwrap_or_else(|| panic!("{text}"));
    format!(
        "{} {:?} {}",
        time.civil,
        time.precision,
        time.offset
            .map_or("none".to_owned(), |o| o.seconds().to_string())
    )
}

fn utc(text: &str, zone: &str, default: Option<Offset>) -> String {
    let zone = TimeZone::get(zone).expect("a zone");
    let at = Hl7Time::read(text).time().expect("a time");
    at.to_timestamp(&zone, default)
        .expect("an instant")
        .to_rfc3339()
}

#[test]
fn t1_the_grammar() {
    for (text, want) in [
        ("2026", "2026-01-01T00:00:00 Year none"),
        ("202603", "2026-03-01T00:00:00 Month none"),
        ("20260301", "2026-03-01T00:00:00 Day none"),
        ("2026030110", "2026-03-01T10:00:00 Hour none"),
        ("202603011015", "2026-03-01T10:15:00 Minute none"),
        ("20260301101530", "2026-03-01T10:15:30 Second none"),
        ("20260301101530.25", "2026-03-01T10:15:30.25 Fraction none"),
        (
            "20140630120030.1234-0500",
            "2014-06-30T12:00:30.1234 Fraction -18000",
        ),
        (
            "20260301101530.123456789",
            "2026-03-01T10:15:30.123456 Fraction none",
        ),
        ("20260301101500+0000", "2026-03-01T10:15:00 Second 0"),
        ("202603011015-0330", "2026-03-01T10:15:00 Minute -12600"),
        ("20260301+0100", "2026-03-01T00:00:00 Day 3600"),
        ("2026-0500", "2026-01-01T00:00:00 Year -18000"),
        (" 20260301 ", "2026-03-01T00:00:00 Day none"),
    ] {
        assert_eq!(shown(text), want);
        time(text);
    }
}

#[test]
fn t2_other_forms() {
    for (text, want) in [
        ("2026-03-01", "2026-03-01T00:00:00 Day none"),
        ("2026-03", "2026-03-01T00:00:00 Month none"),
        ("2026-03-01T10:15", "2026-03-01T10:15:00 Minute none"),
        (
            "2026-03-01 10:15:30.5",
            "2026-03-01T10:15:30.5 Fraction none",
        ),
        ("2026-03-01T10:15:30Z", "2026-03-01T10:15:30 Second 0"),
        (
            "2026-03-01T10:15:30-05:00",
            "2026-03-01T10:15:30 Second -18000",
        ),
        ("2026-03-01T10:15:30+02", "2026-03-01T10:15:30 Second 7200"),
        ("20260301101530Z", "2026-03-01T10:15:30 Second 0"),
        ("20260301101530+01", "2026-03-01T10:15:30 Second 3600"),
        ("20260301101530-01:30", "2026-03-01T10:15:30 Second -5400"),
        ("20260301 101530", "2026-03-01T10:15:30 Second none"),
    ] {
        assert_eq!(shown(text), want, "{text}");
        assert!(
            matches!(Hl7Time::read(text), TimeReading::OtherForm(_)),
            "{text}"
        );
    }
}

#[test]
fn t3_offset_of_its_own_then_the_messages_then_the_sites() {
    let plus_two = Offset::from_seconds(7200).ok();
    assert_eq!(
        utc("20260301100000-0500", "Europe/Berlin", plus_two),
        "2026-03-01T15:00:00Z"
    );
    assert_eq!(
        utc("20260301100000", "Europe/Berlin", plus_two),
        "2026-03-01T08:00:00Z"
    );
    assert_eq!(
        utc("20260301100000", "Europe/Berlin", None),
        "2026-03-01T09:00:00Z"
    );
    assert_eq!(time("20260301").date(), jiff::civil::date(2026, 3, 1));
}

#[test]
fn t4_gap_forward_and_fold_earlier() {
    assert_eq!(
        utc("20260329023000", "Europe/Berlin", None),
        "2026-03-29T01:30:00Z"
    );
    assert_eq!(
        utc("20261025023000", "Europe/Berlin", None),
        "2026-10-25T00:30:00Z"
    );
    let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
    assert!(time("20261025023000").is_ambiguous(&berlin, None));
    assert!(!time("20261025023000+0100").is_ambiguous(&berlin, None));
    assert!(!time("20261025040000").is_ambiguous(&berlin, None));
}

#[test]
fn t5_what_is_no_time() {
    for text in [
        "20261301",
        "20260631",
        "20260230",
        "2026030125",
        "20260301240001",
        "202603011060",
        "20260301101561",
        "123",
        "12345",
        "2026030110153",
        "yesterday",
        "20260301101500.",
        "20260301.5",
        "2026-3-1",
        "01.03.2026",
        "2026/03/01",
        "20260301101500+1",
        "2026030110:15",
        "19800001",
        "2026--01",
        "é0260301",
        "+0100",
        "Z",
        "20260301T",
        "2026-03-01T10:15:30:00",
    ] {
        assert_eq!(Hl7Time::read(text), TimeReading::Invalid, "{text}");
    }
    assert_eq!(shown("20260301240000"), "2026-03-02T00:00:00 Second none");
    assert_eq!(shown("20260301101560"), "2026-03-01T10:15:59 Second none");
}

#[test]
fn t6_zeros() {
    for text in [
        "",
        "  ",
        "\"\"",
        "0000",
        "00000000",
        "19000000",
        "00000000000000",
        "19000000000000",
    ] {
        assert_eq!(Hl7Time::read(text), TimeReading::Empty, "{text}");
    }
    assert_eq!(shown("19800000"), "1980-01-01T00:00:00 Year none");
    assert_eq!(shown("19800500"), "1980-05-01T00:00:00 Month none");
    assert_eq!(shown("198000"), "1980-01-01T00:00:00 Year none");
}

#[test]
fn t7_impossible_offsets_are_ignored() {
    assert_eq!(
        shown("20260301101500+1500"),
        "2026-03-01T10:15:00 Second none"
    );
    assert_eq!(
        shown("20260301101500+1400"),
        "2026-03-01T10:15:00 Second 50400"
    );
    assert_eq!(
        shown("20260301101500-1401"),
        "2026-03-01T10:15:00 Second none"
    );
    assert_eq!(
        shown("20260301101500+0175"),
        "2026-03-01T10:15:00 Second none"
    );
}

#[test]
fn t8_future_and_too_early() {
    let receipt = Timestamp::from_micros(1_772_360_000_000_000);
    let near = receipt.plus(Span::seconds(86_400));
    assert_eq!(
        clamp_future(near, receipt),
        Clamped {
            at: near,
            clamped: false
        }
    );
    let far = receipt.plus(Span::seconds(86_401));
    assert_eq!(
        clamp_future(far, receipt),
        Clamped {
            at: receipt,
            clamped: true
        }
    );
    assert!(is_too_early(
        time("19891231235959")
            .to_timestamp(&TimeZone::UTC, None)
            .expect("an instant")
    ));
    assert!(!is_too_early(
        time("19900101")
            .to_timestamp(&TimeZone::UTC, None)
            .expect("an instant")
    ));
}

#[test]
fn t10_birth_dates() {
    let today = jiff::civil::date(2026, 3, 1);
    let placeholders: BTreeSet<String> = ["19000101".to_owned()].into();
    let read = |text: &str| read_birth_date(text, &placeholders, today);
    let date = |earliest: (i16, i8, i8), latest: (i16, i8, i8)| {
        BirthReading::Date(BirthDate {
            earliest: jiff::civil::date(earliest.0, earliest.1, earliest.2),
            latest: jiff::civil::date(latest.0, latest.1, latest.2),
        })
    };
    assert_eq!(read("19800115"), date((1980, 1, 15), (1980, 1, 15)));
    assert_eq!(read("198001150830"), date((1980, 1, 15), (1980, 1, 15)));
    assert_eq!(read("1980"), date((1980, 1, 1), (1980, 12, 31)));
    assert_eq!(read("198002"), date((1980, 2, 1), (1980, 2, 29)));
    assert_eq!(read("19800000"), date((1980, 1, 1), (1980, 12, 31)));
    for text in ["", "00000000", "19000101", "190001010000"] {
        assert_eq!(read(text), BirthReading::Empty, "{text}");
    }
    for text in [
        "20260303", "2027", "1895", "18950101", "19801301", "unknown",
    ] {
        assert_eq!(read(text), BirthReading::Invalid, "{text}");
    }
    assert_eq!(read("20260301"), date((2026, 3, 1), (2026, 3, 1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_second_reads_back(seconds in 631_152_000i64..4_000_000_000) {
        let at = jiff::Timestamp::from_second(seconds).expect("in range");
        let civil = Offset::UTC.to_datetime(at);
        for text in [
            civil.strftime("%Y%m%d%H%M%S+0000").to_string(),
            civil.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            civil.strftime("%Y-%m-%d %H:%M:%S+00:00").to_string(),
        ] {
            let read = Hl7Time::read(&text).time().expect("a time");
            prop_assert_eq!(
                read.to_timestamp(&TimeZone::UTC, None),
                Some(Timestamp::from_jiff(at))
            );
        }
    }

    #[test]
    fn any_text_is_read(text in "[0-9TZ:. +\\-é]{0,24}") {
        let _ = Hl7Time::read(&text);
        let _ = read_birth_date(&text, &BTreeSet::new(), jiff::civil::date(2026, 3, 1));
    }

    #[test]
    fn the_usual_forms_are_read_like_any_other(
        text in "(0000|0019|19[0-9]{2}|20[0-9]{2})[0-2][0-9][0-3][0-9]([0-2][0-9][0-6][0-9]([0-6][0-9])?)?([+-]?[01][0-9]([0-7][0-9])?)?[0-9. Z]?"
    ) {
        prop_assert_eq!(Hl7Time::read(&text), Hl7Time::read_any(&text));
    }
}
