//! A journal brought into a stream and back: alerts and acknowledgements included, and nobody is paged for it.

use super::{cluster, messages};
use crate::e2e::brokers::{runtime, until};
use crate::e2e::harness::{Home, Pentamer, command, low_igm, wait_for};
use crate::e2e::receivers::broker::Nats;
use crate::e2e::receivers::http::HttpReceiver;
use crate::e2e::sinks::QUICK;
use std::process::Output;

pub(super) fn run(home: &Home, what: &[&str]) -> Output {
    let done = command()
        .arg("cluster")
        .args(what)
        .arg("--config")
        .arg(home.config())
        .current_dir(home.path())
        .output()
        .expect("run");
    println!("{what:?}: {}", String::from_utf8_lossy(&done.stderr));
    done
}

fn hook(receiver: &HttpReceiver) -> String {
    format!(
        "[[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\n{QUICK}\n",
        receiver.url()
    )
}

fn acknowledge(daemon: &Pentamer) {
    let (_, alerts) = daemon.get("/api/v1/alerts");
    let alerts: serde_json::Value = serde_json::from_str(&alerts).expect("JSON");
    let id = alerts["items"][0]["alert"]["id"].as_str().expect("an id");
    let done = command()
        .args(["alerts", "ack", id, "--comment", "seen"])
        .args(["--server", &format!("http://{}", daemon.http)])
        .output()
        .expect("run");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    // That is told of, too, a moment after the command's answer.
    wait_for("the acknowledgement to be told of", || {
        let (_, alerts) = daemon.get("/api/v1/alerts?limit=100");
        alerts
            .contains("pentamer.alert.acknowledged.v1")
            .then_some(())
    });
    daemon.settle();
}

#[test]
fn a_journal_goes_into_a_stream_and_back_with_its_alerts_and_pages_nobody() {
    let nats = Nats::start();
    let receiver = HttpReceiver::start();
    let hook = hook(&receiver);
    let daemon = Pentamer::start(Home::new("", &hook));
    for n in 1..=20 {
        let message = low_igm(&n.to_string(), &format!("p{n}"));
        assert_eq!(daemon.connect().exchange(&message), "AA");
    }
    daemon.settle();
    acknowledge(&daemon);
    let before = daemon.get("/api/v1/alerts?limit=100").1;
    let pages = receiver.seen().len();
    let (home, _) = daemon.stop();

    let shared = format!("{}{hook}", cluster(&nats.url(), "a", 1));
    let home = home.with_extra(&shared);
    let done = run(&home, &["import"]);
    assert!(done.status.success());
    assert!(!home.data().join("journal").exists());
    assert!(home.data().join("journal.imported").exists());
    // Again there is nothing to bring in.
    assert_eq!(run(&home, &["import"]).status.code(), Some(2));
    let runtime = runtime();
    let found = until(&runtime, "the stream", async || messages(&nats.url()).await);
    assert_eq!(found.iter().filter(|one| one.kind == 1).count(), 20);
    assert!(
        found
            .iter()
            .zip(1..)
            .all(|(one, place)| one.sequence == place)
    );

    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.get("/api/v1/alerts?limit=100").1, before);
    assert_eq!(receiver.seen().len(), pages, "nobody is paged");
    // Copies are still known, and what is new pages.
    assert_eq!(daemon.connect().exchange(&low_igm("new", "pn")), "AA");
    wait_for("a page", || {
        (receiver.seen().len() == pages + 1).then_some(())
    });
    daemon.settle();
    let shown = run(&daemon.home, &["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("a decides") && shown.contains("decides"),
        "{shown}"
    );
    let between = daemon.get("/api/v1/alerts?limit=100").1;
    let (home, _) = daemon.stop();

    let done = run(&home, &["export"]);
    assert!(done.status.success());
    let daemon = Pentamer::start(home.with_extra(&hook));
    daemon.settle();
    assert_eq!(daemon.get("/api/v1/alerts?limit=100").1, between);
    assert_eq!(daemon.connect().exchange(&low_igm("last", "pl")), "AA");
    wait_for("a page", || {
        (receiver.seen().len() == pages + 2).then_some(())
    });
}

#[test]
fn a_journal_goes_into_an_empty_stream_only() {
    let nats = Nats::start();
    let other = Pentamer::start(Home::new("", &cluster(&nats.url(), "b", 1)));
    assert_eq!(other.connect().exchange(&low_igm("1", "p1")), "AA");
    other.settle();
    drop(other);
    let daemon = Pentamer::start(Home::new("", ""));
    assert_eq!(daemon.connect().exchange(&low_igm("2", "p2")), "AA");
    let (home, _) = daemon.stop();
    let home = home.with_extra(&cluster(&nats.url(), "a", 1));
    let done = run(&home, &["import"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("empty stream"));
    assert!(home.data().join("journal").exists(), "nothing was changed");
}

#[test]
fn an_instance_that_is_drained_gives_the_right_away_and_goes_on_receiving() {
    let nats = Nats::start();
    let first = Pentamer::start(Home::new("", &cluster(&nats.url(), "a", 1)));
    let holds = |daemon: &Pentamer| daemon.metric("pentamer_cluster_holds", "") > 0.0;
    wait_for("a to hold", || holds(&first).then_some(()));
    let second = Pentamer::start(Home::new("", &cluster(&nats.url(), "b", 1)));
    wait_for("a to be known", || {
        let known = run(&first.home, &["drain", "a"]);
        known.status.success().then_some(())
    });
    wait_for("b to hold", || holds(&second).then_some(()));
    assert_eq!(first.connect().exchange(&low_igm("1", "p1")), "AA");
    // The fact comes to b by way of the stream.
    wait_for("b to page", || {
        (second.home.alerts().len() == 1).then_some(())
    });
    assert_eq!(
        run(&first.home, &["drain", "nobody"]).status.code(),
        Some(2)
    );
    assert!(run(&first.home, &["drain", "--undo", "a"]).status.success());
    drop(second);
    wait_for("a to hold again", || holds(&first).then_some(()));
}
