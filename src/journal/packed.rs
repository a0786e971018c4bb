//! A closed segment, compressed: frames of zstd that can be read at any place, and one without another.
//!
//! Behind [`DiskFile`] it reads byte for byte as the segment it was made from, so recovery, readers
//! and their checksums know nothing of it. A frame that is damaged reads as zeros: what of it is lost
//! is then found and named like any other bad place.
//!
//! Where there is a key the frames are sealed, and what is in them is not: see
//! [`Clear`](super::sealing::Clear).

use super::disk::{Disk, DiskFile, OnlyRead, read_full_at, write_all_at};
use super::sealing::Clear;
use super::table::{open_segment, packed_path, segment_path};
use crate::seal::{CIPHER, KeyId, Keyring, SealFault, Sealer};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The working name of a compressed segment that is being written.
pub(crate) const PACKING: &str = "packing";
const MAGIC: [u8; 4] = [0xF1, b'P', b'Z', 0x9C];
/// The newest version of a frame, that of sealed ones.
const VERSION: u8 = 2;
/// The version of a frame that is not sealed.
const PLAIN_VERSION: u8 = 1;
const HEADER: usize = 40;
/// Before what is sealed stands the id of its key.
const KEY_ID: usize = 8;
const ALIGNMENT: u64 = 8;
/// Bytes of the segment in one frame. The first one is small: of most segments only the header is
/// ever looked at.
const FRAME: u64 = 1 << 20;
const FIRST_FRAME: u64 = 4 << 10;
/// Three times the speed of the best level for a tenth more bytes, on messages of a laboratory.
const LEVEL: i32 = 3;
/// Read at once in the search behind a bad place.
const WINDOW: usize = 256 << 10;

/// Where a frame stands and what it holds.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Of the segment.
    offset: u64,
    raw: u32,
    /// Of the compressed file, behind the frame's header.
    place: u64,
    packed: u32,
    checksum: u32,
    /// Bytes of the whole segment.
    total: u64,
    /// The number of its cipher; 0 where it is not sealed.
    cipher: u8,
}

impl Frame {
    fn encode(&self) -> Vec<u8> {
        let mut out = self.begin();
        out.extend_from_slice(&self.packed.to_le_bytes());
        out.extend_from_slice(&self.checksum.to_le_bytes());
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// All that its header says of what is in it.
    fn begin(&self) -> Vec<u8> {
        let version = if self.cipher == 0 {
            PLAIN_VERSION
        } else {
            VERSION
        };
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[version, self.cipher, 0, 0]);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.total.to_le_bytes());
        out.extend_from_slice(&self.raw.to_le_bytes());
        out
    }

    /// What a sealed frame belongs to.
    fn belongs_to(&self, number: u64) -> Vec<u8> {
        let mut out = b"frame".to_vec();
        out.extend_from_slice(&self.begin());
        out.extend_from_slice(&number.to_le_bytes());
        out
    }

    /// The frame whose header these bytes are; `None` where they are none.
    fn decode(bytes: &[u8], place: u64) -> io::Result<Option<Self>> {
        let Some(bytes) = bytes.get(..HEADER) else {
            return Ok(None);
        };
        let four = |at: usize| {
            let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
            four.map_or(0, u32::from_le_bytes)
        };
        let eight = |at: usize| u64::from(four(at)) | u64::from(four(at + 4)) << 32;
        let whole = bytes.starts_with(&MAGIC)
            && bytes.get(..HEADER - 4).map(crc32c::crc32c) == Some(four(HEADER - 4));
        if !whole {
            return Ok(None);
        }
        let version = bytes.get(4).copied().unwrap_or_default();
        if version > VERSION {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "expected a compressed segment of version {VERSION} or older, but found {version}"
                ),
            ));
        }
        Ok(Some(Self {
            offset: eight(8),
            total: eight(16),
            raw: four(24),
            packed: four(28),
            checksum: four(32),
            cipher: bytes.get(5).copied().unwrap_or_default(),
            place: place + HEADER as u64,
        }))
    }

    fn end(&self) -> u64 {
        self.offset + u64::from(self.raw)
    }

    /// Where the next frame's header is expected.
    fn next(&self) -> u64 {
        (self.place + u64::from(self.packed)).next_multiple_of(ALIGNMENT)
    }
}

/// What is known of the frames so far, and the one unpacked last.
#[derive(Default)]
struct Seen {
    frames: Vec<Frame>,
    next: u64,
    unpacked: Option<(usize, Vec<u8>)>,
}

/// A compressed segment that reads as the segment.
pub(crate) struct Packed {
    file: Arc<dyn DiskFile>,
    number: u64,
    /// The key of its frames, where they are sealed.
    sealer: Option<Sealer>,
    file_len: u64,
    total: u64,
    seen: Mutex<Seen>,
}

impl Packed {
    /// Opens the compressed segment of this number. One without a single whole frame reads as an empty
    /// file.
    ///
    /// # Errors
    /// It cannot be read, is of a newer version, or its key is not there.
    pub fn open(file: Arc<dyn DiskFile>, number: u64, keys: &Keyring) -> io::Result<Self> {
        let file_len = file.len()?;
        let mut opened = Self {
            file,
            number,
            sealer: None,
            file_len,
            total: 0,
            seen: Mutex::default(),
        };
        let mut seen = Seen::default();
        if opened.scan(&mut seen)? {
            opened.total = seen.frames.first().map_or(0, |frame| frame.total);
        }
        opened.sealer = opened.find_key(&mut seen, keys)?;
        opened.seen = Mutex::new(seen);
        Ok(opened)
    }

    /// The key of the frames, by the first whole one: a damaged one does not tell which.
    fn find_key(&self, seen: &mut Seen, keys: &Keyring) -> io::Result<Option<Sealer>> {
        let mut index = 0;
        loop {
            let Some(frame) = seen.frames.get(index).copied() else {
                if self.scan(seen)? {
                    continue;
                }
                return Ok(None);
            };
            if frame.cipher == 0 {
                return Ok(None);
            }
            let packed = self.packed(&frame)?;
            if let Some((id, _)) = packed
                .as_ref()
                .and_then(|p| p.split_first_chunk::<KEY_ID>())
            {
                return Ok(Some(keys.opener(frame.cipher, KeyId(*id))?.clone()));
            }
            index += 1;
        }
    }

    /// The bytes of a frame as they are in the file; `None` of one that is damaged.
    fn packed(&self, frame: &Frame) -> io::Result<Option<Vec<u8>>> {
        let mut packed = vec![0; frame.packed as usize];
        let n = read_full_at(self.file.as_ref(), &mut packed, frame.place)?;
        let whole = n == packed.len() && crc32c::crc32c(&packed) == frame.checksum;
        Ok(whole.then_some(packed))
    }

    /// Finds one more frame; false at the end of the file.
    fn scan(&self, seen: &mut Seen) -> io::Result<bool> {
        let mut header = [0; HEADER];
        while seen.next + HEADER as u64 <= self.file_len {
            read_full_at(self.file.as_ref(), &mut header, seen.next)?;
            let behind = seen.frames.last().map_or(0, Frame::end);
            match Frame::decode(&header, seen.next)? {
                Some(frame) if frame.offset >= behind => {
                    seen.next = frame.next();
                    seen.frames.push(frame);
                    return Ok(true);
                }
                _ => seen.next = self.search(seen.next + ALIGNMENT)?,
            }
        }
        Ok(false)
    }

    /// The next place that can be a frame's header; the end of the file if there is none.
    fn search(&self, from: u64) -> io::Result<u64> {
        let finder = memchr::memmem::Finder::new(&MAGIC);
        let mut window = vec![0; WINDOW];
        let mut at = from;
        while at < self.file_len {
            let n = read_full_at(self.file.as_ref(), &mut window, at)?;
            let bytes = window.get(..n).unwrap_or_default();
            let mut found = finder.find_iter(bytes).map(|place| at + place as u64);
            if let Some(place) = found.find(|place| place.is_multiple_of(ALIGNMENT)) {
                return Ok(place);
            }
            at += WINDOW as u64;
        }
        Ok(self.file_len)
    }

    /// Unpacks a frame; nothing of one that is damaged.
    fn unpack(&self, frame: &Frame) -> io::Result<Vec<u8>> {
        let Some(mut packed) = self.packed(frame)? else {
            return Ok(Vec::new());
        };
        let mut opened = Vec::new();
        if frame.cipher != 0 {
            let sealer = self.sealer.as_ref().ok_or(SealFault::Broken);
            let sealed = packed.get(KEY_ID..).unwrap_or_default();
            let belongs_to = frame.belongs_to(self.number);
            if sealer
                .and_then(|sealer| sealer.open(&belongs_to, sealed, &mut opened))
                .is_err()
            {
                return Ok(Vec::new());
            }
            packed = opened;
        }
        Ok(zstd::bulk::decompress(&packed, frame.raw as usize).unwrap_or_default())
    }

    /// The key that it is sealed with.
    pub fn sealed_with(&self) -> Option<KeyId> {
        self.sealer.as_ref().map(Sealer::id)
    }
}

impl OnlyRead for Packed {
    fn bytes_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.total {
            return Ok(0);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while seen.frames.last().is_none_or(|last| last.end() <= offset) {
            if !self.scan(&mut seen)? {
                break;
            }
        }
        let index = seen.frames.partition_point(|frame| frame.end() <= offset);
        let left = usize::try_from(self.total - offset).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let Some(frame) = seen.frames.get(index).copied() else {
            // The last frames are lost.
            buffer.get_mut(..wanted).unwrap_or_default().fill(0);
            return Ok(wanted);
        };
        if frame.offset > offset {
            let gap = usize::try_from(frame.offset - offset).unwrap_or(usize::MAX);
            let n = wanted.min(gap);
            buffer.get_mut(..n).unwrap_or_default().fill(0);
            return Ok(n);
        }
        if seen
            .unpacked
            .as_ref()
            .is_none_or(|(held, _)| *held != index)
        {
            seen.unpacked = Some((index, self.unpack(&frame)?));
        }
        let skip = usize::try_from(offset - frame.offset).unwrap_or(usize::MAX);
        let n = wanted.min((frame.raw as usize).saturating_sub(skip));
        let target = buffer.get_mut(..n).unwrap_or_default();
        match seen
            .unpacked
            .as_ref()
            .and_then(|(_, raw)| raw.get(skip..skip + n))
        {
            Some(raw) => target.copy_from_slice(raw),
            None => target.fill(0),
        }
        Ok(n)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.total)
    }
}

/// Puts a compressed copy in the place of a closed segment, in an order in which a crash at any
/// moment leaves at least one of the two whole and durable. What was written is read back and held
/// against the segment before that is removed. False where `stop` came in between. A segment that is
/// compressed already is compressed again: with the key that seals now.
pub(crate) fn pack(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    keys: &Keyring,
    stop: &AtomicBool,
) -> io::Result<bool> {
    let plain = segment_path(dir, number);
    let source = open_segment(disk, dir, number, keys)?;
    let clear = || Clear::new(Arc::clone(&source), keys);
    let working = dir.join(PACKING);
    let target = disk.create(&working)?;
    let written = clear()
        .and_then(|clear| write(clear, target.as_ref(), number, keys.sealer(), stop))
        .and_then(|done| Ok(done && same(clear()?, Packed::open(target, number, keys)?, stop)?));
    match written {
        Ok(true) => {}
        other => {
            let _ = disk.remove(&working);
            return other;
        }
    }
    disk.rename(&working, &packed_path(dir, number))?;
    disk.sync_dir(dir)?;
    match disk.remove(&plain) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.sync_dir(dir)?;
    Ok(true)
}

/// Whether a closed segment is to be compressed: it is not yet, or its frames are not sealed as new ones
/// are.
pub(crate) fn is_to_be_packed(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    keys: &Keyring,
) -> io::Result<bool> {
    if disk.open_read(&segment_path(dir, number)).is_ok() {
        return Ok(true);
    }
    let packed = Packed::open(disk.open_read(&packed_path(dir, number))?, number, keys)?;
    Ok(packed.sealed_with() != keys.sealer().map(Sealer::id))
}

fn write(
    mut source: Clear,
    target: &dyn DiskFile,
    number: u64,
    sealer: Option<&Sealer>,
    stop: &AtomicBool,
) -> io::Result<bool> {
    let total = source.len();
    let (mut offset, mut place) = (0, 0);
    while offset < total {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let size = if offset == 0 { FIRST_FRAME } else { FRAME };
        let raw = source.take(in_memory(size.min(total - offset)))?;
        let mut packed = zstd::bulk::compress(&raw, LEVEL)?;
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let mut frame = Frame {
            offset,
            total,
            raw: u32::try_from(raw.len()).map_err(too_large)?,
            packed: 0,
            checksum: 0,
            place: place + HEADER as u64,
            cipher: 0,
        };
        if let Some(sealer) = sealer {
            frame.cipher = CIPHER;
            let mut sealed = sealer.id().0.to_vec();
            sealer.seal(&frame.belongs_to(number), &[&packed], &mut sealed)?;
            packed = sealed;
        }
        frame.packed = u32::try_from(packed.len()).map_err(too_large)?;
        frame.checksum = crc32c::crc32c(&packed);
        let mut bytes = frame.encode();
        bytes.extend_from_slice(&packed);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
        write_all_at(target, &bytes, place)?;
        offset = frame.end();
        place = frame.next();
    }
    target.sync_data()?;
    Ok(true)
}

fn in_memory(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn read(source: &dyn DiskFile, offset: u64, size: u64) -> io::Result<Vec<u8>> {
    let mut raw = vec![0; in_memory(size)];
    if read_full_at(source, &mut raw, offset)? != raw.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(raw)
}

fn same(mut source: Clear, copy: Packed, stop: &AtomicBool) -> io::Result<bool> {
    let total = source.len();
    let mut offset = 0;
    while offset < total {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let size = FRAME.min(total - offset);
        if source.take(in_memory(size))? != read(&copy, offset, size)? {
            return Err(io::ErrorKind::InvalidData.into());
        }
        offset += size;
    }
    Ok(copy.len()? == total)
}

#[cfg(test)]
mod tests;
