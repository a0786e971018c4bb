//! What sinks and people do with alerts, as facts; and what follows from them, without a clock.
//!
//! Delivery is recorded, never computed again: which sinks there are, what was passed over, asked for
//! again, muted, escalated and acknowledged is in the journal, so that a rebuild finds the same queues.

pub mod backoff;
pub mod digest;
pub mod escalation;
pub mod mute;

use super::phi::Phi;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The sinks that a daemon starts with. One that was never seen before begins behind the newest alert:
/// the past is sent only when somebody asks for it ([`Replayed`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinksSeen {
    /// Their names.
    pub sinks: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// A sink's cursor moved over alerts that it does not get: not wanted by it, or muted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The sink.
    pub sink: String,
    /// Place that the cursor stood at.
    pub after: u64,
    /// Place that it goes to.
    pub through: u64,
    /// `not_wanted` or `muted`.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A person asked that alerts be given to a sink again: dead letters as a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requeued {
    /// The sink.
    pub sink: String,
    /// The alerts.
    pub alert_ids: Vec<String>,
    /// Who; `local` where the daemon knows no users.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A person asked that a sink be given everything after a place of the log of alerts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The sink.
    pub sink: String,
    /// Place that the cursor goes back to.
    pub after: u64,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A person took note of an alert; it holds for the alert's episode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The alert that was looked at.
    pub alert_id: String,
    /// Who.
    pub by: String,
    /// In the person's words.
    pub comment: Phi<String>,
    /// Who was told; may be empty.
    pub informed: Phi<String>,
    /// Immunology knows the patient (CLINICAL 6.4, `suppress_known`).
    #[serde(default)]
    pub known: bool,
    /// When.
    pub at: Timestamp,
}

/// A person does not want to be paged for a patient or a rule for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    /// Names it.
    pub id: String,
    /// What.
    pub scope: mute::Scope,
    /// Until when.
    pub until: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Phi<String>,
    /// When.
    pub at: Timestamp,
}

/// A mute was lifted before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmuted {
    /// The mute.
    pub id: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// An unacknowledged page goes to sinks again, or to more of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalated {
    /// The alert.
    pub alert_id: String,
    /// Name of the `[[escalation]]`; each fires once an alert.
    pub rule: String,
    /// 1, 2, 3, … for this alert.
    pub step: u32,
    /// Where it goes.
    pub sinks: Vec<String>,
    /// When.
    pub at: Timestamp,
}
