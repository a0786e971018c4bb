//! Which segments there are and where in them positions stand: shared by the writer and all readers.

use super::disk::{Disk, DiskFile};
use super::packed::Packed;
use super::patched::Patched;
use super::sealing::Opener;
use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use crate::seal::Keyring;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A place is remembered at least so many bytes after the last one.
const LANDMARK_EVERY: u64 = 1 << 20;

/// The file of a segment, in the directory `journal`.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:010}.seg")
}

/// The file of a compressed segment.
pub(crate) fn packed_name(number: u64) -> String {
    format!("{number:010}.segz")
}

/// The number in a segment's file name, compressed or not.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").or(name.strip_suffix(".segz"))?;
    let number = digits.parse().ok()?;
    (segment_name(number) == name || packed_name(number) == name).then_some(number)
}

/// Opens a segment, whichever of its two forms is there; it reads the same.
pub(crate) fn open_segment(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    keys: &Keyring,
) -> io::Result<Arc<dyn DiskFile>> {
    open_as(disk, dir, number, keys, |file| file)
}

/// Opens a segment that has another one behind it, reading over what the disk does not give back; `met`
/// is set when there is such a place.
pub(crate) fn open_patched(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    keys: &Keyring,
    met: &Arc<AtomicBool>,
) -> io::Result<Arc<dyn DiskFile>> {
    let patch = |file| Arc::new(Patched::new(file, Arc::clone(met))) as Arc<dyn DiskFile>;
    open_as(disk, dir, number, keys, patch)
}

fn open_as(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    keys: &Keyring,
    patch: impl Fn(Arc<dyn DiskFile>) -> Arc<dyn DiskFile>,
) -> io::Result<Arc<dyn DiskFile>> {
    match disk.open_read(&segment_path(dir, number)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = disk.open_read(&packed_path(dir, number))?;
            Ok(Arc::new(Packed::open(patch(file), number, keys)?))
        }
        opened => opened.map(patch),
    }
}

/// One segment that readers may read.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub number: u64,
    /// Records of earlier segments from here on are void.
    pub first: JournalPosition,
    pub salt: u32,
    /// When it was begun; not known where its header is damaged.
    pub created: Option<Timestamp>,
    /// What opens its records.
    pub opener: Opener,
    /// Part of it could not be read at the opening: that counts as damaged until the next.
    pub unreadable: bool,
    /// Some records and their offsets, rising.
    landmarks: Vec<(JournalPosition, u64)>,
}

impl Segment {
    pub fn new(number: u64, first: JournalPosition, salt: u32) -> Self {
        Self {
            number,
            first,
            salt,
            created: None,
            opener: Opener::Plain,
            unreadable: false,
            landmarks: Vec::new(),
        }
    }

    /// The same, begun at this time.
    pub fn created(mut self, at: Timestamp) -> Self {
        self.created = Some(at);
        self
    }

    /// The same, its records opened by this.
    pub fn opened_by(mut self, opener: Opener) -> Self {
        self.opener = opener;
        self
    }

    /// Remembers where a record stands, if the last place remembered is far enough away.
    pub fn note(&mut self, position: JournalPosition, offset: u64) {
        let last = self.landmarks.last().map_or(0, |(_, offset)| *offset);
        if offset >= last + LANDMARK_EVERY {
            self.landmarks.push((position, offset));
        }
    }

    /// Where to begin looking for a position.
    pub fn near(&self, position: JournalPosition) -> u64 {
        let behind = self.landmarks.partition_point(|(p, _)| *p <= position);
        let before = behind.checked_sub(1).and_then(|i| self.landmarks.get(i));
        before.map_or(super::layout::SEGMENT_HEADER, |(_, offset)| *offset)
    }
}

/// All segments in order, with the disk they are on.
pub(crate) struct Library {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    pub keys: Keyring,
    segments: Mutex<Vec<Segment>>,
    /// What lies before the first segment was dropped in good order: up to here.
    dropped: AtomicU64,
}

impl Library {
    /// `dropped`: positions up to here may be missing without being damaged.
    pub fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        keys: Keyring,
        segments: Vec<Segment>,
        dropped: JournalPosition,
    ) -> Self {
        Self {
            disk,
            dir,
            keys,
            segments: Mutex::new(segments),
            dropped: AtomicU64::new(dropped.0),
        }
    }

    /// Whether all before the first segment was dropped by retention.
    pub fn begins_with_dropped(&self) -> bool {
        let oldest = self.oldest().map_or(0, |oldest| oldest.0);
        oldest <= self.dropped.load(Ordering::Relaxed).saturating_add(1)
    }

    /// Drops a segment that ends before this position.
    pub fn drop_before(&self, number: u64, first_behind: JournalPosition) {
        self.dropped
            .fetch_max(first_behind.0.saturating_sub(1), Ordering::Relaxed);
        self.forget(number);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the newest segment.
    pub fn push(&self, segment: Segment) {
        self.lock().push(segment);
    }

    /// Remembers a place in the newest segment.
    pub fn note(&self, position: JournalPosition, offset: u64) {
        if let Some(segment) = self.lock().last_mut() {
            segment.note(position, offset);
        }
    }

    /// The segment that holds a position, if any can, and where to begin looking in it.
    pub fn holding(&self, position: JournalPosition) -> Option<(Segment, u64)> {
        let segments = self.lock();
        let found = segments.iter().rev().find(|s| s.first <= position);
        let found = found.or_else(|| segments.first())?;
        let bare = Segment::new(found.number, found.first, found.salt);
        let bare = bare.opened_by(found.opener.clone());
        Some((bare, found.near(position)))
    }

    /// The first position of the segment behind this one.
    pub fn first_behind(&self, number: u64) -> Option<JournalPosition> {
        let segments = self.lock();
        let behind = segments.partition_point(|s| s.number <= number);
        segments.get(behind).map(|segment| segment.first)
    }

    /// The first position kept; `None` while there is no segment.
    pub fn oldest(&self) -> Option<JournalPosition> {
        self.lock().first().map(|segment| segment.first)
    }

    /// All segments as they are now, without their landmarks.
    pub fn list(&self) -> Vec<Segment> {
        let bare = |s: &Segment| Segment {
            landmarks: Vec::new(),
            ..s.clone()
        };
        self.lock().iter().map(bare).collect()
    }

    fn forget(&self, number: u64) {
        self.lock().retain(|segment| segment.number != number);
    }

    pub fn open(&self, number: u64) -> io::Result<Arc<dyn DiskFile>> {
        let disk = self.disk.as_ref();
        let is_patched = |segment: &Segment| segment.number == number && segment.unreadable;
        if self.lock().iter().any(is_patched) {
            return open_patched(disk, &self.dir, number, &self.keys, &Arc::default());
        }
        open_segment(disk, &self.dir, number, &self.keys)
    }
}

pub(crate) fn packed_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(packed_name(number))
}

/// The folder of the segments in a data directory.
pub fn segments_dir(data: &Path) -> PathBuf {
    data.join("journal")
}

pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(segment_name(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers() {
        assert_eq!(segment_number(&segment_name(7)), Some(7));
        assert_eq!(segment_number(&packed_name(7)), Some(7));
        assert_eq!(segment_number("7.seg"), None);
        assert_eq!(segment_number("next"), None);
    }

    #[test]
    fn landmarks_lead_near_a_position() {
        let mut segment = Segment::new(1, JournalPosition(1), 0);
        segment.note(JournalPosition(1), 64);
        segment.note(JournalPosition(5), LANDMARK_EVERY);
        segment.note(JournalPosition(6), LANDMARK_EVERY + 8);
        assert_eq!(segment.near(JournalPosition(4)), 64);
        assert_eq!(segment.near(JournalPosition(9)), LANDMARK_EVERY);
    }
}
