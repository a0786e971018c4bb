//! A message as the index knows it, and how it is read from a fact.

use crate::core::extract::{Extraction, Understood};
use crate::core::fact::{JournalPosition, Origin, Received, Refused};
use crate::core::phi::Phi;
use crate::core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of a message when it was read. `Paged` is told by what was decided later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// Read, and nobody was paged for it.
    Normal = 0,
    /// Not one of ours.
    Ignored = 1,
    /// All or part of it was not understood.
    Quarantined = 2,
    /// The same bytes under the same control id again.
    Duplicate = 3,
    /// A page rests on it.
    Paged = 4,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Paged,
        Self::Normal,
        Self::Quarantined,
        Self::Ignored,
        Self::Duplicate,
    ];

    /// As in queries and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Ignored => "ignored",
            Self::Quarantined => "quarantined",
            Self::Duplicate => "duplicate",
            Self::Paged => "paged",
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| *one as u8 == byte)
    }
}

/// One message. Texts are cut to what is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the journal.
    pub position: JournalPosition,
    /// When it was received.
    pub at: Timestamp,
    /// The listener.
    pub listener: String,
    /// `MSH-3/MSH-4`; empty where it is not readable.
    pub feed: String,
    /// `ORU^R01`; empty where it is not readable.
    pub kind: String,
    /// MSH-10.
    pub control_id: Phi<String>,
    /// Every identifier of PID-2, PID-3, PID-4 and MRG-1, without its authority.
    pub patients: Phi<Vec<String>>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Characters of one text, and identifiers of one message, that are kept.
const LONGEST: usize = 64;
const PATIENTS: usize = 8;

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// A message with what was read of it.
pub fn read(position: JournalPosition, received: &Received, extraction: &Extraction) -> Entry {
    let outcome = match extraction.understood {
        _ if !extraction.refusals.is_empty() => Outcome::Quarantined,
        Understood::Ignored | Understood::NotProduction | Understood::Acknowledgement => {
            Outcome::Ignored
        }
        Understood::Results
        | Understood::Demographics
        | Understood::Identity
        | Understood::Order => Outcome::Normal,
    };
    Entry {
        position,
        at: received.received_at,
        listener: cut(&received.origin.listener),
        feed: cut(&extraction.feed),
        kind: cut(&extraction.message_type),
        control_id: Phi::new(cut(&extraction.control_id)),
        patients: Phi::new(identifiers(&received.raw)),
        outcome,
    }
}

/// A frame that was no message.
pub(super) fn refused(position: JournalPosition, refused: &Refused) -> Entry {
    bare(
        position,
        &refused.origin,
        refused.received_at,
        Outcome::Quarantined,
    )
}

/// Another copy of a message, with what is known of the first.
pub fn seen_again(
    position: JournalPosition,
    origin: &Origin,
    at: Timestamp,
    first: Option<Entry>,
) -> Entry {
    let mut entry = bare(position, origin, at, Outcome::Duplicate);
    if let Some(first) = first {
        entry.feed = first.feed;
        entry.kind = first.kind;
        entry.control_id = first.control_id;
        entry.patients = first.patients;
    }
    entry
}

fn bare(position: JournalPosition, origin: &Origin, at: Timestamp, outcome: Outcome) -> Entry {
    Entry {
        position,
        at,
        listener: cut(&origin.listener),
        feed: String::new(),
        kind: String::new(),
        control_id: Phi::new(String::new()),
        patients: Phi::new(Vec::new()),
        outcome,
    }
}

/// Identifiers as they stand in the segments, whatever the message is: who looks for a message of a patient
/// also means those that say nothing to us.
fn identifiers(raw: &[u8]) -> Vec<String> {
    let (Some(field), Some(component), Some(repetition)) = (raw.get(3), raw.get(4), raw.get(5))
    else {
        return Vec::new();
    };
    let mut found: Vec<String> = Vec::new();
    for segment in raw.split(|byte| matches!(byte, b'\r' | b'\n')) {
        if segment.get(3) != Some(field) {
            continue;
        }
        let wanted: &[usize] = match segment.get(..3) {
            Some(b"PID") => &[3, 2, 4],
            Some(b"MRG") => &[1],
            _ => continue,
        };
        let fields: Vec<&[u8]> = segment.split(|byte| byte == field).take(5).collect();
        for number in wanted {
            let value = fields.get(*number).copied().unwrap_or_default();
            for one in value.split(|byte| byte == repetition) {
                let id = one.split(|byte| byte == component).next();
                let id = String::from_utf8_lossy(id.unwrap_or_default());
                let id = cut(id.trim());
                if !id.is_empty() && !found.contains(&id) && found.len() < PATIENTS {
                    found.push(id);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::identifiers;

    #[test]
    fn every_identifier_of_a_message_is_found() {
        let raw = b"MSH|^~\\&|LAB\rPID|1|OLD|4711^^^HOSP^MR~99^^^NAT^NI|ALT\rMRG|4712^^^HOSP^MR\r";
        assert_eq!(identifiers(raw), ["4711", "99", "OLD", "ALT", "4712"]);
        let odd = b"MSH#*~\\&#LAB\nPID#1##A*B~ C #\n";
        assert_eq!(identifiers(odd), ["A", "C"]);
        assert!(identifiers(b"MSH").is_empty());
        assert!(identifiers(b"MSH|^~\\&|\rPID|1\rPIDX|1||9").is_empty());
    }
}
