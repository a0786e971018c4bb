//! Checkpoints in every state in which they can be found, with the real binary: what the operator sees,
//! what is lost (nothing, as long as the journal or the checkpoint before holds it), and that nobody is
//! paged twice.

use super::backup::{names, padded};
use super::harness::{Home, Pentamer, low_igm, wait_for};
use super::journal::journal;
use std::fs;
use std::path::{Path, PathBuf};

const OFTEN: &str = "segment_size = \"64 KiB\"\ncheckpoint_after = \"64 KiB\"";
/// As above, and whatever may be dropped is dropped.
const DROPPING: &str =
    "segment_size = \"64 KiB\"\ncheckpoint_after = \"64 KiB\"\nretention_size = \"1 B\"";

fn checkpoints(home: &Home) -> Vec<PathBuf> {
    let dir = home.data().join("checkpoints");
    let mut names = names(&dir);
    names.retain(|name| name.ends_with(".ckpt"));
    names.into_iter().map(|name| dir.join(name)).collect()
}

/// A stopped daemon's directory with two checkpoints, an alert before them and another one behind.
fn lived(storage: &str) -> Home {
    let daemon = Pentamer::start(Home::new("", "").with_storage(storage));
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&low_igm("first", "4711")), "AA");
    daemon.settle();
    let is_dropping = storage == DROPPING;
    let mut n = 0;
    wait_for(
        "two checkpoints, and dropped segments where they are",
        || {
            n += 1;
            assert_eq!(
                sender.exchange(&padded(&n.to_string(), &n.to_string())),
                "AA"
            );
            let journal = names(&daemon.home.data().join("journal"));
            let begins = journal.iter().any(|name| name.starts_with("0000000001."));
            (checkpoints(&daemon.home).len() == 2 && begins != is_dropping).then_some(())
        },
    );
    daemon.settle();
    let home = daemon.stop().0;
    assert_eq!(home.alerts().len(), 1);
    // Behind the newest checkpoint, whenever that was taken.
    let daemon = Pentamer::start(home.with_storage("segment_size = \"64 KiB\""));
    assert_eq!(daemon.connect().exchange(&low_igm("last", "4712")), "AA");
    daemon.settle();
    let home = daemon.stop().0;
    assert_eq!(home.alerts().len(), 2);
    fs::remove_dir_all(home.data().join("cache")).expect("removed");
    home
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

fn like(home: &Home) -> Home {
    let other = Home::new("", "").with_storage("segment_size = \"64 KiB\"");
    copy(&home.data(), &other.data());
    other
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("read");
    change(&mut bytes);
    fs::write(path, bytes).expect("written");
}

/// Knows both patients, has told of each once, and goes on: the alerts afterwards.
fn serves(daemon: &Pentamer) {
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 2, "nobody is paged again");
    for patient in ["4711", "4712"] {
        let (status, page) = daemon.get(&format!("/api/v1/patients/HOSP%3A{patient}"));
        assert_eq!(status, 200);
        assert!(page.contains("detected"), "{page}");
    }
    assert_eq!(daemon.connect().exchange(&low_igm("new", "4713")), "AA");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 3, "it goes on");
}

fn verify(home: &Home) -> (Option<i32>, String) {
    let output = journal(&["verify"], &home.data());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), said)
}

/// Spoils the newest checkpoint; what is seen of that.
fn newest_is_bad(home: &Home, why: &str, spoil: impl FnOnce(&Path, &Path)) {
    let home = like(home);
    let kept = checkpoints(&home);
    let [older, newest] = kept.as_slice() else {
        panic!("two checkpoints, but {kept:?}");
    };
    spoil(newest, older);
    let named = newest
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let (code, said) = verify(&home);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&named) && said.contains(why), "{said}");
    let daemon = Pentamer::start(home);
    let notices = daemon.get("/api/v1/notices").1;
    assert!(notices.contains("checkpoint_damaged"), "{notices}");
    assert!(
        notices.contains(&named) && notices.contains(why),
        "{notices}"
    );
    assert!(
        daemon
            .get("/readyz")
            .1
            .contains("notice checkpoint_damaged")
    );
    assert!(daemon.home.log().contains("checkpoint_unfit"));
    assert!(
        daemon.home.log().contains("checkpoint_loaded"),
        "the older one"
    );
    serves(&daemon);
    let home = daemon.stop().0;
    let aside = home.data().join(format!("checkpoints/{named}.damaged"));
    assert!(aside.exists(), "it is kept");
    assert_eq!(verify(&home).0, Some(0), "what is in use is whole");
    // Once said is enough.
    let daemon = Pentamer::start(home);
    assert!(!daemon.get("/readyz").1.contains("notice"));
}

#[test]
fn a_bad_checkpoint_is_named_and_the_one_before_serves() {
    let home = lived(DROPPING);
    newest_is_bad(&home, "it is cut off", |newest, _| {
        edit(newest, |bytes| bytes.truncate(bytes.len() * 2 / 3));
    });
    newest_is_bad(&home, "block", |newest, _| {
        edit(newest, |bytes| {
            let middle = bytes.len() / 2;
            let end = bytes.len().min(middle + 512);
            bytes[middle..end].fill(0xaa);
        });
    });
    newest_is_bad(&home, "block", |newest, _| {
        edit(newest, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        });
    });
    newest_is_bad(&home, "its header is damaged", |newest, _| {
        edit(newest, |bytes| bytes[20] ^= 1);
    });
    newest_is_bad(
        &home,
        "its name is not that of the position in it",
        |newest, older| {
            fs::copy(older, newest).expect("copied");
        },
    );
}

/// The notice ends with the next checkpoint: then two are whole again.
#[test]
fn the_notice_of_a_bad_checkpoint_ends_with_the_next_one() {
    let home = lived(OFTEN);
    let newest = checkpoints(&home).pop().expect("a checkpoint");
    edit(&newest, |bytes| bytes.truncate(100));
    let daemon = Pentamer::start(home.with_storage(OFTEN));
    let mut n = 0;
    wait_for("the end of the notice", || {
        n += 1;
        let id = format!("more-{n}");
        assert_eq!(daemon.connect().exchange(&padded(&id, &id)), "AA");
        (!daemon.get("/readyz").1.contains("checkpoint_damaged")).then_some(())
    });
    assert_eq!(checkpoints(&daemon.home).len(), 2);
}

/// A disk that does not give the newest one back: the one before serves; where there is none, the start
/// is refused, for the state may be nowhere else.
#[cfg(feature = "failpoints")]
#[test]
fn a_checkpoint_that_cannot_be_read() {
    let home = lived(DROPPING);
    let kept = checkpoints(&home);
    let position = |path: &Path| -> u64 {
        let stem = path.file_stem().expect("a name").to_string_lossy();
        stem.parse().expect("a position")
    };
    let one = like(&home);
    let fault = one.path().join("faults/journal-read-one");
    fs::write(&fault, position(&kept[1]).to_string()).expect("written");
    let daemon = Pentamer::start(one);
    let notices = daemon.get("/api/v1/notices").1;
    assert!(notices.contains("checkpoint_damaged"), "{notices}");
    assert!(notices.contains("does not give it back"), "{notices}");
    serves(&daemon);

    fs::remove_file(&kept[1]).expect("removed");
    let fault = home.path().join("faults/journal-read-one");
    fs::write(&fault, position(&kept[0]).to_string()).expect("written");
    let (mut child, home) = super::harness::spawn(home);
    assert_eq!(child.wait().expect("ended").code(), Some(3));
    assert!(home.log().contains(".ckpt`"), "{}", home.log());
    assert!(kept[0].exists(), "it is where it was");
    fs::remove_file(&fault).expect("removed");
    serves(&Pentamer::start(home));
}

/// One that is gone is missed by nobody while the one before is there: nothing is said.
#[test]
fn a_missing_checkpoint() {
    let home = lived(DROPPING);
    let newest = checkpoints(&home).pop().expect("a checkpoint");
    fs::remove_file(newest).expect("removed");
    let (code, said) = verify(&home);
    assert_eq!(code, Some(0), "{said}");
    let daemon = Pentamer::start(home);
    assert!(daemon.home.log().contains("checkpoint_loaded"));
    assert!(!daemon.get("/readyz").1.contains("notice"));
    serves(&daemon);
}

fn spoil_both(home: &Home) {
    for path in checkpoints(home) {
        edit(&path, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
    }
}

/// Both are bad, but the journal is whole: it is read from its beginning.
#[test]
fn both_checkpoints_bad_with_a_whole_journal() {
    let home = lived(OFTEN);
    spoil_both(&home);
    let (code, said) = verify(&home);
    assert_eq!(code, Some(1), "{said}");
    let daemon = Pentamer::start(home);
    let notices = daemon.get("/api/v1/notices").1;
    assert!(notices.contains("read from its beginning"), "{notices}");
    assert!(!notices.contains("journal_damaged"), "{notices}");
    assert!(!daemon.home.log().contains("checkpoint_loaded"));
    serves(&daemon);
}

/// Both are bad, and the journal no longer reaches back: what is missing is named, the daemon serves with
/// what there is, no position is given again, and nobody is paged for what was told of.
#[test]
fn both_checkpoints_bad_with_dropped_segments() {
    let home = lived(DROPPING);
    let last = |said: &str| -> u64 {
        let line = said.lines().find_map(|line| line.strip_prefix("last"));
        line.and_then(|rest| rest.trim().parse().ok())
            .expect("a position")
    };
    let before = last(&verify(&home).1);
    spoil_both(&home);
    let (code, said) = verify(&home);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is missing; positions 1 to "), "{said}");
    assert_eq!(last(&said), before);
    let daemon = Pentamer::start(home);
    let notices = daemon.get("/api/v1/notices").1;
    assert!(notices.contains("checkpoint_damaged"), "{notices}");
    assert!(notices.contains("is missing; positions 1 to "), "{notices}");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 2, "nobody is paged again");
    assert_eq!(daemon.get("/api/v1/patients/HOSP%3A4712").0, 200);
    assert_eq!(daemon.connect().exchange(&low_igm("new", "4713")), "AA");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 3, "it goes on");
    let home = daemon.stop().0;
    assert!(last(&verify(&home).1) > before);
}

/// An ordinary restart: sled stands behind the newest checkpoint, and goes on where it is.
#[test]
fn a_cache_that_is_newer_than_the_checkpoint_is_taken() {
    let daemon = Pentamer::start(Home::new("", "").with_storage(OFTEN));
    let mut sender = daemon.connect();
    let mut n = 0;
    wait_for("two checkpoints", || {
        n += 1;
        assert_eq!(
            sender.exchange(&padded(&n.to_string(), &n.to_string())),
            "AA"
        );
        (checkpoints(&daemon.home).len() == 2).then_some(())
    });
    assert_eq!(sender.exchange(&low_igm("last", "4712")), "AA");
    daemon.settle();
    let home = daemon.stop().0;
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert!(!daemon.home.log().contains("checkpoint_loaded"));
    assert!(!daemon.home.log().contains("cache_rebuild"));
    assert_eq!(daemon.home.alerts().len(), 1);
    let home = daemon.stop().0;
    crate::offline::assert_rebuild_equals_cache(&home.data());
}

/// sled's folder from another point in time: older than what the journal keeps, it is replaced.
#[test]
fn a_cache_that_is_older_than_what_is_kept_gives_way_to_the_checkpoint() {
    let daemon = Pentamer::start(Home::new("", "").with_storage(DROPPING));
    assert_eq!(daemon.connect().exchange(&low_igm("first", "4711")), "AA");
    daemon.settle();
    let home = daemon.stop().0;
    let old = tempfile::tempdir().expect("a directory");
    copy(&home.data().join("cache"), &old.path().join("cache"));
    let daemon = Pentamer::start(home);
    let mut sender = daemon.connect();
    let mut n = 0;
    wait_for("the first segments to go", || {
        n += 1;
        assert_eq!(
            sender.exchange(&padded(&n.to_string(), &n.to_string())),
            "AA"
        );
        let there = names(&daemon.home.data().join("journal"));
        (!there.iter().any(|name| name.starts_with("0000000001."))).then_some(())
    });
    assert_eq!(sender.exchange(&low_igm("last", "4712")), "AA");
    daemon.settle();
    let home = daemon.stop().0;
    fs::remove_dir_all(home.data().join("cache")).expect("removed");
    copy(&old.path().join("cache"), &home.data().join("cache"));
    let daemon = Pentamer::start(home);
    serves(&daemon);
    let log = daemon.home.log();
    assert!(log.contains("older than what the journal keeps"), "{log}");
    assert!(log.contains("checkpoint_loaded"));
    assert!(daemon.get("/readyz").1.contains("notice cache_rebuilt"));
}

/// The cache is lost while the daemon runs and old segments are gone: the state comes from the checkpoint.
#[cfg(feature = "failpoints")]
#[test]
fn a_cache_lost_in_use_is_built_from_the_checkpoint() {
    let home = lived(DROPPING);
    let daemon = Pentamer::start(home);
    serves(&daemon);
    let loaded = daemon.home.log().matches("checkpoint_loaded").count();
    daemon.home.switch_fault("cache-error", true);
    assert_eq!(daemon.connect().exchange(&low_igm("newer", "4714")), "AA");
    wait_for("a state from the checkpoint", || {
        let log = daemon.home.log();
        (log.matches("checkpoint_loaded").count() > loaded).then_some(())
    });
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 4);
    assert_eq!(daemon.get("/api/v1/patients/HOSP%3A4711").0, 200);
}

/// `journal rebuild` while stopped: from the checkpoint; `--whole` from the beginning, where it is there.
#[test]
fn a_rebuild_begins_with_the_checkpoint_or_with_the_first_record() {
    let rebuild = |home: &Home, more: &[&str]| {
        let mut command = super::harness::command();
        command.args(["journal", "rebuild"]).args(more);
        command.arg("--config").arg(home.config());
        let output = command.output().expect("ran");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let home = lived(OFTEN);
    let (code, said) = rebuild(&home, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("from the checkpoint at position"), "{said}");
    crate::offline::assert_rebuild_equals_cache(&home.data());
    let (code, said) = rebuild(&home, &["--whole"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("from the beginning"), "{said}");
    crate::offline::assert_rebuild_equals_cache(&home.data());
    assert_eq!(checkpoints(&home), Vec::<PathBuf>::new(), "they know less");
    let daemon = Pentamer::start(home);
    serves(&daemon);

    let home = lived(DROPPING);
    let (code, said) = rebuild(&home, &["--whole"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("were dropped"), "{said}");
    assert_eq!(checkpoints(&home).len(), 2);
    let (code, said) = rebuild(&home, &[]);
    assert_eq!(code, Some(0), "{said}");
    let daemon = Pentamer::start(home);
    assert!(!daemon.home.log().contains("cache_rebuild"));
    serves(&daemon);
}

/// A directory that a version without checkpoints wrote: it is read as it is, nobody is paged again, and
/// the first checkpoint is taken.
#[test]
fn a_directory_without_checkpoints_is_taken_up() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/journal-1");
    let home = Home::new("", "").with_storage(OFTEN);
    fs::create_dir_all(home.data()).expect("made");
    copy(&kept, &home.data().join("journal"));
    let (code, said) = verify(&home);
    assert_eq!(code, Some(0), "{said}");
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 0, "told of by whoever wrote it");
    let (status, page) = daemon.get("/api/v1/patients/HOSP%3A4711");
    assert_eq!(status, 200);
    assert!(page.contains("detected"), "{page}");
    let mut sender = daemon.connect();
    let mut n = 0;
    wait_for("the first checkpoint", || {
        n += 1;
        assert_eq!(
            sender.exchange(&padded(&n.to_string(), &n.to_string())),
            "AA"
        );
        (!checkpoints(&daemon.home).is_empty()).then_some(())
    });
    assert_eq!(sender.exchange(&low_igm("new", "4713")), "AA");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1);
}
