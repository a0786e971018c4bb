//! `pentamer messages` and `pentamer quarantine` against the running daemon, and all commands over TLS.

use super::super::harness::{Home, Pentamer, command, framed, low_igm, wait_for};
use super::super::tls::{self, Authority};
use super::pages::indexed;
use super::{PASSWORD, users};
use serde_json::Value;
use std::io::{Read, Write};
use std::process::Output;

fn run(daemon: &Pentamer, words: &[&str]) -> Output {
    let server = format!("http://{}", daemon.http);
    let mut asked = command();
    asked.args(words).args(["--server", &server]);
    asked.output().expect("run")
}

fn text(daemon: &Pentamer, words: &[&str]) -> String {
    let output = run(daemon, words);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

fn told(daemon: &Pentamer, words: &[&str]) -> Value {
    serde_json::from_str(&text(daemon, &[words, &["--json"]].concat())).expect("JSON")
}

#[test]
fn messages_are_searched_shown_written_and_sent_again() {
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    let message = low_igm("CLI1", "4711");
    assert_eq!(sender.exchange(&message), "AA");
    assert_eq!(sender.exchange(&low_igm("CLI2", "4712")), "AA");
    daemon.settle();
    indexed(&daemon, 2);
    let all = told(&daemon, &["messages"]);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    let found = told(
        &daemon,
        &["messages", "--patient", "HOSP:4711", "--type", "ORU"],
    );
    assert_eq!(found["items"][0]["control_id"], "CLI1");
    let position = found["items"][0]["position"].to_string();
    let line = text(&daemon, &["messages", "--control-id", "CLI1"]);
    assert!(
        line.contains("paged") && line.contains("LAB/HOSP") && line.contains("4711"),
        "{line}"
    );
    assert_eq!(
        text(&daemon, &["messages", "--outcome", "ignored"]),
        "no messages\n"
    );
    let shown = text(&daemon, &["messages", "show", &position]);
    for part in [
        "taken for results",
        "OBX[1] ",
        "2472-9^IgM^LN",
        "patient HOSP:4711",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(text(&daemon, &["messages", "raw", &position]), message);
    assert!(text(&daemon, &["messages", "again", &position]).contains("read"));
    let missing = run(&daemon, &["messages", "show", "99999"]);
    assert_eq!(missing.status.code(), Some(1));
    let says = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        says.contains("no message is kept at this position"),
        "{says}"
    );
    let wrong = run(&daemon, &["messages", "--outcome", "lost"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_code_is_mapped_and_its_messages_are_read_again() {
    let daemon = Pentamer::start_default();
    for n in 1..=3 {
        let message = low_igm(&format!("Q{n}"), &format!("800{n}"));
        let message = message.replace("2472-9^IgM^LN", "IMMM^Immunoglobulin M^L");
        assert_eq!(daemon.connect().exchange(&message), "AA");
    }
    daemon.settle();
    assert!(daemon.home.alerts().is_empty());
    let list = told(&daemon, &["quarantine", "--reason", "unknown_code"]);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(3));
    let line = text(&daemon, &["quarantine"]);
    assert!(
        line.contains("unknown_code at OBX[1]-3") && line.contains("[[analyte]]"),
        "{line}"
    );
    assert_eq!(
        text(&daemon, &["quarantine", "--reason", "no_unit"]),
        "everything was understood\n"
    );
    let nothing = run(&daemon, &["quarantine", "retry"]);
    assert_eq!(nothing.status.code(), Some(2));
    // As long as nothing is changed, it stays there, once.
    let words = ["quarantine", "retry", "--all", "--reason", "unknown_code"];
    assert_eq!(text(&daemon, &words).lines().count(), 3);
    daemon.settle();
    let list = told(&daemon, &["quarantine"]);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(3));
    let config = std::fs::read_to_string(daemon.home.config()).expect("read");
    let row =
        "[[analyte]]\nanalyte = \"IgM\"\nsystem = \"L\"\ncode = \"IMMM\"\nfeed = \"LAB/HOSP\"\n";
    let file = daemon.home.path().join("pentamer.toml");
    std::fs::write(file, format!("{config}\n{row}")).expect("written");
    daemon.signal(rustix::process::Signal::HUP);
    wait_for("the reload", || {
        daemon.home.log().contains("\"reloaded\"").then_some(())
    });
    daemon.settle();
    // What is understood now is no longer there, and pages nobody by itself.
    assert_eq!(
        text(&daemon, &["quarantine"]),
        "everything was understood\n"
    );
    assert!(daemon.home.alerts().is_empty());
    let found = told(&daemon, &["messages", "--control-id", "Q1"]);
    let position = found["items"][0]["position"].to_string();
    text(&daemon, &["messages", "again", &position]);
    wait_for("a page", || (daemon.home.alerts().len() == 1).then_some(()));
}

#[test]
fn commands_and_pages_over_tls() {
    let home = Home::new("", "");
    let (authority, other) = (Authority::new(), Authority::new());
    std::fs::write(home.path().join("ca.pem"), authority.pem()).expect("written");
    std::fs::write(home.path().join("other.pem"), other.pem()).expect("written");
    let files = authority
        .issue("localhost", 2090)
        .write(home.path(), "server");
    let strange = other.issue("localhost", 2090).write(home.path(), "strange");
    let (keys, [viewer, ..]) = users();
    std::fs::write(home.path().join("token"), format!("{viewer}\n")).expect("written");
    let daemon = Pentamer::begin(home.with_http(&format!("tls = {{ {files} }}\n{keys}")));
    let file = |name: &str| daemon.home.path().join(name).display().to_string();
    let server = format!("https://localhost:{}", daemon.http.port());
    let ask = |words: &[&str]| {
        let mut asked = command();
        asked.args(["alerts", "--json", "--token-file", &file("token")]);
        asked.args(words).output().expect("run")
    };
    let with_ca = ["--server", &server, "--ca-file", &file("ca.pem")];
    let answer = wait_for("the daemon", || {
        let answer = ask(&with_ca);
        answer.status.success().then_some(answer)
    });
    assert!(String::from_utf8_lossy(&answer.stdout).contains("\"items\""));
    // A stranger's authority, the system's, and no TLS at all.
    let strangers = ["--server", &server, "--ca-file", &file("other.pem")];
    let plain = format!("http://localhost:{}", daemon.http.port());
    for words in [&strangers[..], &strangers[..2], &["--server", &plain]] {
        assert_eq!(ask(words).status.code(), Some(75), "{words:?}");
    }
    // By the configuration the certificate is known, whatever name it holds.
    for (files, code) in [(files, 0), (strange, 75)] {
        let config = file("ask.toml");
        let text = format!("[http]\nbind = \"{}\"\ntls = {{ {files} }}\n", daemon.http);
        std::fs::write(&config, text).expect("written");
        assert_eq!(ask(&["--config", &config]).status.code(), Some(code));
    }
    // The pages: the cookie goes over TLS only.
    let exchange = |request: &str| {
        let versions = rustls::DEFAULT_VERSIONS;
        let mut stream = tls::connect_to("localhost", daemon.http, &authority, None, versions);
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let host = format!(
        "Host: localhost:{}\r\nConnection: close\r\n",
        daemon.http.port()
    );
    let page = exchange(&format!("GET /sign-in HTTP/1.1\r\n{host}\r\n"));
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let head = page.to_ascii_lowercase();
    assert!(head.contains("strict-transport-security"), "{head}");
    let body = format!("name=viewer&password={}", PASSWORD.replace(' ', "+"));
    let entered = exchange(&format!(
        "POST /sign-in HTTP/1.1\r\n{host}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let entered = entered.to_ascii_lowercase();
    assert!(
        entered.contains("set-cookie:") && entered.contains("; secure"),
        "{entered}"
    );
    // The feed goes on.
    let mut sender = daemon.connect();
    sender.send(&framed(&low_igm("TLS1", "4711")));
    assert!(sender.answer().is_some());
}
