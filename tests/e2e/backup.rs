//! Checkpoints, retention and backup with the real binary.

use super::harness::{Home, Pentamer, command, low_igm, panel, wait_for};
use std::fs;
use std::path::Path;

pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| {
            entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

/// A message padded so that a few hundred make some checkpoints.
pub fn padded(control_id: &str, patient: &str) -> String {
    let message = panel(control_id, patient, "1.1", "11.0", "2.0");
    format!("{message}NTE|1|L|{}\r", "padding ".repeat(500))
}

/// What the daemon of a restored copy must do: page nobody for old results, know its alerts, answer
/// what was stored before as a duplicate, and go on.
#[test]
fn a_backup_of_a_running_daemon_restores_all_that_counts() {
    let daemon = Pentamer::start(
        Home::new("", "").with_storage("segment_size = \"64 KiB\"\ncheckpoint_after = \"64 KiB\""),
    );
    let mut sender = daemon.connect();
    let first = low_igm("first", "4711");
    assert_eq!(sender.exchange(&first), "AA");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1);
    for n in 0..120 {
        assert_eq!(
            sender.exchange(&padded(&n.to_string(), &n.to_string())),
            "AA"
        );
    }
    daemon.settle();
    let checkpoints = daemon.home.data().join("checkpoints");
    wait_for("two checkpoints and a compressed segment", || {
        let kept = names(&checkpoints);
        let kept = kept.iter().filter(|name| name.ends_with(".ckpt")).count();
        let packed = names(&daemon.home.data().join("journal"));
        (kept == 2 && packed.iter().any(|name| name.ends_with(".segz"))).then_some(())
    });
    assert_eq!(sender.exchange(&low_igm("last", "4712")), "AA");
    daemon.settle();

    let restored = Home::new("", "");
    let output = command()
        .args(["backup", "--data"])
        .arg(daemon.home.data())
        .arg(restored.data())
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let again = command()
        .args(["backup", "--data"])
        .arg(daemon.home.data())
        .arg(restored.data())
        .output()
        .expect("ran");
    assert_eq!(again.status.code(), Some(2), "never into a full directory");
    assert_eq!(names(&restored.data().join("checkpoints")).len(), 1);
    drop(daemon);

    let daemon = Pentamer::start(restored);
    daemon.settle();
    assert!(daemon.home.log().contains("checkpoint_loaded"));
    let told = daemon.home.alerts();
    assert_eq!(
        told,
        Vec::<serde_json::Value>::new(),
        "nobody is paged again"
    );
    let (status, patient) = daemon.get("/api/v1/patients/HOSP%3A4711");
    assert_eq!(status, 200);
    assert!(patient.contains("detected"), "{patient}");
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&first), "AA");
    daemon.settle();
    let duplicates = daemon.metric("pentamer_messages_total", "outcome=\"duplicate\"");
    assert_eq!(duplicates, 1.0, "known by the checkpoint alone");
    assert_eq!(sender.exchange(&low_igm("new", "4713")), "AA");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1, "it goes on");
}

/// The same of a directory that no daemon works on; `--all` takes the old messages along.
#[test]
fn a_backup_of_a_stopped_directory_restores_too() {
    let often = "segment_size = \"64 KiB\"\ncheckpoint_after = \"64 KiB\"";
    let daemon = Pentamer::start(Home::new("", "").with_storage(often));
    let mut sender = daemon.connect();
    let first = low_igm("first", "4711");
    assert_eq!(sender.exchange(&first), "AA");
    daemon.settle();
    let checkpoints = daemon.home.data().join("checkpoints");
    let mut sent = 1;
    wait_for("two checkpoints", || {
        let id = sent.to_string();
        assert_eq!(sender.exchange(&padded(&id, &id)), "AA");
        sent += 1;
        let kept = names(&checkpoints);
        (kept.iter().filter(|name| name.ends_with(".ckpt")).count() == 2).then_some(())
    });
    let home = daemon.stop().0;
    let before = names(&home.data().join("journal"));
    for (all, oldest) in [(false, "0000000001"), (true, "")] {
        let restored = Home::new("", "");
        let mut backup = command();
        backup.args(["backup", "--data"]).arg(home.data());
        if all {
            backup.arg("--all");
        }
        let output = backup.arg(restored.data()).output().expect("ran");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        let copied = names(&restored.data().join("journal"));
        if all {
            assert_eq!(copied, before);
            let messages = crate::offline::messages(&restored.data()).len();
            assert_eq!(messages, sent, "every message is in it");
        } else {
            assert!(
                copied.len() < before.len(),
                "only what the checkpoint needs"
            );
            assert!(!copied[0].starts_with(oldest), "{copied:?}");
        }
        let verified = super::journal::journal(&["verify"], &restored.data());
        assert!(verified.status.success());
        let daemon = Pentamer::start(restored);
        daemon.settle();
        assert!(daemon.home.log().contains("checkpoint_loaded"));
        assert_eq!(daemon.home.alerts().len(), 0, "nobody is paged again");
        let patient = daemon.get("/api/v1/patients/HOSP%3A4711");
        assert_eq!((patient.0, patient.1.contains("detected")), (200, true));
        assert_eq!(daemon.connect().exchange(&first), "AA");
        daemon.settle();
        let duplicates = daemon.metric("pentamer_messages_total", "outcome=\"duplicate\"");
        assert_eq!(duplicates, 1.0);
    }
    assert_eq!(
        names(&home.data().join("journal")),
        before,
        "nothing is changed"
    );
}

/// Space returns: old segments go, what matters of them stays, and a lost cache is built without them.
#[test]
fn dropped_segments_are_not_missed() {
    let daemon = Pentamer::start(Home::new("", "").with_storage(
        "segment_size = \"64 KiB\"\ncheckpoint_after = \"64 KiB\"\nretention_size = \"1 B\"",
    ));
    let mut sender = daemon.connect();
    let first = low_igm("first", "4711");
    assert_eq!(sender.exchange(&first), "AA");
    daemon.settle();
    let journal = daemon.home.data().join("journal");
    let mut n = 0;
    wait_for("the first segments to go", || {
        n += 1;
        assert_eq!(sender.exchange(&padded(&n.to_string(), "7")), "AA");
        let there = names(&journal);
        let first = there.first().cloned().unwrap_or_default();
        (!first.starts_with("0000000001.") && !first.starts_with("0000000002.")).then_some(())
    });
    daemon.settle();
    wait_for("the operator to see since when facts are kept", || {
        (daemon.metric("pentamer_journal_oldest_position", "") > 1.0).then_some(())
    });
    let (home, status) = daemon.stop();
    assert!(status.success());
    fs::remove_dir_all(home.data().join("cache")).expect("removed");

    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1, "told once");
    assert!(!daemon.home.log().contains("journal_damaged"));
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&first), "AA");
    daemon.settle();
    let duplicates = daemon.metric("pentamer_messages_total", "outcome=\"duplicate\"");
    assert_eq!(duplicates, 1.0);
    let (status, patient) = daemon.get("/api/v1/patients/HOSP%3A4711");
    assert_eq!(status, 200);
    assert!(patient.contains("detected"));
}
