//! Results of one person, order by order: around every limit, and with everything a line can get wrong.

use super::person::{at, day_of, key};
use super::story::number;
use pentamer::core::clinical::observation::{
    Analyte, Flag, Observation, ObservedAt, OrderNumber, ReportedRange, ReportedValue, ResultId,
    ResultStatus, Shown, Specimen, StatusClass, TimeSource,
};
use pentamer::core::clinical::{Amount, Comparator, Limits, Unit};
use pentamer::core::fact::{JournalPosition, Reason};
use pentamer::core::phi::Phi;
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// One order: whose, its number, when collected, in which tube, how long it was under way.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) who: usize,
    pub(super) number: usize,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) own_tube: bool,
    pub(super) timed: bool,
    pub(super) cord: bool,
    pub(super) late: i64,
    pub(super) milligrams: bool,
    pub(super) panel: Vec<Option<Line>>,
}

/// One OBX before it is put into units. Amounts are in g/L.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) value: ReportedValue,
    pub(super) range: ReportedRange,
    pub(super) flag: Option<Flag>,
    pub(super) status: &'static str,
    pub(super) unit: UnitAs,
    pub(super) later: i64,
    pub(super) sub_id: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum UnitAs {
    /// The order's: g/L or mg/dL, with everything in it.
    Order,
    /// The numbers are mg/dL, the unit says g/L.
    Slipped,
    Arbitrary,
    Missing,
}

fn amount(text: &str) -> ReportedValue {
    let (comparator, bare) = match text.as_bytes() {
        [b'<', b'=', ..] => (Comparator::AtMost, &text[2..]),
        [b'>', b'=', ..] => (Comparator::AtLeast, &text[2..]),
        [b'<', ..] => (Comparator::Below, &text[1..]),
        [b'>', ..] => (Comparator::Above, &text[1..]),
        [b'~', ..] => (Comparator::About, &text[1..]),
        _ => (Comparator::Exactly, text),
    };
    if let Some((a, b)) = bare.split_once("..") {
        return ReportedValue::Range(number(a), number(b));
    }
    ReportedValue::Amount(Amount {
        comparator,
        value: number(bare),
    })
}

/// Usual values three times in four: in between episodes begin and end.
fn value(analyte: usize) -> impl Strategy<Value = ReportedValue> {
    let (usual, odd): (&[&str], &[&str]) = match analyte {
        0 => (
            &["0.21", "0.3", "0.15", "0.21", "0.9", "0.9", "0.12"],
            &[
                "0.02",
                "0.05",
                "0.2",
                "0.39",
                "0.4",
                "3.1",
                "2.3",
                "0",
                "<0.3",
                "<0.2",
                "<0.05",
                "<0.4",
                "<0.5",
                "<=0.4",
                "<=0.39",
                "<=0.2",
                ">0.5",
                ">0.3",
                ">2.3",
                ">=2.3",
                ">=2.4",
                "~0.3",
                "~0.9",
                "0.2..0.3",
                "0.1..0.19",
                "0.3..0.5",
                "0.5..0.9",
                "2..3",
                "0.2..3",
                "2.5..3",
                "-1",
                "140",
                "30",
            ],
        ),
        1 => (
            &["11", "9", "10"],
            &[
                "7", "4.1", "4.1", "20", "<3", "<7", ">8", "~9", "5..9", "8..9", "170", "16",
            ],
        ),
        2 => (
            &["2", "1.1", "1.5"],
            &[
                "0.3", "0.3", "6", "<0.08", "<0.07", "0.07", "0.05", "<0.7", "<=0.3", ">1", "1..2",
                "0.1..0.2", "4",
            ],
        ),
        _ => (&["5", "2"], &["0.1", "<0.05"]),
    };
    prop_oneof![
        14 => select(usual).prop_map(amount),
        5 => select(odd).prop_map(amount),
        1 => select(vec![
            ReportedValue::Absent,
            ReportedValue::Undetectable,
            ReportedValue::Unreadable(Reason::TextValue),
            ReportedValue::BelowScale,
        ]),
    ]
}

fn limits(low: Option<&str>, high: Option<&str>) -> Limits {
    Limits {
        low: low.map(number),
        high: high.map(number),
    }
}

fn range(analyte: usize) -> impl Strategy<Value = ReportedRange> {
    let (low, high, other_low, other_high) = match analyte {
        0 => ("0.4", "2.3", "0.5", "2.0"),
        1 => ("7", "16", "6", "15"),
        2 => ("0.7", "4", "0.6", "4.5"),
        _ => ("0.2", "20", "0.3", "20"),
    };
    let plain = |low, high| ReportedRange::Plain(limits(low, high));
    prop_oneof![
        12 => Just(plain(Some(low), Some(high))),
        5 => Just(if analyte < 3 { ReportedRange::None } else { plain(Some(low), Some(high)) }),
        1 => Just(plain(Some(low), None)),
        1 => Just(plain(None, Some(high))),
        1 => any::<bool>().prop_map(move |swapped| {
            let (one, other) = (limits(Some(low), Some(high)), limits(Some(other_low), Some(other_high)));
            let (male, female) = if swapped { (one, other) } else { (other, one) };
            ReportedRange::BySex { male, female }
        }),
    ]
}

pub(super) fn line(analyte: usize) -> impl Strategy<Value = Line> {
    let flag = prop_oneof![
        12 => Just(None),
        4 => select(vec![Flag::Low, Flag::VeryLow, Flag::High, Flag::VeryHigh, Flag::Normal]).prop_map(Some),
    ];
    let status = prop_oneof![14 => Just("F"), 6 => select(&["C", "A", "B", "P", "S", "I", "D", "W", "X", "U", ""][..])];
    let unit = prop_oneof![
        16 => Just(UnitAs::Order),
        2 => select(vec![UnitAs::Slipped, UnitAs::Arbitrary, UnitAs::Missing]),
    ];
    let sub_id = prop_oneof![30 => Just(false), 1 => Just(true)];
    (
        value(analyte),
        range(analyte),
        flag,
        status,
        unit,
        0..3_i64,
        sub_id,
    )
        .prop_map(|(value, range, flag, status, unit, later, sub_id)| Line {
            // "Below the instrument's scale" is said by OBX-8 (CLINICAL 6.1.3).
            flag: if value == ReportedValue::BelowScale {
                Some(Flag::Low)
            } else {
                flag
            },
            value,
            range,
            status,
            unit,
            later,
            sub_id,
        })
}

/// Gaps around every limit of CLINICAL 6.9.
const GAPS: [i64; 22] = [
    0, 0, 1, 2, 10, 20, 27, 28, 28, 29, 30, 31, 40, 40, 60, 89, 90, 91, 200, 365, 366, 702,
];

pub(super) fn order() -> impl Strategy<Value = (i64, Order)> {
    let panel = (
        prop::option::weighted(0.93, line(0)),
        prop::option::weighted(0.8, line(1)),
        prop::option::weighted(0.8, line(2)),
        prop::option::weighted(0.03, line(3)),
    )
        .prop_map(|(m, g, a, sub)| vec![m, g, a, sub]);
    let who = prop_oneof![3 => Just(0_usize), 1 => Just(1)];
    let usually = |odds| prop_oneof![odds => Just(true), 1 => Just(false)];
    (
        select(&GAPS[..]),
        (who, 0..6_usize, select(&[8_i64, 8, 8, 7, 20][..])),
        (usually(5), usually(30), usually(30), any::<bool>()),
        select(&[0_i64, 0, 0, 1, 29, 31, 100][..]),
        panel,
    )
        .prop_map(
            |(gap, (who, number, hour), (own_tube, timed, serum, milligrams), late, panel)| {
                let order = Order {
                    who,
                    number,
                    day: 0,
                    hour,
                    own_tube,
                    timed,
                    cord: !serum,
                    late,
                    milligrams,
                    panel,
                };
                (gap, order)
            },
        )
}

const LETTERS: [(&str, StatusClass); 12] = [
    ("F", StatusClass::Final),
    ("C", StatusClass::Final),
    ("A", StatusClass::Final),
    ("B", StatusClass::Final),
    ("", StatusClass::Final),
    ("P", StatusClass::Preliminary),
    ("S", StatusClass::Preliminary),
    ("I", StatusClass::NoResult),
    ("D", StatusClass::Withdrawal),
    ("W", StatusClass::Withdrawal),
    ("X", StatusClass::Withdrawal),
    ("U", StatusClass::Promotion),
];

fn scaled(value: &ReportedValue, by: Decimal) -> ReportedValue {
    match value {
        ReportedValue::Amount(amount) => ReportedValue::Amount(Amount {
            value: (amount.value * by).normalize(),
            ..*amount
        }),
        ReportedValue::Range(a, b) => ReportedValue::Range(*a * by, *b * by),
        other => other.clone(),
    }
}

fn scaled_range(range: &ReportedRange, by: Decimal) -> ReportedRange {
    let each = |limits: &Limits| Limits {
        low: limits.low.map(|low| low * by),
        high: limits.high.map(|high| high * by),
    };
    match range {
        ReportedRange::None => ReportedRange::None,
        ReportedRange::Plain(limits) => ReportedRange::Plain(each(limits)),
        ReportedRange::BySex { male, female } => ReportedRange::BySex {
            male: each(male),
            female: each(female),
        },
    }
}

pub(super) fn observation(order: &Order, analyte: usize, line: &Line) -> Observation {
    let (unit, by) = match line.unit {
        UnitAs::Order if order.milligrams => (Unit::MilligramPerDecilitre, Decimal::ONE_HUNDRED),
        UnitAs::Order => (Unit::GramPerLitre, Decimal::ONE),
        UnitAs::Slipped => (Unit::GramPerLitre, Decimal::ONE_HUNDRED),
        UnitAs::Arbitrary => (Unit::Other("IU/mL".to_owned()), Decimal::ONE),
        UnitAs::Missing => (Unit::Missing, Decimal::ONE),
    };
    let number = format!("F{}", order.number);
    let tube = if order.own_tube {
        number.clone()
    } else {
        format!("T{}", order.day)
    };
    let collected = at(order.day, order.hour);
    let class = LETTERS
        .iter()
        .find(|(letter, _)| *letter == line.status)
        .expect("a letter")
        .1;
    let mut one = Observation {
        id: ResultId {
            patient: key(order.who),
            order: OrderNumber::Filler(Phi::new(number)),
            analyte: Analyte::ALL[analyte],
            specimen: if order.cord {
                Specimen::Cord
            } else {
                Specimen::Serum
            },
            sub_id: line.sub_id.then(|| "1".to_owned()),
        },
        status: ResultStatus {
            class,
            letter: line.status.to_owned(),
            assumed: line.status.is_empty(),
        },
        version_at: at(order.day + line.later, order.hour + 1),
        observed: order.timed.then(|| ObservedAt {
            at: collected,
            date: day_of(order.day),
            source: TimeSource::Obr7,
            text: String::new(),
            clamped: false,
        }),
        value: Phi::new(scaled(&line.value, by)),
        unit,
        range: scaled_range(&line.range, by),
        flag: line.flag,
        shown: Shown {
            specimen_id: Phi::new(tube),
            feed: "LAB/HOSP".to_owned(),
            ..Shown::default()
        },
        position: JournalPosition(0),
        received_at: at(order.day + line.later + order.late, order.hour + 2),
        content_hash: [0; 8],
    };
    one.content_hash = content_hash(&one);
    one
}

/// As extraction does: of the content, not of the copy.
fn content_hash(one: &Observation) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    (
        &one.status,
        one.version_at,
        &one.value,
        &one.unit,
        &one.range,
        one.flag,
    )
        .hash(&mut hasher);
    one.observed
        .as_ref()
        .map(|observed| observed.at)
        .hash(&mut hasher);
    hasher.finish().to_be_bytes()
}
