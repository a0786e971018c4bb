//! Assessing and deciding one patient with ten years of monthly panels, beside a copy of the record.
//!
//! What it means for a lab: this work is done once for each message that carries one of our analytes,
//! about one message in a thousand; the copy is what reading the record from the cache costs at least.

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::ToSpan as _;
use jiff::civil::date;
use pentamer::core::clinical::chart::Chart;
use pentamer::core::clinical::observation::{
    Analyte, BirthDate, DemographicsReport, Given, Observation, ObservedAt, OrderNumber,
    PatientKey, ReportedRange, ReportedValue, ResultId, ResultStatus, Sex, Shown, Specimen,
    StatusClass, TimeSource,
};
use pentamer::core::clinical::results::Results;
use pentamer::core::clinical::{Amount, Comparator, Limits, Unit};
use pentamer::core::episode::assess::{assess, assessed};
use pentamer::core::episode::decide::{decide, news};
use pentamer::core::episode::history::walk;
use pentamer::core::fact::JournalPosition;
use pentamer::core::phi::Phi;
use pentamer::core::policy::Policy;
use pentamer::core::record::PooledPatient;
use pentamer::core::time::{Span, Timestamp};
use rust_decimal::Decimal;
use std::collections::BTreeSet;
use std::hint::black_box;

fn key() -> PatientKey {
    PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new("4711".to_owned()),
    }
}

fn observation(month: i64, analyte: Analyte, hundredths: i64, low: i64, high: i64) -> Observation {
    let day = date(2016, 1, 3)
        .checked_add(month.months())
        .expect("within the calendar");
    let at = jiff::tz::TimeZone::UTC
        .to_timestamp(day.at(8, 0, 0, 0))
        .map(Timestamp::from_jiff)
        .expect("within the calendar");
    let position = u64::try_from(month).expect("from 0") + 1;
    Observation {
        id: ResultId {
            patient: key(),
            order: OrderNumber::Filler(Phi::new(format!("F{month}"))),
            analyte,
            specimen: Specimen::Serum,
            sub_id: None,
        },
        status: ResultStatus {
            class: StatusClass::Final,
            letter: "F".to_owned(),
            assumed: false,
        },
        version_at: at,
        observed: Some(ObservedAt {
            at,
            date: day,
            source: TimeSource::Obx14,
            text: day.strftime("%Y%m%d0800").to_string(),
            clamped: false,
        }),
        value: Phi::new(ReportedValue::Amount(Amount {
            comparator: Comparator::Exactly,
            value: Decimal::new(hundredths, 2),
        })),
        unit: Unit::GramPerLitre,
        range: ReportedRange::Plain(Limits {
            low: Some(Decimal::new(low, 2)),
            high: Some(Decimal::new(high, 2)),
        }),
        flag: None,
        shown: Shown {
            reported: Phi::new(format!("{} g/L", Decimal::new(hundredths, 2))),
            code: "2472-9".to_owned(),
            system: "LN".to_owned(),
            feed: "LAB/HOSP".to_owned(),
            listener: "lab".to_owned(),
            ..Shown::default()
        },
        position: JournalPosition(position),
        received_at: at.plus(Span::seconds(3600)),
        content_hash: position.to_be_bytes(),
    }
}

/// Low for two years of three: episodes open, are confirmed, and resolve.
fn ten_years() -> PooledPatient {
    let birth = date(1980, 1, 1);
    let report = DemographicsReport {
        at: Timestamp::from_micros(0),
        birth: Given::Value(Phi::new(BirthDate {
            earliest: birth,
            latest: birth,
        })),
        sex: Given::Value(Phi::new(Sex::Female)),
        name: Given::Absent,
        dead: Given::Absent,
        unreliable: Given::Absent,
        deleted: Given::Absent,
        position: JournalPosition(1),
    };
    let observations = (0..120)
        .flat_map(|month| {
            let igm = if month % 36 < 24 { 25 } else { 90 };
            [
                observation(month, Analyte::IgM, igm, 40, 230),
                observation(month, Analyte::IgG, 1100, 700, 1600),
                observation(month, Analyte::IgA, 200, 70, 400),
            ]
        })
        .collect();
    PooledPatient {
        survivor: key(),
        members: BTreeSet::from([key()]),
        observations,
        group_withdrawals: Vec::new(),
        demographics: vec![(key(), report)],
        associations: Vec::new(),
        transitions: Vec::new(),
    }
}

fn benches(criterion: &mut Criterion) {
    let policy = Policy::built_in();
    let mut patient = ten_years();
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    // As it is when the next message comes: all that was before is decided and recorded.
    patient.transitions = decide(&patient, &policy, now);
    let mut group = criterion.benchmark_group("ten years of monthly panels");
    group.bench_function("assess and decide, no news", |bencher| {
        bencher.iter(|| {
            let patient = black_box(&patient);
            let results = Results::judge(patient, &policy);
            let chart = Chart::read(&results, &policy);
            let history = walk(&chart, &policy);
            let assessment = assess(&chart, patient, &policy, now);
            (assessment, news(&history, patient, &policy, now))
        });
    });
    group.bench_function("of that: judge the results", |bencher| {
        bencher.iter(|| Results::judge(black_box(&patient), &policy));
    });
    group.bench_function("each result as a row, for showing", |bencher| {
        let results = Results::judge(&patient, &policy);
        let chart = Chart::read(&results, &policy);
        bencher.iter(|| assessed(black_box(&chart)));
    });
    group.bench_function("peer: clone of the same record", |bencher| {
        bencher.iter(|| black_box(&patient).clone());
    });
    group.finish();
}

criterion_group!(assessing, benches);
criterion_main!(assessing);
