//! Many sites on the same instances: each has its share, and it moves when one comes, is drained or goes.

use super::cluster;
use crate::e2e::harness::{Home, Pentamer, Sender, command, low_igm, wait_within};
use crate::e2e::receivers::broker::Nats;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SITES: usize = 4;
/// Moving takes a few terms, of many processes on few cores.
const SOON: Duration = Duration::from_secs(120);

fn site(nats: &Nats, number: usize, instance: &str) -> Home {
    let cluster = cluster(&nats.url(), instance, 1).replace("lease = \"2s\"", "lease = \"1s\"");
    Home::new(
        "",
        &format!("{cluster}stream = \"PENTAMER_s{number}\"\nspread = true\n"),
    )
}

fn run(home: &Home, what: &[&str]) -> Output {
    let done = command()
        .arg("cluster")
        .args(what)
        .arg("--config")
        .arg(home.config())
        .output();
    done.expect("run")
}

/// How many sites each instance decides about, as the command says.
fn held(home: &Home) -> BTreeMap<String, usize> {
    let said = run(home, &["status", "--all"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.lines()
        .filter_map(|line| line.split_once(" decides about "))
        .map(|(name, count)| (name.to_owned(), count.parse().expect("a number")))
        .collect()
}

fn wait_until(home: &Home, what: &str, is_so: impl Fn(&BTreeMap<String, usize>) -> bool) {
    wait_within(SOON, what, || {
        let held = held(home);
        let all = held.values().sum::<usize>() == SITES;
        (all && is_so(&held)).then_some(())
    });
}

#[test]
fn sites_are_spread_over_instances_and_move_without_a_gap_in_acknowledging() {
    let nats = Nats::start();
    let begin = |instance: &str| -> Vec<Pentamer> {
        (0..SITES)
            .map(|number| Pentamer::start(site(&nats, number, instance)))
            .collect()
    };
    let first = begin("a");
    let asks = &first[0].home;
    wait_until(asks, "all at a", |held| held["a"] == SITES);

    // A laboratory for each site, that sends on while the right to decide moves.
    let end = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(Mutex::new(vec![0_usize; SITES]));
    let laboratories: Vec<_> = first
        .iter()
        .enumerate()
        .map(|(number, daemon)| {
            let to: SocketAddr = daemon.mllp;
            let (end, sent) = (Arc::clone(&end), Arc::clone(&sent));
            std::thread::spawn(move || {
                let mut sender = Sender::new(to);
                while !end.load(Ordering::Relaxed) {
                    let next = sent.lock().expect("unlocked")[number] + 1;
                    let id = next.to_string();
                    assert_eq!(sender.exchange(&low_igm(&id, &id)), "AA");
                    sent.lock().expect("unlocked")[number] = next;
                    std::thread::park_timeout(Duration::from_millis(50));
                }
            })
        })
        .collect();

    let second = begin("b");
    wait_until(asks, "both to have a share", |held| {
        held["a"] > 0 && held.get("b").is_some_and(|b| *b > 0)
    });
    // Drained, it has none, and goes on receiving.
    assert!(run(asks, &["drain", "--all", "a"]).status.success());
    wait_until(asks, "all at b", |held| held["b"] == SITES);
    assert!(
        run(asks, &["drain", "--all", "--undo", "a"])
            .status
            .success()
    );
    wait_until(asks, "a to have its share again", |held| held["a"] > 0);
    // Killed, the other one has all.
    drop(second);
    wait_until(asks, "all at a again", |held| held["a"] == SITES);
    assert_eq!(
        run(asks, &["drain", "--all", "nobody"]).status.code(),
        Some(2)
    );

    end.store(true, Ordering::Relaxed);
    for laboratory in laboratories {
        laboratory.join().expect("every message was acknowledged");
    }
    for (number, daemon) in first.iter().enumerate() {
        daemon.settle();
        assert_eq!(
            daemon.stored(),
            sent.lock().expect("unlocked")[number] as f64
        );
    }
}
