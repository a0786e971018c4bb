//! Blocks as files: `index/<first position, 20 digits>.blk`, written aside, synced and renamed.
//!
//! A header of [`HEADER`] bytes (magic, version, cipher, id of the key, lengths of the five sections, checksum),
//! then the sections, each with its checksum before it, or sealed (its seal is its checksum).

use super::block::{Filling, Sections, Summary, build};
use crate::core::fact::JournalPosition;
use crate::seal::{CIPHER, KeyId, Keyring};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 4] = *b"PIDX";
/// Raise it when a block changes its shape: older ones are made again.
const VERSION: u8 = 1;
const HEADER: usize = 4 + 1 + 1 + 8 + 5 * 4 + 4;
const SECTIONS: usize = 5;
const ASIDE: &str = "writing";

/// A section of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Summary = 0,
    Rows = 1,
    Controls = 2,
    Patients = 3,
    Texts = 4,
}

/// The directory.
pub(super) struct Files {
    dir: PathBuf,
    keys: Keyring,
}

struct Header {
    cipher: u8,
    key: KeyId,
    lengths: [usize; SECTIONS],
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[VERSION, self.cipher]);
        out.extend_from_slice(&self.key.0);
        for length in self.lengths {
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_le_bytes());
        }
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> io::Result<Self> {
        let (body, sum) = bytes
            .split_last_chunk::<4>()
            .ok_or_else(|| broken("a short header"))?;
        let whole = bytes.len() == HEADER && crc32c::crc32c(body) == u32::from_le_bytes(*sum);
        let rest = body.strip_prefix(&MAGIC).filter(|_| whole);
        let Some([version, cipher, rest @ ..]) = rest else {
            return Err(broken("no header of a block"));
        };
        if *version != VERSION {
            return Err(broken("a block of another version"));
        }
        let (key, rest) = rest
            .split_first_chunk::<8>()
            .ok_or_else(|| broken("a short header"))?;
        let mut lengths = [0; SECTIONS];
        for (length, bytes) in lengths.iter_mut().zip(rest.chunks_exact(4)) {
            let four: [u8; 4] = bytes.try_into().unwrap_or_default();
            *length = usize::try_from(u32::from_le_bytes(four)).unwrap_or(usize::MAX);
        }
        Ok(Self {
            cipher: *cipher,
            key: KeyId(*key),
            lengths,
        })
    }

    fn place(&self, section: Section) -> (u64, usize) {
        let before: usize = self.lengths.iter().take(section as usize).sum();
        let length = self.lengths.get(section as usize).copied();
        let offset = u64::try_from(HEADER.saturating_add(before)).unwrap_or(u64::MAX);
        (offset, length.unwrap_or_default())
    }
}

fn belongs_to(first: JournalPosition, section: Section) -> Vec<u8> {
    let mut out = b"index".to_vec();
    out.extend_from_slice(&first.0.to_le_bytes());
    out.push(section as u8);
    out
}

impl Files {
    pub(super) fn new(dir: PathBuf, keys: Keyring) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, keys })
    }

    fn path(&self, first: JournalPosition) -> PathBuf {
        self.dir.join(format!("{:020}.blk", first.0))
    }

    /// All blocks that are whole and follow each other; from the first that is not all are removed.
    pub(super) fn load(&self) -> io::Result<Vec<Summary>> {
        let mut names: Vec<PathBuf> = fs::read_dir(&self.dir)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        names.sort();
        let mut found: Vec<Summary> = Vec::new();
        let mut good = true;
        for name in names {
            let summary = if good { self.summary(&name).ok() } else { None };
            let follows = |summary: &Summary| {
                let before = found.last().map(|before| before.through);
                self.path(summary.first) == name && before.is_none_or(|at| at < summary.first)
            };
            match summary.filter(follows) {
                Some(summary) => found.push(summary),
                None => {
                    // A file that is being written when the process ends is no gap.
                    good &= name.file_name().is_some_and(|name| name == ASIDE);
                    fs::remove_file(&name)?;
                }
            }
        }
        Ok(found)
    }

    fn summary(&self, path: &Path) -> io::Result<Summary> {
        let first = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse().ok())
            .map(JournalPosition)
            .ok_or_else(|| broken("a foreign file"))?;
        let bytes = self.section(first, Section::Summary)?;
        postcard::from_bytes(&bytes).map_err(|error| broken(&error.to_string()))
    }

    /// Writes a block; it stands under its name only when it is whole.
    pub(super) fn write(&self, filling: &Filling) -> io::Result<Summary> {
        let (summary, sections) = build(filling).ok_or_else(|| broken("an empty block"))?;
        let Sections {
            rows,
            controls,
            patients,
            texts,
        } = sections;
        let head = postcard::to_stdvec(&summary).map_err(io::Error::other)?;
        let parts = [
            (Section::Summary, head),
            (Section::Rows, rows),
            (Section::Controls, controls),
            (Section::Patients, patients),
            (Section::Texts, texts),
        ];
        let sealer = self.keys.sealer();
        let mut body = Vec::new();
        let mut lengths = [0; SECTIONS];
        for ((section, bytes), length) in parts.iter().zip(&mut lengths) {
            let before = body.len();
            match sealer {
                Some(sealer) => {
                    let belongs = belongs_to(summary.first, *section);
                    sealer.seal(&belongs, &[bytes], &mut body)?;
                }
                None => {
                    body.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
                    body.extend_from_slice(bytes);
                }
            }
            *length = body.len() - before;
        }
        let header = Header {
            cipher: if sealer.is_some() { CIPHER } else { 0 },
            key: sealer.map_or(KeyId([0; 8]), crate::seal::Sealer::id),
            lengths,
        };
        let aside = self.dir.join(ASIDE);
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&aside)?;
        file.write_all(&header.encode())?;
        file.write_all(&body)?;
        file.sync_data()?;
        fs::rename(&aside, self.path(summary.first))?;
        Ok(summary)
    }

    /// One section of a block, checked.
    pub(super) fn section(&self, first: JournalPosition, section: Section) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(first))?;
        let mut header = vec![0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        let header = Header::decode(&header)?;
        let (offset, length) = header.place(section);
        if length > 64 << 20 {
            return Err(broken("a section that is too long"));
        }
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        if header.cipher == 0 {
            let (sum, _) = bytes
                .split_first_chunk::<4>()
                .ok_or_else(|| broken("a short section"))?;
            let sum = u32::from_le_bytes(*sum);
            bytes.drain(..4);
            if crc32c::crc32c(&bytes) != sum {
                return Err(broken("a section with a wrong checksum"));
            }
            return Ok(bytes);
        }
        let mut clear = Vec::new();
        self.keys.opener(header.cipher, header.key)?.open(
            &belongs_to(first, section),
            &bytes,
            &mut clear,
        )?;
        Ok(clear)
    }

    pub(super) fn remove(&self, block: &Summary) {
        // What stays is removed at the next start, or is passed over.
        let _ = fs::remove_file(self.path(block.first));
    }
}
