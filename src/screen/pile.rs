//! What was read of patients, in parts by patient: in memory up to a limit, beyond it in files.
//!
//! A part is read back alone, so of all patients only those of one part are in memory at once. The
//! files have no name: they are gone with the process, however it ends.

use super::record::{Kept, Key};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Parts of a pile; a power of two.
pub const PARTS: usize = 64;
const BITS: u32 = PARTS.trailing_zeros();
/// Memory is taken in blocks of this size, so that growing copies nothing.
const BLOCK: usize = 16 << 10;
/// Before each record: its length, 4 bytes, and its key, 8.
const HEAD: usize = 12;

/// Records by patient.
pub struct Pile {
    parts: Vec<Mutex<Store>>,
    /// Bytes in memory.
    held: AtomicUsize,
    limit: usize,
    /// How often the keys of this pile were divided before.
    level: u32,
    dir: PathBuf,
    spilled: AtomicU64,
}

#[derive(Default)]
struct Store {
    blocks: Vec<Vec<u8>>,
    file: Option<File>,
    /// Bytes in the file.
    filed: u64,
}

impl Pile {
    /// An empty pile that holds up to `limit` bytes in memory and the rest in files of `dir`.
    pub fn new(limit: usize, dir: &Path) -> Self {
        Self::of_level(limit, dir, 0)
    }

    fn of_level(limit: usize, dir: &Path, level: u32) -> Self {
        Self {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            held: AtomicUsize::new(0),
            limit,
            level,
            dir: dir.to_path_buf(),
            spilled: AtomicU64::new(0),
        }
    }

    /// Adds a record under a key.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn push(&self, key: Key, record: &[u8]) -> io::Result<()> {
        let place = (key.0 >> (self.level * BITS)) as usize % PARTS;
        let Some(part) = self.parts.get(place) else {
            return Ok(());
        };
        let length = u32::try_from(record.len()).map_err(io::Error::other)?;
        let mut head = [0; HEAD];
        let (first, last) = head.split_at_mut(4);
        first.copy_from_slice(&length.to_le_bytes());
        last.copy_from_slice(&key.0.to_le_bytes());
        lock(part).append(&head, record);
        let added = head.len() + record.len();
        let held = self.held.fetch_add(added, Ordering::Relaxed) + added;
        if held > self.limit {
            self.spill()?;
        }
        Ok(())
    }

    /// Writes all that is in memory to the files.
    fn spill(&self) -> io::Result<()> {
        for part in &self.parts {
            let mut store = lock(part);
            let bytes = store.spill(&self.dir)?;
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            self.spilled.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Bytes written to files so far.
    pub fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }

    /// Bytes of a part, in memory and in its file.
    fn size(&self, place: usize) -> u64 {
        self.parts.get(place).map_or(0, |part| {
            let store = lock(part);
            store.filed
                + store
                    .blocks
                    .iter()
                    .map(|block| block.len() as u64)
                    .sum::<u64>()
        })
    }

    /// Gives every record of a part, in the order in which they came.
    ///
    /// # Errors
    /// The file cannot be read, or `take` fails.
    pub fn each(
        &self,
        place: usize,
        mut take: impl FnMut(Key, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(part) = self.parts.get(place) else {
            return Ok(());
        };
        let mut store = lock(part);
        let Store { blocks, file, .. } = &mut *store;
        if let Some(file) = file {
            file.seek(SeekFrom::Start(0))?;
            records(BufReader::with_capacity(256 << 10, file), &mut take)?;
        }
        blocks
            .iter()
            .try_for_each(|block| in_block(block, &mut take))
    }

    /// Forgets a part.
    pub fn clear(&self, place: usize) {
        if let Some(part) = self.parts.get(place) {
            let mut store = lock(part);
            let bytes: usize = store.blocks.iter().map(Vec::len).sum();
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            *store = Store::default();
        }
    }

    /// A part that is larger than the limit, divided once more. `None` for one that is not, or that
    /// cannot be divided further.
    ///
    /// # Errors
    /// Files cannot be read or written.
    pub fn divided(&self, place: usize) -> io::Result<Option<Self>> {
        let further = self.level + 1;
        if self.size(place) <= self.limit as u64 || (further + 1) * BITS > Key::BITS {
            return Ok(None);
        }
        let pile = Self::of_level(self.limit, &self.dir, further);
        self.each(place, |key, record| pile.push(key, record))?;
        self.clear(place);
        Ok(Some(pile))
    }
}

impl Store {
    fn append(&mut self, head: &[u8], record: &[u8]) {
        let needed = head.len() + record.len();
        let fits = |block: &&mut Vec<u8>| block.capacity() - block.len() >= needed;
        if let Some(block) = self.blocks.last_mut().filter(fits) {
            block.extend_from_slice(head);
            block.extend_from_slice(record);
        } else {
            let mut block = Vec::with_capacity(needed.max(BLOCK));
            block.extend_from_slice(head);
            block.extend_from_slice(record);
            self.blocks.push(block);
        }
    }

    fn spill(&mut self, dir: &Path) -> io::Result<usize> {
        if self.blocks.is_empty() {
            return Ok(0);
        }
        let file = match &mut self.file {
            Some(file) => file,
            // Without a name, and for its owner only.
            none => none.insert(tempfile::tempfile_in(dir)?),
        };
        let mut bytes = 0;
        for block in self.blocks.drain(..) {
            file.write_all(&block)?;
            bytes += block.len();
        }
        self.blocks.shrink_to_fit();
        self.filed += bytes as u64;
        Ok(bytes)
    }
}

/// The records of a block, where they lie.
fn in_block(
    mut block: &[u8],
    take: &mut impl FnMut(Key, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let damaged = || io::Error::other("a block of the pile is damaged");
    while let Some((head, rest)) = block.split_first_chunk::<HEAD>() {
        let (length, key) = of_head(*head);
        let (record, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        take(key, record)?;
        block = rest;
    }
    Ok(())
}

fn of_head([a, b, c, d, key @ ..]: [u8; HEAD]) -> (usize, Key) {
    let length = u32::from_le_bytes([a, b, c, d]);
    (length as usize, Key(u64::from_le_bytes(key)))
}

fn records(
    mut source: impl Read,
    take: &mut impl FnMut(Key, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut record = Vec::new();
    let mut head = [0_u8; HEAD];
    loop {
        match source.read(&mut head)? {
            0 => return Ok(()),
            read => source.read_exact(head.get_mut(read..).unwrap_or_default())?,
        }
        let (length, key) = of_head(head);
        record.resize(length, 0);
        source.read_exact(&mut record)?;
        take(key, &record)?;
    }
}

fn lock(part: &Mutex<Store>) -> MutexGuard<'_, Store> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pile {
    /// Adds what was read under its own key.
    ///
    /// # Errors
    /// As [`Pile::push`].
    pub fn keep(&self, kept: &Kept) -> io::Result<()> {
        self.push(kept.key(), &kept.encode()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn filled(limit: usize) -> Pile {
        let pile = Pile::new(limit, &std::env::temp_dir());
        for number in 0_u64..2_000 {
            let key = Key(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 500);
            pile.push(key, &number.to_le_bytes()).unwrap();
        }
        pile
    }

    fn content(pile: &Pile) -> BTreeMap<Key, Vec<Vec<u8>>> {
        let mut all: BTreeMap<Key, Vec<Vec<u8>>> = BTreeMap::new();
        for place in 0..PARTS {
            pile.each(place, |key, record| {
                all.entry(key).or_default().push(record.to_vec());
                Ok(())
            })
            .unwrap();
        }
        all
    }

    #[test]
    fn what_was_spilled_reads_as_what_was_not() {
        let (small, large) = (filled(100), filled(1 << 20));
        assert!(small.spilled() > 30_000);
        assert_eq!(large.spilled(), 0);
        let both = (content(&small), content(&large));
        assert_eq!(both.0, both.1);
        assert_eq!(both.0.values().map(Vec::len).sum::<usize>(), 2_000);
    }

    #[test]
    fn a_part_that_is_too_large_is_divided_and_nothing_lost() {
        let pile = filled(100);
        let before = content(&pile);
        let mut after = BTreeMap::new();
        for place in 0..PARTS {
            match pile.divided(place).unwrap() {
                Some(further) => after.extend(content(&further)),
                None => pile
                    .each(place, |key, record| {
                        let of_key: &mut Vec<Vec<u8>> = after.entry(key).or_default();
                        of_key.push(record.to_vec());
                        Ok(())
                    })
                    .unwrap(),
            }
        }
        assert_eq!(before, after);
    }

    #[test]
    fn a_part_that_was_cleared_is_empty() {
        let pile = filled(100);
        (0..PARTS).for_each(|place| pile.clear(place));
        assert!(content(&pile).is_empty());
    }
}
