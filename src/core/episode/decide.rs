//! What is news: the difference between the walk over a person's results and what was recorded.
//!
//! Invariants: deciding again after recording gives nothing; once all facts are in, the same episodes
//! are open and the same closed, whatever the order in which they came (DESIGN.md, law (b)).

use super::assemble::{Draft, alert};
use super::claims::Claims;
use super::history::{Episode, History, OtherPattern, Step, walk};
use super::identity::{alert_id, episode_id};
use super::recorded::{self, KNOWN, MERGED, Recorded, Standing};
use super::{Delivery, EpisodeId, Severity, Transition, TransitionKind};
use crate::core::clinical::chart::{Anchor, Chart};
use crate::core::clinical::explain;
use crate::core::clinical::observation::ResultId;
use crate::core::clinical::panel::JudgedResult;
use crate::core::clinical::results::Results;
use crate::core::fact::JournalPosition;
use crate::core::phi::Phi;
use crate::core::policy::{Policy, SuppressKnown};
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The transitions that a person's facts call for and that are not recorded yet, in order.
///
/// `now` is the time of the newest fact; it becomes the transitions' time, and acknowledgements as
/// "known" expire against it. Deterministic; never two episodes open at once.
pub fn decide(patient: &PooledPatient, policy: &Policy, now: Timestamp) -> Vec<Transition> {
    let results = Results::judge(patient, policy);
    let chart = Chart::read(&results, policy);
    news(&walk(&chart, policy), patient, policy, now)
}

/// As [`decide`], for a person whose results were walked over already.
pub fn news(
    history: &History<'_>,
    patient: &PooledPatient,
    policy: &Policy,
    now: Timestamp,
) -> Vec<Transition> {
    let mut recorded = recorded::episodes(&patient.transitions);
    let claims = Claims::of(history, &recorded, patient);
    let mut decision = Decision {
        patient,
        policy,
        history,
        known: acknowledged_as_known(patient, policy, now),
        now,
        policy_hash: None,
        out: Vec::new(),
    };
    for id in &claims.groundless {
        if let Some(record) = recorded.get_mut(id) {
            decision.retract(record);
        }
    }
    for (episode, claimants) in history.episodes.iter().zip(&claims.episodes) {
        decision.episode(episode, claimants, &mut recorded);
    }
    for (run, claimants) in history.other_patterns.iter().zip(&claims.other_patterns) {
        decision.other_pattern(run, claimants, &mut recorded);
    }
    decision.out
}

/// An `acknowledged` that says immunology knows the patient, not older than `known_for`.
pub(super) fn acknowledged_as_known(
    patient: &PooledPatient,
    policy: &Policy,
    now: Timestamp,
) -> bool {
    patient.transitions.iter().any(|transition| {
        transition.kind == TransitionKind::Acknowledged
            && transition.alert.expose().tier_reason.as_deref() == Some(KNOWN)
            && now.since(transition.at) <= policy.detection.known_for
    })
}

/// A decision in the making.
pub(super) struct Decision<'d, 'a> {
    pub(super) patient: &'d PooledPatient,
    pub(super) policy: &'d Policy,
    pub(super) history: &'d History<'a>,
    known: bool,
    pub(super) now: Timestamp,
    policy_hash: Option<String>,
    out: Vec<Transition>,
}

/// The newest facts behind a transition.
pub(super) struct Newest {
    pub(super) collected: Option<Timestamp>,
    pub(super) position: JournalPosition,
    pub(super) received_at: Timestamp,
    pub(super) listener: String,
}

impl Newest {
    /// Of some results.
    fn of(evidence: &[&JudgedResult<'_>]) -> Option<Self> {
        let newest = evidence
            .iter()
            .max_by_key(|result| result.current.position)?;
        Some(Self {
            collected: evidence
                .iter()
                .filter_map(|result| Some(result.observed()?.at))
                .max(),
            position: newest.current.position,
            received_at: newest.current.received_at,
            listener: newest.current.observation.shown.listener.clone(),
        })
    }
}

impl<'d, 'a> Decision<'d, 'a> {
    /// One episode of the walk, with the recorded ones that are it.
    fn episode(
        &mut self,
        episode: &Episode<'a>,
        claimants: &[EpisodeId],
        recorded: &mut BTreeMap<EpisodeId, Recorded<'_>>,
    ) {
        let Some(opening) = episode.opening() else {
            return;
        };
        let id = match claimants.first() {
            Some(id) => id.clone(),
            None => episode_id(&self.policy.site.name, opening.igm.id()),
        };
        for other in claimants.iter().skip(1) {
            if let Some(record) = recorded.get_mut(other) {
                self.merge(record, episode, &id);
            }
        }
        if claimants.is_empty() && self.history.chart.person.deleted {
            // A29: no new detection.
            return;
        }
        let record = recorded
            .entry(id.clone())
            .or_insert_with(|| Recorded::new(id, opening.igm.id().clone()));
        match record.standing {
            Standing::None | Standing::OtherOnly => {
                let quiet = record.quiet_through;
                let sight = episode.first_sight(|anchor| self.pages_at_sight(anchor, quiet));
                if let Some(sight) = sight {
                    self.detect(record, episode, sight);
                }
            }
            Standing::Closed | Standing::Merged if episode.open => self.reopen(record, episode),
            Standing::Closed | Standing::Merged => return,
            Standing::Open => {}
        }
        for step in &episode.steps {
            match step.kind {
                TransitionKind::Confirmed if !record.confirmed => {
                    self.confirm(record, episode, step);
                }
                TransitionKind::Progressed => self.progress(record, episode, step),
                TransitionKind::Confirmed
                | TransitionKind::Detected
                | TransitionKind::Resolved
                | TransitionKind::Retracted
                | TransitionKind::Acknowledged
                | TransitionKind::OtherPattern
                | TransitionKind::Reopened => {}
            }
        }
        match episode.resolution() {
            Some(step) => self.resolve(record, episode, step),
            None => self.detect_again(record, episode),
        }
    }

    fn confirm(&mut self, record: &mut Recorded<'_>, episode: &Episode<'a>, step: &Step<'a>) {
        let Some(earlier) = &step.earlier else { return };
        let delivery = self.delivery(step.kind, step.anchor, step.severity, episode.open);
        let mut draft = self.draft(
            step.kind,
            step.anchor,
            step.severity,
            delivery,
            explain::confirmed(earlier, step.anchor),
        );
        if earlier.is_complete() && !step.anchor.is_complete() {
            draft.tier = earlier.verdict.tier;
            draft.tier_reason = earlier.verdict.reason;
        }
        for result in earlier.evidence() {
            if !draft.evidence.iter().any(|row| row.id() == result.id()) {
                draft.evidence.push(result);
            }
        }
        self.emit(record, draft, ids(episode));
    }

    fn progress(&mut self, record: &mut Recorded<'_>, episode: &Episode<'a>, step: &Step<'a>) {
        let classification = step.anchor.verdict.classification.word();
        let Some(opening) = episode.opening() else {
            return;
        };
        if record.progressed.contains(classification) {
            return;
        }
        let delivery = self.delivery(step.kind, step.anchor, step.severity, episode.open);
        let draft = self.draft(
            step.kind,
            step.anchor,
            step.severity,
            delivery,
            explain::progressed(opening.observed.date, step.anchor),
        );
        self.emit(record, draft, ids(episode));
    }

    fn resolve(&mut self, record: &mut Recorded<'_>, episode: &Episode<'a>, step: &Step<'a>) {
        let Some(opening) = episode.opening() else {
            return;
        };
        // It goes to those who were paged (CLINICAL 9.5).
        let delivery = self.delivery(step.kind, step.anchor, step.severity, record.paged);
        let draft = self.draft(
            step.kind,
            step.anchor,
            step.severity,
            delivery,
            explain::resolved(opening.observed.date, step.anchor),
        );
        self.emit(record, draft, ids(episode));
    }

    /// Another episode of the same person took this one over (CLINICAL 9.6).
    fn merge(&mut self, record: &mut Recorded<'_>, episode: &Episode<'a>, survivor: &EpisodeId) {
        if record.standing != Standing::Open {
            return;
        }
        let Some(anchor) = episode.members.last() else {
            return;
        };
        let draft = Draft {
            tier_reason: Some(MERGED),
            supersedes: Some(survivor.0.clone()),
            ..self.draft(
                TransitionKind::Resolved,
                anchor,
                Severity::Routine,
                Delivery::Worklist,
                explain::merged(),
            )
        };
        let members = record.members.to_vec();
        self.emit(record, draft, members);
    }

    /// R3 to R7 outside of any episode (CLINICAL 9.16): once a run and classification.
    fn other_pattern(
        &mut self,
        run: &OtherPattern<'a>,
        claimants: &[EpisodeId],
        recorded: &mut BTreeMap<EpisodeId, Recorded<'_>>,
    ) {
        let Some(first) = run.members.first() else {
            return;
        };
        // A claimant may just have become an episode: one of its IgM is alone now.
        let still_other = |id: &&EpisodeId| {
            recorded
                .get(*id)
                .is_some_and(|record| record.standing == Standing::OtherOnly)
        };
        let id = match claimants.iter().find(still_other) {
            Some(id) => id.clone(),
            None => episode_id(&self.policy.site.name, first.igm.id()),
        };
        let record = recorded
            .entry(id.clone())
            .or_insert_with(|| Recorded::new(id, first.igm.id().clone()));
        // The opening of an episode that goes on by a later Low: its new class is no news of its own.
        if record.is_live() {
            return;
        }
        if record.standing == Standing::None && self.history.chart.person.deleted {
            return;
        }
        let members: Vec<ResultId> = run
            .members
            .iter()
            .map(|member| member.igm.id().clone())
            .collect();
        for anchor in run.firsts() {
            if record.other.contains(anchor.verdict.classification.word()) {
                continue;
            }
            let kind = TransitionKind::OtherPattern;
            let delivery = self.delivery(kind, anchor, anchor.severity, anchor.wants_page);
            let draft = self.draft(
                kind,
                anchor,
                anchor.severity,
                delivery,
                explain::standing(anchor, &self.policy.detection),
            );
            self.emit(record, draft, members.clone());
        }
    }

    /// Page or worklist: what 6.4 wishes, held back by death, age of the evidence and suppression.
    pub(super) fn delivery(
        &self,
        kind: TransitionKind,
        anchor: &Anchor<'a>,
        severity: Severity,
        wish: bool,
    ) -> Delivery {
        let detection = &self.policy.detection;
        let evidence: Vec<_> = anchor.evidence().collect();
        let old = Newest::of(&evidence).is_none_or(|newest| {
            newest
                .collected
                .is_none_or(|at| newest.received_at.since(at) > detection.max_age_to_page)
        });
        let known = self.known || anchor.gravity.flags.known;
        let finding = matches!(kind, TransitionKind::Detected | TransitionKind::Confirmed);
        let news = finding
            || matches!(
                kind,
                TransitionKind::Progressed | TransitionKind::OtherPattern
            );
        let suppressed = known
            && severity < Severity::Urgent
            && match detection.suppress_known {
                SuppressKnown::Off => false,
                SuppressKnown::Routine => finding,
                SuppressKnown::All => news,
            };
        if wish && !old && !suppressed && !self.history.chart.person.dead {
            Delivery::Page
        } else {
            Delivery::Worklist
        }
    }

    /// A transition about one IgM, with its panel as evidence.
    pub(super) fn draft<'r>(
        &self,
        kind: TransitionKind,
        anchor: &'r Anchor<'a>,
        severity: Severity,
        delivery: Delivery,
        sentence: String,
    ) -> Draft<'r, 'a> {
        let chart = &self.history.chart;
        let remarks = if kind == TransitionKind::Resolved {
            String::new()
        } else {
            explain::remarks(anchor, chart.beside(anchor, self.policy), chart.person)
        };
        Draft {
            kind,
            severity,
            delivery,
            classification: anchor.verdict.classification,
            tier: anchor.verdict.tier,
            tier_reason: anchor.verdict.reason,
            anchor: Some(anchor),
            evidence: anchor.evidence().collect(),
            explanation: sentence + &remarks,
            supersedes: None,
        }
    }

    /// Records a draft whose evidence is its rows.
    pub(super) fn emit(
        &mut self,
        record: &mut Recorded<'_>,
        draft: Draft<'_, 'a>,
        members: Vec<ResultId>,
    ) {
        if let Some(newest) = Newest::of(&draft.evidence) {
            self.record(record, &draft, members, newest);
        }
    }

    /// Numbers a draft, fills in its alert, and takes it into account.
    pub(super) fn record(
        &mut self,
        record: &mut Recorded<'_>,
        draft: &Draft<'_, '_>,
        members: Vec<ResultId>,
        newest: Newest,
    ) {
        let number = record.number.saturating_add(1);
        let alert_id = alert_id(&self.policy.site.name, &record.id, number);
        let policy = self.policy;
        let hash = self.policy_hash.get_or_insert_with(|| policy.hash());
        let data = alert(
            draft,
            &alert_id.0,
            &record.id.0,
            self.history.chart,
            self.patient,
            policy,
            hash,
        );
        let transition = Transition {
            episode: record.id.clone(),
            number,
            alert_id,
            kind: draft.kind,
            severity: draft.severity,
            delivery: draft.delivery,
            filed_under: record.filed_under.clone(),
            opening: record.opening.clone(),
            members,
            evidence_through: newest.position,
            at: self.now,
            alert: Phi::new(data),
            listener: newest.listener,
        };
        record.apply(&transition, Cow::Owned(transition.members.clone()));
        self.out.push(transition);
    }
}

pub(super) fn ids(episode: &Episode<'_>) -> Vec<ResultId> {
    episode.ids().cloned().collect()
}

#[cfg(test)]
mod tests;
