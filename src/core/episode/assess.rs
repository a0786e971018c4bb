//! How a person stands now: for `explain`, the pages and the API. No history, no news.

use super::Severity;
use super::assemble::{associations, missing, qualifiers, row};
use super::decide::acknowledged_as_known;
use crate::core::alert::{AlertAssociation, Evidence};
use crate::core::clinical::chart::{Anchor, Chart};
use crate::core::clinical::classify::{self, Classification, Rule, Tier};
use crate::core::clinical::explain;
use crate::core::clinical::observation::{Analyte, ResultId};
use crate::core::clinical::panel::{JudgedResult, Part};
use crate::core::clinical::reasons;
use crate::core::clinical::state::{State, Why};
use crate::core::phi::Phi;
use crate::core::policy::Policy;
use crate::core::record::PooledPatient;
use crate::core::time::Timestamp;

/// How a person stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The newest IgM of known state, which all of the below is about.
    pub anchor: Option<ResultId>,
    /// What stands beside it: IgG, IgA, IgG1 to IgG4.
    pub panel: Vec<Beside>,
    /// The row of CLINICAL 6.3 that fired.
    pub rule: Rule,
    /// Its classification.
    pub classification: Classification,
    /// Its tier.
    pub tier: Tier,
    /// `partial`, `infant`, …, or why there is no verdict.
    pub tier_reason: Option<&'static str>,
    /// Of a low IgM, as if seen for the first time.
    pub severity: Option<Severity>,
    /// Why a person should look, as one word.
    pub review: Option<&'static str>,
    /// The review list shows it first: reported as undetectable, it could be profound.
    pub review_first: bool,
    /// `subclasses_unknown`, …
    pub qualifiers: Vec<String>,
    /// `IgG`, `IgA` where nothing usable stands beside a low IgM.
    pub missing: Vec<String>,
    /// Diagnoses and drugs beside it.
    pub associations: Phi<Vec<AlertAssociation>>,
    /// Immunology knows the patient (CLINICAL 6.4).
    pub known: bool,
    /// A clinician's or an analyst's sentence; holds values.
    pub sentence: Phi<String>,
}

/// One result that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssessedResult {
    /// Which.
    pub id: ResultId,
    /// Its analyte.
    pub analyte: Analyte,
    /// Its state.
    pub state: State,
    /// As a row of evidence; holds values.
    pub row: Phi<Evidence>,
    /// For a state of Unknown the reason, as a sentence; holds values.
    pub reason: Option<Phi<String>>,
    /// Where its position in time is.
    pub observed_at: Option<Timestamp>,
}

/// What stands beside the IgM for one analyte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Of what.
    pub analyte: Analyte,
    /// `concurrent`, `stale`, `unusable` or `missing`.
    pub standing: &'static str,
    /// The result.
    pub result: Option<ResultId>,
}

/// How a person stands by their chart: a pure function of the set of facts. Total: without any IgM, or
/// with none that can be judged, it says so and why.
pub fn assess(
    chart: &Chart<'_>,
    patient: &PooledPatient,
    policy: &Policy,
    now: Timestamp,
) -> Assessment {
    let anchor = chart.anchors.last();
    let (review, review_first) = review(chart, anchor);
    let verdict = match anchor {
        Some(anchor) => anchor.verdict,
        None => {
            newest_unknown(chart).map_or(classify::NO_IGM, |(_, why)| classify::indeterminate(why))
        }
    };
    let sentence = match anchor {
        Some(anchor) => {
            let text = explain::standing(anchor, &policy.detection);
            if anchor.igm.state() == State::Low {
                text + &explain::remarks(anchor, chart.beside(anchor, policy), chart.person)
            } else {
                text
            }
        }
        None => {
            let results: Vec<_> = chart.results.iter().collect();
            reasons::without_anchor(&results)
        }
    };
    let low = anchor.filter(|anchor| anchor.igm.state() == State::Low);
    Assessment {
        anchor: anchor.map(|anchor| anchor.igm.id().clone()),
        panel: anchor.map(beside).unwrap_or_default(),
        rule: verdict.rule,
        classification: verdict.classification,
        tier: verdict.tier,
        tier_reason: verdict.reason,
        severity: low.and_then(severity_of),
        review,
        review_first,
        qualifiers: qualifiers(anchor, chart.person),
        missing: anchor.map(missing).unwrap_or_default(),
        associations: Phi::new(
            anchor
                .map(|anchor| associations(chart.beside(anchor, policy), &anchor.age))
                .unwrap_or_default(),
        ),
        known: acknowledged_as_known(patient, policy, now)
            || anchor.is_some_and(|anchor| anchor.gravity.flags.known),
        sentence: Phi::new(sentence),
    }
}

/// Severity of a low IgM that has a verdict.
fn severity_of(anchor: &Anchor<'_>) -> Option<Severity> {
    match anchor.verdict.classification {
        Classification::IsolatedLowIgm
        | Classification::Panhypogammaglobulinaemia
        | Classification::LowIgmWithLowIgg
        | Classification::LowIgmWithLowIga
        | Classification::LowIgmWithHighIggOrIga => Some(anchor.severity),
        Classification::None | Classification::Indeterminate | Classification::IgmNormal => None,
    }
}

/// Every result that stands, with its state, in order of collection (those without a time first).
pub fn assessed(chart: &Chart<'_>) -> Vec<AssessedResult> {
    let collected = |result: &JudgedResult<'_>| result.observed().map(|observed| observed.at);
    let mut results: Vec<_> = chart.results.iter().collect();
    results.sort_by(|a, b| (collected(a), a.id()).cmp(&(collected(b), b.id())));
    results
        .into_iter()
        .map(|result| AssessedResult {
            id: result.id().clone(),
            analyte: result.id().analyte,
            state: result.state(),
            row: Phi::new(row(result)),
            reason: match result.state() {
                State::Unknown(why) => Some(Phi::new(reasons::unjudged(result, why))),
                State::Low | State::Normal | State::High | State::NotLow => None,
            },
            observed_at: collected(result),
        })
        .collect()
}

fn beside(anchor: &Anchor<'_>) -> Vec<Beside> {
    anchor
        .panel
        .parts()
        .map(|(analyte, part)| Beside {
            analyte,
            standing: match part {
                Part::Concurrent(_) => "concurrent",
                Part::Stale(_) => "stale",
                Part::Unusable(..) => "unusable",
                Part::Missing => "missing",
            },
            result: part.result().map(|result| result.id().clone()),
        })
        .collect()
}

/// The newest IgM that cannot be judged.
fn newest_unknown<'r, 'a>(chart: &'r Chart<'a>) -> Option<(&'r JudgedResult<'a>, Why)> {
    unknown_igm(chart)
        .max_by_key(|(result, _)| (result.observed().map(|observed| observed.at), result.id()))
}

fn unknown_igm<'r, 'a>(chart: &'r Chart<'a>) -> impl Iterator<Item = (&'r JudgedResult<'a>, Why)> {
    chart
        .results
        .iter()
        .filter(|result| result.id().analyte == Analyte::IgM)
        .filter_map(|result| match result.state() {
            State::Unknown(why) => Some((result, why)),
            State::Low | State::Normal | State::High | State::NotLow => None,
        })
}

/// Why a person should look: an IgM that could not be judged and that no later judged one has
/// overtaken, or a low one that fits no class (R11, R14). The flag is for `undetectable`.
fn review(chart: &Chart<'_>, anchor: Option<&Anchor<'_>>) -> (Option<&'static str>, bool) {
    let overtaken = |result: &JudgedResult<'_>| {
        result
            .observed()
            .zip(anchor)
            .is_some_and(|(observed, anchor)| observed.at < anchor.observed.at)
    };
    let worst = unknown_igm(chart)
        .filter(|(result, why)| why.needs_review() && !overtaken(result))
        .max_by_key(|(result, why)| {
            (
                *why == Why::Undetectable,
                result.observed().map(|observed| observed.at),
                result.id(),
            )
        });
    if let Some((_, why)) = worst {
        return (Some(why.word()), why == Why::Undetectable);
    }
    let low =
        anchor.filter(|anchor| anchor.verdict.classification == Classification::Indeterminate);
    (low.and_then(|anchor| anchor.verdict.reason), false)
}

#[cfg(test)]
mod tests;
