//! Checkpoints on the model disk: what is in them, and every way in which one can be bad.

use super::*;
use crate::cache::{Memory, Sled};
use crate::core::fact::{Fact, JournalPosition, Origin, Received};
use crate::core::fold::state::{Batch, State};
use crate::core::time::Timestamp;
use crate::journal::{
    Appender, Draft, Fingerprint, JournalError, ModelDisk, Options, Recovery, WriterHandle, open,
};
use crate::seal::Keyring;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const DATA: &str = "/data";

fn start(disk: &ModelDisk) -> Result<(Appender, WriterHandle, Recovery), JournalError> {
    start_with(disk, &Keyring::none())
}

fn start_with(
    disk: &ModelDisk,
    keys: &Keyring,
) -> Result<(Appender, WriterHandle, Recovery), JournalError> {
    let options = Options {
        keys: keys.clone(),
        segment_size: 4096,
        reserve: 0,
        retry: Duration::from_millis(1),
        prepare_ahead: false,
        ..Options::new(DATA, || Timestamp::from_micros(1_700_000_000_000_000))
    };
    let (journal, recovery) = open(Arc::new(disk.clone()), options)?;
    let (appender, writer) = journal.start();
    Ok((appender, writer, recovery))
}

fn message(n: u64) -> Draft {
    let raw = format!("MSH|{n}|{}", "x".repeat(300)).into_bytes();
    Draft {
        fingerprint: Some(Fingerprint::of("feed", b"L", b"H", &n.to_le_bytes(), &raw)),
        fact: Fact::Received(Received {
            origin: Origin {
                listener: "feed".to_owned(),
                peer: "10.0.0.5:1".to_owned(),
            },
            received_at: Timestamp::from_micros(n as i64),
            part: (0, 1),
            raw: raw.into(),
        }),
    }
}

fn append(appender: &Appender, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        let stored = appender.append_blocking(vec![message(n)]).unwrap();
        assert_eq!(stored[0].position, JournalPosition(n));
    }
}

/// A state of many entries at a position.
fn fill(state: &dyn State, entries: u32, through: u64) {
    let mut batch = Batch::default();
    for n in 0..entries {
        let value = vec![n as u8; 300];
        batch.changes.insert(n.to_be_bytes().to_vec(), Some(value));
    }
    state.commit(batch, JournalPosition(through)).unwrap();
}

fn take(appender: &Appender, state: &dyn State) -> Checkpoint {
    let mut taking = appender.begin_checkpoint(state).unwrap();
    while !taking.step(state, 1).unwrap() {}
    appender.publish_checkpoint(taking).unwrap()
}

fn path(position: u64) -> PathBuf {
    Path::new(DATA).join(format!("checkpoints/{position:020}.ckpt"))
}

/// A cleanly ended directory with checkpoints at 10 and 20, and facts up to 25.
fn two_checkpoints() -> ModelDisk {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk).unwrap();
    let state = Memory::new();
    append(&appender, 1..=10);
    fill(&state, 3_000, 10);
    take(&appender, &state);
    append(&appender, 11..=20);
    fill(&state, 2_000, 20);
    take(&appender, &state);
    append(&appender, 21..=25);
    drop(appender);
    writer.join();
    disk
}

/// DESIGN Shape 4 and invariant 3: what holds the state does not show.
#[test]
fn sled_and_memory_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let sled = Sled::open(dir.path(), 16 << 20).unwrap();
    let memory = Memory::new();
    let mut written = Vec::new();
    let states: [&dyn State; 2] = [&sled, &memory];
    for state in states {
        fill(state, 5_000, 12);
        let disk = ModelDisk::new();
        let (appender, writer, _) = start(&disk).unwrap();
        append(&appender, 1..=12);
        assert_eq!(take(&appender, state).entries(), 5_000);
        drop(appender);
        writer.join();
        written.push(disk.files()[&path(12)].clone());
    }
    assert!(written[0] == written[1]);
}

/// The fold goes on between the steps; the checkpoint is of the moment it was begun.
#[test]
fn what_changes_meanwhile_is_not_in_it() {
    let disk = ModelDisk::new();
    let (appender, _writer, _) = start(&disk).unwrap();
    append(&appender, 1..=4);
    let state = Memory::new();
    fill(&state, 8_000, 4);
    let before = state.scan(&[], &[], usize::MAX).unwrap();
    let mut taking = appender.begin_checkpoint(&state).unwrap();
    let mut round = 0_u32;
    while !taking.step(&state, 1).unwrap() {
        let mut batch = Batch::default();
        for n in 0..200 {
            let key = (n * 41 + round).to_be_bytes().to_vec();
            let value = (n % 3 > 0).then(|| vec![0xEE; 20]);
            batch.changes.insert(key, value);
            let new = [&(n * 40).to_be_bytes()[..], b"new"].concat();
            batch.changes.insert(new, Some(vec![1]));
        }
        batch.changes.insert(vec![0xFF; 9], Some(vec![2]));
        taking.preserve(&batch, &state).unwrap();
        state.commit(batch, JournalPosition(5)).unwrap();
        round += 7;
    }
    assert!(round > 7, "it took several steps");
    let checkpoint = appender.publish_checkpoint(taking).unwrap();
    let loaded = Memory::new();
    checkpoint.load(&loaded, "tables").unwrap();
    let mut after = loaded.scan(&[], &[], usize::MAX).unwrap();
    after.retain(|(key, _)| key[0] != b'm');
    assert!(before == after);
    assert_eq!(loaded.position().unwrap(), JournalPosition(4));
}

/// The positions of the facts go on, and duplicates are known, with all segments gone.
#[test]
fn the_checkpoint_alone_keeps_positions_and_duplicates() {
    let disk = two_checkpoints();
    for (path, _) in disk.files() {
        if path.to_string_lossy().contains(".seg") {
            disk.delete(&path);
        }
    }
    let (appender, _writer, recovery) = start(&disk).unwrap();
    assert_eq!(recovery.last, JournalPosition(20));
    let stored = appender
        .append_blocking(vec![message(3), message(99)])
        .unwrap();
    assert_eq!(stored[0].position, JournalPosition(21));
    assert_eq!(stored[0].duplicate_of, Some(JournalPosition(3)));
    assert_eq!(stored[1].duplicate_of, None);
}

/// Each way to spoil the newest one, and what is said about it.
#[test]
fn a_bad_checkpoint_is_named_and_set_aside_and_the_one_before_serves() {
    type Spoil = fn(&ModelDisk, Vec<u8>);
    let cases: [(&str, Spoil); 5] = [
        ("it is cut off", |disk, mut bytes| {
            bytes.truncate(bytes.len() - 1);
            disk.replace(&path(20), bytes);
        }),
        ("a block is damaged", |disk, mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            disk.replace(&path(20), bytes);
        }),
        ("its header is damaged", |disk, mut bytes| {
            bytes[17] ^= 1;
            disk.replace(&path(20), bytes);
        }),
        ("something stands behind its end", |disk, mut bytes| {
            bytes.push(0);
            disk.replace(&path(20), bytes);
        }),
        ("its name is not that of the position in it", |disk, _| {
            let copy = disk.files()[&path(10)].clone();
            disk.replace(&path(20), copy);
        }),
    ];
    for (why, spoil) in cases {
        let disk = two_checkpoints();
        spoil(&disk, disk.files()[&path(20)].clone());
        let (appender, _writer, recovery) = start(&disk).unwrap();
        let unfit = recovery.checkpoints_unfit;
        assert_eq!(unfit.len(), 1, "{why}");
        assert_eq!(unfit[0].why, why);
        assert_eq!(unfit[0].path, path(20));
        assert_eq!(appender.checkpoint().unwrap().position, JournalPosition(10));
        assert_eq!(recovery.last, JournalPosition(25), "{why}: nothing is lost");
        assert_eq!(recovery.damage, []);
        let aside = PathBuf::from(format!("{}.damaged", path(20).display()));
        assert!(disk.files().contains_key(&aside), "{why}");
        assert!(!disk.files().contains_key(&path(20)), "{why}");
    }
}

/// One that is gone is not missed while the one before it is there.
#[test]
fn a_missing_checkpoint_falls_back_without_a_word() {
    let disk = two_checkpoints();
    disk.delete(&path(20));
    let (appender, _writer, recovery) = start(&disk).unwrap();
    assert_eq!(recovery.checkpoints_unfit, []);
    assert_eq!(appender.checkpoint().unwrap().position, JournalPosition(10));
    assert_eq!(recovery.last, JournalPosition(25));
}

#[test]
fn a_newer_version_is_refused_with_the_reason() {
    let disk = two_checkpoints();
    let mut bytes = disk.files()[&path(20)].clone();
    bytes[8] = 3;
    let sum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&sum.to_le_bytes());
    disk.replace(&path(20), bytes);
    let error = start(&disk).err().unwrap();
    assert!(!error.is_transient());
    let text = error.to_string();
    assert!(
        text.contains("version 2") && text.contains(&format!("{:020}", 20)),
        "{text}"
    );
}

/// Sealed: nothing shows, it loads as it was, and a block of another place is refused by name.
#[test]
fn a_sealed_checkpoint_shows_nothing_and_its_blocks_stay_where_they_are() {
    let keys = Keyring::parse(&"ab".repeat(32)).unwrap();
    let state = Memory::new();
    let mut batch = Batch::default();
    for n in 0..4_000_u32 {
        let value = format!("PLANTED {n} {}", "y".repeat(300)).into_bytes();
        batch.changes.insert(n.to_be_bytes().to_vec(), Some(value));
    }
    state.commit(batch, JournalPosition(3)).unwrap();
    let disk = ModelDisk::new();
    let (appender, writer, _) = start_with(&disk, &keys).unwrap();
    append(&appender, 1..=3);
    let checkpoint = take(&appender, &state);
    drop(appender);
    writer.join();
    let loaded = Memory::new();
    checkpoint.load(&loaded, "tables").unwrap();
    let mut entries = loaded.scan(&[], &[], usize::MAX).unwrap();
    entries.retain(|(key, _)| key[0] != b'm');
    assert!(entries == state.scan(&[], &[], usize::MAX).unwrap());
    let bytes = disk.files()[&path(3)].clone();
    assert!(!bytes.windows(7).any(|window| window == b"PLANTED"));

    // Without the key nothing is set aside.
    let before = disk.files();
    for segment in disk
        .files()
        .keys()
        .filter(|p| p.to_string_lossy().contains(".seg"))
    {
        disk.delete(segment);
    }
    let alone = disk.files();
    let refused = start(&disk).err().unwrap();
    assert!(
        matches!(&refused, JournalError::Sealed { path: named, .. } if *named == path(3)),
        "{refused}"
    );
    assert_eq!(disk.files(), alone);
    for (path, bytes) in before {
        disk.replace(&path, bytes);
    }

    // A block whose number and sums were put right, but whose seal is that of another place.
    let mut blocks = Vec::new();
    let mut at = HEADER_BYTES;
    while at < bytes.len() {
        let packed = u32::from_le_bytes(bytes[at + 20..at + 24].try_into().unwrap()) as usize;
        blocks.push((at, at + 32 + packed));
        at += 32 + packed;
    }
    let of_kind = |kind: u8| {
        let found = blocks.iter().filter(|(at, _)| bytes[at + 4] == kind);
        found.copied().collect::<Vec<_>>()
    };
    let entries = of_kind(3);
    let (first, second) = (entries[0], entries[1]);
    let mut forged = bytes[..first.0].to_vec();
    for (place, source) in [(first, second), (second, first)] {
        let mut block = bytes[source.0..source.1].to_vec();
        block[8..12].copy_from_slice(&bytes[place.0 + 8..place.0 + 12]);
        let sum = crc32c::crc32c(&block[..28]);
        block[28..32].copy_from_slice(&sum.to_le_bytes());
        forged.extend_from_slice(&block);
    }
    forged.extend_from_slice(&bytes[second.1..]);
    disk.replace(&path(3), forged);
    let (appender, writer, recovery) = start_with(&disk, &keys).unwrap();
    let [unfit] = recovery.checkpoints_unfit.as_slice() else {
        panic!("{:?}", recovery.checkpoints_unfit)
    };
    assert!(unfit.why.contains("seal of a block is broken"), "{unfit}");
    drop(appender);
    writer.join();
}

const HEADER_BYTES: usize = 64;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever changed in it: what is used of it is as it was written, and the journal opens.
    #[test]
    fn any_bytes_are_a_checkpoint_or_named(
        cut in proptest::prelude::any::<proptest::sample::Index>(),
        edits in proptest::collection::vec(proptest::prelude::any::<(proptest::sample::Index, u8)>(), 0..4),
        tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
        keep: bool,
    ) {
        let disk = two_checkpoints();
        let whole = disk.files()[&path(20)].clone();
        let mut bytes = whole.clone();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if !keep {
            bytes.truncate(cut.index(bytes.len() + 1));
            bytes.extend_from_slice(&tail);
        }
        let changed = bytes != whole;
        disk.replace(&path(20), bytes);
        let (appender, _writer, recovery) = start(&disk).unwrap();
        proptest::prop_assert_eq!(recovery.checkpoints_unfit.len(), usize::from(changed));
        let used = if changed { 10 } else { 20 };
        proptest::prop_assert_eq!(appender.checkpoint().unwrap().position, JournalPosition(used));
        proptest::prop_assert_eq!(recovery.last, JournalPosition(25));
    }
}
