//! The journal is damaged, in every way that files can be: what is whole is read, what is not is kept
//! aside and named, nothing acknowledged afterwards is lost, and the daemon serves.

use super::harness::{Home, Pentamer, low_igm, wait_for};
use super::journal::journal;
use std::path::{Path, PathBuf};

const MESSAGES: usize = 60;

fn segment(home: &Home, number: u64) -> PathBuf {
    home.data().join(format!("journal/{number:010}.seg"))
}

fn segments(home: &Home) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.data().join("journal")).expect("listed");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "seg"));
    paths.sort();
    paths
}

/// A stopped daemon's directory with several segments, after lives that ended well.
fn filled() -> Home {
    let mut home = Home::new("", "").with_storage("segment_size = \"64 KiB\"");
    for life in 0..2 {
        let daemon = Pentamer::start(home);
        let mut sender = daemon.connect();
        for number in 0..MESSAGES / 2 {
            let id = format!("{life}-{number}");
            assert_eq!(sender.exchange(&low_igm(&id, &id)), "AA");
        }
        daemon.settle();
        home = daemon.stop().0;
    }
    assert!(segment(&home, 3).exists(), "several segments");
    home
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("read");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("written");
}

/// Damages a directory, and holds what an operator sees against what must be seen: in `verify`, in
/// the log, as notice, on `/readyz`, and in the folder of what was kept.
fn damaged(spoil: impl FnOnce(&Home), named: &[&str], kept: &[u64], loses: bool) {
    let home = filled();
    let told = home.alerts().len();
    let whole_ones: Vec<_> = segments(&home)
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).expect("read")))
        .collect();
    spoil(&home);
    let foreign: Vec<_> = segments(&home)
        .into_iter()
        .filter(|path| !whole_ones.iter().any(|(whole, _)| whole == path))
        .collect();
    let copies: Vec<_> = kept
        .iter()
        .map(|number| std::fs::read(segment(&home, *number)).expect("read"))
        .collect();

    let output = journal(&["verify"], &home.data());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in named {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
    let number = |name: &str| -> u64 {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok())
            .expect("a number")
    };
    assert_eq!(number("records") < number("last"), loses, "{said}");
    let exported = journal(&["export"], &home.data());
    assert_eq!(exported.status.code(), Some(1));
    let whole = String::from_utf8_lossy(&exported.stdout).lines().count();
    assert!(
        whole <= MESSAGES && (loses || whole == MESSAGES),
        "{whole} messages"
    );
    assert!(whole > MESSAGES / 4, "{whole} messages");

    let daemon = Pentamer::start(home);
    let readyz = daemon.get("/readyz").1;
    assert!(readyz.contains("notice journal_damaged"), "{readyz}");
    let notices = daemon.get("/api/v1/notices").1;
    assert!(named.iter().any(|part| notices.contains(part)), "{notices}");
    assert!(
        notices.contains("damaged") && notices.contains("journal verify"),
        "{notices}"
    );
    assert_eq!(daemon.metric("pentamer_notices", "journal_damaged"), 1.0);
    assert!(daemon.home.log().contains("\"event\":\"journal_damaged\""));
    for (number, bytes) in kept.iter().zip(&copies) {
        let copy = daemon.home.data().join(format!("damaged/{number:010}.seg"));
        assert_eq!(std::fs::read(&copy).expect("kept"), *bytes);
        let note = std::fs::read_to_string(copy.with_extension("seg.txt")).expect("named");
        assert!(note.contains(&format!("{number:010}.seg")), "{note}");
    }
    // It serves, and what comes now is safe.
    assert_eq!(daemon.connect().exchange(&low_igm("new", "new")), "AA");
    daemon.settle();
    wait_for("the new alert", || {
        (daemon.home.alerts().len() == told + 1).then_some(())
    });
    let (home, status) = daemon.stop();
    assert!(status.success());
    // A second start says the same, with the new message whole, and copies nothing again.
    let exported = journal(&["export", "--control-id", "new"], &home.data());
    assert_eq!(String::from_utf8_lossy(&exported.stdout).lines().count(), 1);
    std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(
        daemon.home.alerts().len(),
        told + 1,
        "nobody is paged by a rebuild over damage"
    );
    let home = daemon.stop().0;
    let rebuild = || {
        // With the configuration, whose tables are part of what results mean.
        let mut command = super::harness::command();
        command
            .args(["journal", "rebuild", "--config"])
            .arg(home.config());
        command.output().expect("ran")
    };
    let over_damage = rebuild();
    let said = String::from_utf8_lossy(&over_damage.stderr).into_owned();
    assert_eq!(over_damage.status.code(), Some(1), "{said}");
    assert!(
        said.contains("left out: ") && named.iter().any(|part| said.contains(part)),
        "{said}"
    );
    // The remedy of docs/operating.md: good copies back, what does not belong there away, and a rebuild.
    for (path, bytes) in &whole_ones {
        std::fs::write(path, bytes).expect("written");
    }
    for path in &foreign {
        std::fs::remove_file(path).expect("removed");
    }
    let verified = journal(&["verify"], &home.data());
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{said}");
    assert!(rebuild().status.success());
    crate::offline::assert_rebuild_equals_cache(&home.data());
    assert_eq!(crate::offline::messages(&home.data()).len(), MESSAGES + 1);
    let daemon = Pentamer::start(home);
    daemon.settle();
    assert_eq!(daemon.get("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(
        daemon.home.alerts().len(),
        told + 1,
        "and nobody is paged by that"
    );
}

#[test]
fn truncated() {
    damaged(
        |home| {
            edit(&segment(home, 1), |bytes| {
                bytes.truncate(bytes.len() * 2 / 3)
            })
        },
        &["segment `0000000001.seg` ends too early"],
        &[1],
        true,
    );
}

#[test]
fn overwritten() {
    damaged(
        |home| {
            edit(&segment(home, 2), |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle..middle + 4096].fill(0xaa);
            });
        },
        &["segment `0000000002.seg`: ", "bad bytes at"],
        &[2],
        true,
    );
}

#[test]
fn one_bit_flipped() {
    damaged(
        |home| {
            edit(&segment(home, 1), |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x10;
            });
        },
        &["segment `0000000001.seg`: ", "bad bytes at"],
        &[1],
        true,
    );
}

#[test]
fn a_header_gone() {
    damaged(
        |home| edit(&segment(home, 2), |bytes| bytes[..64].fill(0)),
        &["the header of segment `0000000002.seg` is damaged; nothing is lost"],
        &[2],
        false,
    );
}

#[test]
fn missing() {
    damaged(
        |home| std::fs::remove_file(segment(home, 2)).expect("removed"),
        &["segment `0000000002.seg` is missing; positions"],
        &[],
        true,
    );
}

/// An older segment copied behind all others says of itself that it begins before them: believed, it
/// would make all of them void.
#[test]
fn duplicated() {
    damaged(
        |home| {
            let last = (1..).take_while(|n| segment(home, *n).exists()).last();
            let copy = segment(home, last.expect("a segment") + 1);
            std::fs::copy(segment(home, 1), copy).expect("copied");
        },
        &["belongs to another number, and is not read; nothing is lost"],
        &[],
        false,
    );
}

/// As above, and the copy's header is damaged too.
#[test]
fn duplicated_and_damaged() {
    damaged(
        |home| {
            let last = (1..).take_while(|n| segment(home, *n).exists()).last();
            let copy = segment(home, last.expect("a segment") + 1);
            std::fs::copy(segment(home, 1), &copy).expect("copied");
            edit(&copy, |bytes| bytes[20] ^= 1);
        },
        &["the header of segment", "nothing is lost"],
        &[],
        false,
    );
}
