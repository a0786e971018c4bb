//! Merges, moves and links.

use super::*;
use TransitionKind::{Detected, Retracted};

fn ids(person: &PooledPatient) -> Vec<String> {
    let ids = person.members.iter();
    ids.map(|member| member.id.expose().clone()).collect()
}

#[test]
fn a_merge_marks_both_and_pools_them_under_the_survivor() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    bench.message(&panel("2", "F2", 2, "0.22", "F"));
    assert_eq!(bench.decide(), [Detected, Detected]);
    bench.message(&merge("1", "2"));
    assert_eq!(bench.dirty(), 2);
    for id in ["1", "2"] {
        let person = bench.person(id).expect("known");
        assert_eq!(person.survivor, key("2"));
        assert_eq!(ids(&person), ["1", "2"]);
        assert_eq!(person.observations.len(), 6);
        assert_eq!(person.transitions.len(), 2);
    }
    let decided = bench.decided().expect("news");
    assert_eq!(decided.transitions.len(), 1, "one of the two is taken over");
}

#[test]
fn a_link_is_kept_and_pools_nothing() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    bench.message(&panel("2", "F2", 2, "0.22", "F"));
    bench.message(&adt("A24", &(pid("1") + &pid("2"))));
    for id in ["1", "2"] {
        let person = bench.person(id).expect("known");
        assert_eq!(ids(&person), [id]);
        assert_eq!(person.observations.len(), 3);
    }
    let overlay = crate::core::fold::Overlay::new(&bench.state);
    let component = crate::core::fold::pool::component(&overlay, &key("1")).expect("readable");
    assert_eq!(component.records.len(), 1, "a link is not followed");
    assert!(component.events.is_empty());
}

#[test]
fn nothing_is_known_of_an_id_that_was_never_reported() {
    let bench = Bench::default();
    assert_eq!(bench.person("1"), None);
    assert_eq!(bench.decided(), None);
}

#[test]
fn merges_that_contradict_are_counted_once() {
    let mut bench = Bench::default();
    let counted = |effects: &Effects, name: &'static str| {
        let count = effects.counts.get(&("lab".to_owned(), name));
        count.copied().unwrap_or(0)
    };
    bench.message(&merge("1", "2"));
    let other = bench.message(&merge("1", "3").replace("125000", "125030"));
    assert_eq!(counted(&other, "merge_conflict"), 1);
    let cycle = bench.message(&merge("3", "1").replace("125000", "125100"));
    assert_eq!(counted(&cycle, "merge_cycle"), 1);
    let again = bench.message(&merge("3", "1").replace("125000", "125100"));
    assert_eq!(counted(&again, "merge_cycle"), 0);
    assert_eq!(counted(&again, "merge_conflict"), 0);
}

/// A44: the account's results are of another patient.
fn move_account(from: &str, to: &str) -> String {
    adt(
        "A44",
        &(pid(to) + &format!("MRG|{from}^^^HOSP^MR||ACC{from}\r")),
    )
}

#[test]
fn a_moved_account_takes_its_results_to_the_other_patient() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    let other = panel("1", "F2", 2, "0.9", "F").replace("ACC1", "ACC9");
    bench.message(&other);
    bench.message(&move_account("1", "2"));
    let (from, to) = (bench.person("1"), bench.person("2"));
    let (from, to) = (from.expect("known"), to.expect("known"));
    assert_eq!((ids(&from), ids(&to)), (vec!["1".to_owned()], vec!["2".to_owned()]));
    assert_eq!((from.observations.len(), to.observations.len()), (3, 3));
    assert!(to.observations.iter().all(|one| one.id.patient == key("2")));
    // A correction under the new id, and a cancellation under the old one, are of the same order.
    bench.message(&panel("2", "F1", 1, "0.9", "C"));
    let to = bench.person("2").expect("known").observations;
    let results: std::collections::BTreeSet<_> = to.iter().map(|one| &one.id).collect();
    assert_eq!((to.len(), results.len()), (6, 3), "versions of the same results");
    let cancelled = head("ORM^O01", "c") + &pid("1") + "ORC|CA||F1\r";
    bench.message(&cancelled);
    let withdrawn = bench.person("2").expect("known").group_withdrawals;
    assert!(withdrawn.iter().any(|(of, _)| *of == key("2")));
}

#[test]
fn a_moved_episode_is_taken_back_from_one_patient_and_told_of_the_other() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    assert_eq!(bench.decide(), [Detected]);
    bench.message(&move_account("1", "2"));
    let decided = bench.decided().expect("news");
    let told: Vec<_> = decided
        .transitions
        .iter()
        .map(|one| (one.kind, one.alert.expose().patient.id.clone().expect("an id")))
        .collect();
    assert_eq!(told, [(Retracted, "1".to_owned()), (Detected, "2".to_owned())]);
    let effects = bench.take(Fact::Decided(decided));
    assert_eq!(effects.new_alerts.len(), 2, "both get through");
    assert_eq!(views::alerts(&bench.state, 0, 9).expect("readable").len(), 3);
    // The other patient's episode goes on: news about it changes it, and says nothing twice.
    bench.message(&panel("2", "F9", 8, "0.22", "F"));
    assert_eq!(bench.decide(), []);
    bench.message(&panel("1", "F8", 8, "0.9", "F").replace("ACC1", "ACC7"));
    assert_eq!(bench.decide(), []);
}
