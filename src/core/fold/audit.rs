//! The audit in the state: its newest entries, its end, and where its chain is broken.

use super::apply::Fold;
use super::keys;
use super::overlay::Overlay;
use super::state::{State, StateError};
use super::tables;
use super::values::{AuditEnd, AuditEntry};
use crate::core::audit::{Audited, Noted, Retried, START};
use crate::core::clinical::observation::PatientKey;
use crate::core::fact::JournalPosition;

/// Entries that the state keeps; older ones are in the journal as long as that keeps them.
pub const KEPT: u64 = 100_000;

impl Fold<'_> {
    pub(super) fn audited(
        &mut self,
        position: JournalPosition,
        audited: &Audited,
    ) -> Result<(), StateError> {
        let key = keys::named(keys::META, tables::META_AUDIT);
        let end: AuditEnd = self
            .overlay
            .load(tables::META, &key)?
            .unwrap_or_else(AuditEnd::start);
        let whole = audited.follows(end.number, &end.hash);
        let entry = AuditEntry {
            position,
            audited: audited.clone(),
            broken: !whole,
        };
        let number = audited.number;
        self.overlay
            .store(tables::AUDIT, keys::audit(number), &entry)?;
        if let Some(old) = number.checked_sub(KEPT) {
            self.overlay.delete(keys::audit(old));
        }
        let end = AuditEnd {
            number,
            hash: audited.hash(),
            breaks: end.breaks.saturating_add(u64::from(!whole)),
        };
        self.overlay.store(tables::META, key, &end)
    }

    pub(super) fn noted(
        &mut self,
        position: JournalPosition,
        noted: &Noted,
    ) -> Result<(), StateError> {
        let mut key = keys::patient(keys::NOTES, &noted.patient);
        key.extend_from_slice(&position.0.to_be_bytes());
        self.overlay.store(tables::NOTES, key, noted)
    }

    /// What the quarantine holds of the message is over; its new reading has entries of its own.
    pub(super) fn retried(
        &mut self,
        position: JournalPosition,
        retried: &Retried,
    ) -> Result<(), StateError> {
        let last = keys::named(keys::META, tables::META_RETRIED);
        self.overlay.store(tables::META, last, &position.0)?;
        self.retried_at = Some(Some(position));
        let mut prefix = keys::quarantine(retried.message, 0);
        prefix.truncate(prefix.len().saturating_sub(4));
        for (key, _) in self.overlay.scan_all(&prefix)? {
            self.overlay.delete(key);
        }
        Ok(())
    }
}

impl Fold<'_> {
    /// Whether the message here is the copy of one that the fact before it had read again.
    pub(super) fn is_again(&mut self, position: JournalPosition) -> Result<bool, StateError> {
        let last = match self.retried_at {
            Some(last) => last,
            None => {
                let key = keys::named(keys::META, tables::META_RETRIED);
                let last: Option<u64> = self.overlay.load(tables::META, &key)?;
                last.map(JournalPosition)
            }
        };
        self.retried_at = Some(last);
        Ok(last.is_some_and(|last| last.next() == position))
    }
}

impl AuditEnd {
    /// Before the first entry.
    pub fn start() -> Self {
        Self {
            number: 0,
            hash: START.to_owned(),
            breaks: 0,
        }
    }
}

/// Where the audit ends, and the position of its newest entry.
pub fn end_and_place(state: &dyn State) -> Result<(AuditEnd, JournalPosition), StateError> {
    let end = end(state)?;
    let newest = Overlay::new(state).load::<AuditEntry>(tables::AUDIT, &keys::audit(end.number))?;
    let place = newest.map_or(JournalPosition::START, |entry| entry.position);
    Ok((end, place))
}

/// Where the audit ends.
pub fn end(state: &dyn State) -> Result<AuditEnd, StateError> {
    let key = keys::named(keys::META, tables::META_AUDIT);
    let end = Overlay::new(state).load(tables::META, &key)?;
    Ok(end.unwrap_or_else(AuditEnd::start))
}

/// Up to `limit` entries before a number (`None`: from the newest on) that `wanted` lets through, newest
/// first, of at most `looked_at` looked at; and the number to go on before, if there may be more.
pub fn newest_first(
    state: &dyn State,
    before: Option<u64>,
    limit: usize,
    looked_at: u64,
    wanted: &dyn Fn(&Audited) -> bool,
) -> Result<(Vec<AuditEntry>, Option<u64>), StateError> {
    let overlay = Overlay::new(state);
    let last = end(state)?.number.saturating_add(1);
    let mut number = before.map_or(last, |before| before.min(last));
    let mut found = Vec::new();
    for _ in 0..looked_at {
        let Some(next) = number.checked_sub(1).filter(|next| *next > 0) else {
            return Ok((found, None));
        };
        number = next;
        let entry: Option<AuditEntry> = overlay.load(tables::AUDIT, &keys::audit(number))?;
        let Some(entry) = entry else {
            return Ok((found, None));
        };
        if wanted(&entry.audited) {
            found.push(entry);
            if found.len() >= limit {
                break;
            }
        }
    }
    Ok((found, Some(number).filter(|number| *number > 1)))
}

/// What people wrote down about these ids, oldest first.
pub fn notes<'k>(
    state: &dyn State,
    ids: impl IntoIterator<Item = &'k PatientKey>,
) -> Result<Vec<Noted>, StateError> {
    let overlay = Overlay::new(state);
    let mut found: Vec<Noted> = Vec::new();
    for id in ids {
        found.extend(overlay.load_all(tables::NOTES, &keys::patient(keys::NOTES, id))?);
    }
    found.sort_by_key(|noted| noted.at);
    Ok(found)
}
