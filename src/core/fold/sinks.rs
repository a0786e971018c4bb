//! What sinks and people did with alerts, folded: cursors, dead letters, what is to be sent again,
//! acknowledgements, mutes, and pages that nobody has acknowledged.

use super::apply::Fold;
use super::keys;
use super::state::StateError;
use super::tables;
use super::values::{AckMark, AgainMark, DeliveryMark, DeliveryOutcome};
use crate::core::delivery::escalation::OpenPage;
use crate::core::delivery::{
    Acknowledged, Escalated, Muted, Passed, Replayed, Requeued, SinksSeen, Unmuted,
};
use crate::core::episode::{Delivery, EpisodeId, Transition, TransitionKind};
use crate::core::fact::JournalPosition;

impl Fold<'_> {
    /// Notes what a sink did with an alert; alerts that are not in the log are passed over. What is
    /// done with is no longer to be sent again; the cursor moves where it was the next one.
    pub(super) fn delivery(
        &mut self,
        sink: &str,
        alert_id: &str,
        change: impl FnOnce(&mut DeliveryMark),
    ) -> Result<(), StateError> {
        let Some(place) = self.place(alert_id)? else {
            return Ok(());
        };
        let key = keys::delivery(sink, place);
        let mut mark: DeliveryMark = self
            .overlay
            .load(tables::DELIVERIES, &key)?
            .unwrap_or_default();
        change(&mut mark);
        let done = mark.outcome.is_some();
        let dead = matches!(mark.outcome, Some(DeliveryOutcome::Dead { .. }));
        self.overlay.store(tables::DELIVERIES, key, &mark)?;
        let letter = keys::sink_place(keys::DEAD, sink, place);
        if dead {
            self.overlay.store(tables::DEAD, letter, &())?;
        } else {
            self.overlay.delete(letter);
        }
        let before = self.cursor(sink)?.unwrap_or_default();
        if done {
            self.overlay
                .delete(keys::sink_place(keys::AGAIN, sink, place));
        }
        if done {
            self.move_cursor(sink, place.saturating_sub(1), place)
        } else {
            self.set_cursor(sink, before)
        }
    }

    /// A sink that was never seen before begins behind the newest alert.
    pub(super) fn sinks_seen(&mut self, seen: &SinksSeen) -> Result<(), StateError> {
        let key = keys::named(keys::META, tables::META_LAST_ALERT);
        let last: u64 = self.overlay.load(tables::META, &key)?.unwrap_or_default();
        for sink in &seen.sinks {
            if self.cursor(sink)?.is_none() {
                self.set_cursor(sink, last)?;
            }
        }
        Ok(())
    }

    pub(super) fn passed(&mut self, passed: &Passed) -> Result<(), StateError> {
        self.move_cursor(&passed.sink, passed.after, passed.through)
    }

    /// A sink takes alerts in the order of the log, so one that is done with puts its cursor there; where
    /// facts between were lost, too. Not so while the past is sent again: what was under way then must not
    /// end that.
    fn move_cursor(&mut self, sink: &str, from: u64, to: u64) -> Result<(), StateError> {
        let before = self.cursor(sink)?.unwrap_or_default();
        let key = keys::named(keys::REPLAYS, sink);
        let until: Option<u64> = self.overlay.load(tables::REPLAYS, &key)?;
        if until.is_some() && from != before {
            return self.set_cursor(sink, before);
        }
        let after = before.max(to);
        if until.is_some_and(|until| after >= until) {
            self.overlay.delete(key);
        }
        self.set_cursor(sink, after)
    }

    pub(super) fn requeued(&mut self, asked: &Requeued) -> Result<(), StateError> {
        for alert_id in &asked.alert_ids {
            self.again(&asked.sink, alert_id, 0)?;
        }
        Ok(())
    }

    pub(super) fn replayed(&mut self, asked: &Replayed) -> Result<(), StateError> {
        let before = self.cursor(&asked.sink)?.unwrap_or_default();
        if asked.after >= before {
            return Ok(());
        }
        let key = keys::named(keys::REPLAYS, &asked.sink);
        let until: Option<u64> = self.overlay.load(tables::REPLAYS, &key)?;
        let until = until.unwrap_or_default().max(before);
        self.overlay.store(tables::REPLAYS, key, &until)?;
        self.set_cursor(&asked.sink, asked.after)
    }

    pub(super) fn escalated(&mut self, escalated: &Escalated) -> Result<(), StateError> {
        let Some(place) = self.place(&escalated.alert_id)? else {
            return Ok(());
        };
        let Some(transition) = super::views::alert_at(&self.overlay, place)? else {
            return Ok(());
        };
        let key = keys::open_page(&transition.episode.0, place);
        let page: Option<OpenPage> = self.overlay.load(tables::OPEN_PAGES, &key)?;
        let Some(mut page) = page else {
            return Ok(());
        };
        if !page.fired.insert(escalated.rule.clone()) {
            return Ok(());
        }
        self.overlay.store(tables::OPEN_PAGES, key, &page)?;
        for sink in &escalated.sinks {
            self.again(sink, &escalated.alert_id, escalated.step)?;
        }
        Ok(())
    }

    /// An alert that a sink is to be given again, whatever became of it there.
    fn again(&mut self, sink: &str, alert_id: &str, step: u32) -> Result<(), StateError> {
        let Some(place) = self.place(alert_id)? else {
            return Ok(());
        };
        // Still ahead of the cursor: it comes anyway.
        if step == 0 && place > self.cursor(sink)?.unwrap_or_default() {
            return Ok(());
        }
        self.overlay
            .delete(keys::sink_place(keys::DEAD, sink, place));
        self.overlay.delete(keys::delivery(sink, place));
        let key = keys::sink_place(keys::AGAIN, sink, place);
        self.overlay.store(tables::AGAIN, key, &AgainMark { step })
    }

    /// Keeps an acknowledgement at its episode; the step of the episode that tells of it is decided.
    pub(super) fn acknowledged(
        &mut self,
        position: JournalPosition,
        fact: &Acknowledged,
    ) -> Result<(), StateError> {
        let Some(place) = self.place(&fact.alert_id)? else {
            return Ok(());
        };
        let Some(transition) = super::views::alert_at(&self.overlay, place)? else {
            return Ok(());
        };
        let mark = AckMark {
            fact: fact.clone(),
            position,
            filed_under: transition.filed_under.clone(),
        };
        let key = keys::named(keys::ACKS, &transition.episode.0);
        self.overlay.store(tables::ACKS, key, &mark)?;
        let key = keys::pending_ack(position);
        self.overlay
            .store(tables::PENDING_ACKS, key, &transition.episode)?;
        self.close_pages(&transition.episode)
    }

    pub(super) fn muted(&mut self, muted: &Muted) -> Result<(), StateError> {
        let key = keys::named(keys::MUTES, &muted.id);
        self.overlay.store(tables::MUTES, key, muted)
    }

    pub(super) fn unmuted(&mut self, unmuted: &Unmuted) {
        self.overlay.delete(keys::named(keys::MUTES, &unmuted.id));
    }

    /// What a new alert means for the pages that wait for an acknowledgement.
    pub(super) fn note_page(
        &mut self,
        place: u64,
        transition: &Transition,
    ) -> Result<(), StateError> {
        match transition.kind {
            TransitionKind::Resolved | TransitionKind::Retracted | TransitionKind::Acknowledged => {
                self.close_pages(&transition.episode)
            }
            TransitionKind::Detected
            | TransitionKind::Confirmed
            | TransitionKind::Progressed
            | TransitionKind::OtherPattern
                if transition.delivery == Delivery::Page =>
            {
                let page = OpenPage {
                    alert_id: transition.alert_id.0.clone(),
                    episode: transition.episode.clone(),
                    severity: transition.severity,
                    at: transition.at,
                    fired: std::collections::BTreeSet::new(),
                };
                let key = keys::open_page(&transition.episode.0, place);
                self.overlay.store(tables::OPEN_PAGES, key, &page)
            }
            TransitionKind::Detected
            | TransitionKind::Confirmed
            | TransitionKind::Progressed
            | TransitionKind::OtherPattern
            | TransitionKind::Reopened => Ok(()),
        }
    }

    /// Acknowledgements that a decision has turned into steps.
    pub(super) fn acks_told(&mut self, through: JournalPosition) -> Result<(), StateError> {
        for (key, _) in self.overlay.scan_all(&[keys::PENDING_ACKS])? {
            let position = key.get(1..).and_then(keys::read_number);
            if position.is_none_or(|position| position <= through.0) {
                self.overlay.delete(key);
            }
        }
        Ok(())
    }

    fn close_pages(&mut self, episode: &EpisodeId) -> Result<(), StateError> {
        let pages = keys::named(keys::OPEN_PAGES, &episode.0);
        for (key, _) in self.overlay.scan_all(&pages)? {
            self.overlay.delete(key);
        }
        Ok(())
    }

    fn place(&self, alert_id: &str) -> Result<Option<u64>, StateError> {
        let id = keys::named(keys::ALERT_IDS, alert_id);
        let place: Option<Option<u64>> = self.overlay.load(tables::ALERT_IDS, &id)?;
        Ok(place.flatten())
    }

    fn cursor(&self, sink: &str) -> Result<Option<u64>, StateError> {
        self.overlay
            .load(tables::SINKS, &keys::named(keys::SINKS, sink))
    }

    fn set_cursor(&mut self, sink: &str, place: u64) -> Result<(), StateError> {
        let key = keys::named(keys::SINKS, sink);
        self.overlay.store(tables::SINKS, key, &place)
    }
}
