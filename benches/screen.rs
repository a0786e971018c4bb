//! Looking back over a synthetic archive: bytes a second, a core, and the most memory, by the real binary
//! with one thread and with all; beside `wc -l` and `zstd -d` over the same bytes.
//!
//! `PENTAMER_BYTES=10GB cargo bench --bench screen` for another size than 1 GiB. A rate "a core" is bytes by
//! seconds of processor time, so that other work on the machine does not count.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time and is asked by the environment"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a process took.
struct Took {
    wall: Duration,
    /// Processor time, user and system.
    cpu: f64,
    /// The most memory that was resident, in MiB.
    peak: u64,
}

/// Runs a command to its end; `None` where it is not installed.
fn measured(command: &mut Command) -> Option<Took> {
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    let (mut cpu, mut peak) = (0.0, 0);
    let folder = format!("/proc/{}", child.id());
    let status = loop {
        if let Ok(text) = std::fs::read_to_string(format!("{folder}/status")) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
            peak = kib.unwrap_or(peak);
        }
        if let Ok(text) = std::fs::read_to_string(format!("{folder}/stat")) {
            // Behind the name, which may hold anything: utime and stime, in hundredths.
            let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split(' ').collect();
            let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok());
            if let (Some(user), Some(system)) = (ticks(12), ticks(13)) {
                cpu = f64::max(cpu, (user + system) / 100.0);
            }
        }
        if let Some(status) = child.try_wait().expect("waited") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let wall = begin.elapsed();
    assert!(status.success(), "{command:?} failed");
    Some(Took {
        wall,
        cpu,
        peak: peak / 1024,
    })
}

fn line(name: &str, bytes: u64, took: Option<Took>) {
    let Some(took) = took else {
        println!("{name:<28} not installed");
        return;
    };
    let mb = bytes as f64 / 1e6;
    println!(
        "{name:<28} {:>7.1} s  {:>7.0} MB/s  {:>7.0} MB/s a core  {:>5} MiB at most",
        took.wall.as_secs_f64(),
        mb / took.wall.as_secs_f64(),
        mb / took.cpu.max(0.01),
        took.peak
    );
}

fn screen(archive: &Path, report: &Path, jobs: &str) -> Option<Took> {
    measured(
        Command::new(env!("CARGO_BIN_EXE_pentamer"))
            .arg("screen")
            .arg(archive)
            .args(["--quiet", "--jobs", jobs, "--report"])
            .arg(report),
    )
}

fn main() {
    let size = std::env::var("PENTAMER_BYTES").unwrap_or_else(|_| "1 GiB".to_owned());
    let dir = tempfile::tempdir().expect("a directory");
    let (plain, packed) = (
        dir.path().join("archive.hl7"),
        dir.path().join("archive.hl7.zst"),
    );
    let report = dir.path().join("report.json");
    let generated = measured(
        Command::new(env!("CARGO_BIN_EXE_pentamer"))
            .args(["generate", "--bytes", &size, "--out"])
            .arg(&plain),
    );
    let bytes = plain.metadata().expect("written").len();
    println!("an archive of {:.2} GB", bytes as f64 / 1e9);
    line("generate", bytes, generated);
    line("screen --jobs 1", bytes, screen(&plain, &report, "1"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all = cores.to_string();
    line(
        &format!("screen --jobs {all}"),
        bytes,
        screen(&plain, &report, &all),
    );
    let text = std::fs::read(&report).expect("a report");
    let found: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    println!(
        "{} messages, {} with IgM, {} cases",
        found["messages"]["total"],
        found["messages"]["with_igm"],
        found["cases"].as_array().map_or(0, Vec::len)
    );
    line(
        "wc -l",
        bytes,
        measured(Command::new("wc").arg("-l").arg(&plain)),
    );
    let packing = Command::new("zstd")
        .args(["-q", "-3", "-T0", "-o"])
        .arg(&packed)
        .arg(&plain)
        .status();
    if packing.is_ok_and(|status| status.success()) {
        let took = measured(Command::new("zstd").args(["-q", "-d", "-c"]).arg(&packed));
        line("zstd -d", bytes, took);
        line("screen of the .zst", bytes, screen(&packed, &report, &all));
    } else {
        line("zstd -d", bytes, None);
    }
}
