//! What the worklist is made of: episodes that stand, and patients whom a person should look at. Both are
//! brought up to date when a decision is folded, for those whom it was about.

use super::apply::Fold;
use super::keys;
use super::overlay::Overlay;
use super::pool::Component;
use super::records;
use super::state::{State, StateError};
use super::tables;
use super::values::{DirtyMark, ReviewMark, StandingEpisode};
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::PatientKey;
use crate::core::clinical::results::Results;
use crate::core::episode::assess::assess;
use crate::core::episode::recorded::{self, Standing};
use crate::core::episode::{EpisodeId, Transition, TransitionKind};
use crate::core::policy::Policy;
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;
use std::collections::BTreeSet;

impl Fold<'_> {
    /// The list of standing episodes, for one that has a new step.
    pub(super) fn list_episode(
        &mut self,
        filed_under: &PatientKey,
        episode: &EpisodeId,
    ) -> Result<(), StateError> {
        let steps = records::transitions(&self.overlay, filed_under)?.into_iter();
        let steps: Vec<Transition> = steps
            .map(|(_, step)| step)
            .filter(|step| step.episode == *episode)
            .collect();
        let key = keys::named(keys::STANDING, &episode.0);
        match standing(&steps, episode) {
            Some(standing) => self.overlay.store(tables::STANDING, key, &standing),
            None => {
                self.overlay.delete(key);
                Ok(())
            }
        }
    }

    /// The list of reviews, for those about whom was decided.
    pub(super) fn list_reviews(
        &mut self,
        about: &[(PatientKey, DirtyMark)],
        now: Timestamp,
        policy: &Policy,
    ) -> Result<(), StateError> {
        let mut done = BTreeSet::new();
        for (patient, mark) in about {
            let component = Component::around(&self.overlay, patient)?;
            let reached = if mark.identity {
                component.survivors()
            } else {
                component.survivors_reached_from(patient)
            };
            // An id that gave way is nobody to look at any more.
            if mark.identity {
                for id in &component.keys {
                    self.overlay.delete(keys::patient(keys::REVIEW, id));
                }
            }
            for survivor in reached {
                if done.insert(survivor.clone()) {
                    let person = component.pooled(&self.overlay, &survivor)?;
                    self.list_review(&survivor, &person, now, policy)?;
                }
            }
        }
        Ok(())
    }

    fn list_review(
        &mut self,
        survivor: &PatientKey,
        person: &PooledPatient,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<(), StateError> {
        let key = keys::patient(keys::REVIEW, survivor);
        let results = Results::judge(person, policy);
        let chart = Chart::read(&results, policy);
        let assessment = assess(&chart, person, policy, now);
        let Some(reason) = assessment.review else {
            self.overlay.delete(key);
            return Ok(());
        };
        let before: Option<ReviewMark> = self.overlay.load(tables::REVIEW, &key)?;
        let since = before.filter(|before| before.reason == reason);
        let mark = ReviewMark {
            patient: survivor.clone(),
            reason: reason.to_owned(),
            first: assessment.review_first,
            since: since.map_or(now, |before| before.since),
        };
        self.overlay.store(tables::REVIEW, key, &mark)
    }
}

fn standing(steps: &[Transition], episode: &EpisodeId) -> Option<StandingEpisode> {
    let episodes = recorded::episodes(steps);
    let recorded = episodes.get(episode)?;
    let other = match recorded.standing {
        Standing::Open => false,
        Standing::OtherOnly => true,
        Standing::None | Standing::Closed | Standing::Merged => return None,
    };
    // What it was last said to be; a silent reopening says nothing new.
    let says = |step: &&Transition| {
        matches!(
            step.kind,
            TransitionKind::Detected
                | TransitionKind::Confirmed
                | TransitionKind::Progressed
                | TransitionKind::OtherPattern
        )
    };
    let last = steps.iter().filter(says).max_by_key(|step| step.number)?;
    let first = steps.iter().min_by_key(|step| step.number)?;
    let alert = last.alert.expose();
    Some(StandingEpisode {
        episode: episode.0.clone(),
        filed_under: last.filed_under.clone(),
        alert_id: last.alert_id.0.clone(),
        kind: last.kind,
        severity: recorded.severity,
        delivery: last.delivery.shown(),
        classification: alert.classification.clone(),
        tier: alert.tier.clone(),
        tier_reason: alert.tier_reason.clone(),
        missing: alert.missing.clone(),
        other,
        confirmed: recorded.confirmed,
        paged: recorded.paged,
        opened_at: first.at,
        last_at: last.at,
    })
}

/// All episodes that stand, in the order of their ids.
pub fn standing_episodes(state: &dyn State) -> Result<Vec<StandingEpisode>, StateError> {
    Overlay::new(state).load_all(tables::STANDING, &[keys::STANDING])
}

/// All patients whom a person should look at, in the order of their keys.
pub fn reviews(state: &dyn State) -> Result<Vec<ReviewMark>, StateError> {
    Overlay::new(state).load_all(tables::REVIEW, &[keys::REVIEW])
}
