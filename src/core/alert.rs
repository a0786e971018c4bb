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
    /// As sent.
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
