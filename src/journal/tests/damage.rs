//! One test for each way a journal can be damaged, naming what is reported.

use super::*;

fn recovered(disk: &ModelDisk) -> Recovery {
    let before = disk.files();
    let found = inspect(Arc::new(disk.clone()), Path::new(DATA)).unwrap();
    assert_eq!(before, disk.files(), "looking changes nothing");
    found.recovery
}

fn lost(from: u64, through: u64) -> Option<(JournalPosition, JournalPosition)> {
    Some((JournalPosition(from), JournalPosition(through)))
}

/// Opens, appends, and the next position is this one.
fn goes_on_at(disk: &ModelDisk, position: u64) {
    let (appender, writer, _) = start(disk);
    let stored = appender
        .append_blocking(vec![message(position, 5)])
        .unwrap();
    assert_eq!(stored[0].position, JournalPosition(position));
    stop(appender, writer);
}

/// As [`filled`], but the power goes before the last sync is proven by anything.
fn crashed(messages: u64, len: usize) -> ModelDisk {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    for n in 1..=messages {
        appender.append_blocking(vec![message(n, len)]).unwrap();
    }
    let image = disk.image(1);
    stop(appender, writer);
    image
}

fn edit(disk: &ModelDisk, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.files()[&segment(number)].clone();
    change(&mut bytes);
    disk.replace(&segment(number), bytes);
}

#[test]
fn short_last_file_is_a_torn_tail() {
    let disk = crashed(3, 100);
    let mut cut = (0, 0);
    edit(&disk, 1, |bytes| {
        cut = record_at(bytes, 3);
        bytes.truncate(cut.0 + 50);
    });
    let recovery = recovered(&disk);
    let torn = TornTail {
        segment: 1,
        offset: cut.0 as u64,
        bytes: 50,
    };
    assert_eq!((recovery.last.0, recovery.torn), (2, Some(torn)));
    assert_eq!(recovery.damage, []);
    goes_on_at(&disk, 3);
    assert_eq!(read_all(&disk), (vec![1, 2, 3], vec![]));
}

#[test]
fn bad_checksum_in_the_last_record_is_a_torn_tail() {
    let disk = crashed(3, 100);
    edit(&disk, 1, |bytes| {
        let (at, _) = record_at(bytes, 3);
        bytes[at + 60] ^= 1;
    });
    let recovery = recovered(&disk);
    assert_eq!((recovery.last.0, recovery.damage.len()), (2, 0));
    assert!(recovery.torn.is_some());
    goes_on_at(&disk, 3);
    let again = recovered(&disk);
    assert_eq!((again.torn, again.damage), (None, vec![]));
}

#[test]
fn bad_checksum_in_the_last_record_after_a_clean_stop_is_damage() {
    let disk = filled(3, 100);
    edit(&disk, 1, |bytes| {
        let (at, _) = record_at(bytes, 3);
        bytes[at + 60] ^= 1;
    });
    let recovery = recovered(&disk);
    assert_eq!(recovery.last, JournalPosition(3));
    assert_eq!(recovery.damage[0].lost, lost(3, 3));
    assert_eq!(read_all(&disk), (vec![1, 2], vec![(3, 3)]));
    goes_on_at(&disk, 4);
    assert_eq!(read_all(&disk), (vec![1, 2, 4], vec![(3, 3)]));
}

#[test]
fn damaged_middle_with_good_records_after_it_is_damage() {
    let disk = crashed(8, 100);
    let mut place = (0, 0);
    edit(&disk, 1, |bytes| {
        place = (record_at(bytes, 3).0, record_at(bytes, 4).1);
        bytes[place.0 + 20] ^= 0x40;
        bytes[place.1 - 20] ^= 0x40;
    });
    let damage = Damage {
        packed: false,
        kind: DamageKind::Records,
        segment: 1,
        offset: place.0 as u64,
        bytes: (place.1 - place.0) as u64,
        lost: lost(3, 4),
    };
    let recovery = recovered(&disk);
    assert_eq!(recovery.damage, [damage]);
    assert_eq!((recovery.last.0, recovery.records), (8, 6));
    assert_eq!(
        damage.to_string(),
        format!(
            "segment `0000000001.seg`: {} bad bytes at {}; positions 3 to 4 are lost",
            damage.bytes, damage.offset
        )
    );
    assert_eq!(read_all(&disk), (vec![1, 2, 5, 6, 7, 8], vec![(3, 4)]));
    goes_on_at(&disk, 9);
}

#[test]
fn zeroed_page_in_a_closed_segment_is_damage() {
    let disk = filled(40, 100);
    edit(&disk, 2, |bytes| bytes[1024..2048].fill(0));
    let recovery = recovered(&disk);
    let [damage] = recovery.damage[..] else {
        panic!("{:?}", recovery.damage);
    };
    assert_eq!((damage.kind, damage.segment), (DamageKind::Records, 2));
    let (from, through) = damage.lost.unwrap();
    let (whole, lost) = read_all(&disk);
    assert_eq!(lost, [(from.0, through.0)]);
    let expected = (1..=40).filter(|n| !(from.0..=through.0).contains(n));
    assert_eq!(whole, expected.collect::<Vec<_>>());
}

#[test]
fn short_closed_segment_is_damage() {
    let disk = filled(40, 100);
    edit(&disk, 1, |bytes| bytes.truncate(bytes.len() - 100));
    let recovery = recovered(&disk);
    let [damage] = recovery.damage[..] else {
        panic!("{:?}", recovery.damage);
    };
    assert_eq!((damage.kind, damage.segment), (DamageKind::Short, 1));
    let (from, through) = damage.lost.unwrap();
    assert_eq!(from, through);
    assert_eq!(read_all(&disk).1, [(from.0, through.0)]);
}

#[test]
fn garbage_header_loses_no_record() {
    let disk = filled(40, 100);
    edit(&disk, 2, |bytes| bytes[..64].fill(0xA5));
    let recovery = recovered(&disk);
    let damage = Damage {
        packed: false,
        kind: DamageKind::Header,
        segment: 2,
        offset: 0,
        bytes: 64,
        lost: None,
    };
    assert_eq!((recovery.damage, recovery.records), (vec![damage], 40));
    assert_eq!(read_all(&disk), ((1..=40).collect(), vec![]));
}

#[test]
fn a_segment_without_a_readable_byte_loses_its_positions() {
    let disk = filled(40, 100);
    edit(&disk, 2, |bytes| bytes.fill(0xA5));
    let recovery = recovered(&disk);
    let kinds: Vec<_> = recovery.damage.iter().map(|d| d.kind).collect();
    assert_eq!(kinds, [DamageKind::Header, DamageKind::Records]);
    assert_eq!(recovery.last, JournalPosition(40));
    assert_eq!(read_all(&disk).1.len(), 1);
}

#[test]
fn missing_segment_is_damage() {
    let disk = filled(40, 100);
    disk.delete(&segment(2));
    let recovery = recovered(&disk);
    let [damage] = recovery.damage[..] else {
        panic!("{:?}", recovery.damage);
    };
    assert_eq!(
        (damage.kind, damage.segment),
        (DamageKind::MissingSegment, 2)
    );
    let (from, through) = damage.lost.unwrap();
    let (whole, lost) = read_all(&disk);
    assert_eq!(lost, [(from.0, through.0)]);
    assert_eq!(whole.len() as u64, 40 - (through.0 - from.0 + 1));
    goes_on_at(&disk, 41);
}

#[test]
fn newer_version_is_refused() {
    let disk = filled(1, 10);
    edit(&disk, 1, |bytes| {
        bytes[8] = 7;
        let sum = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&sum.to_le_bytes());
    });
    let error = open(Arc::new(disk), options()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "expected a journal of format version 2 or older, but segment \
         `/data/journal/0000000001.seg` has version 7"
    );
    assert!(!error.is_transient());
}

#[test]
fn a_message_that_looks_like_a_record_is_not_one() {
    // A sender could put a whole record into a message and wait for a torn write to uncover it.
    let disk = crashed(2, 10);
    let bytes = disk.files()[&segment(1)].clone();
    let (at, end) = record_at(&bytes, 2);
    let mut header = layout::RecordHeader::decode(&bytes[at..]).unwrap();
    header.salt ^= 1;
    header.position.0 += 1;
    let payload = bytes[at + 40..at + 40 + header.payload as usize].to_vec();
    let mut forged = header.encode(&payload, &[]).to_vec();
    forged.extend_from_slice(&payload);
    edit(&disk, 1, |bytes| {
        bytes[at + 50] ^= 1;
        bytes[end..end + forged.len()].copy_from_slice(&forged);
    });
    let recovery = recovered(&disk);
    assert_eq!((recovery.last.0, recovery.damage), (1, vec![]));
}

#[test]
fn any_bytes_open() {
    use proptest::prelude::*;
    let whole = filled(20, 60);
    let first = whole.files()[&segment(1)].clone();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(128));
    let law = |edits: Vec<(prop::sample::Index, u8)>| {
        let disk = whole.image(1);
        let mut bytes = first.clone();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        disk.replace(&segment(1), bytes);
        let (read, lost) = read_all(&disk);
        let named: u64 = lost.iter().map(|(from, through)| through - from + 1).sum();
        prop_assert_eq!(read.len() as u64 + named, 20);
        Ok(())
    };
    runner.run(&edits, law).unwrap();
}
