//! What was reported of one person, as the fold would pool it: without messages, so that everything
//! that a reader could yield comes up, and thousands of histories are read in seconds.

use super::results::{Line, Order, line, observation, order};
use jiff::civil::{Date, date};
use pentamer::core::clinical::observation::{
    AssociationSeen, BirthDate, DemographicsReport, Given, GroupWithdrawal, Observation,
    OrderNumber, PatientKey, Sex, Specimen,
};
use pentamer::core::episode::Transition;
use pentamer::core::fact::JournalPosition;
use pentamer::core::phi::Phi;
use pentamer::core::record::PooledPatient;
use pentamer::core::time::{Span, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::fmt;

/// Day 0: 2024-01-01T00:00:00Z.
const EPOCH: Timestamp = Timestamp::from_micros(1_704_067_200_000_000);
const FIRST_DAY: Date = date(2024, 1, 1);

/// One thing that was reported.
#[derive(Debug, Clone)]
pub enum Piece {
    Result(Box<Observation>),
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
                    ..one.as_ref().clone()
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

    /// All of it, as it came by its own times of receipt.
    pub fn whole(&self) -> PooledPatient {
        let mut pieces = self.pieces.clone();
        pieces.sort_by_key(|piece| match piece {
            Piece::Result(one) => Some(one.received_at),
            Piece::Withdrawn(..) | Piece::Person(..) | Piece::Seen(_) => None,
        });
        Self { pieces }.pooled(self.pieces.len(), &[])
    }
}

pub fn key(who: usize) -> PatientKey {
    PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new(format!("P{who}")),
    }
}

pub(super) fn at(day: i64, hour: i64) -> Timestamp {
    EPOCH.plus(Span::days(day)).plus(Span::seconds(hour * 3600))
}

pub(super) fn day_of(day: i64) -> Date {
    FIRST_DAY
        .checked_add(jiff::Span::new().days(day))
        .expect("a day")
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
                        .map(|line| Piece::Result(Box::new(observation(order, analyte, line)))),
                );
            }
        }
        for (order, analyte, line) in &more {
            let version = Line {
                later: line.later + 1,
                ..line.clone()
            };
            let version = observation(&orders[*order], *analyte, &version);
            pieces.push(Piece::Result(Box::new(version)));
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
