//! The state as its readers see it: sinks, pages, commands. Nothing here writes.

mod outbox;

pub use super::feeds::{Feed, feeds};
use super::keys;
use super::overlay::Overlay;
use super::pool::Component;
use super::records;
use super::state::{Entry, State, StateError};
use super::tables;
use super::values::{AckMark, AlertPointer, DeliveryMark, PolicyMark, QuarantineEntry, StartMark};
use crate::core::clinical::observation::PatientKey;
use crate::core::delivery::Muted;
use crate::core::delivery::escalation::OpenPage;
use crate::core::episode::Transition;
use crate::core::extract::IdentityEvent;
use crate::core::fact::{JournalPosition, Reason};
use crate::core::identity::Inactive;
use crate::core::record::{PatientRecord, PooledPatient};
use crate::core::time::Timestamp;
pub use outbox::{
    Next, Run, Waiting, cursor, dead, dead_count, next, next_alert, queue_depth, queued, run,
};

/// How many entries are read at once where only some of them are wanted.
const CHUNK: usize = 256;

/// Mutes that are not lifted, also those whose time is over.
pub fn mutes(state: &dyn State) -> Result<Vec<Muted>, StateError> {
    Overlay::new(state).load_all(tables::MUTES, &[keys::MUTES])
}

/// Pages that nobody has acknowledged.
pub fn open_pages(state: &dyn State) -> Result<Vec<OpenPage>, StateError> {
    Overlay::new(state).load_all(tables::OPEN_PAGES, &[keys::OPEN_PAGES])
}

/// The newest acknowledgement of an episode.
pub fn acknowledgement(state: &dyn State, episode: &str) -> Result<Option<AckMark>, StateError> {
    Overlay::new(state).load(tables::ACKS, &keys::named(keys::ACKS, episode))
}

/// The place before the first alert decided at or after a time: from there a sink is given the past.
pub fn place_before(state: &dyn State, since: Timestamp) -> Result<u64, StateError> {
    let overlay = Overlay::new(state);
    let end = last_alert(state)?;
    for place in 1..=end {
        if alert_at(&overlay, place)?.is_some_and(|transition| transition.at >= since) {
            return Ok(place.saturating_sub(1));
        }
    }
    Ok(end)
}

/// Place of the newest alert; 0 while there is none. Places have no gaps.
pub fn last_alert(state: &dyn State) -> Result<u64, StateError> {
    let key = keys::named(keys::META, tables::META_LAST_ALERT);
    let last: Option<u64> = Overlay::new(state).load(tables::META, &key)?;
    Ok(last.unwrap_or_default())
}

pub(super) fn alert_at(
    overlay: &Overlay<'_>,
    place: u64,
) -> Result<Option<Transition>, StateError> {
    let pointer: Option<AlertPointer> = overlay.load(tables::ALERTS, &keys::alert(place))?;
    let Some(AlertPointer { filed_under, step }) = pointer else {
        return Ok(None);
    };
    let found = overlay.load(tables::RECORDS, &keys::step(&filed_under, step))?;
    let missing = || StateError::Value {
        table: tables::ALERTS,
        why: format!("expected a step for alert {place}, but found none"),
    };
    found.ok_or_else(missing).map(Some)
}

/// Up to `limit` alerts after a place, with their places, oldest first.
pub fn alerts(
    state: &dyn State,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Transition)>, StateError> {
    let overlay = Overlay::new(state);
    let end = last_alert(state)?;
    let places = (after.saturating_add(1)..=end).take(limit);
    places
        .filter_map(|place| match alert_at(&overlay, place) {
            Ok(found) => found.map(|transition| Ok((place, transition))),
            Err(error) => Some(Err(error)),
        })
        .collect()
}

/// Up to `limit` alerts before a place (`None`: from the newest on), with their places, newest first.
pub fn alerts_newest_first(
    state: &dyn State,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, Transition)>, StateError> {
    let end = last_alert(state)?.saturating_add(1);
    let end = before.map_or(end, |before| before.min(end)).max(1);
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let start = end.saturating_sub(limit).max(1);
    let count = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
    let mut page = alerts(state, start.saturating_sub(1), count)?;
    page.reverse();
    Ok(page)
}

/// One alert by its id, with its place.
pub fn alert(state: &dyn State, alert_id: &str) -> Result<Option<(u64, Transition)>, StateError> {
    let overlay = Overlay::new(state);
    let id = keys::named(keys::ALERT_IDS, alert_id);
    let place: Option<Option<u64>> = overlay.load(tables::ALERT_IDS, &id)?;
    let Some(place) = place.flatten() else {
        return Ok(None);
    };
    Ok(alert_at(&overlay, place)?.map(|transition| (place, transition)))
}

/// What became of an alert at each sink that was ever given one, by the sink's name.
pub fn deliveries(
    state: &dyn State,
    place: u64,
) -> Result<Vec<(String, DeliveryMark)>, StateError> {
    let overlay = Overlay::new(state);
    let mut found = Vec::new();
    for (key, _) in overlay.scan_all(&[keys::SINKS])? {
        let Some((sink, _)) = key.get(1..).and_then(keys::read_text) else {
            continue;
        };
        let mark = overlay.load(tables::DELIVERIES, &keys::delivery(&sink, place))?;
        found.extend(mark.map(|mark| (sink, mark)));
    }
    Ok(found)
}

/// Which quarantine entries are wanted; what is `None` is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// With this reason.
    pub reason: Option<Reason>,
    /// From this listener.
    pub listener: Option<String>,
    /// From this feed.
    pub feed: Option<String>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received before this time.
    pub until: Option<Timestamp>,
}

impl QuarantineFilter {
    fn matches(&self, entry: &QuarantineEntry) -> bool {
        let Self {
            reason,
            listener,
            feed,
            since,
            until,
        } = self;
        reason.is_none_or(|reason| reason == entry.refusal.reason)
            && listener.as_ref().is_none_or(|name| *name == entry.listener)
            && feed.as_ref().is_none_or(|name| *name == entry.feed)
            && since.is_none_or(|since| entry.received_at >= since)
            && until.is_none_or(|until| entry.received_at < until)
    }
}

/// Up to `limit` quarantine entries of facts after a position, in order of receipt.
pub fn quarantine(
    state: &dyn State,
    after: JournalPosition,
    limit: usize,
) -> Result<Vec<QuarantineEntry>, StateError> {
    let overlay = Overlay::new(state);
    let mut found = Vec::new();
    let mut from = vec![keys::QUARANTINE];
    // The newest come first: everything down to the position, turned round.
    'reading: loop {
        let chunk = overlay.scan(&[keys::QUARANTINE], &from, CHUNK)?;
        for (_, bytes) in &chunk {
            let entry: QuarantineEntry = super::codec::decode(tables::QUARANTINE, bytes)?;
            if entry.position <= after {
                break 'reading;
            }
            found.push(entry);
        }
        match chunk.last() {
            Some((last, _)) if chunk.len() == CHUNK => from = keys::after(last),
            _ => break,
        }
    }
    found.sort_by_key(|entry| (entry.position, entry.number));
    found.truncate(limit);
    Ok(found)
}

/// Up to `limit` quarantine entries that a filter lets through, newest fact first. `after` is
/// position and number of the last entry of the page before.
pub fn quarantine_newest_first(
    state: &dyn State,
    filter: &QuarantineFilter,
    after: Option<(JournalPosition, u32)>,
    limit: usize,
) -> Result<Vec<QuarantineEntry>, StateError> {
    let overlay = Overlay::new(state);
    let mut from = after.map_or_else(
        || vec![keys::QUARANTINE],
        |(position, number)| keys::after(&keys::quarantine(position, number)),
    );
    let mut page = Vec::new();
    loop {
        let chunk = overlay.scan(&[keys::QUARANTINE], &from, CHUNK)?;
        for (_, bytes) in &chunk {
            if page.len() >= limit {
                return Ok(page);
            }
            let entry = super::codec::decode(tables::QUARANTINE, bytes)?;
            if filter.matches(&entry) {
                page.push(entry);
            }
        }
        match chunk.last() {
            Some((last, _)) if chunk.len() == CHUNK => from = keys::after(last),
            _ => return Ok(page),
        }
    }
}

/// The person that an id belongs to, as reported or survived; `None` where nothing was ever reported
/// under it.
pub fn patient(state: &dyn State, key: &PatientKey) -> Result<Option<PooledPatient>, StateError> {
    let overlay = Overlay::new(state);
    if !overlay.any(&keys::patient(keys::RECORDS, key))? {
        return Ok(None);
    }
    super::pool::pool(&overlay, key).map(Some)
}

/// What was reported under an id; empty where nothing was.
pub fn record(state: &dyn State, key: &PatientKey) -> Result<PatientRecord, StateError> {
    records::load(&Overlay::new(state), key)
}

/// Merges among the ids connected with this one that do not count, and why (I-4, I-5, I-7: shown).
pub fn inactive_merges(
    state: &dyn State,
    key: &PatientKey,
) -> Result<Vec<(IdentityEvent, Inactive)>, StateError> {
    let component = Component::around(&Overlay::new(state), key)?;
    Ok(component.aliases.inactive().to_vec())
}

/// How many patients have news that no decision covers yet.
pub fn dirty_count(state: &dyn State) -> Result<usize, StateError> {
    let mut count = 0_usize;
    Overlay::new(state).visit(&[keys::DIRTY], |_, _| {
        count = count.saturating_add(1);
        Ok(())
    })?;
    Ok(count)
}

/// The policy in force as last recorded; `None` if no change was ever recorded.
pub fn policy_mark(state: &dyn State) -> Result<Option<PolicyMark>, StateError> {
    let key = keys::named(keys::META, tables::META_POLICY);
    Overlay::new(state).load(tables::META, &key)
}

/// The last recorded start of a daemon.
pub fn start_mark(state: &dyn State) -> Result<Option<StartMark>, StateError> {
    let key = keys::named(keys::META, tables::META_STARTED);
    Overlay::new(state).load(tables::META, &key)
}

/// All of the fold's entries in order, but the hash of its policy: to compare two states byte for byte.
pub fn dump(state: &dyn State) -> Result<Vec<Entry>, StateError> {
    let policy = keys::named(keys::META, tables::META_FOLDED_WITH);
    let mut all = Overlay::new(state).scan_all(&[])?;
    all.retain(|(key, _)| *key != policy);
    Ok(all)
}

/// Reads every value: its version, its checksum, and whether it is what its key says. The number of
/// values.
pub fn verify(state: &dyn State) -> Result<usize, StateError> {
    let mut count = 0_usize;
    let mut behind: Option<Vec<u8>> = None;
    loop {
        let chunk = state.walk(behind.as_deref(), CHUNK)?;
        for (_, (key, value)) in &chunk {
            tables::verify(key, value)?;
        }
        count = count.saturating_add(chunk.len());
        match chunk.into_iter().next_back() {
            Some((last, _)) if count.is_multiple_of(CHUNK) => behind = Some(last),
            _ => return Ok(count),
        }
    }
}

/// Hash of the policy that the state was folded with; `None` while nothing was.
///
/// A state folded with other tables is not wrong about what was decided (that is recorded), but its
/// reading of results is: the remedy is a rebuild.
pub fn policy(state: &dyn State) -> Result<Option<String>, StateError> {
    let key = keys::named(keys::META, tables::META_FOLDED_WITH);
    Overlay::new(state).load(tables::META, &key)
}

/// Notes the policy that an empty state will be folded with.
pub fn note_policy(state: &dyn State, hash: &str) -> Result<(), StateError> {
    let mut overlay = Overlay::new(state);
    let key = keys::named(keys::META, tables::META_FOLDED_WITH);
    overlay.store(tables::META, key, hash)?;
    state.commit(overlay.into_batch(), state.position()?)
}

#[cfg(test)]
mod tests;
