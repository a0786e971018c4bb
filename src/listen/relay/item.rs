//! What the tap hands over to be journaled, and the form in which it waits on the disk.

use crate::core::fact::{Gap, LisAck, Origin, Reason};
use crate::core::time::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Memory that an item takes beside its content, about.
const OVERHEAD: usize = 256;

/// Something that passed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Item {
    /// A complete frame.
    Frame {
        /// The number of its first message; those that follow in it have the next ones.
        number: u64,
        origin: Origin,
        received_at: Timestamp,
        content: Bytes,
    },
    /// A fragment, or the head of a frame that is too large.
    Refused {
        number: u64,
        origin: Origin,
        received_at: Timestamp,
        reason: Reason,
        total_len: u64,
        raw: Bytes,
    },
    /// An answer to the message of that number.
    Answer {
        message: u64,
        code: LisAck,
        at: Timestamp,
        after_micros: u64,
    },
    /// What was lost.
    Gap(Gap),
}

impl Item {
    /// Bytes of memory, about.
    pub(super) fn size(&self) -> usize {
        let content = match self {
            Self::Frame { content, .. } => content.len(),
            Self::Refused { raw, .. } => raw.len(),
            Self::Answer { .. } | Self::Gap(_) => 0,
        };
        content.saturating_add(OVERHEAD)
    }
}

impl fmt::Debug for Item {
    /// Kinds and lengths only: content is about patients (N-5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame {
                number, content, ..
            } => write!(f, "Frame({number}, {} bytes)", content.len()),
            Self::Refused { number, raw, .. } => {
                write!(f, "Refused({number}, {} bytes)", raw.len())
            }
            Self::Answer { message, code, .. } => write!(f, "Answer({message}, {code:?})"),
            Self::Gap(gap) => write!(f, "Gap({} messages)", gap.messages),
        }
    }
}
