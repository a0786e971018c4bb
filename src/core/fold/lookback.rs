//! What a person has looked at again or brought in from archives: marks that something is to be decided, and
//! that it is to page nobody.

use super::apply::{Envelope, Fold};
use super::overlay::Overlay;
use super::pool::Component;
use super::state::{State, StateError};
use super::{keys, records, tables};
use crate::core::clinical::observation::PatientKey;
use crate::core::episode::Transition;
use crate::core::episode::decide::decide as decide_patient;
use crate::core::fact::JournalPosition;
use crate::core::lookback::{PEER, Primed, Reassessed};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;

impl Fold<'_> {
    /// The facts that follow are of an archive.
    pub(super) fn primed(
        &mut self,
        position: JournalPosition,
        primed: &Primed,
    ) -> Result<(), StateError> {
        let last = position.0.saturating_add(u64::from(primed.facts));
        self.primed_through = Some(JournalPosition(last));
        let key = keys::named(keys::META, tables::META_PRIMED);
        self.overlay.store(tables::META, key, &last)
    }

    /// Whether the message here is of an archive that is to page nobody. After a crash in the middle of one, other
    /// messages stand where the rest of it was to be.
    pub(super) fn is_primed(&mut self, envelope: &Envelope<'_>) -> Result<bool, StateError> {
        if envelope.message.origin.peer != PEER {
            return Ok(false);
        }
        let through = match self.primed_through {
            Some(through) => through,
            None => {
                let key = keys::named(keys::META, tables::META_PRIMED);
                let last: Option<u64> = self.overlay.load(tables::META, &key)?;
                JournalPosition(last.unwrap_or_default())
            }
        };
        self.primed_through = Some(through);
        Ok(envelope.position <= through)
    }

    /// These patients are to be decided about anew.
    pub(super) fn reassessed(
        &mut self,
        position: JournalPosition,
        fact: &Reassessed,
    ) -> Result<(), StateError> {
        for patient in &fact.patients {
            self.mark(patient, (position, fact.at), false, !fact.page)?;
        }
        Ok(())
    }

    /// What is decided about a patient is to page nobody, unless something else came that may.
    pub(super) fn hush(
        &mut self,
        patient: &PatientKey,
        quiet: bool,
        has_other_news: bool,
    ) -> Result<(), StateError> {
        let key = keys::patient(keys::QUIET, patient);
        if !quiet {
            self.overlay.delete(key);
        } else if !has_other_news {
            self.overlay.store(tables::QUIET, key, &())?;
        }
        Ok(())
    }
}

/// Whether what is decided about a patient is to page nobody.
pub(super) fn is_quiet(overlay: &Overlay<'_>, patient: &PatientKey) -> Result<bool, StateError> {
    let key = keys::patient(keys::QUIET, patient);
    Ok(overlay.get(&key)?.is_some())
}

/// What would be told of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldTell {
    /// The person.
    pub patient: PatientKey,
    /// What is not recorded yet, in order.
    pub transitions: Vec<Transition>,
}

/// A part of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Persons of whom something would be told.
    pub found: Vec<WouldTell>,
    /// How many patients were looked at.
    pub looked_at: usize,
    /// Behind which place of the store to go on; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// Entries that are read at once.
const CHUNK: usize = 2_048;

/// What deciding about everybody anew would tell, by the tables in force; nothing is written. Looks at up to
/// `limit` patients, in the order of the store.
///
/// Patients about whom a decision is due already are left out: it comes by itself.
///
/// # Errors
/// An entry cannot be read.
pub fn preview(
    state: &dyn State,
    policy: &Policy,
    now: Timestamp,
    behind: Option<&[u8]>,
    limit: usize,
) -> Result<Preview, StateError> {
    let overlay = Overlay::new(state);
    let mut made = Preview {
        found: Vec::new(),
        looked_at: 0,
        next: None,
    };
    let mut last: Option<PatientKey> = None;
    let mut at = behind.map_or_else(|| vec![keys::RECORDS], <[u8]>::to_vec);
    loop {
        let chunk = state.walk(Some(&at), CHUNK)?;
        let is_last = chunk.len() < CHUNK;
        for (place, (key, _)) in chunk {
            if key.first() != Some(&keys::RECORDS) {
                return Ok(made);
            }
            let Some((patient, _)) = key.get(1..).and_then(keys::read_patient) else {
                return Err(StateError::Value {
                    table: tables::RECORDS,
                    why: "expected a patient in the key, but found none".to_owned(),
                });
            };
            // All entries of a patient lie side by side.
            if last.as_ref() != Some(&patient) {
                if made.looked_at >= limit {
                    made.next = Some(at);
                    return Ok(made);
                }
                made.looked_at = made.looked_at.saturating_add(1);
                made.found
                    .extend(would_tell(&overlay, &patient, policy, now)?);
                last = Some(patient);
            }
            at = place;
        }
        if is_last {
            return Ok(made);
        }
    }
}

fn would_tell(
    overlay: &Overlay<'_>,
    patient: &PatientKey,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<WouldTell>, StateError> {
    let due = overlay.get(&keys::patient(keys::DIRTY, patient))?.is_some();
    if due || !records::matters(overlay, patient)? {
        return Ok(None);
    }
    let component = Component::around(overlay, patient)?;
    // Of ids that are one person, the one that stays tells.
    if component.aliases.survivor(patient) != patient {
        return Ok(None);
    }
    let person = component.pooled(overlay, patient)?;
    let transitions = decide_patient(&person, policy, now);
    Ok((!transitions.is_empty()).then(|| WouldTell {
        patient: patient.clone(),
        transitions,
    }))
}
