//! The journal with keys: nothing shows, nothing can be moved, and without its key nothing is touched.

use super::*;
use crate::journal::layout::{RECORD_HEADER, RecordHeader};
use crate::seal::{Keyring, SealFault};
use std::sync::atomic::AtomicBool;

const A: &str = "aa";
const B: &str = "bb";
const C: &str = "cc";

/// The keys of 32 such bytes each.
fn keys(bytes: &[&str]) -> Keyring {
    let lines: Vec<_> = bytes
        .iter()
        .map(|byte| match *byte {
            "plain" => "plain".to_owned(),
            byte => byte.repeat(32),
        })
        .collect();
    Keyring::parse(&lines.join("\n")).unwrap()
}

fn with(bytes: &[&str]) -> Options {
    Options {
        keys: keys(bytes),
        ..options()
    }
}

fn begin(disk: &ModelDisk, options: Options) -> (Appender, WriterHandle, Recovery) {
    let (journal, recovery) = open(Arc::new(disk.clone()), options).unwrap();
    let (appender, writer) = journal.start();
    (appender, writer, recovery)
}

/// Appends messages one by one.
fn add(appender: &Appender, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        let stored = appender.append_blocking(vec![message(n, 100)]).unwrap();
        assert_eq!(stored[0].position, JournalPosition(n));
    }
}

fn sealed(messages: u64) -> ModelDisk {
    let disk = ModelDisk::new();
    let (appender, writer, _) = begin(&disk, with(&[A]));
    add(&appender, 1..=messages);
    stop(appender, writer);
    disk
}

/// The messages that are read with these keys.
fn read(disk: &ModelDisk, keys: &Keyring) -> u64 {
    let found = inspect_with(Arc::new(disk.clone()), Path::new(DATA), keys).unwrap();
    assert_eq!(found.recovery.damage, []);
    let mut reader = found.reader(JournalPosition::START);
    let mut count = 0;
    while let Some((position, fact)) = reader.next(found.recovery.last).unwrap() {
        if let Fact::Received(received) = fact {
            assert!(
                received
                    .raw
                    .starts_with(format!("MSH|{position}|").as_bytes())
            );
            count += 1;
        }
    }
    count
}

fn shows(disk: &ModelDisk, text: &str) -> bool {
    let holds = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    disk.files().values().any(holds)
}

fn pack_all(appender: &Appender) {
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    appender
        .keeper()
        .pass(now, &AtomicBool::new(false))
        .unwrap();
}

#[test]
fn what_is_sealed_does_not_show_and_reads_as_it_was() {
    let plain = filled(40, 100);
    assert!(shows(&plain, "MSH|7|") && shows(&plain, "10.0.0.5"));
    let disk = sealed(40);
    assert!(!shows(&disk, "MSH|") && !shows(&disk, "10.0.0.5") && !shows(&disk, "xxxx"));
    assert_eq!(read(&disk, &keys(&[A])), 40);
    let (appender, writer, recovery) = begin(&disk, with(&[A]));
    assert_eq!(recovery.records, 40);
    // Known again by what is sealed.
    let stored = appender.append_blocking(vec![message(3, 100)]).unwrap();
    assert_eq!(stored[0].duplicate_of, Some(JournalPosition(3)));
    pack_all(&appender);
    stop(appender, writer);
    let packed = |disk: &ModelDisk| {
        let files = disk.files();
        files
            .keys()
            .filter(|path| path.extension().is_some_and(|e| e == "segz"))
            .count()
    };
    assert!(packed(&disk) > 1);
    assert!(!shows(&disk, "MSH|") && !shows(&disk, "10.0.0.5"));
    assert_eq!(read(&disk, &keys(&[A])), 40);
}

/// A large message goes through a buffer of its own.
#[test]
fn a_large_message_is_sealed_too() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = begin(&disk, with(&[A]));
    appender
        .append_blocking(vec![message(1, 600 << 10)])
        .unwrap();
    add(&appender, 2..=3);
    stop(appender, writer);
    assert!(!shows(&disk, "xxxxxxxx"));
    assert_eq!(read(&disk, &keys(&[A])), 3);
}

/// Each field of a record's header belongs to what is sealed: a changed one is told, with a right
/// checksum too.
#[test]
fn a_record_that_was_changed_moved_or_retyped_is_named() {
    type Change = fn(&mut RecordHeader);
    let changes: [(&str, Change); 6] = [
        ("position", |header| header.position.0 += 5),
        ("durable", |header| header.durable.0 -= 1),
        ("kind", |header| header.kind = 3),
        ("version", |header| header.version += 1),
        ("meta", |header| header.meta -= 1),
        ("kept", |header| header.kept = layout::RECORD_PLAIN),
    ];
    for (what, change) in changes {
        let disk = sealed(5);
        let mut bytes = disk.files()[&segment(1)].clone();
        let (at, _) = record_at(&bytes, 2);
        let mut header = RecordHeader::decode(&bytes[at..]).unwrap();
        let payload = bytes[at + RECORD_HEADER..][..header.payload as usize].to_vec();
        change(&mut header);
        bytes[at..at + RECORD_HEADER].copy_from_slice(&header.encode(&payload, &[]));
        disk.replace(&segment(1), bytes);
        is_tampered(&disk, 2, what);
    }
    // The payload of one record under the header of another.
    let disk = sealed(5);
    let mut bytes = disk.files()[&segment(1)].clone();
    let (from, _) = record_at(&bytes, 3);
    let (at, _) = record_at(&bytes, 2);
    let header = RecordHeader::decode(&bytes[at..]).unwrap();
    let payload = bytes[from + RECORD_HEADER..][..header.payload as usize].to_vec();
    bytes[at..at + RECORD_HEADER].copy_from_slice(&header.encode(&payload, &[]));
    bytes[at + RECORD_HEADER..][..payload.len()].copy_from_slice(&payload);
    disk.replace(&segment(1), bytes);
    is_tampered(&disk, 2, "moved");
}

fn is_tampered(disk: &ModelDisk, position: u64, what: &str) {
    let lost = (JournalPosition(position), JournalPosition(position));
    let found = inspect_with(Arc::new(disk.clone()), Path::new(DATA), &keys(&[A])).unwrap();
    let damage = &found.recovery.damage;
    let [one] = damage.as_slice() else {
        panic!("{what}: {damage:?}")
    };
    assert_eq!(
        (one.kind, one.lost),
        (DamageKind::Tampered, Some(lost)),
        "{what}"
    );
    assert!(one.to_string().contains("seal is broken"), "{one}");
    let mut reader = found.reader(JournalPosition::START);
    let mut whole = Vec::new();
    loop {
        match reader.next(found.recovery.last) {
            Ok(None) => break,
            Ok(Some((at, _))) => whole.push(at.0),
            Err(ReadError::Damaged { from, through, .. }) => {
                assert_eq!((from, through), lost, "{what}");
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }
    let expected: Vec<u64> = (1..=5).filter(|n| *n != position).collect();
    assert_eq!(whole, expected, "{what}");
}

/// No crash leaves a record with a right checksum and a broken seal: at the end too it is told.
#[test]
fn a_tampered_last_record_is_no_torn_tail() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = begin(&disk, with(&[A]));
    add(&appender, 1..=5);
    let image = disk.image(1);
    stop(appender, writer);
    let mut bytes = image.files()[&segment(1)].clone();
    let (at, _) = record_at(&bytes, 5);
    let header = RecordHeader::decode(&bytes[at..]).unwrap();
    let mut payload = bytes[at + RECORD_HEADER..][..header.payload as usize].to_vec();
    payload[30] ^= 1;
    bytes[at..at + RECORD_HEADER].copy_from_slice(&header.encode(&payload, &[]));
    bytes[at + RECORD_HEADER..][..payload.len()].copy_from_slice(&payload);
    image.replace(&segment(1), bytes);
    is_tampered(&image, 5, "the last");
    let (appender, writer, _) = begin(&image, with(&[A]));
    add(&appender, 6..=6);
    stop(appender, writer);
}

/// Damage is still damage, and what is behind it is found.
#[test]
fn a_bad_byte_and_a_bad_header_are_no_broken_seal() {
    let disk = sealed(5);
    let mut bytes = disk.files()[&segment(1)].clone();
    let (at, _) = record_at(&bytes, 2);
    bytes[at + 60] ^= 1;
    bytes[20] ^= 1;
    disk.replace(&segment(1), bytes);
    let found = inspect_with(Arc::new(disk.clone()), Path::new(DATA), &keys(&[B, A])).unwrap();
    let kinds: Vec<_> = found.recovery.damage.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [DamageKind::Header, DamageKind::Records]);
    assert_eq!(found.recovery.records, 4);
    // With a damaged header only the records tell that they are sealed.
    let refused = inspect(Arc::new(disk.clone()), Path::new(DATA))
        .err()
        .unwrap();
    assert!(matches!(
        refused,
        JournalError::Sealed {
            source: SealFault::NoKeyOpens(_),
            ..
        }
    ));
}

/// Names what it needs and what there is; nothing is changed, set aside or cut.
#[test]
fn without_its_key_nothing_opens_and_nothing_is_touched() {
    let disk = sealed(40);
    let (appender, writer, _) = begin(&disk, with(&[A]));
    pack_all(&appender);
    stop(appender, writer);
    let id = |byte| keys(&[byte]).ids().next().unwrap().to_string();
    let before = disk.files();
    for wrong in [Keyring::none(), keys(&[B])] {
        let options = Options {
            keys: wrong.clone(),
            ..options()
        };
        let refused = open(Arc::new(disk.clone()), options).err().unwrap();
        let text = refused.to_string();
        assert!(!refused.is_transient());
        assert!(
            text.contains("0000000001.segz") && text.contains(&id(A)),
            "{text}"
        );
        let has = wrong
            .ids()
            .next()
            .map_or("no key".to_owned(), |id| id.to_string());
        assert!(text.contains(&has), "{text}");
        let looked = inspect_with(Arc::new(disk.clone()), Path::new(DATA), &wrong);
        assert!(matches!(looked.err(), Some(JournalError::Sealed { .. })));
        assert_eq!(disk.files(), before);
    }
    assert_eq!(read(&disk, &keys(&[B, A])), 40);
}

/// Turned on over what is in the clear, rotated twice, turned off; each old key goes once all is packed.
#[test]
fn keys_come_and_go() {
    let disk = filled(20, 100);
    let lives: [(&[&str], &[&str]); 5] = [
        (&[A], &[A]),
        (&[B, A], &[B]),
        (&[C, B], &[C]),
        (&["plain", C], &[C]),
        (&[B], &[B]),
    ];
    let mut last = 20;
    for (during, after) in lives {
        let (appender, writer, recovery) = begin(&disk, with(during));
        assert_eq!((recovery.last.0, recovery.damage), (last, vec![]));
        add(&appender, last + 1..=last + 20);
        last += 20;
        pack_all(&appender);
        stop(appender, writer);
        assert_eq!(read(&disk, &keys(during)), last, "{during:?}");
        assert_eq!(read(&disk, &keys(after)), last, "{after:?}");
        let off = during.contains(&"plain");
        assert_eq!(shows(&disk, "MSH|"), off, "{during:?}");
    }
}

/// Records that nothing proves are copied under the key of today.
#[test]
fn a_tail_of_the_last_key_is_kept_under_the_next() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = begin(&disk, with(&[A]));
    add(&appender, 1..=7);
    let image = disk.image(1);
    stop(appender, writer);
    let (appender, writer, recovery) = begin(&image, with(&[B, A]));
    assert_eq!(recovery.last, JournalPosition(7));
    add(&appender, 8..=9);
    stop(appender, writer);
    assert_eq!(read(&image, &keys(&[B, A])), 9);
    image.delete(&segment(1));
    let found = inspect_with(Arc::new(image.clone()), Path::new(DATA), &keys(&[B])).unwrap();
    assert!(
        found.recovery.records >= 2,
        "the newest segment needs the new key alone"
    );
}
