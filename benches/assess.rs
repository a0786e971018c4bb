//! Judging a patient with a panel every month for ten years, 360 results: how the patient stands
//! now, what of it is news, and both from the stored record on, beside a mere copy of the results.
//!
//! For a laboratory: this is done once for each message about a patient with immunoglobulins, which
//! is one in a thousand.

use criterion::{Criterion, criterion_group, criterion_main};
use pentamer::cache::Memory;
use pentamer::core::clinical::observation::PatientKey;
use pentamer::core::episode::{assess, decide};
use pentamer::core::extract::extract;
use pentamer::core::fact::{Decided, Fact, JournalPosition, Origin, Received};
use pentamer::core::fold;
use pentamer::core::fold::state::State;
use pentamer::core::fold::views;
use pentamer::core::phi::Phi;
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use std::hint::black_box;

const YEARS: u32 = 10;
const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);

/// IgM falls and rises: low for eight months, then normal for four.
fn panel(year: u32, month: u32) -> String {
    let order = year * 12 + month;
    let igm = if month <= 8 { "0.21" } else { "0.90" };
    let day = format!("{}{month:02}15", 2016 + year);
    format!(
        "MSH|^~\\&|LAB|HOSP|PENT|IMM|{day}101500+0000||ORU^R01^ORU_R01|{order}|P|2.5.1\r\
         PID|1||1^^^HOSP^MR||DOE^JANE||19800101|F\r\
         ORC|RE||F{order}\r\
         OBR|1||F{order}|IG^Immunoglobulins^L|||{day}090000+0000|||||||||||||||{day}101000+0000|||F\r\
         OBX|1|NM|2472-9^IgM^LN||{igm}|g/L|0.4-2.3||||F\r\
         OBX|2|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0||||F\r\
         OBX|3|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0||||F\r"
    )
}

fn fold_in(state: &Memory, policy: &Policy, facts: &[(JournalPosition, Fact)]) {
    let applied = fold::apply(facts, state, policy, &|received, position, policy| extract(received, position, policy))
        .expect("a readable state");
    state.commit(applied.batch, applied.through).expect("committed");
}

fn benches(criterion: &mut Criterion) {
    let policy = Policy::built_in();
    let state = Memory::new();
    let months = (0..YEARS).flat_map(|year| (1..=12).map(move |month| (year, month)));
    let facts: Vec<_> = (1..)
        .zip(months)
        .map(|(position, (year, month))| {
            let received = Received {
                origin: Origin { listener: "lab".to_owned(), peer: "192.0.2.1:4000".to_owned() },
                received_at: NOW,
                part: (0, 1),
                raw: panel(year, month).into_bytes().into(),
            };
            (JournalPosition(position), Fact::Received(received))
        })
        .collect();
    fold_in(&state, &policy, &facts);
    let key = PatientKey { authority: "HOSP".to_owned(), id: Phi::new("1".to_owned()) };
    let patient = || views::patient(&state, &key).expect("readable").expect("known");
    let new = patient();

    let mut group = criterion.benchmark_group("ten_years");
    group.bench_function("copy", |bencher| bencher.iter(|| black_box(&new).clone()));
    group.bench_function("from_the_record", |bencher| bencher.iter(patient));
    group.bench_function("assess", |bencher| bencher.iter(|| assess::assess(black_box(&new), &policy, NOW)));
    group.bench_function("decide_anew", |bencher| bencher.iter(|| decide::decide(black_box(&new), &policy, NOW)));
    let transitions = decide::decide(&new, &policy, NOW);
    let through = state.position().expect("readable");
    let decided = Decided { through, policy: policy.hash(), decided_at: NOW, transitions };
    fold_in(&state, &policy, &[(through.next(), Fact::Decided(decided))]);
    let told = patient();
    group.bench_function("decide_nothing_new", |bencher| bencher.iter(|| decide::decide(black_box(&told), &policy, NOW)));
    group.bench_function("hash_of_the_policy", |bencher| bencher.iter(|| black_box(&policy).hash()));
    group.finish();
}

criterion_group!(judging, benches);
criterion_main!(judging);
