//! The kinds of records, as numbered on disk and named in errors.

use crate::journal::error::DecodeError;

/// The version written of every kind so far.
pub(super) const VERSION: u8 = 1;

/// The kinds of records, as numbered on disk. Numbers are never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Not a fact, without a position of its own: only says what is durable.
    Mark = 0,
    Received = 1,
    SeenAgain = 2,
    Refused = 3,
    Decided = 4,
    Attempted = 5,
    Delivered = 6,
    Dead = 7,
    PolicyChanged = 8,
    Started = 9,
    MergeUndone = 10,
    Deadline = 11,
    Gap = 12,
    LisAnswered = 13,
    Acknowledged = 20,
    Muted = 21,
    Unmuted = 22,
    SinksSeen = 23,
    Requeued = 24,
    Replayed = 25,
    Passed = 26,
    Escalated = 27,
    Audited = 30,
    Noted = 31,
    Retried = 32,
    Primed = 33,
    Reassessed = 34,
    Held = 35,
}

impl Kind {
    const ALL: [Self; 28] = [
        Self::Mark,
        Self::Received,
        Self::SeenAgain,
        Self::Refused,
        Self::Decided,
        Self::Attempted,
        Self::Delivered,
        Self::Dead,
        Self::PolicyChanged,
        Self::Started,
        Self::MergeUndone,
        Self::Deadline,
        Self::Gap,
        Self::LisAnswered,
        Self::Acknowledged,
        Self::Muted,
        Self::Unmuted,
        Self::SinksSeen,
        Self::Requeued,
        Self::Replayed,
        Self::Passed,
        Self::Escalated,
        Self::Audited,
        Self::Noted,
        Self::Retried,
        Self::Primed,
        Self::Reassessed,
        Self::Held,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::Received => "received",
            Self::SeenAgain => "seen_again",
            Self::Refused => "refused",
            Self::Decided => "decided",
            Self::Attempted => "attempted",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::PolicyChanged => "policy_changed",
            Self::Started => "started",
            Self::MergeUndone => "merge_undone",
            Self::Deadline => "deadline",
            Self::Gap => "gap",
            Self::LisAnswered => "lis_answered",
            Self::Acknowledged => "acknowledged",
            Self::Muted => "muted",
            Self::Unmuted => "unmuted",
            Self::SinksSeen => "sinks_seen",
            Self::Requeued => "requeued",
            Self::Replayed => "replayed",
            Self::Passed => "passed",
            Self::Escalated => "escalated",
            Self::Audited => "audited",
            Self::Noted => "noted",
            Self::Retried => "retried",
            Self::Primed => "primed",
            Self::Reassessed => "reassessed",
            Self::Held => "held",
        }
    }
}

/// Messages of an archive follow.
pub(crate) const PRIMED: u8 = Kind::Primed as u8;
/// An entry of the audit.
pub(crate) const AUDITED: u8 = Kind::Audited as u8;
/// What a laboratory system answered.
pub(crate) const LIS_ANSWERED: u8 = Kind::LisAnswered as u8;
/// A message to be read again follows.
pub(crate) const RETRIED: u8 = Kind::Retried as u8;

/// The kind of a record, if this program knows it in this version.
pub(crate) fn known(number: u8, version: u8) -> Result<Kind, DecodeError> {
    let Some(kind) = Kind::from_number(number) else {
        return Err(DecodeError::UnknownKind { kind: number });
    };
    if version != VERSION {
        return Err(DecodeError::UnknownVersion {
            kind: kind.word(),
            version,
        });
    }
    Ok(kind)
}

/// Whether a record of this kind is a fact.
pub(crate) fn is_fact(kind: u8) -> bool {
    kind != Kind::Mark as u8
}
