//! A consistent copy of a data directory, of a running daemon's too: the newest checkpoint and the
//! segments behind it.
//!
//! A segment that is still written is copied up to the end of the whole records that it held before
//! the copying began. So the copy is what a crash at that moment would have left, and opens like it.

use super::checkpoint::{self, Checkpoint, checkpoints_dir};
use super::cursor::Cursor;
use super::disk::{Disk, DiskFile, read_full_at, write_all_at};
use super::error::JournalError;
use super::layout::{SEGMENT_HEADER, SegmentHeader};
use super::open::inspect_with;
use super::table::{packed_path, segment_number, segment_path, segments_dir};
use crate::core::fact::JournalPosition;
use crate::seal::Keyring;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STEP: usize = 1 << 20;
/// How often it begins anew because the daemon compressed or dropped a segment meanwhile.
const ATTEMPTS: usize = 10;

/// Why there is no backup. What was copied is left, but is not a backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The journal to be copied, or its copy, cannot be read or is of a newer version.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The directory to copy into is not empty.
    #[error("expected an empty directory, but `{}` holds files", .0.display())]
    NotEmpty(PathBuf),
    /// There is nothing to copy.
    #[error("expected a data directory, but `{}` holds no journal", .0.display())]
    Nothing(PathBuf),
    /// The copy does not say what the original said.
    #[error("the copy is not whole: {0}")]
    NotWhole(String),
    /// The operating system refused.
    #[error("cannot copy `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What was copied and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The checkpoint's position; [`JournalPosition::START`] where there is none yet.
    pub checkpoint: JournalPosition,
    /// The first fact in it that has its bytes.
    pub oldest: JournalPosition,
    /// The last fact in it.
    pub last: JournalPosition,
    /// Segments copied.
    pub segments: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Damage of the original that the copy has too.
    pub damage: Vec<String>,
}

/// Copies into an empty directory, and verifies every checksum of the copy. With `all`, also the
/// segments that the checkpoint makes unnecessary, for whoever wants the old messages. What is sealed
/// stays sealed; the keys are not copied.
///
/// # Errors
/// See [`BackupError`].
pub fn backup(
    disk: &Arc<dyn Disk>,
    from: &Path,
    to: &Path,
    keys: &Keyring,
    all: bool,
) -> Result<Copied, BackupError> {
    let io_at = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    let journal = segments_dir(from);
    match disk.list(&journal) {
        Ok(names) if names.iter().any(|name| segment_number(name).is_some()) => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_at(&journal)(error));
        }
        _ => return Err(BackupError::Nothing(from.to_owned())),
    }
    let (segments, checkpoints) = (segments_dir(to), checkpoints_dir(to));
    for dir in [to, &segments, &checkpoints] {
        disk.create_dir(dir).map_err(io_at(dir))?;
        if !disk.list(dir).map_err(io_at(dir))?.is_empty() {
            return Err(BackupError::NotEmpty(dir.to_owned()));
        }
    }
    let mut attempt = 0;
    let checkpoint = loop {
        attempt += 1;
        match copy(disk.as_ref(), from, to, keys, all) {
            Err(
                BackupError::Io { source, .. }
                | BackupError::Journal(JournalError::Io { source, .. }),
            ) if source.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {
                for dir in [&segments, &checkpoints] {
                    for name in disk.list(dir).map_err(io_at(dir))? {
                        disk.remove(&dir.join(name)).map_err(io_at(dir))?;
                    }
                }
            }
            other => break other?,
        }
    };
    for dir in [&segments, &checkpoints, to] {
        disk.sync_dir(dir).map_err(io_at(dir))?;
    }
    verify(disk, from, to, keys, checkpoint)
}

/// One attempt.
fn copy(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    keys: &Keyring,
    all: bool,
) -> Result<Option<Checkpoint>, BackupError> {
    let kept = checkpoint::survey(disk, from, keys)?;
    let newest = kept.newest().cloned();
    let (old, new) = (segments_dir(from), segments_dir(to));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    let names = disk.list(&old).map_err(at(&old))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|n| segment_number(n)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    // The end of the segment that is written now, before anything is copied.
    let mut ends = Vec::new();
    let base = newest
        .as_ref()
        .map_or(JournalPosition::START, |n| n.position);
    let mut needed_from = 0;
    for (index, number) in numbers.iter().enumerate() {
        let plain = segment_path(&old, *number);
        let opened = super::table::open_segment(disk, &old, *number, keys);
        let file = opened.map_err(|error| match JournalError::io("read", &plain, error) {
            JournalError::Io { path, source, .. } => BackupError::Io { path, source },
            other => BackupError::Journal(other),
        })?;
        let mut header = [0; SEGMENT_HEADER as usize];
        read_full_at(file.as_ref(), &mut header, 0).map_err(at(&plain))?;
        if let Ok(header) = SegmentHeader::decode(&header) {
            if header.first <= base.next() {
                needed_from = index;
            }
            if index + 1 == numbers.len() {
                let end = whole_until(Arc::clone(&file), header.salt).map_err(at(&plain))?;
                ends.push((*number, end));
            }
        }
    }
    if let Some(newest) = &newest {
        let name = newest.path.file_name().unwrap_or_default();
        let target = checkpoints_dir(to).join(name);
        copy_file(disk, newest.file(), &target, newest.bytes).map_err(at(&newest.path))?;
    }
    let first = if all { 0 } else { needed_from };
    for number in numbers.iter().skip(first) {
        let plain = segment_path(&old, *number);
        let end = ends
            .iter()
            .find(|(of, _)| of == number)
            .map(|(_, end)| *end);
        let (file, target) = match disk.open_read(&plain) {
            Ok(file) => (file, segment_path(&new, *number)),
            Err(_) => {
                let packed = packed_path(&old, *number);
                let file = disk.open_read(&packed).map_err(at(&packed))?;
                (file, packed_path(&new, *number))
            }
        };
        let len = file.len().map_err(at(&plain))?;
        let len = end.map_or(len, |end| end.min(len));
        copy_file(disk, file.as_ref(), &target, len).map_err(at(&plain))?;
    }
    Ok(newest)
}

/// The end of the last whole record, damage passed over.
fn whole_until(file: Arc<dyn DiskFile>, salt: u32) -> io::Result<u64> {
    let mut cursor = Cursor::new(file)?;
    let mut end = SEGMENT_HEADER;
    loop {
        match cursor.record(end, Some(salt))? {
            Some(record) => end = record.end,
            None => match cursor.find(end + super::layout::ALIGNMENT, Some(salt))? {
                Some(next) => end = next,
                None => return Ok(end),
            },
        }
    }
}

fn copy_file(disk: &dyn Disk, from: &dyn DiskFile, to: &Path, len: u64) -> io::Result<()> {
    let target = disk.create(to)?;
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    while at < len {
        let size = usize::try_from(len - at).unwrap_or(STEP).min(STEP);
        let n = read_full_at(from, buffer.get_mut(..size).unwrap_or_default(), at)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all_at(target.as_ref(), buffer.get(..n).unwrap_or_default(), at)?;
        at += n as u64;
    }
    target.sync_data()
}

fn verify(
    disk: &Arc<dyn Disk>,
    from: &Path,
    to: &Path,
    keys: &Keyring,
    checkpoint: Option<Checkpoint>,
) -> Result<Copied, BackupError> {
    let copy = inspect_with(Arc::clone(disk), to, keys)?;
    let checkpoint = checkpoint.map_or(JournalPosition::START, |c| c.position);
    let found = copy.checkpoints.newest().map(|newest| newest.position);
    if found.unwrap_or(JournalPosition::START) != checkpoint {
        let unfit = copy.checkpoints.unfit.first();
        let why = unfit.map_or_else(
            || "the checkpoint is missing".to_owned(),
            ToString::to_string,
        );
        return Err(BackupError::NotWhole(why));
    }
    let recovery = copy.recovery;
    let mut damage: Vec<String> = recovery.damage.iter().map(ToString::to_string).collect();
    if !damage.is_empty() {
        // What the original has lost too is no fault of the copy.
        let original = inspect_with(Arc::clone(disk), from, keys)?.recovery.damage;
        let known: Vec<_> = original.iter().map(ToString::to_string).collect();
        if let Some(new) = damage.iter().find(|one| !known.contains(one)) {
            return Err(BackupError::NotWhole(new.clone()));
        }
    }
    damage.dedup();
    let mut bytes = 0;
    for dir in [segments_dir(to), checkpoints_dir(to)] {
        for name in disk.list(&dir).unwrap_or_default() {
            bytes += disk
                .open_read(&dir.join(name))
                .and_then(|f| f.len())
                .unwrap_or(0);
        }
    }
    Ok(Copied {
        checkpoint,
        oldest: recovery.oldest,
        last: recovery.last,
        segments: recovery.segments,
        bytes,
        damage,
    })
}
