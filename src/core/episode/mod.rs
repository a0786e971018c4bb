//! Episodes of isolated low IgM: what a set of results amounts to over the years, and what of it is news.
//!
//! [`walk`](history::walk) is a pure function of the set of results (CLINICAL 9.4); [`decide`](decide::decide)
//! is the difference between that walk and what was recorded.

pub mod assemble;
pub mod assess;
pub mod claims;
pub mod decide;
#[cfg(test)]
mod examples;
pub mod history;
pub mod identity;
#[cfg(test)]
mod laws;
pub mod recorded;
mod retract;
mod sight;
pub mod taken_note;

use super::clinical::observation::{PatientKey, ResultId};
use super::fact::JournalPosition;
use super::phi::Phi;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// hash(site, opening result under its reported id): survives merges, re-sends and rebuilds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpisodeId(pub String);

/// hash(site, episode, transition number): the idempotency key at every sink.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub String);

/// What a transition is (the last part of the CloudEvents type).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// First isolated low IgM (or again with a complete tier, or with severity risen).
    Detected,
    /// Low again 28 days or more later.
    Confirmed,
    /// IgG or IgA changed class in a newer panel.
    Progressed,
    /// A later IgM is not low.
    Resolved,
    /// The ground was corrected, withdrawn or moved away.
    Retracted,
    /// A person took note.
    Acknowledged,
    /// R3-R7 without an episode of isolated low IgM.
    OtherPattern,
    /// The episode opened again within `reopen_after`; never an alert by itself.
    Reopened,
}

/// CLINICAL 6.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The rest.
    Routine,
    /// Severe, confirmed, progressed, or class P.
    Prompt,
    /// Severe with an urgent association, or an infant's.
    Urgent,
}

/// Who sees a transition: every sink, or only worklist, `log` and `file`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Worklist, API and `alerts.jsonl` only.
    Worklist,
    /// All sinks.
    Page,
    /// As `worklist`, for a person asked that what was received up to then page nobody: what it rests on pages
    /// nobody later either.
    Quiet,
}

impl Delivery {
    /// As the outside knows it: a page, or on the worklist.
    #[must_use]
    pub const fn shown(self) -> Self {
        match self {
            Self::Page => Self::Page,
            Self::Worklist | Self::Quiet => Self::Worklist,
        }
    }
}

/// One recorded step of an episode, complete with the alert that it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The episode.
    pub episode: EpisodeId,
    /// 1, 2, 3, … within the episode.
    pub number: u32,
    /// hash(site, episode, number).
    pub alert_id: AlertId,
    /// What happened.
    pub kind: TransitionKind,
    /// How pressing.
    pub severity: Severity,
    /// Page or worklist.
    pub delivery: Delivery,
    /// Reported id of the opening result: under this key the episode is filed.
    pub filed_under: PatientKey,
    /// The opening result.
    pub opening: ResultId,
    /// All Low results that belong to the episode as of this decision.
    pub members: Vec<ResultId>,
    /// The newest fact that is evidence here.
    pub evidence_through: JournalPosition,
    /// The time of the decision.
    pub at: Timestamp,
    /// The `data` of the CloudEvent with everything in it (`phi = "full"`), see `alert`.
    pub alert: Phi<super::alert::AlertData>,
    /// Listener whose message completed the evidence: `source` of the CloudEvent.
    pub listener: String,
}
