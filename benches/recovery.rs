//! Coming back: the time and memory of a rebuild from the journal, and of a start from a checkpoint.
//!
//! `cargo bench --bench recovery` prints seconds and the peak of resident memory of each, measured in a
//! process of its own. `PENTAMER_SCALE=10000` takes so many messages and patients instead of a million.

#![expect(clippy::disallowed_methods, reason = "a measurement")]

use pentamer::cache::Sled;
use pentamer::core::extract::extract;
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::fold::{self, state::State, views};
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use pentamer::journal::{Draft, Fingerprint, Options, OsDisk, open};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);
const CACHE_MEMORY: u64 = 16 << 20;
const GROUP: u64 = 1_000;

fn options(dir: &Path) -> Options {
    Options {
        reserve: 0,
        ..Options::new(dir, || NOW)
    }
}

/// A result of about a kibibyte of one patient; one in a hundred has immunoglobulins.
fn message(n: u64) -> Draft {
    let codes = match n % 100 {
        0 => ["2472-9^IgM^LN", "2465-3^IgG^LN", "2458-8^IgA^LN"],
        _ => [
            "2345-7^Glucose^LN",
            "2160-0^Creatinine^LN",
            "718-7^Haemoglobin^LN",
        ],
    };
    let mut raw = format!(
        "MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301||ORU^R01^ORU_R01|{n}|P|2.5.1\r\
         PID|1||{n}^^^HOSP^MR||DOE^JANE{n}||19800101|F\rOBR|1||F{n}|P^Panel^L|||20260301|||||||||||||||20260301|||F\r"
    );
    for (code, number) in codes.iter().zip(1..) {
        raw.push_str(&format!(
            "OBX|{number}|NM|{code}||1.1|g/L|0.4-2.3||||F|||20260301\r"
        ));
    }
    raw.push_str(&format!("NTE|1|L|{}\r", "comment ".repeat(60)));
    let control = n.to_string();
    Draft {
        fingerprint: Some(Fingerprint::of(
            "lab",
            b"LAB",
            b"HOSP",
            control.as_bytes(),
            raw.as_bytes(),
        )),
        fact: Fact::Received(Received {
            origin: Origin {
                listener: "lab".to_owned(),
                peer: "192.0.2.1:4000".to_owned(),
            },
            received_at: NOW,
            part: (0, 1),
            raw: raw.into_bytes().into(),
        }),
    }
}

fn fill(dir: &Path, messages: u64) {
    let (journal, _) = open(Arc::new(OsDisk), options(dir)).expect("opened");
    let (appender, writer) = journal.start();
    for from in (0..messages).step_by(GROUP as usize) {
        let group = (from..messages.min(from + GROUP)).map(message).collect();
        appender.append_blocking(group).expect("stored");
    }
    appender
        .keeper()
        .pass(NOW, &AtomicBool::new(false))
        .expect("compressed");
    drop(appender);
    writer.join();
}

/// Opens, and brings a new sled to the end of the journal; with `take`, takes a checkpoint then.
fn come_back(dir: &Path, take: bool) {
    let begun = Instant::now();
    let (journal, recovery) = open(Arc::new(OsDisk), options(dir)).expect("opened");
    let opened = begun.elapsed();
    let (appender, writer) = journal.start();
    let cache = tempfile::tempdir_in(dir).expect("a directory");
    let state = Sled::open(cache.path(), CACHE_MEMORY).expect("opened");
    let policy = Policy::built_in();
    views::note_policy(&state, &policy.hash()).expect("noted");
    let begun = Instant::now();
    if let Some(checkpoint) = appender.checkpoint() {
        checkpoint.load(&state, &policy.hash()).expect("loaded");
    }
    let loaded = begun.elapsed();
    let begun = Instant::now();
    let mut reader = appender
        .reader(state.position().expect("read"))
        .expect("a reader");
    let mut batch: Vec<(JournalPosition, Fact)> = Vec::new();
    loop {
        let next = reader.next(recovery.last).expect("whole");
        let is_last = next.is_none();
        batch.extend(next);
        if batch.len() == 1_024 || is_last {
            let applied = fold::apply(&batch, &state, &policy, &extract).expect("folded");
            state
                .commit(applied.batch, applied.through)
                .expect("committed");
            batch.clear();
        }
        if is_last {
            break;
        }
    }
    let folded = begun.elapsed();
    println!(
        "  open {:.1} s, load {:.1} s, fold {:.1} s; together {:.1} s, peak {} MiB",
        opened.as_secs_f64(),
        loaded.as_secs_f64(),
        folded.as_secs_f64(),
        (opened + loaded + folded).as_secs_f64(),
        peak()
    );
    if take {
        let begun = Instant::now();
        let mut longest = 0.0_f64;
        let mut taking = appender.begin_checkpoint(&state).expect("begun");
        loop {
            let step = Instant::now();
            let done = taking.step(&state, 1 << 20).expect("written");
            longest = longest.max(step.elapsed().as_secs_f64());
            if done {
                break;
            }
        }
        let taken = appender.publish_checkpoint(taking).expect("published");
        println!(
            "  checkpoint: {:.1} s, {} MiB of {} entries, longest step {:.0} ms, peak {} MiB",
            begun.elapsed().as_secs_f64(),
            taken.bytes >> 20,
            taken.entries(),
            longest * 1e3,
            peak()
        );
    }
    drop(appender);
    writer.join();
}

/// Peak of resident memory in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() >> 10
}

fn main() {
    let scale = std::env::var("PENTAMER_SCALE").ok();
    let scale = scale.map_or(1_000_000, |scale| scale.parse().expect("a number"));
    let asked = std::env::var("PENTAMER_PHASE").ok();
    let dir = std::env::var("PENTAMER_DIR").ok();
    if let (Some(phase), Some(dir)) = (asked, dir) {
        match phase.as_str() {
            "fill" => fill(Path::new(&dir), scale),
            "rebuild" => come_back(Path::new(&dir), true),
            _ => come_back(Path::new(&dir), false),
        }
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let program = std::env::current_exe().expect("this program");
    for (phase, what) in [
        (
            "fill",
            format!("{scale} messages of {scale} patients stored and compressed"),
        ),
        (
            "rebuild",
            "rebuild from the journal, no checkpoint".to_owned(),
        ),
        ("checkpoint", "start from the checkpoint".to_owned()),
    ] {
        println!("{what}:");
        let ended = Command::new(&program)
            .env("PENTAMER_PHASE", phase)
            .env("PENTAMER_DIR", dir.path())
            .env("PENTAMER_SCALE", scale.to_string())
            .status();
        assert!(ended.expect("run").success());
    }
}
