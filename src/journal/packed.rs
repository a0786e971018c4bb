//! A closed segment, compressed: frames of zstd that can be read at any place, and one without another.
//!
//! Behind [`DiskFile`] it reads byte for byte as the segment it was made from, so recovery, readers
//! and their checksums know nothing of it. A frame that is damaged reads as zeros: what of it is lost
//! is then found and named like any other bad place.

use super::disk::{Disk, DiskFile, read_full_at, write_all_at};
use super::table::{packed_path, segment_path};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The working name of a compressed segment that is being written.
pub(crate) const PACKING: &str = "packing";
const MAGIC: [u8; 4] = [0xF1, b'P', b'Z', 0x9C];
/// The newest version of a frame, and the one written.
const VERSION: u8 = 1;
const HEADER: usize = 40;
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
}

impl Frame {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, 0, 0, 0]);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.total.to_le_bytes());
        out.extend_from_slice(&self.raw.to_le_bytes());
        out.extend_from_slice(&self.packed.to_le_bytes());
        out.extend_from_slice(&self.checksum.to_le_bytes());
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
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
    file_len: u64,
    total: u64,
    seen: Mutex<Seen>,
}

impl Packed {
    /// Opens a compressed segment. One without a single whole frame reads as an empty file.
    pub fn open(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let file_len = file.len()?;
        let mut opened = Self {
            file,
            file_len,
            total: 0,
            seen: Mutex::default(),
        };
        let mut seen = Seen::default();
        if opened.scan(&mut seen)? {
            opened.total = seen.frames.first().map_or(0, |frame| frame.total);
        }
        opened.seen = Mutex::new(seen);
        Ok(opened)
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
        let mut packed = vec![0; frame.packed as usize];
        let n = read_full_at(self.file.as_ref(), &mut packed, frame.place)?;
        if n != packed.len() || crc32c::crc32c(&packed) != frame.checksum {
            return Ok(Vec::new());
        }
        Ok(zstd::bulk::decompress(&packed, frame.raw as usize).unwrap_or_default())
    }
}

impl DiskFile for Packed {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
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

    fn write_at(&self, _data: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn preallocate(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.total)
    }
}

/// Puts a compressed copy in the place of a closed segment, in an order in which a crash at any
/// moment leaves at least one of the two whole and durable. What was written is read back and held
/// against the segment before that is removed. False where `stop` came in between.
pub(crate) fn pack(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    stop: &AtomicBool,
) -> io::Result<bool> {
    let plain = segment_path(dir, number);
    let source = disk.open_read(&plain)?;
    let working = dir.join(PACKING);
    let target = disk.create(&working)?;
    let written = write(source.as_ref(), target.as_ref(), stop)
        .and_then(|done| Ok(done && same(source.as_ref(), Packed::open(target)?, stop)?));
    match written {
        Ok(true) => {}
        other => {
            let _ = disk.remove(&working);
            return other;
        }
    }
    disk.rename(&working, &packed_path(dir, number))?;
    disk.sync_dir(dir)?;
    disk.remove(&plain)?;
    disk.sync_dir(dir)?;
    Ok(true)
}

fn write(source: &dyn DiskFile, target: &dyn DiskFile, stop: &AtomicBool) -> io::Result<bool> {
    let total = source.len()?;
    let (mut offset, mut place) = (0, 0);
    while offset < total {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let size = if offset == 0 { FIRST_FRAME } else { FRAME };
        let raw = read(source, offset, size.min(total - offset))?;
        let packed = zstd::bulk::compress(&raw, LEVEL)?;
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let frame = Frame {
            offset,
            total,
            raw: u32::try_from(raw.len()).map_err(too_large)?,
            packed: u32::try_from(packed.len()).map_err(too_large)?,
            checksum: crc32c::crc32c(&packed),
            place: place + HEADER as u64,
        };
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

fn read(source: &dyn DiskFile, offset: u64, size: u64) -> io::Result<Vec<u8>> {
    let mut raw = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    if read_full_at(source, &mut raw, offset)? != raw.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(raw)
}

fn same(source: &dyn DiskFile, copy: Packed, stop: &AtomicBool) -> io::Result<bool> {
    let total = source.len()?;
    let mut offset = 0;
    while offset < total {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let size = FRAME.min(total - offset);
        if read(source, offset, size)? != read(&copy, offset, size)? {
            return Err(io::ErrorKind::InvalidData.into());
        }
        offset += size;
    }
    Ok(copy.len()? == total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::ModelDisk;

    fn packed(raw: &[u8]) -> (ModelDisk, Vec<u8>) {
        let disk = ModelDisk::new();
        let dir = Path::new("/d");
        disk.replace(&segment_path(dir, 1), raw.to_vec());
        assert!(pack(&disk, dir, 1, &AtomicBool::new(false)).unwrap());
        let files = disk.files();
        assert!(!files.contains_key(&segment_path(dir, 1)));
        let bytes = files[&packed_path(dir, 1)].clone();
        (disk, bytes)
    }

    fn unpacked(disk: &ModelDisk) -> Vec<u8> {
        let file = disk.open_read(&packed_path(Path::new("/d"), 1)).unwrap();
        let file = Packed::open(file).unwrap();
        let mut raw = vec![1; usize::try_from(file.len().unwrap()).unwrap()];
        assert_eq!(read_full_at(&file, &mut raw, 0).unwrap(), raw.len());
        raw
    }

    fn sample() -> Vec<u8> {
        (0..2 * FRAME + 12_345)
            .map(|n| (n % 251 + n / 70_000) as u8)
            .collect()
    }

    #[test]
    fn reads_as_what_it_was_made_of() {
        for raw in [sample(), b"MSH".to_vec(), Vec::new()] {
            let (disk, bytes) = packed(&raw);
            assert_eq!(unpacked(&disk), raw);
            assert!(bytes.len() <= raw.len() + HEADER + 8 + 16);
        }
    }

    /// A bad frame costs what it holds and nothing else, wherever the bad byte is.
    #[test]
    fn a_bad_byte_costs_one_frame() {
        let raw = sample();
        let (disk, bytes) = packed(&raw);
        let path = packed_path(Path::new("/d"), 1);
        for place in (0..bytes.len()).step_by(bytes.len() / 40) {
            let mut bad = bytes.clone();
            bad[place] ^= 0x55;
            disk.replace(&path, bad);
            let read = unpacked(&disk);
            assert_eq!(read.len(), raw.len(), "byte {place}");
            let differ = raw.iter().zip(&read).filter(|(a, b)| a != b).count() as u64;
            assert!(differ <= FRAME, "byte {place}: {differ} bytes differ");
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        let (disk, mut bytes) = packed(b"MSH");
        bytes[4] = 2;
        let sum = crc32c::crc32c(&bytes[..HEADER - 4]);
        bytes[HEADER - 4..HEADER].copy_from_slice(&sum.to_le_bytes());
        let path = packed_path(Path::new("/d"), 1);
        disk.replace(&path, bytes);
        let opened = Packed::open(disk.open_read(&path).unwrap());
        let kind = opened.err().map(|error| error.kind());
        assert_eq!(kind, Some(io::ErrorKind::Unsupported));
    }
}
