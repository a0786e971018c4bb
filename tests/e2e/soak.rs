//! Load for a long time, with restarts: memory and descriptors stay flat. Run by `just soak MINUTES`.

use super::harness::{Home, Pentamer};
use super::load::{Load, low_patient};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

const SENDERS: usize = 8;
/// One of so many messages is about immunoglobulins; in a laboratory it is one of a thousand.
const EVERY: usize = 20;
/// Of each sender, between two messages: some hundred times a laboratory's rate, and no more than a
/// program without optimisation can fold.
const PAUSE: Duration = Duration::from_millis(40);
/// Lives of a run.
const LIVES: u32 = 8;
/// What a message may leave in memory: it is known again for 30 days (`duplicate_entries`).
const BYTES_A_MESSAGE: u64 = 200;

/// What was seen in one life.
struct Life {
    messages: usize,
    /// KiB, at each look.
    resident: Vec<u64>,
    /// At each look; none where the system does not tell.
    descriptors: Vec<usize>,
}

impl Life {
    fn most_resident(&self) -> u64 {
        self.resident.iter().copied().max().unwrap_or(0)
    }

    fn most_descriptors(&self) -> usize {
        self.descriptors.iter().copied().max().unwrap_or(0)
    }
}

fn descriptors(daemon: &Pentamer) -> Option<usize> {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).ok()?;
    Some(entries.count())
}

fn live(daemon: &Pentamer, load: &Load, length: Duration) -> Life {
    let before = load.acknowledged();
    load.point_at(Some(daemon.mllp));
    let end = Instant::now() + length;
    let mut life = Life {
        messages: 0,
        resident: Vec::new(),
        descriptors: Vec::new(),
    };
    while Instant::now() < end {
        std::thread::park_timeout(Duration::from_secs(1).min(length / 4));
        daemon.get("/metrics");
        life.resident.push(daemon.resident_kib());
        life.descriptors.extend(descriptors(daemon));
    }
    load.point_at(None);
    life.messages = load.acknowledged() - before;
    life
}

fn minutes() -> f64 {
    let minutes = std::env::var("PENTAMER_MINUTES").ok();
    minutes.map_or(1.0, |text| {
        text.parse().expect("PENTAMER_MINUTES is a number")
    })
}

/// Files of a folder, and the bytes that they take on the disk.
fn on_disk(dir: &Path) -> (usize, u64) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let found: Vec<_> = entries.filter_map(|entry| entry.metadata().ok()).collect();
    (
        found.len(),
        found.iter().map(|found| found.blocks() * 512).sum(),
    )
}

/// Who is to be paged for, of the messages that were acknowledged.
fn to_page(acknowledged: &BTreeSet<String>, people: usize, every: usize) -> BTreeSet<String> {
    let low = acknowledged.iter().filter_map(|id| {
        let (sender, number) = id.split_once('-')?;
        low_patient(sender.parse().ok()?, number.parse().ok()?, people, every)
    });
    low.collect()
}

/// Months of rotation, checkpoints and retention in minutes: what is on the disk stays as small as it
/// was, and of all that was dropped nobody is forgotten or paged twice.
#[test]
#[ignore = "takes minutes: `just soak MINUTES`"]
fn the_disk_stays_flat_with_retention() {
    const PEOPLE: usize = 500;
    const RETENTION: u64 = 2 << 20;
    const CHECKPOINT_AFTER: u64 = 1 << 20;
    const SEGMENT: u64 = 256 << 10;
    let length = Duration::from_secs_f64(minutes() * 60.0) / LIVES;
    let mut home = Home::new("", "").with_storage(&format!(
        "segment_size = \"{SEGMENT} B\"\ncheckpoint_after = \"{CHECKPOINT_AFTER} B\"\nretention_size = \"{RETENTION} B\""
    ));
    let load = Load::start(SENDERS, PEOPLE, EVERY, PAUSE);
    let mut oldest = 0.0;
    let mut moves = 0;
    let mut lives = Vec::new();
    let mut most = (0, 0);
    for number in 0..LIVES {
        let daemon = Pentamer::start(home);
        load.point_at(Some(daemon.mllp));
        let mut resident = 0;
        let end = Instant::now() + length;
        while Instant::now() < end {
            std::thread::park_timeout(Duration::from_millis(500).min(length / 4));
            let now = on_disk(&daemon.home.data().join("journal"));
            most = (most.0.max(now.0), most.1.max(now.1));
            let checkpoints = on_disk(&daemon.home.data().join("checkpoints")).0;
            assert!(checkpoints <= 4, "{checkpoints} checkpoints");
            resident = resident.max(daemon.resident_kib());
            let kept_from = daemon.metric("pentamer_journal_oldest_position", "");
            if kept_from > oldest {
                oldest = kept_from;
                moves += 1;
            }
        }
        load.point_at(None);
        lives.push(resident);
        home = if number % 2 == 0 {
            daemon.kill()
        } else {
            daemon.settle();
            daemon.stop().0
        };
    }
    let acknowledged = load.end();
    println!(
        "{} messages, first kept {oldest} after {moves} moves; most on the disk {} files, {} KiB; resident {lives:?} KiB",
        acknowledged.len(),
        most.0,
        most.1 >> 10
    );
    assert!(moves > 3, "retention went on");
    // What is kept, what is not yet behind two checkpoints, what came between two passes, and spare.
    assert!(
        most.1 <= RETENTION + 4 * CHECKPOINT_AFTER + 16 * SEGMENT,
        "{} bytes",
        most.1
    );
    let allowed = lives[1] * 11 / 10 + acknowledged.len() as u64 * BYTES_A_MESSAGE / 1024;
    assert!(
        lives[lives.len() - 1] <= allowed,
        "{lives:?} KiB, {allowed} allowed"
    );
    let daemon = Pentamer::start(home);
    daemon.settle();
    let mut told: Vec<String> = Vec::new();
    for alert in daemon.home.alerts() {
        if alert["type"] == "pentamer.alert.detected.v1" {
            told.push(
                alert["data"]["patient"]["id"]
                    .as_str()
                    .expect("an id")
                    .to_owned(),
            );
        }
    }
    let ids: BTreeSet<_> = told.iter().cloned().collect();
    assert_eq!(ids.len(), told.len(), "somebody was told of twice");
    let to_page = to_page(&acknowledged, PEOPLE, EVERY);
    assert!(to_page.is_subset(&ids), "somebody is missing");
    // What was under way at the end may be stored without an answer.
    assert!(ids.len() <= to_page.len() + SENDERS);
}

#[test]
#[ignore = "takes minutes: `just soak MINUTES`"]
fn memory_and_descriptors_stay_flat() {
    let minutes = minutes();
    let length = Duration::from_secs_f64(minutes * 60.0) / LIVES;
    let mut home = Home::new("", "").with_storage("segment_size = \"64 MiB\"");
    let load = Load::start(SENDERS, 500, EVERY, PAUSE);
    let mut lives = Vec::new();
    for number in 0..LIVES {
        let daemon = Pentamer::start(home);
        let life = live(&daemon, &load, length);
        println!(
            "life {number}: {} messages, resident {} to {} KiB, descriptors {} to {}",
            life.messages,
            life.resident.first().copied().unwrap_or(0),
            life.most_resident(),
            life.descriptors.first().copied().unwrap_or(0),
            life.most_descriptors(),
        );
        lives.push(life);
        home = if number % 2 == 0 {
            daemon.kill()
        } else {
            daemon.settle();
            daemon.stop().0
        };
    }
    let acknowledged = load.end();
    let stored = crate::offline::messages(&home.data()).len();
    assert!(
        stored >= acknowledged.len(),
        "{stored} stored, {} acknowledged",
        acknowledged.len()
    );
    let (first, last) = (&lives[1], &lives[lives.len() - 1]);
    let messages: usize = lives.iter().map(|life| life.messages).sum();
    let allowed = first.most_resident() * 11 / 10 + messages as u64 * BYTES_A_MESSAGE / 1024;
    println!(
        "{messages} messages in {minutes} minutes and {LIVES} lives: resident {} KiB at most in the second life, {} in the last, {allowed} allowed",
        first.most_resident(),
        last.most_resident()
    );
    assert!(last.most_resident() <= allowed);
    for life in &lives {
        let most = life.most_descriptors();
        assert!(
            most <= first.descriptors.first().copied().unwrap_or(most) + 2 * SENDERS + 8,
            "{most} descriptors"
        );
    }
}
