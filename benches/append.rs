//! Opening: how long a start takes that verifies 100,000 messages of 1 KiB (some 120 MiB).
//!
//! Append and sync: groups of 1, 16 and 256 messages of 1 KiB, beside a bare file that gets the same
//! bytes with one write and one `fdatasync` a group, in the same run.
//!
//! For a laboratory: an acknowledgement cannot come before one such sync. A busy hospital sends some
//! tens of messages a second; what a group of 256 reaches is the most that one machine takes.

#![expect(clippy::disallowed_methods, reason = "a benchmark picks its disk")]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pentamer::core::fact::{Fact, Origin, Received};
use pentamer::core::time::Timestamp;
use pentamer::journal::{Draft, Fingerprint, Options, OsDisk, open};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const MESSAGE: usize = 1024;

fn message(n: u64) -> Draft {
    let mut raw = format!("MSH|^~\\&|LAB|H|||20260101||ORU^R01|{n}|P|2.5.1\r").into_bytes();
    raw.resize(MESSAGE, b'x');
    let control = n.to_string();
    Draft {
        fingerprint: Some(Fingerprint::of(
            "bench",
            b"LAB",
            b"H",
            control.as_bytes(),
            &raw,
        )),
        fact: Fact::Received(Received {
            origin: Origin {
                listener: "bench".to_owned(),
                peer: "127.0.0.1:1".to_owned(),
            },
            received_at: Timestamp::from_micros(1_700_000_000_000_000),
            part: (0, 1),
            raw: raw.into(),
        }),
    }
}

fn append(criterion: &mut Criterion) {
    // Beside the build's own files: a temporary directory may be in memory, where syncs are free.
    let base = std::env::var_os("CARGO_TARGET_TMPDIR").unwrap_or_else(|| "target".into());
    let dir = tempfile::tempdir_in(base).expect("a directory");
    let mut options = Options::new(dir.path(), || Timestamp::from_micros(1));
    options.reserve = 0;
    let (journal, _) = open(Arc::new(OsDisk), options).expect("opens");
    let (appender, writer) = journal.start();
    let next = AtomicU64::new(0);

    let path = dir.path().join("bare");
    let bare = OpenOptions::new().write(true).create_new(true).open(path);
    let bare = bare.expect("a file");
    let mut at = 0;

    let mut bench = criterion.benchmark_group("append_and_sync");
    for size in [1_u64, 16, 256] {
        bench.throughput(Throughput::Elements(size));
        bench.bench_with_input(BenchmarkId::new("journal", size), &size, |b, size| {
            let group = || {
                let from = next.fetch_add(*size, Ordering::Relaxed);
                (from..from + size).map(message).collect::<Vec<_>>()
            };
            let store = |group| appender.append_blocking(group).expect("stored");
            b.iter_batched(group, store, BatchSize::SmallInput);
        });
        bench.bench_with_input(BenchmarkId::new("bare_file", size), &size, |b, size| {
            let bytes = vec![b'x'; MESSAGE * *size as usize];
            b.iter(|| {
                bare.write_all_at(&bytes, at).expect("written");
                bare.sync_data().expect("synced");
                at += bytes.len() as u64;
            });
        });
    }
    bench.finish();
    drop(appender);
    writer.join();
}

fn recover(criterion: &mut Criterion) {
    const MESSAGES: u64 = 100_000;
    let base = std::env::var_os("CARGO_TARGET_TMPDIR").unwrap_or_else(|| "target".into());
    let dir = tempfile::tempdir_in(base).expect("a directory");
    let mut options = Options::new(dir.path(), || Timestamp::from_micros(1));
    options.reserve = 0;
    let (journal, _) = open(Arc::new(OsDisk), options.clone()).expect("opens");
    let (appender, writer) = journal.start();
    for from in (0..MESSAGES).step_by(1000) {
        let group = (from..from + 1000).map(message).collect();
        appender.append_blocking(group).expect("stored");
    }
    drop(appender);
    writer.join();
    let mut bench = criterion.benchmark_group("open");
    bench.throughput(Throughput::Elements(MESSAGES));
    bench.bench_function("verify_and_index", |b| {
        b.iter(|| {
            let (_journal, recovery) = open(Arc::new(OsDisk), options.clone()).expect("opens");
            assert_eq!(recovery.records, MESSAGES);
        });
    });
    bench.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(3));
    targets = append, recover
}
criterion_main!(benches);
