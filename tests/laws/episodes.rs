//! Laws (a) and (b) of DESIGN.md, and those of merges: what matters is what was said, not when it came.

use super::fold::{Desk, desk, key};
use super::generate::{Form, Happening, PATIENTS, Panel, happening, panel, shuffled, story, write};
use super::{POLICY, RECEIVED, cases};
use crate::told::consistent;
use pentamer::core::clinical::chart::Chart;
use pentamer::core::clinical::demographics::Demographics;
use pentamer::core::clinical::observation::ResultId;
use pentamer::core::clinical::results::Results;
use pentamer::core::episode::assess::{AssessedResult, Assessment, assess, assessed};
use pentamer::core::episode::history::walk;
use pentamer::core::episode::recorded::{Standing, episodes};
use pentamer::core::episode::{Transition, TransitionKind};
use pentamer::core::record::PooledPatient;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet};

/// An episode by its results, and whether it is open.
pub type Shape = (Vec<ResultId>, bool);

pub fn people(desk: &Desk) -> Vec<PooledPatient> {
    (0..PATIENTS)
        .filter_map(|patient| desk.pooled(patient))
        .collect()
}

/// How everybody stands, with all of their results.
pub fn assessments(desk: &Desk) -> Vec<(Assessment, Vec<AssessedResult>, Demographics)> {
    people(desk)
        .iter()
        .map(|person| {
            let results = Results::judge(person, &POLICY);
            let chart = Chart::read(&results, &POLICY);
            (
                assess(&chart, person, &POLICY, RECEIVED),
                assessed(&chart),
                chart.person.clone(),
            )
        })
        .collect()
}

/// What the results of everybody amount to.
pub fn walked(desk: &Desk) -> Vec<Vec<Shape>> {
    let shapes = |person: &PooledPatient| {
        let results = Results::judge(person, &POLICY);
        let chart = Chart::read(&results, &POLICY);
        let history = walk(&chart, &POLICY);
        history
            .episodes
            .iter()
            .map(|episode| (episode.ids().cloned().collect(), episode.open))
            .collect()
    };
    people(desk).iter().map(shapes).collect()
}

/// What is recorded of everybody is what the results amount to: the same open, the same closed.
pub fn agreed(desk: &Desk) -> Result<(), TestCaseError> {
    for person in people(desk) {
        let results = Results::judge(&person, &POLICY);
        let chart = Chart::read(&results, &POLICY);
        let history = walk(&chart, &POLICY);
        let records = episodes(&person.transitions);
        let open: Vec<_> = records
            .values()
            .filter(|record| record.standing == Standing::Open)
            .collect();
        prop_assert!(open.len() <= 1, "never two open episodes of one person");
        let walked_open = history
            .episodes
            .iter()
            .filter(|episode| episode.open)
            .count();
        prop_assert_eq!(open.len(), walked_open, "open");
        for episode in history.episodes.iter().filter(|episode| !episode.open) {
            let ids: BTreeSet<&ResultId> = episode.ids().collect();
            let closed = records.values().any(|record| {
                matches!(record.standing, Standing::Closed | Standing::Merged)
                    && (ids.contains(&record.opening)
                        || record.members.iter().any(|id| ids.contains(id)))
            });
            prop_assert!(closed, "an episode that is over is recorded as over");
        }
        let live = records.values().filter(|record| record.is_live()).count();
        prop_assert!(live >= history.episodes.len());
        prop_assert!(
            !history.episodes.is_empty() || live == 0,
            "without ground nothing stands"
        );
    }
    Ok(())
}

/// One by one along a path, deciding after each.
fn along(path: &[Happening]) -> Result<(Desk, Vec<Transition>), TestCaseError> {
    let mut desk = Desk::default();
    let mut made = Vec::new();
    for happening in path {
        desk.receive(&[happening.raw()]);
        if let Some(decided) = desk.decide() {
            made.extend(decided.transitions);
        }
        agreed(&desk)?;
    }
    consistent(&made)?;
    Ok((desk, made))
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn order_copies_and_splitting_of_messages_change_no_assessment(
        story in story(20),
        order in vec(any::<Index>(), 80),
        copies in vec(any::<Index>(), 0..8),
    ) {
        let plain = desk(&story);
        let mut parts: Vec<Vec<u8>> = story
            .iter()
            .flat_map(Happening::split)
            .map(|segments| write(&segments, &Form::default()))
            .collect();
        let again: Vec<_> = copies.iter().map(|copy| copy.get(&parts).clone()).collect();
        parts.extend(again);
        let mut other = Desk::default();
        other.receive(&shuffled(&parts, &order));
        prop_assert_eq!(assessments(&other), assessments(&plain));
        prop_assert_eq!(walked(&other), walked(&plain));
        agreed_after_deciding(plain)?;
        agreed_after_deciding(other)?;
    }

    #[test]
    fn whatever_the_path_the_same_episodes_end_open_and_the_same_closed(
        story in story(14),
        order in vec(any::<Index>(), 14),
    ) {
        let (one, _) = along(&story)?;
        let (other, _) = along(&shuffled(&story, &order))?;
        let mut at_once = desk(&story);
        at_once.decide();
        agreed(&at_once)?;
        prop_assert_eq!(walked(&one), walked(&at_once));
        prop_assert_eq!(walked(&other), walked(&at_once));
        prop_assert_eq!(assessments(&one), assessments(&at_once));
    }

    #[test]
    fn deciding_again_gives_nothing(story in story(14), late in happening(1, 1)) {
        let mut desk = desk(&story);
        desk.decide();
        prop_assert!(desk.decide().is_none(), "nobody has news");
        // The same news once more: looked at, and nothing to say.
        desk.receive(&[late.raw()]);
        desk.decide();
        desk.receive(&[late.raw()]);
        let decided = desk.decide();
        prop_assert!(decided.is_none_or(|decided| decided.transitions.is_empty()));
    }

    #[test]
    fn alerts_in_the_outbox_are_the_transitions_made_in_their_order(story in story(14), order in vec(any::<Index>(), 14)) {
        let (desk, made) = along(&shuffled(&story, &order))?;
        let outbox = pentamer::core::fold::views::alerts(&desk.state, 0, usize::MAX).expect("read");
        let told: Vec<_> = made.into_iter().filter(|one| one.kind != TransitionKind::Reopened).collect();
        prop_assert_eq!(outbox.len(), told.len());
        for ((place, alert), (number, told)) in outbox.into_iter().zip((1..).zip(told)) {
            prop_assert_eq!(place, number);
            prop_assert_eq!(alert, told);
        }
    }

    #[test]
    fn merges_in_any_order_give_the_same_people(
        panels in vec(panel(PATIENTS), 1..10),
        merges in vec((0..PATIENTS, 0..PATIENTS, 0..720_i64), 1..6),
        order in vec(any::<Index>(), 6),
    ) {
        let panels: Vec<_> = panels.into_iter().map(Happening::Panel).collect();
        let merges: Vec<_> = merges
            .into_iter()
            .map(|(prior, survivor, day)| Happening::Merge { prior, survivor, day })
            .collect();
        let people = |stories: [&[Happening]; 2]| {
            let desk = desk(&stories.concat());
            (0..PATIENTS)
                .map(|patient| desk.pooled(patient).map(|person| {
                    let mut results: Vec<_> = person.observations.iter().map(|one| (one.id.clone(), one.content_hash)).collect();
                    results.sort();
                    (person.survivor, person.members, results)
                }))
                .collect::<Vec<_>>()
        };
        let other = shuffled(&merges, &order);
        prop_assert_eq!(people([&panels, &merges]), people([&panels, &other]));
        prop_assert_eq!(people([&panels, &merges]), people([&other, &panels]), "also before the results");
    }

    #[test]
    fn after_a_merge_the_results_of_both_are_seen_under_the_survivor(
        panels in vec(panel(2), 1..10),
        day in 0..720_i64,
    ) {
        let mut story: Vec<_> = panels.into_iter().map(Happening::Panel).collect();
        let apart = desk(&story);
        let mut both: BTreeSet<_> = BTreeSet::new();
        for patient in 0..2 {
            both.extend(apart.pooled(patient).into_iter().flat_map(|person| person.observations));
        }
        story.push(Happening::Merge { prior: 0, survivor: 1, day });
        let merged = desk(&story);
        for patient in 0..2 {
            let person = merged.pooled(patient).expect("known");
            prop_assert_eq!(&person.survivor, &key(1), "both ids lead to the survivor");
            prop_assert_eq!(person.members, BTreeSet::from([key(0), key(1)]));
            prop_assert_eq!(person.observations.into_iter().collect::<BTreeSet<_>>(), both.clone());
        }
    }
}

fn agreed_after_deciding(mut desk: Desk) -> Result<(), TestCaseError> {
    if let Some(decided) = desk.decide() {
        consistent(&decided.transitions)?;
    }
    agreed(&desk)
}

/// The stories are worth telling: along them every kind of transition comes about.
#[test]
fn the_generated_stories_bring_about_every_kind_of_transition() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<TransitionKind, usize> = BTreeMap::new();
    let mut merged = 0;
    for _ in 0..60 {
        let story = story(20).new_tree(&mut runner).expect("a story").current();
        let mut desk = Desk::default();
        for part in story.chunks(2) {
            desk.receive(&part.iter().map(Happening::raw).collect::<Vec<_>>());
            for transition in desk
                .decide()
                .into_iter()
                .flat_map(|decided| decided.transitions)
            {
                *seen.entry(transition.kind).or_default() += 1;
                merged +=
                    usize::from(transition.alert.expose().tier_reason.as_deref() == Some("merged"));
            }
        }
    }
    for kind in [
        TransitionKind::Detected,
        TransitionKind::Confirmed,
        TransitionKind::Progressed,
        TransitionKind::Resolved,
        TransitionKind::Retracted,
        TransitionKind::OtherPattern,
        TransitionKind::Reopened,
    ] {
        assert!(
            seen.contains_key(&kind),
            "{kind:?} is missing from {seen:?}"
        );
    }
    assert!(merged > 0, "no episode was taken over: {seen:?}");
}

/// An episode has one owner: when the result that opened it is moved to another patient, it is taken back
/// here, though a later Low of it stays, and told there; that Low opens one of its own.
#[test]
fn an_episode_whose_opening_is_moved_away_is_taken_back_though_a_later_low_stays() {
    let panel = |order, igm| Happening::Panel(Panel::of_igm(0, order, igm));
    let moved = Happening::Move {
        prior: 0,
        survivor: 1,
        account: 0,
        day: 0,
    };
    let path = [
        panel(0, "0.21"),
        panel(1, "0.9"),
        panel(3, "0.21"),
        moved,
        panel(4, "0.21"),
        panel(5, "0.9"),
    ];
    let (desk, made) = along(&path).expect("the laws hold on the way");
    agreed(&desk).expect("agreed");
    let kinds: Vec<_> = made.iter().map(|one| one.kind).collect();
    assert_eq!(
        kinds,
        [
            TransitionKind::Detected,
            TransitionKind::Resolved,
            TransitionKind::Reopened,
            TransitionKind::Retracted,
            TransitionKind::Detected,
            TransitionKind::Detected,
            TransitionKind::Confirmed,
            TransitionKind::Resolved,
        ]
    );
}
