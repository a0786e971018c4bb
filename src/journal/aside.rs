//! Keeping what is damaged: a copy in a folder of its own, before a repair or a retention takes it.

use super::recovery::{Damage, DamageKind};
use super::table::{segment_name, segment_path};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder in the data directory.
const FOLDER: &str = "damaged";

/// Copies every damaged segment into `damaged/` of the data directory, each with a text beside it
/// that names the damage; the folder. What is there already is not copied again.
///
/// # Errors
/// The folder cannot be written, or a copy would leave less than `reserve` bytes free. The damaged
/// file itself stays where it is in any case.
pub fn set_aside(data: &Path, damage: &[Damage], reserve: u64) -> io::Result<PathBuf> {
    let folder = data.join(FOLDER);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    let mut texts: BTreeMap<u64, String> = BTreeMap::new();
    for one in damage {
        let _ = writeln!(texts.entry(one.segment).or_default(), "{one}");
    }
    for (number, text) in &texts {
        let is_there = damage
            .iter()
            .any(|one| one.segment == *number && one.kind != DamageKind::MissingSegment);
        let name = segment_name(*number);
        let note = folder.join(format!("{name}.txt"));
        if fs::read_to_string(&note).is_ok_and(|known| known == *text) {
            continue;
        }
        if is_there {
            copy(
                &segment_path(&data.join("journal"), *number),
                &folder.join(&name),
                reserve,
            )?;
        }
        // Last: where it stands, the copy is whole.
        write(&note, text)?;
    }
    fs::File::open(&folder)?.sync_all()?;
    Ok(folder)
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
