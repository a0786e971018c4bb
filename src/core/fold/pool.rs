//! Records of several ids as one person (WIRE 4.8).

use super::keys;
use super::overlay::Overlay;
use super::state::StateError;
use crate::core::clinical::observation::{Observation, PatientKey};
use crate::core::extract::{IdentityEvent, IdentityKind};
use crate::core::identity::Graph;
use crate::core::record::{PatientRecord, PooledPatient};
use std::collections::{BTreeMap, BTreeSet};

/// All records that identity events connect with an id, whether or not they are pooled with it.
#[derive(Debug, Clone, Default)]
pub struct Component {
    /// By id; ids that only an event names have none.
    pub records: BTreeMap<PatientKey, PatientRecord>,
    /// All their identity events.
    pub events: BTreeSet<IdentityEvent>,
}

/// Gathers the component of an id.
pub fn component(overlay: &Overlay<'_>, key: &PatientKey) -> Result<Component, StateError> {
    let mut found = Component::default();
    let mut seen = BTreeSet::from([key.clone()]);
    let mut waiting = vec![key.clone()];
    while let Some(key) = waiting.pop() {
        let Some(record) = overlay.get::<PatientRecord>("patient", &keys::patient(&key))? else {
            continue;
        };
        for event in &record.identity {
            // A link is shown, not followed.
            if matches!(event.kind, IdentityKind::Link { .. }) {
                continue;
            }
            for next in [&event.prior, &event.survivor] {
                if seen.insert(next.clone()) {
                    waiting.push(next.clone());
                }
            }
            found.events.insert(event.clone());
        }
        found.records.insert(key, record);
    }
    Ok(found)
}

/// The person that an id belongs to; `None` where nothing is known under any of its ids.
pub fn pool(overlay: &Overlay<'_>, key: &PatientKey) -> Result<Option<PooledPatient>, StateError> {
    let component = component(overlay, key)?;
    if component.records.is_empty() {
        return Ok(None);
    }
    let graph = Graph::over(&component.events);
    let survivor = graph.survivor(key).clone();
    let mut pooled = PooledPatient {
        survivor: survivor.clone(),
        members: BTreeSet::from([survivor.clone()]),
        observations: Vec::new(),
        group_withdrawals: Vec::new(),
        demographics: Vec::new(),
        associations: Vec::new(),
        transitions: Vec::new(),
    };
    for (reported, record) in component.records {
        let mut moved = BTreeSet::new();
        for mut observation in record.observations {
            let owner = owner(&component.events, &reported, &observation);
            if graph.survivor(owner) != &survivor {
                continue;
            }
            if owner != &reported {
                moved.insert((observation.id.order.clone(), owner.clone()));
                // As if it had been reported there: an episode of it is another one, with ids of its
                // own, and later versions under the new id are versions of this result.
                observation.id.patient = owner.clone();
            }
            pooled.observations.push(observation);
        }
        for withdrawal in record.group_withdrawals {
            let followed = moved
                .iter()
                .filter(|(order, _)| *order == withdrawal.order)
                .map(|(_, owner)| (owner.clone(), withdrawal.clone()));
            pooled.group_withdrawals.extend(followed);
            pooled
                .group_withdrawals
                .push((reported.clone(), withdrawal));
        }
        if graph.survivor(&reported) != &survivor {
            continue;
        }
        pooled.members.insert(reported.clone());
        pooled.demographics.extend(
            record
                .demographics
                .into_iter()
                .map(|d| (reported.clone(), d)),
        );
        pooled.associations.extend(record.associations);
        pooled.transitions.extend(record.transitions);
    }
    Ok(Some(pooled))
}

/// The id that a result belongs to: the one it was reported under, unless its account or visit was
/// moved (A44, A45); merges come after that.
fn owner<'a>(
    events: &'a BTreeSet<IdentityEvent>,
    reported: &'a PatientKey,
    observation: &Observation,
) -> &'a PatientKey {
    let moved = events
        .iter()
        .filter(|event| &event.prior == reported)
        .filter(|event| match &event.kind {
            IdentityKind::MoveAccount(account) => {
                !account.expose().is_empty() && account == &observation.shown.account
            }
            IdentityKind::MoveVisit(visit) => {
                !visit.expose().is_empty() && visit == &observation.shown.visit
            }
            IdentityKind::Merge | IdentityKind::Link { .. } => false,
        })
        .max_by_key(|event| (event.at, event.content_hash));
    moved.map_or(reported, |event| &event.survivor)
}
