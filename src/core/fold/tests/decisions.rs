//! Decisions, alerts and sinks.

use super::*;
use TransitionKind::{Detected, Reopened, Resolved, Retracted};

/// The transition that a first low IgM of a patient gives.
fn detected(bench: &mut Bench, id: &str) -> String {
    bench.message(&panel(id, &format!("F{id}"), 1, "0.21", "F"));
    let decided = bench.decided().expect("news");
    let alert = decided.transitions.first().expect("one").alert_id.0.clone();
    bench.take(Fact::Decided(decided));
    alert
}

#[test]
fn a_decision_clears_the_marks_of_what_it_saw_and_no_others() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    bench.message(&panel("2", "F2", 1, "0.21", "F"));
    let decided = bench.decided().expect("news");
    bench.message(&panel("1", "F3", 2, "0.22", "F"));
    bench.message(&panel("3", "F4", 1, "0.9", "F"));
    bench.take(Fact::Decided(decided));
    assert_eq!(bench.dirty(), 2, "1 has newer news, 3 was not seen");
    assert_eq!(bench.decide(), []);
    assert_eq!(bench.dirty(), 0);
    assert_eq!(bench.decided(), None);
}

#[test]
fn a_decision_that_was_not_recorded_is_made_again_and_counts_once() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    let first = bench.decided().expect("news");
    // The daemon ends between the commit and the record: the mark is still there.
    let again = bench.decided().expect("still news");
    assert_eq!(first, again);
    let effects = bench.take(Fact::Decided(first));
    assert_eq!(effects.new_alerts.len(), 1);
    let once = dump(&bench.state);
    let effects = bench.take(Fact::Decided(again));
    assert_eq!(effects.new_alerts, []);
    assert_eq!(dump(&bench.state), once);
    assert_eq!(bench.decided(), None);
}

#[test]
fn alerts_stand_in_the_order_in_which_they_were_recorded() {
    let mut bench = Bench::default();
    let ids: Vec<String> = ["3", "1", "2"]
        .into_iter()
        .map(|id| detected(&mut bench, id))
        .collect();
    let places = |after, limit| {
        views::alerts(&bench.state, after, limit)
            .expect("readable")
            .into_iter()
            .map(|(place, alert)| (place, alert.alert_id.0))
            .collect::<Vec<_>>()
    };
    let all: Vec<_> = (1_u64..).zip(ids).collect();
    assert_eq!(places(0, 99), all);
    assert_eq!(places(1, 1), all[1..2]);
    assert_eq!(places(3, 99), []);
    assert_eq!(places(u64::MAX, 99), []);
}

#[test]
fn effects_name_new_alerts_with_their_kind() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 28, "0.21", "F"));
    let decided = bench.decided().expect("news");
    let effects = bench.take(Fact::Decided(decided));
    let alert = effects.new_alerts.first().expect("one");
    assert_eq!(alert.kind, Detected);
    assert_eq!(alert.delivery, crate::core::episode::Delivery::Page);
    assert_eq!(alert.severity, crate::core::episode::Severity::Routine);
}

#[test]
fn a_silent_reopening_is_recorded_and_no_alert() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    assert_eq!(bench.decide(), [Detected]);
    bench.message(&panel("1", "F2", 5, "0.9", "F"));
    assert_eq!(bench.decide(), [Resolved]);
    bench.message(&panel("1", "F3", 9, "0.22", "F"));
    let decided = bench.decided().expect("news");
    let kinds: Vec<_> = decided.transitions.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [Reopened]);
    let effects = bench.take(Fact::Decided(decided.clone()));
    assert_eq!(effects.new_alerts, []);
    assert_eq!(views::alerts(&bench.state, 0, 9).expect("readable").len(), 2);
    let recorded = bench.person("1").expect("known").transitions;
    assert_eq!(recorded.last().map(|one| one.kind), Some(Reopened));
    bench.take(Fact::Decided(decided));
    let recorded = bench.person("1").expect("known").transitions;
    assert_eq!(recorded.len(), 3, "once, however often it is folded");
    // It goes on: the next alert has the next place.
    bench.message(&panel("1", "F4", 12, "0.9", "F"));
    assert_eq!(bench.decide(), [Resolved]);
    let places: Vec<_> = views::alerts(&bench.state, 2, 9)
        .expect("readable")
        .into_iter()
        .map(|(place, alert)| (place, alert.kind))
        .collect();
    assert_eq!(places, [(3, Resolved)]);
}

#[test]
fn a_correction_retracts_what_was_told() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    assert_eq!(bench.decide(), [Detected]);
    bench.message(&panel("1", "F1", 1, "0.9", "C"));
    assert_eq!(bench.decide(), [Retracted]);
}

/// What a sink is given next, and whether it was about to be.
fn next(bench: &Bench, sink: &str) -> Option<(u64, bool)> {
    let waiting = views::next_alert(&bench.state, sink).expect("readable");
    waiting.map(|waiting| (waiting.place, waiting.attempted))
}

#[test]
fn every_sink_has_a_place_of_its_own_in_the_queue() {
    let mut bench = Bench::default();
    let first = detected(&mut bench, "1");
    let second = detected(&mut bench, "2");
    let depth = |bench: &Bench, sink: &str| {
        let (depth, oldest) = views::queue_depth(&bench.state, sink).expect("readable");
        (depth, oldest.is_some())
    };
    let attempted = |sink: &str, alert: &str| Fact::Attempted {
        sink: sink.to_owned(),
        alert_id: alert.to_owned(),
        at: at(9),
    };
    assert_eq!((next(&bench, "a"), depth(&bench, "a")), (Some((1, false)), (2, true)));
    bench.take(attempted("a", &first));
    assert_eq!(next(&bench, "a"), Some((1, true)), "perhaps it was sent already");
    assert_eq!(next(&bench, "b"), Some((1, false)));
    bench.take(Fact::Delivered {
        sink: "a".to_owned(),
        alert_id: first.clone(),
        at: at(9),
    });
    assert_eq!((next(&bench, "a"), depth(&bench, "a")), (Some((2, false)), (1, true)));
    bench.take(attempted("a", &second));
    bench.take(Fact::Dead {
        sink: "a".to_owned(),
        alert_id: second.clone(),
        at: at(9),
        reason: "refused".to_owned(),
    });
    assert_eq!((next(&bench, "a"), depth(&bench, "a")), (None, (0, false)));
    assert_eq!(depth(&bench, "b"), (2, true));
    // A late report about an earlier alert takes nothing back.
    bench.take(Fact::Delivered {
        sink: "a".to_owned(),
        alert_id: first,
        at: at(9),
    });
    assert_eq!(next(&bench, "a"), None);
    let third = detected(&mut bench, "3");
    assert_eq!(next(&bench, "a"), Some((3, false)));
    bench.take(Fact::Delivered {
        sink: "a".to_owned(),
        alert_id: "unknown".to_owned(),
        at: at(9),
    });
    assert_eq!(next(&bench, "a"), Some((3, false)), "an alert nobody knows moves nothing");
    bench.take(Fact::Delivered {
        sink: "a".to_owned(),
        alert_id: third,
        at: at(9),
    });
    assert_eq!(next(&bench, "a"), None);
}
