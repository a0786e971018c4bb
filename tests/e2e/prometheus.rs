//! What Prometheus itself says of our metrics and of the rules in docs/.

use super::harness::{Pentamer, low_igm};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// `promtool`, where `PENTAMER_PROMTOOL` names it.
fn promtool() -> Option<PathBuf> {
    let found = std::env::var_os("PENTAMER_PROMTOOL")
        .map(PathBuf::from)
        .filter(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: PENTAMER_PROMTOOL names no promtool (Debian: prometheus)");
    }
    found
}

fn check(promtool: &PathBuf, words: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(promtool)
        .arg("check")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(input.as_bytes()).expect("given");
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("ended");
    let said = [stdout, stderr].concat();
    (
        status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn promtool_finds_nothing_in_metrics_and_rules() {
    let Some(promtool) = promtool() else { return };
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("PROM", "4711")), "AA");
    daemon.settle();
    let (status, metrics) = daemon.get("/metrics");
    assert_eq!(status, 200);
    let (good, said) = check(&promtool, &["metrics"], &metrics);
    assert!(good && said.trim().is_empty(), "{said}");
    let (good, said) = check(&promtool, &["rules", "docs/prometheus-rules.yml"], "");
    assert!(good, "{said}");
    // It finds what is there to be found.
    let (good, _) = check(&promtool, &["metrics"], "pentamer-wrong 1\n");
    assert!(!good);
}
