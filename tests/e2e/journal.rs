//! `pentamer journal` as a person types it, on stopped directories and beside a running daemon.

use super::harness::{Home, Pentamer, command, framed, low_igm, panel};
use base64::Engine as _;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

pub fn journal(args: &[&str], data: &Path) -> Output {
    command()
        .arg("journal")
        .args(args)
        .arg("--data")
        .arg(data)
        .output()
        .expect("ran")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

fn raw(line: &Value) -> Vec<u8> {
    let text = line["raw"].as_str().expect("text");
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64")
}

fn ids(home: &Home) -> BTreeSet<String> {
    let alerts = home.alerts();
    let id = |alert: &Value| alert["id"].as_str().expect("id").to_owned();
    alerts.iter().map(id).collect()
}

/// The exact bytes, one line a message, a batch's messages with a common frame; beside the daemon and
/// after it has stopped.
#[test]
fn export_gives_what_came_and_verify_counts_it() {
    let daemon = Pentamer::start_default();
    let odd = low_igm("1", "1").replace("JANE", "JANÉ\u{7f}");
    assert_eq!(daemon.connect().exchange(&odd), "AA");
    let batch = format!(
        "BHS|^~\\&|LAB\r{}{}BTS|2\r",
        low_igm("2", "2"),
        low_igm("3", "3").replace("ORU^R01^ORU_R01", "ORU^W01")
    );
    let mut sender = daemon.connect();
    sender.send(&framed(&batch));
    sender.answer().expect("an answer");
    assert_eq!(
        daemon
            .connect()
            .exchange(&low_igm("1", "1").replace("JANE", "JANÉ\u{7f}")),
        "AA"
    );
    let mut sender = daemon.connect();
    sender.send(b"\x0bhello\x1c\r");
    sender.answer();
    daemon.settle();
    let beside = journal(&["export"], &daemon.home.data());
    assert!(beside.status.success(), "{}", text(&beside.stderr));
    let verified = journal(&["verify"], &daemon.home.data());
    assert!(verified.status.success(), "{}", text(&verified.stdout));
    let (home, _) = daemon.stop();
    let after = journal(&["export"], &home.data());
    assert_eq!(
        text(&after.stdout),
        text(&beside.stdout),
        "the same beside a daemon"
    );
    let found = lines(&after);
    let said: Vec<_> = found
        .iter()
        .map(|line| line["control_id"].clone())
        .collect();
    assert_eq!(said, ["1", "2", "3"], "a copy is no message of its own");
    assert_eq!(raw(&found[0]), odd.as_bytes());
    for key in [
        "position",
        "received_at",
        "listener",
        "peer",
        "control_id",
        "raw",
    ] {
        assert!(!found[0][key].is_null(), "{key}");
    }
    assert_eq!(found[1]["frame"], found[2]["frame"]);
    assert_ne!(found[0]["frame"], found[1]["frame"]);
    assert!(raw(&found[2]).starts_with(b"MSH|"));
    assert!(found[0].get("reason").is_none());

    let select = |args: &[&str]| lines(&journal(&[&["export"], args].concat(), &home.data()));
    assert_eq!(select(&["--control-id", "2"]).len(), 1);
    assert_eq!(select(&["--type", "ORU^R01"]).len(), 2);
    assert_eq!(select(&["--feed", "LAB/HOSP"]).len(), 3);
    assert_eq!(select(&["--feed", "OTHER"]).len(), 0);
    assert_eq!(select(&["--to", "2001-01-01"]).len(), 0);
    assert_eq!(select(&["--from", "2001-01-01"]).len(), 3);
    let quarantine = select(&["--quarantine"]);
    assert_eq!(quarantine.len(), 4);
    let fragment = quarantine.last().expect("a line");
    assert_eq!(raw(fragment), b"hello");
    assert_eq!(fragment["reason"], "unreadable_msh");

    let said = text(&journal(&["verify"], &home.data()).stdout);
    for part in [
        "received        3",
        "seen_again      1",
        "refused         1",
        "good",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
}

#[test]
fn an_export_sent_again_gives_the_same_state() {
    let first = Pentamer::start_default();
    let mut sender = first.connect();
    for number in 0..5 {
        let id = number.to_string();
        assert_eq!(sender.exchange(&low_igm(&id, &id)), "AA");
    }
    // None that would be decided together with another or not, as it happens.
    let well = panel("9", "5", "1.1", "11.0", "2.0");
    assert_eq!(sender.exchange(&well), "AA");
    first.settle();
    let patient = |daemon: &Pentamer, id: usize| -> Value {
        let (status, body) = daemon.get(&format!("/api/v1/patients/HOSP%3A{id}"));
        assert_eq!(status, 200);
        let mut seen: Value = serde_json::from_str(&body).expect("JSON");
        // When it came, and where it stands in the journal, is another matter.
        forget(
            &mut seen,
            &[
                "received_at",
                "position",
                "at",
                "peer",
                "opened_at",
                "decided_at",
                "through",
                "positions",
            ],
        );
        seen
    };
    let expected: Vec<_> = (0..6).map(|id| patient(&first, id)).collect();
    let (home, _) = first.stop();
    for format in ["mllp", "files"] {
        let out = home.path().join(format);
        let out = out.to_str().expect("text");
        let written = journal(&["export", "--format", format, "--out", out], &home.data());
        assert!(written.status.success(), "{}", text(&written.stderr));
        let second = Pentamer::start_default();
        let address = second.mllp.to_string();
        let sent = command()
            .args(["send", &address, out])
            .output()
            .expect("ran");
        assert!(sent.status.success(), "{}", text(&sent.stdout));
        second.settle();
        assert_eq!(ids(&second.home), ids(&home));
        for (id, expected) in expected.iter().enumerate() {
            let found = patient(&second, id);
            let differs = difference(expected, &found);
            assert_eq!(differs, None, "{format}: patient {id}");
        }
    }
}

/// The first place where two differ.
fn difference(left: &Value, right: &Value) -> Option<String> {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            a.iter().find_map(|(key, value)| {
                let below = difference(value, b.get(key).unwrap_or(&Value::Null))?;
                Some(format!("{key}.{below}"))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(at, (a, b))| Some(format!("{at}.{}", difference(a, b)?))),
        _ => (left != right).then(|| format!(" {left} and {right}")),
    }
}

fn forget(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| !keys.contains(&key.as_str()));
            object.values_mut().for_each(|value| forget(value, keys));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| forget(value, keys)),
        _ => {}
    }
}

#[test]
fn what_is_exported_is_for_its_owner_only_and_whole_or_not_there() {
    use std::os::unix::fs::PermissionsExt;
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    let (home, _) = daemon.stop();
    let out = home.path().join("out.jsonl");
    let output = journal(
        &["export", "--out", out.to_str().expect("text")],
        &home.data(),
    );
    assert!(output.status.success() && output.stdout.is_empty());
    let mode = std::fs::metadata(&out).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!home.path().join("out.jsonl.part").exists());
    let output = journal(&["export", "--out", "/nowhere/x"], &home.data());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("help:"));
    let output = journal(&["export", "--format", "files"], &home.data());
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_place_without_a_journal_is_said_to_be_none() {
    let dir = tempfile::tempdir().expect("a directory");
    for action in ["verify", "export", "rebuild"] {
        let output = journal(&[action], dir.path());
        assert_eq!(output.status.code(), Some(3), "{action}");
        let said = text(&output.stderr);
        assert!(said.contains("help:") && said.contains("journal"), "{said}");
    }
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("listed").count(),
        0,
        "nothing is made"
    );
}

#[test]
fn rebuild_is_refused_while_a_daemon_works_and_makes_the_same_cache_when_it_does_not() {
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    for number in 0..5 {
        let id = number.to_string();
        assert_eq!(sender.exchange(&low_igm(&id, &id)), "AA");
    }
    daemon.settle();
    let refused = journal(&["rebuild"], &daemon.home.data());
    assert_eq!(refused.status.code(), Some(3));
    let said = text(&refused.stderr);
    assert!(
        said.contains("in use by another process") && said.contains("stop it first"),
        "{said}"
    );
    let (home, _) = daemon.stop();
    let config = home.config();
    let rebuilt = command()
        .args(["journal", "rebuild", "--config"])
        .arg(config)
        .output()
        .expect("ran");
    assert!(rebuilt.status.success(), "{}", text(&rebuilt.stderr));
    assert!(
        text(&rebuilt.stdout).contains("folded"),
        "{}",
        text(&rebuilt.stdout)
    );
    let why = std::fs::read_to_string(home.data().join("cache.aside/why.txt")).expect("kept");
    assert!(why.contains("journal rebuild"), "{why}");
    crate::offline::assert_rebuild_equals_cache(&home.data());
    let told = home.alerts().len();
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), told);
    assert!(
        !daemon.home.log().contains("cache_rebuild"),
        "the daemon takes it"
    );
    let (_, status) = daemon.stop();
    assert!(status.success());
}

/// Beside a daemon that writes all the time, nothing looks damaged.
#[test]
fn verify_beside_a_daemon_under_load_finds_nothing() {
    let daemon = Pentamer::start(Home::new("", "").with_storage("segment_size = \"64 KiB\""));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (mut sender, stop) = (daemon.connect(), &stop);
            scope.spawn(move || {
                let mut number = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    number += 1;
                    let id = format!("{client}-{number}");
                    assert_eq!(sender.exchange(&low_igm(&id, &id)), "AA");
                }
            });
        }
        let looked: Vec<_> = (0..10)
            .map(|_| journal(&["verify"], &daemon.home.data()))
            .collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for output in looked {
            assert!(output.status.success(), "{}", text(&output.stdout));
        }
    });
}

#[test]
fn every_journal_command_has_help_with_an_example() {
    for args in [
        &["journal"][..],
        &["journal", "verify"],
        &["journal", "export"],
        &["journal", "rebuild"],
    ] {
        let output = command().args(args).arg("--help").output().expect("ran");
        assert!(output.status.success());
        let said = text(&output.stdout);
        assert!(
            said.contains("Example") && said.contains("Exit codes"),
            "{said}"
        );
    }
    let script = command()
        .args(["completions", "bash"])
        .output()
        .expect("ran");
    assert!(text(&script.stdout).contains("rebuild"));
}
