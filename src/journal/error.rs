//! What can go wrong, by what the caller can do about it. No text here holds patient data.

use crate::core::fact::JournalPosition;
use crate::seal::SealFault;
use std::io;
use std::path::PathBuf;

/// The journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another daemon works in this data directory.
    #[error("the data directory is in use by another process: `{}` is locked", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Written by a newer version; reading on would misread it.
    #[error(
        "expected a journal of format version {supported} or older, but segment `{}` has version {found}",
        path.display()
    )]
    NewerFormat {
        /// The segment's file.
        path: PathBuf,
        /// The version it says.
        found: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// A checkpoint written by a newer version; passing it over would forget what it says.
    #[error(
        "expected a checkpoint of format version {} and state version {} or older, but `{}` has {} and {}",
        supported.0, supported.1, path.display(), found.0, found.1
    )]
    NewerCheckpoint {
        /// The checkpoint's file.
        path: PathBuf,
        /// The versions of format and state that it says.
        found: (u32, u8),
        /// The newest versions this program reads.
        supported: (u32, u8),
    },
    /// It holds a fact that this version does not know; folding without it would be wrong.
    #[error("position {position} in segment `{}` was written by a newer version", path.display())]
    NewerRecord {
        /// The segment's file.
        path: PathBuf,
        /// The fact's position.
        position: JournalPosition,
        /// The kind or version that is not known.
        source: DecodeError,
    },
    /// It is sealed, and cannot be opened with the keys that are there. Nothing was changed.
    #[error("cannot open `{}`: {source}", path.display())]
    Sealed {
        /// The segment's or checkpoint's file.
        path: PathBuf,
        /// Which key it needs, and which there are.
        source: SealFault,
    },
    /// Its facts are to be in a stream, and it holds a journal of its own.
    #[error("`{}` holds a journal of its own, and facts are to be kept in a stream", dir.display())]
    HasSegments {
        /// The data directory.
        dir: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// A verb: `open`, `read`, …
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl JournalError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match SealFault::in_error(&source) {
            Some(fault) => Self::Sealed {
                path,
                source: fault.clone(),
            },
            None => Self::Io { what, path, source },
        }
    }

    /// Whether trying again without changing anything can help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::Io { .. } => true,
            Self::NewerFormat { .. }
            | Self::NewerCheckpoint { .. }
            | Self::NewerRecord { .. }
            | Self::HasSegments { .. }
            | Self::Sealed { .. } => false,
        }
    }
}

/// A group was not taken, or not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The writer has ended (or ended before it could store the group).
    #[error("the journal is closed")]
    Closed,
    /// No slot is free; only from [`Appender::try_submit`](super::Appender::try_submit).
    #[error("the journal's queue is full")]
    Full,
    /// Another instance has the right to decide, or this one got it anew meanwhile.
    #[error("another instance decides now")]
    NotHeld,
    /// A fact is larger than a record can be.
    #[error("expected a fact of at most {max} bytes, but found {len}")]
    TooLarge {
        /// Its size in bytes.
        len: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// A fact could not be turned into a record.
    #[error("the fact of kind `{kind}` cannot be encoded")]
    NotEncodable {
        /// The kind's word.
        kind: &'static str,
    },
}

impl AppendError {
    /// Whether trying again can help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Full)
    }
}

/// A whole record whose meaning cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A kind this program does not know (a newer one wrote it).
    #[error("the record's kind {kind} is not known to this version")]
    UnknownKind {
        /// The kind's number.
        kind: u8,
    },
    /// A version of a known kind that this program does not know.
    #[error("version {version} of the record kind `{kind}` is not known to this version")]
    UnknownVersion {
        /// The kind's word.
        kind: &'static str,
        /// The version found.
        version: u8,
    },
    /// The checksum is right, but the meta part is not what the kind asks for.
    #[error("the meta part of the record of kind `{kind}` is not understood")]
    Meta {
        /// The kind's word.
        kind: &'static str,
    },
}

/// Reading on met something. After `Damaged`, `Dropped` and `NotUnderstood` the reader stands behind the
/// place, and the next call goes on there; after `Io` it stands where it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// These positions were stored and are lost.
    #[error("positions {from} to {through} are damaged (segment {segment}, byte {offset})")]
    Damaged {
        /// The first lost position.
        from: JournalPosition,
        /// The last lost position.
        through: JournalPosition,
        /// The segment in which the damage begins.
        segment: u64,
        /// Where in the segment's file.
        offset: u64,
    },
    /// Retention dropped the segments that held these positions.
    #[error("positions {from} to {through} are older than what is kept")]
    Dropped {
        /// The first of them.
        from: JournalPosition,
        /// The last of them.
        through: JournalPosition,
    },
    /// The record is whole, but this program does not understand it.
    #[error("position {position} is not understood")]
    NotUnderstood {
        /// Its position.
        position: JournalPosition,
        /// Why.
        source: DecodeError,
    },
    /// The operating system refused.
    #[error("cannot read segment {segment}")]
    Io {
        /// The segment.
        segment: u64,
        /// Why.
        source: io::Error,
    },
}

impl ReadError {
    /// Whether the same call can succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}
