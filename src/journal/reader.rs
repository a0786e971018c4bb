//! Reading facts in order, wherever they are kept.

use super::checkpoint::Known;
use super::encode;
use super::error::{DecodeError, ReadError};
use super::log::{Log, LogReader};
use super::segments::SegmentReader;
use super::table::Library;
use crate::core::fact::{Fact, JournalPosition};
use crate::seal::Keyring;
use std::sync::Arc;

/// Reads the facts behind a position, one after another.
pub struct Reader(Kind);

enum Kind {
    /// Out of this disk's segments.
    Segments(SegmentReader),
    /// Out of a log elsewhere.
    Log {
        log: Arc<dyn Log>,
        keys: Keyring,
        reader: Box<dyn LogReader>,
    },
}

impl Reader {
    pub(crate) fn new(library: Arc<Library>, after: JournalPosition) -> Self {
        Self(Kind::Segments(SegmentReader::new(library, after)))
    }

    pub(crate) fn of_log(log: Arc<dyn Log>, keys: Keyring, after: JournalPosition) -> Self {
        let reader = log.reader(after);
        Self(Kind::Log { log, keys, reader })
    }

    /// The position behind which it reads on.
    pub(crate) fn position(&self) -> JournalPosition {
        match &self.0 {
            Kind::Segments(segments) => segments.position(),
            Kind::Log { reader, .. } => reader.position(),
        }
    }

    /// The position behind which it reads on: what was lost before it is passed over.
    pub fn behind(&self) -> JournalPosition {
        self.position()
    }

    /// The keys of the journal.
    pub(crate) fn keys(&self) -> &Keyring {
        match &self.0 {
            Kind::Segments(segments) => segments.keys(),
            Kind::Log { keys, .. } => keys,
        }
    }

    /// Another reader of the same journal, behind this position.
    pub(crate) fn at(&self, after: JournalPosition) -> Self {
        match &self.0 {
            Kind::Segments(segments) => Self(Kind::Segments(segments.at(after))),
            Kind::Log { log, keys, .. } => Self::of_log(Arc::clone(log), keys.clone(), after),
        }
    }

    /// The next fact, if its position is not beyond `through`, which must be synced.
    ///
    /// What cannot be read is reported once and passed over (except [`ReadError::Io`], after which
    /// the same fact is tried again).
    pub fn next(
        &mut self,
        through: JournalPosition,
    ) -> Result<Option<(JournalPosition, Fact)>, ReadError> {
        self.next_as(through, |position, kind, version, meta, raw| {
            Ok((position, encode::decode(kind, version, meta, raw)?))
        })
    }

    /// Like [`next`](Self::next): by what duplicates of the message are known, where the fact is one.
    pub(crate) fn next_known(
        &mut self,
        through: JournalPosition,
    ) -> Result<Option<Option<Known>>, ReadError> {
        self.next_as(through, |position, kind, version, meta, _| {
            let found = encode::fingerprint(kind, version, meta);
            Ok(found.map(|(fingerprint, at)| Known {
                position,
                at,
                fingerprint,
            }))
        })
    }

    fn next_as<T>(
        &mut self,
        through: JournalPosition,
        read: impl Fn(JournalPosition, u8, u8, &[u8], &[u8]) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, ReadError> {
        match &mut self.0 {
            Kind::Segments(segments) => segments.next_as(through, |header, meta, raw| {
                read(header.position, header.kind, header.version, meta, raw)
            }),
            Kind::Log { reader, .. } => {
                let Some(record) = reader.next(through)? else {
                    return Ok(None);
                };
                let position = record.position;
                let (kind, version) = (record.kind, record.version);
                read(position, kind, version, &record.meta, &record.raw)
                    .map(Some)
                    .map_err(|source| ReadError::NotUnderstood { position, source })
            }
        }
    }

    /// The next record as it is kept, for carrying it elsewhere.
    ///
    /// # Errors
    /// As of [`next`](Self::next).
    pub fn next_record(
        &mut self,
        through: JournalPosition,
    ) -> Result<Option<super::Record>, ReadError> {
        self.next_as(through, |position, kind, version, meta, raw| {
            Ok(super::Record {
                position,
                kind,
                version,
                meta: bytes::Bytes::copy_from_slice(meta),
                raw: bytes::Bytes::copy_from_slice(raw),
            })
        })
    }
}
