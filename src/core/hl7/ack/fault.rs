//! Why a message is refused: code, table 0357, place, and texts of ours.

use crate::core::extract::{Place, Refusal};
use crate::core::fact::Reason;
use crate::core::hl7::envelope::RawMessage;
use crate::core::hl7::types::{MessageKind, is_listed};

/// The cases of A-40 that can be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// b: MSH-9.1 is not one of ours.
    MessageType,
    /// c: the event is not.
    Event,
    /// d: MSH-9 is empty.
    NoType,
    /// e: MSH-11.
    ProcessingId,
    /// f: MSH-12.
    Version,
    /// g: MSH-10 is empty.
    NoControlId,
    /// h: a required segment is missing.
    SegmentSequence,
    /// h: a required field is missing.
    FieldMissing,
    /// i: a value that does not fit its type.
    DataType,
    /// i: a value that is not in its table.
    TableValue,
    /// k: larger than `max_message`.
    TooLarge,
}

/// A refusal with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which case.
    pub kind: FaultKind,
    /// Where: segment, its occurrence, field (0 = the whole segment).
    pub place: Option<(String, u32, u32)>,
    /// `max_message`, for its text.
    pub limit: Option<usize>,
}

impl Fault {
    /// k: larger than `max_message`, which is `limit` bytes.
    pub const fn too_large(limit: usize) -> Self {
        Self {
            kind: FaultKind::TooLarge,
            place: None,
            limit: Some(limit),
        }
    }

    /// A fault at a field of the MSH.
    pub fn at_msh(kind: FaultKind, field: u32) -> Self {
        Self {
            kind,
            place: Some(("MSH".to_owned(), 1, field)),
            limit: None,
        }
    }

    /// What extraction refused, as an acknowledgement says it (h, i; strict only).
    pub fn of_refusal(refusal: &Refusal) -> Self {
        let Place {
            segment,
            occurrence,
            field,
            ..
        } = &refusal.place;
        let kind = match refusal.reason {
            Reason::MissingSegment => FaultKind::SegmentSequence,
            Reason::NoPatientId | Reason::NoUnit => FaultKind::FieldMissing,
            Reason::Event => FaultKind::Event,
            Reason::NoType => FaultKind::NoType,
            Reason::UnknownUnit | Reason::CodeConflict | Reason::CodeTextMismatch => {
                FaultKind::TableValue
            }
            _ => FaultKind::DataType,
        };
        Self {
            kind,
            place: Some((segment.clone(), *occurrence, *field)),
            limit: None,
        }
    }

    /// AR (CR) where sending it again unchanged is pointless by MSH-9, 11, 12 or size, else AE (CE).
    pub const fn is_reject(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::MessageType
                | FaultKind::Event
                | FaultKind::ProcessingId
                | FaultKind::Version
                | FaultKind::TooLarge
        )
    }

    /// Code and text of table 0357.
    pub const fn condition(&self) -> (&'static str, &'static str) {
        match self.kind {
            FaultKind::MessageType => ("200", "Unsupported message type"),
            FaultKind::Event => ("201", "Unsupported event code"),
            FaultKind::ProcessingId => ("202", "Unsupported processing id"),
            FaultKind::Version => ("203", "Unsupported version id"),
            FaultKind::NoType | FaultKind::NoControlId | FaultKind::FieldMissing => {
                ("101", "Required field missing")
            }
            FaultKind::SegmentSequence => ("100", "Segment sequence error"),
            FaultKind::DataType => ("102", "Data type error"),
            FaultKind::TableValue => ("103", "Table value not found"),
            FaultKind::TooLarge => ("207", "Application internal error"),
        }
    }

    /// A reason word of ours (ERR-5).
    pub const fn word(&self) -> &'static str {
        match self.kind {
            FaultKind::MessageType => "message_type",
            FaultKind::Event => "event",
            FaultKind::NoType => "no_type",
            FaultKind::ProcessingId => "processing_id",
            FaultKind::Version => "version",
            FaultKind::NoControlId => "no_control_id",
            FaultKind::SegmentSequence => "missing_segment",
            FaultKind::FieldMissing => "missing_field",
            FaultKind::DataType => "data_type",
            FaultKind::TableValue => "table_value",
            FaultKind::TooLarge => "too_large",
        }
    }

    /// For people (MSA-3, ERR-8): ASCII, under 250 characters, nothing of the message.
    pub fn text(&self) -> String {
        match self.kind {
            FaultKind::MessageType => "message type is not accepted here".to_owned(),
            FaultKind::Event => "trigger event is not accepted here".to_owned(),
            FaultKind::NoType => "message type is empty".to_owned(),
            FaultKind::ProcessingId => "processing id is not accepted here".to_owned(),
            FaultKind::Version => "version id is not known".to_owned(),
            FaultKind::NoControlId => "message control id is empty".to_owned(),
            FaultKind::SegmentSequence => "a required segment is missing".to_owned(),
            FaultKind::FieldMissing => "a required field is empty".to_owned(),
            FaultKind::DataType => "a value cannot be read".to_owned(),
            FaultKind::TableValue => "a code is not known".to_owned(),
            FaultKind::TooLarge => format!(
                "message larger than {} bytes",
                self.limit
                    .map_or_else(|| "the limit of".to_owned(), |limit| limit.to_string())
            ),
        }
    }

    /// For whoever looks after the interface (ERR-7).
    pub const fn diagnostic(&self) -> &'static str {
        match self.kind {
            FaultKind::TooLarge => "kept in quarantine with its head only, see max_message",
            FaultKind::MessageType
            | FaultKind::Event
            | FaultKind::NoType
            | FaultKind::ProcessingId
            | FaultKind::Version
            | FaultKind::NoControlId
            | FaultKind::SegmentSequence
            | FaultKind::FieldMissing
            | FaultKind::DataType
            | FaultKind::TableValue => "stored, but refused by ack_policy strict",
        }
    }
}

/// What the MSH alone gives away in strict mode (A-40 b to g).
pub fn strict_fault(message: &RawMessage<'_>, processing: &str) -> Option<Fault> {
    match message.kind() {
        MessageKind::Other if !is_listed(&message.code()) => {
            return Some(Fault::at_msh(FaultKind::MessageType, 9));
        }
        MessageKind::ResultsUnknownEvent | MessageKind::AdtUnknownEvent => {
            return Some(Fault::at_msh(FaultKind::Event, 9));
        }
        MessageKind::NoType => return Some(Fault::at_msh(FaultKind::NoType, 9)),
        MessageKind::Results
        | MessageKind::Demographics
        | MessageKind::Identity
        | MessageKind::Order
        | MessageKind::Other
        | MessageKind::Acknowledgement => {}
    }
    if super::is_other_processing(message, processing) {
        return Some(Fault::at_msh(FaultKind::ProcessingId, 11));
    }
    if !message
        .version()
        .is_some_and(|version| is_known_version(&version))
    {
        return Some(Fault::at_msh(FaultKind::Version, 12));
    }
    message
        .control_id()
        .is_empty()
        .then(|| Fault::at_msh(FaultKind::NoControlId, 10))
}

/// Versions of the standard up to 2.9.
fn is_known_version(version: &[u32]) -> bool {
    matches!(
        version,
        [2, 1..=9] | [2, 3, 1] | [2, 5, 1] | [2, 7, 1] | [2, 8, 1 | 2]
    )
}
