//! From one message to what it says: patients, observations, identity events, or reasons why not.

mod associations;
mod glance;
mod identity;
mod marks;
mod message;
mod note;
mod obx;
mod order;
mod patient;
mod place;
mod plain;
mod read;
mod reading;
mod repeats;
mod shown;
mod specimen;
mod status;
#[cfg(test)]
mod tests;
mod walk;

pub use glance::{Routine, glance, glance_asking, sent_at};
pub use place::remedy;
pub use plain::{Said, who, whose};
pub use read::{extract, extract_routine, extract_whole};

use super::clinical::analyte::Triplet;
use super::clinical::observation::{
    AssociationSeen, DemographicsReport, GroupWithdrawal, Observation, PatientKey,
};
use super::fact::{JournalPosition, Reason};
use super::phi::Phi;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All that one message says. Pure function of the raw bytes, its receipt and the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extraction {
    /// What the message was taken for.
    pub understood: Understood,
    /// One entry a patient group, in order.
    pub patients: Vec<PatientPart>,
    /// Identity events (WIRE 4.8).
    pub identity: Vec<IdentityEvent>,
    /// What was refused, with its place.
    pub refusals: Vec<Refusal>,
    /// Named events to count: `obx2_guess`, `bad_escape`, `time_invalid`, … (without `pentamer_wire_`).
    pub counts: BTreeMap<&'static str, u64>,
    /// MSH-9 as `ORU^R01`, decoded.
    pub message_type: String,
    /// MSH-10 decoded.
    pub control_id: String,
    /// `MSH-3/MSH-4`.
    pub feed: String,
    /// MSH-7 as an instant, where readable.
    pub sent_at: Option<Timestamp>,
    /// How results call themselves that a row for their code might mend, one for each such refusal.
    pub called: Vec<Called>,
    /// MSH-11.1, where it is another than the listener's, so that no more was read.
    pub processing: Option<String>,
}

/// How a result that was refused calls itself: codes of the laboratory, no patient data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Called {
    /// Why it was refused.
    pub reason: Reason,
    /// Which OBX of the message it is, from 1.
    pub occurrence: u32,
    /// OBX-3.
    pub codings: Vec<Coding>,
    /// OBX-6.
    pub unit: String,
}

/// One coding of OBX-3.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coding {
    /// .1, .4 or .10.
    pub code: String,
    /// .2, .5 or .11.
    pub text: String,
    /// .3, .6 or .12; empty where none is named.
    pub system: String,
}

impl Coding {
    /// As the map of analytes looks it up.
    pub fn triplet(&self) -> Triplet<'_> {
        Triplet {
            code: &self.code,
            text: &self.text,
            system: &self.system,
        }
    }
}

/// What a message was taken for (WIRE 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Understood {
    /// ORU, OUL.
    Results,
    /// ADT that carries PID.
    Demographics,
    /// ADT merges, moves, links.
    Identity,
    /// ORM/OML: only cancellations count.
    Order,
    /// Not one of ours.
    #[default]
    Ignored,
    /// T or D on a P listener (A-40 e).
    NotProduction,
    /// An acknowledgement.
    Acknowledgement,
}

/// What one patient group says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientPart {
    /// Whose.
    pub key: PatientKey,
    /// PID.
    pub demographics: Option<DemographicsReport>,
    /// Versions of results, withdrawals among them.
    pub observations: Vec<Observation>,
    /// Orders withdrawn as a whole.
    pub group_withdrawals: Vec<GroupWithdrawal>,
    /// Diagnoses and drugs.
    pub associations: Vec<AssociationSeen>,
}

/// Something about identities (WIRE 4.8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdentityEvent {
    /// Merge, move or link.
    pub kind: IdentityKind,
    /// The id that gives way (MRG-1).
    pub prior: PatientKey,
    /// The id that stays (PID-3).
    pub survivor: PatientKey,
    /// EVN-6, else EVN-2, else MSH-7, else receipt.
    pub at: Timestamp,
    /// Hash of the event's content: last tie-break (I-4).
    pub content_hash: [u8; 8],
    /// The fact that carried it.
    pub position: JournalPosition,
}

/// Kinds of identity events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IdentityKind {
    /// A18, A30, A34, A36, A39, A40, A43, A46, A47: results are pooled.
    Merge,
    /// A24 link / A37 unlink: shown only.
    Link {
        /// False for A37.
        linked: bool,
    },
    /// A44: results with this account go from prior to survivor.
    MoveAccount(Phi<String>),
    /// A45: results with this visit go from prior to survivor.
    MoveVisit(Phi<String>),
}

/// A place in a message: segment, its occurrence (from 1), field (0 = the segment), and the field's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// `OBX`.
    pub segment: String,
    /// 3 for the third OBX of the message.
    pub occurrence: u32,
    /// 5, or 0 for the whole segment.
    pub field: u32,
    /// `observation value`.
    pub name: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.field == 0 {
            write!(f, "{}[{}] {}", self.segment, self.occurrence, self.name)
        } else {
            write!(
                f,
                "{}[{}]-{} {}",
                self.segment, self.occurrence, self.field, self.name
            )
        }
    }
}

/// A message, patient group or result that goes to quarantine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub place: Place,
    /// True for a single result (counted as `quarantined_results`), false for a message or group.
    pub result: bool,
    /// What would mend it, without patient data.
    pub remedy: String,
}

/// The first eight bytes of a digest.
fn first_eight(digest: &[u8]) -> [u8; 8] {
    digest.first_chunk::<8>().copied().unwrap_or_default()
}
