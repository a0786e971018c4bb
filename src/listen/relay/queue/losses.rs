//! What a queue cannot hold: counted and named, and recorded with what is journaled next.

use super::super::item::Item;
use super::{Queue, State};
use crate::core::fact::{Gap, GapCause, Origin};
use crate::core::hl7::envelope::RawMessage;
use crate::core::phi::Phi;
use crate::core::time::Timestamp;
use crate::telemetry::events;

impl Queue {
    pub(super) fn lose(&self, state: &mut State, item: &Item) {
        let (origin, at, bytes, raw) = match item {
            Item::Frame {
                origin,
                received_at,
                content,
                ..
            } => (origin, *received_at, content.len() as u64, content),
            Item::Refused {
                origin,
                received_at,
                total_len,
                raw,
                ..
            } => (origin, *received_at, *total_len, raw),
            Item::Answer { .. } => return,
            Item::Gap(gap) => return merge(&mut state.gap, gap.clone()),
        };
        let control_id = RawMessage::read(raw)
            .map(|message| Phi::new(String::from_utf8_lossy(message.control_id()).into_owned()));
        let gap = Gap {
            origin: origin.clone(),
            cause: GapCause::Overflow,
            from: at,
            to: at,
            messages: 1,
            bytes,
            control_ids: control_id.into_iter().collect(),
        };
        self.note(state, gap);
    }

    pub(super) fn note(&self, state: &mut State, gap: Gap) {
        let first = state.gap.is_none();
        events::tap_lost(&self.listener, gap.cause.word(), gap.messages, first);
        if first {
            (self.on_gap)(&gap);
        }
        merge(&mut state.gap, gap);
    }

    /// Bytes passed that the tap did not see at all.
    pub(in crate::listen::relay) fn lost(
        &self,
        origin: &Origin,
        at: Timestamp,
        bytes: u64,
        messages: u64,
    ) {
        let gap = Gap {
            origin: origin.clone(),
            cause: GapCause::Tap,
            from: at,
            to: at,
            messages,
            bytes,
            control_ids: Vec::new(),
        };
        let mut state = self.lock();
        self.note(&mut state, gap);
        drop(state);
        self.filled.notify_one();
    }
}

/// Losses that come together are one gap.
pub(super) fn merge(into: &mut Option<Gap>, gap: Gap) {
    let Some(there) = into else {
        *into = Some(gap);
        return;
    };
    there.from = there.from.min(gap.from);
    there.to = there.to.max(gap.to);
    there.messages += gap.messages;
    there.bytes += gap.bytes;
    let room = Gap::LISTED.saturating_sub(there.control_ids.len());
    there
        .control_ids
        .extend(gap.control_ids.into_iter().take(room));
}
