//! What waits at each sink: the alerts after its cursor, what it is to be given again, dead letters.

use super::{alert_at, last_alert};
use crate::core::episode::{Severity, Transition};
use crate::core::fold::overlay::Overlay;
use crate::core::fold::state::{State, StateError};
use crate::core::fold::values::{AgainMark, DeliveryMark};
use crate::core::fold::{codec, keys, tables};
use crate::core::time::Timestamp;

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
/// `passes` says why an alert is not for this sink. What a queue has recorded and is not folded yet it has
/// dealt with up to `ahead`; 0 where all of it is folded.
pub fn next(
    state: &dyn State,
    sink: &str,
    ahead: u64,
    passes: &dyn Fn(&Transition) -> Option<&'static str>,
) -> Result<Next, StateError> {
    let overlay = Overlay::new(state);
    let prefix = keys::named(keys::AGAIN, sink);
    // The same might be dealt with already.
    let again = if ahead == 0 {
        overlay.scan(&prefix, &prefix, 1)?.pop()
    } else {
        None
    };
    if let Some((key, value)) = again {
        let mark: AgainMark = codec::decode(tables::AGAIN, &value)?;
        let place = key.get(prefix.len()..).and_then(keys::read_number);
        let place = place.unwrap_or_default();
        if let Some(waiting) = waiting(&overlay, sink, place, mark.step)? {
            return Ok(Next::Send(Box::new(waiting)));
        }
    }
    let after = cursor(state, sink)?.unwrap_or_default().max(ahead);
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
    Ok(match next(state, sink, 0, &|_| None)? {
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
        let mark: AgainMark = codec::decode(tables::AGAIN, &value)?;
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
