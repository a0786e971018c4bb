//! Load for a long time, with restarts: memory and descriptors stay flat. Run by `just soak MINUTES`.

use super::harness::{Home, Pentamer};
use super::load::Load;
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

#[test]
#[ignore = "takes minutes: `just soak MINUTES`"]
fn memory_and_descriptors_stay_flat() {
    let minutes = std::env::var("PENTAMER_MINUTES").ok();
    let minutes: f64 = minutes.map_or(1.0, |text| {
        text.parse().expect("PENTAMER_MINUTES is a number")
    });
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
