//! Which version stands: S-1 to S-6, order by order.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::{ByOrder, Standing, compare, current};
use crate::core::clinical::observation::{Observation, OrderNumber, ReportedValue, StatusClass};
use crate::core::clinical::sample::{Person, Sample, iga, igg, igm, key};
use crate::core::fact::JournalPosition;
use crate::core::phi::Phi;
use std::cmp::Ordering;

/// Value and class of what stands, in every rotation of the versions.
fn standing(samples: Vec<Sample>) -> Vec<(String, StatusClass)> {
    standing_in(&Person::new().with(samples))
}

fn standing_in(person: &Person) -> Vec<(String, StatusClass)> {
    let mut observations = person.0.observations.clone();
    let mut outcomes = Vec::new();
    for _ in 0..observations.len() {
        observations.rotate_left(1);
        let stands: Vec<_> = current(&observations, &person.0.group_withdrawals)
            .iter()
            .map(|Standing { current, .. }| {
                let value = match current.observation.value.expose() {
                    ReportedValue::Amount(amount) => amount.value.to_string(),
                    other => format!("{other:?}"),
                };
                (value, current.class)
            })
            .collect();
        outcomes.push(stands);
    }
    outcomes.dedup();
    assert_eq!(outcomes.len(), 1, "arrival order is irrelevant");
    outcomes.remove(0)
}

fn finals(values: &[&str]) -> Vec<(String, StatusClass)> {
    values
        .iter()
        .map(|value| ((*value).to_owned(), StatusClass::Final))
        .collect()
}

#[test]
fn final_beats_preliminary_and_the_later_version_wins() {
    assert_eq!(
        standing(vec![
            igm("1", 0, "0.3").status("P").sent(9),
            igm("1", 0, "0.2"),
            igm("1", 0, "0.25").sent(2),
        ]),
        finals(&["0.25"])
    );
    assert_eq!(
        standing(vec![igm("1", 0, "0.3").status("P")]),
        [("0.3".to_owned(), StatusClass::Preliminary)]
    );
}

#[test]
fn at_equal_time_withdrawal_then_correction_then_final() {
    assert_eq!(
        standing(vec![igm("1", 0, "0.9"), igm("1", 0, "0.2").status("C")]),
        finals(&["0.2"])
    );
    assert_eq!(
        standing(vec![
            igm("1", 0, "0.2").status("C"),
            igm("1", 0, "0.2").status("D"),
        ]),
        []
    );
}

#[test]
fn equal_in_all_else_the_greater_content_hash_wins() {
    let (a, b) = (igm("1", 0, "0.2").build(), igm("1", 0, "0.9").build());
    let greater = if a.content_hash > b.content_hash {
        "0.2"
    } else {
        "0.9"
    };
    assert_eq!(
        standing(vec![igm("1", 0, "0.2"), igm("1", 0, "0.9")]),
        finals(&[greater])
    );
}

#[test]
fn of_copies_the_first_received_counts() {
    let first = igm("1", 0, "0.2").build();
    let copy = Observation {
        position: JournalPosition(first.position.0 + 50),
        ..first.clone()
    };
    let observations = [copy, first.clone()];
    let stands = current(&observations, &[]);
    assert_eq!(stands.len(), 1);
    assert_eq!(stands[0].current.position, first.position);
}

#[test]
fn a_withdrawal_is_kept_for_what_comes_later_and_revived_by_a_newer_final() {
    let withdrawal = || {
        igm("1", 0, "0.2")
            .status("W")
            .sent(5)
            .value(ReportedValue::Absent)
    };
    assert_eq!(standing(vec![withdrawal(), igm("1", 0, "0.2")]), []);
    assert_eq!(
        standing(vec![
            withdrawal(),
            igm("1", 0, "0.2"),
            igm("1", 0, "0.3").sent(6)
        ]),
        finals(&["0.3"])
    );
    assert_eq!(
        standing(vec![withdrawal(), igm("1", 0, "0.3").status("P").sent(6)]),
        [],
        "a preliminary version revives nothing"
    );
}

#[test]
fn a_withdrawal_names_patient_order_analyte_and_sub_id() {
    let of_line = |sub_id: &str| igm("1", 0, "0.2").sub_id(sub_id).status("D").sent(1);
    assert_eq!(
        standing(vec![
            igm("1", 0, "0.2").sub_id("1"),
            igm("1", 0, "0.3").sub_id("2"),
            of_line("1"),
        ]),
        finals(&["0.3"])
    );
    assert_eq!(
        standing(vec![
            igm("1", 0, "0.2").sub_id("1"),
            igm("1", 0, "0.3").sub_id("2"),
            igm("1", 0, "0.2").status("D").sent(1),
        ]),
        [],
        "without OBX-4 it means all of the analyte"
    );
    assert_eq!(
        standing(vec![
            igm("1", 0, "0.2"),
            iga("1", 0, "2"),
            igm("2", 0, "0.3"),
            igm("3", 0, "0.4").of("2"),
            igm("1", 0, "0.2").status("X").sent(1),
            igm("3", 0, "0.4").status("X").sent(1),
        ])
        .len(),
        3,
        "other orders, analytes and patients are not meant"
    );
}

#[test]
fn a_promotion_makes_preliminary_final_and_is_nothing_alone() {
    let promotion = |day| {
        igm("1", 0, "9")
            .status("U")
            .sent(day)
            .value(ReportedValue::Absent)
    };
    assert_eq!(standing(vec![promotion(1)]), []);
    assert_eq!(
        standing(vec![promotion(1), igm("1", 0, "0.3").status("P")]),
        finals(&["0.3"])
    );
    assert_eq!(
        standing(vec![promotion(1), igm("1", 0, "0.3").status("P").sent(2)]),
        [("0.3".to_owned(), StatusClass::Preliminary)],
        "what comes after it is preliminary again"
    );
    let observations = Person::new()
        .with([promotion(1), igm("1", 0, "0.3").status("P")])
        .0
        .observations;
    let stands = current(&observations, &[]);
    assert!(stands[0].current.promoted);
    assert_eq!(stands[0].current.position, observations[0].position);
}

#[test]
fn a_cancelled_order_takes_all_its_results() {
    let person = Person::new()
        .with([igm("1", 0, "0.2"), iga("1", 0, "2"), igm("2", 0, "0.3")])
        .cancelled("1", 3);
    assert_eq!(standing_in(&person), finals(&["0.3"]));
    let revived = person.with([iga("1", 0, "2.1").sent(4)]);
    assert_eq!(standing_in(&revived), finals(&["2.1", "0.3"]));
    let of_somebody_else = Person::new().with([igm("1", 0, "0.2")]);
    let mut of_somebody_else = of_somebody_else.cancelled("1", 3);
    of_somebody_else.0.group_withdrawals[0].0 = key("2");
    assert_eq!(standing_in(&of_somebody_else), finals(&["0.2"]));
}

#[test]
fn no_value_removes_nothing_but_a_correction_to_none_does() {
    let empty = |letter| {
        igm("1", 0, "0")
            .status(letter)
            .sent(3)
            .value(ReportedValue::Absent)
    };
    assert_eq!(
        standing(vec![igm("1", 0, "0.2"), empty("F")]),
        finals(&["0.2"])
    );
    assert_eq!(
        standing(vec![igm("1", 0, "0.2"), empty("C")]),
        finals(&["Absent"])
    );
    assert_eq!(
        standing(vec![igm("1", 0, "0.2").status("P"), empty("F")]),
        finals(&["Absent"])
    );
}

#[test]
fn pending_lines_are_nothing() {
    assert_eq!(
        standing(vec![
            igm("1", 0, "0.2").status("I"),
            igm("1", 0, "0.2").status("O")
        ]),
        []
    );
    assert_eq!(
        standing(vec![
            igm("1", 0, "0.2"),
            igm("1", 0, "0.3").status("I").sent(4)
        ]),
        finals(&["0.2"])
    );
}

#[test]
fn versions_sort_as_they_outrank_each_other() {
    let (older, newer) = (
        igm("1", 0, "0.2").build(),
        igm("1", 0, "0.3").sent(1).build(),
    );
    assert_eq!(compare(&older, &newer), Ordering::Less);
    let taken_back = igm("1", 0, "0.2").status("D").build();
    assert_eq!(compare(&older, &taken_back), Ordering::Less);
}

#[test]
fn results_sort_by_order_and_every_part_of_the_id_counts() {
    let ids: Vec<_> = [
        igm("2026-0001-b", 0, "1"),
        igm("2026-0001-a", 0, "1"),
        iga("2026-0001-a", 0, "1"),
        igm("2026-0001-a", 0, "1").sub_id("1"),
        igm("2026-0001-a", 0, "1").of("2"),
        igm("2026-00", 0, "1"),
        igm("", 0, "1"),
    ]
    .into_iter()
    .map(|sample| sample.build().id)
    .collect();
    let mut keys: Vec<_> = ids.iter().map(ByOrder::of).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), ids.len(), "no two of them are one");
    let orders = keys.chunk_by(|a, b| (&a.id.order, &a.id.patient) == (&b.id.order, &b.id.patient));
    assert_eq!(orders.count(), 5, "what belongs together stands together");
}

/// The values of what stands, order by order.
fn orders(samples: Vec<Sample>) -> Vec<Vec<String>> {
    let observations: Vec<_> = samples.into_iter().map(Sample::build).collect();
    current(&observations, &[])
        .chunk_by(|a, b| a.order == b.order)
        .map(|order| {
            let shown = order.iter().map(|one| &one.current.observation.shown);
            shown.map(|shown| shown.reported.expose().clone()).collect()
        })
        .collect()
}

#[test]
fn orders_are_told_apart_by_kind_patient_and_the_whole_of_their_number() {
    let long = "ACCESSION-2026-000000000001";
    for (other, what) in [
        ("ACCESSION-2026-000000000002", "behind the first 15 bytes"),
        ("ACCESSION-2026-", "the beginning of another one"),
        ("ACCESSION-2026", "a shorter beginning"),
    ] {
        let found = orders(vec![
            igm(long, 0, "1"),
            igm(other, 0, "2"),
            igg(long, 0, "3"),
            igg(other, 0, "4"),
        ]);
        assert_eq!(found.len(), 2, "{what}");
        assert!(
            found.contains(&vec!["1 g/L".to_owned(), "3 g/L".to_owned()]),
            "{what}"
        );
        assert!(
            found.contains(&vec!["2 g/L".to_owned(), "4 g/L".to_owned()]),
            "{what}"
        );
    }
    let found = orders(vec![
        igm("7", 0, "1"),
        igm("7", 0, "2").of("2"),
        igm("7", 0, "3").with(|o| {
            o.id.order = OrderNumber::Placer(Phi::new("7".to_owned()));
        }),
        igm("7", 0, "4").with(|o| {
            o.id.order = OrderNumber::Unnumbered {
                code: "IG".to_owned(),
                observed: "7".to_owned(),
                at: String::new(),
            };
        }),
        igm("7\0", 0, "5"),
    ]);
    assert_eq!(found.len(), 5, "{found:?}");
    let twice = orders(vec![igm("7", 0, "1"), igm("7", 0, "1").sent(3)]);
    assert_eq!(twice, [["1 g/L"]]);
}
