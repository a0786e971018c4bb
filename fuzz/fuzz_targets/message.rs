//! Messages composed of segments and then damaged: read, answered, shown, folded and decided about.
//! Deciding twice gives nothing new; a state built anew from the facts is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentamer::cache::Memory;
use pentamer::core::extract::{extract, extract_whole};
use pentamer::core::fact::{Fact, JournalPosition};
use pentamer::core::fold::state::State;
use pentamer::core::fold::{self, views};
use pentamer::core::hl7::ack::{AckSettings, AckTime, Answered, Verdict, answers_for_frame};
use pentamer::core::hl7::envelope::{Opened, open};
use pentamer::core::message::{view, visible};
use pentamer::core::mllp::{Decoder, Event, Limits};
use pentamer::core::policy::Policy;
use pentamer_fuzz::{RECEIVED, Sent, received};
use std::sync::LazyLock;

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);

fn fold_into(state: &Memory, facts: &[(JournalPosition, Fact)]) {
    let applied = fold::apply(facts, state, &POLICY, &|received, position, policy| {
        extract(received, position, policy)
    });
    let applied = applied.expect("a readable state");
    state
        .commit(applied.batch, applied.through)
        .expect("committed");
}

fn decoded(bytes: &[u8]) -> Vec<Event> {
    let mut decoder = Decoder::new(Limits::default());
    let mut events = Vec::new();
    decoder.push(bytes, &mut events);
    decoder.finish(&mut events);
    events
}

/// Of whatever comes in as a frame every answer is one frame.
fn answer(raw: &[u8]) {
    for event in decoded(&[b"\x0b", raw, b"\x1c\r"].concat()) {
        let Event::Frame(content) = event else {
            continue;
        };
        let Opened::Messages(envelope) = open(&content) else {
            continue;
        };
        let verdict = Verdict::Accepted;
        let position = JournalPosition(7);
        let answered = vec![
            Answered {
                verdict: &verdict,
                position
            };
            envelope.messages.len()
        ];
        let now = AckTime::new(RECEIVED, &jiff::tz::TimeZone::UTC);
        for frame in answers_for_frame(&envelope, &answered, &AckSettings::default(), &now) {
            let events = decoded(&frame);
            assert!(
                matches!(events.as_slice(), [Event::Frame(_)]),
                "one frame and nothing else: {events:?}"
            );
        }
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
        // What a glance spares says nothing.
        let whole = extract_whole(&received, position, &POLICY);
        assert_eq!(extraction, whole);
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
    assert_eq!(
        views::dump(&state).expect("readable"),
        views::dump(&anew).expect("readable")
    );
});
