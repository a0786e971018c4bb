//! What waits on the disk when memory is full (WIRE P-6): files of one listener, read in their order
//! and deleted when they are read.
//!
//! `tap/NAME.NUMBER.spill` in the data directory, mode 0600. A record is the length of its payload and
//! the payload's CRC-32C (4 bytes each, little endian), then the payload. The files are not synced: a
//! relay promises nobody what is in them, but after a crash of the daemon they are still there, and the
//! next start takes them first.

use super::item::Item;
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// One file.
const SEGMENT: u64 = 16 << 20;
/// The first file's number: room below for what must be read before it.
const FIRST: u64 = 1_000_000_000;
const HEAD: usize = 8;

struct Segment {
    number: u64,
    bytes: u64,
}

/// The files of one listener.
pub(super) struct Spill {
    dir: PathBuf,
    name: String,
    segments: VecDeque<Segment>,
    /// Where the next record of the first file is.
    read_at: u64,
    /// The last file, while it is written.
    writing: Option<File>,
}

impl Spill {
    /// Finds what an earlier run left. Creates nothing.
    pub(super) fn open(data: &Path, name: &str) -> io::Result<Self> {
        let dir = data.join("tap");
        let mut segments = Vec::new();
        match fs::read_dir(&dir) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry?;
                    let file = entry.file_name();
                    let number = file
                        .to_str()
                        .and_then(|file| file.strip_prefix(name)?.strip_prefix('.'))
                        .and_then(|rest| rest.strip_suffix(".spill"))
                        .and_then(|number| number.parse().ok());
                    if let Some(number) = number {
                        segments.push(Segment {
                            number,
                            bytes: entry.metadata()?.len(),
                        });
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        segments.sort_by_key(|segment| segment.number);
        Ok(Self {
            segments: segments.into(),
            ..Self::empty(data, name)
        })
    }

    /// Without looking for what an earlier run left.
    pub(super) fn empty(data: &Path, name: &str) -> Self {
        Self {
            dir: data.join("tap"),
            name: name.to_owned(),
            segments: VecDeque::new(),
            read_at: 0,
            writing: None,
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{}.{number:010}.spill", self.name))
    }

    fn create(&self, number: u64) -> io::Result<File> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path(number))
    }

    /// Bytes on the disk, read or not.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Whether there is anything to read.
    pub(super) fn has_more(&self) -> bool {
        match self.segments.front() {
            Some(first) => self.segments.len() > 1 || self.read_at < first.bytes,
            None => false,
        }
    }

    /// Puts items behind all that is there. On an error none of them is there.
    pub(super) fn append(&mut self, items: &[Item]) -> io::Result<()> {
        if crate::failpoints::on("spill-write") {
            return Err(io::Error::other("a fault switched on by a test"));
        }
        let bytes = encode(items)?;
        let full = self
            .segments
            .back()
            .is_none_or(|last| last.bytes >= SEGMENT);
        if full || self.writing.is_none() {
            let number = self.segments.back().map_or(FIRST, |last| last.number + 1);
            self.writing = Some(self.create(number)?);
            self.segments.push_back(Segment { number, bytes: 0 });
        }
        let (Some(file), Some(segment)) = (&mut self.writing, self.segments.back_mut()) else {
            return Err(ErrorKind::NotFound.into());
        };
        if let Err(error) = file.write_all(&bytes) {
            // Half a record must not stand before whole ones.
            let _ = file.set_len(segment.bytes);
            self.writing = None;
            return Err(error);
        }
        segment.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Puts items before all that is there: what was in memory when the daemon had to end.
    pub(super) fn prepend(&mut self, items: &[Item]) -> io::Result<()> {
        let mut items = items.to_vec();
        if self.read_at > 0 {
            // What was read of the first file is among these items, or is journaled; the rest follows them.
            let unread = self
                .segments
                .front()
                .is_some_and(|first| self.read_at < first.bytes);
            if unread {
                items.extend(self.read_batch(usize::MAX)?);
            }
            self.drop_first()?;
        }
        let bytes = encode(&items)?;
        let number = self
            .segments
            .front()
            .map_or(FIRST, |first| first.number.saturating_sub(1));
        self.create(number)?.write_all(&bytes)?;
        self.segments.push_front(Segment {
            number,
            bytes: bytes.len() as u64,
        });
        Ok(())
    }

    /// Reads on, about `most` bytes of one file; nothing only where nothing is left. A damaged rest of a
    /// file is left out, which is an error once.
    pub(super) fn read_batch(&mut self, most: usize) -> io::Result<Vec<Item>> {
        while let Some(first) = self.segments.front() {
            if self.read_at >= first.bytes {
                self.drop_first()?;
                continue;
            }
            let mut file = File::open(self.path(first.number))?;
            file.seek(SeekFrom::Start(self.read_at))?;
            let left = first.bytes - self.read_at;
            let mut reader = io::BufReader::new(file.take(left));
            let mut items = Vec::new();
            let mut taken = 0_usize;
            while taken < most {
                match read_record(&mut reader)? {
                    Record::Item(item, length) => {
                        self.read_at += length as u64;
                        taken = taken.saturating_add(length);
                        items.push(*item);
                    }
                    Record::End => break,
                    Record::Damaged => {
                        self.drop_first()?;
                        if items.is_empty() {
                            return Err(ErrorKind::InvalidData.into());
                        }
                        return Ok(items);
                    }
                }
            }
            let read = self
                .segments
                .front()
                .is_some_and(|first| self.read_at >= first.bytes);
            if read {
                self.drop_first()?;
            }
            return Ok(items);
        }
        Ok(Vec::new())
    }

    fn drop_first(&mut self) -> io::Result<()> {
        if let Some(first) = self.segments.pop_front() {
            self.read_at = 0;
            if self.segments.is_empty() {
                self.writing = None;
            }
            fs::remove_file(self.path(first.number))?;
        }
        Ok(())
    }
}

fn encode(items: &[Item]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for item in items {
        let payload = postcard::to_stdvec(item).map_err(io::Error::other)?;
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
        bytes.extend_from_slice(&payload);
    }
    Ok(bytes)
}

enum Record {
    Item(Box<Item>, usize),
    End,
    Damaged,
}

fn read_record(reader: &mut impl io::Read) -> io::Result<Record> {
    let mut length = [0; 4];
    match reader.read(&mut length)? {
        0 => return Ok(Record::End),
        4 => {}
        some => {
            let rest = length.get_mut(some..).unwrap_or_default();
            if reader.read_exact(rest).is_err() {
                return Ok(Record::Damaged);
            }
        }
    }
    let mut checksum = [0; 4];
    if reader.read_exact(&mut checksum).is_err() {
        return Ok(Record::Damaged);
    }
    let length = u32::from_le_bytes(length) as usize;
    let mut payload = Vec::new();
    reader.take(length as u64).read_to_end(&mut payload)?;
    if payload.len() < length || crc32c::crc32c(&payload) != u32::from_le_bytes(checksum) {
        return Ok(Record::Damaged);
    }
    Ok(match postcard::from_bytes(&payload) {
        Ok(item) => Record::Item(Box::new(item), HEAD + length),
        Err(_) => Record::Damaged,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fact::LisAck;
    use crate::core::time::Timestamp;

    fn item(number: u64) -> Item {
        Item::Answer {
            message: number,
            code: LisAck::Aa,
            at: Timestamp::from_micros(0),
            after_micros: number,
        }
    }

    fn items(numbers: std::ops::Range<u64>) -> Vec<Item> {
        numbers.map(item).collect()
    }

    fn rest(spill: &mut Spill) -> Vec<Item> {
        let mut all = Vec::new();
        loop {
            let some = spill.read_batch(30).expect("read");
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    fn files(dir: &Path) -> usize {
        fs::read_dir(dir.join("tap")).map_or(0, Iterator::count)
    }

    #[test]
    fn comes_back_in_order_and_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spill = Spill::open(dir.path(), "lab").expect("opened");
        assert!(!spill.has_more());
        spill.append(&items(0..10)).expect("written");
        assert_eq!(spill.read_batch(1).expect("read"), [item(0)]);
        spill.append(&items(10..20)).expect("written");
        assert_eq!(rest(&mut spill), items(1..20));
        assert!(!spill.has_more());
        assert_eq!((files(dir.path()), spill.bytes()), (0, 0));
        spill.append(&items(0..2)).expect("written anew");
        assert_eq!(rest(&mut spill), items(0..2));
    }

    #[test]
    fn another_run_goes_on_where_this_one_ended() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spill = Spill::open(dir.path(), "lab").expect("opened");
        spill.append(&items(5..10)).expect("written");
        assert_eq!(spill.read_batch(1).expect("read"), [item(5)]);
        spill.prepend(&items(3..6)).expect("written");
        drop(spill);
        Spill::open(dir.path(), "la")
            .expect("opened")
            .append(&items(0..1))
            .expect("another listener's");
        let mut spill = Spill::open(dir.path(), "lab").expect("opened");
        assert!(spill.has_more());
        spill.append(&items(10..12)).expect("written");
        assert_eq!(rest(&mut spill), items(3..12));
        assert_eq!(files(dir.path()), 1);
    }

    #[test]
    fn a_damaged_rest_is_left_out_and_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spill = Spill::open(dir.path(), "lab").expect("opened");
        spill.append(&items(0..3)).expect("written");
        let file = spill.path(FIRST);
        let mut bytes = fs::read(&file).expect("read");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&file, &bytes).expect("written");
        assert_eq!(spill.read_batch(usize::MAX).expect("read"), items(0..2));
        assert!(!spill.has_more());
        fs::write(&file, &bytes[..bytes.len() / 2 - 3]).expect("written");
        let mut spill = Spill::open(dir.path(), "lab").expect("opened");
        assert_eq!(spill.read_batch(usize::MAX).expect("read"), items(0..1));
        assert!(!spill.has_more());
    }
}
