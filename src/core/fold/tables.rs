//! What the small tables of the state hold.

use crate::core::clinical::observation::PatientKey;
use crate::core::extract::Refusal;
use crate::core::fact::JournalPosition;
use crate::core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A patient with news that is not decided about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dirty {
    /// Whose.
    pub key: PatientKey,
    /// The newest fact.
    pub position: JournalPosition,
    /// When that was received.
    pub received_at: Timestamp,
}

/// How far a sink is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cursor {
    /// Place of the last alert that it has dealt with.
    pub through: u64,
    /// The alert that was about to be sent.
    pub attempted: Option<String>,
}

/// Something that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineEntry {
    /// The fact that holds the bytes.
    pub position: JournalPosition,
    /// When it was received.
    pub received_at: Timestamp,
    /// The listener.
    pub listener: String,
    /// The sender's address.
    pub peer: String,
    /// `MSH-3/MSH-4`; empty for frames.
    pub feed: String,
    /// MSH-10; empty for frames.
    pub control_id: String,
    /// Why, where, and what would mend it.
    pub refusal: Refusal,
}
