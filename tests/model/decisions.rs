//! What is decided against the model: at once, and along any path by which the facts may come.

use super::compare::{NOW, POLICY, walked_by_model};
use super::panel::{Part, Point, points};
use super::person::{Person, person, shown};
use super::state::Judged;
use super::walk::{Episode, History, is_boy_with_high_iga, severity_at_first_sight, walk};
use crate::generate::{Past, cases, past};
use crate::told::consistent;
use pentamer::core::clinical::observation::Analyte;
use pentamer::core::episode::decide::decide;
use pentamer::core::episode::recorded::{Standing, episodes};
use pentamer::core::episode::{Delivery, Severity, Transition, TransitionKind};
use pentamer::core::record::PooledPatient;
use pentamer::core::time::Span;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

/// Whether the evidence was old when it came (6.4, `max_age_to_page`); `None` where it came at
/// several times that differ in it.
fn is_old(point: &Point<'_>) -> Option<bool> {
    let mut evidence: Vec<&Judged<'_>> = vec![&point.igm];
    for part in [&point.g, &point.a] {
        match part {
            Part::Now(judged) | Part::Stale(judged) => evidence.push(judged),
            // What is there and cannot be judged is shown too.
            Part::Missing => return None,
        }
    }
    let newest = evidence.iter().filter_map(|one| one.at).max()?;
    let old: BTreeSet<bool> = evidence
        .iter()
        .flat_map(|one| [Some(newest), one.at].map(|at| (one.received_at, at)))
        .filter_map(|(received, at)| Some(received.since(at?) > Span::days(30)))
        .collect();
    let mut old = old.into_iter();
    old.next().filter(|_| old.next().is_none())
}

/// 6.4: what is delivered how, of an episode that is open.
fn delivery(kind: TransitionKind, point: &Point<'_>, who: &Person) -> Option<Delivery> {
    let severity = severity_at_first_sight(point, who);
    let wanted = match kind {
        TransitionKind::Detected => match point.verdict.rule {
            "R8" | "R9" | "R12" | "R5b" => true,
            "R13" => point.severe,
            "R10" => point.severe || point.beside.urgent,
            _ => false,
        },
        TransitionKind::OtherPattern => {
            let infant = point.igm.age.is_surely_below(12);
            (infant && matches!(point.verdict.rule, "R3" | "R5"))
                || is_boy_with_high_iga(point, who)
        }
        TransitionKind::Confirmed | TransitionKind::Progressed => true,
        _ => false,
    };
    let suppressed = point.beside.known
        && match kind {
            TransitionKind::Detected => severity < Severity::Urgent,
            TransitionKind::Confirmed => {
                !(point.severe && point.beside.urgent || severity == Severity::Urgent)
            }
            _ => false,
        };
    let page = wanted && !suppressed && !who.dead;
    if page && is_old(point)? {
        return Some(Delivery::Worklist);
    }
    Some(if page {
        Delivery::Page
    } else {
        Delivery::Worklist
    })
}

/// Subclasses are evidence too, but no part of the model.
fn has_subclass(patient: &PooledPatient) -> bool {
    let mut analytes = patient.observations.iter().map(|one| one.id.analyte);
    analytes.any(|analyte| analyte == Analyte::IgG1)
}

/// Recorded transitions by episode, with the results that they name.
fn by_episode(made: &[Transition]) -> BTreeMap<String, Vec<&Transition>> {
    let mut sorted: BTreeMap<String, Vec<&Transition>> = BTreeMap::new();
    for one in made {
        sorted.entry(shown(&one.opening)).or_default().push(one);
    }
    sorted
}

/// The kinds that a set of results gives when it is decided on at once: first sight, then what
/// happened since; that a closed one was open again in between is no news.
fn kinds(episode: &Episode) -> Vec<TransitionKind> {
    let mut kinds = vec![TransitionKind::Detected];
    let told = episode.steps.iter().filter(|step| {
        matches!(
            step.kind,
            TransitionKind::Confirmed | TransitionKind::Progressed
        )
    });
    kinds.extend(told.map(|step| step.kind));
    if !episode.open {
        kinds.push(TransitionKind::Resolved);
    }
    kinds
}

/// Where an episode is open and one of its Lows alone would be a page, somebody was paged for it.
fn none_unheard(patient: &PooledPatient, made: &[Transition]) -> Result<usize, TestCaseError> {
    let who = person(patient);
    let points = points(patient, &who, &POLICY);
    let history = walk(&points, &who, &POLICY);
    let Some(episode) = history.episodes.last().filter(|episode| episode.open) else {
        return Ok(0);
    };
    let since = episode
        .steps
        .iter()
        .rfind(|step| step.kind == TransitionKind::Reopened)
        .map_or(&episode.members[0], |step| &step.at);
    let pages = |id: &String| {
        let point = points.iter().find(|point| shown(point.igm.id) == *id);
        let point = point.expect("a point");
        point.is_isolated()
            && delivery(TransitionKind::Detected, point, &who) == Some(Delivery::Page)
    };
    let stretch = episode.members.iter().skip_while(|id| *id != since);
    let paging = stretch.filter(|id| pages(id)).count();
    if paging > 0 {
        let records = episodes(made);
        let mine = records
            .values()
            .filter(|one| one.standing == Standing::Open);
        prop_assert!(
            mine.into_iter().any(|one| one.paged),
            "a Low that pages is not heard of"
        );
    }
    Ok(paging)
}

/// What is recorded is what the model's walk comes to.
fn agrees(history: &History, made: &[Transition], deleted: bool) -> Result<(), TestCaseError> {
    let records = episodes(made);
    let of = |episode: &Episode| -> Vec<Standing> {
        let holds = |id| episode.members.contains(&shown(id));
        let mine = records
            .values()
            .filter(|one| holds(&one.opening) || one.members.iter().any(holds));
        mine.map(|one| one.standing).collect()
    };
    let open = records
        .values()
        .filter(|one| one.standing == Standing::Open)
        .count();
    prop_assert!(open <= 1, "two open episodes");
    if deleted {
        return Ok(());
    }
    let walked = history
        .episodes
        .iter()
        .filter(|episode| episode.open)
        .count();
    prop_assert_eq!(open, walked, "open");
    for episode in &history.episodes {
        let standings = of(episode);
        prop_assert!(
            episode.open
                || standings
                    .iter()
                    .any(|one| matches!(one, Standing::Closed | Standing::Merged)),
            "what is over is recorded as over: {:?}",
            standings
        );
        prop_assert!(
            !standings.is_empty() || episode.open,
            "every episode is recorded"
        );
    }
    if history.episodes.is_empty() {
        prop_assert!(
            !records.values().any(|one| one.is_live()),
            "without ground nothing stands"
        );
    }
    Ok(())
}

/// Decides after every so many pieces, and records.
fn along(past: &Past, batches: &[usize]) -> Result<Vec<Transition>, TestCaseError> {
    let mut told: Vec<Transition> = Vec::new();
    let mut seen = 0;
    let mut batches = batches.iter().cycle();
    while seen < past.pieces.len() {
        seen += batches.next().copied().unwrap_or(1).max(1);
        let patient = past.pooled(seen, &told);
        let news = decide(&patient, &POLICY, NOW);
        told.extend(news);
        let patient = past.pooled(seen, &told);
        prop_assert!(
            decide(&patient, &POLICY, NOW).is_empty(),
            "decided is decided"
        );
        agrees(
            &walked_by_model(&patient),
            &told,
            person(&patient).deleted || ever_deleted(past),
        )?;
        consistent(&told)?;
        if !ever_deleted(past) && !has_subclass(&patient) {
            none_unheard(&patient, &told)?;
        }
    }
    Ok(told)
}

/// A deleted person's new episodes are not told; what was told before stands.
fn ever_deleted(past: &Past) -> bool {
    (0..=past.pieces.len()).any(|seen| person(&past.pooled(seen, &[])).deleted)
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn all_at_once_the_core_tells_what_the_model_tells(past in past(8)) {
        let patient = past.whole();
        let who = person(&patient);
        prop_assume!(!who.deleted);
        let points = points(&patient, &who, &POLICY);
        let history = walk(&points, &who, &POLICY);
        let point = |id: &str| points.iter().find(|point| shown(point.igm.id) == id).expect("a point");
        let made = decide(&patient, &POLICY, NOW);
        consistent(&made)?;
        let no_subclass = !has_subclass(&patient);
        if no_subclass {
            none_unheard(&patient, &made)?;
        }
        let delivery = |kind, point: &Point<'_>| no_subclass.then(|| delivery(kind, point, &who)).flatten();
        let told = by_episode(&made);
        let mut openings = BTreeSet::new();
        for episode in &history.episodes {
            openings.insert(episode.members[0].clone());
            let mine = &told[&episode.members[0]];
            let mut got: Vec<TransitionKind> = mine.iter().map(|one| one.kind).collect();
            // First sight may be followed by another that speaks louder; it opens nothing.
            let mut first = true;
            got.retain(|kind| *kind != TransitionKind::Detected || std::mem::take(&mut first));
            prop_assert_eq!(got, kinds(episode), "kinds");
            for one in mine {
                let members: Vec<String> = one.members.iter().map(shown).collect();
                prop_assert_eq!(&members, &episode.members);
                prop_assert!(episode.open || one.delivery == Delivery::Worklist, "what is over pages nobody");
            }
            let steps = episode.steps.iter().filter(|step| matches!(step.kind, TransitionKind::Confirmed | TransitionKind::Progressed));
            let later = mine.iter().filter(|one| matches!(one.kind, TransitionKind::Confirmed | TransitionKind::Progressed));
            for (step, one) in steps.zip(later) {
                prop_assert_eq!(one.severity, step.severity, "{:?}", step.kind);
                if episode.open && let Some(wanted) = delivery(step.kind, point(&step.at)) {
                    prop_assert_eq!(one.delivery, wanted, "{:?}", step.kind);
                }
            }
            if episode.open && episode.members.len() == 1 {
                let only = point(&episode.members[0]);
                prop_assert_eq!(mine.len(), 1);
                prop_assert_eq!(mine[0].severity, severity_at_first_sight(only, &who));
                if let Some(wanted) = delivery(TransitionKind::Detected, only) {
                    prop_assert_eq!(mine[0].delivery, wanted, "{:?}", only.verdict);
                }
            }
            let loudest = episode.members.iter().map(|id| point(id)).filter(|one| one.is_isolated());
            if episode.open && !episode.steps.iter().any(|step| step.kind == TransitionKind::Reopened) {
                let most = loudest.map(|one| severity_at_first_sight(one, &who)).max();
                let told = mine.iter().map(|one| one.severity).max();
                prop_assert!(most < Some(Severity::Urgent) || told == most, "urgent is told as urgent");
            }
        }
        for run in &history.other_patterns {
            openings.insert(run[0].clone());
            let mine = &told[&run[0]];
            let mut classes = BTreeSet::new();
            let firsts: Vec<&Point<'_>> = run.iter().map(|id| point(id)).filter(|one| classes.insert(one.verdict.classification)).collect();
            prop_assert_eq!(mine.len(), firsts.len(), "once for each classification");
            for (first, one) in firsts.into_iter().zip(mine) {
                prop_assert_eq!(one.kind, TransitionKind::OtherPattern);
                prop_assert_eq!(one.severity, severity_at_first_sight(first, &who));
                if let Some(wanted) = delivery(one.kind, first) {
                    prop_assert_eq!(one.delivery, wanted);
                }
            }
        }
        prop_assert_eq!(told.into_keys().collect::<BTreeSet<_>>(), openings, "and nothing else");
    }

    #[test]
    fn whatever_the_path_the_record_comes_to_what_the_model_comes_to(
        past in past(6),
        batches in vec(1..6_usize, 1..8),
    ) {
        along(&past, &batches)?;
    }
}

/// The pasts are worth comparing: every row of 6.3 and every kind of transition comes about.
#[test]
fn the_generated_pasts_reach_every_rule_and_kind() {
    let mut runner = TestRunner::deterministic();
    let (mut rules, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..400 {
        let past = past(8).new_tree(&mut runner).expect("a past").current();
        let patient = past.whole();
        let who = person(&patient);
        let points = points(&patient, &who, &POLICY);
        rules.extend(points.iter().map(|point| point.verdict.rule));
        let half = decide(&past.pooled(past.pieces.len() / 2, &[]), &POLICY, NOW);
        let rest = decide(&past.pooled(past.pieces.len(), &half), &POLICY, NOW);
        for one in half.iter().chain(&rest) {
            kinds.insert((one.kind, one.delivery));
        }
    }
    let every = [
        "R2", "R3", "R4", "R5", "R5b", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R14",
    ];
    assert_eq!(rules, BTreeSet::from(every));
    for kind in [
        TransitionKind::Detected,
        TransitionKind::Confirmed,
        TransitionKind::Progressed,
        TransitionKind::Resolved,
        TransitionKind::Retracted,
        TransitionKind::OtherPattern,
    ] {
        assert!(
            kinds.contains(&(kind, Delivery::Page)),
            "no page of {kind:?}"
        );
        assert!(
            kinds.contains(&(kind, Delivery::Worklist)),
            "{kind:?} always pages"
        );
    }
    assert!(kinds.contains(&(TransitionKind::Reopened, Delivery::Worklist)));
}
