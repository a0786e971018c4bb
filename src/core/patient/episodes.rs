//! What was told of a person: the recorded transitions, by episode.

use super::results::ResultView;
use crate::core::alert::{AlertPatient, Evidence};
use crate::core::clinical::observation::ResultId;
use crate::core::episode::claims::since;
use crate::core::episode::history::History;
use crate::core::episode::recorded::{self, Standing};
use crate::core::episode::{Delivery, EpisodeId, Severity, Transition, TransitionKind};
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// One episode. The fields up to `transitions` are promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EpisodeView {
    /// Its id.
    pub id: String,
    /// It stands and no later IgM was other than low.
    pub open: bool,
    /// When the earliest result that belongs to it was collected, RFC 3339, also where that came later than
    /// the result which it was first told of; where that is not known, when the first step was decided.
    pub opened_at: String,
    /// Its steps, in order.
    pub transitions: Vec<TransitionView>,
    /// `open`, `resolved`, `merged`, `retracted`, or `other_pattern` where there is nothing else.
    pub standing: &'static str,
    /// The id that the opening result was reported under.
    pub filed_under: String,
}

/// One step. The fields up to `alert_id` are promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitionView {
    /// 1, 2, 3, … within the episode.
    pub n: u32,
    /// What happened.
    pub kind: TransitionKind,
    /// How pressing.
    pub severity: Severity,
    /// Page or worklist.
    pub delivery: Delivery,
    /// When it was decided, RFC 3339.
    pub at: String,
    /// Id of its alert.
    pub alert_id: String,
    /// As the alert said.
    pub classification: String,
    /// As the alert said.
    pub tier: String,
    /// As the alert said.
    pub tier_reason: Option<String>,
    /// The alert's sentence.
    pub explanation: String,
    /// The id that the alert named; another one than `key` where identities changed.
    pub about: Option<String>,
    /// The alert that it replaced.
    pub supersedes: Option<String>,
    /// What it rests on.
    pub evidence: EvidenceView,
}

/// What a step rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvidenceView {
    /// The newest fact that is evidence.
    pub through: u64,
    /// `n` of the results in its alert, as far as they are this person's.
    pub results: Vec<u32>,
    /// Journal positions of their messages.
    pub positions: Vec<u64>,
    /// Hash of the tables in force then.
    pub policy: String,
}

/// Episodes in order of their first step; `results` are the rows of the same person.
pub(super) fn episodes(
    patient: &PooledPatient,
    results: &[ResultView],
    history: &History<'_>,
) -> Vec<EpisodeView> {
    if patient.transitions.is_empty() {
        return Vec::new();
    }
    let since = since(history, patient);
    let standings = recorded::episodes(&patient.transitions);
    let mut by_episode: BTreeMap<&EpisodeId, Vec<&Transition>> = BTreeMap::new();
    for transition in &patient.transitions {
        by_episode
            .entry(&transition.episode)
            .or_default()
            .push(transition);
    }
    let mut collected: BTreeMap<&ResultId, Timestamp> = BTreeMap::new();
    for observation in &patient.observations {
        if let Some(observed) = &observation.observed {
            collected.entry(&observation.id).or_insert(observed.at);
        }
    }
    let rows = Rows::of(results);
    let mut views: Vec<(Timestamp, EpisodeView)> = by_episode
        .into_iter()
        .filter_map(|(id, mut steps)| {
            steps.sort_by_key(|step| step.number);
            let first = steps.first()?;
            let standing = standings
                .get(id)
                .map_or(Standing::None, |recorded| recorded.standing);
            let told_of = collected.get(&first.opening).copied();
            let opened = since.get(id).copied().or(told_of);
            let view = EpisodeView {
                id: id.0.clone(),
                open: standing == Standing::Open,
                opened_at: opened.unwrap_or(first.at).to_rfc3339(),
                standing: match standing {
                    Standing::None => "retracted",
                    Standing::OtherOnly => "other_pattern",
                    Standing::Open => "open",
                    Standing::Closed => "resolved",
                    Standing::Merged => "merged",
                },
                filed_under: first.filed_under.exposed(),
                transitions: steps.iter().map(|step| transition(step, &rows)).collect(),
            };
            Some((first.at, view))
        })
        .collect();
    views.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
    views.into_iter().map(|(_, view)| view).collect()
}

fn transition(step: &Transition, rows: &Rows<'_>) -> TransitionView {
    let alert = step.alert.expose();
    let found: Vec<(u32, u64)> = alert
        .evidence
        .iter()
        .filter_map(|evidence| rows.find(evidence, step.evidence_through.0))
        .collect();
    let mut positions: Vec<u64> = found.iter().map(|(_, position)| *position).collect();
    positions.sort_unstable();
    positions.dedup();
    TransitionView {
        n: step.number,
        kind: step.kind,
        severity: step.severity,
        delivery: step.delivery.shown(),
        at: step.at.to_rfc3339(),
        alert_id: step.alert_id.0.clone(),
        classification: alert.classification.clone(),
        tier: alert.tier.clone(),
        tier_reason: alert.tier_reason.clone(),
        explanation: alert.explanation.clone(),
        about: about(&alert.patient),
        supersedes: alert.supersedes.clone(),
        evidence: EvidenceView {
            through: step.evidence_through.0,
            results: found.iter().map(|(n, _)| *n).collect(),
            positions,
            policy: alert.policy.clone(),
        },
    }
}

fn about(patient: &AlertPatient) -> Option<String> {
    let (authority, id) = (patient.authority.as_ref()?, patient.id.as_ref()?);
    Some(format!("{authority}:{id}"))
}

/// What a row of evidence and a version of a result have in common.
type Trait<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str);

fn traits(row: &Evidence) -> Trait<'_> {
    (
        &row.analyte,
        &row.order,
        &row.control_id,
        &row.feed,
        &row.status,
        &row.reported,
    )
}

/// The rows of a view by what an alert told of them.
struct Rows<'a>(BTreeMap<Trait<'a>, Vec<(u64, u32)>>);

impl<'a> Rows<'a> {
    fn of(results: &'a [ResultView]) -> Self {
        let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for result in results {
            let place = (result.position, result.n);
            rows.entry(traits(&result.row)).or_default().push(place);
        }
        for places in rows.values_mut() {
            places.sort_unstable();
        }
        Self(rows)
    }

    /// Number and position of the newest version up to a fact that says what the alert told.
    fn find(&self, evidence: &Evidence, through: u64) -> Option<(u32, u64)> {
        let places = self.0.get(&traits(evidence))?;
        let end = places.partition_point(|(position, _)| *position <= through);
        let (position, n) = places.get(..end)?.last()?;
        Some((*n, *position))
    }
}
