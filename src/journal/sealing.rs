//! How the records of a segment are opened, and segments turned into what is compressed.

use super::cursor::{Cursor, Record};
use super::disk::DiskFile;
use super::layout::{
    ALIGNMENT, Keeping, RECORD_HEADER, RECORD_OPENED, RECORD_PLAIN, RECORD_SEALED, RecordHeader,
    SEGMENT_HEADER, SegmentHeader,
};
use crate::seal::{Keyring, OVERHEAD, SealFault, Sealer};
use std::io;
use std::sync::Arc;

/// What opens the records of one segment.
#[derive(Debug, Clone, Default)]
pub(crate) enum Opener {
    /// They are as they are.
    #[default]
    Plain,
    /// They were sealed; see [`Keeping::Opened`].
    Opened,
    /// They are sealed with this key.
    Sealed(Sealer),
}

impl Opener {
    /// That of a segment with this header.
    ///
    /// # Errors
    /// Its key is not there.
    pub fn of(header: &SegmentHeader, keys: &Keyring) -> Result<Self, SealFault> {
        Ok(match header.kept {
            Keeping::Plain => Self::Plain,
            Keeping::Opened => Self::Opened,
            Keeping::Sealed { cipher, key } => Self::Sealed(keys.opener(cipher, key)?.clone()),
        })
    }

    /// That of a segment whose header is damaged, by one of its records.
    ///
    /// # Errors
    /// None of the keys opens it.
    pub fn by_record(record: &Record<'_>, keys: &Keyring) -> Result<Self, SealFault> {
        match record.header.kept {
            RECORD_PLAIN => return Ok(Self::Plain),
            RECORD_OPENED => return Ok(Self::Opened),
            _ => {}
        }
        let mut scratch = Vec::new();
        let openers = keys.keys().map(|key| Self::Sealed(key.clone()));
        let mut fits = openers.filter(|opener| opener.open(record, &mut scratch).is_ok());
        let found = fits.next();
        found.ok_or_else(|| SealFault::NoKeyOpens(keys.ids().collect()))
    }

    /// Meta part and raw bytes of a record. A record that is not kept like the segment's others was not
    /// written by the daemon.
    ///
    /// # Errors
    /// [`SealFault::Broken`].
    pub fn open<'a>(
        &self,
        record: &Record<'a>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], &'a [u8]), SealFault> {
        let header = &record.header;
        let parts: &[u8] = match (self, header.kept) {
            (Self::Plain, RECORD_PLAIN) => record.payload,
            (Self::Opened, RECORD_OPENED) => {
                let len = record.payload.len().saturating_sub(OVERHEAD);
                record.payload.get(..len).unwrap_or_default()
            }
            (Self::Sealed(sealer), RECORD_SEALED) => {
                sealer.open(&header.belongs_to(), record.payload, scratch)?;
                scratch
            }
            _ => return Err(SealFault::Broken),
        };
        parts
            .split_at_checked(header.meta as usize)
            .ok_or(SealFault::Broken)
    }
}

/// A segment as it is compressed: byte for byte, or, where it is sealed, with every record opened in its
/// place ([`Keeping::Opened`]), because what is sealed does not compress. Read from the start to the end.
pub(crate) struct Clear {
    source: Arc<dyn DiskFile>,
    cursor: Cursor,
    opener: Opener,
    salt: u32,
    /// Read up to here.
    at: u64,
    /// What was read and not yet taken.
    ready: Vec<u8>,
    scratch: Vec<u8>,
}

impl Clear {
    /// That of a segment's file.
    ///
    /// # Errors
    /// It cannot be read, or its key is not there.
    pub fn new(source: Arc<dyn DiskFile>, keys: &Keyring) -> io::Result<Self> {
        let mut cursor = Cursor::new(Arc::clone(&source))?;
        let header = cursor.bytes(0, SEGMENT_HEADER as usize)?;
        // Without a header it is damaged, and stays what it is.
        let header = SegmentHeader::decode(header).ok();
        let opener = match &header {
            Some(header) => Opener::of(header, keys)?,
            None => Opener::Plain,
        };
        let mut clear = Self {
            source,
            cursor,
            opener,
            salt: header.map_or(0, |header| header.salt),
            at: 0,
            ready: Vec::new(),
            scratch: Vec::new(),
        };
        if let (Some(header), Opener::Sealed(_)) = (header, &clear.opener) {
            let opened = SegmentHeader {
                kept: Keeping::Opened,
                ..header
            };
            clear.ready = opened.encode();
            clear.at = SEGMENT_HEADER;
        }
        Ok(clear)
    }

    /// The length of the whole.
    pub fn len(&self) -> u64 {
        self.cursor.len()
    }

    /// The next so many bytes.
    ///
    /// # Errors
    /// It cannot be read, or ends before.
    pub fn take(&mut self, size: usize) -> io::Result<Vec<u8>> {
        while self.ready.len() < size {
            self.fill(size)?;
        }
        let rest = self.ready.split_off(size);
        Ok(std::mem::replace(&mut self.ready, rest))
    }

    fn fill(&mut self, size: usize) -> io::Result<()> {
        let end = self.cursor.len();
        if self.at >= end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Opener::Sealed(_) = &self.opener else {
            let left = usize::try_from(end - self.at).unwrap_or(usize::MAX);
            return self.copy(left.min(size - self.ready.len()));
        };
        match self.cursor.record(self.at, Some(self.salt))? {
            Some(record) => {
                let whole = usize::try_from(record.end - self.at).unwrap_or(usize::MAX);
                let begin = self.ready.len();
                match self.opener.open(&record, &mut self.scratch) {
                    Ok((meta, raw)) => {
                        let raw_and_zeros = [raw, &[0; OVERHEAD]].concat();
                        let header = RecordHeader {
                            kept: RECORD_OPENED,
                            ..record.header
                        };
                        self.ready
                            .extend_from_slice(&header.encode(meta, &raw_and_zeros));
                        self.ready.extend_from_slice(meta);
                        self.ready.extend_from_slice(&raw_and_zeros);
                    }
                    Err(_) => {
                        // It stays damage, of which nobody can tell what it was.
                        self.ready.extend_from_slice(&[0; RECORD_HEADER]);
                    }
                }
                self.at = record.end;
                self.ready.resize(begin + whole, 0);
                Ok(())
            }
            None => {
                let next = self.cursor.find(self.at + ALIGNMENT, Some(self.salt))?;
                let len = usize::try_from(next.unwrap_or(end) - self.at).unwrap_or(usize::MAX);
                self.copy(len)
            }
        }
    }

    fn copy(&mut self, len: usize) -> io::Result<()> {
        let begin = self.ready.len();
        self.ready.resize(begin + len, 0);
        let target = self.ready.get_mut(begin..).unwrap_or_default();
        if super::disk::read_full_at(self.source.as_ref(), target, self.at)? != len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += len as u64;
        Ok(())
    }
}
