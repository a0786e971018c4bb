//! What was reported of one person, as the fold would pool it: without messages, so that everything
//! that a reader could yield comes up, and thousands of histories are read in seconds.

use super::story::number;
use jiff::civil::{Date, date};
use pentamer::core::clinical::observation::{
    Analyte, AssociationSeen, BirthDate, DemographicsReport, Flag, Given, GroupWithdrawal,
    Observation, ObservedAt, OrderNumber, PatientKey, ReportedRange, ReportedValue, ResultId,
    ResultStatus, Sex, Shown, Specimen, StatusClass, TimeSource,
};
use pentamer::core::clinical::{Amount, Comparator, Limits, Unit};
use pentamer::core::episode::Transition;
use pentamer::core::fact::{JournalPosition, Reason};
use pentamer::core::phi::Phi;
use pentamer::core::record::PooledPatient;
use pentamer::core::time::{Span, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Day 0: 2024-01-01T00:00:00Z.
const EPOCH: Timestamp = Timestamp::from_micros(1_704_067_200_000_000);
const FIRST_DAY: Date = date(2024, 1, 1);

/// One thing that was reported.
#[derive(Debug, Clone)]
pub enum Piece {
    Result(Observation),
    Withdrawn(usize, GroupWithdrawal),
    Person(usize, DemographicsReport),
    Seen(AssociationSeen),
}

/// All that was reported of one person, in some order.
#[derive(Clone)]
pub struct Past {
    pub pieces: Vec<Piece>,
}

/// One line for each piece, short enough to follow what happened; nobody's data.
impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |at: Timestamp| at.since(EPOCH).as_micros() / 3_600_000_000;
        let day = |at: Timestamp| format!("{}d{}h", day(at) / 24, day(at) % 24);
        for piece in &self.pieces {
            match piece {
                Piece::Result(one) => writeln!(
                    f,
                    "{} {} {} {:?}{} at {:?} version {} got {} {:?} {:?} {:?} {:?} tube {}",
                    one.id.patient.exposed(),
                    shown_order(&one.id.order),
                    one.id.analyte.name(),
                    one.status.letter,
                    if one.id.specimen == Specimen::Cord {
                        " cord"
                    } else {
                        ""
                    },
                    one.observed.as_ref().map(|observed| day(observed.at)),
                    day(one.version_at),
                    day(one.received_at),
                    one.value.expose(),
                    one.unit,
                    one.range,
                    one.flag,
                    one.shown.specimen_id.expose(),
                )?,
                Piece::Withdrawn(who, one) => {
                    writeln!(
                        f,
                        "P{who} withdrawn {} {}",
                        shown_order(&one.order),
                        day(one.version_at)
                    )?;
                }
                Piece::Person(who, one) => writeln!(
                    f,
                    "P{who} on {} born {:?} sex {:?} dead {:?} unreliable {:?} deleted {:?}",
                    day(one.at),
                    exposed(&one.birth),
                    exposed(&one.sex),
                    one.dead,
                    one.unreliable,
                    one.deleted,
                )?,
                Piece::Seen(one) => {
                    writeln!(
                        f,
                        "{} on {} removed {}",
                        one.code.expose(),
                        day(one.at),
                        one.removed
                    )?;
                }
            }
        }
        Ok(())
    }
}

fn shown_order(order: &OrderNumber) -> &str {
    match order {
        OrderNumber::Filler(number) | OrderNumber::Placer(number) => number.expose(),
        OrderNumber::Unnumbered { .. } => "",
    }
}

fn exposed<T: Clone>(given: &Given<Phi<T>>) -> Given<T> {
    match given {
        Given::Absent => Given::Absent,
        Given::Cleared => Given::Cleared,
        Given::Value(value) => Given::Value(value.expose().clone()),
    }
}

impl Past {
    /// The person as of the first so many pieces, in the order in which they came; `told` is what was
    /// recorded so far.
    pub fn pooled(&self, pieces: usize, told: &[Transition]) -> PooledPatient {
        let mut pooled = PooledPatient {
            survivor: key(0),
            members: [key(0), key(1)].into(),
            observations: Vec::new(),
            group_withdrawals: Vec::new(),
            demographics: Vec::new(),
            associations: Vec::new(),
            transitions: told.to_vec(),
        };
        for (place, piece) in (1..).zip(self.pieces.iter().take(pieces)) {
            let position = JournalPosition(place);
            match piece {
                Piece::Result(one) => pooled.observations.push(Observation {
                    position,
                    ..one.clone()
                }),
                Piece::Withdrawn(who, one) => pooled.group_withdrawals.push((
                    key(*who),
                    GroupWithdrawal {
                        position,
                        ..one.clone()
                    },
                )),
                Piece::Person(who, one) => pooled.demographics.push((
                    key(*who),
                    DemographicsReport {
                        position,
                        ..one.clone()
                    },
                )),
                Piece::Seen(one) => pooled.associations.push(AssociationSeen {
                    position,
                    ..one.clone()
                }),
            }
        }
        pooled
    }

    /// All of it.
    pub fn whole(&self) -> PooledPatient {
        self.pooled(self.pieces.len(), &[])
    }
}

pub fn key(who: usize) -> PatientKey {
    PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new(format!("P{who}")),
    }
}

fn at(day: i64, hour: i64) -> Timestamp {
    EPOCH.plus(Span::days(day)).plus(Span::seconds(hour * 3600))
}

fn day_of(day: i64) -> Date {
    FIRST_DAY
        .checked_add(jiff::Span::new().days(day))
        .expect("a day")
}

/// One order: whose, its number, when collected, in which tube, how long it was under way.
#[derive(Debug, Clone)]
struct Order {
    who: usize,
    number: usize,
    day: i64,
    hour: i64,
    own_tube: bool,
    timed: bool,
    cord: bool,
    late: i64,
    milligrams: bool,
    panel: Vec<Option<Line>>,
}

/// One OBX before it is put into units. Amounts are in g/L.
#[derive(Debug, Clone)]
struct Line {
    value: ReportedValue,
    range: ReportedRange,
    flag: Option<Flag>,
    status: &'static str,
    unit: UnitAs,
    later: i64,
    sub_id: bool,
}

#[derive(Debug, Clone, Copy)]
enum UnitAs {
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

fn line(analyte: usize) -> impl Strategy<Value = Line> {
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

fn order() -> impl Strategy<Value = (i64, Order)> {
    let panel = (
        prop::option::weighted(0.93, line(0)),
        prop::option::weighted(0.8, line(1)),
        prop::option::weighted(0.8, line(2)),
        prop::option::weighted(0.1, line(3)),
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

fn observation(order: &Order, analyte: usize, line: &Line) -> Observation {
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

/// Births by what they make of the age between day 0 and the last.
fn birth() -> impl Strategy<Value = Given<Phi<BirthDate>>> {
    let exact = |birth: Date| BirthDate {
        earliest: birth,
        latest: birth,
    };
    let within = |earliest, latest| BirthDate { earliest, latest };
    prop_oneof![
        6 => Just(Some(exact(date(1980, 1, 1)))),
        2 => Just(None),
        4 => select(vec![
            exact(date(2023, 12, 22)),
            exact(date(2023, 11, 10)),
            exact(date(2023, 8, 1)),
            exact(date(2023, 2, 28)),
            exact(date(2022, 6, 15)),
            exact(date(2020, 2, 29)),
            exact(date(2006, 5, 31)),
            exact(date(2024, 2, 1)),
        ]).prop_map(Some),
        2 => select(vec![
            within(date(2023, 1, 1), date(2023, 12, 31)),
            within(date(2020, 1, 1), date(2020, 12, 31)),
            within(date(2024, 1, 1), date(2024, 12, 31)),
            within(date(2006, 3, 1), date(2006, 3, 31)),
            within(date(1960, 1, 1), date(1960, 12, 31)),
        ]).prop_map(Some),
    ]
    .prop_map(|birth| birth.map_or(Given::Absent, |birth| Given::Value(Phi::new(birth))))
}

fn report(odd: bool) -> impl Strategy<Value = DemographicsReport> {
    let sex = select(vec![
        Given::Value(Phi::new(Sex::Female)),
        Given::Value(Phi::new(Sex::Male)),
        Given::Absent,
        Given::Cleared,
    ]);
    let rare = move |odds: u32| {
        let said = prop_oneof![odds => Just(Given::Absent), 1 => Just(Given::Value(true)), 1 => Just(Given::Value(false))];
        said.prop_map(move |given| if odd { given } else { Given::Absent })
    };
    (0..900_i64, birth(), sex, rare(30), rare(12), rare(40)).prop_map(
        |(day, birth, sex, dead, unreliable, deleted)| DemographicsReport {
            at: at(day, 0),
            birth,
            sex,
            name: Given::Absent,
            dead,
            unreliable,
            deleted,
            position: JournalPosition(0),
        },
    )
}

fn seen() -> impl Strategy<Value = AssociationSeen> {
    const CODES: [&str; 8] = [
        "D80.4", "C90.0", "M06.9", "R16.1", "A40.3", "R62.8", "J45", "J06BA02",
    ];
    let removed = prop_oneof![8 => Just(false), 1 => Just(true)];
    (select(&CODES[..]), 0..900_i64, removed).prop_map(|(code, day, removed)| AssociationSeen {
        code: Phi::new(code.to_owned()),
        system: if code.starts_with("J06") {
            "ATC"
        } else {
            "I10"
        }
        .to_owned(),
        text: Phi::new(String::new()),
        field: "DG1-3".to_owned(),
        at: at(day, 0),
        removed,
        position: JournalPosition(0),
    })
}

/// A person's whole past of up to so many orders, in a shuffled order of arrival.
pub fn past(orders: usize) -> impl Strategy<Value = Past> {
    let results = vec(order(), 1..=orders).prop_flat_map(|orders| {
        let mut day = 0;
        let orders: Vec<Order> = orders
            .into_iter()
            .map(|(gap, order)| {
                day += gap;
                Order { day, ..order }
            })
            .collect();
        let more = (0..orders.len(), 0..4_usize)
            .prop_flat_map(|(order, analyte)| (Just(order), Just(analyte), line(analyte)));
        let withdrawn = (0..orders.len(), 0..4_i64);
        (Just(orders), vec(more, 0..6), vec(withdrawn, 0..2))
    });
    let results = results.prop_map(|(orders, more, withdrawn)| {
        let mut pieces = Vec::new();
        for order in &orders {
            for (analyte, line) in order.panel.iter().enumerate() {
                pieces.extend(
                    line.as_ref()
                        .map(|line| Piece::Result(observation(order, analyte, line))),
                );
            }
        }
        for (order, analyte, line) in &more {
            let version = Line {
                later: line.later + 1,
                ..line.clone()
            };
            pieces.push(Piece::Result(observation(
                &orders[*order],
                *analyte,
                &version,
            )));
        }
        for (order, later) in withdrawn {
            let order = &orders[order];
            let group = GroupWithdrawal {
                order: OrderNumber::Filler(Phi::new(format!("F{}", order.number))),
                version_at: at(order.day + later, order.hour + 1),
                position: JournalPosition(0),
            };
            pieces.push(Piece::Withdrawn(order.who, group));
        }
        pieces
    });
    let person = (report(false), vec((0..2_usize, report(true)), 0..2));
    let copies = vec(any::<prop::sample::Index>(), 0..3);
    (results, person, vec(seen(), 0..3), copies)
        .prop_map(|(mut pieces, (first, more), seen, copies)| {
            let again: Vec<Piece> = copies
                .iter()
                .filter(|_| !pieces.is_empty())
                .map(|copy| copy.get(&pieces).clone())
                .collect();
            pieces.extend(again);
            pieces.push(Piece::Person(0, first));
            pieces.extend(
                more.into_iter()
                    .map(|(who, report)| Piece::Person(who, report)),
            );
            pieces.extend(seen.into_iter().map(Piece::Seen));
            pieces
        })
        .prop_shuffle()
        .prop_map(|pieces| Past { pieces })
}
