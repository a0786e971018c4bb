//! Reading a stored message: one that does not concern us, and one that does, each beside what
//! `hl7_parser::Message::parse` takes for the same text in the same run.
//!
//! What it means for a laboratory: a message of the first kind is what nearly all of a feed is. At
//! 40 µs each, a feed of 100 messages a second costs less than half a hundredth of one core.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pentamer::core::extract::extract;
use pentamer::core::fact::{JournalPosition, Origin, Received};
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use std::hint::black_box;

const HEAD: &str = "MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301101500+0000||ORU^R01^ORU_R01|42|P|2.5.1\r\
    PID|1||1234^^^HOSP^MR||DOE^JANE^A||19800101|F|||1 MAIN ST^^TOWN^^12345||555-0100\r\
    PV1|1|O|IMM^^^HOSP||||1122^SMITH^J|||MED||||||||V77\r\
    ORC|RE|P1|F1\r\
    OBR|1|P1|F1|CBC^Blood count^L|||20260301090000+0000|||||||||||||||20260301101000+0000|||F\r";

/// Twenty-four results of a blood count, with two notes.
fn uninteresting() -> String {
    let mut text = HEAD.to_owned();
    for number in 1..=24 {
        text.push_str(&format!(
            "OBX|{number}|NM|{}-{}^Cell count {number}^LN||{number}.5|10*9/L|4.0-11.0|N|||F|||20260301090000+0000\r",
            700 + number,
            number % 10
        ));
    }
    text.push_str("NTE|1|L|Specimen received in good order.\rNTE|2|L|Checked by hand.\r");
    text
}

/// The three immunoglobulins among the same.
fn interesting() -> String {
    uninteresting()
        + "OBX|25|NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F|||20260301090000+0000\r\
           OBX|26|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0|N|||F|||20260301090000+0000\r\
           OBX|27|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0|N|||F|||20260301090000+0000\r"
}

fn received(text: &str) -> Received {
    Received {
        origin: Origin {
            listener: "lab".to_owned(),
            peer: "192.0.2.1:4000".to_owned(),
        },
        received_at: Timestamp::from_micros(1_772_366_400_000_000),
        part: (0, 1),
        raw: Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn read(criterion: &mut Criterion) {
    let policy = Policy::built_in();
    for (name, text) in [
        ("uninteresting", uninteresting()),
        ("interesting", interesting()),
    ] {
        let message = received(&text);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("pentamer", |bencher| {
            bencher.iter(|| extract(black_box(&message), JournalPosition(1), &policy));
        });
        group.bench_function("hl7_parser", |bencher| {
            bencher.iter(|| hl7_parser::Message::parse(black_box(text.as_str())));
        });
        group.finish();
    }
}

criterion_group!(benches, read);
criterion_main!(benches);
