//! Three `nats-server`s and three instances, each killed, stopped or cut off at random moments under traffic.
//!
//! `just cluster-fire ROUNDS` runs as many rounds as one asks for; a few are always run.

use super::traffic::{Gate, RECOVERS, Traffic, check, one_holds};
use super::{holds, instance};
use crate::e2e::harness::{Pentamer, wait_within};
use crate::e2e::receivers::broker::{NatsCluster, later_nats_server};
use crate::e2e::receivers::http::HttpReceiver;
use rustix::process::Signal;
use std::collections::BTreeMap;

const INSTANCES: [&str; 3] = ["a", "b", "c"];

#[test]
fn under_fire_nothing_is_lost_nothing_is_decided_twice_and_all_end_as_one_calm_instance() {
    let rounds = std::env::var("PENTAMER_ROUNDS").map_or(6, |text| text.parse().expect("a number"));
    let mut servers = NatsCluster::of(later_nats_server());
    let url = servers.url();
    let hook = HttpReceiver::start();
    let mut daemons: Vec<Option<Pentamer>> = INSTANCES
        .iter()
        .map(|name| Some(Pentamer::start(instance(&url, name, &hook, 3))))
        .collect();
    one_holds(daemons.iter().flatten());
    let traffic = Traffic::start(daemons.iter().flatten().map(Gate::of).collect());
    let seed = std::env::var("PENTAMER_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut random: u64 = seed;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    for round in 0..rounds {
        let before = traffic.acknowledged();
        let victim = usize::try_from(next(3)).expect("small");
        let what = ["kill", "stop", "pause", "server killed", "server paused"][round % 5];
        *done.entry(what).or_default() += 1;
        match what {
            "kill" | "stop" => {
                let daemon = daemons[victim].take().expect("running");
                let home = match what {
                    "kill" => daemon.kill(),
                    _ => daemon.stop().0,
                };
                one_holds(daemons.iter().flatten());
                let daemon = Pentamer::begin(home);
                traffic.moved(victim, Gate::of(&daemon));
                daemons[victim] = Some(daemon);
            }
            "pause" => {
                // The one that decides: it must not go on where it was.
                let holder = daemons
                    .iter()
                    .position(|one| one.as_ref().is_some_and(holds));
                let holder = holder.unwrap_or(victim);
                daemons[holder].as_ref().expect("running").pause();
                let others: Vec<&Pentamer> = (0..3)
                    .filter(|one| *one != holder)
                    .filter_map(|one| daemons[one].as_ref())
                    .collect();
                wait_within(RECOVERS, "another one to hold", || {
                    others.iter().any(|one| holds(one)).then_some(())
                });
                daemons[holder]
                    .as_ref()
                    .expect("running")
                    .signal(Signal::CONT);
            }
            "server killed" => {
                servers.kill(&format!("n{victim}"));
                traffic.goes_on("messages without it", before, 2);
                servers.again(victim);
            }
            _ => {
                servers.signal(victim, Signal::STOP);
                traffic.goes_on("messages without it", before, 2);
                servers.signal(victim, Signal::CONT);
            }
        }
        traffic.goes_on("messages again", traffic.acknowledged(), 5);
        one_holds(daemons.iter().flatten());
    }
    let acknowledged = traffic.end();
    let found = check(&url, &acknowledged, daemons.iter().flatten(), &hook);
    assert!(
        found.repeated <= found.takings,
        "{} repeats at {} takings",
        found.repeated,
        found.takings
    );
    println!(
        "{rounds} rounds {done:?}: {} acknowledged, 0 missing of {} facts; {} alerts as one calm \
         instance, {} sends, {} repeated; the right to decide was taken {} times",
        acknowledged.len(),
        found.facts,
        found.alerts,
        found.sends,
        found.repeated,
        found.takings,
    );
}
