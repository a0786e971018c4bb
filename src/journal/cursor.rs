//! Reading one segment: whole records, and the search for the next whole one behind a bad place.

use super::disk::{DiskFile, read_full_at};
use super::layout::{ALIGNMENT, RECORD_HEADER, RECORD_MAGIC, RecordHeader, record_size};
use std::io;
use std::sync::Arc;

/// Bytes read at once, when much is read in one go.
const WINDOW: usize = 256 * 1024;
/// Bytes read first where little may be new: behind the writer, a read goes far into space that
/// holds nothing yet.
const FIRST_WINDOW: usize = 16 * 1024;
/// Without a known salt anything may look like a record; so many times its length of a file is
/// checksummed in the search for a true one.
const SEARCH_EFFORT: u64 = 16;

/// A whole record, its checksum verified.
pub(crate) struct Record<'a> {
    pub header: RecordHeader,
    /// Where the next one begins.
    pub end: u64,
    /// Meta part and raw bytes, perhaps sealed: see [`Opener`](super::sealing::Opener).
    pub payload: &'a [u8],
}

/// A file with a window on it.
pub(crate) struct Cursor {
    file: Arc<dyn DiskFile>,
    len: u64,
    window: Vec<u8>,
    start: u64,
    /// How much the next read takes; doubles from read to read up to [`WINDOW`].
    ahead: usize,
}

impl Cursor {
    pub fn new(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self {
            file,
            len,
            window: Vec::new(),
            start: 0,
            ahead: FIRST_WINDOW,
        })
    }

    /// The file's length when last looked at.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Forgets what was read: a segment that is still written may have more by now.
    pub fn refresh(&mut self) -> io::Result<()> {
        self.window.clear();
        self.ahead = FIRST_WINDOW;
        self.len = self.file.len()?;
        Ok(())
    }

    /// `n` bytes at `offset`; fewer at the end of the file.
    pub fn bytes(&mut self, offset: u64, n: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let n = n.min(left);
        let held = self.start + self.window.len() as u64;
        if offset < self.start || offset + n as u64 > held {
            self.window.resize(n.max(self.ahead.min(left)), 0);
            self.ahead = WINDOW.min(self.ahead * 2);
            // One huge record must not hold its memory for ever.
            self.window.shrink_to(4 * WINDOW);
            self.start = offset;
            let read = read_full_at(self.file.as_ref(), &mut self.window, offset);
            self.window.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let there = self.window.get(from..).unwrap_or_default();
        Ok(there.get(..n).unwrap_or(there))
    }

    /// The whole record that begins at `offset`, if there is one (with this salt, where given).
    pub fn record(&mut self, offset: u64, salt: Option<u32>) -> io::Result<Option<Record<'_>>> {
        let Some(header) = RecordHeader::decode(self.bytes(offset, RECORD_HEADER)?) else {
            return Ok(None);
        };
        let end = offset + record_size(u64::from(header.payload));
        if salt.is_some_and(|salt| salt != header.salt) || end > self.len {
            return Ok(None);
        }
        let size = RECORD_HEADER + header.payload as usize;
        let bytes = self.bytes(offset, size)?;
        if bytes.len() != size || !header.is_sum_of(bytes) {
            return Ok(None);
        }
        Ok(Some(Record {
            header,
            end,
            payload: bytes.get(RECORD_HEADER..).unwrap_or_default(),
        }))
    }

    /// Whether the file ends within the record that begins at `offset`.
    pub fn is_cut(&mut self, offset: u64) -> io::Result<bool> {
        let bytes = self.bytes(offset, RECORD_HEADER)?;
        if bytes.len() < RECORD_HEADER {
            return Ok(true);
        }
        let size = RecordHeader::decode(bytes).map(|h| record_size(u64::from(h.payload)));
        Ok(size.is_some_and(|size| offset + size > self.len))
    }

    /// Where the next whole record begins, at or behind `from`.
    pub fn find(&mut self, from: u64, salt: Option<u32>) -> io::Result<Option<u64>> {
        let finder = memchr::memmem::Finder::new(&RECORD_MAGIC);
        let mut effort = self.len.saturating_mul(SEARCH_EFFORT);
        let mut at = from.next_multiple_of(ALIGNMENT);
        while at + RECORD_HEADER as u64 <= self.len {
            let window = self.bytes(at, WINDOW)?;
            let looked_at = window.len();
            let mut places = Vec::new();
            for found in finder.find_iter(window) {
                let header = window.get(found..).and_then(RecordHeader::decode);
                // At the window's edge a header may be cut; look there again.
                let possible = match header {
                    Some(header) => salt.is_none_or(|salt| salt == header.salt),
                    None => looked_at - found < RECORD_HEADER,
                };
                if possible && (found as u64).is_multiple_of(ALIGNMENT) {
                    places.push((
                        at + found as u64,
                        header.map_or(0, |h| u64::from(h.payload)),
                    ));
                }
            }
            for (place, payload) in places {
                if salt.is_none() {
                    let Some(left) = effort.checked_sub(payload) else {
                        return Ok(None);
                    };
                    effort = left;
                }
                if self.record(place, salt)?.is_some() {
                    return Ok(Some(place));
                }
            }
            // Overlap by a magic number that may be cut by the window's edge.
            let step = (looked_at as u64).saturating_sub(ALIGNMENT);
            at += (step - step % ALIGNMENT).max(ALIGNMENT);
        }
        Ok(None)
    }

    /// The end of the last byte behind `from` that is not zero; `from` if there is none.
    pub fn end_of_data(&mut self, from: u64) -> io::Result<u64> {
        let mut at = from;
        let mut end = from;
        while at < self.len {
            let window = self.bytes(at, WINDOW)?;
            if window.is_empty() {
                break;
            }
            if let Some(last) = window.iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            at += window.len() as u64;
        }
        Ok(end)
    }
}
