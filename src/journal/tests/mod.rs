//! The journal as a whole, on the model disk.

mod damage;
mod faults;
mod sealed;
mod storing;

use super::*;
use crate::core::fact::{Fact, JournalPosition, Origin, Received};
use crate::core::time::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const DATA: &str = "/data";

fn options() -> Options {
    Options {
        segment_size: 4096,
        reserve: 0,
        retry: Duration::from_millis(1),
        prepare_ahead: false,
        ..Options::new(DATA, || Timestamp::from_micros(1_700_000_000_000_000))
    }
}

fn segment(number: u64) -> PathBuf {
    table::segment_path(&Path::new(DATA).join("journal"), number)
}

fn message(n: u64, len: usize) -> Draft {
    let raw = format!("MSH|{n}|{}", "x".repeat(len)).into_bytes();
    let fingerprint = Fingerprint::of("feed", b"LAB", b"H", n.to_string().as_bytes(), &raw);
    Draft {
        fact: Fact::Received(Received {
            origin: Origin {
                listener: "feed".to_owned(),
                peer: "10.0.0.5:1".to_owned(),
            },
            received_at: Timestamp::from_micros(n as i64),
            part: (0, 1),
            raw: raw.into(),
        }),
        fingerprint: Some(fingerprint),
    }
}

fn start(disk: &ModelDisk) -> (Appender, WriterHandle, Recovery) {
    let (journal, recovery) = open(Arc::new(disk.clone()), options()).unwrap();
    let (appender, writer) = journal.start();
    (appender, writer, recovery)
}

fn stop(appender: Appender, writer: WriterHandle) {
    drop(appender);
    writer.join();
}

/// A journal on which these many messages were stored one by one, cleanly stopped.
fn filled(messages: u64, len: usize) -> ModelDisk {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    for n in 1..=messages {
        let stored = appender.append_blocking(vec![message(n, len)]).unwrap();
        assert_eq!(stored[0].position, JournalPosition(n));
    }
    stop(appender, writer);
    disk
}

/// Everything readable, and the positions reported as damaged.
fn read_all(disk: &ModelDisk) -> (Vec<u64>, Vec<(u64, u64)>) {
    let found = inspect(Arc::new(disk.clone()), Path::new(DATA)).unwrap();
    let mut reader = found.reader(JournalPosition::START);
    let (mut whole, mut lost) = (Vec::new(), Vec::new());
    loop {
        match reader.next(found.recovery.last) {
            Ok(None) => return (whole, lost),
            Ok(Some((position, fact))) => {
                if let Fact::Received(received) = &fact {
                    let head = format!("MSH|{position}|");
                    assert!(received.raw.starts_with(head.as_bytes()));
                }
                whole.push(position.0);
            }
            Err(ReadError::Damaged { from, through, .. }) => lost.push((from.0, through.0)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Where the record of a position begins and ends in a segment's bytes.
fn record_at(bytes: &[u8], position: u64) -> (usize, usize) {
    let mut at = layout::SEGMENT_HEADER as usize;
    loop {
        let header = layout::RecordHeader::decode(&bytes[at..]).expect("a record");
        let end = at + layout::record_size(u64::from(header.payload)) as usize;
        if header.position.0 == position && encode::is_fact(header.kind) {
            return (at, end);
        }
        at = end;
    }
}
