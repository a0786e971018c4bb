//! The journal: records with right checksums and any meta part, among any bytes. It opens, changes nothing
//! by being looked at, and a fact that is read can be stored and read again as the same.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pentamer::core::fact::{Fact, JournalPosition};
use pentamer::core::time::Timestamp;
use pentamer::journal::{Draft, ModelDisk, Options, ReadError, inspect, open};
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Arbitrary)]
enum Piece {
    Record {
        position: u8,
        durable: u8,
        kind: u8,
        version: u8,
        kept: u8,
        meta: Vec<u8>,
        raw: Vec<u8>,
    },
    /// The meta part as text that a fuzzer can grow into JSON.
    Fact {
        kind: u8,
        meta: String,
        raw: Vec<u8>,
    },
    Bytes(Vec<u8>),
    Zeros(u8),
}

#[derive(Debug, Arbitrary)]
struct Segment {
    first: u8,
    version: bool,
    rest: [u8; 4],
    pieces: Vec<Piece>,
}

const SALT: u32 = 0x5a17;

fn segment(number: u64, segment: &Segment) -> Vec<u8> {
    let mut out = b"PENTAJNL".to_vec();
    out.extend_from_slice(&(if segment.version { 1_u32 } else { 2 }).to_le_bytes());
    out.extend_from_slice(&SALT.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&u64::from(segment.first).to_le_bytes());
    out.extend_from_slice(&0_i64.to_le_bytes());
    out.extend_from_slice(&segment.rest);
    out.resize(60, 0);
    let sum = crc32c::crc32c(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    let mut position = u64::from(segment.first);
    for piece in &segment.pieces {
        match piece {
            Piece::Record {
                position,
                durable,
                kind,
                version,
                kept,
                meta,
                raw,
            } => {
                record(
                    &mut out,
                    (u64::from(*position), u64::from(*durable)),
                    [*kind, *version, *kept],
                    meta,
                    raw,
                );
            }
            Piece::Fact { kind, meta, raw } => {
                record(
                    &mut out,
                    (position, position.saturating_sub(1)),
                    [kind % 34, 1, 0],
                    meta.as_bytes(),
                    raw,
                );
                position += 1;
            }
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
            Piece::Zeros(count) => out.resize(out.len() + usize::from(*count), 0),
        }
    }
    out
}

fn record(
    out: &mut Vec<u8>,
    (position, durable): (u64, u64),
    kind: [u8; 3],
    meta: &[u8],
    raw: &[u8],
) {
    let mut rest = Vec::new();
    rest.extend_from_slice(&((meta.len() + raw.len()) as u32).to_le_bytes());
    rest.extend_from_slice(&SALT.to_le_bytes());
    rest.extend_from_slice(&position.to_le_bytes());
    rest.extend_from_slice(&durable.to_le_bytes());
    rest.extend_from_slice(&kind);
    rest.push(0);
    rest.extend_from_slice(&(meta.len() as u32).to_le_bytes());
    rest.extend_from_slice(meta);
    rest.extend_from_slice(raw);
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend_from_slice(&[0xF1, b'P', b'J', 0x9C]);
    out.extend_from_slice(&crc32c::crc32c(&rest).to_le_bytes());
    out.extend_from_slice(&rest);
    out.resize(out.len().next_multiple_of(8), 0);
}

fn facts(disk: &ModelDisk) -> Vec<(JournalPosition, Fact)> {
    let mut facts = Vec::new();
    let Ok(found) = inspect(Arc::new(disk.clone()), Path::new("/data")) else {
        return facts;
    };
    let mut reader = found.reader(JournalPosition::START);
    // Each answer goes on by a position at least.
    for _ in 0..2_000 {
        match reader.next(found.recovery.last) {
            Ok(None) => return facts,
            Ok(Some(fact)) => facts.push(fact),
            Err(ReadError::Io { .. }) => return facts,
            Err(_) => {}
        }
    }
    panic!("reading does not end");
}

fuzz_target!(|segments: Vec<Segment>| {
    let disk = ModelDisk::new();
    for (number, one) in (1_u64..).zip(segments.iter().take(3)) {
        let path = format!("/data/journal/{number:010}.seg");
        disk.replace(Path::new(&path), segment(number, one));
    }
    let before = disk.files();
    let found = facts(&disk);
    assert!(before == disk.files(), "looking changes nothing");
    let options = Options {
        segment_size: 4096,
        reserve: 0,
        prepare_ahead: false,
        ..Options::new("/data", || Timestamp::from_micros(1_700_000_000_000_000))
    };
    if let Ok((journal, _)) = open(Arc::new(disk.clone()), options.clone()) {
        drop(journal);
        assert!(facts(&disk) == found, "opening loses nothing that was read");
    }
    if found.is_empty() {
        return;
    }
    let copy = ModelDisk::new();
    let (journal, _) = open(Arc::new(copy.clone()), options).expect("an empty journal");
    let (appender, writer) = journal.start();
    let drafts: Vec<_> = found
        .iter()
        .map(|(_, fact)| Draft {
            fact: fact.clone(),
            fingerprint: None,
        })
        .collect();
    let stored = appender.append_blocking(drafts).map(|stored| stored.len());
    drop(appender);
    writer.join();
    assert_eq!(
        stored.ok(),
        Some(found.len()),
        "what was read can be stored"
    );
    let again: Vec<_> = facts(&copy).into_iter().map(|(_, fact)| fact).collect();
    let once: Vec<_> = found.into_iter().map(|(_, fact)| fact).collect();
    assert!(again == once, "and reads as the same");
});
