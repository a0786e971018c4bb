//! Acknowledgements: which ones a message asks for, and their bytes (WIRE 2.1-2.6).
//!
//! Built from the raw bytes of the inbound MSH, so they are in the sender's character set and
//! delimiters by construction. They hold nothing of a message but its header.

mod fault;
mod plan;
#[cfg(test)]
mod tests;
mod write;

pub use fault::{Fault, FaultKind, strict_fault};
pub use plan::{AnswerCode, Plan, is_other_processing, plan, request_counts};
pub use write::{Answered, answer_too_large, answer_unreadable, answers_for_frame};

use crate::core::time::Timestamp;
use jiff::tz::TimeZone;

/// `[[listener]] ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckMode {
    /// As MSH-15 and MSH-16 ask.
    Auto,
    /// Always one of AA, AE, AR.
    Original,
    /// Always one of CA, CE, CR.
    Commit,
    /// Never any.
    None,
}

/// `[[listener]] ack_policy` (2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckPolicy {
    /// Stored is accepted.
    Accept,
    /// As the standard would have it; for the validation of interfaces.
    Strict,
}

/// `[[listener]] batch_ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchAck {
    /// One frame with one batch of answers.
    Batch,
    /// One frame a message.
    PerMessage,
}

/// How a listener acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckSettings {
    /// Which answers.
    pub mode: AckMode,
    /// What is refused.
    pub policy: AckPolicy,
    /// MSH-3 of answers to messages without MSH-5.
    pub application: String,
    /// MSH-4 of answers to messages without MSH-6.
    pub facility: String,
    /// Answers to batches.
    pub batch: BatchAck,
}

impl Default for AckSettings {
    fn default() -> Self {
        Self {
            mode: AckMode::Auto,
            policy: AckPolicy::Accept,
            application: "PENTAMER".to_owned(),
            facility: String::new(),
            batch: BatchAck::Batch,
        }
    }
}

/// What a message that is stored is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Safely kept.
    Accepted,
    /// Refused, with the reason.
    Refused(Fault),
}

/// The time of an answer in both forms (2.2, MSH-7): seconds, with and without offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckTime {
    plain: String,
    offset: String,
}

impl AckTime {
    /// `now` as the site's clocks show it.
    pub fn new(now: Timestamp, zone: &TimeZone) -> Self {
        let local = now.to_jiff().to_zoned_datetime(zone.clone());
        Self {
            plain: local.strftime("%Y%m%d%H%M%S").to_string(),
            offset: local.strftime("%z").to_string(),
        }
    }
}
