//! The FHIR preset against the R4 models of the PyPI package `fhir.resources`, which `.ci/test` puts into
//! `target/fhir-python`.

use super::harness::{Home, Pentamer, low_igm};
use super::receivers::http::HttpReceiver;
use super::sinks::QUICK;
use std::io::Write;
use std::process::{Command, Stdio};

const VALIDATE: &str = r#"
import sys
from fhir.resources.R4B.bundle import Bundle
for line in sys.stdin:
    print(",".join(type(entry.resource).__name__ for entry in Bundle.model_validate_json(line).entry))
"#;

#[test]
fn every_bundle_is_a_valid_transaction_at_every_level() {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let python = std::path::Path::new(&target).join("fhir-python/bin/python");
    if !python.exists() {
        eprintln!(
            "not validated: {} is not there, see .ci/test",
            python.display()
        );
        return;
    }
    let receivers = [(); 3].map(|()| HttpReceiver::start());
    let mut extra = String::new();
    for (level, receiver) in ["none", "minimum", "full"].iter().zip(&receivers) {
        extra.push_str(&format!(
            "[[sink]]\nname = \"{level}\"\nkind = \"webhook\"\npreset = \"fhir\"\nurl = \"{}\"\nphi = \"{level}\"\n\
             heartbeat = \"1h\"\n{QUICK}",
            receiver.url()
        ));
    }
    let daemon = Pentamer::start(Home::new("", &extra));
    let low = low_igm("1", "1").replace("NM|2472-9^IgM^LN||0.21|", "SN|2472-9^IgM^LN||<^0.21|");
    assert_eq!(daemon.connect().exchange(&low), "AA");
    super::harness::wait_for("heartbeat and alert", || {
        receivers
            .iter()
            .all(|receiver| receiver.seen().len() == 2)
            .then_some(())
    });
    let mut child = Command::new(python)
        .args(["-c", VALIDATE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut input = child.stdin.take().expect("piped");
    for seen in receivers.iter().flat_map(HttpReceiver::seen) {
        assert_eq!(seen.headers["content-type"], "application/fhir+json");
        input.write_all(&seen.body).expect("written");
        input.write_all(b"\n").expect("written");
    }
    drop(input);
    let output = child.wait_with_output().expect("ended");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    let evidence = "Observation,Observation,Observation,DetectedIssue,Communication";
    let expected = [
        "Communication",
        "DetectedIssue,Communication",
        "Communication",
        evidence,
        "Communication",
        evidence,
    ];
    assert_eq!(lines, expected);
}
