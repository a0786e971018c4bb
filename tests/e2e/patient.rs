//! A patient over HTTP and by `pentamer patient`, and the undo of a merge.

use super::harness::{Home, Pentamer, command, low_igm, panel, wait_for};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Output;

/// In every place where a patient's data can stand.
const MARKER: &str = "ZZPHIZZ";

struct Reply {
    status: u16,
    head: String,
    json: Value,
}

/// One request, written by hand: what is sent is what is tested.
fn ask(daemon: &Pentamer, method: &str, path: &str, headers: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(daemon.http).expect("connected");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    Reply {
        status: head
            .split(' ')
            .nth(1)
            .expect("a status")
            .parse()
            .expect("a number"),
        head: head.to_ascii_lowercase(),
        json: serde_json::from_str(body).unwrap_or_default(),
    }
}

fn host(daemon: &Pentamer) -> String {
    format!("Host: {}\r\n", daemon.http)
}

fn path(key: &str) -> String {
    format!("/api/v1/patients/{}", key.replace(':', "%3A"))
}

fn get(daemon: &Pentamer, key: &str) -> Reply {
    ask(daemon, "GET", &path(key), &host(daemon), "")
}

fn unmerge(daemon: &Pentamer, key: &str, body: &Value) -> Reply {
    let headers = format!("{}Content-Type: application/json\r\n", host(daemon));
    let path = path(key) + "/unmerge";
    ask(daemon, "POST", &path, &headers, &body.to_string())
}

fn merge(control_id: &str, prior: &str, survivor: &str) -> String {
    let now = jiff::Timestamp::now()
        .strftime("%Y%m%d%H%M%S+0000")
        .to_string();
    format!(
        "MSH|^~\\&|ADT|HOSP|PENT|IMM|{now}||ADT^A40^ADT_A39|{control_id}|P|2.5.1\r\
         EVN||{now}\r\
         PID|1||{survivor}^^^HOSP^MR||{MARKER}^JANE||19800101|F\r\
         MRG|{prior}^^^HOSP^MR\r"
    )
}

fn send(daemon: &Pentamer, messages: &[String]) {
    let mut sender = daemon.connect();
    for message in messages {
        assert_eq!(sender.exchange(message), "AA");
    }
    daemon.settle();
}

fn members(patient: &Value) -> Vec<&str> {
    let identities = patient["identities"].as_array().expect("identities");
    identities
        .iter()
        .map(|one| one["key"].as_str().expect("a key"))
        .collect()
}

fn orders(patient: &Value) -> Vec<&str> {
    let results = patient["results"].as_array().expect("results");
    let igm = results.iter().filter(|row| row["analyte"] == "IgM");
    igm.map(|row| row["order"].as_str().expect("an order"))
        .collect()
}

fn kinds(patient: &Value) -> Vec<&str> {
    let episodes = patient["episodes"].as_array().expect("episodes");
    episodes
        .iter()
        .flat_map(|one| one["transitions"].as_array().expect("transitions"))
        .map(|step| step["kind"].as_str().expect("a kind"))
        .collect()
}

fn run(daemon: &Pentamer, args: &[&str]) -> Output {
    let server = format!("http://{}", daemon.http);
    let mut command = command();
    command
        .arg("patient")
        .args(args)
        .args(["--server", &server]);
    command.output().expect("ran")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Both ids of a merged patient show one person, the undo parts them for good, and what was told of
/// the wrong one is taken back.
#[test]
pub fn a_merge_is_shown_undone_and_stays_undone() {
    let daemon = Pentamer::start_default();
    let (wrong, right) = (format!("{MARKER}1"), format!("{MARKER}2"));
    let keys = [format!("HOSP:{wrong}"), format!("HOSP:{right}")];
    let merged = merge("m1", &wrong, &right);
    send(
        &daemon,
        &[
            merged.clone(),
            low_igm("1", &wrong).replace("DOE", MARKER),
            panel("2", &right, "", "11.0", "2.0").replace("DOE", MARKER),
        ],
    );
    for key in &keys {
        let Reply { status, json, head } = get(&daemon, key);
        assert_eq!(status, 200);
        assert!(head.contains("content-type: application/json"), "{head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert_eq!(json["key"], *keys[1], "the survivor");
        assert_eq!(members(&json), [&*keys[1], &*keys[0]]);
        assert_eq!(json["classification"], "isolated_low_igm");
        assert_eq!(kinds(&json), ["detected"]);
        assert_eq!(json["episodes"][0]["open"], true);
        assert_eq!(json["episodes"][0]["transitions"][0]["about"], *keys[1]);
        assert!(orders(&json).contains(&"F1"));
        let alert = &daemon.home.alerts()[0];
        assert_eq!(
            json["episodes"][0]["transitions"][0]["alert_id"],
            alert["id"]
        );
    }

    let reply = unmerge(
        &daemon,
        &keys[1],
        &json!({"from": keys[0], "comment": format!("two persons {MARKER}")}),
    );
    assert_eq!(reply.status, 200, "{}", reply.json);
    assert_eq!(reply.json["folded"], true);
    assert_eq!(reply.json["undone"][0]["by"], "local");
    // Folded when it is answered: nothing is to be waited for.
    let parted = get(&daemon, &keys[0]).json;
    assert_eq!(members(&parted), [&*keys[0]]);
    daemon.settle();
    let home = daemon.kill();
    let daemon = Pentamer::start(home);
    // A copy of the merge does not bring it back.
    send(&daemon, &[merged.replacen("|m1|", "|m2|", 1)]);
    let parted = get(&daemon, &keys[0]).json;
    assert_eq!(parted["key"], *keys[0]);
    assert_eq!(members(&parted), [&*keys[0]]);
    assert!(orders(&parted).contains(&"F1"));
    let event = &parted["identity_events"][0];
    assert_eq!(event["why_not"], "undone");
    assert_eq!(event["undone"]["comment"], format!("two persons {MARKER}"));
    assert_eq!(parted["classification"], "isolated_low_igm");
    assert_eq!(parted["episodes"][0]["open"], true);
    let other = get(&daemon, &keys[1]).json;
    assert_eq!(members(&other), [&*keys[1]]);
    assert!(!orders(&other).contains(&"F1"));
    assert_ne!(other["classification"], "isolated_low_igm");
    wait_for("the three alerts", || {
        let mut told: Vec<String> = daemon
            .home
            .alerts()
            .iter()
            .map(|alert| {
                format!(
                    "{} {}",
                    alert["data"]["kind"], alert["data"]["patient"]["id"]
                )
            })
            .collect();
        told.dedup();
        (told
            == [
                format!("\"detected\" \"{right}\""),
                format!("\"retracted\" \"{right}\""),
                format!("\"detected\" \"{wrong}\""),
            ])
        .then_some(())
    });
    // What is undone is no merge.
    let again = unmerge(
        &daemon,
        &keys[1],
        &json!({"from": keys[0], "comment": "again"}),
    );
    assert_eq!(again.status, 404);
    let (home, status) = daemon.stop();
    assert!(status.success());
    assert!(!home.log().contains(MARKER), "a patient's data in the log");
    crate::offline::assert_rebuild_equals_cache(&home.data());
}

#[test]
fn what_cannot_be_undone_or_found_is_a_problem() {
    let daemon = Pentamer::start_default();
    send(
        &daemon,
        &[low_igm("1", "1"), low_igm("2", "2"), merge("m", "3", "1")],
    );
    let refused = |reply: Reply, status: u16| {
        assert_eq!(reply.status, status, "{}", reply.json);
        assert!(
            reply.head.contains("application/problem+json"),
            "{}",
            reply.head
        );
        assert_eq!(reply.json["status"], status);
        assert!(!reply.json["detail"].as_str().expect("words").is_empty());
    };
    refused(get(&daemon, "HOSP:nobody"), 404);
    refused(get(&daemon, "nocolon"), 400);
    refused(
        ask(
            &daemon,
            "GET",
            "/api/v1/patients/%FF%3A1",
            &host(&daemon),
            "",
        ),
        400,
    );
    let body = |from: &str, comment: &str| json!({"from": from, "comment": comment});
    refused(
        unmerge(&daemon, "HOSP:1", &body("HOSP:2", "never merged")),
        404,
    );
    refused(unmerge(&daemon, "HOSP:nobody", &body("HOSP:2", "x")), 404);
    refused(unmerge(&daemon, "HOSP:1", &body("HOSP:nobody", "x")), 404);
    refused(unmerge(&daemon, "HOSP:1", &body("HOSP:1", "x")), 404);
    refused(unmerge(&daemon, "HOSP:1", &body("HOSP:3", " \t ")), 422);
    refused(unmerge(&daemon, "HOSP:1", &json!({"from": "HOSP:3"})), 422);
    refused(unmerge(&daemon, "HOSP:1", &json!({"comment": "x"})), 422);
    refused(
        unmerge(&daemon, "HOSP:1", &json!({"from": 3, "comment": "x"})),
        422,
    );
    refused(
        unmerge(&daemon, "HOSP:1", &body("HOSP:3", &"x".repeat(5_000))),
        422,
    );
    refused(
        unmerge(&daemon, "HOSP:1", &body("HOSP:3", &"x".repeat(100_000))),
        413,
    );
    let post = |headers: &str, body: &str| {
        ask(
            &daemon,
            "POST",
            &(path("HOSP:1") + "/unmerge"),
            headers,
            body,
        )
    };
    let whole = body("HOSP:3", "x").to_string();
    refused(post(&host(&daemon), &whole), 415);
    refused(
        post(&(host(&daemon) + "Content-Type: text/plain\r\n"), &whole),
        415,
    );
    let json = "Content-Type: application/json\r\n";
    refused(post(&(host(&daemon) + json), "{"), 400);
    for foreign in [
        "Host: evil.example\r\n".to_owned(),
        format!("{}Origin: http://evil.example\r\n", host(&daemon)),
        format!("{}Origin: null\r\n", host(&daemon)),
    ] {
        refused(post(&(foreign.clone() + json), &whole), 403);
        refused(ask(&daemon, "GET", &path("HOSP:1"), &foreign, ""), 403);
    }
    // None of it did anything.
    assert_eq!(members(&get(&daemon, "HOSP:3").json), ["HOSP:1", "HOSP:3"]);
    let own = format!("{}Origin: http://{}\r\n{json}", host(&daemon), daemon.http);
    assert_eq!(post(&own, &whole).status, 200);
}

#[test]
fn the_command_shows_a_patient_and_takes_back_a_merge() {
    let daemon = Pentamer::start_default();
    send(&daemon, &[low_igm("1", "1"), merge("m", "1", "2")]);
    let shown = run(&daemon, &["HOSP:1"]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let said = text(&shown.stdout);
    for part in [
        "patient HOSP:2",
        "HOSP:1: merged into HOSP:2",
        "isolated_low_igm (complete, routine), rule R8",
        "1. detected (routine, page)",
        "0.21 g/L",
        "0.4-2.3 (OBX-7)",
        "journal position",
        "the verdict is about it",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
    let output = run(&daemon, &["HOSP:2", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["key"], "HOSP:2");

    let blank = run(
        &daemon,
        &["unmerge", "HOSP:2", "--from", "HOSP:1", "--comment", " "],
    );
    assert_eq!(blank.status.code(), Some(2));
    let never = run(
        &daemon,
        &["unmerge", "HOSP:2", "--from", "HOSP:9", "--comment", "x"],
    );
    assert_eq!(never.status.code(), Some(1), "{}", text(&never.stderr));
    let undone = run(
        &daemon,
        &[
            "unmerge",
            "HOSP:2",
            "--from",
            "HOSP:1",
            "--comment",
            "two persons",
            "--by",
            "ward 3",
        ],
    );
    assert!(undone.status.success(), "{}", text(&undone.stderr));
    assert!(text(&undone.stdout).contains("HOSP:1 was merged into HOSP:2"));
    let said = text(&run(&daemon, &["HOSP:1"]).stdout);
    for part in [
        "patient HOSP:1",
        "took this merge back",
        "by ward 3",
        "two persons",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }

    let unknown = run(&daemon, &["HOSP:nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("nothing was ever reported"));
    assert_eq!(run(&daemon, &["nocolon"]).status.code(), Some(2));
    assert_eq!(run(&daemon, &[]).status.code(), Some(2));
}

#[test]
fn the_command_says_when_no_daemon_answers() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = free.local_addr().expect("an address");
    drop(free);
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("pentamer.toml");
    std::fs::write(&config, format!("[http]\nbind = \"{address}\"\n")).expect("written");
    let config = config.to_str().expect("text");
    let code = |args: &[&str]| {
        let output = command().arg("patient").args(args).output().expect("ran");
        (output.status.code(), text(&output.stderr))
    };
    let (status, said) = code(&["HOSP:1", "--config", config]);
    assert_eq!(status, Some(75), "{said}");
    assert!(
        said.contains(&address.to_string()) && said.contains("is it running"),
        "{said}"
    );
    assert!(!said.contains("HOSP"), "no patient in a diagnosis: {said}");
    let (status, said) = code(&["HOSP:1", "--server", "ftp://localhost"]);
    assert_eq!(status, Some(2), "{said}");
    assert_eq!(code(&["HOSP:1", "--config", "/does/not/exist"]).0, Some(2));
}

#[test]
fn only_loopback_may_serve_patients() {
    let home = Home::new("", "");
    let config = home.config();
    let wrong = std::fs::read_to_string(&config).expect("read").replace(
        "[http]\nbind = \"127.0.0.1:0\"",
        "[http]\nbind = \"0.0.0.0:0\"",
    );
    std::fs::write(&config, wrong).expect("written");
    let output = command()
        .args(["run", "--config", config.to_str().expect("text")])
        .output()
        .expect("ran");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("only loopback"),
        "{}",
        text(&output.stderr)
    );
}
