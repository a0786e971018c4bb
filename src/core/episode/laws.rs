//! The laws of DESIGN.md, "Shape" 5, on generated histories.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::assess::{assess, assessed};
use super::claims::Claims;
use super::decide::decide;
use super::history::walk;
use super::recorded::{self, Standing};
use super::{Transition, TransitionKind};
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::{
    Analyte, Flag, Observation, ReportedValue, Sex, Specimen,
};
use crate::core::clinical::results::Results;
use crate::core::clinical::sample::{Person, Sample, at, key, result};
use crate::core::clinical::{Unit, observation::GroupWithdrawal};
use crate::core::policy::Policy;
use crate::core::record::PooledPatient;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::{BTreeMap, BTreeSet};

/// One fact, as a message brings it.
#[derive(Clone)]
enum Happening {
    Result(Box<Observation>),
    Cancelled(GroupWithdrawal),
    Diagnosis(&'static str, i64),
    Unreliable(bool),
}

/// In one line, for a counterexample that a person can read.
impl std::fmt::Debug for Happening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Result(o) => write!(
                f,
                "{:?} order {} {:?} {} {:?} at {:?} sent {}",
                o.id.analyte,
                o.shown.order.expose(),
                o.id.sub_id,
                o.status.letter,
                o.value.expose(),
                o.observed.as_ref().map(|observed| observed.date),
                o.version_at.to_rfc3339()
            ),
            Self::Cancelled(group) => write!(f, "{group:?}"),
            Self::Diagnosis(code, day) => write!(f, "{code} on {day}"),
            Self::Unreliable(unreliable) => write!(f, "unreliable {unreliable}"),
        }
    }
}

fn value(analyte: Analyte) -> impl Strategy<Value = &'static str> {
    match analyte {
        Analyte::IgM => select(
            &[
                "0.21", "0.15", "0.02", "0.9", "0.9", "3.1", "<0.3", "<0.5", ">0.5",
            ][..],
        ),
        Analyte::IgG => select(&["11", "11", "9", "4.1", "20", "<3", ">6"][..]),
        _ => select(&["2", "2", "1.1", "0.3", "6", "<0.07"][..]),
    }
}

fn sample() -> impl Strategy<Value = Happening> {
    select(
        &[
            Analyte::IgM,
            Analyte::IgM,
            Analyte::IgM,
            Analyte::IgG,
            Analyte::IgA,
        ][..],
    )
    .prop_flat_map(|analyte| {
        (
            Just(analyte),
            // The order fixes the day: its results are collected together, most of the time.
            0..10_usize,
            value(analyte),
            select(&["F", "F", "F", "F", "C", "P", "D", "U", "I", "W"][..]),
            0..4_i64,
            0..20_u8,
        )
    })
    .prop_map(|(analyte, order, value, letter, later, quirk)| {
        const DAYS: [i64; 10] = [0, 0, 7, 20, 40, 55, 80, 180, 200, 900];
        let day = DAYS[order];
        let sample = result(analyte, &order.to_string(), day, value)
            .status(letter)
            .sent(day + later);
        let sample = match quirk {
            0 => sample.with(|o| o.observed = None),
            1 => sample.no_range(),
            2 => sample.flag(Flag::Low),
            3 => sample.value(ReportedValue::Absent),
            4 => sample.value(ReportedValue::BelowScale),
            5 => sample.unit(Unit::Other("kIU/L".to_owned())),
            6 => sample.with(|o| o.id.specimen = Specimen::Cord),
            7 => sample.sub_id("2"),
            8 => sample.value(ReportedValue::Undetectable).no_range(),
            _ => sample,
        };
        Happening::Result(Box::new(Sample::build(sample)))
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        30 => sample(),
        1 => (0..10_usize, 0..900_i64).prop_map(|(order, day)| {
            let cancelled = Person::new().cancelled(&order.to_string(), day).0;
            Happening::Cancelled(cancelled.group_withdrawals[0].1.clone())
        }),
        1 => (select(&["A40.3", "D80.4", "C90.0", "M06.9", "R16.1"][..]), 0..200_i64)
            .prop_map(|(code, day)| Happening::Diagnosis(code, day)),
        1 => any::<bool>().prop_map(Happening::Unreliable),
    ]
}

fn add(person: &mut Person, id: &str, happening: &Happening, sequence: u64) {
    match happening {
        Happening::Result(observation) => {
            let mut observation = (**observation).clone();
            observation.id.patient = key(id);
            observation.position = crate::core::fact::JournalPosition(sequence + 1);
            person.0.observations.push(observation);
        }
        Happening::Cancelled(group) => {
            person.0.group_withdrawals.push((key(id), group.clone()));
        }
        Happening::Diagnosis(code, day) => {
            *person = person.clone().diagnosis(code, *day);
        }
        Happening::Unreliable(unreliable) => {
            *person = person.clone().demographics(|report| {
                report.unreliable = crate::core::clinical::observation::Given::Value(*unreliable);
            });
        }
    }
}

/// What must hold of a patient after any decision.
fn sound(patient: &PooledPatient, policy: &Policy) {
    let results = Results::judge(patient, policy);
    let chart = Chart::read(&results, policy);
    let history = walk(&chart, policy);
    let open = history
        .episodes
        .iter()
        .filter(|episode| episode.open)
        .count();
    assert!(open <= 1, "never two open episodes");
    if let Some((_, before)) = history.episodes.split_last() {
        assert!(before.iter().all(|episode| !episode.open));
    }
    let records = recorded::episodes(&patient.transitions);
    let claims = Claims::of(&history, &records, patient);
    assert!(
        claims.groundless.is_empty(),
        "all that lost its ground is retracted"
    );
    let mut matched = BTreeSet::new();
    for (episode, claimants) in history.episodes.iter().zip(&claims.episodes) {
        let first = claimants.first().expect("every episode is recorded");
        let want = if episode.open {
            Standing::Open
        } else {
            Standing::Closed
        };
        let standing = records[first].standing;
        assert!(
            standing == want || (want == Standing::Closed && standing == Standing::Merged),
            "{standing:?} but {want:?}"
        );
        matched.insert(first.clone());
    }
    for (id, record) in &records {
        assert!(
            record.standing != Standing::Open || matched.contains(id),
            "an open record that no result stands for"
        );
    }
}

/// What must hold of all transitions ever made.
fn consistent<'a>(transitions: impl IntoIterator<Item = &'a Transition>) {
    let mut alerts = BTreeSet::new();
    let mut numbers: BTreeMap<_, u32> = BTreeMap::new();
    let mut detected = BTreeSet::new();
    for transition in transitions {
        assert!(alerts.insert(&transition.alert_id), "alert ids are unique");
        let number = numbers.entry(&transition.episode).or_default();
        *number += 1;
        assert_eq!(transition.number, *number, "numbers have no gaps");
        match transition.kind {
            TransitionKind::Detected => {
                detected.insert(&transition.episode);
            }
            // A paged other pattern is taken back too.
            TransitionKind::OtherPattern if transition.delivery == super::Delivery::Page => {
                detected.insert(&transition.episode);
            }
            TransitionKind::Retracted => assert!(
                detected.contains(&transition.episode),
                "a retraction takes back what was told"
            ),
            _ => {}
        }
        let alert = transition.alert.expose();
        assert_eq!(alert.alert_id, transition.alert_id.0);
        assert_eq!(alert.episode_id, transition.episode.0);
        assert!(!alert.explanation.is_empty());
    }
}

/// Decides and records; deciding again gives nothing.
fn settle(person: &mut Person, policy: &Policy) -> Vec<Transition> {
    let now = at(1000);
    let transitions = decide(&person.0, policy, now);
    person.0.transitions.extend_from_slice(&transitions);
    assert_eq!(decide(&person.0, policy, now), [], "decided and recorded");
    transitions
}

fn shuffled<T: Clone>(items: &[T], order: &[Index]) -> Vec<T> {
    let mut left = items.to_vec();
    let mut out = Vec::new();
    for index in order {
        if left.is_empty() {
            break;
        }
        out.push(left.remove(index.index(left.len())));
    }
    out.extend(left);
    out
}

fn woman() -> Person {
    Person::adult(Sex::Female)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn assessment_and_walk_are_functions_of_the_set(
        facts in vec(happening(), 0..24),
        order in vec(any::<Index>(), 24),
        copies in vec(any::<Index>(), 0..6),
    ) {
        let policy = Policy::built_in();
        let mut one = woman();
        let mut other = woman();
        let numbered: Vec<_> = facts.iter().enumerate().collect();
        for (n, fact) in &numbered {
            add(&mut one, "1", fact, *n as u64);
        }
        let mut again = shuffled(&numbered, &order);
        again.extend(copies.iter().filter(|_| !numbered.is_empty()).map(|i| *i.get(&numbered)));
        for (n, fact) in again {
            // Unreliable is versioned by time; its order is part of the fact.
            if !matches!(fact, Happening::Unreliable(_)) {
                add(&mut other, "1", fact, n as u64);
            }
        }
        for (_, fact) in numbered.iter().filter(|(_, f)| matches!(f, Happening::Unreliable(_))) {
            add(&mut other, "1", fact, 0);
        }
        let standing = |person: &Person| {
            let results = Results::judge(&person.0, &policy);
            let chart = Chart::read(&results, &policy);
            (assess(&chart, &person.0, &policy, at(1000)), assessed(&chart), chart.person.clone())
        };
        prop_assert_eq!(standing(&one), standing(&other));
        let shape = |person: &Person| -> Vec<_> {
            let results = Results::judge(&person.0, &policy);
            let chart = Chart::read(&results, &policy);
            walk(&chart, &policy).episodes.iter().map(|episode| {
                let ids: Vec<_> = episode.ids().cloned().collect();
                let steps: Vec<_> = episode
                    .steps
                    .iter()
                    .map(|step| (step.kind, step.anchor.igm.id().clone(), step.severity))
                    .collect();
                (ids, steps, episode.open)
            }).collect()
        };
        prop_assert_eq!(shape(&one), shape(&other));
        prop_assert_eq!(decide(&one.0, &policy, at(1000)), decide(&other.0, &policy, at(1000)));
    }

    #[test]
    fn any_path_ends_with_the_same_episodes_open_and_closed(
        facts in vec(happening(), 0..16),
        order in vec(any::<Index>(), 16),
        batches in vec(1..4_usize, 16),
    ) {
        let policy = Policy::built_in();
        let mut person = woman();
        let mut made = Vec::new();
        let path = shuffled(&facts, &order);
        let mut rest: &[_] = &path;
        let mut sequence = 0;
        for batch in batches {
            let (now, later) = rest.split_at(batch.min(rest.len()));
            for fact in now {
                add(&mut person, "1", fact, sequence);
                sequence += 1;
            }
            made.extend(settle(&mut person, &policy));
            sound(&person.0, &policy);
            rest = later;
        }
        consistent(&made);
    }

    #[test]
    fn merging_two_people_and_taking_it_back_keeps_the_books(
        first in vec(happening(), 0..10),
        second in vec(happening(), 0..10),
        later in vec((any::<bool>(), happening()), 0..6),
    ) {
        let policy = Policy::built_in();
        let (mut a, mut b) = (woman(), woman());
        b.0.survivor = key("2");
        b.0.members = BTreeSet::from([key("2")]);
        let mut made = Vec::new();
        for (n, fact) in first.iter().enumerate() {
            add(&mut a, "1", fact, n as u64);
        }
        for (n, fact) in second.iter().enumerate() {
            add(&mut b, "2", fact, 100 + n as u64);
        }
        made.extend(settle(&mut a, &policy));
        made.extend(settle(&mut b, &policy));
        let mut both = a.clone();
        both.0.members.insert(key("2"));
        both.0.observations.extend(b.0.observations.iter().cloned());
        both.0.group_withdrawals.extend(b.0.group_withdrawals.iter().cloned());
        both.0.associations.extend(b.0.associations.iter().cloned());
        both.0.transitions.splice(0..0, b.0.transitions.iter().cloned());
        made.extend(settle(&mut both, &policy));
        sound(&both.0, &policy);
        for (n, (of_first, fact)) in later.iter().enumerate() {
            add(&mut both, if *of_first { "1" } else { "2" }, fact, 200 + n as u64);
            made.extend(settle(&mut both, &policy));
            sound(&both.0, &policy);
        }
        for id in ["1", "2"] {
            let mut alone = both.clone();
            alone.0.survivor = key(id);
            alone.0.members = BTreeSet::from([key(id)]);
            alone.0.observations.retain(|o| o.id.patient == key(id));
            alone.0.group_withdrawals.retain(|(patient, _)| *patient == key(id));
            alone.0.transitions.retain(|t| t.filed_under == key(id));
            made.extend(settle(&mut alone, &policy));
            sound(&alone.0, &policy);
        }
        consistent(&made);
    }
}
