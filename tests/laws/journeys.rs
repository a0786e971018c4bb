//! Laws over whole journeys: messages split, repeated, late and out of order, decisions between them,
//! the state lost and rebuilt on the way, merges made and taken back.

use super::episodes::{Shape, agreed, assessments, walked};
use super::fold::{Desk, desk, key};
use super::{POLICY, cases};
use crate::generate::{Form, Happening, damage, damaged, panel, shuffled, story, write};
use crate::told::consistent;
use pentamer::core::clinical::chart::Chart;
use pentamer::core::clinical::observation::Observation;
use pentamer::core::clinical::results::Results;
use pentamer::core::episode::Transition;
use pentamer::core::episode::history::walk;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;

/// What the daemon does between two batches of messages.
#[derive(Debug, Clone, Copy)]
enum Then {
    Nothing,
    Decide,
    Rebuild(usize),
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        2 => Just(Then::Nothing),
        4 => Just(Then::Decide),
        2 => (1..9_usize).prop_map(Then::Rebuild),
    ]
}

fn decide(desk: &mut Desk, made: &mut Vec<Transition>) -> Result<(), TestCaseError> {
    made.extend(
        desk.decide()
            .into_iter()
            .flat_map(|decided| decided.transitions),
    );
    agreed(desk)
}

/// The results that count for a patient.
fn results(desk: &Desk, patient: usize) -> BTreeSet<Observation> {
    desk.pooled(patient)
        .into_iter()
        .flat_map(|person| person.observations)
        .collect()
}

/// The messages of a story, one result each.
fn parts(story: &[Happening]) -> Vec<Vec<u8>> {
    story
        .iter()
        .flat_map(Happening::split)
        .map(|segments| write(&segments, &Form::default()))
        .collect()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_journey_ends_where_the_straight_one_does(
        story in story(14),
        order in vec(any::<Index>(), 60),
        copies in vec(any::<Index>(), 0..6),
        stations in vec((1..5_usize, then()), 1..12),
    ) {
        let mut straight = desk(&story);
        decide(&mut straight, &mut Vec::new())?;
        let mut messages = parts(&story);
        let again: Vec<_> = copies.iter().map(|copy| copy.get(&messages).clone()).collect();
        messages.extend(again);
        let messages = shuffled(&messages, &order);
        let (mut journey, mut made) = (Desk::default(), Vec::new());
        let mut left = messages.as_slice();
        for (size, then) in stations.iter().cycle() {
            let (batch, rest) = left.split_at((*size).min(left.len()));
            journey.receive(batch);
            left = rest;
            match then {
                Then::Nothing => {}
                Then::Decide => decide(&mut journey, &mut made)?,
                Then::Rebuild(batch) => journey.rebuild(*batch),
            }
            if left.is_empty() {
                break;
            }
        }
        decide(&mut journey, &mut made)?;
        consistent(&made)?;
        prop_assert_eq!(assessments(&journey), assessments(&straight));
        prop_assert_eq!(walked(&journey), walked(&straight));
        journey.rebuild(3);
        prop_assert!(journey.decide().is_none(), "a rebuild pages nobody");
    }

    /// A crash between any two facts: what is decided from then on is the same.
    #[test]
    fn after_a_rebuild_at_any_point_the_same_is_decided(
        story in story(14),
        crash in any::<Index>(),
        batch in 1..9_usize,
    ) {
        let run = |crash: Option<usize>| {
            let (mut desk, mut made) = (Desk::default(), Vec::new());
            for (place, happening) in story.iter().enumerate() {
                desk.receive(&[happening.raw()]);
                if crash == Some(place) {
                    desk.rebuild(batch);
                }
                decide(&mut desk, &mut made)?;
            }
            Ok::<_, TestCaseError>((made, desk.facts))
        };
        prop_assert_eq!(run(None)?, run(Some(crash.index(story.len())))?);
    }

    /// Nothing in the protocol takes a merge back; a later merge of the same id into one of its own
    /// does (WIRE I-5, I-7).
    #[test]
    fn a_merge_taken_back_gives_back_what_was(
        panels in vec(panel(2), 1..12),
        first in any::<Index>(),
        day in 0..700_i64,
        decides in vec(any::<bool>(), 3),
    ) {
        let panels: Vec<Happening> = panels.into_iter().map(Happening::Panel).collect();
        let (before, after) = panels.split_at(first.index(panels.len() + 1));
        let apart = desk(&panels);
        let (mut desk, mut made) = (desk(before), Vec::new());
        let merge = Happening::Merge { prior: 0, survivor: 1, day };
        let undo = Happening::Merge { prior: 0, survivor: 2, day: day + 1 };
        for (story, decides) in [(&[][..], decides[0]), (&[merge][..], decides[1]), (after, decides[2]), (&[undo][..], true)] {
            desk.receive(&story.iter().map(Happening::raw).collect::<Vec<_>>());
            if decides {
                decide(&mut desk, &mut made)?;
            }
        }
        consistent(&made)?;
        for patient in 0..2 {
            prop_assert_eq!(
                results(&desk, patient).into_iter().map(|one| (one.id, one.content_hash)).collect::<BTreeSet<_>>(),
                results(&apart, patient).into_iter().map(|one| (one.id, one.content_hash)).collect::<BTreeSet<_>>()
            );
        }
        let own = |desk: &Desk, patient| {
            desk.pooled(patient).map(|person| {
                let results = Results::judge(&person, &POLICY);
                let chart = Chart::read(&results, &POLICY);
                let history = walk(&chart, &POLICY);
                history.episodes.iter().map(|episode| (episode.ids().cloned().collect(), episode.open)).collect::<Vec<Shape>>()
            }).unwrap_or_default()
        };
        for patient in 0..2 {
            prop_assert_eq!(own(&desk, patient), own(&apart, patient));
        }
        let members = desk.pooled(1).map(|person| person.members);
        prop_assert!(members.is_none_or(|members| members == BTreeSet::from([key(1)])));
    }

    #[test]
    fn damaged_messages_on_the_way_break_no_law(
        story in story(12),
        spoiled in vec((any::<Index>(), damage()), 1..5),
    ) {
        let mut messages: Vec<Vec<u8>> = story.iter().map(Happening::raw).collect();
        for (place, damage) in &spoiled {
            let place = place.index(messages.len());
            let raw = damaged(messages[place].clone(), damage);
            messages.insert(place, raw);
        }
        let (mut desk, mut made) = (Desk::default(), Vec::new());
        for message in &messages {
            desk.receive(std::slice::from_ref(message));
            decide(&mut desk, &mut made)?;
        }
        consistent(&made)?;
        desk.rebuild(4);
    }
}
