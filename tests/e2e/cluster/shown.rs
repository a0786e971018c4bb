//! What the pages and the API show of the cluster, also while JetStream is away.

use super::{cluster, holds};
use crate::e2e::harness::{Home, Pentamer, low_igm, wait_for, wait_within};
use crate::e2e::receivers::broker::{
    NATS_SERVER, Nats, NatsCluster, later_nats_server, nats_version,
};
use crate::e2e::web::{JSON, ask, get};
use pentamer::cluster::FIT;
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

/// The API's answer once it fits.
fn told(daemon: &Pentamer, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || {
        let told = get(daemon, "/api/v1/cluster").json();
        fits(&told).then_some(told)
    })
}

/// The text of a page between its tags.
fn page(daemon: &Pentamer) -> String {
    let reply = get(daemon, "/cluster");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let main = reply.body.split("<main").nth(1).expect("a content");
    let words = main.split('<').filter_map(|one| one.split_once('>'));
    let words: Vec<&str> = words.map(|(_, text)| text.trim()).collect();
    words
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// An instance whose requests to JetStream may take far longer than a page.
fn patient(url: &str, name: &str) -> Home {
    let shared = cluster(url, name, 1).replace("timeout = \"2s\"", "timeout = \"30s\"");
    Home::new("", &shared)
}

/// Three servers and three instances, one of them drained: for pictures and the rules of pages.
pub(in crate::e2e) fn site() -> (NatsCluster, Vec<Pentamer>) {
    let servers = NatsCluster::of(later_nats_server());
    let daemons: Vec<Pentamer> = ["a", "b", "c"]
        .map(|name| Pentamer::start(Home::new("", &cluster(&servers.url(), name, 3))))
        .into();
    wait_for("a to hold", || holds(&daemons[0]).then_some(()));
    assert_eq!(daemons[1].connect().exchange(&low_igm("1", "p1")), "AA");
    wait_for("c to be drained", || {
        let drained = super::moved::run(&daemons[2].home, &["drain", "c"]);
        drained.status.success().then_some(())
    });
    told(&daemons[0], "all three", |told| {
        let found = told["overview"]["instances"].as_array();
        found.is_some_and(|found| found.len() == 3 && found[2]["drained"] == true)
    });
    (servers, daemons)
}

/// Until the page says that JetStream is away.
pub(in crate::e2e) fn until_away(daemon: &Pentamer) {
    told(daemon, "the trouble", |told| told["answers"] == false);
}

#[test]
fn without_a_stream_there_is_no_such_page() {
    let daemon = Pentamer::start_default();
    let reply = get(&daemon, "/cluster");
    assert_eq!(reply.status, 404);
    assert!(
        reply.body.contains("there is no such page"),
        "{}",
        reply.body
    );
    let reply = ask(&daemon, "GET", "/api/v1/cluster", JSON, "");
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (404, Some("application/problem+json"))
    );
    assert!(reply.body.contains("no `[cluster]`"), "{}", reply.body);
    assert!(!get(&daemon, "/queue").body.contains("href=\"/cluster\""));
}

/// Servers that are too old for several are told of, and only where there are several.
#[test]
fn old_servers_are_a_notice_where_they_are_several() {
    let old = |daemon: &Pentamer| get(daemon, "/api/v1/notices").body.contains("servers_old");
    let nats = Nats::start();
    let alone = Pentamer::start(Home::new("", &cluster(&nats.url(), "a", 1)));
    assert!(!old(&alone));
    let servers = NatsCluster::start();
    let daemon = Pentamer::start(Home::new("", &cluster(&servers.url(), "a", 3)));
    let is_old = nats_version(NATS_SERVER.as_ref()).as_slice() < FIT.as_slice();
    assert_eq!(
        old(&daemon),
        is_old,
        "{:?}",
        nats_version(NATS_SERVER.as_ref())
    );
}

#[test]
fn who_decides_is_shown_and_who_does_after_a_kill() {
    let nats = Nats::start();
    let first = Pentamer::start(Home::new("", &cluster(&nats.url(), "a", 1)));
    wait_for("a to hold", || holds(&first).then_some(()));
    let second = Pentamer::start(Home::new("", &cluster(&nats.url(), "b", 1)));
    assert_eq!(second.connect().exchange(&low_igm("1", "p1")), "AA");
    assert!(get(&second, "/queue").body.contains("href=\"/cluster\""));
    let found = told(&second, "both", |told| {
        let both = told["overview"]["instances"].as_array();
        both.is_some_and(|both| both.len() == 2) && told["overview"]["last"].as_u64() > Some(4)
    });
    let (own, overview) = (&found["instance"], &found["overview"]);
    assert_eq!(
        (&own["name"], &own["holds"], &own["holder"], &own["epoch"]),
        (&"b".into(), &false.into(), &"a".into(), &overview["epoch"])
    );
    assert_eq!(
        (&found["answers"], &found["trouble"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(
        (
            &overview["stream"],
            &overview["first"],
            &overview["replicas"],
            &overview["holder"]
        ),
        (&"PENTAMER_site".into(), &1.into(), &1.into(), &"a".into())
    );
    let instance = &overview["instances"][0];
    assert_eq!(
        (&instance["name"], &instance["holds"]),
        (&"a".into(), &true.into())
    );
    let at = instance["at"].as_str().expect("a time");
    assert!(at.parse::<jiff::Timestamp>().is_ok(), "{at}");
    let shown = page(&second);
    for part in [
        "JetStream answers",
        "This instance: b stands by",
        "Who decides, as far as it knows a, epoch",
        "Stream PENTAMER_site",
        "First message 1 Last message",
        "Kept by 1 server",
        "Decides a Epoch",
        "a decides 0 facts",
        "b (this one) stands by",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(page(&first).contains("This instance: a decides"));

    first.kill();
    told(&second, "b to decide", |told| {
        told["overview"]["holder"] == "b" && told["instance"]["holds"] == true
    });
    let shown = page(&second);
    for part in [
        "This instance: b decides",
        "a stands by",
        "b (this one) decides",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn the_page_answers_while_jetstream_stands_still_and_says_so() {
    let nats = Nats::start();
    let daemon = Pentamer::start(patient(&nats.url(), "a"));
    told(&daemon, "an overview", |told| told["answers"] == true);
    nats.signal(Signal::STOP);
    let begun = Instant::now();
    let found = wait_within(Duration::from_secs(25), "the trouble to be told", || {
        let told = get(&daemon, "/api/v1/cluster").json();
        (told["answers"] == false).then_some(told)
    });
    let shown = page(&daemon);
    // Less than a single request to JetStream would have been waited for.
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(found["trouble"].is_string());
    assert_eq!(found["overview"]["holder"], "a", "as it was");
    assert!(found["age_seconds"].as_u64() > Some(0), "{found}");
    for part in [
        "JetStream does not answer",
        "are shown as they were",
        "this instance acknowledges nothing",
        "Stream PENTAMER_site",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    nats.signal(Signal::CONT);
    told(&daemon, "JetStream to answer", |told| {
        told["answers"] == true
    });
    assert!(page(&daemon).contains("JetStream answers"));
}

#[test]
fn a_killed_jetstream_is_told_of_and_so_is_its_return() {
    let mut nats = Nats::start();
    let daemon = Pentamer::start(Home::new("", &cluster(&nats.url(), "a", 1)));
    told(&daemon, "an overview", |told| told["answers"] == true);
    nats.kill();
    until_away(&daemon);
    assert!(page(&daemon).contains("JetStream does not answer"));
    nats.again();
    told(&daemon, "JetStream to answer", |told| {
        told["answers"] == true
    });
}
