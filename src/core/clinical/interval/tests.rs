use super::{File, Interval, IntervalQuery, IntervalRow, IntervalTable};
use crate::core::clinical::age::{AgeReading, age_at, parse_age};
use crate::core::clinical::observation::{Analyte, BirthDate, Sex};
use crate::core::clinical::{Limits, Unit};
use crate::core::policy::AgeSpan;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use rust_decimal::Decimal;

const BORN: Date = date(2000, 1, 10);

/// CLINICAL 5.1: from, to, IgG, IgA, IgM.
const MAIN: [(&str, &str, &str, &str, &str); 14] = [
    ("0 d", "14 d", "5.0-17.0", "0.01-0.08", "0.05-0.20"),
    ("14 d", "42 d", "3.9-13.0", "0.02-0.15", "0.08-0.40"),
    ("42 d", "3 mo", "2.1-7.7", "0.05-0.40", "0.15-0.70"),
    ("3 mo", "6 mo", "2.4-8.8", "0.10-0.50", "0.20-1.00"),
    ("6 mo", "9 mo", "3.0-9.0", "0.15-0.70", "0.40-1.60"),
    ("9 mo", "12 mo", "3.0-10.9", "0.20-0.70", "0.60-2.10"),
    ("1 y", "2 y", "3.1-13.8", "0.30-1.20", "0.50-2.20"),
    ("2 y", "3 y", "3.7-15.8", "0.30-1.30", "0.50-2.20"),
    ("3 y", "6 y", "4.9-16.1", "0.40-2.00", "0.50-2.00"),
    ("6 y", "9 y", "5.4-16.1", "0.50-2.40", "0.50-1.80"),
    ("9 y", "12 y", "5.4-16.1", "0.70-2.50", "0.50-1.80"),
    ("12 y", "15 y", "5.4-16.1", "0.80-2.80", "0.50-1.80"),
    ("15 y", "18 y", "5.4-16.1", "0.80-2.80", "0.50-1.90"),
    ("18 y", "", "7.0-16.0", "0.70-4.00", "0.40-2.30"),
];

/// CLINICAL 5.2: from, to, IgG1, IgG2, IgG3.
const SUBCLASSES: [(&str, &str, &str, &str, &str); 11] = [
    ("0 d", "5 mo", "0.56-2.15", "-0.82", "0.076-0.823"),
    ("5 mo", "9 mo", "1.02-3.69", "-0.89", "0.119-0.740"),
    ("9 mo", "15 mo", "1.60-5.62", "0.24-0.98", "0.173-0.637"),
    ("15 mo", "24 mo", "2.09-7.24", "0.35-1.05", "0.219-0.550"),
    ("2 y", "4 y", "1.58-7.21", "0.39-1.76", "0.170-0.847"),
    ("4 y", "7 y", "2.09-9.02", "0.44-3.16", "0.108-0.949"),
    ("7 y", "10 y", "2.53-10.19", "0.54-4.35", "0.085-1.026"),
    ("10 y", "13 y", "2.80-10.30", "0.66-5.02", "0.115-1.053"),
    ("13 y", "16 y", "2.89-9.34", "0.82-5.16", "0.200-1.032"),
    ("16 y", "18 y", "2.83-7.72", "0.98-4.86", "0.313-0.976"),
    ("18 y", "", "3.41-8.94", "1.71-6.32", "0.184-1.060"),
];

fn dec(text: &str) -> Decimal {
    text.parse().expect("decimal")
}

fn limits(text: &str) -> Limits {
    let (low, high) = text.split_once('-').expect("two limits");
    Limits {
        low: (!low.is_empty()).then(|| dec(low)),
        high: Some(dec(high)),
    }
}

fn born(day: Date) -> AgeReading {
    age_at(Some(&exact(day)), date(2026, 3, 1))
}

fn exact(day: Date) -> BirthDate {
    BirthDate {
        earliest: day,
        latest: day,
    }
}

fn query(analyte: Analyte, age: AgeReading) -> IntervalQuery<'static> {
    IntervalQuery {
        analyte,
        age,
        sex: None,
        feed: "LAB/HOSP",
        laboratory: "",
        method: "",
        on: date(2026, 3, 1),
        built_in: true,
    }
}

fn adult() -> AgeReading {
    born(date(1980, 1, 1))
}

fn site(low: &str, high: &str) -> IntervalRow {
    IntervalRow {
        analyte: Analyte::IgM,
        low: (!low.is_empty()).then(|| dec(low)),
        high: (!high.is_empty()).then(|| dec(high)),
        unit: Unit::GramPerLitre,
        from_age: None,
        to_age: None,
        sex: None,
        feed: String::new(),
        laboratory: String::new(),
        method: String::new(),
        valid_from: None,
        valid_to: None,
        source: "site".to_owned(),
        built_in: false,
    }
}

fn aged(row: IntervalRow, from: &str, to: &str) -> IntervalRow {
    IntervalRow {
        from_age: parse_age(from),
        to_age: parse_age(to),
        ..row
    }
}

fn found(table: &IntervalTable, query: &IntervalQuery<'_>) -> (String, bool) {
    let Some(Interval {
        limits, built_in, ..
    }) = table.find(query)
    else {
        return ("none".to_owned(), false);
    };
    let side = |limit: Option<Decimal>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    (
        format!("{}-{}", side(limits.low), side(limits.high)),
        built_in,
    )
}

/// The day on which an age is reached.
fn reached(span: AgeSpan) -> Date {
    BORN.saturating_add(
        jiff::Span::new()
            .months(i64::from(span.months))
            .days(i64::from(span.days)),
    )
}

#[test]
fn the_built_in_file_is_read() {
    let file: File =
        toml::from_str(include_str!("../../../../config/intervals.toml")).expect("intervals.toml");
    let rows = file.interval.len();
    assert_eq!(rows, 3 * MAIN.len() + 3 * SUBCLASSES.len());
    let table = IntervalTable::built_in();
    assert_eq!(table.rows().count(), rows);
    for row in table.rows() {
        assert!(row.unit == Unit::GramPerLitre && row.built_in && row.sex.is_none());
        assert!(row.from_age.is_some() && !row.source.is_empty());
        assert!(row.low < row.high, "{row:?}");
        let adult = row.from_age == parse_age("18 y");
        assert_eq!(adult, row.to_age.is_none());
        let subclass = !matches!(row.analyte, Analyte::IgM | Analyte::IgG | Analyte::IgA);
        let source = match (subclass, adult) {
            (true, _) => "Mayo",
            (false, true) => "Dati",
            (false, false) => "PRU",
        };
        assert!(row.source.starts_with(source), "{row:?}");
    }
}

#[test]
fn both_ends_of_every_row() {
    let table = IntervalTable::built_in();
    let columns = |rows: &[(
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        &'static str,
    )],
                   analytes: [Analyte; 3]| {
        rows.iter()
            .flat_map(|(from, to, a, b, c)| {
                [
                    (*from, *to, analytes[0], *a),
                    (*from, *to, analytes[1], *b),
                    (*from, *to, analytes[2], *c),
                ]
            })
            .collect::<Vec<_>>()
    };
    let mut all = columns(&MAIN, [Analyte::IgG, Analyte::IgA, Analyte::IgM]);
    all.extend(columns(
        &SUBCLASSES,
        [Analyte::IgG1, Analyte::IgG2, Analyte::IgG3],
    ));
    for (from, to, analyte, expected) in all {
        let first = reached(parse_age(from).expect("age"));
        let last = if to.is_empty() {
            date(2120, 1, 1)
        } else {
            reached(parse_age(to).expect("age"))
                .yesterday()
                .expect("day")
        };
        for on in [first, last] {
            let query = query(analyte, age_at(Some(&exact(BORN)), on));
            let interval = table.find(&query).expect("a row");
            assert_eq!(interval.limits, limits(expected), "{analyte:?} {from} {on}");
            assert!(interval.built_in && interval.age_noted.is_none());
        }
    }
    assert_eq!(table.find(&query(Analyte::IgG4, adult())), None);
}

#[test]
fn the_site_before_the_built_in() {
    let table = IntervalTable::built_in().with_rows(vec![
        IntervalRow {
            unit: Unit::MilligramPerDecilitre,
            ..aged(site("45", "240"), "18 y", "")
        },
        IntervalRow {
            unit: Unit::Other("IU/mL".to_owned()),
            ..aged(site("45", "240"), "1 y", "2 y")
        },
    ]);
    assert_eq!(
        found(&table, &query(Analyte::IgM, adult())),
        ("0.45-2.40".to_owned(), false)
    );
    let child = born(date(2025, 1, 1));
    assert_eq!(
        found(&table, &query(Analyte::IgM, child)),
        ("0.50-2.20".to_owned(), true)
    );
    let off = IntervalQuery {
        built_in: false,
        ..query(Analyte::IgM, child)
    };
    assert_eq!(table.find(&off), None);
}

#[test]
fn the_narrowest_row_wins() {
    let table = IntervalTable::default().with_rows(vec![
        site("0.41", ""),
        IntervalRow {
            feed: "LAB/HOSP".to_owned(),
            ..site("0.42", "")
        },
        IntervalRow {
            feed: "LAB/HOSP".to_owned(),
            laboratory: "Central".to_owned(),
            ..site("0.43", "")
        },
        IntervalRow {
            method: "nephelometry".to_owned(),
            valid_to: Some(date(2026, 2, 28)),
            ..site("0.44", "")
        },
        IntervalRow {
            laboratory: "North".to_owned(),
            valid_from: Some(date(2026, 3, 1)),
            valid_to: Some(date(2026, 3, 1)),
            ..site("0.45", "")
        },
        site("0.46", ""),
    ]);
    let at = |feed, laboratory, method| {
        let query = IntervalQuery {
            feed,
            laboratory,
            method,
            ..query(Analyte::IgM, adult())
        };
        found(&table, &query).0
    };
    assert_eq!(at("OTHER", "", ""), "0.41-");
    assert_eq!(at("LAB/HOSP", "", ""), "0.42-");
    assert_eq!(at("LAB/HOSP", " central ", ""), "0.43-");
    assert_eq!(at("OTHER", "", "Nephelometry"), "0.41-");
    assert_eq!(at("OTHER", "North", ""), "0.45-");
    let later = IntervalQuery {
        feed: "OTHER",
        laboratory: "North",
        on: date(2026, 3, 2),
        ..query(Analyte::IgM, adult())
    };
    assert_eq!(found(&table, &later).0, "0.41-");
}

#[test]
fn laboratory_and_method_go_by_any_of_their_names() {
    let table = IntervalTable::default().with_rows(vec![
        IntervalRow {
            laboratory: "cen".to_owned(),
            ..site("0.41", "")
        },
        IntervalRow {
            method: "NEPH / BN2".to_owned(),
            ..site("0.42", "")
        },
        IntervalRow {
            laboratory: "HOSP".to_owned(),
            ..site("0.43", "")
        },
    ]);
    let at = |laboratory, method| {
        let query = IntervalQuery {
            laboratory,
            method,
            ..query(Analyte::IgM, adult())
        };
        found(&table, &query).0
    };
    assert_eq!(at("Central / CEN", ""), "0.41-");
    assert_eq!(at("Central / CENT", ""), "none");
    assert_eq!(at("South", "Nephelometry / Neph / BN2"), "0.42-");
    assert_eq!(at("South", "Nephelometry / NEPH"), "none");
    // No laboratory sent: that of the feed LAB/HOSP.
    assert_eq!(at("", ""), "0.43-");
}

#[test]
fn a_narrow_row_for_the_other_sex_hides_no_wider_one() {
    let table = IntervalTable::default().with_rows(vec![
        site("0.41", ""),
        IntervalRow {
            feed: "LAB/HOSP".to_owned(),
            sex: Some(Sex::Male),
            ..site("0.42", "")
        },
    ]);
    let at = |sex| {
        let query = IntervalQuery {
            sex: Some(sex),
            ..query(Analyte::IgM, adult())
        };
        found(&table, &query).0
    };
    assert_eq!(at(Sex::Female), "0.41-");
    assert_eq!(at(Sex::Male), "0.42-");
}

#[test]
fn sexes() {
    let of = |row: IntervalRow, sex| IntervalRow {
        sex: Some(sex),
        ..row
    };
    let table = IntervalTable::default().with_rows(vec![
        of(site("0.5", "2.4"), Sex::Female),
        of(site("0.4", "2.3"), Sex::Male),
    ]);
    let at = |table: &IntervalTable, sex| {
        found(
            table,
            &IntervalQuery {
                sex,
                ..query(Analyte::IgM, adult())
            },
        )
        .0
    };
    assert_eq!(at(&table, Some(Sex::Female)), "0.5-2.4");
    assert_eq!(at(&table, Some(Sex::Male)), "0.4-2.3");
    // Unknown: the lower of the two low limits, the higher of the two high ones.
    assert_eq!(at(&table, None), "0.4-2.4");
    let table = table.with_rows(vec![site("0.45", "2.35")]);
    assert_eq!(at(&table, None), "0.45-2.35");
    assert_eq!(at(&table, Some(Sex::Male)), "0.4-2.3");
    let table = IntervalTable::default().with_rows(vec![
        of(site("0.5", "2.4"), Sex::Female),
        of(site("", "2.3"), Sex::Male),
    ]);
    assert_eq!(at(&table, None), "-2.4");
    let table = IntervalTable::default().with_rows(vec![of(site("0.5", "2.4"), Sex::Female)]);
    assert_eq!(at(&table, Some(Sex::Male)), "none");
    assert_eq!(at(&table, None), "0.5-2.4");
}

#[test]
fn age_unknown_takes_a_row_without_ages_or_the_adult_one() {
    let built_in = IntervalTable::built_in();
    let unknown = query(Analyte::IgM, AgeReading::Unknown);
    let interval = built_in.find(&unknown).expect("adult row");
    assert_eq!(interval.limits, limits("0.40-2.30"));
    assert!(interval.built_in && interval.age_noted.is_some());
    let off = IntervalQuery {
        built_in: false,
        ..unknown
    };
    assert_eq!(built_in.find(&off), None);

    // The site's ages cannot be chosen from; its ageless row can.
    let ages = built_in
        .clone()
        .with_rows(vec![aged(site("0.6", "2.0"), "18 y", "")]);
    assert_eq!(found(&ages, &unknown), ("0.40-2.30".to_owned(), true));
    let ageless = built_in.with_rows(vec![site("0.6", "2.0")]);
    let interval = ageless.find(&unknown).expect("site row");
    assert_eq!((interval.built_in, interval.age_noted), (false, None));

    let invalid = query(Analyte::IgM, AgeReading::Invalid);
    assert_eq!(ageless.find(&invalid), None);
}

#[test]
fn a_birth_date_of_a_year_is_taken_at_both_ends() {
    let table = IntervalTable::built_in();
    let year = |year: i16| BirthDate {
        earliest: date(year, 1, 1),
        latest: date(year, 12, 31),
    };
    let at = |birth: BirthDate, analyte| {
        table
            .find(&query(analyte, age_at(Some(&birth), date(2026, 3, 1))))
            .map(|interval| (interval.limits, interval.age_noted.is_some()))
    };
    // Both ends in one row.
    assert_eq!(
        at(year(1980), Analyte::IgM),
        Some((limits("0.40-2.30"), false))
    );
    // 17 or 18 years: the lower low limit, noted.
    assert_eq!(
        at(year(2008), Analyte::IgM),
        Some((limits("0.40-2.30"), true))
    );
    assert_eq!(
        at(year(2008), Analyte::IgG),
        Some((limits("5.4-16.1"), true))
    );
    // Two rows with the same limits are one.
    assert_eq!(
        at(year(2017), Analyte::IgM),
        Some((limits("0.50-1.80"), false))
    );
    // This year: newborn to 2 months.
    assert_eq!(
        at(year(2026), Analyte::IgM),
        Some((limits("0.05-0.20"), true))
    );
    let month = BirthDate {
        earliest: date(2008, 2, 1),
        latest: date(2008, 2, 29),
    };
    assert_eq!(at(month, Analyte::IgM), Some((limits("0.40-2.30"), false)));
    // One end has no row at all: not known to hold.
    let adults = IntervalTable::default().with_rows(vec![aged(site("0.4", ""), "18 y", "")]);
    let age = age_at(Some(&year(2008)), date(2026, 3, 1));
    assert_eq!(adults.find(&query(Analyte::IgM, age)), None);
}

proptest! {
    #[test]
    fn every_age_has_one_built_in_row(days in 0_i64..40_000, place in 0_usize..6) {
        let analyte = Analyte::ALL[place];
        let on = BORN.saturating_add(jiff::Span::new().days(days));
        let age = age_at(Some(&exact(BORN)), on);
        let fitting = IntervalTable::built_in()
            .rows()
            .filter(|row| row.analyte == analyte)
            .filter(|row| row.from_age.is_none_or(|from| age.is_at_least(from) == Some(true)))
            .filter(|row| row.to_age.is_none_or(|to| age.is_below(to) == Some(true)))
            .count();
        prop_assert_eq!(fitting, 1);
        prop_assert!(IntervalTable::built_in().find(&query(analyte, age)).is_some());
    }

    #[test]
    fn less_known_of_the_birth_date_never_raises_the_low_limit(start in 0_i64..9_000, length in 0_i64..366) {
        let day = |days: i64| date(2000, 1, 1).saturating_add(jiff::Span::new().days(days));
        let birth = BirthDate { earliest: day(start), latest: day(start + length) };
        let on = date(2026, 3, 1);
        let table = IntervalTable::built_in();
        let low = |birth: &BirthDate| table.find(&query(Analyte::IgM, age_at(Some(birth), on))).and_then(|interval| interval.limits.low);
        for end in [birth.earliest, birth.latest] {
            prop_assert!(low(&birth) <= low(&exact(end)));
        }
    }
}
