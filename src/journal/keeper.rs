//! What happens to closed segments: they are compressed, and dropped when retention and both
//! checkpoints have passed them.

use super::Retention;
use super::appender::Shared;
use super::disk::Disk;
use super::packed::{is_to_be_packed, pack};
use super::table::{Library, Segment, packed_path, segment_path};
use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Compresses and drops closed segments; one for a journal, in a thread of its own.
pub struct Keeper {
    shared: Arc<Shared>,
    retention: Retention,
}

/// What a pass did, and what is kept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// Segments compressed.
    pub packed: usize,
    /// Segments dropped.
    pub dropped: usize,
    /// Bytes of all segments on the disk.
    pub bytes: u64,
    /// The first position kept.
    pub oldest: JournalPosition,
    /// When the oldest segment kept was begun.
    pub since: Option<Timestamp>,
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, retention: Retention) -> Self {
        Self { shared, retention }
    }

    /// Compresses what is closed, whole and not compressed yet or sealed with another key than the one that
    /// seals now, and drops what need not be kept. Ends early once `stop` is set.
    ///
    /// # Errors
    /// Where the disk refuses; the next pass goes on.
    pub fn pass(&self, now: Timestamp, stop: &AtomicBool) -> io::Result<Tidied> {
        let library = self.shared.library.as_ref();
        let (disk, dir) = (library.disk.as_ref(), library.dir.as_path());
        let mut tidied = Tidied {
            // First: what is dropped need not be compressed.
            dropped: self.drop_old(library, now)?,
            ..Tidied::default()
        };
        let segments = library.list();
        let closed = segments.split_last().map_or(&[][..], |(_, closed)| closed);
        for segment in closed {
            if self.shared.damaged.contains(&segment.number) {
                continue;
            }
            let (number, keys) = (segment.number, &library.keys);
            if is_to_be_packed(disk, dir, number, keys)? && pack(disk, dir, number, keys, stop)? {
                tidied.packed += 1;
            }
        }
        for segment in &segments {
            tidied.bytes += size_of(disk, dir, segment.number);
        }
        let first = segments.first();
        tidied.oldest = first.map_or(JournalPosition::START, |segment| segment.first);
        tidied.since = first.and_then(|segment| segment.created);
        Ok(tidied)
    }

    fn drop_old(&self, library: &Library, now: Timestamp) -> io::Result<usize> {
        let (disk, dir) = (library.disk.as_ref(), library.dir.as_path());
        let floor = self.shared.kept().floor();
        let segments = library.list();
        let mut total: u64 = segments.iter().map(|s| size_of(disk, dir, s.number)).sum();
        let mut dropped = 0;
        for pair in segments.windows(2) {
            let [segment, behind] = pair else { break };
            let needed = behind.first.0 > floor.0.saturating_add(1);
            if needed || !self.is_over(behind, total, now) {
                break;
            }
            total = total.saturating_sub(size_of(disk, dir, segment.number));
            library.drop_before(segment.number, behind.first);
            for path in [
                segment_path(dir, segment.number),
                packed_path(dir, segment.number),
            ] {
                match disk.remove(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            // One after another, or a crash could leave an older segment and not the one behind it.
            disk.sync_dir(dir)?;
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Whether the segment before this one need not be kept: its youngest fact is too old, or all
    /// together are too large.
    fn is_over(&self, behind: &Segment, total: u64, now: Timestamp) -> bool {
        let Retention { age, size } = self.retention;
        let too_old =
            age.is_some_and(|age| behind.created.is_some_and(|closed| now.since(closed) > age));
        too_old || size.is_some_and(|size| total > size)
    }
}

/// Bytes of a segment's file, in whichever form.
fn size_of(disk: &dyn Disk, dir: &Path, number: u64) -> u64 {
    [segment_path(dir, number), packed_path(dir, number)]
        .iter()
        .filter_map(|path| disk.open_read(path).ok()?.len().ok())
        .sum()
}

/// Finishes what a crash left half done: where a segment is there in both forms, the one it was made
/// from stays.
pub(crate) fn finish_packing(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let names = disk.list(dir)?;
    for name in &names {
        let plain = name
            .strip_suffix('z')
            .filter(|plain| plain.ends_with(".seg"));
        if plain.is_some_and(|plain| names.iter().any(|name| name == plain)) {
            disk.remove(&dir.join(name))?;
        }
    }
    if names.iter().any(|name| name == super::packed::PACKING) {
        disk.remove(&dir.join(super::packed::PACKING))?;
    }
    Ok(())
}
