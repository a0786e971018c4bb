//! Positions, groups, duplicates, rotation, reading behind the writer.

use super::*;

fn position(n: u64) -> JournalPosition {
    JournalPosition(n)
}

#[test]
fn positions_run_on_over_restarts_and_segments() {
    let disk = filled(40, 300);
    assert!(disk.files().len() > 3, "rotated");
    let (appender, writer, recovery) = start(&disk);
    assert_eq!(recovery.last, position(40));
    assert_eq!((recovery.torn, recovery.records), (None, 40));
    assert_eq!(recovery.damage, []);
    let stored = appender.append_blocking(vec![message(41, 10), message(42, 10)]);
    let positions: Vec<u64> = stored.unwrap().iter().map(|s| s.position.0).collect();
    assert_eq!(positions, [41, 42]);
    assert_eq!(appender.status().borrow().synced, position(42));
    stop(appender, writer);
    assert_eq!(read_all(&disk), ((1..=42).collect(), vec![]));
}

#[test]
fn a_record_larger_than_a_segment_has_its_own() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    for (n, len) in [(1, 10), (2, 600_000), (3, 10)] {
        appender.append_blocking(vec![message(n, len)]).unwrap();
    }
    let mut reader = appender.reader(position(1)).unwrap();
    let (at, fact) = reader.next(position(3)).unwrap().unwrap();
    assert_eq!((at, &fact), (position(2), &message(2, 600_000).fact));
    assert_eq!(reader.next(position(3)).unwrap().unwrap().0, position(3));
    stop(appender, writer);
    assert_eq!(read_all(&disk), (vec![1, 2, 3], vec![]));
}

#[test]
fn a_duplicate_is_stored_as_seen_again_also_within_its_group_and_after_a_restart() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    let mut other = message(2, 10);
    other.fingerprint.as_mut().unwrap().control = message(1, 10).fingerprint.unwrap().control;
    let group = vec![message(1, 10), message(1, 10), other];
    let stored = appender.append_blocking(group).unwrap();
    assert_eq!(stored[1].duplicate_of, Some(position(1)));
    let reused: Vec<bool> = stored.iter().map(|s| s.control_id_reused).collect();
    assert_eq!(reused, [false, false, true]);
    stop(appender, writer);

    let (appender, writer, _) = start(&disk);
    let stored = appender.append_blocking(vec![message(1, 10)]).unwrap();
    assert_eq!(
        (stored[0].position, stored[0].duplicate_of),
        (position(4), Some(position(1)))
    );
    let mut reader = appender.reader(position(3)).unwrap();
    let fact = reader.next(position(4)).unwrap().unwrap().1;
    let Fact::SeenAgain { first, origin, .. } = fact else {
        panic!("not a seen again: {fact:?}");
    };
    assert_eq!((first, origin.listener.as_str()), (position(1), "feed"));
    stop(appender, writer);
}

#[test]
fn a_reader_follows_the_writer_and_never_goes_beyond_what_is_asked() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    let mut reader = appender.reader(JournalPosition::START).unwrap();
    assert!(reader.next(JournalPosition::START).unwrap().is_none());
    for n in 1..=60 {
        appender.append_blocking(vec![message(n, 150)]).unwrap();
        if n % 3 == 0 {
            for expected in n - 2..=n {
                let (at, _) = reader.next(position(n)).unwrap().unwrap();
                assert_eq!(at.0, expected);
            }
            assert!(reader.next(position(n)).unwrap().is_none());
        }
    }
    stop(appender, writer);
}

#[test]
fn groups_queued_together_are_synced_together() {
    let disk = ModelDisk::new();
    let (journal, _) = open(Arc::new(disk), options()).unwrap();
    let (appender, writer) = journal.start();
    let answers: Vec<_> = (1..=100)
        .map(|n| appender.try_submit(vec![message(n, 1)]).unwrap())
        .collect();
    for (n, answer) in (1..=100).zip(answers) {
        assert_eq!(answer.blocking_recv().unwrap()[0].position, position(n));
    }
    let stats = appender.stats();
    assert_eq!(stats.records, 100);
    assert!(stats.syncs < 100, "{stats:?}");
    stop(appender, writer);
}

#[test]
fn a_second_daemon_is_kept_out_and_stopping_lets_it_in() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    let second = open(Arc::new(disk.clone()), options()).err().unwrap();
    assert_eq!(
        second.to_string(),
        "the data directory is in use by another process: `/data/lock` is locked"
    );
    writer.stop();
    let late = appender.append_blocking(vec![message(1, 1)]);
    assert_eq!(late, Err(AppendError::Closed));
    writer.join();
    start(&disk);
}

#[test]
fn what_is_queued_when_it_stops_is_stored() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    let answers: Vec<_> = (1..=20)
        .map(|n| appender.try_submit(vec![message(n, 500)]).unwrap())
        .collect();
    writer.stop();
    writer.join();
    assert!(answers.into_iter().all(|a| a.blocking_recv().is_ok()));
    assert_eq!(read_all(&disk).0.len(), 20);
}

#[test]
fn a_prepared_segment_is_used_and_unused_ones_are_removed() {
    let disk = ModelDisk::new();
    let ahead = Options {
        prepare_ahead: true,
        ..options()
    };
    let (journal, _) = open(Arc::new(disk.clone()), ahead).unwrap();
    let (appender, writer) = journal.start();
    for n in 1..=60 {
        appender.append_blocking(vec![message(n, 200)]).unwrap();
    }
    stop(appender, writer);
    let names: Vec<_> = disk.files().into_keys().collect();
    assert!(
        names.iter().all(|name| name.extension().is_some()),
        "{names:?}"
    );
    assert_eq!(read_all(&disk), ((1..=60).collect(), vec![]));
}

#[test]
fn closed_segments_give_back_what_they_do_not_use() {
    let disk = filled(3, 2000);
    let files = disk.files();
    let first = &files[&segment(1)];
    assert_eq!(record_at(first, 1).1, first.len());
}

#[test]
fn the_real_disk_does_as_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let real = || Options {
        dir: dir.path().to_owned(),
        prepare_ahead: true,
        ..options()
    };
    for round in 0..3u64 {
        let (journal, recovery) = open(Arc::new(OsDisk), real()).unwrap();
        assert_eq!(recovery.last, position(round * 30));
        assert!(matches!(
            open(Arc::new(OsDisk), real()),
            Err(JournalError::Locked { .. })
        ));
        let (appender, writer) = journal.start();
        for n in round * 30 + 1..=round * 30 + 30 {
            appender.append_blocking(vec![message(n, 400)]).unwrap();
        }
        stop(appender, writer);
    }
    let found = inspect(Arc::new(OsDisk), dir.path()).unwrap();
    assert_eq!((found.recovery.records, found.recovery.torn), (90, None));
}

#[test]
fn an_unknown_kind_is_named_and_passed_over() {
    let disk = filled(2, 10);
    let mut bytes = disk.files()[&segment(1)].clone();
    let (at, _) = record_at(&bytes, 1);
    let mut header = layout::RecordHeader::decode(&bytes[at..]).unwrap();
    header.kind = 99;
    let payload = bytes[at + 40..at + 40 + header.payload as usize].to_vec();
    bytes[at..at + 40].copy_from_slice(&header.encode(&payload, &[]));
    disk.replace(&segment(1), bytes);
    let found = inspect(Arc::new(disk), Path::new(DATA)).unwrap();
    assert_eq!(
        (found.recovery.records, found.recovery.damage.len()),
        (2, 0)
    );
    let mut reader = found.reader(JournalPosition::START);
    let error = reader.next(position(2)).unwrap_err();
    let ReadError::NotUnderstood {
        position: at,
        source,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((at.0, source), (1, DecodeError::UnknownKind { kind: 99 }));
    assert_eq!(reader.next(position(2)).unwrap().unwrap().0, position(2));
}
