//! From what is new about patients to a decision; nothing is written here, a decision is a fact first.

use super::apply::newest;
use super::lookback::is_quiet;
use super::overlay::Overlay;
use super::pool::Component;
use super::state::{State, StateError};
use super::values::{AckMark, DirtyMark};
use super::{codec, keys, records, tables};
use crate::core::clinical::observation::PatientKey;
use crate::core::episode::decide::decide as decide_patient;
use crate::core::episode::taken_note::acknowledged;
use crate::core::episode::{Delivery, EpisodeId, Transition};
use crate::core::fact::{Decided, JournalPosition};
use crate::core::phi::Phi;
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Patients with news that one decision is about at most: more are decided in turn, oldest news first.
pub const AT_ONCE: usize = 50_000;

/// Decides about the patients with news, once for each person that the ids amount to.
///
/// `None` where there is no news. Otherwise the fact to record, even without transitions: it says
/// that everything up to its `through` has been considered, which is the state's position unless more
/// than [`AT_ONCE`] patients have news. Its time is the receipt of the newest fact among the news,
/// never a clock's: deciding again after a crash gives the same fact.
pub fn decide(state: &dyn State, policy: &Policy) -> Result<Option<Decided>, StateError> {
    decide_some(state, policy, AT_ONCE)
}

fn decide_some(
    state: &dyn State,
    policy: &Policy,
    at_once: usize,
) -> Result<Option<Decided>, StateError> {
    let overlay = Overlay::new(state);
    let through = reach(&overlay, at_once)?.unwrap_or(state.position()?);
    let mut news: BTreeMap<PatientKey, News> = BTreeMap::new();
    for (patient, mark) in marks(&overlay, through)? {
        let quiet = is_quiet(&overlay, &patient)?;
        news.insert(patient, News { mark, quiet });
    }
    let mut acks = acks(&overlay)?;
    acks.retain(|ack| ack.position <= through);
    let newest_mark = newest(news.values().map(|one| one.mark));
    let newest_ack = acks.iter().map(|ack| (ack.position, ack.fact.at)).max();
    let Some((_, now)) = newest_mark.max(newest_ack) else {
        return Ok(None);
    };
    let mut done: BTreeSet<PatientKey> = BTreeSet::new();
    let mut transitions = Vec::new();
    // What may page is told of first.
    let (quiet, loud): (Vec<_>, Vec<_>) = news.iter().partition(|(_, one)| one.quiet);
    for (patient, _) in loud.into_iter().chain(quiet) {
        if done.contains(patient) {
            continue;
        }
        let component = Component::around(&overlay, patient)?;
        transitions.extend(told(&overlay, &component, &news, policy, now, through)?);
        done.extend(component.keys.into_iter().filter(|key| key != patient));
    }
    for ack in &acks {
        let recorded = records::transitions(&overlay, &ack.filed_under)?;
        let recorded = recorded.iter().map(|(_, step)| step);
        let step = acknowledged(
            recorded.chain(&transitions),
            &ack.fact,
            ack.position,
            &policy.site.name,
        );
        transitions.extend(step);
    }
    Ok(Some(Decided {
        through,
        policy: policy.hash(),
        decided_at: now,
        transitions,
    }))
}

/// What is new about a patient.
struct News {
    mark: DirtyMark,
    /// It is to page nobody.
    quiet: bool,
}

/// Decides about everybody of a component whom news of any of its ids may concern.
///
/// Together, and not an id at a time: what was told about one person and belongs to another now is
/// taken back before anything is told of the other one, who else would find an episode that stands
/// and keep silent about it.
fn told(
    overlay: &Overlay<'_>,
    component: &Component,
    news: &BTreeMap<PatientKey, News>,
    policy: &Policy,
    now: Timestamp,
    through: JournalPosition,
) -> Result<Vec<Transition>, StateError> {
    // A person of whom one id has news that may page is told of as such.
    let mut concerned: BTreeMap<PatientKey, bool> = BTreeMap::new();
    for key in &component.keys {
        let Some(News { mark, quiet }) = news.get(key) else {
            continue;
        };
        let survivors = if mark.identity {
            component.survivors()
        } else {
            component.survivors_reached_from(key)
        };
        for survivor in survivors {
            *concerned.entry(survivor).or_insert(true) &= quiet;
        }
    }
    let as_said = |step: Transition, quiet: bool| if quiet { hushed(step, through) } else { step };
    let mut taken_back = Vec::new();
    // An id without merges and moves has lost nothing.
    let mut ahead = if component.events.is_empty() {
        BTreeMap::new()
    } else {
        concerned.clone()
    };
    while let Some((survivor, quiet)) = ahead.pop_first() {
        let view = component.view(overlay, &survivor, &[])?;
        for other in view.told_of {
            // In a backlog its own news may not be due yet.
            if let Entry::Vacant(slot) = concerned.entry(other) {
                ahead.insert(slot.key().clone(), quiet);
                slot.insert(quiet);
            }
        }
        if !view.lost.is_empty() {
            let decided = decide_patient(&view.patient, policy, now);
            taken_back.extend(
                decided
                    .into_iter()
                    .filter(|step| view.lost.contains(&step.episode))
                    .map(|step| as_said(step, quiet)),
            );
        }
    }
    // The other one tells of such an episode anew; its ids go on.
    let mut anew = Vec::new();
    for (survivor, quiet) in &concerned {
        let view = component.view(overlay, survivor, &taken_back)?;
        let decided = decide_patient(&view.patient, policy, now);
        anew.extend(
            decided
                .into_iter()
                .filter(|step| !view.lost.contains(&step.episode))
                .map(|step| as_said(step, *quiet)),
        );
    }
    taken_back.extend(anew);
    Ok(taken_back)
}

/// A step that is on the worklist and pages nobody, nor does what was known by then.
fn hushed(step: Transition, through: JournalPosition) -> Transition {
    let mut alert = step.alert.into_exposed();
    alert.delivery = Delivery::Worklist;
    Transition {
        delivery: Delivery::Quiet,
        evidence_through: through,
        alert: Phi::new(alert),
        ..step
    }
}

/// Up to which fact the news of so many patients reach; `None` where no more have any.
fn reach(overlay: &Overlay<'_>, at_once: usize) -> Result<Option<JournalPosition>, StateError> {
    let mut positions = Vec::new();
    overlay.visit(&[keys::DIRTY], |_, bytes| {
        let mark: DirtyMark = codec::decode(tables::DIRTY, bytes)?;
        positions.push(mark.position);
        Ok(())
    })?;
    if positions.len() <= at_once {
        return Ok(None);
    }
    let (_, last, _) = positions.select_nth_unstable(at_once.saturating_sub(1));
    Ok(Some(*last))
}

/// The dirty marks of facts up to `through`, in order of the patients.
pub(super) fn marks(
    overlay: &Overlay<'_>,
    through: JournalPosition,
) -> Result<Vec<(PatientKey, DirtyMark)>, StateError> {
    let mut marked = Vec::new();
    overlay.visit(&[keys::DIRTY], |key, bytes| {
        let patient = key.get(1..).and_then(keys::read_patient);
        let Some((patient, _)) = patient else {
            return Err(StateError::Value {
                table: tables::DIRTY,
                why: "expected a patient in the key, but found none".to_owned(),
            });
        };
        let mark: DirtyMark = codec::decode(tables::DIRTY, bytes)?;
        if mark.position <= through {
            marked.push((patient, mark));
        }
        Ok(())
    })?;
    Ok(marked)
}

/// Acknowledgements that are not told of yet, in the order in which they were made.
fn acks(overlay: &Overlay<'_>) -> Result<Vec<AckMark>, StateError> {
    let mut found = Vec::new();
    for (key, bytes) in overlay.scan_all(&[keys::PENDING_ACKS])? {
        let episode: EpisodeId = codec::decode(tables::PENDING_ACKS, &bytes)?;
        let position = key.get(1..).and_then(keys::read_number);
        let ack: Option<AckMark> =
            overlay.load(tables::ACKS, &keys::named(keys::ACKS, &episode.0))?;
        // Of several of one episode the newest is told, once.
        found.extend(ack.filter(|ack| Some(ack.position.0) == position));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
