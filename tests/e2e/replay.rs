//! `pentamer replay`: archives into a running and into a stopped daemon; who is paged, and what comes of it.

use super::harness::{Home, Pentamer, command, framed, low_igm, wait_for};
use super::screen::{episodes, messages};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

fn replay(words: &[&str], file: &Path) -> Output {
    let mut asked = command();
    asked.arg("replay").arg(file).args(words);
    asked.output().expect("run")
}

/// The JSON that it prints; `code` is how it ends.
fn told(words: &[&str], file: &Path, code: i32) -> Value {
    let output = replay(&[words, &["--json"]].concat(), file);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn server(daemon: &Pentamer) -> String {
    format!("http://{}", daemon.http)
}

/// Patient and delivery of every alert.
fn alerts(home: &Home) -> Vec<(String, String)> {
    let word = |alert: &Value, pointer: &str| {
        let found = alert.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let all = home.alerts();
    all.iter()
        .map(|alert| {
            (
                word(alert, "/data/patient/id"),
                word(alert, "/data/delivery"),
            )
        })
        .collect()
}

fn pair(id: &str, delivery: &str) -> (String, String) {
    (id.to_owned(), delivery.to_owned())
}

#[test]
pub fn an_archive_pages_nobody_and_can_be_given_again() {
    let daemon = Pentamer::start_default();
    let server = server(&daemon);
    let words = ["--listener", "lab", "--by", "me", "--server", &server];
    // What came over the feed is not news.
    let live = low_igm("L1", "7001");
    assert_eq!(daemon.connect().exchange(&live), "AA");
    daemon.settle();
    let old = [live, low_igm("A1", "7002"), low_igm("A2", "7003")].concat();
    let file = daemon.home.path().join("archive.hl7");
    std::fs::write(&file, old).expect("written");
    let first = told(&words, &file, 0);
    assert_eq!((&first["stored"], &first["again"]), (&2.into(), &1.into()));
    let one = &first["told"][0];
    assert_eq!(
        (&one["kind"], &one["delivery"], &one["count"]),
        (&"detected".into(), &"worklist".into(), &2.into()),
        "{first}"
    );
    let second = told(&words, &file, 0);
    assert_eq!(
        (&second["stored"], &second["again"]),
        (&0.into(), &3.into())
    );
    assert_eq!(
        alerts(&daemon.home),
        [
            pair("7001", "page"),
            pair("7002", "worklist"),
            pair("7003", "worklist")
        ]
    );
    // The next result of the feed pages, once.
    assert_eq!(daemon.connect().exchange(&low_igm("L2", "7002")), "AA");
    wait_for("the page", || {
        (alerts(&daemon.home).last() == Some(&pair("7002", "page"))).then_some(())
    });
    // Where that is asked, an archive pages by the rules of the feed.
    let paging = daemon.home.path().join("paging.hl7");
    std::fs::write(&paging, framed(&low_igm("P1", "7004"))).expect("written");
    told(&[&words[..], &["--page"]].concat(), &paging, 0);
    assert_eq!(alerts(&daemon.home).last(), Some(&pair("7004", "page")));
    // An archive says nothing of how the feed is now, and who brought it in is known.
    let audit = daemon.get("/api/v1/audit?act=replay").1;
    assert!(audit.contains("3 messages, page: false"), "{audit}");
    let unknown = ["--listener", "nobody", "--server", &server];
    assert_eq!(replay(&unknown, &file).status.code(), Some(2));
    let garbage = daemon.home.path().join("garbage.hl7");
    std::fs::write(&garbage, "hello\r").expect("written");
    let none = told(&words, &garbage, 1);
    assert_eq!(
        (&none["stored"], &none["unreadable"]),
        (&0.into(), &1.into())
    );
    let missing = daemon.home.path().join("missing.hl7");
    assert_eq!(replay(&words, &missing).status.code(), Some(1));
}

#[test]
fn a_stopped_daemon_finds_the_archive_when_it_starts() {
    let daemon = Pentamer::start_default();
    let config = daemon.home.config();
    let config = config.to_str().expect("text").to_owned();
    let words = ["--offline", "--config", &config];
    let file = daemon.home.path().join("archive.hl7");
    std::fs::write(
        &file,
        [low_igm("A1", "7002"), low_igm("A2", "7003")].concat(),
    )
    .expect("written");
    // While it runs, the directory is its own.
    assert_eq!(replay(&words, &file).status.code(), Some(3));
    let (home, _) = daemon.stop();
    let first = told(&words, &file, 0);
    assert_eq!(first["stored"], 2);
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(
        alerts(&daemon.home),
        [pair("7002", "worklist"), pair("7003", "worklist")]
    );
    // It is so for ever, also where all is built again from the journal.
    let (home, _) = daemon.stop();
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(alerts(&daemon.home).len(), 2);
    assert_eq!(daemon.connect().exchange(&low_igm("L1", "7003")), "AA");
    wait_for("the page", || {
        (alerts(&daemon.home).last() == Some(&pair("7003", "page"))).then_some(())
    });
}

/// Id, beginning and end of every episode of a patient, without the steps on the way.
fn known(daemon: &Pentamer, key: &str) -> Vec<(String, String)> {
    let (status, body) = daemon.get(&format!("/api/v1/patients/{}", key.replace(':', "%3A")));
    assert_eq!(status, 200, "{key}");
    let patient: Value = serde_json::from_str(&body).expect("JSON");
    let all = episodes(&patient);
    all.into_iter().map(|one| (one.0, one.1)).collect()
}

#[test]
pub fn live_and_replay_in_any_order_know_the_same_episodes() {
    let all = messages(7, 300);
    let live = Pentamer::start_default();
    let file = live.home.path().join("year.hl7");
    std::fs::write(&file, all.concat()).expect("written");
    let sent = command()
        .args(["send", &live.mllp.to_string()])
        .arg(&file)
        .args(["--in-flight", "16", "--quiet"])
        .status();
    assert!(sent.expect("sent").code().is_some());
    live.settle();
    let everybody: BTreeSet<String> = {
        let told = live.home.alerts();
        let part = |alert: &Value, key: &str| {
            let found = alert["data"]["patient"][key].as_str();
            found.unwrap_or_default().to_owned()
        };
        told.iter()
            .map(|alert| format!("{}:{}", part(alert, "authority"), part(alert, "id")))
            .collect()
    };
    assert!(everybody.len() > 8, "{}", everybody.len());
    let mut mixed: Vec<&Vec<u8>> = all.iter().collect();
    mixed.sort_by_key(|message| crc32c::crc32c(message));
    let orders = [
        all.iter().rev().flatten().copied().collect::<Vec<u8>>(),
        mixed.into_iter().flatten().copied().collect(),
    ];
    for order in orders {
        let daemon = Pentamer::start_default();
        let file = daemon.home.path().join("order.hl7");
        std::fs::write(&file, order).expect("written");
        let server = server(&daemon);
        told(&["--listener", "lab", "--server", &server], &file, 0);
        daemon.settle();
        assert!(
            alerts(&daemon.home)
                .iter()
                .all(|(_, delivery)| delivery == "worklist")
        );
        for key in &everybody {
            assert_eq!(known(&daemon, key), known(&live, key), "{key}");
        }
    }
}
