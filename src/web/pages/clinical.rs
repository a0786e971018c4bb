//! What CLINICAL 7 asks for, as the templates show it: evidence, trend, what is missing, associations, next
//! steps. Pages of alerts and of patients have it alike.

use super::frame::{Frame, sentence};
use crate::core::alert::{AlertAssociation, Evidence};
use crate::core::fold::dossier::Dossier;
use crate::core::patient::{PatientView, ResultView};
use crate::plot::{Plot, plots};

/// One row of evidence.
pub(in crate::web) struct Row {
    pub analyte: String,
    pub low: bool,
    pub state: String,
    pub reported: String,
    pub value: String,
    pub interval: String,
    pub source: String,
    pub flag: String,
    pub status: String,
    pub specimen: String,
    pub code: String,
    pub order: String,
    pub collected: String,
    pub received: String,
    pub feed: String,
    pub control_id: String,
    /// Journal position of its message.
    pub position: Option<u64>,
    /// Which part it takes, or why it does not count.
    pub reason: String,
    pub counts: bool,
    pub comments: Vec<String>,
}

fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "–".to_owned()
    } else {
        text.to_owned()
    }
}

/// OBX-11 in words.
pub(in crate::web) fn status_word(status: &str) -> String {
    let word = match status {
        "F" => "final",
        "C" | "A" => "corrected",
        "P" | "R" | "S" | "B" => "preliminary",
        "D" | "W" => "withdrawn",
        "X" => "cancelled",
        "I" => "in process",
        "U" => "promoted to final",
        "" => return "none sent".to_owned(),
        _ => return status.to_owned(),
    };
    format!("{word} ({status})")
}

fn state_word(state: &str) -> &str {
    match state {
        "not_low" => "not low",
        other => other,
    }
}

fn interval(evidence: &Evidence) -> String {
    let unit = &evidence.unit;
    match (&evidence.low, &evidence.high) {
        (Some(low), Some(high)) => format!("{low}–{high} {unit}"),
        (Some(low), None) => format!("from {low} {unit}"),
        (None, Some(high)) => format!("to {high} {unit}"),
        (None, None) => "–".to_owned(),
    }
}

fn source(evidence: &Evidence) -> String {
    match evidence.interval_source.as_deref() {
        Some("OBX-7") => "the laboratory's range (OBX-7)".to_owned(),
        Some("flag") => "the laboratory's flag (OBX-8)".to_owned(),
        Some("site") => "the site's table".to_owned(),
        Some("built-in") => "built-in table".to_owned(),
        Some(other) => other.to_owned(),
        None => "none".to_owned(),
    }
}

/// A row of an alert, with what is known of it now.
pub(in crate::web) fn row(evidence: &Evidence, now: Option<&ResultView>, frame: &Frame) -> Row {
    let value = match &evidence.value {
        Some(value) => format!("{}{value} {}", evidence.comparator, evidence.unit),
        None => "no number".to_owned(),
    };
    Row {
        analyte: evidence.analyte.clone(),
        low: evidence.state == "low",
        state: state_word(&evidence.state).to_owned(),
        reported: or_dash(&evidence.reported),
        value,
        interval: interval(evidence),
        source: source(evidence),
        flag: or_dash(&evidence.flag),
        status: status_word(&evidence.status),
        specimen: or_dash(&evidence.specimen),
        code: format!("{} ({})", evidence.code, or_dash(&evidence.system)),
        order: or_dash(&evidence.order),
        collected: evidence
            .observed_at
            .as_deref()
            .map_or_else(|| "not sent".to_owned(), |at| frame.local(at)),
        received: now.map_or_else(String::new, |now| frame.local(&now.received_at)),
        feed: or_dash(&evidence.feed),
        control_id: or_dash(&evidence.control_id),
        position: now.map(|now| now.position),
        reason: now.map_or_else(String::new, |now| now.reason.clone()),
        counts: now.is_none_or(|now| now.counts),
        comments: now.map_or_else(Vec::new, |now| now.comments.clone()),
    }
}

/// The results that the verdict rests on: the IgM first.
pub(in crate::web) fn panel(view: &PatientView, frame: &Frame) -> Vec<Row> {
    let beside = view.panel.beside.iter().filter_map(|one| one.result);
    let numbers = view.panel.igm.into_iter().chain(beside);
    numbers
        .filter_map(|n| view.results.iter().find(|row| row.n == n))
        .map(|found| row(&found.row, Some(found), frame))
        .collect()
}

/// The version of a result that an alert's evidence came from.
pub(in crate::web) fn version_of<'v>(
    evidence: &Evidence,
    view: &'v PatientView,
) -> Option<&'v ResultView> {
    view.results.iter().find(|one| {
        let row = &one.row;
        row.analyte == evidence.analyte
            && row.order == evidence.order
            && row.control_id == evidence.control_id
            && row.status == evidence.status
            && row.reported == evidence.reported
    })
}

/// A point of the trend as a row.
pub(in crate::web) struct TrendRow {
    pub analyte: &'static str,
    pub collected: String,
    pub value: String,
    pub limits: String,
    pub state: String,
    pub low: bool,
    pub marks: String,
    pub days: String,
}

/// The trend as pictures and as a table.
pub(in crate::web) struct Trend {
    pub plots: Vec<Plot>,
    pub rows: Vec<TrendRow>,
}

/// CLINICAL 7.3.
pub(in crate::web) fn trend(view: &PatientView, frame: &Frame) -> Trend {
    let rows = view.trend.iter().rev().map(|point| {
        let mut marks = Vec::new();
        if !point.comparator.is_empty() {
            marks.push("with a comparator");
        }
        if point.preliminary {
            marks.push("preliminary");
        }
        if point.corrected {
            marks.push("corrected");
        }
        let limits = match (&point.low, &point.high) {
            (Some(low), Some(high)) => format!("{low}–{high}"),
            (Some(low), None) => format!("from {low}"),
            (None, Some(high)) => format!("to {high}"),
            (None, None) => "–".to_owned(),
        };
        TrendRow {
            analyte: point.analyte,
            collected: frame.local(&point.at),
            value: match &point.value {
                Some(value) => format!("{}{value} {}", point.comparator, point.unit),
                None => "below the scale".to_owned(),
            },
            limits,
            state: state_word(&point.state).to_owned(),
            low: point.state == "low",
            marks: marks.join(", "),
            days: point
                .days_since_previous
                .map_or_else(|| "–".to_owned(), |days| days.to_string()),
        }
    });
    Trend {
        plots: plots(&view.trend, &|at| frame.day(at)),
        rows: rows.collect(),
    }
}

/// CLINICAL 7.4: which of IgG, IgA and the subclasses are missing or stale, and how old.
pub(in crate::web) fn missing(view: &PatientView) -> Vec<String> {
    let day = |n: u32| {
        let row = view.results.iter().find(|row| row.n == n)?;
        row.row
            .observed_at
            .as_deref()?
            .parse::<jiff::Timestamp>()
            .ok()
    };
    let igm = view.panel.igm.and_then(day);
    view.panel
        .beside
        .iter()
        .filter_map(|beside| {
            let age = || {
                let (igm, other) = (igm?, day(beside.result?)?);
                let days = (igm.as_second() - other.as_second()) / 86_400;
                Some(if days >= 0 {
                    format!("{days} days before the IgM")
                } else {
                    format!("{} days after the IgM", -days)
                })
            };
            let age = age().unwrap_or_else(|| "at an unknown time".to_owned());
            let name = beside.analyte;
            match beside.standing {
                "missing" => Some(format!("{name}: no result")),
                "stale" => Some(format!("{name}: the last result is old, {age}")),
                "unusable" => Some(format!("{name}: the result {age} cannot be judged")),
                _ => None,
            }
        })
        .collect()
}

/// CLINICAL 7.5.
pub(in crate::web) struct Association {
    pub code: String,
    pub label: String,
    pub field: String,
    pub date: String,
    pub class: &'static str,
}

fn class_word(class: &str) -> &'static str {
    match class {
        "secondary" => "possible secondary cause",
        "urgent" => "raises urgency to urgent",
        "prompt" => "raises urgency to prompt",
        "known" => "immunology knows the patient",
        _ => "context",
    }
}

/// Diagnoses and drugs, each with the date that it counts from.
pub(in crate::web) fn associations(
    list: &[AlertAssociation],
    dossier: Option<&Dossier>,
    frame: &Frame,
) -> Vec<Association> {
    list.iter()
        .map(|one| {
            let at = dossier.and_then(|dossier| {
                let seen = dossier.patient.associations.iter();
                seen.filter(|seen| {
                    seen.field == one.field
                        && (*seen.code.expose() == one.code || *seen.text.expose() == one.code)
                })
                .map(|seen| seen.at)
                .max()
            });
            Association {
                code: format!("{} ({})", one.code, or_dash(&one.system)),
                label: one.label.clone(),
                field: one.field.clone(),
                date: at.map_or_else(|| "–".to_owned(), |at| frame.day(&at.to_rfc3339())),
                class: class_word(&one.class),
            }
        })
        .collect()
}

/// CLINICAL 7.6: a step, and where it is from.
pub(in crate::web) struct Step {
    pub text: &'static str,
    pub source: &'static str,
}

/// All steps by the word that switches each (`[http] next_steps`).
pub const STEPS: [(&str, &str, &str); 6] = [
    (
        "repeat",
        "Repeat IgG, IgA and IgM (4 weeks or more later, when not acutely ill).",
        "ESID registry working definition (\"repeatedly\"); spacing: Bonilla et al., J Allergy Clin Immunol Pract 2016;4:38-59",
    ),
    (
        "subclasses",
        "IgG subclasses and response to protein and polysaccharide vaccines are part of the ESID definition. Impaired pneumococcal response was seen in about half of one adult cohort (47 %), a low IgG subclass in 22 %.",
        "PMC5758373; PMC6971419",
    ),
    (
        "secondary",
        "Look for secondary causes: drugs (rituximab and other B-cell agents, immunosuppression, anticonvulsants), lymphoproliferative disease (serum electrophoresis with immunofixation, free light chains), protein loss.",
        "Bonilla et al., J Allergy Clin Immunol 2015;136:1186-1205",
    ),
    (
        "lymphocytes",
        "Lymphocyte subsets (T, B, memory B) to exclude a combined or B-cell defect.",
        "ESID criteria exclude T-cell defects",
    ),
    (
        "children",
        "Children: growth, infections, platelets, 22q11.2 features.",
        "reviews of Wiskott-Aldrich syndrome",
    ),
    (
        "replacement",
        "Immunoglobulin replacement is not needed by most; decision of the specialist.",
        "Diagnostics 2023;13:2861",
    ),
];

/// Those that are switched on.
pub(in crate::web) fn steps(on: &[String]) -> Vec<Step> {
    STEPS
        .into_iter()
        .filter(|(word, _, _)| on.iter().any(|one| one == word))
        .map(|(_, text, source)| Step { text, source })
        .collect()
}

/// `isolated_low_igm` as people say it.
pub(in crate::web) fn class_name(word: &str) -> String {
    let name = match word {
        "isolated_low_igm" => "Isolated low IgM",
        "low_igm_with_low_igg" => "Low IgM with low IgG",
        "low_igm_with_low_iga" => "Low IgM with low IgA",
        "low_igm_with_high_igg_or_iga" => "Low IgM with high IgG or IgA",
        "panhypogammaglobulinaemia" => "Panhypogammaglobulinaemia",
        "igm_normal" => "IgM not low",
        "none" => "No IgM",
        "indeterminate" => "Indeterminate",
        other => return sentence(&other.replace('_', " ")),
    };
    name.to_owned()
}

/// A word of ours with spaces.
pub(in crate::web) fn spaced(word: &str) -> String {
    word.replace('_', " ")
}
