//! Against what a queue must keep: everything, in order; and what it may lose: the oldest, noted.

use super::losses::merge;
use super::*;
use crate::core::fact::{Origin, Reason};
use crate::core::phi::Phi;
use crate::core::time::Timestamp;
use std::time::Duration;

const KIB: usize = 1 << 10;

fn origin() -> Origin {
    Origin {
        listener: "lab".to_owned(),
        peer: "10.0.0.1:1".to_owned(),
    }
}

fn frame(number: u64, kib: usize) -> Item {
    let mut content = format!("MSH|^~\\&|A|B|||||ORU^R01|id{number}|P|2.5\r").into_bytes();
    content.resize(kib * KIB, b'x');
    Item::Frame {
        number,
        origin: origin(),
        received_at: Timestamp::from_micros(number as i64),
        content: content.into(),
    }
}

fn queue(dir: &std::path::Path, memory: usize, disk: u64) -> Arc<Queue> {
    let spill = Spill::open(dir, "lab").expect("opened");
    let memory = (memory * KIB) as u64;
    let on_gap: OnGap = Arc::new(|_: &Gap| {});
    Arc::new(Queue::new("lab".to_owned(), memory, disk, spill, on_gap))
}

/// Journals everything: the numbers in order, and the gap.
async fn journal(queue: &Queue) -> (Vec<u64>, Option<Gap>) {
    let (mut numbers, mut found) = (Vec::new(), None);
    while let Some(batch) = queue.next().await {
        for item in &batch.items {
            match item {
                Item::Frame { number, .. } => numbers.push(*number),
                Item::Gap(gap) => merge(&mut found, gap.clone()),
                Item::Refused { .. } | Item::Answer { .. } => {}
            }
        }
        queue.done(&batch);
    }
    (numbers, found)
}

/// The end of the disk's moment.
fn soon() -> Instant {
    Instant::now() + DISK_WITHIN
}

#[tokio::test]
async fn what_memory_cannot_hold_waits_on_the_disk_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let queue = queue(dir.path(), 64, 1 << 30);
    let spiller = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.spill().await }
    });
    let producer = Producer::new(&queue);
    for number in 0..400 {
        queue.push_and_wait(frame(number, 4)).await;
    }
    assert!(queue.lock().bytes <= 64 * KIB);
    assert!(queue.lock().disk_bytes > 1_000 * KIB as u64);
    drop(producer);
    let (numbers, gap) = journal(&queue).await;
    assert_eq!(numbers, (0..400).collect::<Vec<_>>());
    assert_eq!(gap, None);
    spiller.await.expect("ended");
    assert_eq!(
        std::fs::read_dir(dir.path().join("tap")).map_or(0, Iterator::count),
        0
    );
}

#[tokio::test]
async fn the_oldest_are_lost_and_noted_where_nothing_holds_more() {
    let dir = tempfile::tempdir().expect("a folder");
    let queue = queue(dir.path(), 64, 0);
    let producer = Producer::new(&queue);
    for number in 0..100 {
        queue.push_or_lose(frame(number, 4), soon()).await;
    }
    assert!(matches!(queue.try_push(frame(100, 4)), Pushed::Full(_)));
    queue.lost(&origin(), Timestamp::from_micros(7), 77, 1);
    drop(producer);
    let (numbers, gap) = journal(&queue).await;
    let first = numbers[0];
    assert_eq!(numbers, (first..100).collect::<Vec<_>>());
    assert_eq!(numbers.len(), 15, "64 KiB hold fifteen of them");
    let gap = gap.expect("a gap");
    assert_eq!(
        (gap.messages, gap.bytes),
        (first + 1, first * 4 * KIB as u64 + 77)
    );
    assert_eq!(gap.from, Timestamp::from_micros(0));
    assert_eq!(gap.to, Timestamp::from_micros(first as i64 - 1));
    let ids: Vec<&String> = gap.control_ids.iter().map(Phi::expose).collect();
    assert_eq!((ids[0].as_str(), ids.len()), ("id0", Gap::LISTED));
}

/// What is seen at once waits for the disk once, however many messages it is: else the tap would stand
/// still for longer than the copy waits for it.
#[tokio::test]
async fn the_disk_has_one_moment_for_all_that_is_seen_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let queue = queue(dir.path(), 64, 1 << 30);
    let until = soon();
    let all = async {
        for number in 0..1_000 {
            // As after each write that came in time.
            queue.lock().disk_is_slow = false;
            queue.push_or_lose(frame(number, 4), until).await;
        }
    };
    // A moment for each would be 25 s.
    let pushed = tokio::time::timeout(Duration::from_secs(10), all).await;
    assert!(pushed.is_ok());
    assert!(queue.lock().gap.is_some());
}

#[tokio::test]
async fn a_message_larger_than_the_queue_may_be_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let queue = queue(dir.path(), 64, 0);
    let producer = Producer::new(&queue);
    queue.push_or_lose(frame(0, 100), soon()).await;
    assert!(matches!(queue.try_push(frame(1, 1)), Pushed::Full(_)));
    drop(producer);
    assert_eq!(journal(&queue).await, (vec![0], None));
}

#[tokio::test]
async fn a_full_queue_holds_up_those_who_must_lose_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let queue = queue(dir.path(), 64, 0);
    let producer = Producer::new(&queue);
    let pushing = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move {
            for number in 0..100 {
                queue.push_and_wait(frame(number, 4)).await;
            }
            drop(producer);
        }
    });
    let (numbers, gap) = journal(&queue).await;
    assert_eq!((numbers, gap), ((0..100).collect(), None));
    pushing.await.expect("ended");
}

#[tokio::test]
async fn what_is_left_at_the_end_comes_first_in_the_next_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = queue(dir.path(), 64, 1 << 30);
    let spiller = tokio::spawn({
        let queue = Arc::clone(&first);
        async move { queue.spill().await }
    });
    let producer = Producer::new(&first);
    for number in 0..100 {
        first.push_and_wait(frame(number, 4)).await;
    }
    // Journaled: the first batch. Lost hold of: the second.
    let batch = first.next().await.expect("a batch");
    let journaled = batch.items.len() as u64;
    first.done(&batch);
    let batch = first.next().await.expect("a batch");
    drop(producer);
    spiller.await.expect("ended");
    assert_eq!(first.keep_for_next_run(batch).await, 0);
    drop(first);

    let second = queue(dir.path(), 64, 1 << 30);
    let producer = Producer::new(&second);
    second.push_and_wait(frame(100, 4)).await;
    drop(producer);
    let (numbers, _) = journal(&second).await;
    assert_eq!(numbers, (journaled..101).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_queue_waits_for_those_who_may_still_push() {
    let dir = tempfile::tempdir().expect("a folder");
    let queue = queue(dir.path(), 64, 0);
    let producer = Producer::new(&queue);
    let waited = tokio::time::timeout(Duration::from_millis(20), queue.next()).await;
    assert!(waited.is_err());
    let refused = Item::Refused {
        number: 1,
        origin: origin(),
        received_at: Timestamp::from_micros(1),
        reason: Reason::Truncated,
        total_len: 3,
        raw: "MSH".into(),
    };
    queue.push_or_lose(refused, soon()).await;
    let batch = queue.next().await.expect("an item");
    assert_eq!(batch.items.len(), 1);
    drop(producer);
    assert!(queue.next().await.is_none());
}
