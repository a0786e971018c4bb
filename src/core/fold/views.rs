//! The state as its readers see it.

use super::codec;
use super::keys;
use super::overlay::Overlay;
use super::pool;
use super::state::{Entry, State, StateError};
use super::tables::{Cursor, QuarantineEntry};
use crate::core::clinical::observation::PatientKey;
use crate::core::episode::Transition;
use crate::core::fact::JournalPosition;
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;

/// An alert that a sink has not dealt with.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its place in the order of alerts.
    pub place: u64,
    /// The alert.
    pub transition: Transition,
    /// The sink was about to be given it when the daemon ended.
    pub attempted: bool,
}

fn cursor(state: &dyn State, sink: &str) -> Result<Cursor, StateError> {
    let bytes = state.get(&keys::sink(sink))?;
    Ok(bytes
        .map(|bytes| codec::decode("sink", &bytes))
        .transpose()?
        .unwrap_or_default())
}

/// The next alert for a sink.
pub fn next_alert(state: &dyn State, sink: &str) -> Result<Option<Waiting>, StateError> {
    let cursor = cursor(state, sink)?;
    let place = cursor.through + 1;
    let Some(bytes) = state.get(&keys::alert(place))? else {
        return Ok(None);
    };
    let transition: Transition = codec::decode("alert", &bytes)?;
    let attempted = cursor.attempted.as_ref() == Some(&transition.alert_id.0);
    Ok(Some(Waiting {
        place,
        transition,
        attempted,
    }))
}

/// How many alerts wait for a sink, and since when the oldest does.
pub fn queue_depth(state: &dyn State, sink: &str) -> Result<(u64, Option<Timestamp>), StateError> {
    let count = Overlay::new(state)
        .get::<u64>("alerts", &keys::alert_count())?
        .unwrap_or(0);
    let oldest = next_alert(state, sink)?.map(|waiting| waiting.transition.at);
    Ok((count.saturating_sub(cursor(state, sink)?.through), oldest))
}

/// Patients with news that is not decided about.
pub fn dirty_count(state: &dyn State) -> Result<usize, StateError> {
    Ok(state.scan(keys::DIRTY, keys::DIRTY, usize::MAX)?.len())
}

/// Alerts in the order in which they were recorded, after a place.
pub fn alerts(
    state: &dyn State,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Transition)>, StateError> {
    let entries = state.scan(keys::ALERTS, &keys::alert(after.saturating_add(1)), limit)?;
    // The entries first: behind the last place there is no number to count on to.
    entries
        .into_iter()
        .zip(after.saturating_add(1)..)
        .map(|((_, value), place)| Ok((place, codec::decode("alert", &value)?)))
        .collect()
}

/// The quarantine in order of receipt, after a position.
pub fn quarantine(
    state: &dyn State,
    after: JournalPosition,
    limit: usize,
) -> Result<Vec<QuarantineEntry>, StateError> {
    state
        .scan(keys::QUARANTINE, &keys::quarantine(after.next(), 0), limit)?
        .into_iter()
        .map(|(_, value)| codec::decode("quarantine", &value))
        .collect()
}

/// The person an id belongs to.
pub fn patient(state: &dyn State, key: &PatientKey) -> Result<Option<PooledPatient>, StateError> {
    pool::pool(&Overlay::new(state), key)
}

/// All of the state but the hash of its policy, for holding one state against another.
pub fn dump(state: &dyn State) -> Result<Vec<Entry>, StateError> {
    let mut entries = state.scan(b"", b"", usize::MAX)?;
    entries.retain(|(key, _)| *key != keys::policy());
    Ok(entries)
}

/// Looks at every value's version and checksum; the number of values.
pub fn verify(state: &dyn State) -> Result<usize, StateError> {
    const AT_ONCE: usize = 1_024;
    let mut count = 0;
    let mut from = Vec::new();
    loop {
        let entries = state.scan(b"", &from, AT_ONCE)?;
        for (_, value) in &entries {
            codec::checked("any", value)?;
        }
        count += entries.len();
        let Some((last, _)) = entries.last().filter(|_| entries.len() == AT_ONCE) else {
            return Ok(count);
        };
        from.clone_from(last);
        from.push(0);
    }
}

/// Hash of the policy that the state was folded with.
pub fn policy(state: &dyn State) -> Result<Option<String>, StateError> {
    Overlay::new(state).get("policy", &keys::policy())
}

/// Notes the policy that an empty state will be folded with.
pub fn note_policy(state: &dyn State, hash: &str) -> Result<(), StateError> {
    let mut overlay = Overlay::new(state);
    overlay.put("policy", keys::policy(), &hash)?;
    state.commit(overlay.into_batch(), state.position()?)
}
