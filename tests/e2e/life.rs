//! Starting, ending, dying and starting again.

use super::harness::{Home, Pentamer, command, framed, low_igm, panel, spawn, wait_for};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

fn kinds(home: &Home) -> Vec<String> {
    home.alerts()
        .iter()
        .map(|alert| alert["data"]["kind"].as_str().expect("kind").to_owned())
        .collect()
}

/// With no configuration at all: default ports, data here, an alert in `alerts.jsonl` and in the log.
#[test]
fn run_without_configuration() {
    let taken = [2575, 8025].map(|port| std::net::TcpListener::bind(("127.0.0.1", port)));
    if taken.iter().any(Result::is_err) {
        eprintln!("skipped: port 2575 or 8025 is in use on this machine");
        return;
    }
    drop(taken);
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = command()
        .arg("run")
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stream = wait_for("port 2575", || {
        assert!(child.try_wait().expect("waited").is_none(), "it ended");
        TcpStream::connect("127.0.0.1:2575").ok()
    });
    stream
        .write_all(&framed(&low_igm("1", "4711")))
        .expect("sent");
    let mut answer = [0_u8; 512];
    let length = stream.read(&mut answer).expect("an answer");
    assert!(String::from_utf8_lossy(&answer[..length]).contains("MSA|AA|1\r"));
    let alerts = dir.path().join("pentamer-data/alerts.jsonl");
    wait_for("the alert", || {
        std::fs::read_to_string(&alerts)
            .ok()
            .filter(|text| text.ends_with('\n'))
    });
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT)
        .expect("signalled");
    let output = child.wait_with_output().expect("ended");
    assert!(
        output.status.success(),
        "SIGINT ends with {}",
        output.status
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("127.0.0.1:2575") && said.contains("127.0.0.1:8025"),
        "{said}"
    );
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        log.contains("immunology alert") && log.contains("listening"),
        "{log}"
    );
    assert!(!log.contains("4711"), "no identifier in the log");
}

#[test]
pub fn sigterm_finishes_the_frame_under_way() {
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    let bytes = framed(&low_igm("2", "2"));
    let (first, rest) = bytes.split_at(100);
    // In one piece, and less than one read takes: once the first is answered, what follows it is read too.
    sender.send(&[framed(&low_igm("1", "1")).as_slice(), first].concat());
    let answer = sender.answer().expect("an answer");
    assert!(String::from_utf8_lossy(&answer).contains("MSA|AA|1\r"));
    wait_for("it to stop", || {
        daemon.signal(Signal::TERM);
        daemon.home.log().contains("\"stopping\"").then_some(())
    });
    sender.send(rest);
    let answer = sender.answer().expect("an answer");
    assert!(String::from_utf8_lossy(&answer).contains("MSA|AA|2\r"));
    assert_eq!(sender.answer(), None, "closed");
    let (home, status) = daemon.stop();
    assert!(status.success());
    assert_eq!(crate::offline::messages(&home.data()).len(), 2);
}

#[test]
fn sigterm_does_not_wait_for_idle_or_stalled_connections() {
    let daemon = Pentamer::start_default();
    let idle = daemon.connect();
    let mut stalled = daemon.connect();
    stalled.send(b"\x0bMSH|^~\\&|LAB");
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    let begun = std::time::Instant::now();
    let (_, status) = daemon.stop();
    assert!(status.success());
    assert!(
        begun.elapsed() < super::harness::DEADLINE,
        "ended by itself"
    );
    drop((idle, stalled));
}

#[test]
fn two_daemons_on_one_directory() {
    let daemon = Pentamer::start_default();
    let mut second = Home::new("", "");
    let config = daemon.home.config();
    let output = command()
        .arg("run")
        .arg("--config")
        .arg(&config)
        .output()
        .expect("ran");
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("error:") && text.contains("help:") && text.contains("lock"),
        "{text}"
    );
    second = std::mem::replace(&mut second, Home::new("", ""));
    drop(second);
    assert_eq!(
        daemon.connect().exchange(&low_igm("1", "1")),
        "AA",
        "the first is unharmed"
    );
}

#[test]
fn a_port_in_use_is_told_with_its_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let home = Home::new("", "");
    let config = home.config();
    let text = std::fs::read_to_string(&config).expect("read").replacen(
        "127.0.0.1:0",
        &taken.local_addr().expect("address").to_string(),
        1,
    );
    std::fs::write(&config, text).expect("written");
    let output = command()
        .arg("run")
        .arg("--config")
        .arg(&config)
        .output()
        .expect("ran");
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("cannot bind listener `lab`") && text.contains("ss -ltnp"),
        "{text}"
    );
}

#[test]
pub fn killed_and_started_again_nothing_is_lost_and_nobody_paged_twice() {
    let mut home = Home::new("", "");
    let mut acknowledged = 0;
    for round in 0..5 {
        let daemon = Pentamer::start(home);
        let mut sender = daemon.connect();
        for message in 0..20 {
            let id = format!("{round}-{message}");
            assert_eq!(sender.exchange(&low_igm(&id, &id)), "AA");
            acknowledged += 1;
        }
        home = daemon.kill();
    }
    let daemon = Pentamer::start(home);
    daemon.settle();
    wait_for("all alerts", || {
        let ids: std::collections::BTreeSet<String> = daemon
            .home
            .alerts()
            .iter()
            .map(|alert| alert["id"].to_string())
            .collect();
        (ids.len() >= acknowledged).then_some(())
    });
    let (home, status) = daemon.stop();
    assert!(status.success());
    assert_eq!(crate::offline::messages(&home.data()).len(), acknowledged);
    let mut ids: Vec<String> = home
        .alerts()
        .iter()
        .map(|alert| alert["id"].as_str().expect("id").to_owned())
        .collect();
    let lines = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), acknowledged, "one alert a patient");
    // A kill can repeat the send under way, with the same id; nothing else can.
    assert!(
        lines <= acknowledged + 5,
        "{lines} lines for {acknowledged} alerts"
    );
    crate::offline::assert_rebuild_equals_cache(&home.data());
}

#[test]
pub fn a_deleted_cache_is_rebuilt_and_pages_nobody() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let (home, _) = daemon.stop();
    assert_eq!(kinds(&home), ["detected"]);
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.wire("duplicate"), 0.0);
    assert_eq!(kinds(&daemon.home), ["detected"]);
    // What comes next is decided on what was known: the corrected value takes the alert back.
    let later = panel("1", "1", "1.1", "11.0", "2.0")
        .replace("|||F\r", "|||C\r")
        .replace("||||F\r", "||||C\r");
    let later = later.replacen("|1|P|2.5.1", "|1b|P|2.5.1", 1);
    assert_eq!(daemon.connect().exchange(&later), "AA");
    daemon.settle();
    assert_eq!(kinds(&daemon.home), ["detected", "retracted"]);
}

#[test]
fn a_damaged_cache_is_rebuilt() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let (home, _) = daemon.stop();
    for entry in std::fs::read_dir(home.data().join("cache")).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let mut bytes = std::fs::read(&path).expect("read");
            for byte in bytes.iter_mut().step_by(7) {
                *byte ^= 0xff;
            }
            std::fs::write(&path, bytes).expect("written");
        }
    }
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert!(daemon.home.log().contains("cache_rebuild"));
    assert_eq!(kinds(&daemon.home), ["detected"]);
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    daemon.settle();
    assert_eq!(kinds(&daemon.home), ["detected", "detected"]);
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("there").permissions().mode() & 0o777
    };
    let data = daemon.home.data();
    for dir in [data.clone(), data.join("journal"), data.join("cache")] {
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
    }
    assert_eq!(mode(&data.join("alerts.jsonl")), 0o600);
    for entry in std::fs::read_dir(data.join("journal")).expect("listed") {
        assert_eq!(mode(&entry.expect("an entry").path()), 0o600);
    }
}

#[test]
fn a_wrong_configuration_does_not_start() {
    let home = Home::new("framming = \"mllp1\"", "");
    let (mut child, home) = spawn(home);
    let status = child.wait().expect("ended");
    assert_eq!(status.code(), Some(2));
    let log = home.log();
    assert!(
        log.contains("framming") && log.contains("pentamer.toml:4"),
        "{log}"
    );
}

/// The fold fails inside: messages are taken and acknowledged all the same, `/readyz` says that
/// something is wrong, and what was missed is told when it is over.
#[cfg(feature = "failpoints")]
#[test]
fn a_failure_while_deciding_stops_neither_the_feed_nor_the_fold() {
    let daemon = Pentamer::start_default();
    daemon.home.switch_fault("decide-panic", true);
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    wait_for("/readyz to fail", || {
        (daemon.get("/readyz").0 == 503).then_some(())
    });
    assert_eq!(daemon.connect().exchange(&low_igm("2", "2")), "AA");
    assert!(daemon.home.alerts().is_empty());
    daemon.home.switch_fault("decide-panic", false);
    wait_for("both alerts", || {
        (daemon.home.alerts().len() == 2).then_some(())
    });
    daemon.settle();
    let (home, status) = daemon.stop();
    assert!(status.success());
    crate::offline::assert_rebuild_equals_cache(&home.data());
}
