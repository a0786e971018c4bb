//! Folding 10,000 messages, one in a thousand of them with immunoglobulins, in batches of 500, beside
//! putting 10,000 entries of the same size into a bare `BTreeMap` in the same run.
//!
//! What the messages say is given, not read: this is the cost of the state alone (`extract` has its
//! own bench). What it means for a laboratory: at 200,000 messages a second (sled, measured on two
//! busy cores; 650,000 in memory, 1,200,000 into the bare map) the state of 10 million messages is
//! made again, after a lost cache, in under a minute, reading aside.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pentamer::cache::{Guarded, Memory, Sled};
use pentamer::core::clinical::observation::{
    Analyte, Flag, Observation, OrderNumber, PatientKey, ReportedRange, ReportedValue, ResultId,
    ResultStatus, Shown, Specimen, StatusClass,
};
use pentamer::core::clinical::{Amount, Comparator, Unit};
use pentamer::core::extract::{Extraction, PatientPart, Understood};
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::fold::apply;
use pentamer::core::fold::state::State;
use pentamer::core::phi::Phi;
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::hint::black_box;

const FACTS: u64 = 10_000;
const ONE_IN: u64 = 1_000;
const BATCH: usize = 500;
const CACHE_MEMORY: u64 = 16 << 20;

fn facts() -> Vec<(JournalPosition, Fact)> {
    let raw = Bytes::from(vec![b'x'; 1_024]);
    (1..=FACTS)
        .map(|position| {
            let received = Received {
                origin: Origin {
                    listener: "lab".to_owned(),
                    peer: "192.0.2.1:4000".to_owned(),
                },
                received_at: Timestamp::from_micros(1_772_366_400_000_000),
                part: (0, 1),
                raw: raw.clone(),
            };
            (JournalPosition(position), Fact::Received(received))
        })
        .collect()
}

fn said(message: &Received, position: JournalPosition, _: &Policy) -> Extraction {
    let mut extraction = Extraction {
        understood: Understood::Results,
        message_type: "ORU^R01".to_owned(),
        control_id: position.to_string(),
        feed: "LAB/HOSP".to_owned(),
        sent_at: Some(message.received_at),
        ..Extraction::default()
    };
    if position.0.is_multiple_of(ONE_IN) {
        let key = PatientKey {
            authority: "HOSP".to_owned(),
            id: Phi::new(position.to_string()),
        };
        let analytes = [Analyte::IgM, Analyte::IgG, Analyte::IgA];
        extraction.patients.push(PatientPart {
            observations: analytes
                .map(|analyte| observation(&key, analyte, message, position))
                .to_vec(),
            key,
            demographics: None,
            group_withdrawals: Vec::new(),
            associations: Vec::new(),
        });
    }
    extraction
}

fn observation(
    patient: &PatientKey,
    analyte: Analyte,
    message: &Received,
    position: JournalPosition,
) -> Observation {
    Observation {
        id: ResultId {
            patient: patient.clone(),
            order: OrderNumber::Filler(Phi::new(position.to_string())),
            analyte,
            specimen: Specimen::Serum,
            sub_id: None,
        },
        status: ResultStatus {
            class: StatusClass::Final,
            letter: "F".to_owned(),
            assumed: false,
        },
        version_at: message.received_at,
        observed: None,
        value: Phi::new(ReportedValue::Amount(Amount {
            comparator: Comparator::Exactly,
            value: Decimal::new(21, 2),
        })),
        unit: Unit::GramPerLitre,
        range: ReportedRange::None,
        flag: Some(Flag::Low),
        shown: Shown::default(),
        position,
        received_at: message.received_at,
        content_hash: position.0.to_be_bytes(),
    }
}

fn fold(state: &dyn State, facts: &[(JournalPosition, Fact)], policy: &Policy) {
    for batch in facts.chunks(BATCH) {
        let applied = apply(batch, state, policy, &said).expect("folded");
        state
            .commit(applied.batch, applied.through)
            .expect("committed");
    }
}

fn folding(criterion: &mut Criterion) {
    let (facts, policy) = (facts(), Policy::built_in());
    let mut group = criterion.benchmark_group("fold");
    group
        .throughput(Throughput::Elements(FACTS))
        .sample_size(20);
    group.bench_function("bare BTreeMap", |bencher| {
        bencher.iter(|| {
            let mut map = BTreeMap::new();
            for (position, _) in &facts {
                map.insert(position.0.to_be_bytes().to_vec(), vec![0_u8; 64]);
            }
            black_box(map)
        });
    });
    group.bench_function("Memory", |bencher| {
        bencher.iter_batched_ref(
            Memory::new,
            |state| fold(state, &facts, &policy),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("Sled", |bencher| {
        bencher.iter_batched_ref(
            || {
                let dir = tempfile::tempdir().expect("a directory");
                let state = Sled::open(dir.path(), CACHE_MEMORY).expect("opened");
                (state, dir)
            },
            |(state, _)| fold(state, &facts, &policy),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("Sled, guarded as in the daemon", |bencher| {
        bencher.iter_batched_ref(
            || {
                let dir = tempfile::tempdir().expect("a directory");
                let state = Sled::open(dir.path(), CACHE_MEMORY).expect("opened");
                (Guarded::new(state), dir)
            },
            |(state, _)| fold(state, &facts, &policy),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, folding);
criterion_main!(benches);
