//! What opening finds that is not as it was written, as an operator is told of it.

use super::table::{packed_name, segment_name};
use crate::core::fact::JournalPosition;
use std::fmt;

/// Bytes at the end that nobody was answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub segment: u64,
    /// Where the tail begins in its file.
    pub offset: u64,
    /// Up to the last byte that is not zero.
    pub bytes: u64,
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// A segment's header; its records were found without it.
    Header,
    /// Records in the middle or at the end of a segment.
    Records,
    /// As `Records`, and the disk refuses to read there.
    Unreadable,
    /// A segment's file ends too early.
    Short,
    /// A segment's file is gone.
    MissingSegment,
    /// A whole file that belongs to another number: a copy, or one that was renamed. It is not read.
    Misplaced,
    /// Records that are as they were written to the disk, but not by the daemon: their checksum is right
    /// and their seal is broken.
    Tampered,
}

/// One damaged place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// What.
    pub kind: DamageKind,
    /// In which segment.
    pub segment: u64,
    /// It is compressed: places are those of the segment that it was made from.
    pub packed: bool,
    /// Where in the segment.
    pub offset: u64,
    /// How many bytes are bad.
    pub bytes: u64,
    /// The first and the last position lost, if any is. They are never given again.
    pub lost: Option<(JournalPosition, JournalPosition)>,
}

impl Damage {
    /// The name of the file that is damaged, or missing.
    pub fn file_name(&self) -> String {
        if self.packed {
            packed_name(self.segment)
        } else {
            segment_name(self.segment)
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file_name();
        let Self { offset, bytes, .. } = self;
        match self.kind {
            DamageKind::Header => write!(f, "the header of segment `{name}` is damaged")?,
            DamageKind::Records => write!(f, "segment `{name}`: {bytes} bad bytes at {offset}")?,
            DamageKind::Tampered => write!(
                f,
                "segment `{name}`: {bytes} bytes at {offset} were changed or moved by somebody: their seal is broken"
            )?,
            DamageKind::Unreadable => write!(
                f,
                "segment `{name}`: the disk does not give back {bytes} bytes at {offset}"
            )?,
            DamageKind::Short => write!(f, "segment `{name}` ends too early, at {offset}")?,
            DamageKind::MissingSegment => write!(f, "segment `{name}` is missing")?,
            DamageKind::Misplaced => {
                write!(f, "`{name}` belongs to another number, and is not read")?
            }
        }
        match self.lost {
            Some((from, through)) if from == through => write!(f, "; position {from} is lost"),
            Some((from, through)) => write!(f, "; positions {from} to {through} are lost"),
            None => f.write_str("; nothing is lost"),
        }
    }
}
