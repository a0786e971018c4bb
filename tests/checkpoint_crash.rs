//! The law of checkpoints and retention: whatever crash comes at whatever moment of a life with
//! checkpoints, compression and dropped segments, the state that a start builds is the one that all
//! facts give, and what was dropped is missed by nobody.

use pentamer::cache::Memory;
use pentamer::core::extract::extract;
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::fold::state::State;
use pentamer::core::fold::{self, views};
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use pentamer::journal::{
    Appender, Draft, Fingerprint, ModelDisk, Options, Retention, Stored, Taking, WriterHandle,
    inspect_with, open,
};
use pentamer::seal::Keyring;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const DATA: &str = "/data";
const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);
const ROUNDS: u64 = 20;

thread_local! {
    /// Whether the lives of this test seal what they write; every second seed does.
    static SEALED: Cell<bool> = const { Cell::new(false) };
}

fn keys() -> Keyring {
    if SEALED.get() {
        Keyring::parse(&"ab".repeat(32)).expect("a key")
    } else {
        Keyring::none()
    }
}

fn options() -> Options {
    Options {
        segment_size: 4096,
        reserve: 0,
        retention: Retention {
            age: None,
            size: Some(1),
        },
        retry: Duration::from_micros(200),
        prepare_ahead: false,
        keys: keys(),
        ..Options::new(DATA, || NOW)
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// A panel of one of a few patients: low, normal, or sent once more.
fn message(random: &mut Random) -> Draft {
    let (id, patient) = (random.below(40), random.below(4));
    let igm = if id.is_multiple_of(3) { "1.2" } else { "0.21" };
    let raw = format!(
        "MSH|^~\\&|LAB|HOSP|||20260301||ORU^R01^ORU_R01|{id}|P|2.5.1\r\
         PID|1||{patient}^^^HOSP^MR||DOE^JANE||19800101|F\r\
         OBR|1||F{id}|IG^Immunoglobulins^L|||202603{:02}|||||||||||||||202603{:02}|||F\r\
         OBX|1|NM|2472-9^IgM^LN||{igm}|g/L|0.4-2.3||||F\r\
         OBX|2|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0||||F\r\
         OBX|3|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0||||F\r",
        id % 28 + 1,
        id % 28 + 1,
    );
    let control = id.to_string();
    Draft {
        fingerprint: Some(Fingerprint::of(
            "lab",
            b"LAB",
            b"HOSP",
            control.as_bytes(),
            raw.as_bytes(),
        )),
        fact: Fact::Received(Received {
            origin: Origin {
                listener: "lab".to_owned(),
                peer: "192.0.2.1:4000".to_owned(),
            },
            received_at: NOW,
            part: (0, 1),
            raw: raw.into_bytes().into(),
        }),
    }
}

fn fold_in(
    facts: &[(JournalPosition, Fact)],
    state: &Memory,
    taking: &mut Option<Taking>,
    policy: &Policy,
) {
    let applied = fold::apply(facts, state, policy, &extract).expect("folded");
    if let Some(taking) = taking {
        taking.preserve(&applied.batch, state).expect("preserved");
    }
    state
        .commit(applied.batch, applied.through)
        .expect("committed");
}

/// As a start does it: the newest checkpoint, then what follows.
fn built(appender: &Appender, policy: &Policy) -> Memory {
    let state = Memory::new();
    if let Some(checkpoint) = appender.checkpoint() {
        checkpoint.load(&state, &policy.hash()).expect("loaded");
    }
    catch_up(appender, &state, &mut None, policy);
    state
}

fn catch_up(appender: &Appender, state: &Memory, taking: &mut Option<Taking>, policy: &Policy) {
    let synced = appender.status().borrow().synced;
    let mut reader = appender
        .reader(state.position().expect("read"))
        .expect("a reader");
    let mut facts = Vec::new();
    while let Some(fact) = reader.next(synced).expect("whole and kept") {
        facts.push(fact);
    }
    if !facts.is_empty() {
        fold_in(&facts, state, taking, policy);
    }
}

/// One group; `None` once the power is off.
fn append(
    appender: &Appender,
    writer: &WriterHandle,
    disk: &ModelDisk,
    power_off: u64,
    draft: &Draft,
) -> Option<Stored> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let mut status = appender.status();
        let mut answer = appender.submit(vec![draft.clone()]).await.ok()?;
        loop {
            tokio::select! {
                stored = &mut answer => return stored.ok()?.first().copied(),
                _ = status.changed() => if disk.operations() > power_off {
                    writer.stop();
                },
            }
        }
    })
}

/// Facts by position, as they must be read again.
type Facts = BTreeMap<JournalPosition, Fact>;

/// What a life saw, for the test to know that it was long enough.
#[derive(Default)]
struct Seen {
    checkpoints: usize,
    packed: usize,
    dropped: usize,
}

fn live(disk: &ModelDisk, power_off: u64, seed: u64, known: &mut Facts) -> Seen {
    let mut seen = Seen::default();
    disk.lose_power_at(power_off);
    let Ok((journal, _)) = open(Arc::new(disk.clone()), options()) else {
        return seen;
    };
    let (appender, writer) = journal.start();
    let policy = Policy::built_in();
    let mut random = Random(seed);
    let state = built(&appender, &policy);
    let keeper = appender.keeper();
    let go_on = AtomicBool::new(false);
    let mut taking: Option<Taking> = None;
    'living: for round in 0..ROUNDS {
        let mut drafts = vec![message(&mut random)];
        while let Some(draft) = drafts.pop() {
            let Some(stored) = append(&appender, &writer, disk, power_off, &draft) else {
                break 'living;
            };
            let fact = match (&draft.fact, stored.duplicate_of) {
                (Fact::Received(received), Some(first)) => Fact::SeenAgain {
                    first,
                    origin: received.origin.clone(),
                    received_at: received.received_at,
                },
                (fact, _) => fact.clone(),
            };
            assert_eq!(known.insert(stored.position, fact), None, "given twice");
            catch_up(&appender, &state, &mut taking, &policy);
            if let Some(decided) = fold::decide(&state, &policy).expect("decided") {
                drafts.push(Fact::Decided(decided).into());
            }
        }
        if taking.is_none() && round % 4 == seed % 4 {
            taking = appender.begin_checkpoint(&state).ok();
        }
        if let Some(mut one) = taking.take() {
            match one.step(&state, 1) {
                Ok(false) => taking = Some(one),
                Ok(true) => {
                    seen.checkpoints += usize::from(appender.publish_checkpoint(one).is_ok())
                }
                Err(_) => one.discard(),
            }
        }
        if let Ok(tidied) = keeper.pass(NOW, &go_on) {
            seen.packed += tidied.packed;
            seen.dropped += tidied.dropped;
        }
    }
    drop(appender);
    writer.stop();
    writer.join();
    seen
}

/// Opens what a crash left and holds it against all that was acknowledged.
fn check(disk: &ModelDisk, known: &Facts, story: &str) {
    let mut facts = known.clone();
    let found = inspect_with(Arc::new(disk.clone()), Path::new(DATA), &keys()).expect(story);
    assert_eq!(found.recovery.damage, [], "{story}");
    assert!(found.checkpoints.unfit.is_empty(), "{story}");
    let mut reader = found.reader(JournalPosition::START);
    while let Some((position, fact)) = reader.next(found.recovery.last).expect(story) {
        let before = facts.insert(position, fact.clone());
        assert!(
            before.is_none_or(|before| before == fact),
            "{story}: {position}"
        );
    }
    let last_known = known.last_key_value().map_or(0, |(last, _)| last.0);
    let (journal, recovery) = open(Arc::new(disk.clone()), options()).expect(story);
    assert!(
        recovery.last.0 >= last_known,
        "{story}: positions are missing"
    );
    let whole = facts
        .keys()
        .copied()
        .eq((1..=recovery.last.0).map(JournalPosition));
    assert!(
        whole,
        "{story}: a fact is neither kept nor was it acknowledged"
    );
    let (appender, writer) = journal.start();
    let policy = Policy::built_in();
    let state = built(&appender, &policy);
    let oracle = Memory::new();
    let facts: Vec<_> = facts.into_iter().collect();
    fold_in(&facts, &oracle, &mut None, &policy);
    let (state_is, should_be) = (views::dump(&state), views::dump(&oracle));
    assert!(
        state_is.expect("read") == should_be.expect("read"),
        "{story}"
    );

    let alerts = views::alerts(&state, 0, usize::MAX).expect("read");
    let ids: BTreeSet<_> = alerts.iter().map(|(_, alert)| &alert.alert_id.0).collect();
    assert_eq!(ids.len(), alerts.len(), "{story}: an alert twice");
    for (_, fact) in &facts {
        let Fact::Decided(decided) = fact else {
            continue;
        };
        for transition in &decided.transitions {
            let found = views::alert(&state, &transition.alert_id.0).expect("read");
            let silent = transition.kind == pentamer::core::episode::TransitionKind::Reopened;
            assert!(found.is_some() || silent, "{story}: an alert is missing");
        }
    }
    // The oldest message of all, wherever its bytes went, is known again.
    if let Some((first, Fact::Received(received))) = facts.first() {
        let control = received
            .raw
            .split(|byte| *byte == b'|')
            .nth(9)
            .unwrap_or_default();
        let draft = Draft {
            fingerprint: Some(Fingerprint::of(
                "lab",
                b"LAB",
                b"HOSP",
                control,
                &received.raw,
            )),
            fact: Fact::Received(received.clone()),
        };
        let stored = appender.append_blocking(vec![draft]).expect("stored");
        assert_eq!(stored[0].duplicate_of, Some(*first), "{story}");
        assert!(
            stored[0].position > recovery.last,
            "{story}: a position twice"
        );
    }
    drop(appender);
    writer.join();
}

#[test]
fn a_crash_at_any_call_leaves_a_state_that_all_facts_give() {
    let asked = std::env::var("PENTAMER_CRASHES").ok();
    let asked: Option<u64> = asked.map(|seeds| seeds.parse().expect("a number"));
    let stride = if asked.is_some() { 1 } else { 8 };
    for seed in 0..asked.unwrap_or(4) {
        SEALED.set(seed % 2 == 1);
        let disk = ModelDisk::new();
        let mut known = Facts::new();
        let seen = live(&disk, u64::MAX, seed, &mut known);
        assert!(seen.checkpoints >= 2, "seed {seed}: checkpoints were taken");
        assert!(
            seen.packed + seen.dropped > 0,
            "seed {seed}: segments were closed"
        );
        check(&disk, &known, &format!("seed {seed}, no crash"));
        for power_off in (seed % stride..disk.operations()).step_by(stride as usize) {
            let disk = ModelDisk::new();
            let mut known = Facts::new();
            live(&disk, power_off, seed, &mut known);
            for image in [0, 1, 2 + power_off] {
                let story = format!("seed {seed}, power off at {power_off}, image {image}");
                let image = disk.image(image);
                check(&image, &known, &story);
            }
        }
    }
}
