//! MLLP servers that one can install, beside Pentamer and the bound, under the very same load.
//!
//! Each peer acknowledges at once (`ack`), after an append and an `fdatasync` for each message (`each`), and
//! after one for all messages that wait meanwhile (`group`, which none of them offers: it is ours, so that
//! they are seen at their best). Pentamer is the release binary with default settings and all that stands
//! behind it. Every acknowledgement is looked at: only right ones count.
//!
//! `just bench-peers` installs the peers first. `SECONDS=10` for longer rounds, `PEERS=python` for those whose
//! name has this in it (the bound and Pentamer always run), `PENTAMER_PLOT=docs/peers.svg` for the plot.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod bound;
mod daemon;
mod load;
#[path = "peers/plot.rs"]
mod plot;
#[path = "peers/process.rs"]
mod process;
#[path = "peers/report.rs"]
mod report;

use bound::{Bound, Log};
use daemon::Daemon;
use load::{Outcome, Shape, load};
use process::{Peer, peers};
use std::path::Path;
use std::time::Duration;

/// How each server is loaded.
const SHAPES: [Shape; 4] = [
    Shape {
        connections: 1,
        in_flight: 1,
    },
    Shape {
        connections: 16,
        in_flight: 1,
    },
    Shape {
        connections: 256,
        in_flight: 1,
    },
    Shape {
        connections: 1,
        in_flight: 16,
    },
];

/// A server with what came of each load.
struct Row {
    name: String,
    /// When it acknowledges.
    mode: &'static str,
    outcomes: Vec<Outcome>,
}

fn main() {
    bound::serve_if_asked();
    let seconds = std::env::var("SECONDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(3.0);
    let round = Duration::from_secs_f64(seconds);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target directory");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut rows = vec![
        Row {
            name: "bound".to_owned(),
            mode: "group",
            outcomes: Vec::new(),
        },
        Row {
            name: "Pentamer".to_owned(),
            mode: "group",
            outcomes: Vec::new(),
        },
    ];
    let wanted = std::env::var("PEERS").unwrap_or_default();
    let (there, missing) = peers(&target.join("peers"));
    for name in missing {
        println!("{name} is not installed and left out (`just bench-peers` installs it)");
    }
    let there: Vec<(Peer, &'static str)> = there
        .into_iter()
        .filter(|peer| peer.name.contains(&wanted))
        .flat_map(|peer| ["ack", "each", "group"].map(|mode| (peer.clone(), mode)))
        .collect();
    rows.extend(there.iter().map(|(peer, mode)| Row {
        name: peer.name.clone(),
        mode,
        outcomes: Vec::new(),
    }));
    for (number, shape) in SHAPES.into_iter().enumerate() {
        // A little before it counts: some of them compile what they run while they run it.
        let measure = |to| async move {
            load(to, shape, round / 6).await;
            load(to, shape, round).await
        };
        let file = dir.path().join(format!("bound{number}"));
        let bound = Bound::start(&file, Log::Prepared);
        let mut outcomes = vec![runtime.block_on(measure(bound.address))];
        drop(bound);
        let data = dir.path().join(format!("pentamer{number}"));
        let daemon = Daemon::start(&data, daemon::MANY_CONNECTIONS);
        outcomes.push(runtime.block_on(measure(daemon.mllp)));
        drop(daemon);
        let _ = std::fs::remove_dir_all(&data);
        for (place, (peer, mode)) in there.iter().enumerate() {
            let file = dir.path().join(format!("{number}.{place}"));
            let process = peer.start(mode, &file);
            let outcome = runtime.block_on(measure(process.address));
            drop(process);
            if *mode != "ack" {
                let kept = std::fs::metadata(&file).map_or(0, |file| file.len());
                // A message has more than 400 bytes.
                assert!(kept >= outcome.right * 400, "{} keeps nothing", peer.name);
            }
            let _ = std::fs::remove_file(&file);
            outcomes.push(outcome);
        }
        for (row, outcome) in rows.iter_mut().zip(outcomes) {
            eprintln!("{shape:?} {} ({}): {outcome:?}", row.name, row.mode);
            row.outcomes.push(outcome);
        }
    }
    println!("{}", report::table(&SHAPES, &rows));
    let csv = target.join("peers.csv");
    std::fs::write(&csv, report::csv(&SHAPES, &rows)).expect("written");
    println!("All figures: {}", csv.display());
    if let Ok(plot) = std::env::var("PENTAMER_PLOT") {
        std::fs::write(&plot, plot::svg(&SHAPES, &rows)).expect("written");
        println!("Plot: {plot}");
    }
}
