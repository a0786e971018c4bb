//! All that the state holds of one person, for showing; and which merges joined two ids.

use super::overlay::Overlay;
use super::pool::Component;
use super::state::{State, StateError};
use super::values::UndoMark;
use super::{answers, keys, records};
use crate::core::clinical::observation::PatientKey;
use crate::core::extract::{IdentityEvent, IdentityKind};
use crate::core::fact::{JournalPosition, LisAck};
use crate::core::identity::{Inactive, Undone};
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// One person with all that is known of the identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dossier {
    /// The person: results, demographics, recorded transitions.
    pub patient: PooledPatient,
    /// Every identity event that names one of the ids, links too, and also those that do not count.
    pub events: BTreeSet<IdentityEvent>,
    /// Merges among them that do not count, and why.
    pub inactive: Vec<(IdentityEvent, Inactive)>,
    /// Merges of the ids that were taken back.
    pub undone: BTreeSet<UndoMark>,
    /// Refusals of the results' messages by the laboratory system behind a relay (WIRE P-5).
    pub refusals: BTreeMap<JournalPosition, LisAck>,
    /// The state stood here, or further.
    pub through: JournalPosition,
    /// Something new about the person is not decided about yet.
    pub undecided: bool,
}

/// The id that a text of the form `authority:id` means: of all ways to read it the first that
/// something was reported under. `None` where nothing was.
pub fn known_key(state: &dyn State, text: &str) -> Result<Option<PatientKey>, StateError> {
    let overlay = Overlay::new(state);
    for key in PatientKey::readings(text) {
        if overlay.any(&keys::patient(keys::RECORDS, &key))? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The person that an id belongs to, as reported or survived; `None` where nothing was ever reported
/// under it.
pub fn dossier(state: &dyn State, key: &PatientKey) -> Result<Option<Dossier>, StateError> {
    let through = state.position()?;
    let overlay = Overlay::new(state);
    if !overlay.any(&keys::patient(keys::RECORDS, key))? {
        return Ok(None);
    }
    let component = Component::around(&overlay, key)?;
    let patient = component.pooled(&overlay, key)?;
    let mut events = BTreeSet::new();
    let mut undecided = false;
    for member in &patient.members {
        events.extend(records::edges_out(&overlay, member)?);
        events.extend(records::edges_in(&overlay, member)?);
        undecided |= overlay.any(&keys::patient(keys::DIRTY, member))?;
    }
    let ours = |prior: &PatientKey, survivor: &PatientKey| {
        patient.members.contains(prior) || patient.members.contains(survivor)
    };
    let inactive = component.aliases.inactive().iter();
    let inactive = inactive
        .filter(|(event, _)| ours(&event.prior, &event.survivor))
        .cloned()
        .collect();
    let undone = component
        .undone
        .iter()
        .filter(|mark| ours(&mark.undone.prior, &mark.undone.survivor))
        .cloned()
        .collect();
    let messages: BTreeSet<JournalPosition> = patient
        .observations
        .iter()
        .map(|observation| observation.position)
        .collect();
    let refusals = answers::of(&overlay, messages.into_iter())?;
    Ok(Some(Dossier {
        patient,
        events,
        inactive,
        undone,
        refusals,
        through,
        undecided,
    }))
}

/// A merge that can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The id that gave way.
    pub prior: PatientKey,
    /// The id that it was merged into.
    pub survivor: PatientKey,
    /// Time of the newest event that says so.
    pub newest: Timestamp,
}

/// The merges whose undo parts `from` from `key` (WIRE I-7); empty where none joins them.
///
/// Where the two were merged directly, in whichever direction, those merges, also ones that do not
/// count at present: nothing may make them count later. Else, where a chain of merges joins them,
/// the merge through which `from` leaves, or `key` where `from` lies on its way to the survivor.
pub fn joins(
    state: &dyn State,
    key: &PatientKey,
    from: &PatientKey,
) -> Result<Vec<Join>, StateError> {
    let overlay = Overlay::new(state);
    let component = Component::around(&overlay, key)?;
    let undone = Undone::of(component.undone.iter().map(|mark| &mark.undone));
    let mut merges: BTreeMap<(&PatientKey, &PatientKey), Timestamp> = BTreeMap::new();
    for event in &component.events {
        if event.kind == IdentityKind::Merge && !undone.covers(event) {
            let newest = merges
                .entry((&event.prior, &event.survivor))
                .or_insert(event.at);
            *newest = event.at.max(*newest);
        }
    }
    let join = |(prior, survivor): (&PatientKey, &PatientKey)| {
        merges.get(&(prior, survivor)).map(|newest| Join {
            prior: prior.clone(),
            survivor: survivor.clone(),
            newest: *newest,
        })
    };
    let direct: Vec<Join> = [(key, from), (from, key)]
        .into_iter()
        .filter_map(join)
        .collect();
    let aliases = &component.aliases;
    if key == from || !direct.is_empty() || aliases.survivor(key) != aliases.survivor(from) {
        return Ok(direct);
    }
    let idle: BTreeSet<(&PatientKey, &PatientKey)> = aliases
        .inactive()
        .iter()
        .map(|(event, _)| (&event.prior, &event.survivor))
        .collect();
    let next: BTreeMap<&PatientKey, &PatientKey> = merges
        .keys()
        .filter(|ids| !idle.contains(*ids))
        .copied()
        .collect();
    // Merges that count form no cycle, but a way has an end whatever they form.
    let way = |start| std::iter::successors(Some(start), |id| next.get(id).copied());
    let on_the_way = way(key)
        .take(next.len().saturating_add(1))
        .any(|id| id == from);
    let leaver = if on_the_way { key } else { from };
    Ok(next
        .get(leaver)
        .and_then(|survivor| join((leaver, survivor)))
        .into_iter()
        .collect())
}

#[cfg(test)]
mod tests;
