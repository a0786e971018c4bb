//! Under which ids a person was reported, and how they came to be one.

use crate::core::clinical::observation::PatientKey;
use crate::core::extract::{IdentityEvent, IdentityKind};
use crate::core::fact::MergeUndone;
use crate::core::fold::dossier::Dossier;
use crate::core::fold::values::UndoMark;
use crate::core::identity::{Inactive, Undone};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One id of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentityView {
    /// `authority:id`.
    pub key: String,
    /// Assigning authority.
    pub authority: String,
    /// Identifier.
    pub id: String,
    /// It is the one that survives.
    pub survivor: bool,
    /// Results reported under it that count for the person.
    pub results: usize,
    /// The merge in which it gave way; null for the surviving one.
    pub merged: Option<IdentityEventView>,
}

/// A merge, move or link as a message stated it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentityEventView {
    /// `merge`, `link`, `unlink`, `move_account` or `move_visit`.
    pub kind: &'static str,
    /// The id that gives way, `authority:id`.
    pub prior: String,
    /// The id that stays.
    pub survivor: String,
    /// Account or visit that moves.
    pub number: Option<String>,
    /// Time of the event, RFC 3339.
    pub at: String,
    /// Journal position of its message.
    pub position: u64,
    /// It has an effect.
    pub counts: bool,
    /// Why it has none, as one word: `cycle`, `conflict`, `undone` or `link`.
    pub why_not: Option<&'static str>,
    /// The same in words.
    pub reason: Option<&'static str>,
    /// By whom, when and why it was taken back.
    pub undone: Option<UndoView>,
}

/// The undo of a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoView {
    /// Who.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// Why.
    pub comment: String,
    /// Journal position of the fact.
    pub position: u64,
}

/// All ids, the surviving one first, then in order.
pub(super) fn identities(dossier: &Dossier) -> Vec<IdentityView> {
    let patient = &dossier.patient;
    let mut counted: BTreeMap<&PatientKey, BTreeSet<_>> = BTreeMap::new();
    for observation in &patient.observations {
        counted
            .entry(&observation.id.patient)
            .or_default()
            .insert(&observation.id);
    }
    let standing = Standing::of(dossier);
    let mut merged: BTreeMap<&PatientKey, &IdentityEvent> = BTreeMap::new();
    for event in &dossier.events {
        if event.kind == IdentityKind::Merge && standing.why_not(event).is_none() {
            let newest = merged.entry(&event.prior).or_insert(event);
            if newest.at < event.at {
                *newest = event;
            }
        }
    }
    let others = patient.members.iter().filter(|id| **id != patient.survivor);
    std::iter::once(&patient.survivor)
        .chain(others)
        .map(|id| IdentityView {
            key: id.exposed(),
            authority: id.authority.clone(),
            id: id.id.expose().clone(),
            survivor: *id == patient.survivor,
            results: counted.get(id).map_or(0, BTreeSet::len),
            merged: merged
                .get(id)
                .filter(|_| *id != patient.survivor)
                .map(|event| standing.view(event)),
        })
        .collect()
}

/// All events that name one of the ids, by time.
pub(super) fn events(dossier: &Dossier) -> Vec<IdentityEventView> {
    let standing = Standing::of(dossier);
    let mut events: Vec<&IdentityEvent> = dossier.events.iter().collect();
    events.sort_by_key(|event| (event.at, event.position));
    events
        .into_iter()
        .map(|event| standing.view(event))
        .collect()
}

/// Which events count.
struct Standing<'a> {
    idle: BTreeMap<(&'a PatientKey, &'a PatientKey), Inactive>,
    undone: Undone,
    marks: &'a BTreeSet<UndoMark>,
}

impl<'a> Standing<'a> {
    fn of(dossier: &'a Dossier) -> Self {
        let idle = dossier.inactive.iter();
        Self {
            idle: idle
                .map(|(event, why)| ((&event.prior, &event.survivor), *why))
                .collect(),
            undone: Undone::of(dossier.undone.iter().map(|mark| &mark.undone)),
            marks: &dossier.undone,
        }
    }

    fn why_not(&self, event: &IdentityEvent) -> Option<(&'static str, &'static str)> {
        if matches!(event.kind, IdentityKind::Link { .. }) {
            return Some(("link", "Links are shown and join nothing."));
        }
        if self.undone.covers(event) {
            return Some(("undone", "A person took this merge back."));
        }
        if event.kind != IdentityKind::Merge {
            return None;
        }
        match self.idle.get(&(&event.prior, &event.survivor))? {
            Inactive::Cycle => Some((
                "cycle",
                "Later merges lead back to this id; of the merges of a cycle the earliest does not count.",
            )),
            Inactive::Conflict => Some((
                "conflict",
                "The same id was merged into another one later; the later merge counts.",
            )),
            Inactive::Undone => Some(("undone", "A person took this merge back.")),
        }
    }

    fn view(&self, event: &IdentityEvent) -> IdentityEventView {
        let why_not = self.why_not(event);
        let (kind, number) = match &event.kind {
            IdentityKind::Merge => ("merge", None),
            IdentityKind::Link { linked: true } => ("link", None),
            IdentityKind::Link { linked: false } => ("unlink", None),
            IdentityKind::MoveAccount(number) => ("move_account", Some(number)),
            IdentityKind::MoveVisit(number) => ("move_visit", Some(number)),
        };
        IdentityEventView {
            kind,
            prior: event.prior.exposed(),
            survivor: event.survivor.exposed(),
            number: number.map(|number| number.expose().clone()),
            at: event.at.to_rfc3339(),
            position: event.position.0,
            counts: why_not.is_none(),
            why_not: why_not.map(|(word, _)| word),
            reason: why_not.map(|(_, text)| text),
            undone: self.undo_of(event),
        }
    }

    /// The first undo that covers a merge.
    fn undo_of(&self, event: &IdentityEvent) -> Option<UndoView> {
        let covers = |undone: &MergeUndone| Undone::of([undone]).covers(event);
        let mark = self
            .marks
            .iter()
            .filter(|mark| covers(&mark.undone))
            .min_by_key(|mark| mark.position)?;
        Some(UndoView {
            by: mark.undone.by.clone(),
            at: mark.undone.at.to_rfc3339(),
            comment: mark.undone.comment.expose().clone(),
            position: mark.position.0,
        })
    }
}
