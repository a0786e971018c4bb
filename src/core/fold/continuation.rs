//! Parts of messages on their way to become whole (WIRE A-54).

use super::overlay::Overlay;
use super::state::{State, StateError};
use super::{keys, tables};
use crate::core::fact::{JournalPosition, Origin, Received};
use crate::core::hl7::continuation::Part;
use crate::core::hl7::envelope::RawMessage;
use crate::core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// How long the rest of a message is waited for.
const WITHIN: Span = Span::days(1);
/// The least there is: after a day is one later than a day.
const INSTANT: Span = Span::micros(1);

/// A part that waits for what comes before or after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// The newest fact in it.
    pub(super) position: JournalPosition,
    /// When the oldest of its parts was received.
    pub(super) since: Timestamp,
    pub(super) origin: Origin,
    /// `MSH-3/MSH-4`, raw: parts of different feeds have nothing to do with each other.
    feed: Vec<u8>,
    part: Part,
}

/// What becomes of a message.
pub(super) enum Whole {
    /// It is whole as it came.
    AsItCame,
    /// It is whole, joined of its parts.
    Joined(Received),
    /// It waits for other parts.
    Later,
}

/// Takes a message; a part is joined with those that wait for it.
pub(super) fn take(
    overlay: &mut Overlay<'_>,
    received: &Received,
    position: JournalPosition,
) -> Result<Whole, StateError> {
    let message = RawMessage::read(&received.raw);
    let Some((message, part)) = message.and_then(|m| Part::read(&m).map(|part| (m, part))) else {
        return Ok(Whole::AsItCame);
    };
    let mut joined = Waiting {
        position,
        since: received.received_at,
        origin: received.origin.clone(),
        feed: [message.header.field(3), message.header.field(4)].join(&b'/'),
        part,
    };
    // Each part that waits can be a neighbour once: before, after, or both in turn.
    for (key, waiting) in all(overlay)? {
        if waiting.feed != joined.feed || waiting.origin.listener != joined.origin.listener {
            continue;
        }
        let part = if waiting.part.goes_on_in(&joined.part) {
            waiting.part.joined(joined.part)
        } else if joined.part.goes_on_in(&waiting.part) {
            joined.part.joined(waiting.part)
        } else {
            continue;
        };
        overlay.delete(key);
        joined = Waiting {
            since: joined.since.min(waiting.since),
            part,
            ..joined
        };
    }
    if joined.part.back.is_none() && joined.part.on.is_none() {
        let raw = joined.part.bytes.into();
        return Ok(Whole::Joined(Received {
            raw,
            ..received.clone()
        }));
    }
    overlay.store(tables::PARTS, keys::part(position), &joined)?;
    Ok(Whole::Later)
}

/// Parts whose rest did not come in time, which wait no longer, and how many still wait.
pub(super) fn expire(
    overlay: &mut Overlay<'_>,
    now: Timestamp,
) -> Result<(Vec<Waiting>, usize), StateError> {
    let (mut over, mut left) = (Vec::new(), 0);
    for (key, waiting) in all(overlay)? {
        if now.since(waiting.since) > WITHIN {
            overlay.delete(key);
            over.push(waiting);
        } else {
            left += 1;
        }
    }
    Ok((over, left))
}

/// When the part that has waited longest is given up, if no message comes before; `None` while none
/// waits. Nothing else in the state waits for a time.
pub fn next_deadline(state: &dyn State) -> Result<Option<Timestamp>, StateError> {
    let waiting = all(&Overlay::new(state))?;
    let since = waiting.iter().map(|(_, waiting)| waiting.since).min();
    Ok(since.map(|since| since.plus(WITHIN).plus(INSTANT)))
}

fn all(overlay: &Overlay<'_>) -> Result<Vec<(Vec<u8>, Waiting)>, StateError> {
    overlay
        .scan_all(&[keys::PARTS])?
        .into_iter()
        .map(|(key, value)| Ok((key, super::codec::decode(tables::PARTS, &value)?)))
        .collect()
}
