//! A FHIR R4 transaction: a Communication that tells, a DetectedIssue that says what of, and the
//! Observations that it rests on. Each is created only if there is none with its identifier, so that a
//! repeat changes nothing (R4 3.1.0.8.1, conditional create).

use crate::deliver::Letter;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

const ALERT: &str = "urn:pentamer:alert";
const EVIDENCE: &str = "urn:pentamer:evidence";

/// The Bundle of a letter.
pub(super) fn bundle(letter: &Letter) -> Value {
    let rows = letter
        .event()
        .pointer("/data/evidence")
        .and_then(Value::as_array);
    let rows: &[Value] = rows.map_or(&[], Vec::as_slice);
    let mut entries = Vec::new();
    let mut evidence = Vec::new();
    for (number, row) in (1..).zip(rows) {
        let value = format!("{}/{number}", letter.id());
        let url = urn(EVIDENCE, &value);
        let resource = observation(letter, row, &value);
        entries.push(entry("Observation", &url, EVIDENCE, &value, resource));
        evidence.push(json!({"detail": [{"reference": url}]}));
    }
    let about = letter
        .text("/type")
        .starts_with("pentamer.alert.")
        .then(|| {
            let url = urn(ALERT, &format!("issue/{}", letter.id()));
            let issue = issue(letter, evidence);
            entries.push(entry("DetectedIssue", &url, ALERT, letter.id(), issue));
            url
        });
    let url = urn(ALERT, letter.id());
    let communication = communication(letter, about.as_deref());
    entries.push(entry(
        "Communication",
        &url,
        ALERT,
        letter.id(),
        communication,
    ));
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

fn entry(kind: &str, url: &str, system: &str, value: &str, resource: Value) -> Value {
    json!({
        "fullUrl": url,
        "resource": resource,
        "request": {
            "method": "POST",
            "url": kind,
            "ifNoneExist": format!("identifier={system}|{value}"),
        },
    })
}

/// A UUID that is the same for the same thing (RFC 9562, version 8).
fn urn(system: &str, value: &str) -> String {
    let hash = Sha256::digest(format!("{system}|{value}"));
    let mut text = "urn:uuid:".to_owned();
    for (number, byte) in (0..).zip(hash.iter().take(16)) {
        let byte = match number {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if matches!(number, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// By identifier, so that the receiver finds its own Patient; `None` where the sink may not know who.
fn patient(letter: &Letter) -> Option<Value> {
    let (id, authority) = (
        letter.text("/data/patient/id"),
        letter.text("/data/patient/authority"),
    );
    if id.is_empty() {
        return None;
    }
    let mut identifier = json!({"value": id});
    if !authority.is_empty() {
        identifier["assigner"] = json!({"display": authority});
    }
    let mut reference = json!({"type": "Patient", "identifier": identifier});
    let name = letter.text("/data/patient/name");
    if !name.is_empty() {
        reference["display"] = Value::from(name);
    }
    Some(reference)
}

fn issue(letter: &Letter, evidence: Vec<Value>) -> Value {
    let what = match letter.text("/data/classification") {
        "" => "immunology alert",
        word => word,
    };
    let mut issue = json!({
        "resourceType": "DetectedIssue",
        "identifier": [{"system": ALERT, "value": letter.id()}],
        "status": match letter.kind() {
            "retracted" => "cancelled",
            _ => "final",
        },
        "code": {"text": what},
        "severity": match letter.text("/data/severity") {
            "urgent" => "high",
            "prompt" => "moderate",
            _ => "low",
        },
        "identifiedDateTime": letter.text("/time"),
        "detail": letter.sentence(),
    });
    put(&mut issue, "patient", patient(letter));
    put(
        &mut issue,
        "evidence",
        (!evidence.is_empty()).then_some(Value::from(evidence)),
    );
    issue
}

fn communication(letter: &Letter, about: Option<&str>) -> Value {
    let mut communication = json!({
        "resourceType": "Communication",
        "identifier": [{"system": ALERT, "value": letter.id()}],
        "status": "completed",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/communication-category",
            "code": "alert",
        }]}],
        "priority": match letter.text("/data/severity") {
            "urgent" => "stat",
            "prompt" => "urgent",
            _ => "routine",
        },
        "topic": {"text": letter.title()},
        "sent": letter.text("/time"),
        "payload": [{"contentString": letter.sentence()}],
    });
    put(&mut communication, "subject", patient(letter));
    put(
        &mut communication,
        "about",
        about.map(|url| json!([{"reference": url}])),
    );
    communication
}

fn observation(letter: &Letter, row: &Value, identifier: &str) -> Value {
    let text = |key: &str| {
        row.get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let unit = text("unit").unwrap_or_default();
    let quantity = |key: &str| {
        let value: f64 = text(key)?.parse().ok()?;
        let mut quantity = json!({"value": value, "unit": unit});
        if unit == "g/L" {
            quantity["system"] = Value::from("http://unitsofmeasure.org");
            quantity["code"] = Value::from(unit);
        }
        Some(quantity)
    };
    let mut coding = Map::new();
    if let Some(code) = text("code") {
        let system = match text("system") {
            Some("LN") => Some("http://loinc.org".to_owned()),
            Some(other) => Some(format!("urn:hl7v2:{}", other.replace(' ', "-"))),
            None => None,
        };
        coding.extend(system.map(|system| ("system".to_owned(), Value::from(system))));
        coding.insert("code".to_owned(), Value::from(code));
    }
    let mut code = json!({"text": text("analyte").unwrap_or("immunoglobulin")});
    put(
        &mut code,
        "coding",
        (!coding.is_empty()).then(|| json!([coding])),
    );
    let mut observation = json!({
        "resourceType": "Observation",
        "identifier": [{"system": EVIDENCE, "value": identifier}],
        "status": match text("status") {
            Some("P" | "R") => "preliminary",
            Some("C") => "corrected",
            Some("D" | "W") => "entered-in-error",
            Some("X") => "cancelled",
            _ => "final",
        },
        "code": code,
    });
    put(&mut observation, "subject", patient(letter));
    put(
        &mut observation,
        "effectiveDateTime",
        text("observed_at").map(Value::from),
    );
    let mut value = quantity("value");
    if let (Some(value), Some(comparator @ ("<" | "<=" | ">=" | ">"))) =
        (&mut value, text("comparator"))
    {
        value["comparator"] = Value::from(comparator);
    }
    match value {
        Some(value) => put(&mut observation, "valueQuantity", Some(value)),
        None => put(
            &mut observation,
            "valueString",
            text("reported").map(Value::from),
        ),
    }
    let interpretation = match text("state") {
        Some("low") => Some("L"),
        Some("normal") => Some("N"),
        Some("high") => Some("H"),
        _ => None,
    };
    let interpretation = interpretation.map(|code| {
        json!([{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
            "code": code,
        }]}])
    });
    put(&mut observation, "interpretation", interpretation);
    let mut range = json!({});
    put(&mut range, "low", quantity("low"));
    put(&mut range, "high", quantity("high"));
    let given = range.as_object().is_some_and(|range| !range.is_empty());
    put(
        &mut observation,
        "referenceRange",
        given.then(|| json!([range])),
    );
    observation
}

fn put(into: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        into[key] = value;
    }
}
