//! The alert as the outside sees it: the `data` of the CloudEvent (DESIGN.md, "Promised: the alert").
//!
//! Field names and order are a promise. Amounts are decimal strings, in g/L where convertible.

use super::episode::{Delivery, Severity, TransitionKind};
use serde::{Deserialize, Serialize};

/// `data` of `pentamer.alert.*.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertData {
    /// hash(site, episode, transition number).
    pub alert_id: String,
    /// hash(site, opening result).
    pub episode_id: String,
    /// What happened.
    pub kind: TransitionKind,
    /// How pressing.
    pub severity: Severity,
    /// `isolated_low_igm`, `low_igm_with_low_igg`, …
    pub classification: String,
    /// `complete`, `provisional` (or `partial` for other patterns).
    pub tier: String,
    /// `igm_only`, `partial`, `infant`, `iga_immature`, `igg_treated`, `age_unknown`, `merged`, or null.
    pub tier_reason: Option<String>,
    /// `subclasses_unknown`, `subclass_low`, `subclasses_normal`, …
    pub qualifiers: Vec<String>,
    /// The patient.
    pub patient: AlertPatient,
    /// IgM first, then what the panel chose.
    pub evidence: Vec<Evidence>,
    /// Analytes without a usable concurrent result, e.g. `IgA`.
    pub missing: Vec<String>,
    /// Diagnoses and drugs found.
    pub associations: Vec<AlertAssociation>,
    /// Page or worklist.
    pub delivery: Delivery,
    /// One sentence a clinician can read (CLINICAL 6.6).
    pub explanation: String,
    /// Hash of the policy in force.
    pub policy: String,
    /// The alert id (or, for `merged`, the surviving episode's id) that this one replaces.
    pub supersedes: Option<String>,
}

/// `data.patient`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertPatient {
    /// Identifier.
    pub id: Option<String>,
    /// Assigning authority.
    pub authority: Option<String>,
    /// PID-5; only with `phi = "full"`.
    pub name: Option<String>,
    /// `1980-01-01`, `1980-01` or `1980`; only with `phi = "full"`.
    pub birth_date: Option<String>,
    /// `F`, `M` or null.
    pub sex: Option<String>,
    /// `34 y`, `8 mo`, `12 d`, or null.
    pub age: Option<String>,
}

/// One row of `data.evidence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// `IgM`, …
    pub analyte: String,
    /// `low`, `normal`, `high`, `not_low`, `unknown`.
    pub state: String,
    /// Decimal string, or null where there is no number.
    pub value: Option<String>,
    /// Empty, `<`, `<=`, `>`, `>=`, `~`.
    pub comparator: String,
    /// `g/L` where convertible, else as reported.
    pub unit: String,
    /// As reported, e.g. `21 mg/dL`.
    pub reported: String,
    /// Low limit used, in `unit`.
    pub low: Option<String>,
    /// High limit used, in `unit`.
    pub high: Option<String>,
    /// `OBX-7`, `flag`, `site`, `built-in`.
    pub interval_source: Option<String>,
    /// OBX-8.
    pub flag: String,
    /// OBX-11.
    pub status: String,
    /// RFC 3339, UTC.
    pub observed_at: Option<String>,
    /// Code that matched.
    pub code: String,
    /// Its system.
    pub system: String,
    /// Specimen.
    pub specimen: String,
    /// Filler or placer number.
    pub order: String,
    /// MSH-10.
    pub control_id: String,
    /// `MSH-3/MSH-4`.
    pub feed: String,
}

/// One row of `data.associations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertAssociation {
    /// As sent; of a drug without a code its name.
    pub code: String,
    /// As sent.
    pub system: String,
    /// Label of the matching row of the table.
    pub label: String,
    /// `secondary`, `urgent`, `prompt`, `known`, `context`.
    pub class: String,
    /// `DG1-3`, `OBR-31`, …
    #[serde(rename = "where")]
    pub field: String,
}

/// How much of a patient a sink may be told (`[[sink]] phi`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhiLevel {
    /// Our own ids and a link.
    None,
    /// Everything but name and birth date.
    Minimum,
    /// Everything.
    Full,
}

/// The CloudEvents 1.0 envelope in JSON (structured mode), for a sink of the given level.
///
/// `type` is `pentamer.alert.<kind>.v1`, `source` is `/pentamer/<site>/<listener>`, `subject` the
/// episode, `id` the alert: the same at every sink and at every repeat.
pub fn cloud_event(
    transition: &super::episode::Transition,
    site: &str,
    level: PhiLevel,
) -> serde_json::Value {
    let full = transition.alert.expose();
    let data = match level {
        PhiLevel::None => serde_json::json!({
            "alert_id": full.alert_id,
            "episode_id": full.episode_id,
            "kind": full.kind,
            "severity": full.severity,
            "delivery": full.delivery,
            "link": format!("/alerts/{}", full.alert_id),
        }),
        PhiLevel::Minimum => {
            let mut reduced = full.clone();
            reduced.patient.name = None;
            reduced.patient.birth_date = None;
            data_json(&reduced)
        }
        PhiLevel::Full => data_json(full),
    };
    serde_json::json!({
        "specversion": "1.0",
        "id": full.alert_id,
        "type": format!("pentamer.alert.{}.v1", kind_word(transition.kind)),
        "source": format!("/pentamer/{site}/{}", transition.listener),
        "subject": full.episode_id,
        "time": transition.at.to_rfc3339(),
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// `name` is no part of the promised shape unless it is told.
fn data_json(data: &AlertData) -> serde_json::Value {
    let mut json = serde_json::to_value(data).unwrap_or_default();
    if data.patient.name.is_none()
        && let Some(patient) = json
            .get_mut("patient")
            .and_then(|patient| patient.as_object_mut())
    {
        patient.remove("name");
    }
    json
}

/// The kind as one word, as in the type of the event and in metrics.
pub const fn kind_word(kind: TransitionKind) -> &'static str {
    match kind {
        TransitionKind::Detected => "detected",
        TransitionKind::Confirmed => "confirmed",
        TransitionKind::Progressed => "progressed",
        TransitionKind::Resolved => "resolved",
        TransitionKind::Retracted => "retracted",
        TransitionKind::Acknowledged => "acknowledged",
        TransitionKind::OtherPattern => "other_pattern",
        TransitionKind::Reopened => "reopened",
    }
}

/// The severity as one word.
pub const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Routine => "routine",
        Severity::Prompt => "prompt",
        Severity::Urgent => "urgent",
    }
}

/// The delivery as one word.
pub const fn delivery_word(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Page => "page",
        Delivery::Worklist | Delivery::Quiet => "worklist",
    }
}
