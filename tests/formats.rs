//! Formats are kept: files that the first version with checkpoints wrote, in `tests/formats/`, are read
//! and say the same, and what is written now has the same form. The decoder here is of
//! docs/journal-format.md, not of the program.
//!
//! A file there is never replaced by one of a newer format: that gets a file of its own, and the old one
//! must still be read. `UPDATE_EXPECTED=1` writes those that are missing.

#![allow(
    clippy::disallowed_methods,
    reason = "UPDATE_EXPECTED=1 writes files that are missing, for review in the diff"
)]

use pentamer::cache::Memory;
use pentamer::core::clinical::observation::PatientKey;
use pentamer::core::delivery::mute::Scope;
use pentamer::core::delivery::{Acknowledged, Escalated, Muted, Replayed, SinksSeen};
use pentamer::core::episode::TransitionKind;
use pentamer::core::extract::extract;
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::fold::state::{Batch, State};
use pentamer::core::fold::{self, views};
use pentamer::core::phi::Phi;
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use pentamer::journal::{Appender, Draft, Fingerprint, Options, OsDisk, inspect, open};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/formats")
        .join(name)
}

fn message(id: u32, igm: &str) -> Draft {
    let raw = format!(
        "MSH|^~\\&|LAB|HOSP|||20260301||ORU^R01^ORU_R01|{id}|P|2.5.1\r\
         PID|1||4711^^^HOSP^MR||DOE^JANE||19800101|F\r\
         OBR|1||F{id}|IG^Immunoglobulins^L|||20260228|||||||||||||||20260228|||F\r\
         OBX|1|NM|2472-9^IgM^LN||{igm}|g/L|0.4-2.3||||F\r\
         OBX|2|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0||||F\r\
         OBX|3|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0||||F\r"
    );
    let control = id.to_string();
    let fingerprint = Fingerprint::of("lab", b"LAB", b"HOSP", control.as_bytes(), raw.as_bytes());
    Draft {
        fingerprint: Some(fingerprint),
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

/// A checkpoint's file of a state that is made of a new journal.
fn written(fill: impl FnOnce(&Appender, &Memory)) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        reserve: 0,
        segment_size: 4096,
        ..Options::new(dir.path(), || NOW)
    };
    let (journal, _) = open(Arc::new(OsDisk), options).expect("opened");
    let (appender, writer) = journal.start();
    let state = Memory::new();
    fill(&appender, &state);
    let mut taking = appender.begin_checkpoint(&state).expect("begun");
    while !taking.step(&state, 1 << 20).expect("written") {}
    let taken = appender.publish_checkpoint(taking).expect("published");
    let bytes = std::fs::read(&taken.path).expect("read");
    drop(appender);
    writer.join();
    bytes
}

/// Two messages, what is decided about their patient, and an alert that was delivered.
fn lived(appender: &Appender, state: &Memory) {
    let policy = Policy::built_in();
    let fold_on = |facts: Vec<Draft>| {
        let stored = appender.append_blocking(facts.clone()).expect("stored");
        let facts: Vec<_> = stored
            .iter()
            .zip(facts)
            .map(|(s, d)| (s.position, d.fact))
            .collect();
        let applied = fold::apply(&facts, state, &policy, &extract).expect("folded");
        state
            .commit(applied.batch, applied.through)
            .expect("committed");
    };
    fold_on(vec![message(1, "0.21")]);
    let decided = fold::decide(state, &policy)
        .expect("read")
        .expect("something");
    let alert_id = decided.transitions[0].alert_id.0.clone();
    fold_on(vec![Fact::Decided(decided).into()]);
    let sink = "alerts.jsonl".to_owned();
    fold_on(vec![
        Fact::Attempted {
            sink: sink.clone(),
            alert_id: alert_id.clone(),
            at: NOW,
        }
        .into(),
        Fact::Delivered {
            sink,
            alert_id,
            at: NOW,
        }
        .into(),
    ]);
    fold_on(vec![message(2, "0.19")]);
}

/// The same, and what sinks and people did with the alert.
fn told(appender: &Appender, state: &Memory) {
    lived(appender, state);
    let policy = Policy::built_in();
    let alerts = views::alerts(state, 0, 1).expect("read");
    let alert_id = alerts[0].1.alert_id.0.clone();
    let (by, at) = ("Dr. A".to_owned(), NOW);
    let (pager, wide) = ("pager".to_owned(), "wide".to_owned());
    let facts: Vec<Draft> = [
        Fact::SinksSeen(SinksSeen {
            sinks: vec![pager.clone(), wide.clone()],
            at,
        }),
        Fact::Replayed(Replayed {
            sink: pager.clone(),
            after: 0,
            by: by.clone(),
            at,
        }),
        Fact::Dead {
            sink: "alerts.jsonl".to_owned(),
            alert_id: alert_id.clone(),
            at,
            reason: "the receiver answered 410".to_owned(),
        },
        Fact::Escalated(Escalated {
            alert_id: alert_id.clone(),
            rule: "wide".to_owned(),
            step: 1,
            sinks: vec![wide],
            at,
        }),
        Fact::Muted(Muted {
            id: "m1".to_owned(),
            scope: Scope::Rule("isolated_low_igm".to_owned()),
            until: NOW,
            by: by.clone(),
            reason: Phi::new("a study".to_owned()),
            at,
        }),
    ]
    .map(Draft::from)
    .into();
    let ack = Fact::Acknowledged(Acknowledged {
        alert_id,
        by,
        comment: Phi::new("seen".to_owned()),
        informed: Phi::new(String::new()),
        known: true,
        at,
    });
    for facts in [facts, vec![ack.into()]] {
        let stored = appender.append_blocking(facts.clone()).expect("stored");
        let facts: Vec<_> = (stored.iter().zip(facts))
            .map(|(stored, draft)| (stored.position, draft.fact))
            .collect();
        let applied = fold::apply(&facts, state, &policy, &extract).expect("folded");
        state
            .commit(applied.batch, applied.through)
            .expect("committed");
    }
}

/// Entries in more than one block.
fn made_up(appender: &Appender, state: &Memory) {
    appender
        .append_blocking(vec![message(1, "0.21"), message(2, "0.19")])
        .expect("stored");
    let mut batch = Batch::default();
    for n in 0..1_400_u32 {
        let value = if n % 3 > 0 {
            vec![n as u8; 500]
        } else {
            Vec::new()
        };
        batch.changes.insert(n.to_be_bytes().to_vec(), Some(value));
    }
    state.commit(batch, JournalPosition(2)).expect("committed");
}

fn golden(name: &str, fill: fn(&Appender, &Memory)) -> Vec<u8> {
    let path = kept(name);
    if !path.exists() && std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::create_dir_all(kept("")).expect("made");
        std::fs::write(&path, written(fill)).expect("written");
    }
    std::fs::read(&path).expect("a file of tests/formats")
}

/// Kind and content of each block.
fn blocks(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let four = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    assert_eq!(bytes[..8], *b"PENTACKP");
    assert_eq!(four(8), 1, "version of the format");
    assert_eq!(four(60), crc32c::crc32c(&bytes[..60]));
    let (mut at, mut number, mut found) = (64, 0, Vec::new());
    while at < bytes.len() {
        assert_eq!(bytes[at..at + 4], [0xF1, b'P', b'C', 0x9C]);
        assert_eq!(four(at + 8), number);
        assert_eq!(four(at + 12), crc32c::crc32c(&bytes[..64]));
        let (raw, packed) = (four(at + 16) as usize, four(at + 20) as usize);
        let payload = &bytes[at + 32..at + 32 + packed];
        assert_eq!(four(at + 24), crc32c::crc32c(payload));
        assert_eq!(four(at + 28), crc32c::crc32c(&bytes[at..at + 28]));
        let raw = zstd::bulk::decompress(payload, raw).expect("a frame of zstd");
        found.push((bytes[at + 4], raw));
        at += 32 + packed;
        number += 1;
    }
    assert_eq!(found.last().map(|(kind, _)| *kind), Some(4), "the end");
    found
}

#[test]
fn checkpoints_are_written_as_ever() {
    let old = blocks(&golden("checkpoint-1.ckpt", made_up));
    let new = blocks(&written(made_up));
    assert!(old.len() > 4, "several blocks of entries");
    assert_eq!(old.len(), new.len());
    for (old, new) in old.iter().zip(&new) {
        assert!(old == new, "a block of kind {}", old.0);
    }
}

/// The values too: a version that stores others has to convert these (docs/adr/0010).
#[test]
fn a_checkpoint_of_the_first_version_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join(format!("checkpoints/{:020}.ckpt", 5));
    for name in ["journal", "checkpoints"] {
        std::fs::create_dir(dir.path().join(name)).expect("made");
    }
    let bytes = golden("checkpoint-1-state-2.ckpt", lived);
    assert_eq!(bytes[12], 2, "version of the values");
    std::fs::write(&place, bytes).expect("written");
    let found = inspect(Arc::new(OsDisk), dir.path()).expect("read");
    assert!(
        found.checkpoints.unfit.is_empty(),
        "{:?}",
        found.checkpoints.unfit
    );
    let checkpoint = found.checkpoints.newest().expect("whole");
    let state = Memory::new();
    checkpoint.load(&state, &checkpoint.policy).expect("loaded");
    assert_eq!(state.position().expect("read"), JournalPosition(5));
    views::verify(&state).expect("every value is understood");
    let alerts = views::alerts(&state, 0, 10).expect("read");
    assert_eq!(alerts.len(), 1);
    let waiting = views::next_alert(&state, "alerts.jsonl").expect("read");
    assert!(waiting.is_none(), "it was delivered");
    let key = PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new("4711".to_owned()),
    };
    let patient = views::patient(&state, &key).expect("read").expect("known");
    assert_eq!(patient.observations.len(), 6);

    let options = Options {
        reserve: 0,
        ..Options::new(dir.path(), || NOW)
    };
    let (journal, _) = open(Arc::new(OsDisk), options).expect("opened");
    let (appender, writer) = journal.start();
    let stored = appender
        .append_blocking(vec![message(2, "0.19")])
        .expect("stored");
    assert_eq!(stored[0].duplicate_of, Some(JournalPosition(5)));
    drop(appender);
    writer.join();
}

/// What sinks and people did is kept in a checkpoint, and read.
#[test]
fn queues_acknowledgements_and_mutes_of_a_checkpoint_are_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join(format!("checkpoints/{:020}.ckpt", 11));
    for name in ["journal", "checkpoints"] {
        std::fs::create_dir(dir.path().join(name)).expect("made");
    }
    std::fs::write(&place, golden("checkpoint-1-state-2-told.ckpt", told)).expect("written");
    let found = inspect(Arc::new(OsDisk), dir.path()).expect("read");
    let checkpoint = found.checkpoints.newest().expect("whole");
    let state = Memory::new();
    checkpoint.load(&state, &checkpoint.policy).expect("loaded");
    views::verify(&state).expect("every value is understood");
    let alerts = views::alerts(&state, 0, 10).expect("read");
    let alert = &alerts[0].1;
    let waiting = views::next_alert(&state, "pager")
        .expect("read")
        .expect("it is replayed");
    assert_eq!((&waiting.transition, waiting.step), (alert, 0));
    let again = views::next_alert(&state, "wide")
        .expect("read")
        .expect("it was escalated");
    assert_eq!((&again.transition, again.step), (alert, 1));
    assert_eq!(views::dead_count(&state, "alerts.jsonl").expect("read"), 1);
    assert_eq!(views::mutes(&state).expect("read").len(), 1);
    assert!(views::open_pages(&state).expect("read").is_empty());
    let ack = views::acknowledgement(&state, &alert.episode.0).expect("read");
    assert_eq!(ack.expect("kept").fact.by, "Dr. A");
    let decided = fold::decide(&state, &Policy::built_in()).expect("read");
    let steps = decided.expect("an acknowledgement waits").transitions;
    assert!(
        steps
            .iter()
            .any(|step| step.kind == TransitionKind::Acknowledged)
    );
}
