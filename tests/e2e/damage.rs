//! The journal is damaged, in every way that files can be, compressed or not: what is whole is read, what
//! is not is kept aside and named, nothing acknowledged afterwards is lost, and the daemon serves.

use super::harness::{Home, Pentamer, low_igm, wait_for};
use super::journal::journal;
use std::path::{Path, PathBuf};

const MESSAGES: usize = 60;

/// The segment of this number, in the form in which it is there.
fn segment(home: &Home, number: u64) -> PathBuf {
    let plain = home.data().join(format!("journal/{number:010}.seg"));
    let packed = plain.with_extension("segz");
    if packed.exists() { packed } else { plain }
}

/// What a compressed segment was made from, by docs/journal-format.md.
fn unpacked(packed: &[u8]) -> Vec<u8> {
    let four = |at: usize| {
        let bytes = packed[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    };
    let mut plain = Vec::new();
    let mut at = 0;
    while at < packed.len() {
        assert_eq!(packed[at..at + 5], [0xF1, b'P', b'Z', 0x9C, 1]);
        let (raw, size) = (four(at + 24), four(at + 28));
        let frame = zstd::bulk::decompress(&packed[at + 40..at + 40 + size], raw);
        plain.extend(frame.expect("a frame of zstd"));
        at = (at + 40 + size).next_multiple_of(8);
    }
    plain
}

fn segments(home: &Home) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.data().join("journal")).expect("listed");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let is_segment = |kind: &std::ffi::OsStr| kind == "seg" || kind == "segz";
    paths.retain(|path| path.extension().is_some_and(is_segment));
    paths.sort();
    paths
}

/// How closed segments lie on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Packed,
}

/// A stopped daemon's directory with several segments, after lives that ended well.
fn filled(form: Form) -> Home {
    let mut home = Home::new("", "").with_storage("segment_size = \"64 KiB\"");
    for life in 0..2 {
        let daemon = Pentamer::start(home);
        let mut sender = daemon.connect();
        for number in 0..MESSAGES / 2 {
            let id = format!("{life}-{number}");
            assert_eq!(sender.exchange(&low_igm(&id, &id)), "AA");
        }
        daemon.settle();
        if form == Form::Packed {
            wait_for("closed segments to be compressed", || {
                let paths = segments(&daemon.home);
                let plain = paths.iter().filter(|path| is_plain(path)).count();
                (plain <= 1).then_some(())
            });
        }
        home = daemon.stop().0;
    }
    assert!(segment(&home, 3).exists(), "several segments");
    if form == Form::Plain {
        for path in segments(&home) {
            if !is_plain(&path) {
                let bytes = std::fs::read(&path).expect("read");
                std::fs::write(path.with_extension("seg"), unpacked(&bytes)).expect("written");
                std::fs::remove_file(&path).expect("removed");
            }
        }
    }
    home
}

fn is_plain(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "seg")
}

/// Both forms, one after the other.
fn damaged(spoil: impl Fn(&Home), named: &[&str], kept: &[u64], loses: bool) {
    damaged_as(Form::Plain, &spoil, named, kept, loses);
    damaged_as(Form::Packed, &spoil, named, kept, loses);
}

/// Where a copy of a segment lies under another number, in the same form.
fn copy_of(home: &Home, number: u64, other: u64) -> PathBuf {
    segment(home, number).with_file_name(match is_plain(&segment(home, number)) {
        true => format!("{other:010}.seg"),
        false => format!("{other:010}.segz"),
    })
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("read");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("written");
}

/// Damages a directory, and holds what an operator sees against what must be seen: in `verify`, in
/// the log, as notice, on `/readyz`, and in the folder of what was kept.
fn damaged_as(form: Form, spoil: &dyn Fn(&Home), named: &[&str], kept: &[u64], loses: bool) {
    let home = filled(form);
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
        .map(|number| segment(&home, *number))
        .map(|path| (std::fs::read(&path).expect("read"), path))
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
    for (bytes, path) in &copies {
        let name = path.file_name().expect("a name").to_string_lossy();
        let copy = daemon.home.data().join("damaged").join(&*name);
        assert_eq!(std::fs::read(&copy).expect("kept"), *bytes);
        let note = format!("{}.txt", copy.display());
        let note = std::fs::read_to_string(note).expect("named");
        assert!(note.contains(&format!("`{name}`")), "{note}");
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
        // It may have been compressed since.
        let _ = std::fs::remove_file(path);
        let _ = std::fs::remove_file(path.with_extension("segz"));
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
        &["segment `0000000001.seg", "are lost"],
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
                let end = bytes.len().min(middle + 4096);
                bytes[middle..end].fill(0xaa);
            });
        },
        &["segment `0000000002.seg", "bad bytes at"],
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
        &["segment `0000000001.seg", "bad bytes at"],
        &[1],
        true,
    );
}

#[test]
fn a_header_gone() {
    for form in [Form::Plain, Form::Packed] {
        header_gone(form);
    }
}

fn header_gone(form: Form) {
    damaged_as(
        form,
        &|home| edit(&segment(home, 2), |bytes| bytes[..64].fill(0)),
        &["the header of segment `0000000002.seg"],
        &[2],
        // The first frame of a compressed segment holds records as well.
        form == Form::Packed,
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
            let copy = copy_of(home, 1, last.expect("a segment") + 1);
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
            let copy = copy_of(home, 1, last.expect("a segment") + 1);
            std::fs::copy(segment(home, 1), &copy).expect("copied");
            edit(&copy, |bytes| bytes[20] ^= 1);
        },
        &["the header of segment", "nothing is lost"],
        &[],
        false,
    );
}

/// A sector that the disk does not give back any more, in a segment with others behind it: the daemon
/// serves with the rest. When the disk answers again, a rebuild has all of it.
#[cfg(feature = "failpoints")]
#[test]
fn a_sector_that_cannot_be_read() {
    for form in [Form::Plain, Form::Packed] {
        let home = filled(form);
        let told = home.alerts().len();
        std::fs::remove_dir_all(home.data().join("cache")).expect("removed");
        let fault = home.path().join("faults/journal-read-one");
        std::fs::write(&fault, "1").expect("written");
        let daemon = Pentamer::start(home);
        let notices = daemon.get("/api/v1/notices").1;
        assert!(notices.contains("the disk does not give back"), "{notices}");
        assert!(
            notices.contains("are lost") || notices.contains("is lost"),
            "{notices}"
        );
        daemon.settle();
        assert_eq!(daemon.connect().exchange(&low_igm("new", "new")), "AA");
        daemon.settle();
        assert_eq!(
            daemon.home.alerts().len(),
            told + 1,
            "nobody is paged twice"
        );
        let home = daemon.stop().0;
        let name = segment(&home, 1).file_name().expect("a name").to_owned();
        let note = home.data().join("damaged").join(name);
        let note = std::fs::read_to_string(format!("{}.txt", note.display())).expect("a text");
        assert!(note.contains("does not give back"), "{note}");
        std::fs::remove_file(&fault).expect("removed");
        assert!(journal(&["verify"], &home.data()).status.success());
        let mut rebuild = super::harness::command();
        rebuild
            .args(["journal", "rebuild", "--config"])
            .arg(home.config());
        assert!(rebuild.output().expect("ran").status.success());
        crate::offline::assert_rebuild_equals_cache(&home.data());
        assert_eq!(crate::offline::messages(&home.data()).len(), MESSAGES + 1);
        let daemon = Pentamer::start(home);
        daemon.settle();
        assert_eq!(daemon.get("/readyz"), (200, "ready\n".to_owned()));
        assert_eq!(daemon.home.alerts().len(), told + 1);
    }
}

/// Known damage is told of at the starts of an hour; after that `verify` and a line in the log have it.
#[test]
fn damage_that_is_known_is_told_of_once() {
    let home = filled(Form::Plain);
    edit(&segment(&home, 1), |bytes| bytes[5_000] ^= 1);
    let mut home = home;
    for turn in 0..2 {
        let daemon = Pentamer::start(home);
        let readyz = daemon.get("/readyz").1;
        assert!(
            readyz.contains("notice journal_damaged"),
            "start {turn}: {readyz}"
        );
        home = daemon.stop().0;
    }
    let note = home.data().join("damaged/0000000001.seg.txt");
    let file = std::fs::File::options()
        .write(true)
        .open(&note)
        .expect("opened");
    let noted = file
        .metadata()
        .and_then(|found| found.modified())
        .expect("a time");
    let before = noted - std::time::Duration::from_secs(3_700);
    file.set_modified(before).expect("set");
    let daemon = Pentamer::start(home);
    assert_eq!(daemon.get("/readyz"), (200, "ready\n".to_owned()));
    assert!(daemon.home.log().contains("journal_damage_known"));
    assert_eq!(
        journal(&["verify"], &daemon.home.data()).status.code(),
        Some(1)
    );
    let home = daemon.stop().0;
    // More of it is told of again.
    // It may have been compressed meanwhile.
    edit(&segment(&home, 2), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let daemon = Pentamer::start(home);
    assert!(daemon.get("/readyz").1.contains("notice journal_damaged"));
}
