use super::super::testing::*;
use super::*;
use crate::core::fact::{Fact, MergeUndone};
use crate::core::fold::state::State;
use crate::core::fold::views;
use crate::core::phi::Phi;

fn undo(prior: &str, survivor: &str, through: i64) -> Fact {
    Fact::MergeUndone(MergeUndone {
        prior: key(prior),
        survivor: key(survivor),
        through: at(through),
        by: "local".to_owned(),
        comment: Phi::new("another person".to_owned()),
        at: at(through),
    })
}

/// The messages, then the facts behind them.
fn folded(said: Vec<Said>, more: Vec<Fact>) -> Plain {
    let script = Script(said);
    let mut facts = script.facts();
    let next = facts.len() as u64 + 1;
    facts.extend((next..).map(JournalPosition).zip(more));
    script.fold(&facts)
}

fn members(state: &Plain, id: &str) -> Vec<String> {
    pooled(state, id).1
}

fn parted(state: &Plain, id: &str, from: &str) -> Vec<(String, String)> {
    joins(state, &key(id), &key(from))
        .unwrap()
        .into_iter()
        .map(|join| (join.prior.exposed(), join.survivor.exposed()))
        .collect()
}

fn pair(prior: &str, survivor: &str) -> Vec<(String, String)> {
    vec![(format!("HOSP:{prior}"), format!("HOSP:{survivor}"))]
}

fn result(id: &str) -> Said {
    results(id, vec![igm(id, &format!("F{id}"), 5, "")])
}

#[test]
fn an_undo_parts_the_two_and_keeps_what_was_said() {
    let state = folded(
        vec![result("A"), result("B"), merge("A", "B", 10)],
        vec![undo("A", "B", 20)],
    );
    assert_eq!(members(&state, "A"), ["HOSP:A"]);
    assert_eq!(members(&state, "B"), ["HOSP:B"]);
    let seen = dossier(&state, &key("A")).unwrap().unwrap();
    assert_eq!(seen.events.len(), 1);
    assert_eq!(seen.inactive.len(), 1);
    assert_eq!(seen.inactive[0].1, Inactive::Undone);
    assert_eq!(seen.undone.first().unwrap().position, JournalPosition(4));
    assert!(seen.undecided);
    assert_eq!(seen.through, JournalPosition(4));
    assert_eq!(views::dirty_count(&state).unwrap(), 2);
    assert!(views::verify(&state).is_ok());
}

/// The same merge sent again, before or behind the undo, stays undone; one of a later time counts.
#[test]
fn an_undo_holds_up_to_its_time_whatever_comes_first() {
    for said in [
        vec![merge("A", "B", 10)],
        vec![merge("A", "B", 10), merge("A", "B", 10)],
        vec![merge("A", "B", 20)],
    ] {
        let state = folded(said.clone(), vec![undo("A", "B", 20)]);
        assert_eq!(members(&state, "B"), ["HOSP:B"]);
        let script = Script(said);
        let mut facts = vec![(JournalPosition(1), undo("A", "B", 20))];
        for (position, fact) in script.facts() {
            facts.push((position.next(), fact));
        }
        assert_eq!(members(&script.fold(&facts), "B"), ["HOSP:B"]);
    }
    let again = folded(
        vec![merge("A", "B", 10), merge("A", "B", 21)],
        vec![undo("A", "B", 20)],
    );
    assert_eq!(members(&again, "B"), ["HOSP:A", "HOSP:B"]);
}

#[test]
fn an_undo_said_twice_is_one() {
    let state = folded(
        vec![result("A"), merge("A", "B", 10)],
        vec![undo("A", "B", 20), undo("A", "B", 20)],
    );
    let seen = dossier(&state, &key("B")).unwrap().unwrap();
    assert_eq!(seen.undone.len(), 1);
}

#[test]
fn only_the_merge_named_is_taken_back() {
    let state = folded(
        vec![
            merge("A", "B", 10),
            merge("B", "C", 11),
            merge("D", "C", 12),
        ],
        vec![undo("B", "C", 20)],
    );
    assert_eq!(members(&state, "A"), ["HOSP:A", "HOSP:B"]);
    assert_eq!(members(&state, "C"), ["HOSP:C", "HOSP:D"]);
    // Of two survivors the one that is left counts.
    let state = folded(
        vec![merge("A", "B", 10), merge("A", "C", 11)],
        vec![undo("A", "C", 20)],
    );
    assert_eq!(members(&state, "A"), ["HOSP:A", "HOSP:B"]);
}

#[test]
fn two_ids_are_parted_where_they_were_joined() {
    let chain = || {
        vec![
            merge("A", "B", 10),
            merge("B", "C", 11),
            merge("C", "D", 12),
            merge("E", "D", 13),
        ]
    };
    let state = folded(chain(), Vec::new());
    // Directly, whichever is named first.
    assert_eq!(parted(&state, "B", "A"), pair("A", "B"));
    assert_eq!(parted(&state, "A", "B"), pair("A", "B"));
    // Through others: `from` leaves, unless it lies on the way.
    assert_eq!(parted(&state, "D", "A"), pair("A", "B"));
    assert_eq!(parted(&state, "A", "D"), pair("A", "B"));
    assert_eq!(parted(&state, "A", "C"), pair("A", "B"));
    assert_eq!(parted(&state, "A", "E"), pair("E", "D"));
    assert_eq!(parted(&state, "A", "Z"), []);
    assert_eq!(parted(&state, "A", "A"), []);
    let state = folded(chain(), vec![undo("A", "B", 20)]);
    assert_eq!(parted(&state, "B", "A"), [], "it is taken back already");
    assert_eq!(parted(&state, "D", "A"), []);
}

#[test]
fn both_merges_of_a_cycle_join() {
    let state = folded(vec![merge("A", "B", 10), merge("B", "A", 11)], Vec::new());
    let mut found = parted(&state, "A", "B");
    found.sort();
    assert_eq!(found, [pair("A", "B"), pair("B", "A")].concat());
}

#[test]
fn a_conflict_is_none_once_the_other_merge_was_taken_back() {
    let script = Script(vec![merge("A", "B", 10), merge("A", "C", 30)]);
    let mut facts = script.facts();
    facts.insert(1, (JournalPosition(2), undo("A", "B", 20)));
    facts[2].0 = JournalPosition(3);
    let state = Plain::default();
    let effects = script.fold_onto(&state, &facts);
    let conflicts = effects.counts.get(&("main".to_owned(), "merge_conflict"));
    assert_eq!(conflicts, None);
    assert_eq!(state.position().unwrap(), JournalPosition(3));
}

#[test]
fn a_key_is_found_however_many_colons_it_has() {
    let mut said = result("A");
    let odd = PatientKey {
        authority: "urn:oid:1.2".to_owned(),
        id: Phi::new("4:7".to_owned()),
    };
    said.patients[0].key = odd.clone();
    for observation in &mut said.patients[0].observations {
        observation.id.patient = odd.clone();
    }
    let state = folded(vec![said], Vec::new());
    let found = |text| known_key(&state, text).unwrap();
    assert_eq!(found("urn:oid:1.2:4:7"), Some(odd));
    for unknown in ["", "4:7", "urn:oid:1.2:4", "urn:oid:1.2", ":", "HOSP:"] {
        assert_eq!(found(unknown), None, "{unknown}");
    }
    assert_eq!(PatientKey::readings("HOSP:").count(), 0);
    assert_eq!(PatientKey::readings(":7").count(), 1);
}
