//! The other commands as a person types them.

use super::harness::{Pentamer, command, low_igm, wait_for};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

fn run(args: &[&str]) -> Output {
    command().args(args).output().expect("ran")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn explain_tells_what_was_read_and_why() {
    let file = example("01-isolated-low-igm.hl7");
    let output = run(&["explain", file.to_str().expect("text")]);
    assert!(output.status.success());
    let said = text(&output.stdout);
    for part in [
        "IgM",
        "0.21 g/L",
        "isolated_low_igm",
        "complete",
        "R8",
        "OBX-7",
        "first time seen",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
    let output = run(&["explain", "--json", file.to_str().expect("text")]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["patients"][0]["classification"], "isolated_low_igm");
}

#[test]
fn explain_says_why_there_is_no_verdict() {
    for (name, parts) in [
        (
            "02-low-igm-with-low-igg.hl7",
            vec!["low_igm_with_low_igg", "R4"],
        ),
        ("04-infection-igm.hl7", vec!["no immunoglobulin result"]),
        (
            "05-unreadable-value.hl7",
            vec!["ambiguous_number", "OBX[1]-5", "decimal"],
        ),
    ] {
        let file = example(name);
        let output = run(&["explain", file.to_str().expect("text")]);
        let said = text(&output.stdout);
        for part in parts {
            assert!(
                said.contains(part),
                "{name}: `{part}` is missing in\n{said}"
            );
        }
    }
}

#[test]
fn explain_reads_standard_input_and_refuses_what_is_no_message() {
    use std::io::Write;
    let mut child = command()
        .args(["explain", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"hello world")
        .expect("written");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("MSH"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn send_gives_the_first_alert() {
    let daemon = Pentamer::start_default();
    let file = example("01-isolated-low-igm.hl7");
    let output = run(&[
        "send",
        &daemon.mllp.to_string(),
        file.to_str().expect("text"),
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    wait_for("the alert", || {
        (!daemon.home.alerts().is_empty()).then_some(())
    });
    let alert = &daemon.home.alerts()[0];
    assert_eq!(alert["type"], "pentamer.alert.detected.v1");
    assert_eq!(alert["data"]["patient"]["id"], "100001");
    assert_eq!(alert["data"]["patient"].get("name"), None);
}

#[test]
fn send_takes_the_messages_of_a_folder_in_the_order_of_their_names() {
    let daemon = Pentamer::start_default();
    let dir = tempfile::tempdir().expect("a directory");
    let inner = dir.path().join("b");
    std::fs::create_dir(&inner).expect("made");
    std::fs::write(dir.path().join("list.tsv"), "no\tmessage").expect("written");
    let message = |id: &str| {
        format!(
            "MSH|^~\\&|LAB|HOSP|||20261101||ORU^R01|{id}|P|2.5.1\rPID|1||9^^^HOSP\rOBR|1||F9|X\r"
        )
    };
    std::fs::write(dir.path().join("c.hl7"), message("THIRD")).expect("written");
    std::fs::write(inner.join("2.hl7"), message("SECOND")).expect("written");
    std::fs::write(inner.join("1.hl7"), message("FIRST")).expect("written");
    let folder = dir.path().to_str().expect("text");
    let output = run(&["send", &daemon.mllp.to_string(), folder]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("accepted    3 (AA 3)"));
    assert!(text(&output.stderr).contains("passed over: 1 files without a message"));
    let (home, _) = daemon.stop();
    let expected = ["FIRST", "SECOND", "THIRD"].map(|id| message(id).into_bytes());
    assert_eq!(crate::offline::messages(&home.data()), expected);

    let empty = tempfile::tempdir().expect("a directory");
    let output = run(&["send", "127.0.0.1:1", empty.path().to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the folder holds no file with a message"));
}

#[test]
fn send_fails_when_a_message_is_not_accepted() {
    let daemon = Pentamer::start_default();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("wrong.hl7");
    std::fs::write(&file, "hello world").expect("written");
    let output = run(&[
        "send",
        &daemon.mllp.to_string(),
        "--whole",
        file.to_str().expect("text"),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
}

#[test]
fn demo_shows_every_kind_of_outcome_and_ends() {
    let output = run(&["demo", "--pace", "1ms", "--once"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", text(&output.stderr));
    for part in [
        "http://127.0.0.1:",
        "detected",
        "low_igm_with_low_igg",
        "retracted",
        "duplicate",
        "not one of ours",
        "ambiguous_number",
        "urgent",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
}

#[test]
fn check_names_every_error_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pentamer.toml");
    let wrong =
        "[[listener]]\nname = \"lab\"\nbidn = \"127.0.0.1:1\"\n[storage]\nreserve = \"lots\"\n";
    std::fs::write(&file, wrong).expect("written");
    let output = run(&["check", "--config", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr) + &text(&output.stdout);
    for part in [
        "bidn",
        "`bind`",
        "pentamer.toml:3",
        "pentamer.toml:5",
        "reserve",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
    let reference = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/pentamer.toml");
    let output = run(&["check", "--config", reference.to_str().expect("text")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn every_command_has_help_with_an_example() {
    for name in [
        "run",
        "demo",
        "check",
        "send",
        "explain",
        "patient",
        "journal",
        "completions",
    ] {
        let output = run(&[name, "--help"]);
        assert!(output.status.success());
        let said = text(&output.stdout);
        assert!(
            said.contains("Example") && said.contains("pentamer"),
            "{name}: {said}"
        );
    }
    assert_eq!(run(&["no-such-command"]).status.code(), Some(2));
}

#[test]
fn urgent_pages_today() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    wait_for("the alert", || {
        (!daemon.home.alerts().is_empty()).then_some(())
    });
    assert_eq!(
        daemon.home.alerts()[0]["data"]["delivery"],
        "page",
        "collected today"
    );
}
