//! What is kept of a patient: a set of facts under the id they were reported with.
//!
//! Everything here is a set, so order, duplicates and replay cannot change what it amounts to
//! (DESIGN.md, law (a)).

use super::clinical::observation::{
    AssociationSeen, DemographicsReport, GroupWithdrawal, Observation, PatientKey,
};
use super::episode::Transition;
use super::extract::IdentityEvent;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// All that was reported under one patient id. Results never move; identity events point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientRecord {
    /// The reported id.
    pub key: PatientKey,
    /// Every version of every result, withdrawals too.
    pub observations: BTreeSet<Observation>,
    /// Orders withdrawn as a whole, perhaps before their results came.
    pub group_withdrawals: BTreeSet<GroupWithdrawal>,
    /// Demographics by message.
    pub demographics: BTreeSet<DemographicsReport>,
    /// Diagnoses and drugs.
    pub associations: BTreeSet<AssociationSeen>,
    /// Identity events that name this id on either side.
    pub identity: BTreeSet<IdentityEvent>,
    /// Recorded transitions of the episodes filed under this id, in the order they were recorded.
    pub transitions: Vec<Transition>,
}

impl PatientRecord {
    /// An empty record.
    pub fn new(key: PatientKey) -> Self {
        Self {
            key,
            observations: BTreeSet::new(),
            group_withdrawals: BTreeSet::new(),
            demographics: BTreeSet::new(),
            associations: BTreeSet::new(),
            identity: BTreeSet::new(),
            transitions: Vec::new(),
        }
    }
}

/// One person as the identity events make it: the records of all ids that resolve to one survivor.
///
/// Account and visit moves (A44, A45) are already applied: a moved observation keeps its
/// [`ResultId`](super::clinical::observation::ResultId) but counts for the patient it was moved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledPatient {
    /// The id that survives.
    pub survivor: PatientKey,
    /// All ids pooled, the survivor among them, in order.
    pub members: BTreeSet<PatientKey>,
    /// Every version of every result that counts for this person.
    pub observations: Vec<Observation>,
    /// Group withdrawals of all members, each with the id it was reported under.
    pub group_withdrawals: Vec<(PatientKey, GroupWithdrawal)>,
    /// Demographics of all members; those of the survivor outrank those of prior ids.
    pub demographics: Vec<(PatientKey, DemographicsReport)>,
    /// Diagnoses and drugs of all members.
    pub associations: Vec<AssociationSeen>,
    /// Recorded transitions of all members' episodes.
    pub transitions: Vec<Transition>,
}
