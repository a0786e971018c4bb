//! A law over both logs: whatever a hospital sends, with corrections, merges and copies, a daemon whose facts are in a
//! journal, one whose facts are in a stream, and two that share a stream and are sent to in turn end the same.

use super::traffic::alerts;
use super::{cluster, holds};
use crate::e2e::harness::{Home, Pentamer, Sender, wait_for};
use crate::e2e::receivers::broker::Nats;
use crate::e2e::screen::episodes;
use pentamer::generate::hospital::{Event, Mix, Says, year};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A message is sent again where its number is a multiple of this.
const COPIED: usize = 7;

/// The feed in rounds: each has at most one message of a person, so that what is decided hangs on no chance.
fn rounds(events: Vec<Event>) -> Vec<Vec<Event>> {
    let mut sent: BTreeMap<usize, usize> = BTreeMap::new();
    let mut rounds: Vec<Vec<Event>> = Vec::new();
    for event in events {
        let round = sent.entry(event.person).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push(event);
        *round += 1;
    }
    rounds
}

/// OBX-11 says so of a result.
fn is_corrected(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw);
    let mut results = text.split('\r').filter(|line| line.starts_with("OBX"));
    results.any(|line| line.split('|').nth(11) == Some("C"))
}

fn send(sender: &mut Sender, raw: &[u8]) {
    sender.send(&[b"\x0b", raw, b"\x1c\r"].concat());
    sender.answer().expect("an answer");
}

/// Sends everything, each message to the next daemon, and a copy of some to the one after that.
fn feed(daemons: &[Pentamer], rounds: &[Vec<Event>]) {
    let mut senders: Vec<Sender> = daemons.iter().map(Pentamer::connect).collect();
    let count = senders.len();
    let (mut number, mut sent) = (0, 0);
    for round in rounds {
        for event in round {
            send(&mut senders[number % count], &event.raw);
            sent += 1;
            if number % COPIED == 0 {
                send(&mut senders[(number + 1) % count], &event.raw);
                sent += 1;
            }
            number += 1;
        }
        // Decided before the next round, with all that was sent, whoever was given it.
        for daemon in daemons {
            wait_for("all messages to be known", || {
                (listed(daemon)? >= sent).then_some(())
            });
        }
        daemons.iter().for_each(Pentamer::settle);
    }
}

/// Messages and copies that a daemon has looked at.
fn listed(daemon: &Pentamer) -> Option<usize> {
    let (_, body) = daemon.get("/api/v1/messages?limit=1000");
    let list: Value = serde_json::from_str(&body).ok()?;
    Some(list["items"].as_array()?.len())
}

/// All that is known in the end: ids of alerts, and each patient's episodes.
type Known = (
    BTreeSet<String>,
    BTreeMap<String, Vec<(String, String, String)>>,
);

fn known(daemon: &Pentamer, patients: &BTreeSet<String>) -> Known {
    let all = patients.iter().map(|key| {
        let path = format!("/api/v1/patients/{}", key.replace(':', "%3A"));
        let (status, body) = daemon.get(&path);
        assert_eq!(status, 200, "{key}");
        let patient: Value = serde_json::from_str(&body).expect("JSON");
        (key.clone(), episodes(&patient))
    });
    let all = all.collect();
    (alerts(daemon), all)
}

/// Everybody who was told of, as `AUTHORITY:ID`.
fn told(daemon: &Pentamer) -> BTreeSet<String> {
    let told = daemon.home.alerts();
    let part = |alert: &Value, key: &str| {
        let found = alert["data"]["patient"][key].as_str();
        found.unwrap_or_default().to_owned()
    };
    told.iter()
        .map(|alert| format!("{}:{}", part(alert, "authority"), part(alert, "id")))
        .collect()
}

/// Hospitals that are tried; `PENTAMER_SEED` names another one.
const SEEDS: [u64; 2] = [11, 13];

#[test]
fn a_hospital_over_a_journal_over_a_stream_and_over_two_instances_ends_the_same() {
    let asked = std::env::var("PENTAMER_SEED").map(|text| text.parse().expect("a number"));
    let seeds = asked.map_or_else(|_| SEEDS.to_vec(), |seed| vec![seed]);
    seeds.into_iter().for_each(ends_the_same);
}

fn ends_the_same(seed: u64) {
    let mix = Mix {
        results: 400,
        planted: 200,
        traps: 200,
        immunology: 200,
        ..Mix::default()
    };
    let events = year(seed, mix).events;
    let count = |wanted: fn(&Says) -> bool| events.iter().filter(|one| wanted(&one.says)).count();
    let merges = count(|says| matches!(says, Says::Merge { .. }));
    let corrected = events.iter().filter(|one| is_corrected(&one.raw)).count();
    let sent = events.len();
    assert!(
        merges > 1 && corrected > 1,
        "seed {seed}: {merges}, {corrected}"
    );
    // A page of messages is what a daemon lists at once.
    assert!(sent + sent.div_ceil(COPIED) <= 1_000, "{sent}");
    let rounds = rounds(events);

    let journal = [Pentamer::start_default()];
    feed(&journal, &rounds);
    let patients = told(&journal[0]);
    let expected = known(&journal[0], &patients);
    assert!(
        expected.0.len() > 10 && expected.1.values().any(|all| !all.is_empty()),
        "{} alerts",
        expected.0.len()
    );

    let nats = Nats::start();
    let stream = [Pentamer::start(Home::new(
        "",
        &cluster(&nats.url(), "a", 1),
    ))];
    wait_for("it to hold", || holds(&stream[0]).then_some(()));
    feed(&stream, &rounds);
    assert!(
        known(&stream[0], &patients) == expected,
        "seed {seed}: over a stream"
    );

    let nats = Nats::start();
    let two = ["a", "b"].map(|name| Pentamer::start(Home::new("", &cluster(&nats.url(), name, 1))));
    wait_for("one to hold", || two.iter().any(holds).then_some(()));
    feed(&two, &rounds);
    for one in &two {
        assert!(
            known(one, &patients) == expected,
            "seed {seed}: over two instances"
        );
    }
    println!(
        "seed {seed}: {sent} messages in {} rounds, {merges} merges, {corrected} with corrections, {} copies: {} alerts of {} \
         patients, the same over a journal, over a stream and over two instances",
        rounds.len(),
        sent.div_ceil(COPIED),
        expected.0.len(),
        patients.len()
    );
}
