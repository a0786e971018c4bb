//! Taking back what was told (CLINICAL 6.4, rulings 3, 5, 25).

use super::assemble::Draft;
use super::decide::{Decision, Newest};
use super::recorded::Recorded;
use super::{Delivery, TransitionKind};
use crate::core::clinical::classify::{self, Classification, Rule, Tier, Verdict};
use crate::core::clinical::explain::{self, Fate};
use crate::core::clinical::observation::{Observation, ResultId, StatusClass};
use crate::core::clinical::panel::JudgedResult;
use crate::core::clinical::state::{self, State};
use crate::core::clinical::version::{self, Current};

impl<'d> Decision<'d, '_> {
    /// No Low of it stands any more: to everybody who was told, as urgently as it was told.
    pub(super) fn retract(&mut self, record: &mut Recorded<'_>) {
        let ground = if record.members.contains(&record.opening) {
            &record.opening
        } else {
            record.members.first().unwrap_or(&record.opening)
        };
        let ground = ground.clone();
        let versions: Vec<&'d Observation> = self
            .patient
            .observations
            .iter()
            .filter(|version| version.id == ground)
            .collect();
        let now = self
            .history
            .chart
            .results
            .iter()
            .find(|result| *result.id() == ground);
        let before = self.last_low(&versions, now.map(|result| result.current.observation));
        let anchor = self
            .history
            .chart
            .anchors
            .iter()
            .find(|anchor| *anchor.igm.id() == ground);
        let (fate, verdict) = match (now, anchor) {
            _ if versions.is_empty() => (Fate::Moved, classify::NO_IGM),
            (Some(_), Some(anchor)) if anchor.igm.state() == State::Low => {
                (Fate::Reclassified(anchor), anchor.verdict)
            }
            (Some(now), _) => (
                Fate::Changed {
                    before: before.as_ref(),
                    now,
                },
                match now.state() {
                    State::Unknown(why) => classify::indeterminate(why),
                    State::Low | State::Normal | State::High | State::NotLow => Verdict {
                        rule: Rule::R2,
                        classification: Classification::IgmNormal,
                        tier: Tier::None,
                        reason: None,
                    },
                },
            ),
            (None, _) => (Fate::Withdrawn(before.as_ref()), classify::NO_IGM),
        };
        let evidence: Vec<&JudgedResult<'_>> = match (anchor, now, &before) {
            (Some(anchor), _, _) => anchor.evidence().collect(),
            (None, Some(now), _) => vec![now],
            (None, None, Some(before)) => vec![before],
            (None, None, None) => Vec::new(),
        };
        let draft = Draft {
            kind: TransitionKind::Retracted,
            severity: record.severity,
            delivery: if record.paged && !self.history.chart.person.dead {
                Delivery::Page
            } else {
                Delivery::Worklist
            },
            classification: verdict.classification,
            tier: verdict.tier,
            tier_reason: verdict.reason,
            anchor,
            evidence,
            explanation: explain::retracted(&fate),
            supersedes: None,
        };
        let newest = self.newest_about(&ground, record);
        self.record(record, &draft, Vec::new(), newest);
    }

    /// The newest fact about a result: any version or withdrawal of its order.
    fn newest_about(&self, ground: &ResultId, record: &Recorded<'_>) -> Newest {
        let about = |version: &&Observation| {
            version.id.patient == ground.patient
                && version.id.order == ground.order
                && version.id.analyte == ground.analyte
        };
        let version = self
            .patient
            .observations
            .iter()
            .filter(about)
            .max_by_key(|version| version.position);
        let group = self
            .patient
            .group_withdrawals
            .iter()
            .filter(|(patient, group)| *patient == ground.patient && group.order == ground.order)
            .map(|(_, group)| group.position)
            .max()
            .unwrap_or_default();
        let own = version.map(|version| version.position).unwrap_or_default();
        Newest {
            collected: None,
            position: own.max(group),
            received_at: self.now,
            listener: version.filter(|_| own >= group).map_or_else(
                || record.listener.clone(),
                |version| version.shown.listener.clone(),
            ),
        }
    }

    /// The version of a result, before the one that stands, that was last read as low.
    fn last_low(
        &self,
        versions: &[&'d Observation],
        standing: Option<&Observation>,
    ) -> Option<JudgedResult<'d>> {
        let person = &self.history.chart.person;
        let birth = person.birth.as_ref().map(|birth| *birth.expose());
        let sex = person.sex.as_ref().map(|sex| *sex.expose());
        let mut earlier: Vec<_> = versions
            .iter()
            .copied()
            .filter(|version| {
                version.status.class == StatusClass::Final
                    && standing.is_none_or(|standing| standing.content_hash != version.content_hash)
            })
            .collect();
        earlier.sort_by(|a, b| version::compare(b, a));
        earlier.into_iter().find_map(|observation| {
            let current = Current {
                observation,
                class: StatusClass::Final,
                promoted: false,
                position: observation.position,
                received_at: observation.received_at,
            };
            let judged = state::state(&current, sex, birth.as_ref(), self.policy);
            (judged.state == State::Low).then_some(JudgedResult { current, judged })
        })
    }
}
