//! A flood of alerts as one message (`digest`).

use super::{Dealt, Failed, Queue, QueueSettings};
use crate::clock;
use crate::core::delivery::Passed;
use crate::core::delivery::digest::Turn;
use crate::core::episode::{Severity, Transition};
use crate::core::fact::Fact;
use crate::core::fold::state::StateError;
use crate::core::fold::views::{self, Run, Waiting};
use crate::deliver::{Letter, SinkError};
use crate::telemetry::events;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Alerts of a digest at most.
const DIGEST_AT_MOST: usize = 500;

impl Queue {
    /// Deals with an alert in a flood; `None` where it goes by itself.
    pub(super) async fn flood(&mut self, waiting: &Waiting) -> Result<Option<Dealt>, Failed> {
        let Some(digest) = self.settings.digest else {
            return Ok(None);
        };
        let now = clock::monotonic();
        let since = |at: &Instant| now.saturating_duration_since(*at);
        while self
            .kept
            .went
            .front()
            .is_some_and(|at| since(at) >= digest.within)
        {
            self.kept.went.pop_front();
        }
        if waiting.step > 0 || waiting.transition.severity == Severity::Urgent {
            return Ok(None);
        }
        let Ok(run) = self.run_ahead().await else {
            return Ok(Some(Dealt::Nothing));
        };
        if run.alerts.first().map(|first| first.place) != Some(waiting.place) {
            return Ok(None);
        }
        // What a digest had begun with goes as it was, or its id would be another.
        let begun = run
            .alerts
            .iter()
            .take_while(|one| one.attempted.is_some())
            .count();
        let ages: Vec<Duration> = self.kept.went.iter().map(since).collect();
        match digest.turn(&ages, run.urgent_follows, begun > 1) {
            Turn::Wait(left) => {
                self.kept.holding = true;
                Ok(Some(Dealt::Held(now + left)))
            }
            Turn::Alone if !std::mem::take(&mut self.kept.holding) || run.alerts.len() < 2 => {
                if waiting.attempted.is_none() {
                    self.kept.went.push_back(now);
                }
                Ok(None)
            }
            Turn::Alone | Turn::Together => {
                self.kept.holding = false;
                let all = if begun > 1 { begun } else { run.alerts.len() };
                self.together(run, all).await.map(|()| Some(Dealt::Done))
            }
        }
    }

    async fn run_ahead(&self) -> Result<Run, StateError> {
        let (name, choice) = (self.settings.name.clone(), self.settings.choice.clone());
        let now = clock::now();
        let read = move |state: &dyn crate::core::fold::state::State| {
            let mutes = views::mutes(state)?;
            let passes = |transition: &Transition| choice.passes(transition, &mutes, now);
            views::run(state, &name, &passes, DIGEST_AT_MOST)
        };
        self.state.read_apart(read).await
    }

    /// The first `all` alerts of a run as one message: `Attempted` of each before, how it ended of each
    /// after, what lies between passed over.
    async fn together(&mut self, run: Run, all: usize) -> Result<(), Failed> {
        let alerts: Vec<&Waiting> = run.alerts.iter().take(all).collect();
        let begun = alerts.first().and_then(|first| first.attempted);
        let first = begun.unwrap_or_else(clock::now);
        let QueueSettings {
            name,
            site,
            choice,
            links,
            ..
        } = self.settings.clone();
        let transitions: Vec<&Transition> = alerts.iter().map(|one| &one.transition).collect();
        let letter = Letter::digest(&transitions, &site, choice.phi, &links, first);
        let failed = |error| Failed {
            id: letter.id().to_owned(),
            error,
        };
        let new = alerts.iter().filter(|one| one.attempted.is_none());
        let attempted: Vec<Fact> = new
            .map(|one| Fact::Attempted {
                sink: name.clone(),
                alert_id: one.transition.alert_id.0.clone(),
                at: first,
            })
            .collect();
        if !attempted.is_empty() {
            self.record_all(attempted).await.map_err(failed)?;
        }
        let sent = self.send(&letter).await;
        let at = clock::now();
        let refused = match sent {
            Ok(()) => None,
            Err(SinkError::Never(reason)) => Some(reason),
            Err(SinkError::Later { why, .. }) if self.too_late(first, at) => {
                Some(format!("given up: {why}"))
            }
            Err(later @ SinkError::Later { .. }) => return Err(failed(later)),
        };
        let mut facts: BTreeMap<u64, Fact> = BTreeMap::new();
        let last = alerts.last().map_or(0, |last| last.place);
        for one in &alerts {
            let (sink, alert_id) = (name.clone(), one.transition.alert_id.0.clone());
            let fact = match &refused {
                None => {
                    events::delivered(&sink, &alert_id);
                    Fact::Delivered { sink, alert_id, at }
                }
                Some(reason) => self.dead(sink, alert_id, at, reason.clone()),
            };
            facts.insert(one.place, fact);
        }
        for (place, reason) in run.passed.iter().filter(|(place, _)| *place < last) {
            let passed = Passed {
                sink: name.clone(),
                after: place.saturating_sub(1),
                through: *place,
                reason: (*reason).to_owned(),
                at,
            };
            facts.insert(*place, Fact::Passed(passed));
        }
        let recorded = self.record_all(facts.into_values().collect()).await;
        self.wait_folded(recorded.map_err(failed)?).await;
        Ok(())
    }
}
