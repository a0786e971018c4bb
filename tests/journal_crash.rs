//! The journal's law: whatever crash or fault comes at whatever moment, every acknowledged fact is
//! there afterwards, with its bytes and at its position, and the journal opens and goes on.

use pentamer::core::fact::{Fact, JournalPosition, Origin, Reason, Received, Refused};
use pentamer::core::time::Timestamp;
use pentamer::journal::{
    Draft, Fault, Fingerprint, ModelDisk, Options, Recovery, Stored, inspect_with, open,
};
use pentamer::seal::Keyring;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const DATA: &str = "/data";

thread_local! {
    /// Whether the lives of this test seal what they write; every second seed does.
    static SEALED: Cell<bool> = const { Cell::new(false) };
}

fn keys() -> Keyring {
    if SEALED.get() {
        Keyring::parse(&"ab".repeat(32)).expect("a key")
    } else {
        Keyring::none()
    }
}

fn options() -> Options {
    Options {
        segment_size: 4096,
        reserve: 0,
        retry: Duration::from_micros(200),
        prepare_ahead: false,
        keys: keys(),
        ..Options::new(DATA, || Timestamp::from_micros(1_700_000_000_000_000))
    }
}

/// A small generator, so that a seed is all it takes to see a failure again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn draft(&mut self) -> Draft {
        let origin = Origin {
            listener: "feed".to_owned(),
            peer: "10.0.0.5:1".to_owned(),
        };
        let at = Timestamp::from_micros(self.below(1_000_000) as i64);
        match self.below(10) {
            0 => Fact::Delivered {
                sink: "log".to_owned(),
                alert_id: self.below(1_000).to_string(),
                at,
            }
            .into(),
            1 => Fact::Refused(Refused {
                origin,
                received_at: at,
                reason: Reason::Truncated,
                total_len: 9,
                raw: vec![0x0B; self.below(50) as usize].into(),
            })
            .into(),
            size => {
                // Few enough ids that duplicates and reused control ids come about.
                let id = self.below(60);
                let version = self.below(5) / 4;
                let len = match size {
                    2 => 9_000,
                    3..5 => 1_500,
                    _ => 40,
                };
                let raw = format!("MSH|{id}|{version}|{}", "x".repeat(len + id as usize));
                let control = id.to_string();
                let print = Fingerprint::of("feed", b"", b"", control.as_bytes(), raw.as_bytes());
                Draft {
                    fact: Fact::Received(Received {
                        origin,
                        received_at: at,
                        part: (0, 1),
                        raw: raw.into_bytes().into(),
                    }),
                    fingerprint: Some(print),
                }
            }
        }
    }

    fn group(&mut self) -> Vec<Draft> {
        (0..=self.below(4)).map(|_| self.draft()).collect()
    }
}

/// What was acknowledged, by position: the fact as it must be read again.
#[derive(Default, Clone)]
struct Acknowledged(BTreeMap<u64, Fact>);

impl Acknowledged {
    fn take(&mut self, group: &[Draft], stored: &[Stored]) {
        assert_eq!(group.len(), stored.len());
        for (draft, stored) in group.iter().zip(stored) {
            let fact = match (&draft.fact, stored.duplicate_of) {
                (Fact::Received(received), Some(first)) => Fact::SeenAgain {
                    first,
                    origin: received.origin.clone(),
                    received_at: received.received_at,
                },
                (fact, _) => fact.clone(),
            };
            let before = self.0.insert(stored.position.0, fact);
            assert_eq!(before, None, "position {} given twice", stored.position);
        }
    }

    /// Every one is there, at its place, and nothing is damaged.
    fn are_all_in(&self, disk: &ModelDisk, story: &str) -> Recovery {
        let found = inspect_with(Arc::new(disk.clone()), Path::new(DATA), &keys());
        let found = found.unwrap_or_else(|error| panic!("{story}: {error}"));
        assert_eq!(found.recovery.damage, [], "{story}");
        let last = found.recovery.last;
        let known = self.0.last_key_value().map_or(0, |(position, _)| *position);
        assert!(
            last.0 >= known,
            "{story}: {known} acknowledged, {last} there"
        );
        let mut reader = found.reader(JournalPosition::START);
        let mut expected = JournalPosition::START;
        while let Some((position, fact)) = reader.next(last).expect(story) {
            expected = expected.next();
            assert_eq!(position, expected, "{story}");
            if let Some(acknowledged) = self.0.get(&position.0) {
                assert!(*acknowledged == fact, "{story}: {position} is another");
            }
        }
        assert_eq!(expected, last, "{story}");
        found.recovery
    }
}

/// Opens and appends until all is stored or the power is off, which it is from call `power_off` on.
fn live(
    disk: &ModelDisk,
    power_off: u64,
    rounds: Vec<Vec<Vec<Draft>>>,
    acknowledged: &mut Acknowledged,
) {
    disk.lose_power_at(power_off);
    let Ok((journal, _)) = open(Arc::new(disk.clone()), options()) else {
        assert!(
            disk.operations() > power_off,
            "only that keeps it from opening"
        );
        return;
    };
    let (appender, writer) = journal.start();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let mut status = appender.status();
        for round in rounds {
            let mut answers = Vec::new();
            for group in round {
                if let Ok(answer) = appender.submit(group.clone()).await {
                    answers.push((group, answer));
                }
            }
            for (group, mut answer) in answers {
                loop {
                    tokio::select! {
                        stored = &mut answer => {
                            if let Ok(stored) = stored {
                                acknowledged.take(&group, &stored);
                            }
                            break;
                        }
                        _ = status.changed() => {
                            if disk.operations() > power_off {
                                writer.stop();
                            }
                        }
                    }
                }
            }
        }
    });
    drop(appender);
    writer.join();
}

fn one_by_one(seed: u64, groups: usize) -> Vec<Vec<Vec<Draft>>> {
    let mut random = Random(seed);
    (0..groups).map(|_| vec![random.group()]).collect()
}

#[test]
fn a_crash_at_any_call_loses_nothing_acknowledged() {
    for seed in 0..3 {
        SEALED.set(seed % 2 == 1);
        let disk = ModelDisk::new();
        let mut all = Acknowledged::default();
        live(&disk, u64::MAX, one_by_one(seed, 12), &mut all);
        all.are_all_in(&disk, "no crash");
        for power_off in 0..disk.operations() {
            let disk = ModelDisk::new();
            let mut acknowledged = Acknowledged::default();
            live(&disk, power_off, one_by_one(seed, 12), &mut acknowledged);
            for image in 0..5 {
                let story = format!("seed {seed}, power off at {power_off}, image {image}");
                let disk = disk.image(image);
                let before = acknowledged.are_all_in(&disk, &story);
                let mut acknowledged = acknowledged.clone();
                live(
                    &disk,
                    u64::MAX,
                    one_by_one(seed + 100, 3),
                    &mut acknowledged,
                );
                let after = acknowledged.are_all_in(&disk, &story);
                assert!(after.last > before.last, "{story}: it goes on");
                assert_eq!(after.torn, None, "{story}");
            }
        }
    }
}

#[test]
fn a_second_crash_while_recovering_loses_nothing_acknowledged() {
    for seed in 0..15 {
        SEALED.set(seed % 2 == 1);
        let mut random = Random(seed);
        let disk = ModelDisk::new();
        let mut acknowledged = Acknowledged::default();
        let power_off = 4 + random.below(40);
        live(&disk, power_off, one_by_one(seed, 12), &mut acknowledged);
        for first in 0..4 {
            let disk = disk.image(first);
            // Opening makes fewer calls than this.
            for second in 0..12 {
                let disk = disk.image(1);
                live(&disk, second, Vec::new(), &mut acknowledged.clone());
                for image in 0..3 {
                    let disk = disk.image(image);
                    let story = format!("seed {seed}, images {first} and {image}, at {second}");
                    acknowledged.are_all_in(&disk, &story);
                    let mut acknowledged = acknowledged.clone();
                    live(&disk, u64::MAX, one_by_one(9, 1), &mut acknowledged);
                    acknowledged.are_all_in(&disk, &story);
                }
            }
        }
    }
}

/// Groups in flight together, faults that pass, crashes, restarts, over and over.
#[test]
fn many_lives_with_faults_and_crashes_lose_nothing_acknowledged() {
    for seed in 0..100 {
        SEALED.set(seed % 2 == 1);
        let mut random = Random(seed);
        let mut disk = ModelDisk::new();
        let mut acknowledged = Acknowledged::default();
        for life in 0..5 {
            let faults = [Fault::Eio, Fault::NoSpace, Fault::ShortWrite, Fault::Sync];
            // Opening itself must succeed here, and makes some ten calls at the most.
            let mut call = 12;
            for _ in 0..random.below(4) {
                call += random.below(15);
                let fault = faults[random.below(4) as usize];
                disk.fail(call, call + 1 + random.below(4), fault);
            }
            let power_off = match random.below(4) {
                0 => u64::MAX,
                _ => random.below(80),
            };
            let rounds = (0..6)
                .map(|_| (0..=random.below(6)).map(|_| random.group()).collect())
                .collect();
            live(&disk, power_off, rounds, &mut acknowledged);
            disk = disk.image(random.below(6));
            let story = format!("seed {seed}, life {life}");
            acknowledged.are_all_in(&disk, &story);
        }
    }
}

#[test]
fn after_a_crash_the_acknowledged_are_known_again() {
    let disk = ModelDisk::new();
    let mut random = Random(5);
    let group: Vec<Draft> = std::iter::repeat_with(|| random.draft())
        .filter(|draft| draft.fingerprint.is_some())
        .take(3)
        .collect();
    let (journal, _) = open(Arc::new(disk.clone()), options()).expect("opens");
    let (appender, _writer) = journal.start();
    let first = appender.append_blocking(group.clone()).expect("stored");
    let (journal, _) = open(Arc::new(disk.image(0)), options()).expect("opens");
    let (appender, _writer) = journal.start();
    let again = appender.append_blocking(group).expect("stored");
    for (first, again) in first.iter().zip(again) {
        let known = first.duplicate_of.unwrap_or(first.position);
        assert_eq!(again.duplicate_of, Some(known));
    }
}
