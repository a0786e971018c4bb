//! Messages: records, the index of orders, quarantine, counts.

use super::*;

#[test]
fn a_message_marks_its_patient_and_the_newest_receipt_counts() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    bench.message(&panel("2", "F2", 1, "0.21", "F"));
    assert_eq!(bench.dirty(), 2);
    let decided = bench.decided().expect("news");
    assert_eq!(decided.through, JournalPosition(2));
    assert_eq!(decided.decided_at, at(1), "the receipt of the newest fact");
    assert_eq!(decided.policy, POLICY.hash());
}

#[test]
fn copies_of_a_version_are_kept_once_with_the_first_receipt() {
    let mut bench = Bench::default();
    let text = panel("1", "F1", 1, "0.21", "F");
    bench.message(&text);
    let once = bench.person("1").expect("known");
    bench.message(&text.replace("|F1-0.21-F|", "|another|"));
    let twice = bench.person("1").expect("known");
    assert_eq!(twice.observations, once.observations);
    assert_eq!(twice.demographics, once.demographics);
    assert!(
        twice
            .observations
            .iter()
            .all(|one| one.position == JournalPosition(1))
    );
}

#[test]
fn the_index_of_orders_names_every_holder_by_kind_of_number() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "N1", 1, "0.9", "F"));
    bench.message(&panel("2", "N1", 1, "0.9", "F"));
    let placer = panel("3", "N1", 1, "0.9", "F")
        .replace("ORC|RE||N1", "ORC|RE|N1|")
        .replace("OBR|1||N1", "OBR|1|N1|");
    bench.message(&placer);
    let holders = |first: &[u8]| {
        let overlay = crate::core::fold::Overlay::new(&bench.state);
        let index = [keys::ORDERS, first, b"N1"].concat();
        let holders: std::collections::BTreeSet<PatientKey> = overlay
            .get("order", &index)
            .expect("readable")
            .unwrap_or_default();
        holders
    };
    assert_eq!(holders(b"F"), [key("1"), key("2")].into());
    assert_eq!(holders(b"P"), [key("3")].into());
}

#[test]
fn s4_a_withdrawal_for_an_order_of_another_patient_is_refused_and_counted() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    let effects = bench.message(&panel("2", "F1", 1, "0.21", "W"));
    let reason = Reason::WithdrawalOtherPatient;
    assert_eq!(effects.refusals.get(&reason), Some(&1));
    let counted = effects.counts.get(&("lab".to_owned(), "quarantined_results"));
    assert_eq!(counted, Some(&1));
    assert_eq!(
        effects.messages.get(&("lab".to_owned(), "quarantined")),
        Some(&1)
    );
    let results = bench.person("2").expect("known").observations;
    assert_eq!(results.len(), 2, "the rest of the message stands");
    assert!(results.iter().all(|one| one.status.letter == "F"));
    let entry = views::quarantine(&bench.state, JournalPosition::START, 9).expect("readable");
    assert_eq!(entry.len(), 1);
    let entry = entry.first().expect("one");
    assert_eq!(entry.refusal.reason, reason);
    assert_eq!((entry.feed.as_str(), entry.control_id.as_str()), ("LAB/HOSP", "F1-0.21-W"));
}

#[test]
fn s4_a_withdrawal_of_the_own_order_or_of_an_unknown_one_is_applied() {
    let mut bench = Bench::default();
    bench.message(&panel("1", "F1", 1, "0.21", "F"));
    for id in ["1", "3"] {
        let order = if id == "1" { "F1" } else { "F9" };
        let effects = bench.message(&panel(id, order, 1, "0.21", "W"));
        assert!(effects.refusals.is_empty(), "{id}");
        let results = bench.person(id).expect("known").observations;
        assert!(results.iter().any(|one| one.status.letter == "W"), "{id}");
    }
}

#[test]
fn every_refused_result_and_frame_has_an_entry_of_its_own_in_order() {
    let mut bench = Bench::default();
    let bad = panel("1", "F1", 1, "1,200", "F").replace("|11.0|g/L", "|-3|g/L");
    let effects = bench.message(&bad);
    assert_eq!(effects.refusals.values().sum::<u64>(), 2);
    assert_eq!(bench.take(refused(Reason::Truncated)).refusals.get(&Reason::Truncated), Some(&1));
    bench.message(&head("ORU^R01", "x"));
    let entries = |after, limit| {
        views::quarantine(&bench.state, JournalPosition(after), limit)
            .expect("readable")
            .into_iter()
            .map(|entry| (entry.position.0, entry.refusal.reason.word()))
            .collect::<Vec<_>>()
    };
    let all = [
        (1, "ambiguous_number"),
        (1, "implausible"),
        (2, "truncated"),
        (3, "missing_segment"),
    ];
    assert_eq!(entries(0, 99), all);
    assert_eq!(entries(0, 1), all[..1]);
    assert_eq!(entries(1, 99), all[2..]);
    assert_eq!(entries(2, 1), all[3..]);
    assert_eq!(entries(3, 99), []);
}

#[test]
fn effects_tell_feeds_with_their_clocks_and_what_was_ignored() {
    let mut bench = Bench::default();
    let effects = bench.message(&head("SIU^S12", "1"));
    assert_eq!(effects.messages, [(("lab".to_owned(), "ignored"), 1)].into());
    let feed = ("lab".to_owned(), "LAB/HOSP".to_owned());
    let (seen, skew) = effects.feeds.get(&feed).expect("seen");
    assert_eq!(*seen, at(0));
    assert_eq!(*skew, Some(-9_900.0), "10:15 at 13:00");
    let understood = bench.message(&panel("1", "F1", 1, "0.9", "F"));
    assert_eq!(understood.messages, BTreeMap::new());
    let odd = panel("1", "F2", 1, "0.9", "F").replace("DOE^JANE", "DOE\\Q\\^JANE");
    let effects = bench.take_all(vec![received(&odd, 1), received(&odd, 2)]);
    let bad = effects.counts.get(&("lab".to_owned(), "bad_escape"));
    assert_eq!(bad, Some(&2), "counts of a batch add up");
}

#[test]
fn notes_of_the_journal_change_nothing_but_the_position() {
    let mut bench = Bench::default();
    let seen = Fact::SeenAgain {
        first: JournalPosition(1),
        origin: origin(),
        received_at: at(0),
    };
    let policy = Fact::PolicyChanged {
        policy: "x".to_owned(),
        at: at(0),
    };
    let started = Fact::Started {
        version: "1".to_owned(),
        at: at(0),
    };
    assert_eq!(bench.take_all(vec![seen, policy, started]), Effects::default());
    assert_eq!(dump(&bench.state), []);
    assert_eq!(bench.state.position().expect("readable"), JournalPosition(3));
}
