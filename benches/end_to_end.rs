//! Messages a second with durable acknowledgements, beside a bound measured in the same run.
//!
//! The bound (`bound`) is a minimal server that does only what cannot be left out, once with a file that grows
//! and once with one that is as long as it will be. All are loaded by the same clients (`load`), each of which
//! waits for its answer before it sends again. The ratio, ours to theirs, is what matters: absolute figures are
//! those of the disk.
//!
//! `cargo bench --bench end_to_end` (`SECONDS=10` for longer rounds, `CONNECTIONS=16` for one of them)

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod bound;
mod daemon;
mod load;

use bound::{Bound, Log};
use daemon::Daemon;
use load::{Outcome, Shape, load};
use std::time::Duration;

fn main() {
    bound::serve_if_asked();
    let seconds = std::env::var("SECONDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(3.0);
    let round = Duration::from_secs_f64(seconds);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    println!(
        "{:>11}   {:<20} {:>8}   {:>5}   {:>17}",
        "connections", "", "msg/s", "ratio", "p50 / p99 ms"
    );
    let only = std::env::var("CONNECTIONS").ok();
    for connections in [1_usize, 16, 256] {
        if only
            .as_ref()
            .is_some_and(|only| *only != connections.to_string())
        {
            continue;
        }
        // In turn, twice each, so that a drift of the machine meets all.
        let shape = Shape {
            connections,
            in_flight: 1,
        };
        let mut best = [Outcome::default(); 3];
        for turn in 0..2 {
            let daemon = Daemon::start(
                &dir.path().join(format!("d{connections}-{turn}")),
                daemon::MANY_CONNECTIONS,
            );
            let mut now = vec![runtime.block_on(load(daemon.mllp, shape, round))];
            drop(daemon);
            for log in [Log::Growing, Log::Prepared] {
                let file = dir.path().join(format!("{log:?}{connections}-{turn}"));
                let bound = Bound::start(&file, log);
                now.push(runtime.block_on(load(bound.address, shape, round)));
            }
            for (best, now) in best.iter_mut().zip(now) {
                assert_eq!((now.wrong, now.missing), (0, 0), "{now:?}");
                if now.rate > best.rate {
                    *best = now;
                }
            }
        }
        let [ours, ..] = best;
        let names = ["pentamer", "bound, growing file", "bound, prepared file"];
        for (name, one) in names.iter().zip(best) {
            println!(
                "{connections:>11}   {name:<20} {:>8.0}   {:>5.2}   {:>8.2} / {:<6.2}",
                one.rate,
                ours.rate / one.rate,
                one.p50,
                one.p99
            );
        }
    }
}
