//! Three `nats-server`s and three instances, each killed, stopped or cut off at random moments under traffic.
//!
//! `just cluster-fire ROUNDS` runs as many rounds as one asks for; a few are always run.

use super::{Message, holds, instance, messages, pages};
use crate::e2e::brokers::{runtime, until};
use crate::e2e::harness::{Home, Pentamer, framed, low_igm, wait_within};
use crate::e2e::receivers::broker::NatsCluster;
use crate::e2e::receivers::http::HttpReceiver;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const INSTANCES: [&str; 3] = ["a", "b", "c"];
/// A server that comes back finds its peers within so long.
const RECOVERS: Duration = Duration::from_secs(120);

/// One send over a connection of its own; whether it was accepted.
fn accepted(to: SocketAddr, message: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_secs(2)) else {
        return false;
    };
    let limit = Some(Duration::from_secs(5));
    if stream.set_read_timeout(limit).is_err() || stream.write_all(&framed(message)).is_err() {
        return false;
    }
    let mut answer = Vec::new();
    let mut some = [0; 512];
    while !answer.ends_with(b"\x1c\r") {
        match stream.read(&mut some) {
            Ok(n) if n > 0 => answer.extend_from_slice(&some[..n]),
            _ => return false,
        }
    }
    String::from_utf8_lossy(&answer).contains("MSA|AA|")
}

/// A laboratory that sends on until it is told to end, each message again and again, to one instance after the
/// other, until it is acknowledged.
fn laboratory(
    number: usize,
    ports: &Mutex<Vec<SocketAddr>>,
    end: &AtomicBool,
    acknowledged: &Mutex<Vec<String>>,
) {
    let mut sent = 0_usize;
    let mut at = number;
    while !end.load(Ordering::Relaxed) {
        sent += 1;
        let message = low_igm(&format!("{number}-{sent}"), &format!("p{number}-{sent}"));
        loop {
            let to = ports.lock().expect("unlocked")[at % INSTANCES.len()];
            if accepted(to, &message) {
                break;
            }
            at += 1;
            std::thread::park_timeout(Duration::from_millis(50));
        }
        acknowledged.lock().expect("unlocked").push(message);
        at += sent % 2;
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// The messages of all ids, as one calm instance decides about them: ids of alerts.
fn calm(acknowledged: &[String]) -> BTreeSet<String> {
    let daemon = Pentamer::start(Home::new("", ""));
    let mut sender = daemon.connect();
    for message in acknowledged {
        assert_eq!(sender.exchange(message), "AA");
    }
    daemon.settle();
    let alerts = daemon.home.alerts();
    let id = |alert: &serde_json::Value| alert["id"].as_str().expect("an id").to_owned();
    alerts.iter().map(id).collect()
}

fn alerts(daemon: &Pentamer) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut path = "/api/v1/alerts?limit=100".to_owned();
    loop {
        let (code, body) = daemon.get(&path);
        assert_eq!(code, 200, "{body}");
        let page: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        for item in page["items"].as_array().expect("items") {
            ids.insert(item["alert"]["id"].as_str().expect("an id").to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/alerts?limit=100&cursor={next}"),
            None => return ids,
        }
    }
}

fn one_holds(daemons: &[Option<Pentamer>]) {
    wait_within(RECOVERS, "one to hold", || {
        daemons.iter().flatten().any(holds).then_some(())
    });
}

#[test]
fn under_fire_nothing_is_lost_nothing_is_decided_twice_and_all_end_as_one_calm_instance() {
    let rounds = std::env::var("PENTAMER_ROUNDS").map_or(6, |text| text.parse().expect("a number"));
    let mut servers = NatsCluster::start();
    let url = servers.url();
    let hook = HttpReceiver::start();
    let mut daemons: Vec<Option<Pentamer>> = INSTANCES
        .iter()
        .map(|name| Some(Pentamer::start(instance(&url, name, &hook, 3))))
        .collect();
    one_holds(&daemons);
    let ports: Vec<SocketAddr> = daemons.iter().flatten().map(|one| one.mllp).collect();
    let ports = Arc::new(Mutex::new(ports));
    let end = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let laboratories: Vec<_> = (0..3)
        .map(|number| {
            let (ports, end) = (Arc::clone(&ports), Arc::clone(&end));
            let acknowledged = Arc::clone(&acknowledged);
            std::thread::spawn(move || laboratory(number, &ports, &end, &acknowledged))
        })
        .collect();
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
        let before = acknowledged.lock().expect("unlocked").len();
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
                one_holds(&daemons);
                let daemon = Pentamer::begin(home);
                ports.lock().expect("unlocked")[victim] = daemon.mllp;
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
                wait_within(RECOVERS, "messages without it", || {
                    (acknowledged.lock().expect("unlocked").len() > before + 2).then_some(())
                });
                servers.again(victim);
            }
            _ => {
                servers.signal(victim, Signal::STOP);
                wait_within(RECOVERS, "messages without it", || {
                    (acknowledged.lock().expect("unlocked").len() > before + 2).then_some(())
                });
                servers.signal(victim, Signal::CONT);
            }
        }
        let so_far = acknowledged.lock().expect("unlocked").len();
        wait_within(RECOVERS, "messages again", || {
            (acknowledged.lock().expect("unlocked").len() > so_far + 5).then_some(())
        });
        one_holds(&daemons);
    }
    end.store(true, Ordering::Relaxed);
    for one in laboratories {
        one.join().expect("ended");
    }
    let acknowledged = acknowledged.lock().expect("unlocked").clone();
    for daemon in daemons.iter().flatten() {
        wait_within(RECOVERS, "all to be ready", || {
            (daemon.get("/readyz").0 == 200).then_some(())
        });
        daemon.settle();
    }

    let runtime = runtime();
    let found = until(&runtime, "the stream", async || messages(&url).await);
    let contents: BTreeSet<String> = found
        .iter()
        .filter(|one| one.kind == 1)
        .map(|one| String::from_utf8_lossy(&one.payload).into_owned())
        .collect();
    let is_there = |message: &&String| contents.iter().any(|one| one.contains(message.as_str()));
    let missing = acknowledged.iter().filter(|one| !is_there(one)).count();
    assert_eq!(missing, 0, "acknowledged and not in the stream");

    let holder: Vec<&Message> = found
        .iter()
        .filter(|one| one.subject.ends_with(".holder"))
        .collect();
    assert!(holder.iter().all(|one| one.epoch.is_some()));
    assert!(
        holder.is_sorted_by_key(|one| one.epoch),
        "no former holder decides"
    );
    let takings = holder.iter().filter(|one| one.kind == 35).count();
    assert!(found.iter().all(|one| one.kind != 4 || one.epoch.is_some()));

    let calm = calm(&acknowledged);
    for daemon in daemons.iter().flatten() {
        assert_eq!(alerts(daemon), calm, "as one calm instance");
    }
    let pages = pages(&hook);
    let told: BTreeSet<String> = pages.keys().cloned().collect();
    assert_eq!(told, calm, "every alert reached the receiver");
    let repeated: usize = pages.values().map(|times| times - 1).sum();
    assert!(
        repeated <= takings,
        "{repeated} repeats at {takings} takings"
    );
    println!(
        "{rounds} rounds {done:?}: {} acknowledged, 0 missing of {} facts; {} alerts as one calm \
         instance, {} sends, {repeated} repeated; the right to decide was taken {takings} times",
        acknowledged.len(),
        found.len(),
        calm.len(),
        pages.values().sum::<usize>(),
    );
}
