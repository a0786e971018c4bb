//! Deciding over the patients with news.

use super::keys;
use super::overlay::Overlay;
use super::pool;
use super::state::{State, StateError};
use super::tables::Dirty;
use crate::core::clinical::observation::PatientKey;
use crate::core::episode::decide as episodes;
use crate::core::fact::Decided;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use std::collections::BTreeSet;

/// What is to be recorded about the patients with news; `None` where there are none.
///
/// The decision is made for the receipt time of the newest of that news: never for a clock's.
///
/// # Errors
/// Where the state cannot be read: it is to be rebuilt.
pub fn decide(state: &dyn State, policy: &Policy) -> Result<Option<Decided>, StateError> {
    let overlay = Overlay::new(state);
    let mut dirty = Vec::new();
    for (_, value) in overlay.entries(keys::DIRTY)? {
        dirty.push(super::codec::decode::<Dirty>("dirty", &value)?);
    }
    let Some(now) = dirty.iter().map(|dirty| dirty.received_at).max() else {
        return Ok(None);
    };
    let mut decided = Decided {
        through: state.position()?,
        policy: policy.hash(),
        decided_at: now,
        transitions: Vec::new(),
    };
    let mut done = BTreeSet::new();
    for dirty in &dirty {
        decide_about(&dirty.key, &overlay, policy, now, &mut done, &mut decided)?;
    }
    Ok(Some(decided))
}

/// An identity event may take a patient out of a pool: all ids it touches are looked at.
fn decide_about(
    key: &PatientKey,
    overlay: &Overlay<'_>,
    policy: &Policy,
    now: Timestamp,
    done: &mut BTreeSet<PatientKey>,
    decided: &mut Decided,
) -> Result<(), StateError> {
    for member in pool::component(overlay, key)?.records.into_keys() {
        if done.contains(&member) {
            continue;
        }
        let Some(patient) = pool::pool(overlay, &member)? else {
            continue;
        };
        done.extend(patient.members.iter().cloned());
        done.insert(member);
        decided
            .transitions
            .extend(episodes::decide(&patient, policy, now));
    }
    Ok(())
}
