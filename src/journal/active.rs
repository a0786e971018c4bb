//! The segment that is being written.
//!
//! It is begun under a working name and gets its number as its name only when its first records are
//! synced: a segment that can be seen is never half made.

use super::disk::{Disk, DiskFile, write_all_at};
use super::encode::Encoded;
use super::layout::{
    RECORD_HEADER, RECORD_PLAIN, RECORD_SEALED, RecordHeader, SEGMENT_HEADER, SegmentHeader,
    kept_size, record_size,
};
use super::prepare::Prepared;
use super::table::segment_path;
use crate::core::fact::JournalPosition;
use crate::seal::Sealer;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The working name of a segment without a number yet.
pub(crate) const NEXT: &str = "next";
/// Collected before it is written.
const BUFFER: usize = 1 << 20;
/// Messages of this size are written from where they are.
const LARGE: usize = 256 << 10;

/// A segment open for appending.
pub(crate) struct Active {
    pub header: SegmentHeader,
    sealer: Option<Sealer>,
    file: Arc<dyn DiskFile>,
    working: PathBuf,
    published: bool,
    size: u64,
    /// Up to here there are records, synced or not.
    end: u64,
    /// Up to here everything is synced.
    synced_end: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl Active {
    /// Begins a segment with room for a payload of this size; its records are sealed where there is a key.
    pub fn begin(
        disk: &dyn Disk,
        dir: &Path,
        header: SegmentHeader,
        sealer: Option<&Sealer>,
        segment_size: u64,
        payload: u64,
        prepared: Option<Prepared>,
    ) -> io::Result<Self> {
        let header = header.sealed_with(sealer);
        let needed = record_size(kept_size(payload, sealer.is_some()));
        let size = segment_size.max(SEGMENT_HEADER + needed);
        let (file, working) = match prepared {
            Some(prepared) if prepared.size >= size => (prepared.file, prepared.path),
            _ => {
                let working = dir.join(NEXT);
                let file = disk.create(&working)?;
                if let Err(error) = file.preallocate(size) {
                    // A full disk: what was taken would keep it full.
                    let _ = disk.remove(&working);
                    return Err(error);
                }
                (file, working)
            }
        };
        Ok(Self {
            buffer: header.encode(),
            header,
            sealer: sealer.cloned(),
            file,
            working,
            published: false,
            size,
            end: SEGMENT_HEADER,
            synced_end: SEGMENT_HEADER,
            buffer_at: 0,
        })
    }

    /// Whether a record with such a payload can be put here.
    pub fn fits(&self, payload: u64) -> bool {
        self.end + self.size_of(payload) <= self.size
    }

    /// Bytes that a record with such a payload takes here.
    pub fn size_of(&self, payload: u64) -> u64 {
        record_size(kept_size(payload, self.sealer.is_some()))
    }

    /// The key that its records are sealed with.
    pub fn sealer(&self) -> Option<&Sealer> {
        self.sealer.as_ref()
    }

    /// Appends a record; where it stands.
    pub fn put(
        &mut self,
        position: JournalPosition,
        durable: JournalPosition,
        record: &Encoded,
    ) -> io::Result<u64> {
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let sealed = self.sealer.is_some();
        let payload = kept_size(record.payload(), sealed);
        let header = RecordHeader {
            checksum: 0,
            payload: u32::try_from(payload).map_err(too_large)?,
            salt: self.header.salt,
            position,
            durable,
            kind: record.kind,
            version: record.version,
            kept: if sealed { RECORD_SEALED } else { RECORD_PLAIN },
            meta: u32::try_from(record.meta.len()).map_err(too_large)?,
        };
        let place = self.end;
        if let Some(sealer) = &self.sealer {
            // Room for the header, which has a checksum of what is sealed.
            let at = self.buffer.len();
            self.buffer.extend_from_slice(&[0; RECORD_HEADER]);
            let parts: [&[u8]; 2] = [&record.meta, &record.raw];
            sealer.seal(&header.belongs_to(), &parts, &mut self.buffer)?;
            if let Some((room, sealed)) = self
                .buffer
                .get_mut(at..)
                .and_then(|record| record.split_first_chunk_mut::<RECORD_HEADER>())
            {
                *room = header.encode(sealed, &[]);
            }
        } else {
            let bytes: [u8; RECORD_HEADER] = header.encode(&record.meta, &record.raw);
            self.buffer.extend_from_slice(&bytes);
            self.buffer.extend_from_slice(&record.meta);
            if record.raw.len() >= LARGE {
                self.flush()?;
                write_all_at(self.file.as_ref(), &record.raw, self.buffer_at)?;
                self.buffer_at += record.raw.len() as u64;
            } else {
                self.buffer.extend_from_slice(&record.raw);
            }
        }
        self.end += record_size(payload);
        let filled = usize::try_from(self.end - self.buffer_at).unwrap_or(usize::MAX);
        self.buffer.resize(filled, 0);
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(place)
    }

    fn flush(&mut self) -> io::Result<()> {
        write_all_at(self.file.as_ref(), &self.buffer, self.buffer_at)?;
        self.buffer_at += self.buffer.len() as u64;
        self.buffer.clear();
        // One huge record must not hold its memory for ever.
        self.buffer.shrink_to(4 * BUFFER);
        Ok(())
    }

    /// Writes out what was put.
    pub fn write(&mut self) -> io::Result<()> {
        self.flush()
    }

    /// Makes it durable. After an error this segment must be abandoned.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced_end = self.end;
        Ok(())
    }

    /// Gives the synced segment its name, durably; whether it was new.
    pub fn publish(&mut self, disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
        if self.published {
            return Ok(false);
        }
        disk.rename(&self.working, &segment_path(dir, self.header.number))?;
        disk.sync_dir(dir)?;
        self.published = true;
        Ok(true)
    }

    /// Whether it has its name.
    pub fn is_published(&self) -> bool {
        self.published
    }

    /// The file and where its synced records end: what is behind can be given back once a later
    /// segment has its name.
    pub fn into_closed(self) -> (Arc<dyn DiskFile>, u64) {
        (self.file, self.synced_end)
    }

    /// Removes what never got a name. A file that got its name but not durably is replaced by the
    /// next segment, which has the same number.
    pub fn discard(self, disk: &dyn Disk) {
        let _ = disk.remove(&self.working);
    }
}
