//! Reading records in order out of segments, behind the writer.

use super::cursor::Cursor;
use super::encode;
use super::error::{DecodeError, ReadError};
use super::layout::{ALIGNMENT, RecordHeader, SEGMENT_HEADER, SegmentHeader};
use super::sealing::Opener;
use super::table::{Library, Segment};
use crate::core::fact::JournalPosition;
use crate::seal::Keyring;
use std::io;
use std::sync::Arc;

/// Reads the records behind a position, one after another, over all segments.
pub(crate) struct SegmentReader {
    library: Arc<Library>,
    /// The position that comes next.
    wanted: JournalPosition,
    place: Option<Place>,
}

struct Place {
    segment: Segment,
    cursor: Cursor,
    offset: u64,
    opener: Opener,
    /// What was opened last.
    scratch: Vec<u8>,
}

/// What stands at a place.
enum Step {
    /// The wanted record, to be read at this offset.
    Here,
    /// A record further on: what lies between is lost.
    Beyond(JournalPosition),
    /// The segment holds nothing more that counts.
    End,
}

impl SegmentReader {
    pub(crate) fn new(library: Arc<Library>, after: JournalPosition) -> Self {
        Self {
            library,
            wanted: after.next(),
            place: None,
        }
    }

    /// The position behind which it reads on.
    pub(crate) fn position(&self) -> JournalPosition {
        JournalPosition(self.wanted.0.saturating_sub(1))
    }

    /// The keys of the journal.
    pub(crate) fn keys(&self) -> &Keyring {
        &self.library.keys
    }

    /// Another reader of the same journal, behind this position.
    pub(crate) fn at(&self, after: JournalPosition) -> Self {
        Self::new(Arc::clone(&self.library), after)
    }

    /// The next record as `read` understands it.
    pub(crate) fn next_as<T>(
        &mut self,
        through: JournalPosition,
        read: impl Fn(&RecordHeader, &[u8], &[u8]) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, ReadError> {
        if self.wanted > through {
            return Ok(None);
        }
        let result = self.read(through, read);
        if matches!(result, Err(ReadError::Io { .. })) {
            self.place = None;
        }
        result
    }

    fn read<T>(
        &mut self,
        through: JournalPosition,
        read: impl Fn(&RecordHeader, &[u8], &[u8]) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, ReadError> {
        if let Some(oldest) = self.library.oldest().filter(|oldest| self.wanted < *oldest)
            && self.library.begins_with_dropped()
        {
            let last = JournalPosition(oldest.0.saturating_sub(1)).min(through);
            let from = self.wanted;
            self.wanted = last.next();
            self.place = None;
            return Err(ReadError::Dropped {
                from,
                through: last,
            });
        }
        let (number, first_behind, step) = loop {
            let place = self.place()?;
            let Some(place) = place else {
                return Err(self.lose(through, 0, 0));
            };
            let number = place.segment.number;
            let behind = self.library.first_behind(number);
            let step = self.seek(behind).map_err(|source| ReadError::Io {
                segment: number,
                source,
            })?;
            // The next segment takes over as soon as it begins at the wanted position.
            if matches!(step, Step::End) && behind.is_some_and(|first| first <= self.wanted) {
                self.place = None;
                continue;
            }
            break (number, behind, step);
        };
        let offset = self.place.as_ref().map_or(0, |place| place.offset);
        match step {
            Step::Here => self.take(number, read),
            Step::Beyond(position) => {
                let last = JournalPosition(position.0.saturating_sub(1));
                Err(self.lose(last.min(through), number, offset))
            }
            Step::End => {
                let last = first_behind.map_or(through.0, |first| first.0.saturating_sub(1));
                Err(self.lose(JournalPosition(last).min(through), number, offset))
            }
        }
    }

    fn lose(&mut self, through: JournalPosition, segment: u64, offset: u64) -> ReadError {
        let from = self.wanted;
        self.wanted = through.next();
        ReadError::Damaged {
            from,
            through,
            segment,
            offset,
        }
    }

    /// The place in the segment that holds the wanted position.
    fn place(&mut self) -> Result<Option<&mut Place>, ReadError> {
        if self.place.is_none() {
            let Some((segment, offset)) = self.library.holding(self.wanted) else {
                return Ok(None);
            };
            let io = |source| ReadError::Io {
                segment: segment.number,
                source,
            };
            let file = self.library.open(segment.number).map_err(io)?;
            let mut cursor = Cursor::new(file).map_err(io)?;
            let header = cursor.bytes(0, SEGMENT_HEADER as usize).map_err(io)?;
            // As this file has it: once compressed, the records are kept in another way.
            let opener = match SegmentHeader::decode(header) {
                Ok(header) if header.salt == segment.salt => {
                    Opener::of(&header, &self.library.keys).map_err(|fault| io(fault.into()))?
                }
                _ => segment.opener.clone(),
            };
            self.place = Some(Place {
                segment,
                cursor,
                offset,
                opener,
                scratch: Vec::new(),
            });
        }
        Ok(self.place.as_mut())
    }

    /// Moves on to the wanted record or to the first one that stands behind it.
    fn seek(&mut self, behind: Option<JournalPosition>) -> io::Result<Step> {
        let wanted = self.wanted;
        let Some(place) = &mut self.place else {
            return Ok(Step::End);
        };
        let salt = Some(place.segment.salt);
        let mut fresh = false;
        loop {
            if behind.is_some_and(|first| first <= wanted) {
                return Ok(Step::End);
            }
            let Some(record) = place.cursor.record(place.offset, salt)? else {
                // What was read before may be older than what has been written since.
                if !fresh {
                    place.cursor.refresh()?;
                    fresh = true;
                    continue;
                }
                match place.cursor.find(place.offset + ALIGNMENT, salt)? {
                    Some(next) => {
                        place.offset = next;
                        continue;
                    }
                    None => return Ok(Step::End),
                }
            };
            let position = record.header.position;
            let fact = encode::is_fact(record.header.kind);
            // What says that it stands further on is believed only if its seal says so too.
            let mut believed =
                || position == wanted || place.opener.open(&record, &mut place.scratch).is_ok();
            if fact && position >= wanted && believed() {
                return Ok(match behind {
                    Some(first) if position >= first => Step::End,
                    _ if position == wanted => Step::Here,
                    _ => Step::Beyond(position),
                });
            }
            place.offset = record.end;
        }
    }

    /// Reads the wanted record at the place reached.
    fn take<T>(
        &mut self,
        number: u64,
        read: impl Fn(&RecordHeader, &[u8], &[u8]) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, ReadError> {
        let position = self.wanted;
        let io = |source| ReadError::Io {
            segment: number,
            source,
        };
        let Some(place) = &mut self.place else {
            return Ok(None);
        };
        let salt = Some(place.segment.salt);
        let record = place.cursor.record(place.offset, salt).map_err(io)?;
        let Some(record) = record else {
            // It was whole a moment ago.
            return Err(io(io::ErrorKind::InvalidData.into()));
        };
        let header = record.header;
        let fact = match place.opener.open(&record, &mut place.scratch) {
            Ok((meta, raw)) => read(&header, meta, raw),
            Err(_) => {
                let offset = place.offset;
                place.offset = record.end;
                return Err(self.lose(position, number, offset));
            }
        };
        place.offset = record.end;
        self.wanted = position.next();
        match fact {
            Ok(fact) => Ok(Some(fact)),
            Err(source) => Err(ReadError::NotUnderstood { position, source }),
        }
    }
}
