//! The walk by itself; what it leads to is tested with `decide`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::walk;
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::Sex;
use crate::core::clinical::results::Results;
use crate::core::clinical::sample::{Person, igm};
use crate::core::episode::TransitionKind::{
    self, Confirmed, Detected, Progressed, Reopened, Resolved,
};
use crate::core::policy::Policy;
use crate::core::time::Span;

fn steps(person: &Person) -> Vec<Vec<(TransitionKind, String)>> {
    let policy = Policy::built_in();
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    walk(&chart, &policy)
        .episodes
        .iter()
        .map(|episode| {
            episode
                .steps
                .iter()
                .map(|step| {
                    let order = step.anchor.igm.current.observation.shown.order.expose();
                    (step.kind, order.clone())
                })
                .collect()
        })
        .collect()
}

fn course(days: &[(i64, &str, &str)]) -> Person {
    days.iter()
        .fold(Person::adult(Sex::Female), |person, (day, m, g)| {
            person.panel(&day.to_string(), *day, m, g, "2")
        })
}

fn at(kind: TransitionKind, day: i64) -> (TransitionKind, String) {
    (kind, day.to_string())
}

#[test]
fn a_life_of_episodes() {
    let person = course(&[
        (0, "0.3", "9"),
        (10, "0.3", "9"),
        (40, "0.3", "9"),
        (80, "0.3", "4"),
        (120, "0.9", "9"),
        (150, "0.3", "9"),
        (200, "0.9", "9"),
        (300, "0.3", "9"),
    ]);
    assert_eq!(
        steps(&person),
        [
            vec![
                at(Detected, 0),
                at(Confirmed, 40),
                at(Progressed, 80),
                at(Resolved, 120),
                at(Reopened, 150),
                at(Resolved, 200)
            ],
            vec![at(Detected, 300)]
        ]
    );
    let policy = Policy::built_in();
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    let history = walk(&chart, &policy);
    assert_eq!(history.episodes[0].members.len(), 5);
    assert_eq!(history.episodes[0].reopened_at, 4);
    assert!(!history.episodes[0].open);
    assert!(history.episodes[1].open);
    assert!(history.other_patterns.is_empty());
}

#[test]
fn what_cannot_be_told_neither_opens_nor_closes() {
    let person = course(&[(0, "<0.5", "9"), (10, "0.3", "9"), (20, "<0.5", "9")]);
    assert_eq!(steps(&person), [vec![at(Detected, 10)]]);
}

#[test]
fn runs_of_other_patterns_end_with_a_normal_or_an_episode() {
    let person = course(&[
        (0, "0.3", "4"),
        (30, "0.3", "4"),
        (60, "0.3", "30"),
        (90, "0.9", "9"),
        (120, "0.3", "4"),
        (160, "0.3", "9"),
    ]);
    let policy = Policy::built_in();
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    let history = walk(&chart, &policy);
    let runs: Vec<_> = history
        .other_patterns
        .iter()
        .map(|run| (run.members.len(), run.firsts().count()))
        .collect();
    assert_eq!(runs, [(3, 2), (1, 1)]);
    assert_eq!(steps(&person), [vec![at(Detected, 160)]]);
}

#[test]
fn a_normal_of_the_same_day_ends_no_run_of_other_patterns() {
    let hours_later = |order: &str, hours: i64, m: &str| {
        igm(order, 0, m).with(|one| {
            let observed = one.observed.as_mut().expect("a time");
            observed.at = observed.at.plus(Span::seconds(hours * 3600));
        })
    };
    let runs = |hours: i64| {
        let person = Person::adult(Sex::Female)
            .panel("1", 0, "0.3", "4", "2")
            .with([hours_later("2", hours, "0.9")])
            .panel("3", 3, "0.3", "4", "2");
        let policy = Policy::built_in();
        let results = Results::judge(&person.0, &policy);
        let chart = Chart::read(&results, &policy);
        walk(&chart, &policy).other_patterns.len()
    };
    assert_eq!(runs(3), 1);
    assert_eq!(runs(30), 2);
}

#[test]
fn a_long_life_is_walked() {
    // Years of daily panels.
    let days: Vec<_> = (0..10_000)
        .map(|n| (n - 5_000, if n % 3 == 0 { "0.9" } else { "0.3" }, ""))
        .collect();
    assert!(!steps(&course(&days)).is_empty());
}
