//! Messages a second with durable acknowledgements, beside a bound measured in the same run.
//!
//! The bound (`bound`) is a minimal server that does only what cannot be left out. Both are loaded by
//! the same clients (`load`), each of which waits for its answer before it sends again. The ratio is
//! what matters: absolute figures are those of the disk.
//!
//! `cargo bench --bench end_to_end` (`SECONDS=10` for longer rounds, `CONNECTIONS=16` for one of them)

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod bound;
mod daemon;
mod load;

use bound::bound;
use daemon::Daemon;
use load::{Outcome, Shape, load};
use std::time::Duration;

fn main() {
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
        "connections   pentamer msg/s   bound msg/s   ratio   pentamer p50/p99 ms   bound p50/p99 ms"
    );
    let only = std::env::var("CONNECTIONS").ok();
    for connections in [1_usize, 16, 256] {
        if only
            .as_ref()
            .is_some_and(|only| *only != connections.to_string())
        {
            continue;
        }
        // In turn, twice each, so that a drift of the machine meets both.
        let shape = Shape {
            connections,
            in_flight: 1,
        };
        let mut best = [Outcome::default(); 2];
        for turn in 0..2 {
            let daemon = Daemon::start(
                &dir.path().join(format!("d{connections}-{turn}")),
                daemon::MANY_CONNECTIONS,
            );
            let ours = runtime.block_on(load(daemon.mllp, shape, round));
            drop(daemon);
            let file = dir.path().join(format!("bound{connections}-{turn}"));
            let theirs = runtime.block_on(async {
                let bound = bound(&file).await;
                load(bound, shape, round).await
            });
            for (best, now) in best.iter_mut().zip([ours, theirs]) {
                assert_eq!((now.wrong, now.missing), (0, 0), "{now:?}");
                if now.rate > best.rate {
                    *best = now;
                }
            }
        }
        let [ours, theirs] = best;
        println!(
            "{connections:>11}   {:>14.0}   {:>11.0}   {:>5.2}   {:>9.2} / {:<8.2}   {:>7.2} / {:.2}",
            ours.rate,
            theirs.rate,
            ours.rate / theirs.rate,
            ours.p50,
            ours.p99,
            theirs.p50,
            theirs.p99
        );
    }
}
