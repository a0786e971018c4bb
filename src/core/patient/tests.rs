use super::*;
use crate::core::clinical::observation::{Analyte, Sex};
use crate::core::clinical::sample::{Person, at, iga, igg, igm, key, result};
use crate::core::episode::decide::decide;
use crate::core::episode::{Transition, TransitionKind};
use crate::core::extract::{IdentityEvent, IdentityKind};
use crate::core::fact::{JournalPosition, MergeUndone};
use crate::core::fold::values::UndoMark;
use crate::core::identity::{Aliases, Undone};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);

const MOMENT: Moment = Moment {
    now: Timestamp::from_micros(1_770_000_000_000_000),
    current: true,
};

fn dossier(person: Person) -> Dossier {
    Dossier {
        patient: person.0,
        events: BTreeSet::new(),
        inactive: Vec::new(),
        undone: BTreeSet::new(),
        refusals: BTreeMap::new(),
        through: JournalPosition(200_000),
        undecided: false,
    }
}

fn seen(person: Person) -> PatientView {
    view(&dossier(person), &POLICY, MOMENT).into_exposed()
}

fn adult() -> Person {
    Person::adult(Sex::Female)
}

fn decided(person: &Person) -> Vec<Transition> {
    decide(&person.0, &POLICY, at(1))
}

/// The rows of a result, each as (order, counts, why not).
fn rows(view: &PatientView) -> Vec<(&str, bool, Option<&str>)> {
    let rows = view.results.iter();
    rows.map(|row| (row.row.order.as_str(), row.counts, row.why_not))
        .collect()
}

/// Two results decided about one after the other say the same as both at once, in either order.
#[test]
fn an_episode_stands_since_its_earliest_result_whichever_came_first() {
    let later = adult().panel("F2", 10, "0.22", "11", "2");
    let told = decided(&later);
    let both = later.recorded(&told).panel("F1", 0, "0.21", "11", "2");
    let told = [told, decided(&both)].concat();
    let shown = seen(both.recorded(&told));
    assert_eq!(shown.episodes.len(), 1);
    assert_eq!(shown.episodes[0].opened_at, "2026-01-03T08:00:00Z");
}

#[test]
fn the_promised_fields_are_there_in_their_order() {
    let person = adult().panel("F1", 0, "0.21", "11", "2");
    let told = decided(&person);
    let view = view(&dossier(person.recorded(&told)), &POLICY, MOMENT);
    let json = serde_json::to_value(&view).unwrap();
    let names: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(
        names[..10],
        [
            "key",
            "identities",
            "classification",
            "tier",
            "tier_reason",
            "severity",
            "review",
            "episodes",
            "results",
            "trend"
        ]
    );
    assert_eq!(json["key"], "HOSP:1");
    assert_eq!(json["classification"], "isolated_low_igm");
    assert_eq!(json["tier"], "complete");
    assert_eq!(json["tier_reason"], Value::Null);
    assert_eq!(json["severity"], "routine");
    assert_eq!(json["review"], Value::Null);
    let episode = &json["episodes"][0];
    assert_eq!(episode["open"], true);
    assert_eq!(episode["opened_at"], "2026-01-03T08:00:00Z");
    let step = &episode["transitions"][0];
    for (name, value) in [
        ("n", Value::from(1)),
        ("kind", "detected".into()),
        ("severity", "routine".into()),
        ("delivery", "page".into()),
        ("alert_id", told[0].alert_id.0.as_str().into()),
        ("about", "HOSP:1".into()),
    ] {
        assert_eq!(step[name], value, "{name}");
    }
    assert_eq!(step["evidence"]["positions"], serde_json::json!([100_000]));
    assert_eq!(step["evidence"]["results"].as_array().unwrap().len(), 3);
    let row = &json["results"][0];
    for (name, value) in [
        ("analyte", "IgM"),
        ("state", "low"),
        ("value", "0.21"),
        ("unit", "g/L"),
        ("reported", "0.21 g/L"),
        ("low", "0.4"),
        ("interval_source", "OBX-7"),
        ("order", "F1"),
        ("control_id", "MF1"),
        ("feed", "LAB/HOSP"),
        ("role", "judged"),
        ("reported_under", "HOSP:1"),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
    assert_eq!(row["position"], 100_000);
    assert_eq!(format!("{view:?}"), "[phi]");
}

#[test]
fn nothing_known_is_a_view_that_says_so() {
    let view = seen(Person::new());
    assert_eq!((view.classification, view.tier), ("none", None));
    assert_eq!(view.sentence, "No immunoglobulin result is stored.");
    assert!(view.results.is_empty() && view.episodes.is_empty() && view.trend.is_empty());
    assert_eq!(view.panel.igm, None);
    assert_eq!(view.identities.len(), 1);
    assert!(view.identities[0].survivor);
}

#[test]
fn of_versions_one_counts_and_the_others_say_why_not() {
    let view = seen(adult().with([
        igm("F1", 0, "0.30").status("P"),
        igm("F1", 0, "0.21").sent(1),
        igm("F1", 0, "0.22").status("C").sent(2),
        igm("F1", 0, "0.25").status("P").sent(3),
    ]));
    let values: Vec<_> = view
        .results
        .iter()
        .map(|row| (row.row.value.as_deref().unwrap(), row.why_not))
        .collect();
    assert_eq!(
        values,
        [
            ("0.3", Some("superseded")),
            ("0.25", Some("superseded")),
            ("0.21", Some("superseded")),
            ("0.22", None),
        ]
    );
    let reasons: Vec<_> = view.results.iter().map(|row| row.reason.as_str()).collect();
    assert!(reasons[0].contains("Preliminary: the final result in message MF1"));
    assert!(reasons[2].contains("Corrected by message MF1 (journal position 100002)"));
    assert_eq!(view.results[3].role, Some("judged"));
    assert!(view.trend[0].corrected && view.trend.len() == 1);
}

#[test]
fn what_was_withdrawn_says_by_what() {
    let view = seen(
        adult()
            .with([
                igm("F1", 0, "0.21"),
                igm("F1", 0, "0.21").status("W").sent(2),
                igg("F2", 0, "11"),
            ])
            .cancelled("F2", 3),
    );
    assert_eq!(
        rows(&view),
        [
            ("F1", false, Some("withdrawn")),
            ("F1", false, Some("withdrawal")),
            ("F2", false, Some("withdrawn")),
        ]
    );
    assert!(
        view.results[0]
            .reason
            .contains("status W in message MF1 (journal position 100002)")
    );
    assert!(
        view.results[2]
            .reason
            .contains("cancelled as a whole (journal position 100003)")
    );
    assert_eq!(view.results[1].row.state, "unknown");
    assert_eq!(view.classification, "none");
}

#[test]
fn what_cannot_be_judged_says_why_and_is_for_review() {
    let view = seen(adult().with([
        igm("F1", 0, "<0.5"),
        igm("F2", 0, "0.3").with(|one| one.observed = None),
        igm("F3", 1, "0.3").status("P"),
        igm("F4", 2, "0.3").status("I"),
        igm("F5", 3, "0.3").status("U"),
    ]));
    let mut why: Vec<_> = rows(&view);
    why.sort_unstable();
    assert_eq!(
        why,
        [
            ("F1", false, Some("comparator")),
            ("F2", false, Some("no_time")),
            ("F3", false, Some("preliminary")),
            ("F4", false, Some("no_result")),
            ("F5", false, Some("promotion")),
        ]
    );
    assert!(view.results.iter().all(|row| !row.reason.is_empty()));
    assert_eq!(view.review, Some("comparator"));
    assert!(
        view.review_text
            .unwrap()
            .contains("cannot be placed against 0.4-2.3")
    );
    assert_eq!(view.classification, "indeterminate");
}

#[test]
fn the_panel_names_the_results_it_rests_on() {
    let view = seen(
        adult()
            .with([
                igm("F0", -100, "0.9"),
                igm("F1", 0, "0.21"),
                igg("F1", 0, "11"),
            ])
            .with([
                igg("F2", 5, "10"),
                iga("F3", -200, "2"),
                igg("F4", -900, "9"),
            ]),
    );
    let by_n = |n: Option<u32>| {
        let n = n.unwrap();
        let row = view.results.iter().find(|row| row.n == n).unwrap();
        (row.row.order.as_str(), row.role)
    };
    assert_eq!(by_n(view.panel.igm), ("F1", Some("judged")));
    let beside = &view.panel.beside;
    assert_eq!(beside[0].standing, "concurrent");
    assert_eq!(by_n(beside[0].result), ("F1", Some("concurrent")));
    assert_eq!(beside[1].standing, "stale");
    assert_eq!(by_n(beside[1].result), ("F3", Some("stale")));
    assert_eq!((beside[2].standing, beside[2].result), ("missing", None));
    let reason = |order: &str| {
        let mut rows = view.results.iter();
        let row = rows.find(|row| row.row.order == order && row.role.is_none());
        row.unwrap().reason.as_str()
    };
    assert!(reason("F0").starts_with("An earlier IgM"));
    assert!(reason("F2").starts_with("Another IgG stands beside"));
    assert!(reason("F4").starts_with("Another IgG stands beside"));
}

#[test]
fn without_an_igm_there_is_nothing_to_stand_beside() {
    let view = seen(adult().with([igg("F1", 0, "11")]));
    assert!(view.results[0].reason.starts_with("There is no IgM"));
    assert!(view.results[0].counts);
    assert_eq!(view.sentence, "No IgM result is stored.");
}

#[test]
fn the_trend_has_the_last_of_each_with_days_between() {
    let mut person = adult();
    for day in 0..12 {
        person = person.panel(&format!("F{day}"), day * 7, "0.21", "11", "");
    }
    let view = seen(person.with([result(Analyte::IgG1, "S", 3, "5")]));
    let igm: Vec<_> = view
        .trend
        .iter()
        .filter(|point| point.analyte == "IgM")
        .collect();
    assert_eq!(igm.len(), 10);
    assert!(igm.iter().all(|point| point.days_since_previous == Some(7)));
    assert_eq!(igm[0].at, "2026-01-17T08:00:00Z");
    assert_eq!(view.trend.len(), 20, "IgG too, subclasses not");
    assert!(view.trend.is_sorted_by_key(|point| &point.at));
    assert_eq!(igm[9].result, view.panel.igm);
}

#[test]
fn episodes_tell_their_steps_and_how_they_stand() {
    let first = adult().panel("F1", 0, "0.21", "11", "2");
    let mut told = decided(&first);
    let then = first
        .panel("F2", 40, "0.22", "11", "2")
        .panel("F3", 80, "1.2", "11", "2")
        .recorded(&told);
    let more = decided(&then);
    told.extend(more.iter().cloned());
    let view = seen(then.recorded(&more));
    let episode = &view.episodes[0];
    let kinds: Vec<_> = episode.transitions.iter().map(|step| step.kind).collect();
    assert_eq!(
        kinds,
        [
            TransitionKind::Detected,
            TransitionKind::Confirmed,
            TransitionKind::Resolved
        ]
    );
    assert!(!episode.open);
    assert_eq!(episode.standing, "resolved");
    assert_eq!(episode.filed_under, "HOSP:1");
    assert!(
        episode
            .transitions
            .iter()
            .zip(1..)
            .all(|(step, n)| step.n == n)
    );
    let confirmed = &episode.transitions[1].evidence;
    assert!(confirmed.positions.contains(&100_040), "{confirmed:?}");
    assert!(
        confirmed
            .positions
            .iter()
            .all(|position| *position <= confirmed.through),
        "{confirmed:?}"
    );
}

fn merge(prior: &str, survivor: &str, day: i64) -> IdentityEvent {
    IdentityEvent {
        kind: IdentityKind::Merge,
        prior: key(prior),
        survivor: key(survivor),
        at: at(day),
        content_hash: [0; 8],
        position: JournalPosition(7),
    }
}

fn undo(prior: &str, survivor: &str, day: i64) -> UndoMark {
    UndoMark {
        undone: MergeUndone {
            prior: key(prior),
            survivor: key(survivor),
            through: at(day),
            by: "ward".to_owned(),
            comment: Phi::new("two persons".to_owned()),
            at: at(day),
        },
        position: JournalPosition(9),
    }
}

/// The dossier of patient `1` among these events.
fn among(events: &[IdentityEvent], undone: &[UndoMark]) -> Dossier {
    let taken_back = Undone::of(undone.iter().map(|mark| &mark.undone));
    let aliases = Aliases::resolve_without(events, &taken_back);
    let mut person = adult().with([igm("F1", 0, "0.21"), igm("F2", 1, "0.22").of("2")]);
    person.0.survivor = aliases.survivor(&key("1")).clone();
    person.0.members = aliases.pool(&key("1"));
    Dossier {
        events: events.iter().cloned().collect(),
        inactive: aliases.inactive().to_vec(),
        undone: undone.iter().cloned().collect(),
        ..dossier(person)
    }
}

fn identities_of(dossier: &Dossier) -> PatientView {
    view(dossier, &POLICY, MOMENT).into_exposed()
}

#[test]
fn identities_say_how_they_came() {
    let view = identities_of(&among(&[merge("1", "2", 3)], &[]));
    assert_eq!(view.key, "HOSP:2");
    let ids: Vec<_> = view
        .identities
        .iter()
        .map(|one| (one.key.as_str(), one.survivor, one.results))
        .collect();
    assert_eq!(ids, [("HOSP:2", true, 1), ("HOSP:1", false, 1)]);
    let merged = view.identities[1].merged.as_ref().unwrap();
    assert_eq!((merged.survivor.as_str(), merged.position), ("HOSP:2", 7));
    assert!(merged.counts && merged.undone.is_none());
    assert_eq!(view.identities[0].merged, None);
    assert_eq!(view.identity_events.len(), 1);
}

#[test]
fn what_was_taken_back_is_shown_with_who_and_why() {
    let view = identities_of(&among(&[merge("1", "2", 3)], &[undo("1", "2", 4)]));
    assert_eq!(view.key, "HOSP:1");
    assert_eq!(view.identities.len(), 1);
    let event = &view.identity_events[0];
    assert_eq!((event.counts, event.why_not), (false, Some("undone")));
    let undo = event.undone.as_ref().unwrap();
    assert_eq!(
        (undo.by.as_str(), undo.comment.as_str(), undo.position),
        ("ward", "two persons", 9)
    );
}

#[test]
fn a_merge_that_came_after_the_undo_counts_and_the_first_does_not() {
    let events = [merge("1", "2", 3), merge("1", "2", 5)];
    let view = identities_of(&among(&events, &[undo("1", "2", 4)]));
    assert_eq!(view.key, "HOSP:2");
    let counts: Vec<_> = view.identity_events.iter().map(|one| one.counts).collect();
    assert_eq!(counts, [false, true]);
    let merged = view.identities[1].merged.as_ref().unwrap();
    assert_eq!(merged.at, at(5).to_rfc3339());
}

#[test]
fn events_without_effect_say_why() {
    let mut link = merge("1", "8", 1);
    link.kind = IdentityKind::Link { linked: true };
    let mut moved = merge("1", "9", 2);
    moved.kind = IdentityKind::MoveAccount(Phi::new("A7".to_owned()));
    let events = [
        link,
        moved,
        merge("1", "2", 3),
        merge("2", "1", 4),
        merge("1", "3", 3),
    ];
    let view = identities_of(&among(&events, &[]));
    let why: Vec<_> = view
        .identity_events
        .iter()
        .map(|event| (event.kind, event.survivor.as_str(), event.why_not))
        .collect();
    assert!(why.contains(&("link", "HOSP:8", Some("link"))), "{why:?}");
    assert!(why.contains(&("move_account", "HOSP:9", None)), "{why:?}");
    assert!(why.contains(&("merge", "HOSP:1", None)), "{why:?}");
    let idle = why
        .iter()
        .filter(|(kind, _, why)| *kind == "merge" && why.is_some());
    assert!(idle.count() >= 1, "{why:?}");
    let moved = view
        .identity_events
        .iter()
        .find(|one| one.kind == "move_account");
    assert_eq!(moved.unwrap().number.as_deref(), Some("A7"));
}

fn letter() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("F"), 2 => Just("P"), 2 => Just("C"), 1 => Just("W"), 1 => Just("U"), 1 => Just("I")]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every version is shown once and says whether and why it counts; what counts is at most one
    /// version a result; numbers are those of the rows.
    #[test]
    fn every_version_has_its_say(
        versions in proptest::collection::vec((0_u8..3, 0_u8..3, 0_i64..4, 0_i64..3, letter()), 0..14)
    ) {
        let samples = versions.iter().map(|(analyte, order, day, sent, letter)| {
            let (name, value) = ([Analyte::IgM, Analyte::IgG, Analyte::IgA], ["0.21", "11", "2"]);
            let which = usize::from(*analyte);
            result(name[which], &format!("F{order}"), *day, value[which])
                .status(letter)
                .sent(day + sent)
        });
        let person = adult().with(samples);
        let total = person.0.observations.len();
        let view = seen(person);
        prop_assert_eq!(view.results.len(), total);
        let mut standing = BTreeSet::new();
        for (row, n) in view.results.iter().zip(1..) {
            prop_assert_eq!(row.n, n);
            prop_assert_eq!(row.counts, row.why_not.is_none());
            prop_assert!(!row.reason.is_empty());
            prop_assert!(row.stands || !row.counts);
            if row.stands {
                prop_assert!(standing.insert((row.row.analyte.clone(), row.row.order.clone())));
            }
        }
        for point in &view.trend {
            prop_assert!(point.result.is_some());
        }
        if let Some(igm) = view.panel.igm {
            prop_assert_eq!(view.results[igm as usize - 1].role, Some("judged"));
        }
    }
}
