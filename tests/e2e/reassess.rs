//! `pentamer reassess`: after a change of the tables a person looks at what would be told, and has it told.

use super::harness::{Home, Pentamer, command, low_igm, panel, wait_for};
use serde_json::Value;
use std::process::Output;

fn run(daemon: &Pentamer, words: &[&str]) -> Output {
    let server = format!("http://{}", daemon.http);
    let mut asked = command();
    asked
        .arg("reassess")
        .args(words)
        .args(["--server", &server]);
    asked.output().expect("run")
}

fn said(daemon: &Pentamer, words: &[&str]) -> String {
    let output = run(daemon, words);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

/// Patient, kind and delivery of every alert.
fn told(daemon: &Pentamer) -> Vec<(String, String, String)> {
    let word = |alert: &Value, pointer: &str| {
        let found = alert.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let alerts = daemon.home.alerts();
    alerts
        .iter()
        .map(|alert| {
            (
                word(alert, "/data/patient/id"),
                word(alert, "/data/kind"),
                word(alert, "/data/delivery"),
            )
        })
        .collect()
}

const ROW: &str =
    "\n[[analyte]]\nanalyte = \"IgM\"\nsystem = \"L\"\ncode = \"IMMM\"\nfeed = \"LAB/HOSP\"\n";

#[test]
pub fn what_a_changed_table_finds_is_looked_at_first_and_told_when_asked() {
    let daemon = Pentamer::start(Home::new("", ""));
    for n in 1..=3 {
        let message = low_igm(&format!("R{n}"), &format!("900{n}"));
        let message = message.replace("2472-9^IgM^LN", "IMMM^Immunoglobulin M^L");
        assert_eq!(daemon.connect().exchange(&message), "AA");
    }
    assert_eq!(
        daemon
            .connect()
            .exchange(&panel("R4", "9004", "1.2", "11.0", "2.0")),
        "AA"
    );
    daemon.settle();
    assert!(said(&daemon, &[]).contains("4 patients looked at; something would be told of 0"));
    let text = std::fs::read_to_string(daemon.home.config()).expect("read");
    let file = daemon.home.path().join("pentamer.toml");
    std::fs::write(file, format!("{text}{ROW}")).expect("written");
    daemon.signal(rustix::process::Signal::HUP);
    wait_for("the reload", || {
        daemon.home.log().contains("\"reloaded\"").then_some(())
    });
    daemon.settle();
    // The preview tells, and nothing is told.
    let preview = said(&daemon, &[]);
    assert!(
        preview.contains("something would be told of 3"),
        "{preview}"
    );
    assert!(
        preview.contains("HOSP:9001  routine detected, page: "),
        "{preview}"
    );
    assert!(told(&daemon).is_empty());
    assert_eq!(run(&daemon, &["--tell"]).status.code(), Some(2));
    assert_eq!(
        run(&daemon, &["--tell", "--comment", " "]).status.code(),
        Some(2)
    );
    // One on the worklist: what else comes of this patient pages nobody for it.
    let one = [
        "--tell",
        "--patient",
        "HOSP:9001",
        "--comment",
        "new code",
        "--by",
        "me",
    ];
    assert!(said(&daemon, &one).contains("1 patients"));
    wait_for("the worklist", || (told(&daemon).len() == 1).then_some(()));
    let as_told =
        |id: &str, delivery: &str| (id.to_owned(), "detected".to_owned(), delivery.to_owned());
    assert_eq!(told(&daemon), [as_told("9001", "worklist")]);
    let other =
        low_igm("R5", "9001").replace("OBX|1|NM|2472-9^IgM^LN||0.21", "OBX|1|NM|2472-9^IgM^LN||");
    assert_eq!(daemon.connect().exchange(&other), "AA");
    daemon.settle();
    assert_eq!(told(&daemon).len(), 1, "{:?}", told(&daemon));
    // The others page, once.
    let rest = ["--tell", "--page", "--comment", "new code", "--by", "me"];
    assert!(said(&daemon, &rest).contains("2 patients"));
    wait_for("two pages", || (told(&daemon).len() == 3).then_some(()));
    let all = told(&daemon);
    assert!(all.contains(&as_told("9002", "page")) && all.contains(&as_told("9003", "page")));
    daemon.settle();
    assert!(said(&daemon, &rest).contains("nothing would be told"));
    // It is in the audit, and holds over a restart with nothing but the journal.
    let audit = daemon.get("/api/v1/audit?act=reassess").1;
    assert!(audit.contains("2 patients, page: true"), "{audit}");
    let (home, _) = daemon.stop();
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    let daemon = Pentamer::start(home.with_extra(ROW));
    daemon.settle();
    assert!(said(&daemon, &[]).contains("something would be told of 0"));
    assert_eq!(told(&daemon).len(), 3);
}
