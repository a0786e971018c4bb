//! Finding out what a data directory holds: every segment in order, every checksum.
//!
//! Nothing is changed here. A bad place counts as damage only where something later proves that the
//! lost positions had been synced; otherwise it is the torn tail of a group nobody was answered for.

mod walk;

use super::checkpoint::Unfit;
use super::cursor::Cursor;
use super::damage::{Damage, DamageKind, TornTail};
use super::disk::{Disk, DiskFile, read_full_at};
use super::duplicates::Index;
use super::encode;
use super::error::{DecodeError, JournalError};
use super::layout::{FORMAT_VERSION, HeaderFault, SEGMENT_HEADER, SegmentHeader};
use super::sealing::Opener;
use super::table::{
    Segment, open_patched, open_segment, packed_path, segment_name, segment_number, segment_path,
    segments_dir,
};
use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use crate::seal::Keyring;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use walk::{End, Walk};

/// What was found at opening.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// The last position that is taken; the next fact gets the one behind it.
    pub last: JournalPosition,
    /// The cut-off remains of a group that was being written.
    pub torn: Option<TornTail>,
    /// Synced positions or headers that are lost.
    pub damage: Vec<Damage>,
    /// Segments found.
    pub segments: usize,
    /// Facts found whole.
    pub records: u64,
    /// Up to here a checkpoint stands for the facts; [`JournalPosition::START`] without one.
    pub base: JournalPosition,
    /// Checkpoints that cannot be used; an opening has set them aside.
    pub checkpoints_unfit: Vec<Unfit>,
    /// The first position whose fact is kept; those before it were dropped by retention.
    pub oldest: JournalPosition,
    /// When the oldest segment kept was begun.
    pub since: Option<Timestamp>,
    /// The first fact that only a newer version knows: its segment, its position, and what is new.
    pub newer: Option<(u64, JournalPosition, DecodeError)>,
}

impl Recovery {
    /// Why a data directory's journal cannot be folded, where only a newer version knows all of it.
    pub fn newer_record(&mut self, data: &Path) -> Option<JournalError> {
        let (number, position, source) = self.newer.take()?;
        Some(JournalError::NewerRecord {
            path: segment_path(&segments_dir(data), number),
            position,
            source,
        })
    }
}

/// All that opening has to know.
pub(crate) struct Found {
    pub recovery: Recovery,
    pub segments: Vec<Segment>,
    pub next_number: u64,
    /// Every position up to here is known to be synced.
    pub proven: JournalPosition,
    /// Whole records behind `proven`: the segment and the offsets.
    pub unproven: Option<(u64, Vec<u64>)>,
}

/// What a checkpoint says about the positions up to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// They were synced, and segments that hold nothing else need not be read.
    Skip(JournalPosition),
    /// They may be missing, as far as they lie before the first segment; all that is there is read.
    Read(JournalPosition),
}

/// Reads everything that the base does not stand for; received messages go into `index`.
pub(crate) fn recover(
    disk: &dyn Disk,
    dir: &Path,
    keys: &Keyring,
    base: Base,
    index: &mut Index,
) -> Result<Found, JournalError> {
    let mut walk = Walk {
        recovery: Recovery::default(),
        index,
        expected: 1,
        proven: 0,
        pending: VecDeque::new(),
        scratch: Vec::new(),
    };
    let mut files = survey(disk, dir, keys, &mut walk.recovery)?;
    walk.recovery.segments = files.len();
    let first = files.iter().find_map(|file| file.segment.as_ref());
    let first_kept = first.map(|segment| segment.first);
    let (Base::Skip(at) | Base::Read(at)) = base;
    walk.recovery.base = at;
    walk.recovery.since = first.and_then(|segment| segment.created);
    walk.recovery.oldest = first_kept.unwrap_or(at.next());
    let skip = match base {
        Base::Skip(at) => at.0,
        Base::Read(_) => 0,
    };
    // Dropped, not lost: what lies before the first segment and is in the checkpoint. If all
    // segments are gone, the positions of the checkpoint are not given again.
    let dropped = first_kept.map_or(at.0, |first| first.0.saturating_sub(1).min(at.0));
    walk.expected = skip.max(dropped) + 1;
    walk.proven = walk.expected - 1;
    let mut limit = u64::MAX;
    for file in files.iter_mut().rev() {
        file.limit = limit;
        if let Some(segment) = &file.segment {
            limit = limit.min(segment.first.0);
        }
    }
    let mut tail = None;
    let mut previous = 0;
    for index in 0..files.len() {
        let next = files.get(index + 1);
        // Where that one is unreadable, what is lost is lost there.
        let next = next.filter(|file| file.segment.is_some());
        let next = next.map(|file| file.number);
        let Some(file) = files.get_mut(index) else {
            break;
        };
        walk.enter(file, previous);
        previous = file.number;
        if file.limit <= skip.saturating_add(1) {
            continue;
        }
        let mut cursor = open(disk, dir, file, keys)?;
        let number = file.number;
        let io = |e| JournalError::io("read", segment_path(dir, number), e);
        let (end, bad) = walk.records(file, &mut cursor).map_err(io)?;
        let cut = cursor.is_cut(end).map_err(io)?;
        if file.limit == u64::MAX {
            if file.segment.is_some() {
                let data = cursor.end_of_data(end).map_err(io)?;
                let end = End {
                    end,
                    data,
                    cut,
                    bad,
                };
                tail = Some((index, end));
            }
        } else if next == Some(number + 1) {
            let data = cursor.len();
            let end = End {
                end,
                data,
                cut,
                bad,
            };
            walk.leave(file, &end);
        }
    }
    let mut unproven = None;
    if let Some((file, end)) = tail
        && let Some(file) = files.get_mut(file)
    {
        let kept = walk.finish(file, &end);
        if !kept.is_empty() {
            unproven = Some((file.number, kept));
        }
    }
    for damage in &mut walk.recovery.damage {
        let file = files.iter().find(|file| file.number == damage.segment);
        if damage.kind == DamageKind::Records && file.is_some_and(SegmentFile::is_unreadable) {
            damage.kind = DamageKind::Unreadable;
        }
    }
    for file in &mut files {
        let unreadable = file.is_unreadable();
        if let Some(segment) = &mut file.segment {
            segment.unreadable = unreadable;
        }
    }
    walk.expected = walk.expected.max(at.0 + 1);
    walk.recovery.last = JournalPosition(walk.expected - 1);
    Ok(Found {
        recovery: walk.recovery,
        next_number: previous + 1,
        proven: JournalPosition(walk.proven),
        unproven,
        segments: files.into_iter().filter_map(|file| file.segment).collect(),
    })
}

fn open(
    disk: &dyn Disk,
    dir: &Path,
    segment: &SegmentFile,
    keys: &Keyring,
) -> Result<Cursor, JournalError> {
    let path = segment_path(dir, segment.number);
    let file = segment.open(disk, dir, keys);
    let cursor = file.and_then(Cursor::new);
    cursor.map_err(|error| JournalError::io("open", path, error))
}

/// A segment's file.
pub(crate) struct SegmentFile {
    number: u64,
    /// Where another one is behind it, it is read over what the disk does not give back: set if there
    /// was such a place.
    unreadable: Option<Arc<AtomicBool>>,
    packed: bool,
    /// None where neither a header nor a record is whole.
    segment: Option<Segment>,
    /// Records from this position on are void.
    limit: u64,
}

impl SegmentFile {
    fn open(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        keys: &Keyring,
    ) -> std::io::Result<Arc<dyn DiskFile>> {
        match &self.unreadable {
            Some(met) => open_patched(disk, dir, self.number, keys, met),
            None => open_segment(disk, dir, self.number, keys),
        }
    }

    fn is_unreadable(&self) -> bool {
        let met = self.unreadable.as_ref();
        met.is_some_and(|met| met.load(Ordering::Relaxed))
    }

    /// Its number, and whether it is compressed.
    fn name(&self) -> (u64, bool) {
        (self.number, self.packed)
    }
}

/// All segments by number, with what their headers say.
pub(crate) fn survey(
    disk: &dyn Disk,
    dir: &Path,
    keys: &Keyring,
    recovery: &mut Recovery,
) -> Result<Vec<SegmentFile>, JournalError> {
    let names = disk.list(dir);
    let names = names.map_err(|error| JournalError::io("list", dir, error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|n| segment_number(n)).collect();
    numbers.sort_unstable();
    // One may be there in both forms: `open_segment` takes the plain one.
    numbers.dedup();
    let mut files: Vec<SegmentFile> = Vec::new();
    let last = numbers.last().copied();
    for number in numbers {
        let packed = !names.contains(&segment_name(number));
        let path = if packed {
            packed_path(dir, number)
        } else {
            segment_path(dir, number)
        };
        let io = |error| JournalError::io("read", &path, error);
        let sealed = |source| JournalError::Sealed {
            path: path.clone(),
            source,
        };
        let mut this = SegmentFile {
            number,
            unreadable: (last != Some(number)).then(Arc::default),
            packed,
            segment: None,
            limit: u64::MAX,
        };
        let file = this.open(disk, dir, keys).map_err(io)?;
        let mut bytes = [0; SEGMENT_HEADER as usize];
        let n = read_full_at(file.as_ref(), &mut bytes, 0).map_err(io)?;
        let found = n as u64;
        let segment = match SegmentHeader::decode(bytes.get(..n).unwrap_or_default()) {
            Ok(header) if header.number == number => {
                let opener = Opener::of(&header, keys).map_err(sealed)?;
                let segment = Segment::new(number, header.first, header.salt);
                Some(segment.created(header.created).opened_by(opener))
            }
            // A whole header of another number: its first position says nothing about this place.
            Ok(_) => {
                recovery.damage.push(Damage {
                    kind: DamageKind::Misplaced,
                    segment: number,
                    packed,
                    offset: 0,
                    bytes: file.len().map_err(io)?,
                    lost: None,
                });
                None
            }
            Err(HeaderFault::Newer(found)) => {
                return Err(JournalError::NewerFormat {
                    path,
                    found,
                    supported: FORMAT_VERSION,
                });
            }
            Err(HeaderFault::Garbage) => {
                recovery.damage.push(Damage {
                    kind: DamageKind::Header,
                    segment: number,
                    packed,
                    offset: 0,
                    bytes: found,
                    lost: None,
                });
                let mut cursor = Cursor::new(file).map_err(io)?;
                let place = cursor.find(SEGMENT_HEADER, None).map_err(io)?;
                match place {
                    Some(place) => match cursor.record(place, None).map_err(io)? {
                        None => None,
                        Some(record) => {
                            let behind = if encode::is_fact(record.header.kind) {
                                record.header.position
                            } else {
                                record.header.position.next()
                            };
                            let salt = record.header.salt;
                            let of_this = |file: &SegmentFile| {
                                file.segment.as_ref().is_some_and(|one| one.salt == salt)
                            };
                            // A damaged copy: its records are where they belong as well.
                            let is_copy = files.iter().any(of_this);
                            if is_copy {
                                None
                            } else {
                                let opener = Opener::by_record(&record, keys).map_err(sealed)?;
                                Some(Segment::new(number, behind, salt).opened_by(opener))
                            }
                        }
                    },
                    None => None,
                }
            }
        };
        this.segment = segment;
        files.push(this);
    }
    Ok(files)
}
