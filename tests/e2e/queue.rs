//! What people do with alerts and queues: commands and API against the running daemon.

use super::harness::{Home, Pentamer, command, low_igm, wait_for};
use super::receivers::http::{Answer, HttpReceiver};
use super::sinks::{QUICK, page};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Output;

fn hook(name: &str, receiver: &HttpReceiver, more: &str) -> String {
    format!(
        "[[sink]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}\"\n{QUICK}{more}\n",
        receiver.url()
    )
}

fn run(daemon: &Pentamer, words: &[&str]) -> Output {
    let server = format!("http://{}", daemon.http);
    let mut asked = command();
    asked.args(words).args(["--server", &server]);
    asked.output().expect("run")
}

/// The JSON that a command prints.
fn told(daemon: &Pentamer, words: &[&str]) -> Value {
    let output = run(daemon, &[words, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {error}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Status and body of a POST.
fn post(daemon: &Pentamer, path: &str, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(daemon.http).expect("connected");
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        daemon.http,
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let status = answer
        .split(' ')
        .nth(1)
        .expect("a status")
        .parse()
        .expect("a number");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn row<'v>(page: &'v Value, sink: &str) -> &'v Value {
    let items = page["items"].as_array().expect("items");
    items
        .iter()
        .find(|row| row["sink"] == sink)
        .expect("the sink")
}

fn ids(receiver: &HttpReceiver) -> Vec<String> {
    let id = |seen: &super::receivers::http::Seen| seen.headers["idempotency-key"].clone();
    receiver.seen().iter().map(id).collect()
}

#[test]
fn a_dead_letter_is_seen_with_its_reason_and_sent_again_on_request() {
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", &hook("hook", &receiver, "")));
    receiver.answer(&[Answer::Status(410), Answer::Status(422)]);
    page(&daemon, 1, 3);
    daemon.settle();
    let queue = told(&daemon, &["queue"]);
    assert_eq!(row(&queue, "hook")["dead"], 2);
    assert_eq!(row(&queue, "hook")["waiting"], 0);
    let dead = told(&daemon, &["queue", "dead", "hook"]);
    let [first, second] = &dead["items"].as_array().expect("items")[..] else {
        panic!("two: {dead}");
    };
    assert_eq!(first["reason"], "the receiver answered 410 Gone");
    assert_eq!(first["alert_id"].as_str(), Some(ids(&receiver)[0].as_str()));
    let by_reason = told(
        &daemon,
        &["queue", "requeue", "hook", "--reason", "410", "--by", "me"],
    );
    assert_eq!(by_reason["requeued"], 1);
    wait_for("the first again", || {
        (receiver.seen().len() == 4).then_some(())
    });
    let id = second["alert_id"].as_str().expect("an id");
    // Refused once more: dead once more.
    receiver.answer(&[Answer::Status(410)]);
    assert_eq!(
        told(&daemon, &["queue", "requeue", "hook", id])["requeued"],
        1
    );
    wait_for("the second again", || {
        (receiver.seen().len() == 5).then_some(())
    });
    daemon.settle();
    assert_eq!(
        told(&daemon, &["queue", "dead", "hook"])["items"]
            .as_array()
            .expect("items")
            .len(),
        1
    );
    assert_eq!(
        told(&daemon, &["queue", "requeue", "hook", "--all"])["requeued"],
        1
    );
    wait_for("all", || (receiver.seen().len() == 6).then_some(()));
    daemon.settle();
    let sent = ids(&receiver);
    assert_eq!(
        sent,
        [&sent[0], &sent[1], &sent[2], &sent[0], &sent[1], &sent[1]].map(Clone::clone)
    );
    // The same after a rebuild.
    let home = daemon.kill();
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(row(&told(&daemon, &["queue"]), "hook")["dead"], 0);
    assert_eq!(receiver.seen().len(), 6);
    let unknown = run(&daemon, &["queue", "requeue", "hook", "nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
    let nobody = run(&daemon, &["queue", "dead", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert_eq!(
        run(&daemon, &["queue", "requeue", "hook"]).status.code(),
        Some(2)
    );
}

#[test]
pub fn the_past_is_replayed_from_a_time_in_order_with_the_same_ids() {
    let daemon = Pentamer::start_default();
    // One after the other: those that are decided at once have the same time.
    for number in 1..4 {
        page(&daemon, number, 1);
        daemon.settle();
    }
    let alerts = daemon.home.alerts();
    let (home, _) = daemon.stop();
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(home.with_extra(&hook("hook", &receiver, "")));
    daemon.settle();
    assert!(receiver.seen().is_empty());
    let second = alerts[1]["time"].as_str().expect("a time");
    let replay = told(&daemon, &["queue", "replay", "hook", "--since", second]);
    assert_eq!(replay["replayed"], 2);
    wait_for("two", || (receiver.seen().len() == 2).then_some(()));
    daemon.settle();
    assert_eq!(
        told(
            &daemon,
            &["queue", "replay", "hook", "--since", "2020-01-01"]
        )["replayed"],
        3
    );
    daemon.settle();
    let all: Vec<String> = alerts
        .iter()
        .map(|a| a["id"].as_str().expect("id").to_owned())
        .collect();
    assert_eq!(ids(&receiver), [&all[1..], &all[..]].concat());
    assert_eq!(
        daemon.home.alerts().len(),
        3,
        "other sinks are not concerned"
    );
    assert_eq!(
        run(&daemon, &["queue", "replay", "hook", "--since", "soon"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn a_test_goes_the_whole_way_and_says_why_it_does_not_arrive() {
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", &hook("hook", &receiver, "")));
    let tested = told(&daemon, &["queue", "test", "hook"]);
    assert_eq!(tested["delivered"], true);
    assert!(tested["seconds"].as_f64().expect("a number") > 0.0);
    assert_eq!(receiver.seen()[0].json()["type"], "pentamer.test.v1");
    receiver.answer(&[Answer::Status(503)]);
    let failed = run(&daemon, &["queue", "test", "hook"]);
    assert_eq!(failed.status.code(), Some(1));
    let why = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(why.contains("503"), "{why}");
    // While alerts wait for a way that fails, a test goes at once.
    receiver.always(Some(Answer::Status(503)));
    page(&daemon, 1, 1);
    wait_for("failures", || {
        let queue = told(&daemon, &["queue"]);
        let row = row(&queue, "hook");
        assert!(
            row["last_error"].is_null()
                || row["last_error"].as_str().expect("text").contains("503")
        );
        (row["failures"].as_u64() > Some(2) && row["waiting"] == 1).then_some(())
    });
    let waiting = told(&daemon, &["queue", "list", "hook"]);
    assert_eq!(waiting["items"][0]["severity"], "routine");
    assert!(!waiting["items"][0]["attempted_at"].is_null());
    receiver.always(None);
    assert_eq!(told(&daemon, &["queue", "test", "hook"])["delivered"], true);
    daemon.settle();
}

#[test]
pub fn alerts_are_listed_shown_and_acknowledged_and_that_is_sent_on() {
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", &hook("hook", &receiver, "")));
    page(&daemon, 1, 3);
    daemon.settle();
    let list = told(
        &daemon,
        &["alerts", "--open", "--kind", "detected", "--limit", "2"],
    );
    assert_eq!(list["items"].as_array().expect("items").len(), 2);
    assert_eq!(
        list["items"][0]["alert"]["data"]["patient"]["id"], "3",
        "newest first"
    );
    assert!(list["items"][0]["acknowledged"].is_null());
    assert_eq!(list["items"][0]["episode"]["transitions"][0]["n"], 1);
    let next = list["next"].as_str().expect("more").to_owned();
    let rest = told(&daemon, &["alerts", "--cursor", &next]);
    assert_eq!(rest["items"].as_array().expect("items").len(), 1);
    assert!(rest["next"].is_null());
    let id = list["items"][0]["alert"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/api/v1/alerts/{id}/ack");
    for blank in [json!({}), json!({"comment": "  "})] {
        let (status, problem) = post(&daemon, &path, &blank);
        assert_eq!(status, 422, "{problem}");
        assert_eq!(problem["status"], 422);
    }
    assert_eq!(
        post(&daemon, "/api/v1/alerts/none/ack", &json!({"comment": "x"})).0,
        404
    );
    let words = [
        "alerts",
        "ack",
        &id,
        "--comment",
        "clinic on Tuesday",
        "--informed",
        "Dr Jansen",
        "--by",
        "anna",
    ];
    let item = told(&daemon, &words);
    assert_eq!(item["acknowledged"]["by"], "anna");
    assert_eq!(item["acknowledged"]["comment"], "clinic on Tuesday");
    assert_eq!(item["acknowledged"]["informed"], "Dr Jansen");
    wait_for("the acknowledgement at the sink", || {
        (receiver.seen().len() == 4).then_some(())
    });
    let event = receiver.seen().pop().expect("one").json();
    assert_eq!(event["type"], "pentamer.alert.acknowledged.v1");
    assert_eq!(event["subject"], item["alert"]["subject"]);
    assert_eq!(event["data"]["alert_id"], event["id"]);
    assert_ne!(event["id"], id.as_str());
    let said = event["data"]["explanation"].as_str().expect("text");
    assert!(
        said.starts_with("Acknowledged by anna.") && !said.contains("Tuesday"),
        "{said}"
    );
    daemon.settle();
    assert_eq!(
        told(&daemon, &["alerts", "--open"])["items"]
            .as_array()
            .expect("items")
            .len(),
        2
    );
    let shown = run(&daemon, &["alerts", "show", &id]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        text.contains("acknowledged by anna") && text.contains("step 2"),
        "{text}"
    );
    // A rebuild finds the same, and tells it nobody again.
    let before = told(&daemon, &["alerts"]);
    let home = daemon.kill();
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(told(&daemon, &["alerts"]), before);
    assert_eq!(receiver.seen().len(), 4);
    assert_eq!(
        run(&daemon, &["alerts", "show", "none"]).status.code(),
        Some(1)
    );
    let (status, body) = daemon.get("/api/v1/alerts?severty=urgent");
    assert!(status == 400 && body.contains("unknown"), "{body}");
}

#[test]
fn who_is_muted_pages_nobody_and_stays_on_the_worklist() {
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", &hook("hook", &receiver, "")));
    let muted = told(
        &daemon,
        &[
            "mute",
            "patient",
            "HOSP:1",
            "--for",
            "30d",
            "--by",
            "anna",
            "--reason",
            "under treatment",
        ],
    );
    assert_eq!(muted["patient"], "HOSP:1");
    page(&daemon, 1, 2);
    wait_for("both in the file", || {
        (daemon.home.alerts().len() == 2).then_some(())
    });
    daemon.settle();
    let patients = |receiver: &HttpReceiver| -> Vec<String> {
        let patient =
            |seen: &super::receivers::http::Seen| seen.json()["data"]["patient"]["id"].to_string();
        receiver.seen().iter().map(patient).collect()
    };
    assert_eq!(patients(&receiver), ["\"2\""]);
    let list = told(&daemon, &["mute", "list"]);
    assert_eq!(list["items"][0]["reason"], "under treatment");
    for wrong in [
        json!({"patient": "HOSP:1", "by": "a", "reason": "x"}),
        json!({"patient": "HOSP:1", "until": "2020-01-01", "by": "a", "reason": "x"}),
        json!({"patient": "HOSP:1", "until": "2090-01-01", "reason": "x"}),
        json!({"patient": "HOSP:1", "until": "2090-01-01", "by": "a"}),
        json!({"until": "2090-01-01", "by": "a", "reason": "x"}),
    ] {
        assert_eq!(post(&daemon, "/api/v1/mutes", &wrong).0, 422, "{wrong}");
    }
    let id = list["items"][0]["id"].as_str().expect("an id").to_owned();
    assert!(
        told(&daemon, &["mute", "lift", &id])["items"]
            .as_array()
            .expect("items")
            .is_empty()
    );
    let again = low_igm("9", "1").replace("0.21", "0.04");
    assert_eq!(daemon.connect().exchange(&again), "AA");
    let rule = [
        "mute",
        "rule",
        "isolated_low_igm",
        "--for",
        "1d",
        "--by",
        "a",
        "--reason",
        "b",
    ];
    assert_eq!(told(&daemon, &rule)["rule"], "isolated_low_igm");
    page(&daemon, 20, 1);
    wait_for("it is in the file", || {
        let told = daemon.home.alerts();
        told.iter()
            .any(|alert| alert["data"]["patient"]["id"] == "20")
            .then_some(())
    });
    daemon.settle();
    assert!(!patients(&receiver).contains(&"\"20\"".to_owned()));
}

#[test]
pub fn a_page_that_nobody_acknowledges_goes_on_and_an_acknowledgement_ends_it() {
    let (first, second) = (HttpReceiver::start(), HttpReceiver::start());
    let extra = [
        hook("first", &first, ""),
        hook("second", &second, "events = [\"resolved\"]"),
        "[[escalation]]\nname = \"again\"\nafter = \"1s\"\nsinks = [\"first\", \"second\"]\n"
            .to_owned(),
        "[[escalation]]\nname = \"late\"\nafter = \"20d\"\nsinks = [\"second\"]\n".to_owned(),
    ];
    let daemon = Pentamer::start(Home::new("", &extra.concat()));
    page(&daemon, 1, 1);
    wait_for("the escalation", || {
        (first.seen().len() == 2 && second.seen().len() == 1).then_some(())
    });
    daemon.settle();
    let events: Vec<Value> = first
        .seen()
        .iter()
        .map(super::receivers::http::Seen::json)
        .collect();
    assert_eq!(events[1]["data"]["alert_id"], events[0]["id"]);
    assert_eq!(
        events[1]["id"],
        format!("{}/e1", events[0]["id"].as_str().expect("id"))
    );
    assert_eq!(events[1]["data"]["escalation"], 1);
    assert_eq!(second.seen()[0].json()["id"], events[1]["id"]);
    // Neither time nor a restart sends it once more.
    let home = daemon.kill();
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    let daemon = Pentamer::start(home);
    daemon.settle();
    let id = events[0]["id"].as_str().expect("id");
    told(&daemon, &["alerts", "ack", id, "--comment", "seen"]);
    wait_for("the acknowledgement", || {
        (first.seen().len() == 3).then_some(())
    });
    daemon.settle();
    assert_eq!((first.seen().len(), second.seen().len()), (3, 1));
}

#[test]
fn notices_go_to_those_who_want_them_once_and_when_they_are_over() {
    let (operator, immunology) = (HttpReceiver::start(), HttpReceiver::start());
    let extra = [
        hook("operator", &operator, "events = [\"notice\"]"),
        hook("immunology", &immunology, ""),
    ];
    let daemon = Pentamer::start(Home::new("", &extra.concat()));
    page(&daemon, 1, 1);
    // A part of the clock's hour is set: told of for an hour.
    let faults = daemon.home.path().join("faults");
    std::fs::write(faults.join("clock-seconds"), "3600").expect("written");
    let event = wait_for("the notice", || {
        let told = operator
            .seen()
            .iter()
            .map(super::receivers::http::Seen::json)
            .collect::<Vec<_>>();
        told.into_iter()
            .find(|event| event["data"]["kind"] == "clock_jumped")
    });
    daemon.settle();
    assert_eq!(event["type"], "pentamer.notice.v1");
    assert_eq!(event["data"]["kind"], "clock_jumped");
    assert_eq!(event["data"]["state"], "raised");
    let jumped =
        |seen: &&super::receivers::http::Seen| seen.json()["data"]["kind"] == "clock_jumped";
    assert_eq!(operator.seen().iter().filter(jumped).count(), 1);
    assert!(
        immunology
            .seen()
            .iter()
            .all(|seen| seen.json()["type"] != "pentamer.notice.v1")
    );
}

#[test]
fn a_heartbeat_proves_the_way_and_needs_no_alert() {
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new(
        "",
        &hook("hook", &receiver, "heartbeat = \"1s\""),
    ));
    wait_for("three beats", || (receiver.seen().len() >= 3).then_some(()));
    let seen = receiver.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.json()["type"] == "pentamer.heartbeat.v1")
    );
    assert!(seen[2].at - seen[1].at >= std::time::Duration::from_millis(900));
    drop(daemon);
}

/// Status and text of a request to a link.
fn follow(daemon: &Pentamer, path: &str, form: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(daemon.http).expect("connected");
    let body = form.unwrap_or_default();
    let request = format!(
        "{} {path} HTTP/1.1\r\nHost: pentamer.example.org\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        if form.is_some() { "POST" } else { "GET" },
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let status = answer
        .split(' ')
        .nth(1)
        .expect("a status")
        .parse()
        .expect("a number");
    (status, answer)
}

#[test]
fn a_signed_link_acknowledges_once_and_shows_no_patient() {
    let receiver = HttpReceiver::start();
    let home = Home::new("", &hook("hook", &receiver, ""));
    let beside = home.path().join("conf.d");
    std::fs::create_dir(&beside).expect("made");
    let links = "[http]\npublic_url = \"https://pentamer.example.org/\"\n";
    std::fs::write(beside.join("links.toml"), links).expect("written");
    let daemon = Pentamer::start(home);
    page(&daemon, 4711, 1);
    daemon.settle();
    let event = receiver.seen()[0].json();
    let url = event["data"]["acknowledge_url"].as_str().expect("a link");
    let path = url
        .strip_prefix("https://pentamer.example.org")
        .expect("ours");
    let (status, page) = follow(&daemon, path, None);
    assert!(
        status == 200 && page.contains("<form") && !page.contains("4711"),
        "{page}"
    );
    assert!(page.contains("no-store") && page.contains("no-referrer"));
    // To look is not to acknowledge.
    let list = told(&daemon, &["alerts", "--open"]);
    assert_eq!(list["items"].as_array().expect("items").len(), 1);
    assert_eq!(follow(&daemon, path, Some("comment=&by=anna")).0, 422);
    let forged = path.replace(".17", ".27");
    for wrong in [forged.as_str(), "/ack/nothing", "/ack/a.b.c"] {
        assert_eq!(
            follow(&daemon, wrong, Some("comment=x&by=anna")).0,
            410,
            "{wrong}"
        );
    }
    assert_eq!(
        follow(&daemon, path, Some("comment=seen%2C+Tuesday&by=anna")).0,
        200
    );
    let item = told(
        &daemon,
        &["alerts", "show", event["id"].as_str().expect("an id")],
    );
    assert_eq!(item["acknowledged"]["comment"], "seen, Tuesday");
    assert_eq!(item["acknowledged"]["by"], "anna");
    assert_eq!(follow(&daemon, path, None).0, 410, "once");
    assert_eq!(follow(&daemon, path, Some("comment=again&by=eve")).0, 410);
    wait_for("it is sent on", || {
        (receiver.seen().len() == 2).then_some(())
    });
    let last = receiver.seen()[1].json();
    assert!(last["data"].get("acknowledge_url").is_none());
    let file = std::fs::read_to_string(daemon.home.data().join("alerts.jsonl")).expect("read");
    assert!(!file.contains("/ack/"), "no link lies about in a file");
}

#[test]
pub fn a_flood_becomes_one_message_and_what_is_urgent_does_not_wait() {
    let receiver = HttpReceiver::start();
    let digest = "digest = { above = 2, within = \"15s\" }";
    let daemon = Pentamer::start(Home::new("", &hook("hook", &receiver, digest)));
    page(&daemon, 1, 6);
    wait_for("the digest", || (receiver.seen().len() == 3).then_some(()));
    daemon.settle();
    let events: Vec<Value> = receiver
        .seen()
        .iter()
        .map(super::receivers::http::Seen::json)
        .collect();
    assert_eq!(events[0]["type"], "pentamer.alert.detected.v1");
    assert_eq!(events[1]["type"], "pentamer.alert.detected.v1");
    assert_eq!(events[2]["type"], "pentamer.digest.v1");
    assert_eq!(events[2]["data"]["count"], 4);
    let told = daemon.home.alerts();
    for (place, alert) in told[2..].iter().enumerate() {
        assert_eq!(
            events[2]["data"]["alerts"][place]["alert_id"], alert["id"],
            "in order, each once"
        );
    }
    let delivered = daemon.metric(
        "pentamer_deliveries_total",
        "sink=\"hook\",result=\"delivered\"",
    );
    assert_eq!(delivered, 6.0);
    drop(daemon);
    // An interrupted digest is repeated as it was, with its id.
    let receiver = HttpReceiver::start();
    let daemon = Pentamer::start(Home::new("", &hook("hook", &receiver, digest)));
    page(&daemon, 1, 2);
    wait_for("those that go by themselves", || {
        (receiver.seen().len() == 2).then_some(())
    });
    receiver.always(Some(Answer::Status(503)));
    page(&daemon, 10, 3);
    let digests = || -> Vec<Value> {
        let seen = receiver.seen();
        let events = seen.iter().map(super::receivers::http::Seen::json);
        events
            .filter(|event| event["type"] == "pentamer.digest.v1")
            .collect()
    };
    wait_for("a digest that fails", || {
        (digests().len() >= 2).then_some(())
    });
    let home = daemon.kill();
    receiver.always(None);
    let daemon = Pentamer::start(home);
    daemon.settle();
    let digests = digests();
    let last = digests.last().expect("one");
    assert_eq!(last["data"]["count"], 3);
    assert!(
        digests.iter().all(|event| event["id"] == last["id"]),
        "the same id at each try"
    );
}
