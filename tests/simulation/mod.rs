//! A year of a hospital from a seed, through journal, fold, decisions and a sink, with power cuts:
//! no trap pages, nobody is missed, nothing acknowledged is lost, and a rebuild is the live state.
//!
//! `just simulate` runs a year of 100,000 result messages from a fresh seed and prints the table;
//! `PENTAMER_SIMULATION=RESULTS` and `PENTAMER_SEED=SEED` choose others.

mod oracle;
mod report;
mod size;
mod world;

use pentamer::generate::{hospital, message, people, random};

use hospital::Mix;
use std::time::Instant;
use world::World;

/// A year from a seed: lived, checked, and told of.
fn simulate(seed: u64, mix: Mix, power_cuts: usize) {
    println!("seed {seed}, {} result messages", mix.results);
    let hospital = hospital::year(seed, mix);
    let begun = Instant::now();
    let mut world = World::new(&hospital, seed);
    world.live_through(power_cuts);
    let took = begun.elapsed();
    world.rebuild();
    let found = report::Findings::of(&hospital, &world);
    println!("{}", found.table(took));
    assert!(
        found.faults.is_empty(),
        "seed {seed}:\n{}",
        found.faults.join("\n")
    );
}

/// Many have immunoglobulins measured: these are what is looked at.
fn usual() -> Mix {
    Mix {
        immunology: 120,
        texts: 0,
        ..Mix::default()
    }
}

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A small hospital with every course and every trap, in every run of the tests.
#[test]
fn a_year_of_a_small_hospital() {
    let mix = Mix {
        results: 1_200,
        planted: 60,
        traps: 180,
        ..usual()
    };
    simulate(asked("PENTAMER_SEED").unwrap_or(1), mix, 2);
}

#[test]
#[ignore = "takes a while: `just simulate`"]
fn a_year_of_a_hospital() {
    let results = asked("PENTAMER_SIMULATION").unwrap_or(100_000);
    let mix = Mix {
        results: results as usize,
        planted: 10,
        traps: 30,
        ..usual()
    };
    simulate(asked("PENTAMER_SEED").unwrap_or(1), mix, 12);
}
