use super::super::tables;
use super::super::testing::*;
use super::*;
use crate::core::fact::{Fact, Refused};
use crate::core::fold::state::Batch;
use bytes::Bytes;
use proptest::prelude::*;

fn attempted(sink: &str, alert_id: &str) -> Fact {
    Fact::Attempted {
        sink: sink.to_owned(),
        alert_id: alert_id.to_owned(),
        at: at(1),
    }
}

fn delivered(sink: &str, alert_id: &str) -> Fact {
    Fact::Delivered {
        sink: sink.to_owned(),
        alert_id: alert_id.to_owned(),
        at: at(2),
    }
}

fn log_of(facts: Vec<Fact>) -> Plain {
    let facts: Vec<_> = facts
        .into_iter()
        .zip(1..)
        .map(|(fact, position)| (JournalPosition(position), fact))
        .collect();
    Script::default().fold(&facts)
}

fn three_alerts() -> Fact {
    decided(0, (1..=3).map(|n| transition("A", "F1", n)).collect())
}

fn next(state: &Plain, sink: &str) -> Option<(u64, bool)> {
    let waiting = next_alert(state, sink).unwrap()?;
    Some((waiting.place, waiting.attempted.is_some()))
}

#[test]
fn each_sink_has_its_own_cursor() {
    let state = log_of(vec![
        three_alerts(),
        attempted("log", "A-F1-1"),
        delivered("log", "A-F1-1"),
        attempted("log", "A-F1-2"),
    ]);
    assert_eq!(next(&state, "log"), Some((2, true)));
    assert_eq!(next(&state, "webhook"), Some((1, false)));
    assert_eq!(cursor(&state, "log").unwrap(), Some(1));
    assert_eq!(cursor(&state, "webhook").unwrap(), None);
}

#[test]
fn a_dead_letter_frees_the_way() {
    let dead = Fact::Dead {
        sink: "log".to_owned(),
        alert_id: "A-F1-1".to_owned(),
        at: at(3),
        reason: "410 gone".to_owned(),
    };
    let state = log_of(vec![three_alerts(), attempted("log", "A-F1-1"), dead]);
    assert_eq!(next(&state, "log"), Some((2, false)));
    let marks = deliveries(&state, 1).unwrap();
    assert_eq!(marks.len(), 1);
    assert_eq!(marks[0].1.attempts, 1);
    assert!(marks[0].1.outcome.is_some());
}

#[test]
fn the_queue_is_what_lies_after_the_cursor() {
    let state = log_of(vec![three_alerts(), delivered("log", "A-F1-1")]);
    assert_eq!(queue_depth(&state, "log").unwrap(), (2, Some(at(2))));
    // Where facts between were lost, the last one counts.
    let done = log_of(vec![three_alerts(), delivered("log", "A-F1-3")]);
    assert_eq!(queue_depth(&done, "log").unwrap(), (0, None));
    assert_eq!(next(&done, "log"), None);
}

fn passed(sink: &str, after: u64, through: u64) -> Fact {
    Fact::Passed(crate::core::delivery::Passed {
        sink: sink.to_owned(),
        after,
        through,
        reason: "not_wanted".to_owned(),
        at: at(4),
    })
}

fn replayed(sink: &str, after: u64) -> Fact {
    Fact::Replayed(crate::core::delivery::Replayed {
        sink: sink.to_owned(),
        after,
        by: "anna".to_owned(),
        at: at(5),
    })
}

#[test]
fn a_sink_that_is_new_begins_behind_the_newest_alert_and_others_stay() {
    let seen = Fact::SinksSeen(crate::core::delivery::SinksSeen {
        sinks: vec!["log".to_owned(), "late".to_owned()],
        at: at(3),
    });
    let state = log_of(vec![
        three_alerts(),
        delivered("log", "A-F1-1"),
        seen.clone(),
        seen,
    ]);
    assert_eq!(next(&state, "late"), None);
    assert_eq!(cursor(&state, "late").unwrap(), Some(3));
    assert_eq!(next(&state, "log"), Some((2, false)));
}

#[test]
fn the_past_is_given_again_whatever_was_under_way() {
    let before = vec![
        three_alerts(),
        delivered("log", "A-F1-1"),
        passed("log", 1, 2),
        attempted("log", "A-F1-3"),
        replayed("log", 0),
        delivered("log", "A-F1-3"),
        passed("log", 2, 3),
    ];
    let state = log_of(before.clone());
    assert_eq!(
        cursor(&state, "log").unwrap(),
        Some(0),
        "the late ones end nothing"
    );
    assert_eq!(next(&state, "log"), Some((1, false)));
    let after = [
        delivered("log", "A-F1-1"),
        delivered("log", "A-F1-2"),
        delivered("log", "A-F1-3"),
    ];
    let done = log_of([before, after.to_vec()].concat());
    assert_eq!(cursor(&done, "log").unwrap(), Some(3));
    assert_eq!(next(&done, "log"), None);
    assert_eq!(queue_depth(&done, "log").unwrap(), (0, None));
}

#[test]
fn a_dead_letter_comes_back_on_request_and_is_then_no_longer_dead() {
    let dead_letter = Fact::Dead {
        sink: "log".to_owned(),
        alert_id: "A-F1-1".to_owned(),
        at: at(3),
        reason: "410".to_owned(),
    };
    let again = Fact::Requeued(crate::core::delivery::Requeued {
        sink: "log".to_owned(),
        // The last one is still ahead of the cursor: it comes anyway, once.
        alert_ids: vec!["A-F1-1".to_owned(), "A-F1-3".to_owned()],
        by: "anna".to_owned(),
        at: at(4),
    });
    let mut facts = vec![three_alerts(), dead_letter];
    let state = log_of(facts.clone());
    let letters = dead(&state, "log", 0, 10).unwrap();
    assert_eq!((letters.len(), letters[0].0.place), (1, 1));
    assert_eq!(dead_count(&state, "log").unwrap(), 1);
    facts.push(again);
    let state = log_of(facts.clone());
    assert_eq!(next(&state, "log"), Some((1, false)));
    assert_eq!(queue_depth(&state, "log").unwrap().0, 3);
    assert_eq!(dead_count(&state, "log").unwrap(), 0);
    let places: Vec<u64> = queued(&state, "log", 0, 10)
        .unwrap()
        .iter()
        .map(|one| one.place)
        .collect();
    assert_eq!(places, [1, 2, 3]);
    facts.push(delivered("log", "A-F1-1"));
    let state = log_of(facts);
    assert_eq!(next(&state, "log"), Some((2, false)));
}

#[test]
fn a_page_is_open_until_somebody_takes_note_and_escalates_once_a_rule() {
    let escalated = |rule: &str| {
        Fact::Escalated(crate::core::delivery::Escalated {
            alert_id: "A-F1-3".to_owned(),
            rule: rule.to_owned(),
            step: 1,
            sinks: vec!["late".to_owned()],
            at: at(4),
        })
    };
    let seen = Fact::SinksSeen(crate::core::delivery::SinksSeen {
        sinks: vec!["late".to_owned()],
        at: at(3),
    });
    let mut facts = vec![three_alerts(), seen, escalated("first"), escalated("first")];
    let state = log_of(facts.clone());
    let pages = open_pages(&state).unwrap();
    assert!(
        pages.iter().any(|page| page.fired.contains("first")),
        "{pages:?}"
    );
    assert_eq!(next(&state, "late"), Some((3, false)));
    facts.push(delivered("late", "A-F1-3"));
    facts.push(escalated("first"));
    assert_eq!(next(&log_of(facts.clone()), "late"), None, "once a rule");
    facts.push(Fact::Acknowledged(crate::core::delivery::Acknowledged {
        alert_id: "A-F1-3".to_owned(),
        by: "anna".to_owned(),
        comment: "seen".to_owned().into(),
        informed: String::new().into(),
        known: false,
        at: at(5),
    }));
    facts.push(escalated("second"));
    let state = log_of(facts);
    let ack = acknowledgement(&state, &pages[0].episode.0)
        .unwrap()
        .unwrap();
    assert_eq!(ack.fact.by, "anna");
    let open = open_pages(&state).unwrap();
    assert!(open.iter().all(|page| page.episode != pages[0].episode));
    assert_eq!(next(&state, "late"), None);
}

#[test]
fn a_reopening_is_a_step_but_no_alert() {
    let mut reopened = transition("A", "F1", 2);
    reopened.kind = crate::core::episode::TransitionKind::Reopened;
    let state = log_of(vec![
        decided(
            0,
            vec![transition("A", "F1", 1), reopened, transition("A", "F1", 3)],
        ),
        delivered("log", "A-F1-1"),
    ]);
    let listed: Vec<u32> = alerts(&state, 0, 9)
        .unwrap()
        .iter()
        .map(|(_, alert)| alert.number)
        .collect();
    assert_eq!(listed, [1, 3]);
    assert_eq!(next(&state, "log"), Some((2, false)));
    assert_eq!(alert(&state, "A-F1-2").unwrap(), None);
    assert_eq!(record(&state, &key("A")).unwrap().transitions.len(), 3);
}

#[test]
fn word_of_an_unknown_alert_changes_nothing() {
    let state = log_of(vec![three_alerts(), delivered("log", "other")]);
    assert_eq!(next(&state, "log"), Some((1, false)));
}

#[test]
fn alerts_are_listed_by_pages_both_ways() {
    let state = log_of(vec![three_alerts()]);
    let places = |page: Vec<(u64, Transition)>| -> Vec<u64> {
        page.into_iter().map(|(place, _)| place).collect()
    };
    let back = |before, limit| places(alerts_newest_first(&state, before, limit).unwrap());
    assert_eq!(back(None, 2), [3, 2]);
    assert_eq!(back(Some(2), 2), [1]);
    assert_eq!(back(Some(99), 9), [3, 2, 1]);
    assert!(back(None, 0).is_empty());
    assert!(back(Some(0), 9).is_empty());
    let on = |after, limit| places(alerts(&state, after, limit).unwrap());
    assert_eq!(on(0, usize::MAX), [1, 2, 3]);
    assert_eq!(on(1, 1), [2]);
    assert!(on(3, 9).is_empty());
    assert_eq!(alert(&state, "A-F1-2").unwrap().unwrap().0, 2);
    assert_eq!(alert(&state, "other").unwrap(), None);
}

#[test]
fn quarantine_is_filtered_and_paged() {
    let refused = |n: i64| {
        Fact::Refused(Refused {
            origin: origin(),
            received_at: at(n),
            reason: if n % 2 == 0 {
                Reason::Truncated
            } else {
                Reason::Continuation
            },
            total_len: 0,
            raw: Bytes::new(),
        })
    };
    let state = log_of((1..=300).map(refused).collect());
    let all = QuarantineFilter::default();
    let page = quarantine_newest_first(&state, &all, None, 2).unwrap();
    let positions: Vec<u64> = page.iter().map(|entry| entry.position.0).collect();
    assert_eq!(positions, [300, 299]);
    let rest = quarantine_newest_first(&state, &all, Some((JournalPosition(299), 0)), 999).unwrap();
    assert_eq!(rest.len(), 298);
    let received: Vec<u64> = quarantine(&state, JournalPosition(290), 3)
        .unwrap()
        .iter()
        .map(|entry| entry.position.0)
        .collect();
    assert_eq!(received, [291, 292, 293]);
    let everything = quarantine(&state, JournalPosition::START, usize::MAX);
    assert_eq!(everything.unwrap().len(), 300);
    let some = QuarantineFilter {
        reason: Some(Reason::Truncated),
        listener: Some("main".to_owned()),
        since: Some(at(100)),
        until: Some(at(200)),
        ..QuarantineFilter::default()
    };
    assert_eq!(
        quarantine_newest_first(&state, &some, None, 999)
            .unwrap()
            .len(),
        50
    );
    let none = QuarantineFilter {
        feed: Some("LAB/HOSP".to_owned()),
        ..all
    };
    assert!(
        quarantine_newest_first(&state, &none, None, 9)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn an_unknown_patient_is_none() {
    assert!(patient(&Plain::default(), &key("A")).unwrap().is_none());
}

#[test]
fn the_policy_is_noted_and_no_part_of_a_comparison() {
    let (one, two) = (log_of(vec![three_alerts()]), log_of(vec![three_alerts()]));
    note_policy(&two, "other").unwrap();
    assert_eq!(policy(&two).unwrap().as_deref(), Some("other"));
    assert_eq!(dump(&one).unwrap(), dump(&two).unwrap());
    assert_eq!(two.position().unwrap(), JournalPosition(1));
}

#[test]
fn a_value_that_cannot_be_read_is_an_error_that_names_its_table() {
    let state = log_of(vec![three_alerts()]);
    let batch = Batch {
        changes: [(keys::alert(1), Some(vec![1, 2, 3]))].into(),
    };
    state.commit(batch, JournalPosition(9)).unwrap();
    let error = next_alert(&state, "log").unwrap_err();
    assert!(error.to_string().contains(tables::ALERTS), "{error}");
    assert!(verify(&state).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A page at a time gives the whole log.
    #[test]
    fn pages_join_to_the_whole(count in 0_u32..12, limit in 1_usize..5) {
        let state = log_of(vec![decided(0, (1..=count).map(|n| transition("A", "F1", n)).collect())]);
        let (mut before, mut joined) = (None, Vec::new());
        loop {
            let page = alerts_newest_first(&state, before, limit).unwrap();
            let Some((last, _)) = page.last() else { break };
            before = Some(*last);
            joined.extend(page);
        }
        prop_assert_eq!(joined, alerts_newest_first(&state, None, 99).unwrap());
    }
}
