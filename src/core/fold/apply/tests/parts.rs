//! Messages that come in parts.

use super::*;
use std::cell::RefCell;

const FIRST: &str = "MSH|^~\\&|L|H|||20260301||ORU^R01|1|P|2.5.1\rPID|1\rDSC|P1|F\r";
const LAST: &str = "MSH|^~\\&|L|H|||20260301||ORU^R01|2|P|2.5.1||P1\rOBX|1\r";

fn received(raw: &str, seconds: i64) -> Fact {
    Fact::Received(Received {
        origin: origin(),
        received_at: at(seconds),
        part: (0, 1),
        raw: Bytes::copy_from_slice(raw.as_bytes()),
    })
}

/// Folds one by one; what was read, and what was quarantined in the end.
fn read(facts: Vec<Fact>) -> (Vec<String>, Plain) {
    read_together(facts, 1)
}

/// Folds so many at once.
fn read_together(facts: Vec<Fact>, most: usize) -> (Vec<String>, Plain) {
    let (state, read) = (Plain::default(), RefCell::new(Vec::new()));
    let extract = |message: &Received, _: JournalPosition, _: &Policy| {
        let text = String::from_utf8(message.raw.to_vec()).unwrap();
        read.borrow_mut().push(text);
        Extraction::default()
    };
    let policy = Policy::built_in();
    let facts: Vec<_> = (1..).map(JournalPosition).zip(facts).collect();
    for facts in facts.chunks(most) {
        let applied = apply(facts, &state, &policy, &extract).unwrap();
        state.commit(applied.batch, applied.through).unwrap();
    }
    views::verify(&state).unwrap();
    (read.into_inner(), state)
}

#[test]
fn are_read_when_they_are_whole_whatever_comes_first() {
    let whole = "MSH|^~\\&|L|H|||20260301||ORU^R01|1|P|2.5.1\rPID|1\rOBX|1\r";
    for order in [[FIRST, LAST], [LAST, FIRST]] {
        let (read, _) = read(order.map(|raw| received(raw, 1)).to_vec());
        assert_eq!(read, [whole]);
    }
}

#[test]
fn that_stay_parts_for_a_day_are_quarantined() {
    let other = "MSH|^~\\&|L|H|||20260301||ORU^R01|3|P|2.5.1\rPID|1\r";
    let (read, state) = read(vec![received(FIRST, 1), received(other, 90_000)]);
    assert_eq!(read, [other]);
    let entries = views::quarantine(&state, JournalPosition::START, 9).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].refusal.reason, Reason::Continuation);
    assert_eq!(entries[0].position, JournalPosition(1));
}

#[test]
fn are_waited_for_alike_however_many_facts_are_folded_at_once() {
    let other = "MSH|^~\\&|L|H|||20260301||ORU^R01|3|P|2.5.1\rPID|1\r";
    let facts = vec![
        received(other, 1),
        received(FIRST, 2),
        received(other, 3),
        received(other, 90_000),
        received(FIRST, 90_001),
        received(LAST, 90_002),
    ];
    for most in 1..=facts.len() {
        let (read, state) = read_together(facts.clone(), most);
        assert_eq!(read.len(), 4, "{most}: {read:?}");
        let entries = views::quarantine(&state, JournalPosition::START, 9).unwrap();
        let places: Vec<u64> = entries.iter().map(|entry| entry.position.0).collect();
        assert_eq!(places, [2], "{most}");
        assert_eq!(continuation::next_deadline(&state).unwrap(), None);
    }
}

#[test]
fn are_quarantined_by_the_hour_alone_once_it_is_recorded() {
    let quarantined = |facts: Vec<Fact>| {
        let (_, state) = read(facts);
        let count = views::quarantine(&state, JournalPosition::START, 9).unwrap();
        (count.len(), continuation::next_deadline(&state).unwrap())
    };
    let (none, deadline) = quarantined(vec![received(FIRST, 1), received(FIRST, 2)]);
    let due = deadline.unwrap();
    assert_eq!(none, 0);
    let too_early = Fact::Deadline {
        at: due.plus(crate::core::time::Span::micros(-1)),
    };
    let first = vec![received(FIRST, 1), too_early];
    assert_eq!(quarantined(first), (0, Some(due)));
    let first = vec![received(FIRST, 1), Fact::Deadline { at: due }];
    assert_eq!(quarantined(first), (1, None));
}
