//! Encryption at rest with the real binary: what shows on the disk, and what happens without a key.

use super::harness::{Home, Pentamer, Sender, command, low_igm, panel, wait_for};
use super::manager::Manager;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Output;

/// Planted in every message: in the patient's id and names and in a note; and the beginning of a result.
const MARKERS: [&str; 2] = ["PLANTED", "2472-9^IgM"];

fn message(control_id: &str, low: bool) -> String {
    let message = if low {
        low_igm(control_id, "PLANTEDID1")
    } else {
        panel(
            control_id,
            &format!("PLANTEDID{control_id}"),
            "1.1",
            "11.0",
            "2.0",
        )
    };
    let message = message.replace("DOE^JANE", "PLANTEDNAME^PLANTEDGIVEN");
    format!("{message}NTE|1|L|PLANTEDNOTE {}\r", "padding ".repeat(500))
}

fn write_keys(path: &Path, bytes: &[&str]) {
    use std::io::Write as _;
    let lines = bytes.iter().map(|byte| byte.repeat(32));
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    let text = lines.collect::<Vec<_>>().join("\n");
    file.expect("made")
        .write_all(text.as_bytes())
        .expect("written");
}

/// Every file below a directory, with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
    all
}

/// The names of the files, but for those that are made to be read, in which a marker stands.
fn showing(dir: &Path) -> Vec<String> {
    let shows = |bytes: &[u8]| {
        let holds = |marker: &&str| bytes.windows(marker.len()).any(|w| w == marker.as_bytes());
        MARKERS.iter().any(holds)
    };
    files(dir)
        .into_iter()
        .filter(|(path, bytes)| !path.ends_with("alerts.jsonl") && shows(bytes))
        .map(|(path, _)| path.strip_prefix(dir).expect("below").display().to_string())
        .collect()
}

fn is_private(dir: &Path) {
    for path in files(dir)
        .into_keys()
        .filter(|path| !path.starts_with(dir.join("cache")))
    {
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

/// Messages until there are two checkpoints and a compressed segment.
fn fill(daemon: &Pentamer) {
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&message("1", true)), "AA");
    let data = daemon.home.data();
    let mut n = 10;
    wait_for("two checkpoints and a compressed segment", || {
        n += 1;
        assert_eq!(sender.exchange(&message(&n.to_string(), false)), "AA");
        // A checkpoint is taken of what is folded.
        daemon.settle();
        let names: Vec<_> = files(&data).into_keys().collect();
        let of = |extension: &str| {
            let is = |path: &&PathBuf| path.extension().is_some_and(|e| e == extension);
            names.iter().filter(is).count()
        };
        (of("ckpt") == 2 && of("segz") > 0).then_some(())
    });
    daemon.settle();
}

const SMALL: &str = "segment_size = \"64 KiB\"\ncheckpoint_after = \"64 KiB\"";

fn backup(home: &Home, to: &Path, key_file: Option<&Path>) -> Output {
    let mut command = command();
    command.args(["backup", "--data"]).arg(home.data()).arg(to);
    if let Some(file) = key_file {
        command.arg("--key-file").arg(file);
    }
    command.output().expect("ran")
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Messages, checkpoints, cache, backup: no file shows anything with a key. Without one they do, or this
/// test could not fail.
#[test]
fn nothing_of_a_patient_shows_on_the_disk() {
    let plain = Pentamer::start(Home::new("", "").with_storage(SMALL));
    fill(&plain);
    let (home, _) = plain.stop();
    let shown = showing(&home.data()).join(" ");
    assert!(
        shown.contains("journal/") && shown.contains("cache/"),
        "{shown}"
    );
    let output = backup(&home, &home.path().join("backup"), None);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_ne!(showing(&home.path().join("backup")), Vec::<String>::new());

    let home = Home::new("", "");
    let keys = home.path().join("keys");
    write_keys(&keys, &["ab"]);
    let storage = format!("{SMALL}\nencryption_key_file = \"{}\"", keys.display());
    let daemon = Pentamer::start(home.with_storage(&storage));
    fill(&daemon);
    assert_eq!(
        showing(&daemon.home.data()),
        Vec::<String>::new(),
        "while it runs"
    );
    let (status, patient) = daemon.get("/api/v1/patients/HOSP%3APLANTEDID1");
    assert_eq!(status, 200, "{patient}");
    let home = daemon.kill();
    assert_eq!(showing(&home.data()), Vec::<String>::new(), "after a kill");
    // A killed daemon's cache is folded on, not built again.
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1);
    assert!(!daemon.home.log().contains("\"cache_rebuild\""));
    let copy = daemon.home.path().join("backup");
    let refused = backup(&daemon.home, &copy, None);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("--key-file"), "{}", said(&refused));
    fs::remove_dir_all(&copy).expect("removed");
    let output = backup(&daemon.home, &copy, Some(&keys));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("the file of keys is not in it"));
    assert_eq!(showing(&copy), Vec::<String>::new());
    let (home, _) = daemon.stop();
    assert_eq!(
        showing(&home.data()),
        Vec::<String>::new(),
        "after a clean end"
    );
    is_private(&home.data());

    // What a person types needs the key too.
    let journal = |key_file: Option<&Path>, args: &[&str]| {
        let mut command = command();
        command
            .arg("journal")
            .args(args)
            .arg("--data")
            .arg(home.data());
        if let Some(file) = key_file {
            command.arg("--key-file").arg(file);
        }
        command.output().expect("ran")
    };
    let refused = journal(None, &["verify"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    let good = journal(Some(&keys), &["verify"]);
    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
    let exported = journal(Some(&keys), &["export"]);
    assert_eq!(exported.status.code(), Some(0), "{}", said(&exported));
}

fn start_fails(home: &Home) -> String {
    let output = command()
        .args(["run", "--config"])
        .arg(home.config())
        .output()
        .expect("ran");
    assert_ne!(output.status.code(), Some(0));
    said(&output)
}

/// A wrong key, no key, a file that others may read: refused by name, and every byte stays as it was.
/// Then the key is changed and the old one forgotten, and all is still there.
#[test]
fn a_daemon_without_its_key_touches_nothing_and_keys_are_changed() {
    let home = Home::new("", "");
    let keys = home.path().join("keys");
    write_keys(&keys, &["ab"]);
    let storage = format!("{SMALL}\nencryption_key_file = \"{}\"", keys.display());
    let daemon = Pentamer::start(home.with_storage(&storage));
    fill(&daemon);
    let (home, _) = daemon.stop();
    let before = files(&home.data());

    let mine = "d2bbbf3162ad4512";
    write_keys(&keys, &["cd"]);
    let text = start_fails(&home);
    assert!(text.contains(mine) && text.contains(".seg"), "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    let home = home.with_storage(SMALL);
    let text = start_fails(&home);
    assert!(
        text.contains(mine) && text.contains("no key is given"),
        "{text}"
    );
    let home = home.with_storage(&storage);
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).expect("set");
    let text = start_fails(&home);
    assert!(
        text.contains("chmod 0600") && text.contains("encryption_key_file"),
        "{text}"
    );
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("set");
    assert!(files(&home.data()) == before, "no byte was changed");

    write_keys(&keys, &["cd", "ab"]);
    let check = command()
        .args(["check", "--config"])
        .arg(home.config())
        .output();
    let text = said(&check.expect("ran"));
    assert!(text.contains(&format!("key {mine} opens")), "{text}");
    let daemon = Pentamer::start(home);
    let mut sender = daemon.connect();
    let mut n = 1_000;
    let id = [0xd2, 0xbb, 0xbf, 0x31, 0x62, 0xad, 0x45, 0x12];
    wait_for("nothing to need the old key", || {
        n += 1;
        assert_eq!(sender.exchange(&message(&n.to_string(), false)), "AA");
        daemon.settle();
        let needs = |bytes: &Vec<u8>| bytes.windows(8).any(|w| w == id);
        let (journal, checkpoints) = (
            daemon.home.data().join("journal"),
            daemon.home.data().join("checkpoints"),
        );
        let all = [files(&journal), files(&checkpoints)];
        (!all.iter().flat_map(BTreeMap::values).any(needs)).then_some(())
    });
    let (home, _) = daemon.stop();
    write_keys(&keys, &["cd"]);
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1, "told once");
    assert_eq!(showing(&daemon.home.data()), Vec::<String>::new());
}

/// As systemd hands keys over: a bare name is a credential, whose mode has its group's bit set where an
/// access list lets in the service's user alone.
#[test]
fn keys_come_as_a_credential() {
    let home = Home::new("", "").with_storage("encryption_key_file = \"keys\"");
    let credentials = home.path().join("credentials");
    fs::create_dir(&credentials).expect("made");
    let file = credentials.join("keys");
    write_keys(&file, &["ab"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).expect("set");
    let directory = credentials.display().to_string();
    let manager = Manager::new(home).with("CREDENTIALS_DIRECTORY", &directory);
    for life in 0..2 {
        let service = manager.start();
        manager.wait_for("READY=1");
        let mut sender = Sender::new(manager.bound("lab"));
        assert_eq!(sender.exchange(&message(&life.to_string(), true)), "AA");
        drop(sender);
        assert!(service.stop().success());
    }
    let data = manager.home.data();
    assert_eq!(showing(&data), Vec::<String>::new());
    let named = fs::read_to_string(data.join("cache.key")).expect("read");
    assert_eq!(named, "d2bbbf3162ad4512");
    // The child that looks at the cache has them too.
    assert!(!manager.home.log().contains("\"cache_rebuild\""));
    // Anywhere else such a mode is refused.
    let home = Home::new("", "");
    let storage = format!("encryption_key_file = \"{}\"", file.display());
    let text = start_fails(&home.with_storage(&storage));
    assert!(text.contains("mode 0440"), "{text}");
}
