//! The state as its readers see it: sinks, pages, commands. Nothing here writes.

pub use super::feeds::{Feed, feeds};
use super::keys;
use super::overlay::Overlay;
use super::pool::Component;
use super::records;
use super::state::{Entry, State, StateError};
use super::tables;
use super::values::{
    AckMark, AgainMark, AlertPointer, DeliveryMark, PolicyMark, QuarantineEntry, StartMark,
};
use crate::core::clinical::observation::PatientKey;
use crate::core::delivery::Muted;
use crate::core::delivery::escalation::OpenPage;
use crate::core::episode::{Severity, Transition};
use crate::core::extract::IdentityEvent;
use crate::core::fact::{JournalPosition, Reason};
use crate::core::identity::Inactive;
use crate::core::record::{PatientRecord, PooledPatient};
use crate::core::time::Timestamp;

/// How many entries are read at once where only some of them are wanted.
const CHUNK: usize = 256;

/// An alert that waits for a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the log of alerts, from 1.
    pub place: u64,
    /// The alert.
    pub transition: Transition,
    /// When a send was begun that has no end yet: the sink may have it, and will know it by its id.
    pub attempted: Option<Timestamp>,
    /// Step of the escalation that brings it here; 0 where it is none.
    pub step: u32,
}

/// What comes next at a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing waits.
    Nothing,
    /// Alerts that the sink does not get: the cursor goes from one place to the other.
    Pass {
        /// Where it stands.
        after: u64,
        /// Where it goes.
        through: u64,
        /// `not_wanted` or `muted`.
        reason: &'static str,
    },
    /// An alert to send.
    Send(Box<Waiting>),
}

/// How many alerts are passed over at once at most.
const PASS_AT_ONCE: u64 = 1_000;

/// What comes next at a sink: first what it is to be given again, then the alert after its cursor.
/// `passes` says why an alert is not for this sink.
pub fn next(
    state: &dyn State,
    sink: &str,
    passes: &dyn Fn(&Transition) -> Option<&'static str>,
) -> Result<Next, StateError> {
    let overlay = Overlay::new(state);
    let prefix = keys::named(keys::AGAIN, sink);
    if let Some((key, value)) = overlay.scan(&prefix, &prefix, 1)?.pop() {
        let mark: AgainMark = super::codec::decode(tables::AGAIN, &value)?;
        let place = key.get(prefix.len()..).and_then(keys::read_number);
        let place = place.unwrap_or_default();
        if let Some(waiting) = waiting(&overlay, sink, place, mark.step)? {
            return Ok(Next::Send(Box::new(waiting)));
        }
    }
    let after = cursor(state, sink)?.unwrap_or_default();
    let mut through = after;
    let mut why = None;
    while through < after.saturating_add(PASS_AT_ONCE) {
        let place = through.saturating_add(1);
        let Some(transition) = alert_at(&overlay, place)? else {
            break;
        };
        match passes(&transition) {
            Some(reason) if why.is_none_or(|why| why == reason) => {
                why = Some(reason);
                through = place;
            }
            None if through == after => {
                let waiting = waiting(&overlay, sink, place, 0)?;
                return Ok(waiting.map_or(Next::Nothing, |one| Next::Send(Box::new(one))));
            }
            Some(_) | None => break,
        }
    }
    Ok(match why {
        Some(reason) => Next::Pass {
            after,
            through,
            reason,
        },
        None => Next::Nothing,
    })
}

/// The next alert for a sink that wants all of them.
pub fn next_alert(state: &dyn State, sink: &str) -> Result<Option<Waiting>, StateError> {
    Ok(match next(state, sink, &|_| None)? {
        Next::Send(waiting) => Some(*waiting),
        Next::Nothing | Next::Pass { .. } => None,
    })
}

/// The alerts right after a sink's cursor that could go together: `taken` says which are not urgent and
/// wanted; what is passed over lies between. It ends before the first urgent one, or after `limit`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// Place and alert of each.
    pub alerts: Vec<Waiting>,
    /// Places that are passed over among them, each with the reason.
    pub passed: Vec<(u64, &'static str)>,
    /// It ends before an urgent one.
    pub urgent_follows: bool,
}

/// Reads the run after a sink's cursor.
pub fn run(
    state: &dyn State,
    sink: &str,
    passes: &dyn Fn(&Transition) -> Option<&'static str>,
    limit: usize,
) -> Result<Run, StateError> {
    let overlay = Overlay::new(state);
    let mut place = cursor(state, sink)?.unwrap_or_default();
    let mut run = Run::default();
    while run.alerts.len() < limit {
        place = place.saturating_add(1);
        let Some(one) = waiting(&overlay, sink, place, 0)? else {
            break;
        };
        match passes(&one.transition) {
            Some(reason) => run.passed.push((place, reason)),
            None if one.transition.severity == Severity::Urgent => {
                run.urgent_follows = true;
                break;
            }
            None => run.alerts.push(one),
        }
    }
    Ok(run)
}

fn waiting(
    overlay: &Overlay<'_>,
    sink: &str,
    place: u64,
    step: u32,
) -> Result<Option<Waiting>, StateError> {
    let Some(transition) = alert_at(overlay, place)? else {
        return Ok(None);
    };
    let key = keys::delivery(sink, place);
    let mark: Option<DeliveryMark> = overlay.load(tables::DELIVERIES, &key)?;
    let mark = mark.filter(|mark| mark.outcome.is_none());
    Ok(Some(Waiting {
        place,
        transition,
        attempted: mark.and_then(|mark| mark.last_attempt),
        step,
    }))
}

/// The alerts that wait for a sink, oldest place first: to be sent again, then after the cursor.
pub fn queued(
    state: &dyn State,
    sink: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<Waiting>, StateError> {
    let overlay = Overlay::new(state);
    let mut found = Vec::new();
    let prefix = keys::named(keys::AGAIN, sink);
    let from = keys::after(&keys::sink_place(keys::AGAIN, sink, after));
    for (key, value) in overlay.scan(&prefix, &from, limit)? {
        let mark: AgainMark = super::codec::decode(tables::AGAIN, &value)?;
        let place = key.get(prefix.len()..).and_then(keys::read_number);
        found.extend(waiting(
            &overlay,
            sink,
            place.unwrap_or_default(),
            mark.step,
        )?);
    }
    let done = cursor(state, sink)?.unwrap_or_default();
    let mut place = done.max(after).saturating_add(1);
    while found.len() < limit {
        let Some(one) = waiting(&overlay, sink, place, 0)? else {
            break;
        };
        found.push(one);
        place = place.saturating_add(1);
    }
    found.sort_by_key(|waiting| waiting.place);
    found.truncate(limit);
    Ok(found)
}

/// Up to `limit` dead letters of a sink after a place, oldest first, each with what became of it.
pub fn dead(
    state: &dyn State,
    sink: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<(Waiting, DeliveryMark)>, StateError> {
    let overlay = Overlay::new(state);
    let prefix = keys::named(keys::DEAD, sink);
    let from = keys::after(&keys::sink_place(keys::DEAD, sink, after));
    let mut found = Vec::new();
    for (key, _) in overlay.scan(&prefix, &from, limit)? {
        let place = key.get(prefix.len()..).and_then(keys::read_number);
        let place = place.unwrap_or_default();
        let mark = overlay.load(tables::DELIVERIES, &keys::delivery(sink, place))?;
        if let Some(one) = waiting(&overlay, sink, place, 0)? {
            found.push((one, mark.unwrap_or_default()));
        }
    }
    Ok(found)
}

/// How many dead letters a sink has.
pub fn dead_count(state: &dyn State, sink: &str) -> Result<usize, StateError> {
    let prefix = keys::named(keys::DEAD, sink);
    Ok(Overlay::new(state).scan_all(&prefix)?.len())
}

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

/// How many alerts wait for a sink, and when the oldest of them was decided.
pub fn queue_depth(state: &dyn State, sink: &str) -> Result<(u64, Option<Timestamp>), StateError> {
    // Nothing waits for a sink that was never seen: it begins behind the newest alert.
    let Some(done) = cursor(state, sink)? else {
        return Ok((0, None));
    };
    let overlay = Overlay::new(state);
    let again = overlay.scan_all(&keys::named(keys::AGAIN, sink))?.len();
    let again = u64::try_from(again).unwrap_or(u64::MAX);
    let first = queued(state, sink, 0, 1)?;
    let oldest = first.first().map(|waiting| waiting.transition.at);
    let ahead = last_alert(state)?.saturating_sub(done);
    Ok((ahead.saturating_add(again), oldest))
}

/// Place of the last alert that a sink is done with; `None` if it was never given one.
pub fn cursor(state: &dyn State, sink: &str) -> Result<Option<u64>, StateError> {
    Overlay::new(state).load(tables::SINKS, &keys::named(keys::SINKS, sink))
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
    Ok(Overlay::new(state).scan_all(&[keys::DIRTY])?.len())
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
