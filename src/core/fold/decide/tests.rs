use super::super::lookback::preview;
use super::super::testing::*;
use super::super::views;
use super::*;
use crate::core::clinical::observation::{Given, Observation, Sex};
use crate::core::clinical::sample::{self, Person, Sample};
use crate::core::episode::TransitionKind;
use crate::core::fact::{Fact, JournalPosition, MergeUndone};
use crate::core::lookback::{PEER, Primed, Reassessed};
use proptest::prelude::*;
use std::sync::LazyLock;

mod identities;

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);

/// IgM low, IgG and IgA normal, of a grown woman, on an account.
fn isolated(patient: &str, order: &str, day: i64, account: &str) -> Said {
    panel(patient, order, day, account, "0.21")
}

fn panel(patient: &str, order: &str, day: i64, account: &str, value: &str) -> Said {
    let build = |made: Sample| -> Observation {
        let account = Phi::new(account.to_owned());
        made.of(patient)
            .with(|one| one.shown.account = account)
            .build()
    };
    let mut said = results(
        patient,
        vec![
            build(sample::igm(order, day, value)),
            build(sample::igg(order, day, "11")),
            build(sample::iga(order, day, "2")),
        ],
    );
    let person = Person::adult(Sex::Female).0.demographics;
    said.patients[0].demographics = person.into_iter().next().map(|(_, report)| report);
    said
}

/// A journal that is folded as it grows, and decided over after each fact.
struct Live {
    script: Script,
    state: Plain,
    journal: Vec<(JournalPosition, Fact)>,
}

impl Live {
    fn new(said: Vec<Said>) -> Self {
        Self {
            script: Script(said),
            state: Plain::default(),
            journal: Vec::new(),
        }
    }

    fn append(&mut self, fact: Fact) {
        let position = JournalPosition(self.journal.len() as u64 + 1);
        self.journal.push((position, fact));
        let last = self.journal.last().cloned();
        self.script.fold_onto(&self.state, last.as_slice());
    }

    /// What is decided now, recorded and folded.
    fn decide(&mut self) -> Vec<(String, TransitionKind)> {
        let Some(decided) = decide(&self.state, &POLICY).unwrap() else {
            return Vec::new();
        };
        let told = decided
            .transitions
            .iter()
            .map(|one| {
                let patient = one.alert.expose().patient.id.clone();
                (patient.unwrap(), one.kind)
            })
            .collect();
        self.append(Fact::Decided(decided));
        assert_eq!(decide(&self.state, &POLICY).unwrap(), None);
        told
    }

    /// Folds the messages one by one, deciding after each.
    fn run(&mut self) -> Vec<Vec<(String, TransitionKind)>> {
        let facts = self.script.facts();
        facts
            .into_iter()
            .map(|(_, fact)| {
                self.append(fact);
                self.decide()
            })
            .collect()
    }
}

fn told(said: Vec<Said>) -> Vec<Vec<(String, TransitionKind)>> {
    Live::new(said).run()
}

fn one(patient: &str, kind: TransitionKind) -> (String, TransitionKind) {
    (patient.to_owned(), kind)
}

use TransitionKind::{Detected, Retracted};

#[test]
fn without_news_nothing_is_decided() {
    assert_eq!(decide(&Plain::default(), &POLICY).unwrap(), None);
    let script = Script(vec![merge("A", "A", 1)]);
    let state = script.fold(&script.facts());
    assert_eq!(decide(&state, &POLICY).unwrap(), None);
}

#[test]
fn a_decision_covers_the_state_and_has_the_time_of_the_newest_news() {
    let script = Script(vec![
        isolated("A", "F1", 0, ""),
        panel("B", "F2", 0, "", "1.2"),
        Said::default(),
    ]);
    let state = script.fold(&script.facts());
    let decided = decide(&state, &POLICY).unwrap().unwrap();
    assert_eq!(decided.through, JournalPosition(3));
    assert_eq!(decided.decided_at, at(2));
    assert_eq!(decided.policy, POLICY.hash());
    assert_eq!(decided.transitions.len(), 1);
    assert_eq!(decided.transitions[0].kind, Detected);
}

/// The daemon ends between the commit of the fold and the record of the decision.
#[test]
fn what_was_lost_before_it_was_recorded_is_decided_once() {
    let mut live = Live::new(vec![isolated("A", "F1", 0, "")]);
    let (_, message) = live.script.facts().remove(0);
    live.append(message);
    let lost = decide(&live.state, &POLICY).unwrap();
    assert_eq!(decide(&live.state, &POLICY).unwrap(), lost);
    assert_eq!(live.decide(), [one("A", Detected)]);
    // And should both copies have reached the journal, there is one alert.
    live.append(Fact::Decided(lost.unwrap()));
    assert_eq!(views::last_alert(&live.state).unwrap(), 1);
}

#[test]
fn a_message_sent_again_is_not_decided_about_again() {
    let same = || isolated("A", "F1", 0, "");
    assert_eq!(
        told(vec![same(), same()]),
        [vec![one("A", Detected)], vec![]]
    );
}

#[test]
fn alert_ids_are_never_used_twice() {
    let mut live = Live::new(vec![
        isolated("A", "F1", 0, "X"),
        move_account("X", "A", "B", 9),
        merge("B", "C", 10),
        merge("B", "D", 11),
    ]);
    let decided: usize = live.run().iter().map(Vec::len).sum();
    assert_eq!(views::last_alert(&live.state).unwrap(), decided as u64);
    // Told of A, taken back there, told of B; which then goes along with B.
    assert_eq!(decided, 3);
}

/// One patient with thousands of results: adding and deciding stay quick.
#[test]
fn a_long_record_is_added_to_without_being_read() {
    let many: Vec<Said> = (0..2_000)
        .map(|n| results("A", vec![igm("A", &format!("F{n}"), n, "")]))
        .collect();
    let script = Script(many);
    let state = script.fold(&script.facts());
    let entry = views::dump(&state)
        .unwrap()
        .iter()
        .map(|(_, value)| value.len())
        .max();
    assert!(entry < Some(1_000), "{entry:?}");
    assert_eq!(pooled(&state, "A").2.len(), 2_000);
}

fn said() -> impl Strategy<Value = Said> {
    let id = || prop_oneof![Just("A"), Just("B"), Just("C")];
    let account = prop_oneof![Just(""), Just("X")];
    let value = prop_oneof![Just("0.21"), Just("1.2"), Just("0.04")];
    prop_oneof![
        4 => (id(), 0_i64..3, account, value).prop_map(|(patient, day, account, value)| {
            panel(patient, &format!("{patient}{day}"), day * 30, account, value)
        }),
        1 => (id(), id(), 0_i64..9).prop_map(|(prior, survivor, at)| merge(prior, survivor, at)),
        1 => (id(), id(), 0_i64..9).prop_map(|(p, s, at)| move_account("X", p, s, at)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A state folded live, with its decisions, is the state folded from its journal; and every
    /// transition that was decided is in the log.
    #[test]
    fn a_rebuild_equals_what_was_folded_live(said in proptest::collection::vec(said(), 1..9)) {
        let mut live = Live::new(said);
        live.run();
        let rebuilt = live.script.fold(&live.journal);
        prop_assert_eq!(views::dump(&rebuilt).unwrap(), views::dump(&live.state).unwrap());
        prop_assert_eq!(decide(&rebuilt, &POLICY).unwrap(), None);
    }

    /// What is isolated low now is told as such of the person it belongs to, whatever came before, however
    /// many messages a decision is about and however many patients at once.
    #[test]
    fn deciding_again_about_everyone_gives_nothing(
        said in proptest::collection::vec(said(), 1..9),
        after in proptest::collection::vec(any::<bool>(), 9),
        at_once in 1_usize..4,
    ) {
        let mut live = Live::new(said);
        for ((_, fact), decides) in live.script.facts().into_iter().zip(after) {
            live.append(fact);
            if decides && let Some(decided) = decide_some(&live.state, &POLICY, at_once).unwrap() {
                live.append(Fact::Decided(decided));
            }
        }
        while let Some(decided) = decide_some(&live.state, &POLICY, at_once).unwrap() {
            live.append(Fact::Decided(decided));
        }
        let mut told = BTreeSet::new();
        for (_, fact) in &live.journal {
            let Fact::Decided(decided) = fact else { continue };
            for step in &decided.transitions {
                prop_assert!(told.insert(step.alert_id.clone()), "an id is used once");
            }
        }
        // A diagnosis marks everyone, and changes nothing that is told.
        let mut news = Said::default();
        for patient in ["A", "B", "C"] {
            let mut part = part(patient, Vec::new());
            part.demographics = Some(demographics(
                1_000,
                crate::core::clinical::observation::Given::Absent,
                crate::core::clinical::observation::Given::Value(Sex::Female),
            ));
            news.patients.push(part);
        }
        live.script.0.push(news);
        let (_, fact) = live.script.facts().pop().unwrap();
        live.append(fact);
        prop_assert_eq!(live.decide(), vec![]);
    }
}

/// All that was decided over this journal, with so many patients at once.
fn in_turn(at_once: usize) -> Vec<(String, TransitionKind)> {
    let mut live = Live::new(vec![
        isolated("1", "A", 0, ""),
        isolated("2", "B", 0, ""),
        isolated("3", "C", 1, ""),
        isolated("1", "D", 60, ""),
    ]);
    for (_, fact) in live.script.facts() {
        live.append(fact);
    }
    let mut told = Vec::new();
    while let Some(decided) = decide_some(&live.state, &POLICY, at_once).unwrap() {
        let last = decided.through == live.state.position().unwrap();
        for one in &decided.transitions {
            told.push((one.filed_under.id.expose().clone(), one.kind));
        }
        live.append(Fact::Decided(decided));
        if !last {
            assert!(views::dirty_count(&live.state).unwrap() > 0);
        }
    }
    assert_eq!(views::dirty_count(&live.state).unwrap(), 0);
    told
}

#[test]
fn a_backlog_is_decided_in_turn_and_comes_to_the_same() {
    let mut all = in_turn(100);
    all.sort();
    assert!(all.len() >= 4, "{all:?}");
    for at_once in [1, 2] {
        let mut some = in_turn(at_once);
        // Patient 1 has the newest news, so it comes last.
        assert_eq!(some.last().map(|(id, _)| id.as_str()), Some("1"));
        some.sort();
        assert_eq!(some, all, "{at_once} at once");
    }
}

fn primed(facts: u32) -> Fact {
    Fact::Primed(Primed {
        facts,
        by: "me".to_owned(),
        at: at(0),
    })
}

/// The same message, out of an archive.
fn archived(fact: &Fact) -> Fact {
    let Fact::Received(mut received) = fact.clone() else {
        panic!("a message");
    };
    PEER.clone_into(&mut received.origin.peer);
    Fact::Received(received)
}

/// Kind and delivery of what is decided now, recorded and folded; the alert says the same.
fn delivered(live: &mut Live) -> Vec<(TransitionKind, Delivery)> {
    let Some(decided) = decide(&live.state, &POLICY).unwrap() else {
        return Vec::new();
    };
    let told = decided
        .transitions
        .iter()
        .map(|step| {
            assert_eq!(step.alert.expose().delivery, step.delivery.shown());
            (step.kind, step.delivery)
        })
        .collect();
    live.append(Fact::Decided(decided));
    told
}

#[test]
fn what_comes_out_of_an_archive_pages_nobody_and_the_next_does() {
    let mut live = Live::new(vec![
        isolated("A", "F1", 35, ""),
        isolated("A", "F2", 36, ""),
    ]);
    let facts = live.script.facts();
    live.append(primed(1));
    live.append(archived(&facts[0].1));
    assert_eq!(delivered(&mut live), [(Detected, Delivery::Quiet)]);
    live.append(facts[1].1.clone());
    assert_eq!(delivered(&mut live), [(Detected, Delivery::Page)]);
}

#[test]
fn news_of_the_feed_page_beside_those_of_an_archive() {
    for archive_first in [true, false] {
        let mut live = Live::new(vec![
            isolated("A", "F1", 35, ""),
            isolated("A", "F2", 36, ""),
        ]);
        let facts = live.script.facts();
        if archive_first {
            live.append(primed(1));
            live.append(archived(&facts[0].1));
            live.append(facts[1].1.clone());
        } else {
            live.append(facts[0].1.clone());
            live.append(primed(1));
            live.append(archived(&facts[1].1));
        }
        let told = delivered(&mut live);
        assert_eq!(told, [(Detected, Delivery::Page)], "{archive_first}");
    }
}

/// A crash has left the first of three messages of an archive.
#[test]
fn the_feed_pages_where_the_rest_of_a_broken_archive_was_to_be() {
    let mut live = Live::new(vec![
        isolated("A", "F1", 35, ""),
        isolated("B", "F2", 35, ""),
    ]);
    let facts = live.script.facts();
    live.append(primed(3));
    live.append(archived(&facts[0].1));
    live.append(facts[1].1.clone());
    let told = delivered(&mut live);
    assert_eq!(
        told,
        [(Detected, Delivery::Page), (Detected, Delivery::Quiet)]
    );
}

/// Another archive that may page comes behind it.
#[test]
fn an_archive_that_may_page_does_so_behind_a_broken_one() {
    let mut live = Live::new(vec![isolated("A", "F1", 35, "")]);
    let facts = live.script.facts();
    live.append(primed(3));
    live.append(primed(0));
    live.append(archived(&facts[0].1));
    assert_eq!(delivered(&mut live), [(Detected, Delivery::Page)]);
}

#[test]
fn a_person_looks_at_what_would_be_told_and_asks_for_it() {
    for (page, delivery) in [(false, Delivery::Quiet), (true, Delivery::Page)] {
        let mut live = Live::new(vec![
            isolated("A", "F1", 35, ""),
            panel("B", "F2", 35, "", "1.2"),
        ]);
        for (_, fact) in live.script.facts() {
            live.append(fact);
        }
        // Considered, with tables that found nothing.
        live.append(Fact::Decided(Decided {
            through: JournalPosition(2),
            policy: "old".to_owned(),
            decided_at: at(1),
            transitions: Vec::new(),
        }));
        assert_eq!(decide(&live.state, &POLICY).unwrap(), None);
        let mut found = Vec::new();
        let mut behind: Option<Vec<u8>> = None;
        loop {
            let part = preview(&live.state, &POLICY, at(2), behind.as_deref(), 1).unwrap();
            found.extend(part.found);
            behind = part.next;
            if behind.is_none() {
                break;
            }
        }
        let kinds: Vec<_> = found[0].transitions.iter().map(|step| step.kind).collect();
        assert_eq!((found.len(), kinds), (1, vec![Detected]));
        live.append(Fact::Reassessed(Reassessed {
            patients: vec![found[0].patient.clone()],
            page,
            by: "me".to_owned(),
            comment: Phi::new("new limits".to_owned()),
            policy: POLICY.hash(),
            at: at(3),
        }));
        assert_eq!(delivered(&mut live), [(Detected, delivery)]);
        let after = preview(&live.state, &POLICY, at(4), None, 10).unwrap();
        assert_eq!((after.found, after.looked_at), (Vec::new(), 2));
    }
}
