//! Keeping what is damaged: a copy in a folder of its own, before a repair or a retention takes it.

use super::damage::{Damage, DamageKind};
use super::table::segments_dir;
use crate::core::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder in the data directory.
const FOLDER: &str = "damaged";

/// What is kept of damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The folder with copies and texts.
    pub folder: PathBuf,
    /// When the last of the damage that is there now was noted for the first time.
    pub noted: Timestamp,
}

/// Copies every damaged segment into `damaged/` of the data directory, each with a text beside it
/// that names the damage. What is there already is not copied again.
///
/// # Errors
/// The folder cannot be written, or a copy would leave less than `reserve` bytes free. The damaged
/// file itself stays where it is in any case.
pub fn set_aside(data: &Path, damage: &[Damage], reserve: u64) -> io::Result<Aside> {
    let folder = data.join(FOLDER);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for one in damage {
        let _ = writeln!(texts.entry(one.file_name()).or_default(), "{one}");
    }
    let mut noted = Timestamp::default();
    for (name, text) in &texts {
        let is_there = damage
            .iter()
            .any(|one| one.file_name() == *name && one.kind != DamageKind::MissingSegment);
        let note = folder.join(format!("{name}.txt"));
        if fs::read_to_string(&note).is_ok_and(|known| known.starts_with(text.as_str())) {
            noted = noted.max(time_of(&note)?);
            continue;
        }
        let mut text = text.clone();
        let (from, to) = (segments_dir(data).join(name), folder.join(name));
        if is_there && let Err(error) = copy(&from, &to, reserve) {
            if error.kind() == io::ErrorKind::StorageFull {
                return Err(error);
            }
            // A disk that does not give it back gives no copy either; trying again would not help.
            let _ = writeln!(text, "no copy: {error}");
        }
        // Last: where it stands, the copy is whole.
        write(&note, &text)?;
        noted = noted.max(time_of(&note)?);
    }
    fs::File::open(&folder)?.sync_all()?;
    Ok(Aside { folder, noted })
}

fn time_of(note: &Path) -> io::Result<Timestamp> {
    let modified = fs::metadata(note)?.modified()?;
    let since_1970 = modified.duration_since(std::time::UNIX_EPOCH);
    let micros = since_1970.map_or(0, |since| since.as_micros());
    Ok(Timestamp::from_micros(
        i64::try_from(micros).unwrap_or(i64::MAX),
    ))
}

fn copy(from: &Path, to: &Path, reserve: u64) -> io::Result<()> {
    let mut source = fs::File::open(from)?;
    let space = rustix::fs::statvfs(to.parent().unwrap_or(to))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if free < reserve.saturating_add(source.metadata()?.len()) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let mut copy = create(to)?;
    let copied = io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all());
    if copied.is_err() {
        let _ = fs::remove_file(to);
    }
    copied
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn create(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fact::JournalPosition;
    use crate::journal::table::segment_path;

    fn damaged(segment: u64, kind: DamageKind) -> Damage {
        Damage {
            kind,
            segment,
            packed: false,
            offset: 64,
            bytes: 8,
            lost: Some((JournalPosition(1), JournalPosition(2))),
        }
    }

    fn data() -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("journal")).unwrap();
        fs::write(segment_path(&segments_dir(data.path()), 1), b"bad").unwrap();
        data
    }

    #[test]
    fn a_copy_is_made_once_for_the_same_damage_and_again_for_more() {
        let data = data();
        let first = [damaged(1, DamageKind::Records)];
        let folder = set_aside(data.path(), &first, 0).unwrap().folder;
        let copy = folder.join("0000000001.seg");
        assert_eq!(fs::read(&copy).unwrap(), b"bad");
        let note = fs::read_to_string(folder.join("0000000001.seg.txt")).unwrap();
        assert!(note.contains("positions 1 to 2 are lost"), "{note}");
        fs::write(&copy, b"looked at").unwrap();
        set_aside(data.path(), &first, 0).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), b"looked at", "known already");
        let more = [first[0], damaged(1, DamageKind::Short)];
        set_aside(data.path(), &more, 0).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), b"bad");
    }

    #[test]
    fn a_missing_segment_has_a_note_and_no_copy() {
        let data = data();
        let missing = [damaged(2, DamageKind::MissingSegment)];
        let folder = set_aside(data.path(), &missing, 0).unwrap().folder;
        assert!(folder.join("0000000002.seg.txt").exists());
        assert!(!folder.join("0000000002.seg").exists());
    }

    #[test]
    fn a_copy_never_takes_the_reserve() {
        let data = data();
        let damage = [damaged(1, DamageKind::Records)];
        let refused = set_aside(data.path(), &damage, u64::MAX).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        let folder = data.path().join("damaged");
        assert_eq!(
            fs::read_dir(folder).unwrap().count(),
            0,
            "it is tried again"
        );
    }
}
