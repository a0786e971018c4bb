//! Searching messages: how long a page takes over ten million of them, for each way to ask, and what of the
//! index is in memory. Beside each stands how long it takes to look at every one of as many entries.
//!
//! `PENTAMER_MESSAGES=1000000 cargo bench --bench pages` for fewer.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time and is asked by the environment"
)]

use pentamer::core::fact::JournalPosition;
use pentamer::core::phi::Phi;
use pentamer::core::time::Timestamp;
use pentamer::index::{Entry, Index, Outcome, Query};
use pentamer::seal::Keyring;
use std::time::{Duration, Instant};

const PAGE: usize = 50;
const ROUNDS: u64 = 100;
/// What a page may take (99 of 100).
const BOUND: Duration = Duration::from_millis(100);

fn entry(number: u64) -> Entry {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17;
    let outcome = match mixed % 1_000 {
        0 => Outcome::Quarantined,
        1..=20 => Outcome::Normal,
        21..=30 => Outcome::Duplicate,
        _ => Outcome::Ignored,
    };
    let kinds = ["ORU^R01", "ADT^A08", "ORM^O01", "SIU^S12"];
    let kind = kinds[usize::try_from(mixed % 4).unwrap_or(0)];
    Entry {
        position: JournalPosition(number + 1),
        at: Timestamp::from_micros(i64::try_from(number * 3_000_000).unwrap_or(i64::MAX)),
        listener: "lab".to_owned(),
        feed: format!("LAB{}/HOSP", mixed % 7),
        kind: kind.to_owned(),
        control_id: Phi::new(format!("C{number}")),
        patients: Phi::new(vec![format!("{}", mixed % 1_000_000)]),
        outcome,
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<u64> =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.unwrap_or_default() / 1024
}

fn main() {
    let count: u64 = std::env::var("PENTAMER_MESSAGES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000_000);
    let dir = tempfile::tempdir().expect("a directory");
    let before = resident_mib();
    let index = Index::open(dir.path().join("index"), Keyring::none()).expect("opened");
    let begin = Instant::now();
    for first in (0..count).step_by(8_192) {
        let last = (first + 8_192).min(count);
        let entries: Vec<Entry> = (first..last).map(entry).collect();
        index.add(entries, JournalPosition(last)).expect("added");
    }
    let took = begin.elapsed();
    let bytes: u64 = std::fs::read_dir(dir.path().join("index"))
        .expect("read")
        .filter_map(|file| Some(file.ok()?.metadata().ok()?.len()))
        .sum();
    println!(
        "{count} messages indexed in {:.1} s ({:.0} a second), {} MiB of files ({} bytes a message), {} MiB of memory",
        took.as_secs_f64(),
        count as f64 / took.as_secs_f64(),
        bytes >> 20,
        bytes / count.max(1),
        resident_mib().saturating_sub(before)
    );
    let begin = Instant::now();
    let all = (0..count)
        .map(entry)
        .filter(|one| one.outcome == Outcome::Paged)
        .count();
    println!(
        "the same number of entries looked at one by one: {:.1} ms ({all} found)",
        begin.elapsed().as_secs_f64() * 1e3
    );
    let pick = |round: u64| round.wrapping_mul(7_919_993) % count;
    type Ask<'a> = (&'a str, Box<dyn Fn(u64) -> Query + 'a>);
    let ways: Vec<Ask<'_>> = vec![
        ("newest", Box::new(|_| Query::default())),
        (
            "control id",
            Box::new(|round| Query {
                control_id: Some(format!("C{}", pick(round))),
                ..Query::default()
            }),
        ),
        (
            "control id that there is not",
            Box::new(|round| Query {
                control_id: Some(format!("X{round}")),
                ..Query::default()
            }),
        ),
        (
            "patient",
            Box::new(|round| Query {
                patient: Some(format!("{}", pick(round) % 1_000_000)),
                ..Query::default()
            }),
        ),
        (
            "quarantined",
            Box::new(|_| Query {
                outcome: Some(Outcome::Quarantined),
                ..Query::default()
            }),
        ),
        (
            "feed and type",
            Box::new(|_| Query {
                feed: Some("LAB3/HOSP".to_owned()),
                kind: Some("ORU".to_owned()),
                ..Query::default()
            }),
        ),
        (
            "a day long ago",
            Box::new(|round| Query {
                until: Some(Timestamp::from_micros(
                    i64::try_from(pick(round) * 3_000_000).unwrap_or(0),
                )),
                ..Query::default()
            }),
        ),
    ];
    for (name, query) in &ways {
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|round| {
                let query = query(round);
                let begin = Instant::now();
                let found = index.search(&query, PAGE).expect("searched");
                assert!(found.entries.len() <= PAGE);
                begin.elapsed()
            })
            .collect();
        times.sort();
        let (half, most) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!(
            "{name}: {:.2} ms, 99 of 100 within {:.2} ms",
            half.as_secs_f64() * 1e3,
            most.as_secs_f64() * 1e3
        );
        assert!(most < BOUND, "{name} takes longer than {BOUND:?}");
    }
}
