//! Compressed segments: they read as what they were made of, and a bad byte costs one frame.

use super::*;
use crate::journal::ModelDisk;

fn packed(raw: &[u8]) -> (ModelDisk, Vec<u8>) {
    packed_with(raw, &Keyring::none())
}

fn packed_with(raw: &[u8], keys: &Keyring) -> (ModelDisk, Vec<u8>) {
    let disk = ModelDisk::new();
    let dir = Path::new("/d");
    disk.replace(&segment_path(dir, 1), raw.to_vec());
    assert!(pack(&disk, dir, 1, keys, &AtomicBool::new(false)).unwrap());
    let files = disk.files();
    assert!(!files.contains_key(&segment_path(dir, 1)));
    let bytes = files[&packed_path(dir, 1)].clone();
    (disk, bytes)
}

fn unpacked(disk: &ModelDisk) -> Vec<u8> {
    unpacked_with(disk, &Keyring::none())
}

fn unpacked_with(disk: &ModelDisk, keys: &Keyring) -> Vec<u8> {
    let file = disk.open_read(&packed_path(Path::new("/d"), 1)).unwrap();
    let file = Packed::open(file, 1, keys).unwrap();
    let mut raw = vec![1; usize::try_from(file.len().unwrap()).unwrap()];
    assert_eq!(read_full_at(&file, &mut raw, 0).unwrap(), raw.len());
    raw
}

fn sample() -> Vec<u8> {
    (0..2 * FRAME + 12_345)
        .map(|n| (n % 251 + n / 70_000) as u8)
        .collect()
}

#[test]
fn reads_as_what_it_was_made_of() {
    for raw in [sample(), b"MSH".to_vec(), Vec::new()] {
        let (disk, bytes) = packed(&raw);
        assert_eq!(unpacked(&disk), raw);
        assert!(bytes.len() <= raw.len() + HEADER + 8 + 16);
    }
}

/// A bad frame costs what it holds and nothing else, wherever the bad byte is.
#[test]
fn a_bad_byte_costs_one_frame() {
    let raw = sample();
    let (disk, bytes) = packed(&raw);
    let path = packed_path(Path::new("/d"), 1);
    for place in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut bad = bytes.clone();
        bad[place] ^= 0x55;
        disk.replace(&path, bad);
        let read = unpacked(&disk);
        assert_eq!(read.len(), raw.len(), "byte {place}");
        let differ = raw.iter().zip(&read).filter(|(a, b)| a != b).count() as u64;
        assert!(differ <= FRAME, "byte {place}: {differ} bytes differ");
    }
}

#[test]
fn a_newer_version_is_refused() {
    let (disk, mut bytes) = packed(b"MSH");
    bytes[4] = 3;
    let sum = crc32c::crc32c(&bytes[..HEADER - 4]);
    bytes[HEADER - 4..HEADER].copy_from_slice(&sum.to_le_bytes());
    let path = packed_path(Path::new("/d"), 1);
    disk.replace(&path, bytes);
    let opened = Packed::open(disk.open_read(&path).unwrap(), 1, &Keyring::none());
    let kind = opened.err().map(|error| error.kind());
    assert_eq!(kind, Some(io::ErrorKind::Unsupported));
}

/// Sealed frames read as the same, show nothing, and are bound to their segment's number.
#[test]
fn sealed_frames_hide_what_they_hold() {
    let raw = sample();
    let keys = Keyring::parse(&"ab".repeat(32)).unwrap();
    let (disk, bytes) = packed_with(&raw, &keys);
    assert_eq!(unpacked_with(&disk, &keys), raw);
    assert!(bytes.windows(8).any(|w| w == keys.sealer().unwrap().id().0));
    let path = packed_path(Path::new("/d"), 1);
    let open = |number, keys: &Keyring| Packed::open(disk.open_read(&path).unwrap(), number, keys);
    let moved = open(2, &keys).unwrap();
    assert_eq!(
        read(&moved, 0, raw.len() as u64).unwrap(),
        vec![0; raw.len()]
    );
    let other = Keyring::parse(&"cd".repeat(32)).unwrap();
    let refused = open(1, &other).err().unwrap();
    assert!(matches!(
        SealFault::in_error(&refused),
        Some(SealFault::UnknownKey { .. })
    ));
}

/// The first frame too, which holds what names the key.
#[test]
fn a_bad_byte_costs_one_sealed_frame() {
    let raw = sample();
    let keys = Keyring::parse(&"ab".repeat(32)).unwrap();
    let (disk, bytes) = packed_with(&raw, &keys);
    let path = packed_path(Path::new("/d"), 1);
    let places = (0..bytes.len()).step_by(bytes.len() / 40);
    for place in (0..HEADER + KEY_ID).chain(places) {
        let mut bad = bytes.clone();
        bad[place] ^= 0x55;
        disk.replace(&path, bad);
        let read = unpacked_with(&disk, &keys);
        let differ = raw.iter().zip(&read).filter(|(a, b)| a != b).count() as u64;
        assert!(
            read.len() == raw.len() && differ <= FRAME,
            "byte {place}: {differ}"
        );
    }
}

#[test]
fn what_is_compressed_is_sealed_anew_with_a_new_key() {
    let raw = sample();
    let dir = Path::new("/d");
    let (disk, _) = packed(&raw);
    let one = Keyring::parse(&"ab".repeat(32)).unwrap();
    let two = Keyring::parse(&format!("{}\n{}", "cd".repeat(32), "ab".repeat(32))).unwrap();
    let last = Keyring::parse(&"cd".repeat(32)).unwrap();
    for keys in [&one, &two] {
        assert!(is_to_be_packed(&disk, dir, 1, keys).unwrap());
        assert!(pack(&disk, dir, 1, keys, &AtomicBool::new(false)).unwrap());
        assert!(!is_to_be_packed(&disk, dir, 1, keys).unwrap());
        assert_eq!(unpacked_with(&disk, keys), raw);
    }
    assert_eq!(
        unpacked_with(&disk, &last),
        raw,
        "the old key is needed no more"
    );
}
