//! The alert's data, with everything in it (DESIGN.md, "Promised: the alert"); sinks leave out what
//! their `phi` level does not allow.
//!
//! Amounts are decimal strings in their shortest form (`11`, `0.4`), in g/L where they convert.

use super::{Delivery, Severity, TransitionKind};
use crate::core::alert::{AlertAssociation, AlertData, AlertPatient, Evidence};
use crate::core::clinical::Comparator;
use crate::core::clinical::age::{AgeReading, age_at};
use crate::core::clinical::association::{AssociationRow, Class};
use crate::core::clinical::chart::{Anchor, Chart};
use crate::core::clinical::classify::{Classification, Tier, subclass_qualifier};
use crate::core::clinical::demographics::Demographics;
use crate::core::clinical::explain::plain;
use crate::core::clinical::observation::{Analyte, BirthDate, Sex};
use crate::core::clinical::panel::{JudgedResult, Panel};
use crate::core::clinical::related::{Related, code_or_name};
use crate::core::clinical::state::{Note, State};
use crate::core::policy::Policy;
use crate::core::record::PooledPatient;
use std::collections::BTreeMap;

/// What one transition says, before it is numbered.
pub struct Draft<'r, 'a> {
    /// What happened.
    pub kind: TransitionKind,
    /// How pressing.
    pub severity: Severity,
    /// Page or worklist.
    pub delivery: Delivery,
    /// What the panel amounts to now.
    pub classification: Classification,
    /// Its tier.
    pub tier: Tier,
    /// Its reason.
    pub tier_reason: Option<&'static str>,
    /// The IgM that it is about, where one of known state is left.
    pub anchor: Option<&'r Anchor<'a>>,
    /// The rows, IgM first.
    pub evidence: Vec<&'r JudgedResult<'a>>,
    /// The sentence.
    pub explanation: String,
    /// What it replaces.
    pub supersedes: Option<String>,
}

/// Fills in the alert; `alert_id` and `episode_id` are given, `policy` is its hash.
pub fn alert(
    draft: &Draft<'_, '_>,
    alert_id: &str,
    episode_id: &str,
    chart: &Chart<'_>,
    patient: &PooledPatient,
    policy: &Policy,
    policy_hash: &str,
) -> AlertData {
    let related = match draft.anchor {
        Some(anchor) => chart.beside(anchor, policy),
        None => &[],
    };
    AlertData {
        alert_id: alert_id.to_owned(),
        episode_id: episode_id.to_owned(),
        kind: draft.kind,
        severity: draft.severity,
        classification: draft.classification.word().to_owned(),
        tier: draft.tier.word().to_owned(),
        tier_reason: draft.tier_reason.map(str::to_owned),
        qualifiers: qualifiers(draft.anchor, chart.person),
        patient: subject(draft, chart.person, patient),
        evidence: draft.evidence.iter().map(|result| row(result)).collect(),
        missing: draft.anchor.map(missing).unwrap_or_default(),
        associations: draft
            .anchor
            .map(|anchor| associations(related, &anchor.age))
            .unwrap_or_default(),
        delivery: draft.delivery,
        explanation: draft.explanation.clone(),
        policy: policy_hash.to_owned(),
        supersedes: draft.supersedes.clone(),
    }
}

/// Who, with the age at the collection of the first row.
fn subject(draft: &Draft<'_, '_>, person: &Demographics, patient: &PooledPatient) -> AlertPatient {
    let birth = person.birth.as_ref().map(|birth| birth.expose());
    let collected = draft.evidence.first().and_then(|result| result.observed());
    AlertPatient {
        id: Some(patient.survivor.id.expose().clone()),
        authority: Some(patient.survivor.authority.clone()),
        name: person.name.as_ref().map(|name| name.expose().clone()),
        birth_date: birth.map(birth_date),
        sex: person.sex.as_ref().map(|sex| {
            match sex.expose() {
                Sex::Female => "F",
                Sex::Male => "M",
            }
            .to_owned()
        }),
        age: collected.and_then(|observed| age_at(birth, observed.date).shown()),
    }
}

/// `1980-01-01`, `1980-01` or `1980`: no more than was sent.
pub(crate) fn birth_date(birth: &BirthDate) -> String {
    let (a, b) = (birth.earliest, birth.latest);
    if a == b || a.year() != b.year() {
        a.to_string()
    } else if a.month() == b.month() {
        format!("{:04}-{:02}", a.year(), a.month())
    } else {
        format!("{:04}", a.year())
    }
}

/// One result as a row of evidence.
pub fn row(result: &JudgedResult<'_>) -> Evidence {
    let observation = result.current.observation;
    let judged = &result.judged;
    let (value, comparator) = match judged.measured {
        None => (None, Comparator::Exactly),
        // Of a range the upper end is what decides.
        Some(measured) if measured.from != measured.to => {
            (Some(plain(measured.to)), Comparator::AtMost)
        }
        Some(measured) => (Some(plain(measured.to)), measured.comparator),
    };
    let shown = &observation.shown;
    Evidence {
        analyte: observation.id.analyte.name().to_owned(),
        state: judged.state.word().to_owned(),
        value,
        comparator: comparator.symbol().to_owned(),
        unit: if judged.in_gram_per_litre {
            "g/L".to_owned()
        } else {
            observation.unit.shown()
        },
        reported: shown.reported.expose().clone(),
        low: judged.limits.low.map(plain),
        high: judged.limits.high.map(plain),
        interval_source: judged
            .interval_source
            .map(|source| source.word().to_owned()),
        flag: shown.flag.clone(),
        status: observation.status.letter.clone(),
        observed_at: result.observed().map(|observed| observed.at.to_rfc3339()),
        code: shown.code.clone(),
        system: shown.system.clone(),
        specimen: shown.specimen.clone(),
        order: shown.order.expose().clone(),
        control_id: shown.control_id.clone(),
        feed: shown.feed.clone(),
    }
}

/// What should be known beside the classification.
pub fn qualifiers(anchor: Option<&Anchor<'_>>, person: &Demographics) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(anchor) = anchor.filter(|anchor| anchor.igm.state() == State::Low) {
        words.push(subclass_qualifier(&anchor.panel));
        if matches!(anchor.age, AgeReading::Unknown) {
            words.push("age_unknown");
        }
    }
    for note in anchor.iter().flat_map(|anchor| &anchor.igm.judged.notes) {
        words.push(match note {
            Note::ReportedAsZero => "reported_as_zero",
            Note::StatusAssumed => "status_assumed",
            Note::Promoted => "promoted",
            Note::ClockFuture => "clock_future",
            Note::Age(_) => continue,
        });
    }
    for (holds, word) in [
        (person.unreliable, "identity_unreliable"),
        (person.deleted, "identity_deleted"),
        (person.dead, "deceased"),
    ] {
        if holds {
            words.push(word);
        }
    }
    words.into_iter().map(str::to_owned).collect()
}

/// IgG and IgA without a usable result beside a low IgM.
pub fn missing(anchor: &Anchor<'_>) -> Vec<String> {
    if anchor.igm.state() != State::Low {
        return Vec::new();
    }
    let Panel { igg, iga, .. } = &anchor.panel;
    [(Analyte::IgG, igg), (Analyte::IgA, iga)]
        .into_iter()
        .filter(|(_, part)| part.state().is_none())
        .map(|(analyte, _)| analyte.name().to_owned())
        .collect()
}

/// Diagnoses and drugs, one row a code, the newest of each.
pub fn associations(related: &[Related<'_>], age: &AgeReading) -> Vec<AlertAssociation> {
    let mut by_code: BTreeMap<(&str, &str, &str), AlertAssociation> = BTreeMap::new();
    for one in related {
        // Of several rows the first that has an effect: J13 is `pneumonia`, shown only, and urgent.
        let says_more = |row: &&AssociationRow| !row.classes.iter().all(|c| *c == Class::Context);
        let Some(row) = one
            .rows_at(age)
            .find(says_more)
            .or_else(|| one.rows_at(age).next())
        else {
            continue;
        };
        let (code, system) = (code_or_name(one.seen), one.seen.system.as_str());
        let class = match row.classes.first() {
            Some(Class::Secondary) => "secondary",
            Some(Class::Urgent) => "urgent",
            Some(Class::Prompt) => "prompt",
            Some(Class::Known | Class::KnownOther) => "known",
            Some(Class::Context) | None => "context",
        };
        let entry = AlertAssociation {
            code: code.to_owned(),
            system: system.to_owned(),
            label: row.label.clone(),
            class: class.to_owned(),
            field: one.seen.field.clone(),
        };
        // They come oldest first: the newest stays.
        let without_code = if code.is_empty() {
            row.label.as_str()
        } else {
            ""
        };
        by_code.insert((code, system, without_code), entry);
    }
    by_code.into_values().collect()
}

#[cfg(test)]
mod tests;
