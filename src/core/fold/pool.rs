//! One person out of several ids: the records that identity events connect, pooled (WIRE 4.8).

use super::keys::{self, Kind};
use super::overlay::Overlay;
use super::records;
use super::state::StateError;
use super::tables::RECORDS;
use super::values::UndoMark;
use crate::core::clinical::observation::{
    DemographicsReport, GroupWithdrawal, Observation, PatientKey, ResultId,
};
use crate::core::episode::{EpisodeId, Transition};
use crate::core::extract::{IdentityEvent, IdentityKind};
use crate::core::identity::{Aliases, Moves, Undone};
use crate::core::phi::Phi;
use crate::core::record::PooledPatient;
use std::collections::{BTreeMap, BTreeSet};

/// All ids that identity events connect with one another, and those events.
///
/// It may hold several persons: ids connected by a move or by a merge that does not count, be it
/// that it was taken back: what was told while it counted is to be found from either id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The ids.
    pub keys: BTreeSet<PatientKey>,
    /// Merges and moves among them.
    pub events: BTreeSet<IdentityEvent>,
    /// What of them was taken back.
    pub undone: BTreeSet<UndoMark>,
    /// The merges resolved.
    pub aliases: Aliases,
}

impl Component {
    /// Walks from an id over all merges and moves, in both directions.
    pub fn around(overlay: &Overlay<'_>, start: &PatientKey) -> Result<Self, StateError> {
        let mut keys = BTreeSet::from([start.clone()]);
        let mut events = BTreeSet::new();
        let mut undone = BTreeSet::new();
        let mut ahead = vec![start.clone()];
        while let Some(current) = ahead.pop() {
            undone.extend(records::undos(overlay, &current)?);
            let found = records::edges_out(overlay, &current)?
                .into_iter()
                .chain(records::edges_in(overlay, &current)?);
            for event in found {
                if matches!(event.kind, IdentityKind::Link { .. }) {
                    continue;
                }
                for end in [&event.prior, &event.survivor] {
                    if keys.insert(end.clone()) {
                        ahead.push(end.clone());
                    }
                }
                events.insert(event);
            }
        }
        let taken_back = Undone::of(undone.iter().map(|mark| &mark.undone));
        let aliases = Aliases::resolve_without(&events, &taken_back);
        Ok(Self {
            keys,
            events,
            undone,
            aliases,
        })
    }

    /// Survivors whose results may change when something was reported under `key`: its own, and
    /// wherever moves could take the result.
    pub fn survivors_reached_from(&self, key: &PatientKey) -> BTreeSet<PatientKey> {
        let mut next: BTreeMap<&PatientKey, Vec<&PatientKey>> = BTreeMap::new();
        for event in self.moves() {
            next.entry(&event.prior).or_default().push(&event.survivor);
        }
        let mut reached = BTreeSet::from([key]);
        let mut ahead = vec![key];
        while let Some(current) = ahead.pop() {
            for &further in next.get(current).into_iter().flatten() {
                if reached.insert(further) {
                    ahead.push(further);
                }
            }
        }
        reached
            .into_iter()
            .map(|end| self.aliases.survivor(end).clone())
            .collect()
    }

    /// All survivors of the component.
    pub fn survivors(&self) -> BTreeSet<PatientKey> {
        self.keys
            .iter()
            .map(|key| self.aliases.survivor(key).clone())
            .collect()
    }

    /// The person that `key` belongs to, with all that counts for it.
    pub fn pooled(
        &self,
        overlay: &Overlay<'_>,
        key: &PatientKey,
    ) -> Result<PooledPatient, StateError> {
        Ok(self.view(overlay, key, &[])?.patient)
    }

    /// The same, together with steps that are decided but not yet recorded.
    pub(super) fn view(
        &self,
        overlay: &Overlay<'_>,
        key: &PatientKey,
        decided: &[Transition],
    ) -> Result<View, StateError> {
        let members = self.aliases.pool(key);
        let moves = Moves::among(self.moves());
        let sources = self.sources(&members);
        let mut reported = Vec::new();
        for source in &sources {
            reported.extend(records::observations(overlay, source)?);
        }
        let owners = owners(&reported, &moves);
        let counts_here = |id: &ResultId| members.contains(owners.get(id).unwrap_or(&id.patient));
        let observations: Vec<Observation> = reported
            .into_iter()
            .filter(|observation| counts_here(&observation.id))
            .collect();

        let mut steps: Vec<(u64, Transition)> = Vec::new();
        for connected in &self.keys {
            steps.extend(records::transitions(overlay, connected)?);
        }
        steps.sort_by_key(|(step, _)| *step);
        let mut transitions = Vec::new();
        let (mut lost, mut told_of) = (BTreeSet::new(), BTreeSet::new());
        for transition in steps.iter().map(|(_, step)| step).chain(decided) {
            let about = was_about(transition);
            if counts_here(&transition.opening) {
                transitions.push(transition.clone());
                if !members.contains(&about) {
                    told_of.insert(self.aliases.survivor(&about).clone());
                }
            } else if members.contains(&about) {
                lost.insert(transition.episode.clone());
                // Its later Lows do not carry it on here: it has one owner, or two persons would number
                // its transitions.
                transitions.push(Transition {
                    members: Vec::new(),
                    ..transition.clone()
                });
            }
        }

        let mut demographics = Vec::new();
        let mut associations = Vec::new();
        for member in &members {
            let kept: Option<BTreeSet<DemographicsReport>> =
                overlay.load(RECORDS, &keys::record(member, Kind::Demographics))?;
            demographics.extend(
                kept.unwrap_or_default()
                    .into_iter()
                    .map(|report| (member.clone(), report)),
            );
            associations
                .extend(overlay.load_all(RECORDS, &keys::record(member, Kind::Association))?);
        }
        let patient = PooledPatient {
            survivor: self.aliases.survivor(key).clone(),
            group_withdrawals: group_withdrawals(overlay, &sources, &members, &observations)?,
            members,
            observations,
            demographics,
            associations,
            transitions,
        };
        Ok(View {
            patient,
            lost,
            told_of,
        })
    }

    fn moves(&self) -> impl Iterator<Item = &IdentityEvent> {
        self.events.iter().filter(|event| {
            matches!(
                event.kind,
                IdentityKind::MoveAccount(_) | IdentityKind::MoveVisit(_)
            )
        })
    }

    /// The members and every id between which results move.
    fn sources(&self, members: &BTreeSet<PatientKey>) -> BTreeSet<PatientKey> {
        let ends = self
            .moves()
            .flat_map(|event| [event.prior.clone(), event.survivor.clone()]);
        members.iter().cloned().chain(ends).collect()
    }
}

/// A person, what it has lost, and what others have lost to it.
pub(super) struct View {
    pub(super) patient: PooledPatient,
    /// Episodes that were told about this person but whose opening result now belongs to another
    /// (a move, or a merge that no longer counts). The transitions hold only what was told of them
    /// about this person, so that it can be taken back here; the other one sees them whole.
    pub(super) lost: BTreeSet<EpisodeId>,
    /// Other persons about whom episodes of this one were once told: they have lost them.
    pub(super) told_of: BTreeSet<PatientKey>,
}

/// About whom a transition was: its alert says so, else the id it is filed under.
fn was_about(transition: &Transition) -> PatientKey {
    let patient = &transition.alert.expose().patient;
    match (&patient.authority, &patient.id) {
        (Some(authority), Some(id)) => PatientKey {
            authority: authority.clone(),
            id: Phi::new(id.clone()),
        },
        _ => transition.filed_under.clone(),
    }
}

/// The person that an id belongs to today.
pub fn pool(overlay: &Overlay<'_>, key: &PatientKey) -> Result<PooledPatient, StateError> {
    Component::around(overlay, key)?.pooled(overlay, key)
}

/// To whom each moved result belongs (A44, A45). All versions of a result go together, by the
/// account and the visit of the newest version that names one.
fn owners(observations: &[Observation], moves: &Moves<'_>) -> BTreeMap<ResultId, PatientKey> {
    if moves.is_empty() {
        return BTreeMap::new();
    }
    let mut newest_first: Vec<&Observation> = observations.iter().collect();
    newest_first.sort_by_key(|observation| {
        std::cmp::Reverse((observation.version_at, observation.content_hash))
    });
    let mut named: BTreeMap<&ResultId, (&str, &str)> = BTreeMap::new();
    for observation in newest_first {
        let (account, visit) = named.entry(&observation.id).or_default();
        if account.is_empty() {
            *account = observation.shown.account.expose();
        }
        if visit.is_empty() {
            *visit = observation.shown.visit.expose();
        }
    }
    named
        .into_iter()
        .map(|(id, (account, visit))| (id.clone(), moves.attribute(&id.patient, account, visit)))
        .collect()
}

/// Those of the members, and of other ids those for orders whose results have moved here.
fn group_withdrawals(
    overlay: &Overlay<'_>,
    sources: &BTreeSet<PatientKey>,
    members: &BTreeSet<PatientKey>,
    observations: &[Observation],
) -> Result<Vec<(PatientKey, GroupWithdrawal)>, StateError> {
    let moved_in: BTreeSet<_> = observations
        .iter()
        .filter(|observation| !members.contains(&observation.id.patient))
        .map(|observation| (&observation.id.patient, &observation.id.order))
        .collect();
    let mut found = Vec::new();
    for source in sources {
        let all: Vec<GroupWithdrawal> =
            overlay.load_all(RECORDS, &keys::record(source, Kind::GroupWithdrawal))?;
        found.extend(
            all.into_iter()
                .filter(|withdrawal| {
                    members.contains(source) || moved_in.contains(&(source, &withdrawal.order))
                })
                .map(|withdrawal| (source.clone(), withdrawal)),
        );
    }
    Ok(found)
}
