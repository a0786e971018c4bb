//! What the JSON of a record says, where it is not the fact itself.

use crate::core::fact::{JournalPosition, LisAck, Reason};
use crate::core::time::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct ReceivedMeta {
    pub listener: String,
    pub peer: String,
    pub at: Timestamp,
    pub part: (u32, u32),
    /// 32 hexadecimal digits: JSON numbers do not hold 128 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SeenAgainMeta {
    pub first: JournalPosition,
    pub listener: String,
    pub peer: String,
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RefusedMeta {
    pub listener: String,
    pub peer: String,
    pub at: Timestamp,
    pub reason: Reason,
    pub total_len: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DeliveryMeta {
    pub sink: String,
    pub alert_id: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PolicyMeta {
    pub policy: String,
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StartedMeta {
    pub version: String,
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DeadlineMeta {
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LisAnsweredMeta {
    pub message: JournalPosition,
    pub code: LisAck,
    pub at: Timestamp,
    pub after_micros: u64,
}
