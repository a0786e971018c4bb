//! What waits on the disk: all of it comes back in order, or is told of.

use super::*;
use crate::core::fact::LisAck;
use crate::core::time::Timestamp;

fn item(number: u64) -> Item {
    Item::Answer {
        message: number,
        code: LisAck::Aa,
        at: Timestamp::from_micros(0),
        after_micros: number,
    }
}

fn items(numbers: std::ops::Range<u64>) -> Vec<Item> {
    numbers.map(item).collect()
}

fn rest(spill: &mut Spill) -> Vec<Item> {
    let mut all = Vec::new();
    loop {
        let ReadBack {
            items: some,
            unreadable,
        } = spill.read_batch(30);
        assert!(unreadable.is_none());
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir.join("tap")).map_or(0, Iterator::count)
}

#[test]
fn comes_back_in_order_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spill = Spill::open(dir.path(), "lab").expect("opened");
    assert!(!spill.has_more());
    spill.append(&items(0..10)).expect("written");
    assert_eq!(spill.read_batch(1).items, [item(0)]);
    spill.append(&items(10..20)).expect("written");
    assert_eq!(rest(&mut spill), items(1..20));
    assert!(!spill.has_more());
    assert_eq!((files(dir.path()), spill.bytes()), (0, 0));
    spill.append(&items(0..2)).expect("written anew");
    assert_eq!(rest(&mut spill), items(0..2));
}

#[test]
fn another_run_goes_on_where_this_one_ended() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spill = Spill::open(dir.path(), "lab").expect("opened");
    spill.append(&items(5..10)).expect("written");
    assert_eq!(spill.read_batch(1).items, [item(5)]);
    spill.prepend(&items(3..6)).expect("written");
    drop(spill);
    Spill::open(dir.path(), "la")
        .expect("opened")
        .append(&items(0..1))
        .expect("another listener's");
    let mut spill = Spill::open(dir.path(), "lab").expect("opened");
    assert!(spill.has_more());
    spill.append(&items(10..12)).expect("written");
    assert_eq!(rest(&mut spill), items(3..12));
    assert_eq!(files(dir.path()), 1);
}

#[test]
fn what_waits_is_sealed_and_comes_back_under_the_next_key() {
    let dir = tempfile::tempdir().expect("a folder");
    let open = |keys: &str| {
        let keys = Keyring::parse(keys).expect("keys");
        let spill = Spill::open(dir.path(), "lab").expect("opened");
        spill.sealed_with(keys)
    };
    let gap = |marker: &str| Item::Answer {
        message: u64::from_le_bytes(marker.as_bytes().try_into().expect("8 bytes")),
        code: LisAck::Aa,
        at: Timestamp::from_micros(0),
        after_micros: 0,
    };
    let (old, new) = ("ab".repeat(32), "cd".repeat(32));
    // Without a key first: what an earlier run left in the clear is read all the same.
    let mut spill = Spill::open(dir.path(), "lab").expect("opened");
    spill.append(&items(0..2)).expect("written");
    drop(spill);
    let mut spill = open(&old);
    spill.append(&[gap("PLANTED!")]).expect("written");
    let sealed = fs::read(spill.path(FIRST + 1)).expect("read");
    let plain = postcard::to_stdvec(&gap("PLANTED!")).expect("encoded");
    assert!(!sealed.windows(plain.len()).any(|bytes| bytes == plain));
    drop(spill);
    let mut spill = open(&format!("{new}\n{old}"));
    let all = [items(0..2), vec![gap("PLANTED!")]].concat();
    assert_eq!(rest(&mut spill), all);
}

#[test]
fn a_damaged_rest_is_left_out_and_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spill = Spill::open(dir.path(), "lab").expect("opened");
    spill.append(&items(0..3)).expect("written");
    let file = spill.path(FIRST);
    let mut bytes = fs::read(&file).expect("read");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, &bytes).expect("written");
    spill.append(&items(3..5)).expect("written behind it");
    let read = |spill: &mut Spill| {
        let back = spill.read_batch(usize::MAX);
        let bytes = back.unreadable.map(|rest| (rest.bytes, rest.why));
        (back.items, bytes)
    };
    let record = (bytes.len() / 3) as u64;
    let found = read(&mut spill);
    assert_eq!(found, (items(0..2), Some((3 * record, Why::Damaged))));
    assert!(!spill.has_more());
    let aside = dir.path().join("tap/lab.1000000000.spill.damaged");
    assert_eq!(fs::metadata(aside).expect("set aside").len(), 5 * record);
    spill.append(&items(5..6)).expect("written anew");
    assert_eq!(rest(&mut spill), items(5..6));
    fs::write(&file, &bytes[..bytes.len() / 2 - 3]).expect("written");
    let mut spill = Spill::open(dir.path(), "lab").expect("opened");
    let (some, unreadable) = read(&mut spill);
    assert_eq!(some, items(0..1));
    assert!(matches!(unreadable, Some((_, Why::Damaged))));
    assert!(!spill.has_more());
}

#[test]
fn what_cannot_be_opened_now_waits_for_another_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let open = |keys: &str| {
        let keys = Keyring::parse(keys).expect("keys");
        Spill::open(dir.path(), "lab")
            .expect("opened")
            .sealed_with(keys)
    };
    let (old, new) = ("ab".repeat(32), "cd".repeat(32));
    open(&old).append(&items(0..3)).expect("written");
    let mut spill = open(&new);
    let back = spill.read_batch(usize::MAX);
    let unreadable = back.unreadable.expect("what it has no key for");
    assert_eq!((back.items.len(), unreadable.why), (0, Why::Sealed));
    assert!(unreadable.gap("lab").bytes > 0);
    spill.append(&items(3..4)).expect("written beside it");
    spill.prepend(&items(2..3)).expect("written beside it");
    assert_eq!(rest(&mut spill), items(2..4));
    assert_eq!(files(dir.path()), 1);
    drop(spill);
    assert_eq!(rest(&mut open(&format!("{new}\n{old}"))), items(0..3));
}

#[test]
fn a_file_that_the_disk_does_not_give_is_told_of_once_and_holds_nothing_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spill = Spill::open(dir.path(), "lab").expect("opened");
    spill.append(&items(0..3)).expect("written");
    let path = spill.path(FIRST);
    fs::rename(&path, dir.path().join("away")).expect("moved");
    let back = spill.read_batch(usize::MAX);
    let why = back.unreadable.expect("it is not there").why;
    assert_eq!(why, Why::Disk(ErrorKind::NotFound));
    assert!(!spill.has_more());
    fs::rename(dir.path().join("away"), &path).expect("back");
    spill.append(&items(3..4)).expect("written beside it");
    assert_eq!(rest(&mut spill), items(3..4));
    drop(spill);
    let mut spill = Spill::open(dir.path(), "lab").expect("opened");
    assert_eq!(rest(&mut spill), items(0..3));
}
