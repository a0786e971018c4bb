//! Whole messages and what they say. `M1` is the base message of WIRE 8.

mod cases;
mod identities;
mod laws;
mod orders;
mod patients;
mod results;

use super::{Extraction, PatientPart, Refusal, extract};
use crate::core::clinical::observation::{Analyte, Observation, ReportedValue};
use crate::core::fact::{JournalPosition, Origin, Reason, Received};
use crate::core::policy::Policy;
use crate::core::time::Timestamp;
use bytes::Bytes;

pub(super) const MSH: &str =
    "MSH|^~\\&|LAB|HOSP|PENT|IMM|20260301101500+0000||ORU^R01^ORU_R01|42|P|2.5.1\r";
pub(super) const PID: &str = "PID|1||1234^^^HOSP^MR||DOE^JANE||19800101|F\r";
pub(super) const ORC: &str = "ORC|RE|P1|F1\r";
pub(super) const OBR: &str = "OBR|1|P1|F1|IG^Immunoglobulins^L|||20260301090000+0000\
    |||||||||||||||20260301101000+0000|||F\r";
pub(super) const IGM: &str = "OBX|1|NM|2472-9^IgM^LN||0.21|g/L|0.4-2.3|L|||F\r";
pub(super) const IGG: &str = "OBX|2|NM|2465-3^IgG^LN||11.0|g/L|7.0-16.0|N|||F\r";
pub(super) const IGA: &str = "OBX|3|NM|2458-8^IgA^LN||2.0|g/L|0.7-4.0|N|||F\r";

/// M1.
pub(super) fn m1() -> String {
    [MSH, PID, ORC, OBR, IGM, IGG, IGA].concat()
}

/// M1 with the IgM line replaced.
pub(super) fn m1_with(igm: &str) -> String {
    [MSH, PID, ORC, OBR, igm, IGG, IGA].concat()
}

pub(super) fn received(raw: &[u8]) -> Received {
    let at: jiff::Timestamp = "2026-03-01T13:00:00Z".parse().expect("a timestamp");
    Received {
        origin: Origin {
            listener: "lab".to_owned(),
            peer: "192.0.2.1:4000".to_owned(),
        },
        received_at: Timestamp::from_jiff(at),
        part: (0, 1),
        raw: Bytes::copy_from_slice(raw),
    }
}

pub(super) fn read_bytes(raw: &[u8], policy: &Policy) -> Extraction {
    extract(&received(raw), JournalPosition(7), policy)
}

pub(super) fn read(text: &str) -> Extraction {
    read_bytes(text.as_bytes(), &Policy::built_in())
}

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::from_jiff(text.parse().expect("a timestamp"))
}

pub(super) fn only_patient(extraction: &Extraction) -> &PatientPart {
    assert_eq!(extraction.patients.len(), 1, "{extraction:?}");
    extraction.patients.first().expect("one")
}

pub(super) fn igm(extraction: &Extraction) -> &Observation {
    let found: Vec<_> = only_patient(extraction)
        .observations
        .iter()
        .filter(|o| o.id.analyte == Analyte::IgM)
        .collect();
    assert_eq!(found.len(), 1, "{extraction:?}");
    found.first().expect("one")
}

pub(super) fn value(observation: &Observation) -> String {
    match observation.value.expose() {
        ReportedValue::Amount(amount) => {
            format!("{}{}", amount.comparator.symbol(), amount.value)
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn count(extraction: &Extraction, name: &str) -> u64 {
    extraction.counts.get(name).copied().unwrap_or(0)
}

pub(super) fn only_refusal(extraction: &Extraction) -> &Refusal {
    assert_eq!(extraction.refusals.len(), 1, "{:?}", extraction.refusals);
    extraction.refusals.first().expect("one")
}

/// The one refusal's reason and place.
pub(super) fn refused(extraction: &Extraction) -> (Reason, String) {
    let refusal = only_refusal(extraction);
    (refusal.reason, refusal.place.to_string())
}

/// Names, values and times of two extractions, without what names the copy.
pub(super) fn same_results(a: &Extraction, b: &Extraction) {
    let hashes = |extraction: &Extraction| {
        extraction
            .patients
            .iter()
            .flat_map(|part| part.observations.iter())
            .map(|o| (o.id.clone(), o.content_hash))
            .collect::<Vec<_>>()
    };
    assert_eq!(hashes(a), hashes(b));
    assert_eq!(
        a.patients
            .iter()
            .map(|p| &p.demographics)
            .collect::<Vec<_>>(),
        b.patients
            .iter()
            .map(|p| &p.demographics)
            .collect::<Vec<_>>()
    );
}
