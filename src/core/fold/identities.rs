//! Identity events into the state (WIRE 4.8): kept at both ids, counted, and everyone concerned marked.

use super::apply::{Envelope, Fold};
use super::overlay::Overlay;
use super::records;
use super::state::StateError;
use super::values::UndoMark;
use crate::core::clinical::observation::PatientKey;
use crate::core::extract::{IdentityEvent, IdentityKind};
use crate::core::fact::{JournalPosition, MergeUndone};
use crate::core::identity::Undone;
use std::collections::BTreeSet;

impl Fold<'_> {
    /// Takes one event. The event that completes a cycle (I-4) or a conflict (I-5) counts it.
    pub(super) fn identity(
        &mut self,
        envelope: &Envelope<'_>,
        event: &IdentityEvent,
    ) -> Result<(), StateError> {
        let listener = &envelope.message.origin.listener;
        let is_merge = event.kind == IdentityKind::Merge;
        if event.prior == event.survivor {
            self.effects
                .count(listener, "self_merge", u64::from(is_merge));
            return Ok(());
        }
        let priors_survivors = merged_into(&self.overlay, &event.prior)?;
        let closes_cycle = is_merge && leads_to(&self.overlay, &event.survivor, &event.prior)?;
        if !records::add_identity(&mut self.overlay, event)? {
            return Ok(());
        }
        match &event.kind {
            IdentityKind::Merge => {
                let conflicts =
                    !priors_survivors.is_empty() && !priors_survivors.contains(&event.survivor);
                self.effects
                    .count(listener, "merge_cycle", u64::from(closes_cycle));
                self.effects
                    .count(listener, "merge_conflict", u64::from(conflicts));
            }
            IdentityKind::MoveAccount(_) | IdentityKind::MoveVisit(_) => {
                let stay = unattributable(&self.overlay, event)?;
                self.effects.count(listener, "move_unattributable", stay);
            }
            // Recorded and shown, not pooled.
            IdentityKind::Link { .. } => return Ok(()),
        }
        self.dirty(&event.prior, envelope.news(), true)?;
        self.dirty(&event.survivor, envelope.news(), true)
    }

    /// Takes back a merge (I-7). Whoever was one person through it is decided about anew.
    pub(super) fn merge_undone(
        &mut self,
        position: JournalPosition,
        undone: &MergeUndone,
    ) -> Result<(), StateError> {
        let mark = UndoMark {
            undone: undone.clone(),
            position,
        };
        if !records::add_undo(&mut self.overlay, &mark)? {
            return Ok(());
        }
        for id in [&undone.prior, &undone.survivor] {
            if records::matters(&self.overlay, id)? {
                self.dirty(id, (position, undone.at), true)?;
            }
        }
        Ok(())
    }
}

/// Ids that this one was ever merged into, but for merges that were taken back.
fn merged_into(
    overlay: &Overlay<'_>,
    prior: &PatientKey,
) -> Result<BTreeSet<PatientKey>, StateError> {
    let marks = records::undos(overlay, prior)?;
    let undone = Undone::of(marks.iter().map(|mark| &mark.undone));
    Ok(records::edges_out(overlay, prior)?
        .into_iter()
        .filter(|event| event.kind == IdentityKind::Merge && !undone.covers(event))
        .map(|event| event.survivor)
        .collect())
}

/// True if merges lead from one id to the other.
fn leads_to(
    overlay: &Overlay<'_>,
    start: &PatientKey,
    end: &PatientKey,
) -> Result<bool, StateError> {
    let mut seen = BTreeSet::from([start.clone()]);
    let mut ahead = vec![start.clone()];
    while let Some(current) = ahead.pop() {
        if &current == end {
            return Ok(true);
        }
        for further in merged_into(overlay, &current)? {
            if seen.insert(further.clone()) {
                ahead.push(further);
            }
        }
    }
    Ok(false)
}

/// How many results under the prior id name no account (A44) or no visit (A45) and so stay.
fn unattributable(overlay: &Overlay<'_>, event: &IdentityEvent) -> Result<u64, StateError> {
    let of_account = matches!(event.kind, IdentityKind::MoveAccount(_));
    let (mut named, mut unnamed) = (BTreeSet::new(), BTreeSet::new());
    for observation in records::observations(overlay, &event.prior)? {
        let name = if of_account {
            observation.shown.account.expose()
        } else {
            observation.shown.visit.expose()
        };
        if name.is_empty() {
            unnamed.insert(observation.id);
        } else {
            named.insert(observation.id);
        }
    }
    let staying = unnamed.difference(&named).count();
    Ok(u64::try_from(staying).unwrap_or(u64::MAX))
}
