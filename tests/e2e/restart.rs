//! Restarts under load while the listening socket is held by a service manager: nobody is refused,
//! nothing is lost, nothing comes in another order.
//!
//! `just restarts ROUNDS` does as many as one asks for; a few are always done.

use super::harness::{Home, wait_for};
use super::load::Load;
use super::manager::Manager;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const SENDERS: usize = 8;

fn rounds() -> usize {
    let asked = std::env::var("PENTAMER_RESTARTS").ok();
    asked.map_or(4, |text| {
        text.parse().expect("PENTAMER_RESTARTS is a number")
    })
}

#[test]
pub fn restarted_under_load_nobody_is_refused_and_nothing_is_lost_or_misordered() {
    let manager = Manager::new(Home::new("", "")).with_socket("lab");
    let load = Load::start(SENDERS, 1_000_000, 1, Duration::ZERO);
    load.point_at(Some(manager.address("lab")));
    let mut longest = Duration::ZERO;
    let rounds = rounds();
    for _ in 0..rounds {
        let stopped = Instant::now();
        let service = manager.start();
        manager.wait_for("READY=1");
        longest = longest.max(stopped.elapsed());
        let wanted = load.acknowledged() + 25 * SENDERS;
        wait_for("acknowledgements", || {
            (load.acknowledged() >= wanted).then_some(())
        });
        assert!(service.stop().success());
        manager.drain();
    }
    let (sent, refused) = (load.sent(), load.refused());
    load.point_at(None);
    let acknowledged = load.end();

    let mut order: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut stored = BTreeSet::new();
    let mut twice = 0;
    for raw in crate::offline::messages(&manager.home.data()) {
        let text = String::from_utf8_lossy(&raw);
        let id = text.split('|').nth(9).expect("MSH-10").to_owned();
        let (sender, number) = id.split_once('-').expect("sender-number");
        let number = number.parse().expect("a number");
        order.entry(sender.to_owned()).or_default().push(number);
        twice += usize::from(!stored.insert(id));
    }
    let lost = acknowledged.difference(&stored).count();
    let misordered: usize = order
        .values()
        .map(|numbers| {
            numbers
                .windows(2)
                .filter(|pair| pair[1] != pair[0] + 1)
                .count()
        })
        .sum();
    println!(
        "{rounds} restarts, {SENDERS} senders: sent {sent}, acknowledged {}, stored {}; refused {refused}, \
         lost {lost}, misordered {misordered}, stored twice {twice}; the longest start took {} ms",
        acknowledged.len(),
        stored.len(),
        longest.as_millis(),
    );
    assert_eq!((refused, lost, misordered, twice), (0, 0, 0, 0));
}
