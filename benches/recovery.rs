//! Coming back: the time and memory of a rebuild from the journal, and of a start from a checkpoint.
//!
//! `cargo bench --bench recovery` prints seconds and the peak of resident memory of each, measured in a
//! process of its own with the daemon's own fold and cache: a million messages of 100,000 patients, then
//! a million of a million patients. `PENTAMER_SCALE=10000` takes so many instead of a million.

#![expect(clippy::disallowed_methods, reason = "a measurement")]

use pentamer::cache::{Guarded, Memory, Sled};
use pentamer::core::fact::{Fact, Origin, Received};
use pentamer::core::fold::{state::State, views};
use pentamer::core::policy::Policy;
use pentamer::core::time::Timestamp;
use pentamer::engine::{Checkpointing, Folder, Settings, StateHandle};
use pentamer::journal::{Appender, Draft, Fingerprint, Options, OsDisk, open};
use pentamer::pulse::Pulse;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);
const CACHE_MEMORY: u64 = 16 << 20;
const GROUP: u64 = 1_000;

fn options(dir: &Path) -> Options {
    Options {
        reserve: 0,
        ..Options::new(dir, || NOW)
    }
}

/// A result of about a kibibyte; one in a hundred has immunoglobulins.
fn message(n: u64, patient: u64) -> Draft {
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
         PID|1||{patient}^^^HOSP^MR||DOE^JANE{patient}||19800101|F\rOBR|1||F{n}|P^Panel^L|||20260301|||||||||||||||20260301|||F\r"
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

fn fill(dir: &Path, messages: u64, patients: u64) {
    let (journal, _) = open(Arc::new(OsDisk), options(dir)).expect("opened");
    let (appender, writer) = journal.start();
    for from in (0..messages).step_by(GROUP as usize) {
        let group: Vec<_> = (from..messages.min(from + GROUP))
            .map(|n| message(n, n % patients))
            .collect();
        appender.append_blocking(group).expect("stored");
    }
    appender
        .keeper()
        .pass(NOW, &AtomicBool::new(false))
        .expect("compressed");
    drop(appender);
    writer.join();
}

/// What is done beside coming back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// A checkpoint is taken at the end.
    Checkpoint,
    /// Messages are acknowledged all the time.
    Acknowledging,
}

/// Messages stored one after the other, each waited for, until told to end: how many a second.
fn acknowledge(appender: &Appender, from: u64, stop: &AtomicBool) -> f64 {
    let begun = Instant::now();
    let mut stored = 0;
    while !stop.load(Ordering::Relaxed) {
        let group = vec![message(from + stored, from)];
        appender.append_blocking(group).expect("stored");
        stored += 1;
    }
    stored as f64 / begun.elapsed().as_secs_f64()
}

/// As the daemon starts without a cache: opens, and the fold brings a new sled to the journal's end.
fn come_back(dir: &Path, messages: u64, beside: Beside) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime");
    let begun = Instant::now();
    let (journal, recovery) = open(Arc::new(OsDisk), options(dir)).expect("opened");
    let opened = begun.elapsed();
    let (appender, writer) = journal.start();
    let cache = tempfile::tempdir_in(dir).expect("a directory");
    let sled = Sled::open(cache.path(), CACHE_MEMORY).expect("opened");
    let state: Arc<dyn State> = Arc::new(Guarded::new(sled));
    let policy = Arc::new(Policy::built_in());
    views::note_policy(state.as_ref(), &policy.hash()).expect("noted");
    let stop = CancellationToken::new();
    let settings = Settings {
        policies: tokio::sync::watch::channel(policy).1,
        state_for: Arc::new(|_| Arc::new(Memory::new())),
        counted_through: recovery.last,
        fresh_state: Arc::new(|_| Arc::new(Memory::new())),
        checkpointing: Checkpointing {
            after: u64::MAX,
            every: Duration::MAX,
        },
        on_damage: Arc::new(|_| {}),
        pulse: Pulse::new("fold"),
        told: None,
    };
    let handle = StateHandle::new(Arc::clone(&state));
    let (folder, mut progress) = Folder::new(
        appender.clone(),
        handle,
        settings,
        stop.clone(),
        runtime.handle().clone(),
    );
    let begun = Instant::now();
    let go_on = Arc::new(AtomicBool::new(false));
    let acknowledging = (beside == Beside::Acknowledging).then(|| {
        let (appender, stop) = (appender.clone(), Arc::clone(&go_on));
        std::thread::spawn(move || acknowledge(&appender, messages, &stop))
    });
    let fold = std::thread::spawn(move || {
        let _ = rustix::process::nice(5);
        folder.run();
    });
    let up_to = recovery.last;
    runtime
        .block_on(progress.wait_for(|seen| seen.folded >= up_to))
        .expect("folded");
    let built = begun.elapsed();
    println!(
        "  open {:.1} s, build {:.1} s; together {:.1} s, peak {} MiB",
        opened.as_secs_f64(),
        built.as_secs_f64(),
        (opened + built).as_secs_f64(),
        peak()
    );
    go_on.store(true, Ordering::Relaxed);
    if let Some(acknowledging) = acknowledging {
        let meanwhile = acknowledging.join().expect("ended");
        runtime
            .block_on(progress.wait_for(|seen| seen.folded >= appender.status().borrow().synced))
            .expect("folded");
        let stop = Arc::new(AtomicBool::new(false));
        let (one, other) = (appender.clone(), Arc::clone(&stop));
        let alone = std::thread::spawn(move || acknowledge(&one, messages * 2, &other));
        std::thread::sleep(Duration::from_secs(3));
        stop.store(true, Ordering::Relaxed);
        let alone = alone.join().expect("ended");
        println!(
            "  acknowledged meanwhile, by one connection: {meanwhile:.0} messages a second; afterwards {alone:.0}"
        );
    }
    stop.cancel();
    fold.join().expect("ended");
    if beside == Beside::Checkpoint {
        let begun = Instant::now();
        let mut longest = 0.0_f64;
        let mut taking = appender.begin_checkpoint(state.as_ref()).expect("begun");
        loop {
            let step = Instant::now();
            let done = taking.step(state.as_ref(), 1 << 20).expect("written");
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
    writer.stop();
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
        let dir = Path::new(&dir);
        match phase.as_str() {
            "fill" => fill(dir, scale, scale / 10),
            "fill-all" => fill(dir, scale, scale),
            "acknowledging" => come_back(dir, scale, Beside::Acknowledging),
            "take" => come_back(dir, scale, Beside::Checkpoint),
            _ => come_back(dir, scale, Beside::Nothing),
        }
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let run = |dir: &Path, phase: &str, what: &str| {
        println!("{what}:");
        let ended = Command::new(&program)
            .env("PENTAMER_PHASE", phase)
            .env("PENTAMER_DIR", dir)
            .env("PENTAMER_SCALE", scale.to_string())
            .status();
        assert!(ended.expect("run").success());
    };
    let dir = tempfile::tempdir().expect("a directory");
    let patients = scale / 10;
    run(
        dir.path(),
        "fill",
        &format!("{scale} messages of {patients} patients stored and compressed"),
    );
    run(dir.path(), "rebuild", "rebuild from the journal");
    run(
        dir.path(),
        "acknowledging",
        "the same, with messages coming in",
    );
    let dir = tempfile::tempdir().expect("a directory");
    run(
        dir.path(),
        "fill-all",
        &format!("{scale} messages of {scale} patients stored and compressed"),
    );
    run(
        dir.path(),
        "take",
        "rebuild from the journal, no checkpoint",
    );
    run(dir.path(), "checkpoint", "start from the checkpoint");
}
