//! Messages composed of segments and then damaged: read, answered, shown, folded and decided about.
//! Deciding twice gives nothing new; a state built anew from the facts is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentamer::cache::Memory;
use pentamer::core::extract::extract;
use pentamer::core::fact::{Fact, JournalPosition};
use pentamer::core::fold::state::State;
use pentamer::core::fold::{self, views};
use pentamer::core::hl7::ack::{AckSettings, AckTime, Answered, Verdict, answers_for_frame};
use pentamer::core::hl7::envelope::{Opened, open};
use pentamer::core::message::{view, visible};
use pentamer::core::policy::Policy;
use pentamer_fuzz::{RECEIVED, Sent, received};
use std::sync::LazyLock;

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);

fn fold_into(state: &Memory, facts: &[(JournalPosition, Fact)]) {
    let applied = fold::apply(facts, state, &POLICY, &|received, position, policy| {
        extract(received, position, policy)
    });
    let applied = applied.expect("a readable state");
    state.commit(applied.batch, applied.through).expect("committed");
}

/// Every answer is one frame.
fn answer(raw: &[u8]) {
    let Opened::Messages(envelope) = open(raw) else {
        return;
    };
    let verdict = Verdict::Accepted;
    let position = JournalPosition(7);
    let answered: Vec<_> = envelope.messages.iter().map(|_| Answered { verdict: &verdict, position }).collect();
    let now = AckTime::new(RECEIVED, &jiff::tz::TimeZone::UTC);
    for frame in answers_for_frame(&envelope, &answered, &AckSettings::default(), &now) {
        let content = frame.strip_prefix(b"\x0b").and_then(|rest| rest.strip_suffix(b"\x1c\r")).expect("a frame");
        assert!(!content.iter().any(|byte| matches!(byte, 0x0b | 0x1c)), "and nothing but one");
        assert!(content.starts_with(b"MSH") || content.starts_with(b"FHS") || content.starts_with(b"BHS"));
    }
}

fuzz_target!(|messages: Vec<Sent>| {
    let mut facts = Vec::new();
    for (number, sent) in messages.iter().take(6).enumerate() {
        let raw = sent.raw(number);
        answer(&raw);
        let received = received(&raw);
        let position = JournalPosition(number as u64 + 1);
        let extraction = extract(&received, position, &POLICY);
        for part in &extraction.patients {
            assert!(!part.key.id.expose().is_empty());
        }
        view(&raw, "", &extraction);
        visible(&raw, 200);
        facts.push((position, Fact::Received(received)));
    }
    let state = Memory::new();
    for fact in &facts {
        fold_into(&state, std::slice::from_ref(fact));
    }
    let mut next = JournalPosition(facts.len() as u64 + 1);
    let mut rounds = 0;
    while let Some(decided) = fold::decide(&state, &POLICY).expect("a readable state") {
        rounds += 1;
        assert!(rounds < 50, "deciding comes to an end");
        let fact = (next, Fact::Decided(decided));
        fold_into(&state, std::slice::from_ref(&fact));
        facts.push(fact);
        next = JournalPosition(next.0 + 1);
    }
    let anew = Memory::new();
    fold_into(&anew, &facts);
    assert_eq!(views::dump(&state).expect("readable"), views::dump(&anew).expect("readable"));
});
