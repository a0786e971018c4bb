//! Files of public projects, where a folder of them is given by `PENTAMER_CORPUS`: every frame gets an
//! answer, nothing panics or hangs, and what is extracted of each file is what was reviewed.
//!
//! The reviewed outcome stands in `tests/corpus-goldens.txt`, one line a file, without patient data.
//! `PENTAMER_CORPUS_BLESS=1` writes it anew.

use crate::e2e::harness::{Home, Pentamer};
use pentamer::core::extract::extract;
use pentamer::core::fact::{JournalPosition, Origin, Received};
use pentamer::core::hl7::envelope::{self, Opened};
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("PENTAMER_CORPUS").map(PathBuf::from)?;
    assert!(
        dir.join("MANIFEST.tsv").exists(),
        "PENTAMER_CORPUS names no corpus"
    );
    Some(dir)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "hl7") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What a file amounts to, without anything about a patient.
fn outcome(bytes: &[u8], policy: &Policy) -> String {
    let mut text = String::new();
    match envelope::open(bytes) {
        Opened::Empty => text.push_str("empty"),
        Opened::Refused(reason) => {
            let _ = write!(text, "refused {}", reason.word());
        }
        Opened::Messages(frame) => {
            let _ = write!(text, "messages={}", frame.messages.len());
            let mut observations = std::collections::BTreeMap::<String, u32>::new();
            let mut refusals = std::collections::BTreeMap::<String, u32>::new();
            let mut understood = std::collections::BTreeMap::<String, u32>::new();
            let mut identity = 0;
            for message in &frame.messages {
                let received = Received {
                    origin: Origin {
                        listener: "corpus".into(),
                        peer: "127.0.0.1:1".into(),
                    },
                    received_at: Timestamp::from_micros(1_790_000_000_000_000),
                    part: (0, 1),
                    raw: bytes::Bytes::copy_from_slice(message.raw),
                };
                let found = extract(&received, JournalPosition(1), policy);
                *understood
                    .entry(format!("{:?}", found.understood))
                    .or_default() += 1;
                identity += found.identity.len();
                for refusal in &found.refusals {
                    let what = format!("{}@{}", refusal.reason.word(), refusal.place);
                    *refusals.entry(what).or_default() += 1;
                }
                for patient in &found.patients {
                    for observation in &patient.observations {
                        let what = format!(
                            "{}/{:?}",
                            observation.id.analyte.name(),
                            observation.status.class
                        );
                        *observations.entry(what).or_default() += 1;
                    }
                }
            }
            let _ = write!(text, " {understood:?}");
            if identity > 0 {
                let _ = write!(text, " identity={identity}");
            }
            if !observations.is_empty() {
                let _ = write!(text, " observations={observations:?}");
            }
            if !refusals.is_empty() {
                let _ = write!(text, " refusals={refusals:?}");
            }
        }
    }
    text
}

#[test]
fn what_is_extracted_is_what_was_reviewed() {
    let Some(dir) = corpus() else {
        eprintln!("skipped: PENTAMER_CORPUS is not set");
        return;
    };
    let policy = Policy::built_in();
    let mut lines = String::new();
    for path in files(&dir) {
        let name = path
            .strip_prefix(&dir)
            .expect("inside")
            .display()
            .to_string();
        let bytes = std::fs::read(&path).expect("read");
        let _ = writeln!(lines, "{name}\t{}", outcome(&bytes, &policy));
    }
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus-goldens.txt");
    if std::env::var_os("PENTAMER_CORPUS_BLESS").is_some() {
        std::fs::write(goldens, &lines).expect("written");
        return;
    }
    let expected = std::fs::read_to_string(goldens).expect("the goldens");
    for (found, expected) in lines.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(lines.lines().count(), expected.lines().count());
}

#[test]
fn every_frame_of_the_corpus_is_answered() {
    let Some(dir) = corpus() else {
        eprintln!("skipped: PENTAMER_CORPUS is not set");
        return;
    };
    let daemon = Pentamer::start(Home::new("ack = \"original\"", ""));
    let mut sender = daemon.connect();
    for path in files(&dir) {
        let bytes = std::fs::read(&path).expect("read");
        let messages = match envelope::open(&bytes) {
            Opened::Empty => 0,
            Opened::Refused(_) => 1,
            Opened::Messages(frame) if frame.batch.is_some() => 1,
            Opened::Messages(frame) => frame
                .messages
                .iter()
                .filter(|message| !message.is_acknowledgement())
                .count(),
        };
        sender.send(b"\x0b");
        sender.send(&bytes);
        sender.send(b"\x1c\r");
        for number in 0..messages {
            let answer = sender.answer();
            assert!(
                answer.is_some(),
                "{}: no answer {number} of {messages}",
                path.display()
            );
        }
    }
    assert_eq!(
        sender.finish(),
        Vec::<Vec<u8>>::new(),
        "answers that nobody asked for"
    );
    daemon.settle();
    assert_eq!(daemon.wire("internal_error"), 0.0);
    let (home, status) = daemon.stop();
    assert!(status.success());
    crate::offline::assert_rebuild_equals_cache(&home.data());
}
