//! What stands beside an IgM.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::Part;
use crate::core::clinical::chart::{Anchor, Chart};
use crate::core::clinical::observation::{ReportedValue, Sex};
use crate::core::clinical::results::Results;
use crate::core::clinical::sample::{Person, iga, igg, igm};
use crate::core::clinical::state::{State, Why};
use crate::core::phi::Phi;
use crate::core::policy::Policy;

/// The last IgM's IgG: where it stands, its order, its state.
fn igg_beside(person: &Person) -> (&'static str, String, Option<State>) {
    let policy = Policy::built_in();
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    let anchor: &Anchor<'_> = chart.anchors.last().expect("an IgM");
    let part = &anchor.panel.igg;
    let word = match part {
        Part::Concurrent(_) => "concurrent",
        Part::Stale(_) => "stale",
        Part::Unusable(..) => "unusable",
        Part::Missing => "missing",
    };
    let order = part.result().map_or_else(String::new, |result| {
        result.current.observation.shown.order.expose().clone()
    });
    (word, order, part.state())
}

fn woman() -> Person {
    Person::adult(Sex::Female).with([igm("m", 0, "0.3")])
}

#[test]
fn same_order_before_same_specimen_before_nearest() {
    let nearest = woman().with([igg("far", -20, "9"), igg("near", 3, "10")]);
    assert_eq!(igg_beside(&nearest).1, "near");
    let in_specimen = |sample: crate::core::clinical::sample::Sample| {
        sample.with(|o| o.shown.specimen_id = Phi::new("S1".to_owned()))
    };
    let specimen = Person::adult(Sex::Female).with([
        in_specimen(igm("m", 0, "0.3")),
        in_specimen(igg("far", -20, "9")),
        igg("near", 3, "10"),
    ]);
    assert_eq!(igg_beside(&specimen).1, "far");
    let order = specimen.with([igg("m", -25, "4")]);
    assert_eq!(
        igg_beside(&order),
        ("concurrent", "m".to_owned(), Some(State::Low))
    );
}

#[test]
fn windows_are_inclusive() {
    for (day, want) in [
        (30, "concurrent"),
        (-30, "concurrent"),
        (31, "missing"),
        (-31, "stale"),
        (-365, "stale"),
        (-366, "missing"),
    ] {
        assert_eq!(
            igg_beside(&woman().with([igg("g", day, "9")])).0,
            want,
            "{day}"
        );
    }
    assert_eq!(igg_beside(&woman()).0, "missing");
}

#[test]
fn an_unknown_does_not_hide_a_known_one() {
    let unknown = || igg("m", 0, "9").status("P");
    assert_eq!(
        igg_beside(&woman().with([unknown()])),
        ("unusable", "m".to_owned(), None)
    );
    assert_eq!(
        igg_beside(&woman().with([unknown(), igg("g", -20, "9")])).1,
        "g"
    );
    assert_eq!(
        igg_beside(&woman().with([unknown(), igg("g", -200, "9")])).0,
        "stale"
    );
}

#[test]
fn of_two_equally_near_the_later_counts() {
    let both = woman().with([igg("before", -5, "9"), igg("after", 5, "9")]);
    assert_eq!(igg_beside(&both).1, "after");
}

#[test]
fn two_finals_of_one_time_that_disagree_are_a_conflict() {
    let policy = Policy::built_in();
    let conflicting = Person::adult(Sex::Female)
        .panel("1", 0, "0.3", "9", "2")
        .with([igm("2", 0, "0.9"), iga("2", 0, "1.9")]);
    let results = Results::judge(&conflicting.0, &policy);
    let chart = Chart::read(&results, &policy);
    assert!(chart.anchors.is_empty());
    let states: Vec<_> = chart.results.iter().map(|result| result.state()).collect();
    assert_eq!(
        states
            .iter()
            .filter(|state| **state == State::Unknown(Why::Conflict))
            .count(),
        2,
        "both IgM, but not the two IgA that agree: {states:?}"
    );
    let agreeing = Person::adult(Sex::Female).with([igm("1", 0, "0.9"), igm("2", 0, ">0.5")]);
    assert_eq!(
        Chart::read(&Results::judge(&agreeing.0, &policy), &policy)
            .anchors
            .len(),
        2
    );
    let one_is_unknown = Person::adult(Sex::Female).with([
        igm("1", 0, "0.3"),
        igm("2", 0, "0.9").value(ReportedValue::Absent),
    ]);
    assert_eq!(
        Chart::read(&Results::judge(&one_is_unknown.0, &policy), &policy)
            .anchors
            .len(),
        1
    );
}
