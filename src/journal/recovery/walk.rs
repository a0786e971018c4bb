//! The walk through all records, in order: what is proven to have been synced, and what is missing of it.

use super::super::cursor::Cursor;
use super::super::damage::{Damage, DamageKind, TornTail};
use super::super::duplicates::{Fingerprint, Index};
use super::super::encode;
use super::super::layout::{ALIGNMENT, SEGMENT_HEADER};
use super::{Recovery, SegmentFile};
use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use std::collections::VecDeque;

/// A whole record that is not yet known to have been synced.
pub(super) struct Pending {
    position: u64,
    offset: u64,
    /// The bad bytes before it.
    gap: Option<Bad>,
    fingerprint: Option<(Fingerprint, Timestamp)>,
}

/// Bad bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bad {
    offset: u64,
    bytes: u64,
    kind: DamageKind,
}

impl Bad {
    /// These and more behind them.
    fn and(before: Option<Self>, offset: u64, bytes: u64, kind: DamageKind) -> Option<Self> {
        Some(match before {
            Some(first) => Self {
                bytes: (offset + bytes).saturating_sub(first.offset),
                ..first
            },
            None => Self {
                offset,
                bytes,
                kind,
            },
        })
    }

    fn place(&self) -> (u64, u64) {
        (self.offset, self.bytes)
    }
}

/// How a segment ends.
pub(super) struct End {
    /// The end of the last whole record that counts.
    pub(super) end: u64,
    /// The end of what is behind it.
    pub(super) data: u64,
    /// The file ends within a record.
    pub(super) cut: bool,
    /// Whole records before the end that are not the daemon's.
    pub(super) bad: Option<Bad>,
}

impl End {
    fn kind(&self) -> DamageKind {
        if let Some(bad) = &self.bad {
            bad.kind
        } else if self.cut {
            DamageKind::Short
        } else {
            DamageKind::Records
        }
    }

    fn place(&self) -> (u64, u64) {
        match &self.bad {
            Some(bad) => bad.place(),
            None => (self.end, self.data.saturating_sub(self.end)),
        }
    }
}

/// The walk through all records, in order.
pub(super) struct Walk<'a> {
    pub(super) recovery: Recovery,
    pub(super) index: &'a mut Index,
    /// The position that comes next.
    pub(super) expected: u64,
    /// Every position up to here was synced.
    pub(super) proven: u64,
    pub(super) pending: VecDeque<Pending>,
    /// What was opened last.
    pub(super) scratch: Vec<u8>,
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
    pub(super) fn enter(&mut self, file: &SegmentFile, previous: u64) {
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

    /// Takes in a segment's records; where they end, and what is bad right before that.
    pub(super) fn records(
        &mut self,
        file: &mut SegmentFile,
        cursor: &mut Cursor,
    ) -> std::io::Result<(u64, Option<Bad>)> {
        let mut offset = SEGMENT_HEADER;
        let mut gap = None;
        let Some((salt, opener)) = file.segment.as_ref().map(|s| (s.salt, s.opener.clone())) else {
            return Ok((offset, None));
        };
        loop {
            let Some(record) = cursor.record(offset, Some(salt))? else {
                match cursor.find(offset + ALIGNMENT, Some(salt))? {
                    Some(next) => {
                        gap = Bad::and(gap, offset, next - offset, DamageKind::Records);
                        offset = next;
                        continue;
                    }
                    None => return Ok((offset, gap)),
                }
            };
            let header = record.header;
            let position = header.position.0;
            let mut scratch = std::mem::take(&mut self.scratch);
            let opened = opener
                .open(&record, &mut scratch)
                .map(|(meta, _)| encode::fingerprint(header.kind, header.version, meta));
            self.scratch = scratch;
            let Ok(fingerprint) = opened else {
                let whole = record.end - offset;
                gap = Bad::and(gap, offset, whole, DamageKind::Tampered);
                offset = record.end;
                // No crash leaves such a record: if it stands where the next one belongs, one was there.
                let last = self
                    .pending
                    .back()
                    .map_or(self.expected, |p| p.position + 1);
                if encode::is_fact(header.kind) && position == last && position < file.limit {
                    self.proven = self.proven.max(position);
                    self.settle(file);
                }
                continue;
            };
            // A record cannot know of more than was there before it.
            if header.durable <= header.position {
                self.proven = self.proven.max(header.durable.0);
            }
            if encode::is_fact(header.kind) {
                if position >= file.limit {
                    return Ok((offset, gap));
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
                        fingerprint,
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
                let none = Bad {
                    offset: front.offset,
                    bytes: 0,
                    kind: DamageKind::Records,
                };
                let bad = front.gap.unwrap_or(none);
                let through = front.position - 1;
                self.lose(bad.kind, file.name(), bad.place(), through);
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
    pub(super) fn leave(&mut self, file: &SegmentFile, end: &End) {
        if self.expected < file.limit {
            self.lose(end.kind(), file.name(), end.place(), file.limit - 1);
        }
    }

    /// Ends the last segment: the offsets of what is whole and not proven to be synced.
    pub(super) fn finish(&mut self, file: &mut SegmentFile, end: &End) -> Vec<u64> {
        let mut tail = Some(end.place());
        if self.expected <= self.proven {
            let gap = self.pending.front().map(|p| {
                let none = (DamageKind::Records, (p.offset, 0));
                p.gap.map_or(none, |bad| (bad.kind, bad.place()))
            });
            let (kind, place) = match gap {
                Some(found) => found,
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
            let offset = cut.gap.map_or(cut.offset, |bad| bad.offset);
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
