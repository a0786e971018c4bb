use super::super::{Follower, Query, Source};
use super::*;
use crate::cache::Memory;
use crate::clock;
use crate::core::extract::extract;
use crate::core::fact::Origin;
use crate::core::fold::state::State;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use crate::engine::{Progress, StateHandle};
use crate::journal::{Draft, ModelDisk, Options, open};
use crate::seal::Keyring;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

fn at(position: u64) -> JournalPosition {
    JournalPosition(position)
}

fn message(number: u64) -> Received {
    let raw = format!(
        "MSH|^~\\&|LAB|HOSP|||20261130100000||ORU^R01|M{number}|P|2.5\rPID|1||{number}^^^HOSP^MR\rOBR|1\rOBX|1|NM|GLU||5|||||F\r"
    );
    Received {
        origin: Origin {
            listener: "lab".to_owned(),
            peer: "192.0.2.1:1".to_owned(),
        },
        received_at: Timestamp::from_micros(1_790_000_000_000_000),
        part: (0, 1),
        raw: raw.into(),
    }
}

fn seen_again(first: u64) -> Fact {
    let Received {
        origin,
        received_at,
        ..
    } = message(first);
    Fact::SeenAgain {
        first: at(first),
        origin,
        received_at,
    }
}

fn facts(positions: std::ops::Range<u64>) -> Vec<(JournalPosition, Fact)> {
    let fact = |number| (at(number), Fact::Received(message(number)));
    positions.map(fact).collect()
}

/// Folds a batch as the fold does; of the messages in `untold` nothing is told. `as_kind` is what they are read as.
fn fold(feed: &Feed, facts: &[(JournalPosition, Fact)], untold: &[u64], as_kind: &str) {
    let policy = Policy::built_in();
    for (position, fact) in facts {
        if let Fact::Received(received) = fact
            && !untold.contains(&position.0)
        {
            let mut extraction = extract(received, *position, &policy);
            as_kind.clone_into(&mut extraction.message_type);
            feed.message(*position, received, &extraction);
        }
    }
    let after = facts.first().expect("a fact").0.0 - 1;
    feed.folded(at(after), facts);
}

fn index(dir: &tempfile::TempDir) -> Index {
    Index::open(dir.path().join("index"), Keyring::default()).unwrap()
}

fn kinds(batch: &Batch) -> Vec<&str> {
    let steps = batch.steps.iter();
    steps
        .map(|step| match step {
            Step::Message(entry) => entry.kind.as_str(),
            Step::Again { .. } => "again",
            Step::Paged(_) => "paged",
        })
        .collect()
}

#[test]
fn what_was_folded_comes_in_order_and_where_the_index_stands() {
    let dir = tempfile::tempdir().unwrap();
    let feed = Feed::new(index(&dir));
    assert_eq!(feed.next(at(0)), Err(None));
    let mut first = facts(1..4);
    first.push((at(4), seen_again(2)));
    fold(&feed, &first, &[], "ORU^R01");
    fold(&feed, &facts(5..7), &[], "ORU^R01");
    let batch = feed.next(at(0)).expect("the first");
    assert_eq!(kinds(&batch), ["ORU^R01", "ORU^R01", "ORU^R01", "again"]);
    assert_eq!(batch.through, at(4));
    assert_eq!(feed.next(at(4)).map(|batch| batch.through), Ok(at(6)));
    assert_eq!(feed.next(at(6)), Err(None));
}

#[test]
fn what_is_not_whole_is_left_to_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let feed = Feed::new(index(&dir));
    // A part of a message, of which nothing is told.
    fold(&feed, &facts(1..4), &[2], "ORU^R01");
    fold(&feed, &facts(4..6), &[], "ORU^R01");
    assert_eq!(feed.next(at(0)), Err(Some(at(3))));
    assert_eq!(feed.next(at(3)).map(|batch| batch.through), Ok(at(5)));
    // What the index has passed meanwhile is not given any more.
    fold(&feed, &facts(6..8), &[], "ORU^R01");
    fold(&feed, &facts(8..9), &[], "ORU^R01");
    assert_eq!(feed.next(at(7)).map(|batch| batch.through), Ok(at(8)));
}

#[test]
fn what_was_read_for_a_batch_that_was_not_stored_is_not_taken_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let feed = Feed::new(index(&dir));
    let policy = Policy::built_in();
    // The state could not be stored: the same facts are folded again, and perhaps fewer of them.
    for number in 1..4 {
        let received = message(number);
        let mut extraction = extract(&received, at(number), &policy);
        "OLD".clone_into(&mut extraction.message_type);
        feed.message(at(number), &received, &extraction);
    }
    feed.folded(at(0), &[]);
    fold(&feed, &facts(1..3), &[], "NEW");
    assert_eq!(kinds(&feed.next(at(0)).expect("a batch")), ["NEW", "NEW"]);
}

#[test]
fn no_more_waits_than_has_room() {
    let dir = tempfile::tempdir().unwrap();
    let feed = Feed::new(index(&dir));
    let batches = u64::try_from(MOST).unwrap() / 1_000 + 5;
    for batch in 0..batches {
        let from = batch * 1_000 + 1;
        fold(&feed, &facts(from..from + 1_000), &[], "ORU^R01");
    }
    let waiting = feed.waiting().messages;
    assert!((MOST..MOST + 1_000).contains(&waiting), "{waiting}");
    // Once there is room, what follows is taken again.
    let mut stands = at(0);
    while let Ok(batch) = feed.next(stands) {
        stands = batch.through;
    }
    assert_eq!(feed.waiting().messages, 0);
    let from = batches * 1_000 + 1;
    fold(&feed, &facts(from..from + 10), &[], "ORU^R01");
    fold(&feed, &facts(from + 10..from + 20), &[], "ORU^R01");
    assert_eq!(feed.next(stands), Err(Some(at(from + 9))));
}

/// What comes from the fold is told from what was read of the journal by what it was read as.
#[test]
fn the_index_takes_what_the_fold_has_read_and_reads_the_rest() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let mut options = Options::new("/data", clock::now);
    options.reserve = 0;
    let (journal, _) = open(Arc::new(ModelDisk::new()), options).unwrap();
    let (appender, writer) = journal.start();
    let all = facts(1..10);
    let drafts = all.iter().map(|(_, fact)| Draft::from(fact.clone()));
    appender.append_blocking(drafts.collect()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let index = index(&dir);
    let feed = Feed::new(index.clone());
    fold(&feed, &all[3..6], &[], "TOLD");
    let state: Arc<dyn State> = Arc::new(Memory::new());
    let (progress, seen) = watch::channel(Progress {
        folded: at(9),
        current: true,
    });
    let stop = CancellationToken::new();
    let source = Source {
        appender: appender.clone(),
        feed: feed.clone(),
        state: StateHandle::new(state),
        progress: seen,
        policy: watch::channel(Arc::new(Policy::built_in())).1,
        stop: stop.clone(),
    };
    let follower = Follower::start(index.clone(), source, runtime.handle().clone()).unwrap();
    let until = |stands: JournalPosition| {
        let end = clock::monotonic() + Duration::from_secs(30);
        while index.through() < stands {
            assert!(
                clock::monotonic() < end,
                "it stands at {:?}",
                index.through()
            );
            std::thread::yield_now();
        }
    };
    until(at(9));
    fold(&feed, &[(at(10), Fact::Received(message(10)))], &[], "TOLD");
    progress.send_replace(Progress {
        folded: at(10),
        current: true,
    });
    until(at(10));
    let mut found = index.search(&Query::default(), 20).unwrap().entries;
    found.sort_by_key(|entry| entry.position);
    let kinds: Vec<&str> = found.iter().map(|entry| entry.kind.as_str()).collect();
    let (read, told) = ("ORU^R01", "TOLD");
    assert_eq!(
        kinds,
        [read, read, read, told, told, told, read, read, read, told]
    );
    stop.cancel();
    follower.join();
    drop(appender);
    writer.join();
}
