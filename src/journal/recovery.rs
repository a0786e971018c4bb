//! Finding out what a data directory holds: every segment in order, every checksum.
//!
//! Nothing is changed here. A bad place counts as damage only where something later proves that the
//! lost positions had been synced; otherwise it is the torn tail of a group nobody was answered for.

use super::checkpoint::Unfit;
use super::cursor::Cursor;
use super::disk::{Disk, read_full_at};
use super::duplicates::{Fingerprint, Index};
use super::encode;
use super::error::{DecodeError, JournalError};
use super::layout::{ALIGNMENT, FORMAT_VERSION, HeaderFault, SEGMENT_HEADER, SegmentHeader};
use super::table::{
    Segment, open_segment, packed_name, segment_name, segment_number, segment_path, segments_dir,
};
use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use std::collections::VecDeque;
use std::fmt;
use std::path::Path;

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

/// Bytes at the end that nobody was answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub segment: u64,
    /// Where the tail begins in its file.
    pub offset: u64,
    /// Up to the last byte that is not zero.
    pub bytes: u64,
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// A segment's header; its records were found without it.
    Header,
    /// Records in the middle or at the end of a segment.
    Records,
    /// A segment's file ends too early.
    Short,
    /// A segment's file is gone.
    MissingSegment,
    /// A whole file that belongs to another number: a copy, or one that was renamed. It is not read.
    Misplaced,
}

/// One damaged place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// What.
    pub kind: DamageKind,
    /// In which segment.
    pub segment: u64,
    /// It is compressed: places are those of the segment that it was made from.
    pub packed: bool,
    /// Where in the segment.
    pub offset: u64,
    /// How many bytes are bad.
    pub bytes: u64,
    /// The first and the last position lost, if any is. They are never given again.
    pub lost: Option<(JournalPosition, JournalPosition)>,
}

impl Damage {
    /// The name of the file that is damaged, or missing.
    pub fn file_name(&self) -> String {
        if self.packed {
            packed_name(self.segment)
        } else {
            segment_name(self.segment)
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file_name();
        let Self { offset, bytes, .. } = self;
        match self.kind {
            DamageKind::Header => write!(f, "the header of segment `{name}` is damaged")?,
            DamageKind::Records => write!(f, "segment `{name}`: {bytes} bad bytes at {offset}")?,
            DamageKind::Short => write!(f, "segment `{name}` ends too early, at {offset}")?,
            DamageKind::MissingSegment => write!(f, "segment `{name}` is missing")?,
            DamageKind::Misplaced => {
                write!(f, "`{name}` belongs to another number, and is not read")?
            }
        }
        match self.lost {
            Some((from, through)) if from == through => write!(f, "; position {from} is lost"),
            Some((from, through)) => write!(f, "; positions {from} to {through} are lost"),
            None => f.write_str("; nothing is lost"),
        }
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
    base: Base,
    index: &mut Index,
) -> Result<Found, JournalError> {
    let mut walk = Walk {
        recovery: Recovery::default(),
        index,
        expected: 1,
        proven: 0,
        pending: VecDeque::new(),
    };
    let mut files = survey(disk, dir, &mut walk.recovery)?;
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
        let mut cursor = open(disk, dir, file.number)?;
        let number = file.number;
        let io = |e| JournalError::io("read", segment_path(dir, number), e);
        let end = walk.records(file, &mut cursor).map_err(io)?;
        let cut = cursor.is_cut(end).map_err(io)?;
        if file.limit == u64::MAX {
            if file.segment.is_some() {
                let data = cursor.end_of_data(end).map_err(io)?;
                tail = Some((index, End { end, data, cut }));
            }
        } else if next == Some(number + 1) {
            let data = cursor.len();
            walk.leave(file, &End { end, data, cut });
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

fn open(disk: &dyn Disk, dir: &Path, number: u64) -> Result<Cursor, JournalError> {
    let path = segment_path(dir, number);
    let file = open_segment(disk, dir, number);
    let cursor = file.and_then(Cursor::new);
    cursor.map_err(|error| JournalError::io("open", path, error))
}

/// A segment's file.
struct SegmentFile {
    number: u64,
    packed: bool,
    /// None where neither a header nor a record is whole.
    segment: Option<Segment>,
    /// Records from this position on are void.
    limit: u64,
}

impl SegmentFile {
    /// Its number, and whether it is compressed.
    fn name(&self) -> (u64, bool) {
        (self.number, self.packed)
    }
}

/// All segments by number, with what their headers say.
fn survey(
    disk: &dyn Disk,
    dir: &Path,
    recovery: &mut Recovery,
) -> Result<Vec<SegmentFile>, JournalError> {
    let names = disk.list(dir);
    let names = names.map_err(|error| JournalError::io("list", dir, error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|n| segment_number(n)).collect();
    numbers.sort_unstable();
    // One may be there in both forms: `open_segment` takes the plain one.
    numbers.dedup();
    let mut files: Vec<SegmentFile> = Vec::new();
    for number in numbers {
        let path = segment_path(dir, number);
        let io = |error| JournalError::io("read", &path, error);
        let file = open_segment(disk, dir, number).map_err(io)?;
        let packed = !names.contains(&segment_name(number));
        let mut bytes = [0; SEGMENT_HEADER as usize];
        let n = read_full_at(file.as_ref(), &mut bytes, 0).map_err(io)?;
        let found = n as u64;
        let segment = match SegmentHeader::decode(bytes.get(..n).unwrap_or_default()) {
            Ok(header) if header.number == number => {
                let segment = Segment::new(number, header.first, header.salt);
                Some(segment.created(header.created))
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
                    Some(place) => cursor.record(place, None).map_err(io)?.and_then(|record| {
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
                        (!is_copy).then(|| Segment::new(number, behind, salt))
                    }),
                    None => None,
                }
            }
        };
        files.push(SegmentFile {
            number,
            packed,
            segment,
            limit: u64::MAX,
        });
    }
    Ok(files)
}

/// A whole record that is not yet known to have been synced.
struct Pending {
    position: u64,
    offset: u64,
    /// The bad bytes before it.
    gap: Option<(u64, u64)>,
    fingerprint: Option<(Fingerprint, Timestamp)>,
}

/// How a segment ends.
struct End {
    /// The end of the last whole record that counts.
    end: u64,
    /// The end of what is behind it.
    data: u64,
    /// The file ends within a record.
    cut: bool,
}

impl End {
    fn kind(&self) -> DamageKind {
        if self.cut {
            DamageKind::Short
        } else {
            DamageKind::Records
        }
    }

    fn place(&self) -> (u64, u64) {
        (self.end, self.data.saturating_sub(self.end))
    }
}

/// The walk through all records, in order.
struct Walk<'a> {
    recovery: Recovery,
    index: &'a mut Index,
    /// The position that comes next.
    expected: u64,
    /// Every position up to here was synced.
    proven: u64,
    pending: VecDeque<Pending>,
}

impl Walk<'_> {
    fn lose(&mut self, kind: DamageKind, file: (u64, bool), place: (u64, u64), through: u64) {
        let lost = (self.expected <= through)
            .then_some((JournalPosition(self.expected), JournalPosition(through)));
        self.recovery.damage.push(Damage {
            kind,
            segment: file.0,
            packed: file.1,
            offset: place.0,
            bytes: place.1,
            lost,
        });
        self.expected = self.expected.max(through.saturating_add(1));
    }

    /// Begins a segment: are there segments missing before it?
    fn enter(&mut self, file: &SegmentFile, previous: u64) {
        if file.number > previous + 1 {
            let first = file.segment.as_ref().map_or(0, |segment| segment.first.0);
            let through = first.saturating_sub(1);
            // A number without a file, but no position missing: a file that was none of ours is gone.
            // Before the first segment of all: dropped behind a checkpoint, which counts as not missing.
            if self.expected <= through {
                self.lose(
                    DamageKind::MissingSegment,
                    (previous + 1, false),
                    (0, 0),
                    through,
                );
            }
        }
        // A segment gets its name only when all before its first position is synced. What lies
        // before the first segment of all counts in the same way.
        if let Some(segment) = &file.segment {
            self.proven = self.proven.max(segment.first.0.saturating_sub(1));
        }
        if file.limit != u64::MAX {
            self.proven = self.proven.max(file.limit.saturating_sub(1));
        }
    }

    /// Takes in a segment's records; where they end.
    fn records(&mut self, file: &mut SegmentFile, cursor: &mut Cursor) -> std::io::Result<u64> {
        let mut offset = SEGMENT_HEADER;
        let mut gap = None;
        let Some(salt) = file.segment.as_ref().map(|segment| segment.salt) else {
            return Ok(offset);
        };
        loop {
            let Some(record) = cursor.record(offset, Some(salt))? else {
                match cursor.find(offset + ALIGNMENT, Some(salt))? {
                    Some(next) => {
                        gap = Some((offset, next - offset));
                        offset = next;
                        continue;
                    }
                    None => return Ok(offset),
                }
            };
            let header = record.header;
            let position = header.position.0;
            // A record cannot know of more than was there before it.
            if header.durable <= header.position {
                self.proven = self.proven.max(header.durable.0);
            }
            if encode::is_fact(header.kind) {
                if position >= file.limit {
                    return Ok(offset);
                }
                if let Err(newer) = encode::known(header.kind, header.version)
                    && self.recovery.newer.is_none()
                {
                    self.recovery.newer = Some((file.number, header.position, newer));
                }
                let last = self
                    .pending
                    .back()
                    .map_or(self.expected, |p| p.position + 1);
                // Never so in what the writer writes; a copied-back file could hold it.
                if position >= last && position < u64::MAX {
                    self.pending.push_back(Pending {
                        position,
                        offset,
                        gap: gap.take(),
                        fingerprint: encode::fingerprint(header.kind, header.version, record.meta),
                    });
                }
            }
            offset = record.end;
            self.settle(file);
        }
    }

    /// Takes what is proven by now.
    fn settle(&mut self, file: &mut SegmentFile) {
        while let Some(front) = self.pending.front().filter(|p| p.position <= self.proven) {
            if front.position > self.expected {
                let place = front.gap.unwrap_or((front.offset, 0));
                let through = front.position - 1;
                self.lose(DamageKind::Records, file.name(), place, through);
            }
            self.accept(file);
        }
    }

    fn accept(&mut self, file: &mut SegmentFile) -> Option<u64> {
        let record = self.pending.pop_front()?;
        let position = JournalPosition(record.position);
        if let Some((fingerprint, at)) = &record.fingerprint {
            self.index.insert(fingerprint, *at, position);
        }
        if let Some(segment) = &mut file.segment {
            segment.note(position, record.offset);
        }
        self.recovery.records += 1;
        self.expected = record.position + 1;
        Some(record.offset)
    }

    /// Ends a segment that has the next one behind it: did it hold all it should have?
    fn leave(&mut self, file: &SegmentFile, end: &End) {
        if self.expected < file.limit {
            self.lose(end.kind(), file.name(), end.place(), file.limit - 1);
        }
    }

    /// Ends the last segment: the offsets of what is whole and not proven to be synced.
    fn finish(&mut self, file: &mut SegmentFile, end: &End) -> Vec<u64> {
        let mut tail = Some(end.place());
        if self.expected <= self.proven {
            let gap = self.pending.front().map(|p| p.gap.unwrap_or((p.offset, 0)));
            let (kind, place) = match gap {
                Some(place) => (DamageKind::Records, place),
                None => (end.kind(), tail.take().unwrap_or_default()),
            };
            self.lose(kind, file.name(), place, self.proven);
        }
        let mut kept = Vec::new();
        while self
            .pending
            .front()
            .is_some_and(|p| p.position == self.expected)
        {
            kept.extend(self.accept(file));
        }
        if let Some(cut) = self.pending.front() {
            let offset = cut.gap.map_or(cut.offset, |(offset, _)| offset);
            tail = Some((offset, end.data.max(end.end) - offset));
        }
        if let Some((offset, bytes)) = tail.filter(|(_, bytes)| *bytes > 0) {
            self.recovery.torn = Some(TornTail {
                segment: file.number,
                offset,
                bytes,
            });
        }
        kept
    }
}
