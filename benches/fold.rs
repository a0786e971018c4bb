//! Folding: 10,000 messages of which ten hold an immunoglobulin panel, into the state in memory and
//! into the one on disk, beside reading the same messages without keeping anything, in one run.
//!
//! For a laboratory: after a loss of the cache the state is built again at this pace, while messages
//! are still accepted; a year of a large hospital is some millions of them.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pentamer::cache::{Memory, Sled};
use pentamer::core::extract::extract;
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::fold;
use pentamer::core::fold::state::State;
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use std::hint::black_box;
use std::time::Duration;

const MESSAGES: u64 = 10_000;
/// One message in so many holds a panel.
const INTERESTING: u64 = 1_000;
/// Facts of one batch, as in the daemon.
const BATCH: usize = 1_024;
const PAGE_CACHE: u64 = 64 << 20;

/// A blood count, or a panel with a low IgM, of one of 5,000 patients.
fn message(number: u64) -> String {
    let patient = number % 5_000;
    let mut text = format!(
        "MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301101500+0000||ORU^R01^ORU_R01|{number}|P|2.5.1\r\
         PID|1||{patient}^^^HOSP^MR||DOE^JANE^A||19800101|F|||1 MAIN ST^^TOWN^^12345||555-0100\r\
         PV1|1|O|IMM^^^HOSP||||1122^SMITH^J|||MED||||||||V77\r\
         ORC|RE|P{number}|F{number}\r\
         OBR|1|P{number}|F{number}|CBC^Blood count^L|||20260301090000+0000\
         |||||||||||||||20260301101000+0000|||F\r"
    );
    if number.is_multiple_of(INTERESTING) {
        text.push_str(
            "OBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F\r\
             OBX|2|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0|N|||F\r\
             OBX|3|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0|N|||F\r",
        );
    } else {
        for line in 1..=12 {
            text.push_str(&format!("OBX|{line}|NM|{}-1^Cell count^LN||{line}.5|10*9/L|4.0-11.0|N|||F\r", 700 + line));
        }
    }
    text
}

fn facts() -> Vec<(JournalPosition, Fact)> {
    let fact = |number: u64| {
        Fact::Received(Received {
            origin: Origin { listener: "lab".to_owned(), peer: "192.0.2.1:4000".to_owned() },
            received_at: Timestamp::from_micros(1_772_366_400_000_000),
            part: (0, 1),
            raw: message(number).into_bytes().into(),
        })
    };
    (1..=MESSAGES).map(|number| (JournalPosition(number), fact(number))).collect()
}

fn fold_all(facts: &[(JournalPosition, Fact)], state: &dyn State, policy: &Policy) {
    for batch in facts.chunks(BATCH) {
        let applied = fold::apply(batch, state, policy, &|received, position, policy| extract(received, position, policy))
            .expect("a readable state");
        state.commit(applied.batch, applied.through).expect("committed");
    }
}

fn benches(criterion: &mut Criterion) {
    let policy = Policy::built_in();
    let facts = facts();
    let mut group = criterion.benchmark_group("fold_10_000");
    group.throughput(Throughput::Elements(MESSAGES)).sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("extraction_alone", |bencher| {
        bencher.iter(|| {
            for (position, fact) in &facts {
                if let Fact::Received(received) = fact {
                    black_box(extract(received, *position, &policy));
                }
            }
        });
    });
    group.bench_function("memory", |bencher| {
        bencher.iter_batched(Memory::new, |state| { fold_all(&facts, &state, &policy); state }, BatchSize::PerIteration);
    });
    // Beside the build's own files: a temporary directory may be in memory.
    let base = std::env::var_os("CARGO_TARGET_TMPDIR").unwrap_or_else(|| "target".into());
    group.bench_function("sled", |bencher| {
        let fresh = || {
            let dir = tempfile::tempdir_in(&base).expect("a directory");
            let state = Sled::open(dir.path(), PAGE_CACHE).expect("opened");
            (dir, state)
        };
        bencher.iter_batched(
            fresh,
            |(dir, state)| {
                fold_all(&facts, &state, &policy);
                state.flush().expect("flushed");
                (dir, state)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(folding, benches);
criterion_main!(folding);
