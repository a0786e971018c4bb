//! Telling of an episode at first sight, and again (CLINICAL 6.4, ruling 15, ADR 6).

use super::assemble::Draft;
use super::decide::{Decision, ids};
use super::history::Episode;
use super::recorded::Recorded;
use super::{Delivery, Severity, TransitionKind};
use crate::core::clinical::chart::Anchor;
use crate::core::clinical::classify::Tier;
use crate::core::clinical::explain::{self, Seen};
use crate::core::clinical::severity;
use crate::core::fact::JournalPosition;

impl<'a> Decision<'_, 'a> {
    /// First sight, or again with a number of its own (CLINICAL 9.15).
    pub(super) fn detect(
        &mut self,
        record: &mut Recorded<'_>,
        episode: &Episode<'a>,
        anchor: &Anchor<'a>,
    ) {
        let severity = if record.confirmed {
            anchor.severity.max(severity::of_confirmed(&anchor.gravity))
        } else {
            anchor.severity
        };
        let delivery = self.delivery(
            TransitionKind::Detected,
            anchor,
            severity,
            anchor.wants_page && episode.open,
        );
        let seen = match episode.opening() {
            Some(opening) if opening.igm.id() != anchor.igm.id() => {
                let first = opening.observed.date;
                if record.confirmed {
                    Seen::Persistent { first }
                } else {
                    Seen::Since { first }
                }
            }
            Some(_) | None => Seen::Now,
        };
        let draft = self.draft(
            TransitionKind::Detected,
            anchor,
            severity,
            delivery,
            explain::detected(anchor, seen, &self.policy.detection),
        );
        let draft = Draft {
            supersedes: record.last_sight.as_ref().map(|id| id.0.clone()),
            ..draft
        };
        self.emit(record, draft, ids(episode));
    }

    /// Once more: where it has become urgent, where nobody was paged yet and a Low is there that pages
    /// (ADR 6), or where the worklist is to say that the panel is complete now.
    pub(super) fn detect_again(&mut self, record: &mut Recorded<'_>, episode: &Episode<'a>) {
        let Some(loudest) = episode.loudest() else {
            return;
        };
        if loudest.severity == Severity::Urgent && record.severity < Severity::Urgent {
            self.detect(record, episode, loudest);
        }
        if record.paged {
            return;
        }
        let quiet = record.quiet_through;
        let paging = episode.loudest_of(|anchor| self.pages_at_sight(anchor, quiet));
        if let Some(anchor) = paging {
            self.detect(record, episode, anchor);
            return;
        }
        let told = (
            loudest.verdict.tier.word().to_owned(),
            loudest.verdict.reason.map(str::to_owned),
        );
        let completed = loudest.verdict.tier == Tier::Complete
            && loudest.wants_page
            && !record.detected.contains(&told);
        if completed {
            self.detect(record, episode, loudest);
        }
    }

    /// Whether a `detected` on this ground, of an open episode, is a page: what was received up to `quiet` is not.
    pub(super) fn pages_at_sight(&self, anchor: &Anchor<'a>, quiet: JournalPosition) -> bool {
        let kind = TransitionKind::Detected;
        anchor.igm.current.position > quiet
            && self.delivery(kind, anchor, anchor.severity, anchor.wants_page) == Delivery::Page
    }

    /// Low again within `reopen_after`: silent, unless more severe than anything before.
    pub(super) fn reopen(&mut self, record: &mut Recorded<'_>, episode: &Episode<'a>) {
        let Some(anchor) = episode.members.get(episode.reopened_at) else {
            return;
        };
        let before = record.severity;
        let draft = self.draft(
            TransitionKind::Reopened,
            anchor,
            anchor.severity,
            Delivery::Worklist,
            explain::reopened(anchor),
        );
        self.emit(record, draft, ids(episode));
        if let Some(loudest) = episode.loudest().filter(|anchor| anchor.severity > before) {
            self.detect(record, episode, loudest);
        }
    }
}
