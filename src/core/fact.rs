//! Facts: what the journal holds and all that the state is made of.
//!
//! Facts enter by one door (the journal) and leave by one fold. A fact is never changed and never
//! computed again: results and identities are read from [`Fact::Received`], but episodes, alerts
//! and deliveries only from the facts that recorded them.

use super::audit::{Audited, Noted, Retried};
use super::clinical::observation::PatientKey;
use super::delivery::{
    Acknowledged, Escalated, Muted, Passed, Replayed, Requeued, SinksSeen, Unmuted,
};
use super::episode::Transition;
use super::lookback::{Primed, Reassessed};
use super::phi::Phi;
use super::time::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The place of a fact in the journal: 1, 2, 3, … without gaps over the life of a data directory.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct JournalPosition(pub u64);

impl JournalPosition {
    /// Before the first fact.
    pub const START: Self = Self(0);

    /// The next position.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for JournalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where a frame came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The listener's configured name.
    pub listener: String,
    /// Address and port of the sender, as text.
    pub peer: String,
}

/// Why a frame, a message or a result was not understood (the quarantine's reason word).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The frame was broken off (WIRE F-21, F-23, F-37, F-38).
    Truncated,
    /// Larger than `max_message`; only the head is kept (F-50).
    TooLarge,
    /// No readable MSH.
    UnreadableMsh,
    /// UTF-16 or UTF-32 content (F-35).
    CharsetUtf16,
    /// XML instead of delimiters (A-40 m).
    Xml,
    /// MSH-2 unusable (C-1).
    Delimiters,
    /// Result message with an event that is not one of ours (A-40 c).
    Event,
    /// MSH-9 empty (A-40 d).
    NoType,
    /// A required segment is missing (A-40 h).
    MissingSegment,
    /// No usable patient identifier.
    NoPatientId,
    /// Our reader failed (A-40 j).
    Internal,
    /// A continuation that was never completed.
    Continuation,
    /// Two triplets of OBX-3 name different analytes (4.4, OBX-3).
    CodeConflict,
    /// Code and text of OBX-3 name different immunoglobulins (CLINICAL 3.3).
    CodeTextMismatch,
    /// Several different numbers in OBX-5 (4.4, OBX-5).
    RepeatedValue,
    /// No unit and neither interval nor flag to judge by (CLINICAL 9.7).
    NoUnit,
    /// A unit that cannot be converted and neither interval nor flag to judge by (CLINICAL 9.7).
    UnknownUnit,
    /// Text where a number is needed (V-3).
    TextValue,
    /// `1,200`: decimal comma or thousands (V-4).
    AmbiguousNumber,
    /// Negative or beyond any immunoglobulin (V-8).
    Implausible,
    /// The value stands only in a note (V-9).
    ValueInNote,
    /// A truncated leaf in a field that decides (C-7).
    TruncatedValue,
    /// Invalid bytes in a field that decides (C-4).
    CharsetDamage,
    /// The specimen of a result cannot be told.
    SpecimenAmbiguous,
    /// W for an order that is stored under another patient (S-4).
    WithdrawalOtherPatient,
    /// A relay lost sight of messages that it passed on (P-6); only the record of the gap is kept.
    TapGap,
    /// OBX-3 names an immunoglobulin, and no row of the analyte map has its code (CLINICAL 3.4).
    UnknownCode,
}

impl Reason {
    /// The reason as one word, as in `pentamer_quarantine_total{reason}`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TooLarge => "too_large",
            Self::UnreadableMsh => "unreadable_msh",
            Self::CharsetUtf16 => "charset_utf16",
            Self::Xml => "xml",
            Self::Delimiters => "delimiters",
            Self::Event => "event",
            Self::NoType => "no_type",
            Self::MissingSegment => "missing_segment",
            Self::NoPatientId => "no_patient_id",
            Self::Internal => "internal",
            Self::Continuation => "continuation",
            Self::CodeConflict => "code_conflict",
            Self::CodeTextMismatch => "code_text_mismatch",
            Self::RepeatedValue => "repeated_value",
            Self::NoUnit => "no_unit",
            Self::UnknownUnit => "unknown_unit",
            Self::TextValue => "text_value",
            Self::AmbiguousNumber => "ambiguous_number",
            Self::Implausible => "implausible",
            Self::ValueInNote => "value_in_note",
            Self::TruncatedValue => "truncated_value",
            Self::CharsetDamage => "charset_damage",
            Self::SpecimenAmbiguous => "specimen_ambiguous",
            Self::WithdrawalOtherPatient => "withdrawal_other_patient",
            Self::TapGap => "tap_gap",
            Self::UnknownCode => "unknown_code",
        }
    }
}

/// One complete message, kept byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// Listener and peer.
    pub origin: Origin,
    /// When the frame was complete.
    pub received_at: Timestamp,
    /// Number of this message within its frame, from 0, and how many the frame held.
    pub part: (u32, u32),
    /// The exact bytes between `<VT>` and the end mark (of a batch: from this `MSH` up to the next).
    pub raw: Bytes,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("origin", &self.origin)
            .field("received_at", &self.received_at)
            .field("part", &self.part)
            .field("raw_len", &self.raw.len())
            .finish()
    }
}

/// A frame or fragment that could not be taken as a message; it is in the quarantine from birth.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused {
    /// Listener and peer.
    pub origin: Origin,
    /// When it was given up.
    pub received_at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Length of the whole content, of which `raw` may be only the head.
    pub total_len: u64,
    /// The bytes kept.
    pub raw: Bytes,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("origin", &self.origin)
            .field("reason", &self.reason)
            .field("total_len", &self.total_len)
            .finish()
    }
}

/// The outcome of deciding over everything up to `through`.
///
/// Once it is in the journal it is what happened; no later version, table or rebuild decides about
/// these facts again by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The last fact that this decision took into account.
    pub through: JournalPosition,
    /// Hash of the policy in force.
    pub policy: String,
    /// The time the decision was made for (that of the newest fact it saw, never a clock's).
    pub decided_at: Timestamp,
    /// What changed, in order.
    pub transitions: Vec<Transition>,
}

/// A person took back a merge: the edge from prior to survivor counts no longer (WIRE I-7).
///
/// It says up to which event time: a merge of the same two ids that the source states later counts
/// again, a copy of the one that was taken back does not, whenever it comes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MergeUndone {
    /// The id that had given way.
    pub prior: PatientKey,
    /// The id that it was merged into.
    pub survivor: PatientKey,
    /// Merges of the two with an event time up to this count no longer.
    pub through: Timestamp,
    /// Who; `local` where the daemon knows no users.
    pub by: String,
    /// Why, in the person's words.
    pub comment: Phi<String>,
    /// When.
    pub at: Timestamp,
}

/// A relay lost sight of what it passed on (WIRE P-6): the ends have it, Pentamer has not.
///
/// Losses of one connection direction that follow each other are one gap, so that a long trouble does
/// not fill the journal with records of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Listener and sending end of the first loss.
    pub origin: Origin,
    /// What was short.
    pub cause: GapCause,
    /// Receipt of the first and of the last that was lost.
    pub from: Timestamp,
    /// See `from`.
    pub to: Timestamp,
    /// Whole messages known to be lost; 0 where only bytes are known to be.
    pub messages: u64,
    /// Bytes passed on and not kept.
    pub bytes: u64,
    /// MSH-10 of the first of these messages, at most [`Gap::LISTED`].
    pub control_ids: Vec<Phi<String>>,
}

impl Gap {
    /// Control ids listed at most.
    pub const LISTED: usize = 64;
}

/// Why a relay lost sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapCause {
    /// Queue and spill file were full (`[limits] tap_queue`, `tap_spill`).
    Overflow,
    /// The tap could not keep up with the copy, or failed.
    Tap,
    /// The process or the machine ended without order: what was not journaled yet is gone, if there was
    /// anything.
    Crash,
    /// What waited on the disk cannot be read back: it is damaged, sealed with a key that is not there, or
    /// the disk does not give it. It is still there, in `tap/`.
    Spill,
}

impl GapCause {
    /// As in logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Tap => "tap",
            Self::Crash => "crash",
            Self::Spill => "spill",
        }
    }
}

/// What a receiver answered to a message that a relay passed on (MSA-1, WIRE P-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LisAck {
    /// Application accept.
    Aa,
    /// Application error.
    Ae,
    /// Application reject.
    Ar,
    /// Commit accept.
    Ca,
    /// Commit error.
    Ce,
    /// Commit reject.
    Cr,
    /// Any other code.
    Other,
}

impl LisAck {
    /// From MSA-1.
    pub const fn read(code: &[u8]) -> Self {
        match code {
            b"AA" => Self::Aa,
            b"AE" => Self::Ae,
            b"AR" => Self::Ar,
            b"CA" => Self::Ca,
            b"CE" => Self::Ce,
            b"CR" => Self::Cr,
            _ => Self::Other,
        }
    }

    /// As in `pentamer_relay_lis_ack_total{code}`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Aa => "AA",
            Self::Ae => "AE",
            Self::Ar => "AR",
            Self::Ca => "CA",
            Self::Ce => "CE",
            Self::Cr => "CR",
            Self::Other => "other",
        }
    }

    /// It refuses the message: an error or a reject.
    pub const fn is_negative(self) -> bool {
        matches!(self, Self::Ae | Self::Ar | Self::Ce | Self::Cr)
    }

    /// A commit answer (CA, CE, CR): an application answer may follow.
    pub const fn is_commit(self) -> bool {
        matches!(self, Self::Ca | Self::Ce | Self::Cr)
    }
}

/// An instance of a site took the right to decide and to deliver. What stands before this was done by former
/// holders; behind it nothing of theirs can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Rises with every taking.
    pub epoch: u64,
    /// The instance's name.
    pub holder: String,
    /// When.
    pub at: Timestamp,
}

/// Everything that can be in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// A message.
    Received(Received),
    /// The same bytes under the same control id again (WIRE A-60).
    SeenAgain {
        /// The position of the first copy.
        first: JournalPosition,
        /// Listener and peer of this copy.
        origin: Origin,
        /// When.
        received_at: Timestamp,
    },
    /// A frame or fragment that is not a message.
    Refused(Refused),
    /// What was decided.
    Decided(Decided),
    /// A sink is about to be given an alert; durable before the send.
    Attempted {
        /// The sink's name.
        sink: String,
        /// The alert.
        alert_id: String,
        /// When.
        at: Timestamp,
    },
    /// A sink has taken an alert.
    Delivered {
        /// The sink's name.
        sink: String,
        /// The alert.
        alert_id: String,
        /// When.
        at: Timestamp,
    },
    /// A sink refused an alert for good.
    Dead {
        /// The sink's name.
        sink: String,
        /// The alert.
        alert_id: String,
        /// When.
        at: Timestamp,
        /// The sink's words; no patient data.
        reason: String,
    },
    /// Tables or thresholds in force changed.
    PolicyChanged {
        /// The new hash.
        policy: String,
        /// When.
        at: Timestamp,
    },
    /// A daemon started on this directory.
    Started {
        /// Its version.
        version: String,
        /// When.
        at: Timestamp,
    },
    /// A person took back a merge.
    MergeUndone(MergeUndone),
    /// The time came that something waited for. Time alone decides nothing before this is durable, so
    /// that a rebuild finds the same.
    Deadline {
        /// When.
        at: Timestamp,
    },
    /// A relay lost sight of messages.
    Gap(Gap),
    /// What the receiver answered to a relayed message (WIRE P-5). A message without one had none.
    LisAnswered {
        /// The message.
        message: JournalPosition,
        /// MSA-1.
        code: LisAck,
        /// When the answer passed.
        at: Timestamp,
        /// Microseconds from the message's receipt to its answer.
        after_micros: u64,
    },
    /// Somebody looked at a patient, searched, exported or did something.
    Audited(Audited),
    /// A person wrote something down about a patient.
    Noted(Noted),
    /// A person had a message read again.
    Retried(Retried),
    /// A person took note of an alert.
    Acknowledged(Acknowledged),
    /// A person wants no pages for a patient or a rule for some time.
    Muted(Muted),
    /// A mute was lifted.
    Unmuted(Unmuted),
    /// The sinks that a daemon starts with.
    SinksSeen(SinksSeen),
    /// A person asked that alerts be given to a sink again.
    Requeued(Requeued),
    /// A person asked that a sink be given the past.
    Replayed(Replayed),
    /// A sink's cursor moved over what it does not get.
    Passed(Passed),
    /// An unacknowledged page goes out again.
    Escalated(Escalated),
    /// What follows is of an archive.
    Primed(Primed),
    /// A person had patients decided about anew.
    Reassessed(Reassessed),
    /// An instance took the right to decide.
    Held(Held),
}
