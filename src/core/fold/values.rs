//! The small values of the state that are not shared vocabulary of the core.

use crate::core::audit::Audited;
use crate::core::clinical::observation::PatientKey;
use crate::core::delivery::Acknowledged;
use crate::core::episode::{Delivery, Severity, TransitionKind};
use crate::core::extract::Refusal;
use crate::core::fact::{JournalPosition, MergeUndone};
use crate::core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Something new about a patient that no `Decided` covers yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirtyMark {
    /// The newest fact about the patient.
    pub position: JournalPosition,
    /// When that fact was received.
    pub at: Timestamp,
    /// True if who is who has changed: then everyone connected is decided again.
    pub identity: bool,
}

/// A message, fragment, group or result that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineEntry {
    /// The fact that holds the bytes.
    pub position: JournalPosition,
    /// Number within the fact, from 0.
    pub number: u32,
    /// Why, where, and what would mend it.
    pub refusal: Refusal,
    /// The listener.
    pub listener: String,
    /// Address and port of the sender.
    pub peer: String,
    /// When.
    pub received_at: Timestamp,
    /// MSH-10; empty where there is none.
    pub control_id: String,
    /// `MSH-3/MSH-4`; empty where there is none.
    pub feed: String,
    /// MSH-9 as `ORU^R01`; empty where there is none.
    pub message_type: String,
}

/// Where an alert's transition is kept: in the record of the id that its episode is filed under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertPointer {
    /// The id.
    pub filed_under: PatientKey,
    /// The number of the step among all steps of all episodes.
    pub step: u64,
}

/// What became of one alert at one sink.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeliveryMark {
    /// Attempts so far.
    pub attempts: u32,
    /// The last of them.
    pub last_attempt: Option<Timestamp>,
    /// How it ended; `None` while it has not.
    pub outcome: Option<DeliveryOutcome>,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryOutcome {
    /// The sink took it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// The sink refused it for good.
    Dead {
        /// When.
        at: Timestamp,
        /// The sink's words.
        reason: String,
    },
}

/// An alert that a sink is to be given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgainMark {
    /// Step of the escalation; 0 where a person asked for it.
    pub step: u32,
}

/// The newest acknowledgement of an episode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckMark {
    /// Who, when, and in which words.
    pub fact: Acknowledged,
    /// The fact's place.
    pub position: JournalPosition,
    /// The id that the episode is filed under.
    pub filed_under: PatientKey,
}

/// A merge taken back, with the fact that says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UndoMark {
    /// What was taken back, by whom and why.
    pub undone: MergeUndone,
    /// The fact.
    pub position: JournalPosition,
}

/// The policy in force, as the journal last recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyMark {
    /// Its hash.
    pub policy: String,
    /// When it came into force.
    pub at: Timestamp,
    /// The fact.
    pub position: JournalPosition,
}

/// The last start of a daemon on this journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartMark {
    /// Its version.
    pub version: String,
    /// When.
    pub at: Timestamp,
    /// The fact.
    pub position: JournalPosition,
}

/// One entry of the audit as the fold found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The fact.
    pub position: JournalPosition,
    /// What it says.
    pub audited: Audited,
    /// It does not follow the entry before it: something was taken out, put between or changed.
    pub broken: bool,
}

/// The end of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEnd {
    /// Number of the last entry.
    pub number: u64,
    /// Its hash.
    pub hash: String,
    /// How often the chain is broken.
    pub breaks: u64,
}

/// An episode that stands: open, or of another pattern. The worklist's row but for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingEpisode {
    /// Its id.
    pub episode: String,
    /// The id that it is filed under.
    pub filed_under: PatientKey,
    /// The alert that said last what it is.
    pub alert_id: String,
    /// What that alert told.
    pub kind: TransitionKind,
    /// The highest of all its steps.
    pub severity: Severity,
    /// Page or worklist, of that alert.
    pub delivery: Delivery,
    /// As that alert said.
    pub classification: String,
    /// As that alert said.
    pub tier: String,
    /// As that alert said.
    pub tier_reason: Option<String>,
    /// As that alert said.
    pub missing: Vec<String>,
    /// Another pattern than isolated low IgM.
    pub other: bool,
    /// Low again later.
    pub confirmed: bool,
    /// Something of it paged.
    pub paged: bool,
    /// Its first step.
    pub opened_at: Timestamp,
    /// That alert's time.
    pub last_at: Timestamp,
}

/// A patient whom a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewMark {
    /// The id that survives.
    pub patient: PatientKey,
    /// Why, as one word.
    pub reason: String,
    /// Reported as undetectable: to be looked at first.
    pub first: bool,
    /// Since when for this reason.
    pub since: Timestamp,
}
