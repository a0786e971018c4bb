//! WIRE A-70: nothing acknowledged is lost, and the writer recovers by itself.

use super::*;
use crate::clock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Waits until the status is as wanted.
fn until(appender: &Appender, wanted: fn(&Status) -> bool) -> Status {
    let mut status = appender.status();
    let changed = async { *status.wait_for(wanted).await.unwrap() };
    queue::block_on(changed)
}

fn good(status: &Status) -> bool {
    status.storing == Storing::Good
}

fn why(status: &Status) -> &'static str {
    match status.storing {
        Storing::Good | Storing::Aside { .. } => "",
        Storing::Failing { why, .. } => why,
    }
}

#[test]
fn each_fault_at_each_call_loses_nothing_and_passes() {
    let clean = {
        let disk = ModelDisk::new();
        let (appender, writer, _) = start(&disk);
        for n in 1..=12 {
            appender.append_blocking(vec![message(n, 900)]).unwrap();
        }
        stop(appender, writer);
        disk.operations()
    };
    for fault in [Fault::Eio, Fault::NoSpace, Fault::ShortWrite, Fault::Sync] {
        // Opening makes one call of its own, which may fail; the writer's begin behind it.
        for at in 3..clean {
            for lasts in [1, 4] {
                let disk = ModelDisk::new();
                disk.fail(at, at + lasts, fault);
                let (appender, writer, _) = start(&disk);
                for n in 1..=12 {
                    let stored = appender.append_blocking(vec![message(n, 900)]).unwrap();
                    assert_eq!(stored[0].position, JournalPosition(n));
                }
                // Only what is synced counts, whatever the fault left in the files.
                let image = disk.image(0);
                stop(appender, writer);
                let expected = ((1..=12).collect(), vec![]);
                assert_eq!(read_all(&image), expected, "{fault:?} at {at}");
                assert_eq!(read_all(&disk), expected, "{fault:?} at {at}");
            }
        }
    }
}

#[test]
fn who_asks_only_whether_it_can_store_is_not_told_of_syncs() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    let (status, mut storing) = (appender.status(), appender.storing());
    appender.append_blocking(vec![message(1, 10)]).unwrap();
    assert!(status.has_changed().unwrap());
    assert!(!storing.has_changed().unwrap());
    disk.fail(disk.operations(), u64::MAX, Fault::NoSpace);
    let kept = appender.try_submit(vec![message(2, 10)]).unwrap();
    let failing = storing.wait_for(|now| matches!(now, Storing::Failing { .. }));
    crate::journal::queue::block_on(failing).unwrap();
    disk.repair();
    kept.blocking_recv().unwrap();
    stop(appender, writer);
}

#[test]
fn while_it_fails_it_says_so_keeps_what_is_queued_and_probes_by_itself() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    appender.append_blocking(vec![message(1, 10)]).unwrap();
    let now = disk.operations();
    disk.fail(now, u64::MAX, Fault::Sync);
    let kept = appender.try_submit(vec![message(2, 10)]).unwrap();
    let status = until(&appender, |s| !good(s));
    assert_eq!((why(&status), status.synced.0), ("sync", 1));
    let dropped = appender.try_submit(vec![message(3, 10)]).unwrap();
    drop(dropped);
    let failures = appender.stats().failures;
    let deadline = clock::monotonic() + Duration::from_secs(10);
    while appender.stats().failures < failures + 3 {
        assert!(clock::monotonic() < deadline);
        std::thread::yield_now();
    }
    disk.repair();
    assert_eq!(kept.blocking_recv().unwrap()[0].position.0, 2);
    until(&appender, good);
    let next = appender.append_blocking(vec![message(3, 10)]).unwrap();
    assert_eq!((next[0].position.0, next[0].duplicate_of), (3, None));
    stop(appender, writer);
    assert_eq!(read_all(&disk), (vec![1, 2, 3], vec![]));
}

#[test]
fn an_idle_writer_recovers_with_nothing_queued() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    appender.append_blocking(vec![message(1, 10)]).unwrap();
    let now = disk.operations();
    disk.fail(now, u64::MAX, Fault::NoSpace);
    drop(appender.try_submit(vec![message(2, 10)]).unwrap());
    assert_eq!(why(&until(&appender, |s| !good(s))), "disk_full");
    let before = disk.operations();
    disk.repair();
    until(&appender, good);
    assert!(disk.operations() > before, "it really wrote");
    stop(appender, writer);
    assert_eq!(read_all(&disk), (vec![1], vec![]));
}

#[test]
fn a_disk_under_its_reserve_counts_as_failing() {
    let disk = ModelDisk::new();
    let options = Options {
        reserve: 1000,
        ..options()
    };
    let (journal, _) = open(Arc::new(disk.clone()), options).unwrap();
    let (appender, writer) = journal.start();
    appender.append_blocking(vec![message(1, 10)]).unwrap();
    disk.set_free_space(999);
    assert_eq!(why(&until(&appender, |s| !good(s))), "reserve");
    let answer = appender.try_submit(vec![message(2, 10)]).unwrap();
    disk.set_free_space(1000);
    assert_eq!(answer.blocking_recv().unwrap()[0].position.0, 2);
    until(&appender, good);
    stop(appender, writer);
    assert_eq!(disk.files().len(), 1, "the healthy segment was kept");
}

#[test]
fn stopping_while_it_fails_ends_and_answers_nobody() {
    let disk = ModelDisk::new();
    let (appender, writer, _) = start(&disk);
    disk.fail(0, u64::MAX, Fault::Eio);
    let answer = appender.try_submit(vec![message(1, 10)]).unwrap();
    until(&appender, |s| !good(s));
    stop(appender, writer);
    assert!(answer.blocking_recv().is_err());
}

#[test]
fn syncs_are_timed() {
    let disk = ModelDisk::new();
    let count = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&count);
    let options = Options {
        on_sync: Some(Arc::new(move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
        })),
        ..options()
    };
    let (journal, _) = open(Arc::new(disk), options).unwrap();
    let (appender, writer) = journal.start();
    appender.append_blocking(vec![message(1, 10)]).unwrap();
    let stats = appender.stats();
    assert_eq!((stats.syncs, stats.records), (1, 1));
    assert!(stats.bytes > 0);
    stop(appender, writer);
    assert_eq!(count.load(Ordering::Relaxed), 2, "one more for the mark");
}
