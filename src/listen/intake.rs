//! From a complete frame to drafts for the journal, and to the answers once they are stored.

use super::accept::Listener;
use super::terms::Terms;
use crate::clock;
use crate::core::extract;
use crate::core::fact::{Fact, JournalPosition, Origin, Reason, Received, Refused};
use crate::core::hl7::ack::{self, AckPolicy, Answered, Fault, Verdict};
use crate::core::hl7::envelope::{self, Opened, RawMessage};
use crate::core::hl7::types::MessageKind;
use crate::core::time::Timestamp;
use crate::journal::{Draft, Fingerprint, Stored};
use crate::telemetry::events;
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is to be stored of a frame, and what is to be said then.
pub(super) struct Taken {
    pub(super) drafts: Vec<Draft>,
    pub(super) answer: Answer,
}

/// What is to be said when the drafts are stored.
pub(super) enum Answer {
    /// Nothing: a fragment.
    Nothing,
    /// One message or several: by WIRE 2.
    Messages {
        /// The frame.
        content: Bytes,
        /// One for each message of the frame.
        verdicts: Vec<Verdict>,
    },
    /// WIRE A-32.
    Unreadable,
    /// WIRE F-50: the head that was kept.
    TooLarge(Bytes),
}

/// Decides what a frame is; only framing and the MSH are looked at (with `ack_policy = "accept"`).
pub(super) fn take_frame(listener: &Listener, origin: &Origin, content: Bytes) -> Taken {
    let name = origin.listener.as_str();
    let received_at = clock::now();
    match envelope::open(&content) {
        Opened::Empty => {
            events::wire(name, "empty_frames", 1);
            Taken {
                drafts: Vec::new(),
                answer: Answer::Nothing,
            }
        }
        Opened::Refused(reason) => {
            let drafts = vec![refused(origin, received_at, reason, content)];
            Taken {
                drafts,
                answer: Answer::Unreadable,
            }
        }
        Opened::Messages(frame) => {
            for (count, times) in &frame.counts {
                events::wire(name, count, *times);
            }
            let parts = u32::try_from(frame.messages.len()).unwrap_or(u32::MAX);
            let mut drafts = Vec::with_capacity(frame.messages.len());
            let mut verdicts = Vec::with_capacity(frame.messages.len());
            for (part, message) in (0_u32..).zip(&frame.messages) {
                let received = Received {
                    origin: origin.clone(),
                    received_at,
                    part: (part, parts),
                    raw: content.slice_ref(message.raw),
                };
                count_request(listener, message);
                verdicts.push(judge(listener, message, &received));
                let fingerprint = Some(Fingerprint::of_message(name, message));
                drafts.push(Draft {
                    fact: Fact::Received(received),
                    fingerprint,
                });
            }
            // What stands between messages without a readable header is kept too, and not answered.
            drafts.extend(frame.unreadable.iter().map(|part| {
                let part = content.slice_ref(part);
                refused(origin, received_at, Reason::UnreadableMsh, part)
            }));
            Taken {
                drafts,
                answer: Answer::Messages { content, verdicts },
            }
        }
    }
}

/// What is to be stored of a frame that a relay passed on.
pub(super) struct Relayed {
    /// One for each message, then one for each part that cannot be read.
    pub(super) drafts: Vec<Draft>,
    /// Of each message, its number within the frame.
    pub(super) parts: Vec<u32>,
}

/// What of a relayed frame is kept: all but bare acknowledgements, which are recorded beside the message
/// that they answer (WIRE P-5). Nothing is answered, so nothing is judged.
pub(super) fn take_relayed(
    listener: &Listener,
    origin: &Origin,
    received_at: Timestamp,
    content: &Bytes,
) -> Relayed {
    let config = &listener.config;
    let mut relayed = Relayed {
        drafts: Vec::new(),
        parts: Vec::new(),
    };
    match envelope::open(content) {
        Opened::Empty => events::wire(&config.name, "empty_frames", 1),
        Opened::Refused(reason) => {
            let draft = refused(origin, received_at, reason, content.clone());
            relayed.drafts.push(draft);
        }
        Opened::Messages(frame) => {
            for (count, times) in &frame.counts {
                events::wire(&config.name, count, *times);
            }
            let parts = u32::try_from(frame.messages.len()).unwrap_or(u32::MAX);
            for (part, message) in (0_u32..).zip(&frame.messages) {
                if message.kind() == MessageKind::Acknowledgement {
                    continue;
                }
                if !message.is_acknowledgement() {
                    count_request(listener, message);
                }
                relayed.parts.push(part);
                relayed.drafts.push(Draft {
                    fact: Fact::Received(Received {
                        origin: origin.clone(),
                        received_at,
                        part: (part, parts),
                        raw: content.slice_ref(message.raw),
                    }),
                    fingerprint: Some(Fingerprint::of_message(&config.name, message)),
                });
            }
            relayed.drafts.extend(frame.unreadable.iter().map(|part| {
                let part = content.slice_ref(part);
                refused(origin, received_at, Reason::UnreadableMsh, part)
            }));
        }
    }
    relayed
}

fn refused(origin: &Origin, received_at: Timestamp, reason: Reason, raw: Bytes) -> Draft {
    let total_len = raw.len() as u64;
    if let Ok(peer) = origin.peer.parse() {
        events::frame_refused(&origin.listener, peer, reason.word(), total_len);
    }
    let origin = origin.clone();
    Draft::from(Fact::Refused(Refused {
        origin,
        received_at,
        reason,
        total_len,
        raw,
    }))
}

fn count_request(listener: &Listener, message: &RawMessage<'_>) {
    let config = &listener.config;
    for (name, times) in
        ack::request_counts(message, &listener.terms.ack, &config.reading.processing)
    {
        events::wire(&config.name, name, times);
    }
}

/// `accept`: always accepted. `strict`: the message is read before it is answered (never on a live feed).
fn judge(listener: &Listener, message: &RawMessage<'_>, received: &Received) -> Verdict {
    let config = &listener.config;
    if config.ack_policy == AckPolicy::Accept {
        return Verdict::Accepted;
    }
    if let Some(fault) = ack::strict_fault(message, &config.reading.processing) {
        return Verdict::Refused(fault);
    }
    // Should our reader fail inside, the message is accepted: that is our trouble (A-40 j).
    let read = catch_unwind(AssertUnwindSafe(|| {
        if crate::failpoints::on("extract-panic") {
            std::panic::panic_any("a fault switched on by a test");
        }
        extract::extract(received, JournalPosition::START, &listener.policy)
    }));
    // A code that we do not know is ours to map; nothing is wrong with the message.
    let refusal = read.ok().and_then(|read| {
        let mut refusals = read.refusals.into_iter();
        refusals.find(|refusal| refusal.reason != Reason::UnknownCode)
    });
    refusal.map_or(Verdict::Accepted, |refusal| {
        Verdict::Refused(Fault::of_refusal(&refusal))
    })
}

impl Answer {
    /// How much memory waits for this answer.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Messages { content, .. } => content.len(),
            Self::TooLarge(head) => head.len(),
            Self::Nothing | Self::Unreadable => 0,
        }
    }

    /// The frames to write, now that all of it is durable.
    pub(super) fn write(&self, stored: &[Stored], terms: &Terms) -> Vec<Vec<u8>> {
        let now = terms.time(clock::now());
        let settings = &terms.ack;
        let first = stored
            .first()
            .map_or(JournalPosition::START, |stored| stored.position);
        match self {
            Self::Nothing => Vec::new(),
            Self::Unreadable => {
                terms.counts.refused(1);
                vec![ack::answer_unreadable(first, &now)]
            }
            Self::TooLarge(head) => {
                terms.counts.refused(1);
                let limit = usize::try_from(terms.config.max_message).unwrap_or(usize::MAX);
                if let Some(message) = RawMessage::read(head) {
                    let verdict = Verdict::Refused(Fault::too_large(limit));
                    count_silence(&message, &verdict, terms);
                }
                ack::answer_too_large(head, limit, first, settings, &now)
            }
            Self::Messages { content, verdicts } => {
                let (stored, unreadable) = stored.split_at(verdicts.len().min(stored.len()));
                count_stored(stored, terms);
                terms.counts.refused(unreadable.len() as u64);
                let Opened::Messages(frame) = envelope::open(content) else {
                    return Vec::new();
                };
                for (message, verdict) in frame.messages.iter().zip(verdicts) {
                    count_silence(message, verdict, terms);
                }
                let answered: Vec<Answered<'_>> = verdicts
                    .iter()
                    .zip(stored)
                    .map(|(verdict, stored)| Answered {
                        verdict,
                        position: stored.position,
                    })
                    .collect();
                ack::answers_for_frame(&frame, &answered, settings, &now)
            }
        }
    }
}

/// WIRE A-3, last row.
fn count_silence(message: &RawMessage<'_>, verdict: &Verdict, terms: &Terms) {
    if matches!(verdict, Verdict::Refused(_)) {
        let plan = ack::plan(message, &terms.ack, verdict);
        let times = u64::from(plan.refused_silently);
        events::wire(&terms.config.name, "refused_silently", times);
    }
}

/// Counts what became of messages.
pub(super) fn count_stored(stored: &[Stored], terms: &Terms) {
    let listener = &terms.config.name;
    for stored in stored {
        let duplicate = stored.duplicate_of.is_some();
        terms.counts.stored(duplicate);
        events::wire(listener, "duplicate", u64::from(duplicate));
        events::wire(
            listener,
            "control_id_reused",
            u64::from(stored.control_id_reused),
        );
    }
}
