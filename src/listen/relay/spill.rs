//! What waits on the disk when memory is full (WIRE P-6): files of one listener, read in their order
//! and deleted when they are read.
//!
//! `tap/NAME.NUMBER.spill` in the data directory, mode 0600. A record is the length of its payload and
//! the payload's CRC-32C (4 bytes each, little endian), then the payload, sealed where there is a key. The
//! files are not synced: a relay promises nobody what is in them, but after a crash of the daemon they are
//! still there, and the next start takes them first.
//!
//! What cannot be read back is a [`Gap`], and no file of it is deleted: a damaged one is set aside as
//! `.spill.damaged`; one whose key is not there, or that the disk does not give, waits for another start.

mod record;

use super::item::Item;
use crate::clock;
use crate::core::fact::{Gap, GapCause, Origin};
use crate::seal::Keyring;
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// One file.
const SEGMENT: u64 = 16 << 20;
/// The first file's number: room below for what must be read before it.
const FIRST: u64 = 1_000_000_000;

struct Segment {
    number: u64,
    bytes: u64,
}

/// The files of one listener.
pub(super) struct Spill {
    dir: PathBuf,
    name: String,
    keys: Keyring,
    segments: VecDeque<Segment>,
    /// The highest number that a file has had, and the lowest: some may be there that are not read.
    last: Option<u64>,
    lowest: u64,
    /// Where the next record of the first file is.
    read_at: u64,
    /// The last file, while it is written.
    writing: Option<File>,
}

/// What was read back.
#[derive(Default)]
pub(super) struct ReadBack {
    pub(super) items: Vec<Item>,
    /// What follows them and cannot be read.
    pub(super) unreadable: Option<Unreadable>,
}

/// The rest of a file.
pub(super) struct Unreadable {
    bytes: u64,
    pub(super) why: Why,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Damaged,
    /// With a key that is not there.
    Sealed,
    Disk(ErrorKind),
}

impl Why {
    /// As in logs.
    pub(super) fn text(self) -> String {
        match self {
            Self::Damaged => "it is damaged; it was set aside".to_owned(),
            Self::Sealed => {
                "it is sealed with a key that is not there; with that key the next start reads it"
                    .to_owned()
            }
            Self::Disk(kind) => format!("{kind}; the next start tries again"),
        }
    }
}

impl Unreadable {
    /// The record of it: how many messages it held nobody knows.
    pub(super) fn gap(&self, listener: &str) -> Gap {
        let now = clock::now();
        Gap {
            origin: Origin {
                listener: listener.to_owned(),
                peer: String::new(),
            },
            cause: GapCause::Spill,
            from: now,
            to: now,
            messages: 0,
            bytes: self.bytes,
            control_ids: Vec::new(),
        }
    }
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
            last: segments.last().map(|segment| segment.number),
            lowest: segments.first().map_or(FIRST, |segment| segment.number),
            segments: segments.into(),
            ..Self::empty(data, name)
        })
    }

    /// Without looking for what an earlier run left.
    pub(super) fn empty(data: &Path, name: &str) -> Self {
        Self {
            dir: data.join("tap"),
            name: name.to_owned(),
            keys: Keyring::none(),
            segments: VecDeque::new(),
            last: None,
            lowest: FIRST,
            read_at: 0,
            writing: None,
        }
    }

    /// The same; what is written from now on is sealed with the first of these keys.
    pub(super) fn sealed_with(mut self, keys: Keyring) -> Self {
        self.keys = keys;
        self
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

    fn encode(&self, items: &[Item]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for item in items {
            record::write(item, &self.name, &self.keys, &mut bytes)?;
        }
        Ok(bytes)
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
        let bytes = self.encode(items)?;
        let full = self
            .segments
            .back()
            .is_none_or(|last| last.bytes >= SEGMENT);
        if full || self.writing.is_none() {
            let number = self.last.map_or(FIRST, |last| last.saturating_add(1));
            self.writing = Some(self.create(number)?);
            self.last = Some(number);
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
                let rest = self.read_batch(usize::MAX);
                items.extend(rest.items);
                let gap = rest.unreadable.map(|rest| rest.gap(&self.name));
                items.extend(gap.map(Item::Gap));
            } else {
                self.drop_first();
            }
        }
        let bytes = self.encode(&items)?;
        let number = self.lowest.saturating_sub(1);
        self.create(number)?.write_all(&bytes)?;
        self.lowest = number;
        self.last = self.last.max(Some(number));
        self.segments.push_front(Segment {
            number,
            bytes: bytes.len() as u64,
        });
        Ok(())
    }

    /// Reads on, about `most` bytes of one file; nothing only where nothing is left.
    pub(super) fn read_batch(&mut self, most: usize) -> ReadBack {
        let mut back = ReadBack::default();
        while back.items.is_empty()
            && back.unreadable.is_none()
            && let Some(first) = self.segments.front()
        {
            let (number, end) = (first.number, first.bytes);
            if let Err(why) = self.read_on(number, end, most, &mut back.items) {
                let bytes = end.saturating_sub(self.read_at);
                back.unreadable = Some(Unreadable { bytes, why });
                self.leave_first(why);
            } else if self.read_at >= end {
                self.drop_first();
            }
        }
        back
    }

    fn read_on(
        &mut self,
        number: u64,
        end: u64,
        most: usize,
        items: &mut Vec<Item>,
    ) -> Result<(), Why> {
        let mut file = File::open(self.path(number))?;
        file.seek(SeekFrom::Start(self.read_at))?;
        let mut reader = io::BufReader::new(file);
        let mut taken = 0_usize;
        while taken < most && self.read_at < end {
            let (item, length) = record::read(&mut reader, &self.name, &self.keys)?;
            self.read_at = self.read_at.saturating_add(length as u64);
            taken = taken.saturating_add(length);
            items.push(item);
        }
        Ok(())
    }

    /// The first file is read. One that cannot be removed is read again at the next start, and what is in
    /// it is then known as a duplicate.
    fn drop_first(&mut self) {
        if let Some(number) = self.forget_first() {
            let _ = fs::remove_file(self.path(number));
        }
    }

    /// The first file cannot be read any further. What of it was read is journaled, so a damaged one must
    /// not be begun again.
    fn leave_first(&mut self, why: Why) {
        if let Some(number) = self.forget_first()
            && matches!(why, Why::Damaged)
        {
            let path = self.path(number);
            let mut aside = path.clone().into_os_string();
            aside.push(".damaged");
            let _ = fs::rename(path, aside);
        }
    }

    fn forget_first(&mut self) -> Option<u64> {
        let first = self.segments.pop_front()?;
        self.read_at = 0;
        if self.segments.is_empty() {
            self.writing = None;
        }
        Some(first.number)
    }
}

#[cfg(test)]
mod tests;
