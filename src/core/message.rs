//! A message as people read it: segment by segment, each field with its name, as it stands, and beside it what
//! we made of it. Total: any bytes give a view.

use super::clinical::observation::Observation;
use super::extract::{Extraction, Understood};
use super::hl7::charset;
use super::hl7::delimiters::Delimiters;
use super::hl7::header::RawHeader;
use super::hl7::names;
use super::hl7::segments::{RawSegment, segments};
use super::phi::Phi;
use serde::Serialize;
use std::collections::BTreeMap;

/// Segments shown at most, fields of one, and characters of a field.
const SEGMENTS: usize = 2_000;
const FIELDS: usize = 80;
const LONGEST: usize = 2_000;

/// A message to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageView {
    /// What it was taken for.
    pub understood: &'static str,
    /// The character set it was read in; null where it has no readable header.
    pub charset: Option<String>,
    /// Its segments in order.
    pub segments: Vec<SegmentView>,
    /// Segments that are not shown.
    pub more: usize,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentView {
    /// `OBX`.
    pub name: String,
    /// `result`.
    pub title: &'static str,
    /// 3 for the third OBX.
    pub occurrence: u32,
    /// Those that are not empty.
    pub fields: Vec<FieldView>,
    /// What was made of the whole segment.
    pub reading: Vec<String>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldView {
    /// As HL7 numbers it.
    pub number: u32,
    /// As HL7 names it; empty where that is not known.
    pub name: &'static str,
    /// As it stands, decoded, escapes as they are.
    pub text: String,
    /// What was made of it.
    pub reading: Vec<String>,
    /// Why it was not understood, and what would mend it.
    pub refused: Vec<String>,
}

/// What a message was taken for, in words.
pub const fn understood_word(understood: Understood) -> &'static str {
    match understood {
        Understood::Results => "results",
        Understood::Demographics => "demographics",
        Understood::Identity => "identities",
        Understood::Order => "order",
        Understood::Ignored => "not one of ours",
        Understood::NotProduction => "not for production",
        Understood::Acknowledgement => "an acknowledgement",
    }
}

/// Reads a message for people.
pub fn view(raw: &[u8], setting: &str, extraction: &Extraction) -> Phi<MessageView> {
    let start = memchr::memmem::find(raw, b"MSH").unwrap_or_default();
    let bytes = raw.get(start..).unwrap_or(raw);
    let header = RawHeader::read(bytes, b"MSH");
    let msh18 = header.map(|header| header.field(18)).unwrap_or_default();
    let decoded = charset::decode(bytes, msh18, setting).ok();
    let text = decoded.as_ref().map_or_else(
        || String::from_utf8_lossy(bytes),
        |decoded| std::borrow::Cow::Borrowed(decoded.text.as_ref()),
    );
    let delimiters = Delimiters::read(&text).unwrap_or_default();
    let mut counted: BTreeMap<String, u32> = BTreeMap::new();
    let mut shown = Vec::new();
    let mut more = 0_usize;
    for segment in segments(&text, delimiters.field) {
        let occurrence = counted.entry(segment.name.to_owned()).or_default();
        *occurrence = occurrence.saturating_add(1);
        if shown.len() >= SEGMENTS {
            more = more.saturating_add(1);
            continue;
        }
        shown.push(segment_view(segment, *occurrence, &delimiters, extraction));
    }
    Phi::new(MessageView {
        understood: understood_word(extraction.understood),
        charset: decoded.map(|decoded| decoded.charset.name().to_owned()),
        segments: shown,
        more,
    })
}

fn segment_view(
    segment: RawSegment<'_>,
    occurrence: u32,
    delimiters: &Delimiters,
    extraction: &Extraction,
) -> SegmentView {
    let name = segment.name;
    let of_header = matches!(name, "MSH" | "FHS" | "BHS");
    let count = segment.text.split(delimiters.field).count();
    let last = if of_header {
        count
    } else {
        count.saturating_sub(1)
    };
    let names = names::fields(name);
    let mut fields = Vec::new();
    for (number, at) in (1_u32..).zip(1..=last.min(FIELDS)) {
        let text = segment.raw_field(at, delimiters.field);
        if text.is_empty() {
            continue;
        }
        let refused = extraction
            .refusals
            .iter()
            .filter(|refusal| {
                let place = &refusal.place;
                place.segment == name && place.occurrence == occurrence && place.field == number
            })
            .map(|refusal| {
                let reason = refusal.reason.word().replace('_', " ");
                format!("not understood ({reason}): {}", refusal.remedy)
            })
            .collect();
        fields.push(FieldView {
            number,
            name: names.get(at.saturating_sub(1)).copied().unwrap_or_default(),
            text: text.chars().take(LONGEST).collect(),
            reading: field_reading(name, number, extraction),
            refused,
        });
    }
    let whole = extraction.refusals.iter().filter(|refusal| {
        let place = &refusal.place;
        place.segment == name && place.occurrence == occurrence && place.field == 0
    });
    let mut reading: Vec<String> = whole
        .map(|refusal| {
            let reason = refusal.reason.word().replace('_', " ");
            format!("not understood ({reason}): {}", refusal.remedy)
        })
        .collect();
    if name == "OBX" {
        let ours = result_reading(segment, delimiters, extraction);
        if ours.is_empty() && reading.is_empty() && fields.iter().all(|one| one.refused.is_empty())
        {
            reading.push("not one of our analytes".to_owned());
        }
        reading.extend(ours);
    }
    SegmentView {
        name: name.to_owned(),
        title: names::segment(name),
        occurrence,
        fields,
        reading,
    }
}

/// What results of ours were read of an OBX: those with its code and its value.
fn result_reading(
    segment: RawSegment<'_>,
    delimiters: &Delimiters,
    extraction: &Extraction,
) -> Vec<String> {
    let (code, value) = (
        segment.raw_field(3, delimiters.field),
        segment.raw_field(5, delimiters.field),
    );
    let parts: Vec<&str> = match delimiters.component {
        Some(component) => code.split(component).collect(),
        None => vec![code],
    };
    let says = |observation: &Observation| {
        let shown = &observation.shown;
        let reported = shown.reported.expose();
        let number = reported.split(' ').next().unwrap_or_default();
        parts.contains(&shown.code.as_str())
            && (number.is_empty() || value.replace(['^', ' '], "").contains(number))
    };
    let all = extraction
        .patients
        .iter()
        .flat_map(|part| &part.observations);
    all.filter(|observation| says(observation))
        .map(|observation| {
            let shown = &observation.shown;
            format!(
                "{} {} of order {}",
                observation.id.analyte.name(),
                shown.reported.expose(),
                shown.order.expose()
            )
        })
        .collect()
}

fn field_reading(segment: &str, number: u32, extraction: &Extraction) -> Vec<String> {
    match (segment, number) {
        ("MSH", 3 | 4) => vec![format!("feed {}", extraction.feed)],
        ("MSH", 7) => extraction
            .sent_at
            .map(|at| at.to_rfc3339())
            .into_iter()
            .collect(),
        ("MSH", 9) => vec![format!(
            "{}: {}",
            extraction.message_type,
            understood_word(extraction.understood)
        )],
        ("PID", 3) => extraction
            .patients
            .iter()
            .map(|part| part.key.exposed())
            .collect(),
        ("MRG", 1) => extraction
            .identity
            .iter()
            .map(|event| {
                format!(
                    "{} into {}",
                    event.prior.exposed(),
                    event.survivor.exposed()
                )
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The bytes with control characters made visible: `<VT>`, `<CR>`, `<0x00>`; as text and whether it is one
/// of these marks.
pub fn visible(raw: &[u8], most: usize) -> Vec<(String, bool)> {
    let mut parts: Vec<(String, bool)> = Vec::new();
    let head = raw.get(..most.min(raw.len())).unwrap_or(raw);
    let text = String::from_utf8_lossy(head);
    let mut run = String::new();
    for letter in text.chars() {
        let mark = match letter {
            '\r' => "<CR>\n".to_owned(),
            '\n' => "<LF>\n".to_owned(),
            '\t' => "<TAB>".to_owned(),
            '\u{b}' => "<VT>".to_owned(),
            '\u{1c}' => "<FS>".to_owned(),
            other if other.is_control() || is_unseen(other) => {
                format!("<{:#04x}>", u32::from(other))
            }
            other => {
                run.push(other);
                continue;
            }
        };
        if !run.is_empty() {
            parts.push((std::mem::take(&mut run), false));
        }
        parts.push((mark, true));
    }
    if !run.is_empty() {
        parts.push((run, false));
    }
    parts
}

/// Characters that turn the direction of text or have no width: what stands there would be read as something
/// else.
const fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::extract::extract;
    use crate::core::fact::{JournalPosition, Origin, Received};
    use crate::core::policy::Policy;
    use crate::core::time::Timestamp;
    use proptest::prelude::*;

    fn seen(raw: &[u8]) -> MessageView {
        let received = Received {
            origin: Origin {
                listener: "lab".to_owned(),
                peer: "x".to_owned(),
            },
            received_at: Timestamp::from_micros(0),
            part: (0, 1),
            raw: raw.to_vec().into(),
        };
        let extraction = extract(&received, JournalPosition(1), &Policy::built_in());
        view(raw, "auto", &extraction).into_exposed()
    }

    #[test]
    fn fields_stand_with_their_names_and_what_was_made_of_them() {
        let view = seen(
            b"MSH|^~\\&|LAB|HOSP|||20260102||ORU^R01|M1|P|2.5\rPID|1||4711^^^HOSP^MR||DOE^JANE\r\
              OBR|1||F1|IGS\rOBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F\r\
              OBX|2|NM|2472-9^IgM^LN||1,200|g/L|||||F\rOBX|3|NM|999^Na^L||140|mmol/L|||||F\r",
        );
        let names: Vec<_> = view
            .segments
            .iter()
            .map(|one| (one.name.as_str(), one.occurrence))
            .collect();
        assert_eq!(
            names,
            [
                ("MSH", 1),
                ("PID", 1),
                ("OBR", 1),
                ("OBX", 1),
                ("OBX", 2),
                ("OBX", 3)
            ]
        );
        let field = |segment: usize, number: u32| {
            let fields = &view.segments[segment].fields;
            fields.iter().find(|field| field.number == number).unwrap()
        };
        assert_eq!(field(0, 10).text, "M1");
        assert_eq!(field(0, 10).name, "message control id");
        assert_eq!(field(0, 2).text, "^~\\&");
        assert_eq!(field(1, 3).reading, ["HOSP:4711"]);
        assert_eq!(view.segments[3].reading, ["IgM 0.21 g/L of order F1"]);
        assert!(
            field(4, 5).refused[0].contains("ambiguous number"),
            "{view:?}"
        );
        assert_eq!(view.segments[5].reading, ["not one of our analytes"]);
    }

    #[test]
    fn control_characters_are_seen() {
        let parts = visible(b"A\x0bB\r\x00\xe2\x80\xae", 100);
        let text: String = parts.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(text, "A<VT>B<CR>\n<0x00><0x202e>");
        assert!(!parts[0].1 && parts[1].1);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(raw in proptest::collection::vec(any::<u8>(), 0..200), head: bool) {
            let mut bytes = if head { b"MSH|^~\\&|".to_vec() } else { Vec::new() };
            bytes.extend(raw);
            let _ = seen(&bytes);
            let _ = visible(&bytes, 50);
        }
    }
}
