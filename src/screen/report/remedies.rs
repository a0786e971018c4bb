//! What was not understood, with what would mend it: in words, and where a configuration would, as lines
//! to be pasted. Codes of the laboratory are in them at every level, as they are nobody's own.

use super::Report;
use crate::core::clinical::observation::Analyte;
use crate::core::clinical::state::Why;
use crate::core::extract::Coding;
use crate::core::mend;
use crate::screen::{Findings, Refused};
use std::fmt::Write as _;

/// Codes of one reason and feed for which there are lines; the most frequent ones.
const ROWS: usize = 20;

/// One kind of what was not understood.
pub(super) struct NotUnderstood {
    /// As in `pentamer_quarantine_total{reason}`.
    pub reason: &'static str,
    /// The daemon would have kept and acknowledged it, and that is all.
    pub only_kept: bool,
    pub feed: String,
    pub count: u64,
    /// One place where it was.
    pub place: Option<String>,
    pub remedy: String,
    /// Of results that are refused for their code or unit, the most frequent first.
    pub codes: Vec<Code>,
    /// Lines for the configuration.
    pub lines: Option<String>,
}

/// A code as it was sent.
pub(super) struct Code {
    pub code: String,
    pub system: String,
    /// Where it is the unit that is not understood.
    pub unit: Option<String>,
    pub count: u64,
}

/// Everything that was not understood, the most frequent first.
pub(super) fn not_understood(report: &Report<'_>) -> Vec<NotUnderstood> {
    let tally = &report.screened.tally;
    let refused = tally.refusals.iter().map(|((reason, feed), one)| {
        let mut called: Vec<_> = one.called.iter().collect();
        called.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        NotUnderstood {
            reason: reason.word(),
            only_kept: false,
            feed: feed.clone(),
            count: one.count,
            place: one.place.as_ref().map(ToString::to_string),
            remedy: one.remedy.clone(),
            codes: codes(one),
            lines: if mend::is_of_code(*reason) {
                let codings = called.into_iter().map(|((codings, _), _)| codings);
                rows(codings, &|codings| {
                    mend::of_code(*reason, codings, feed, &report.policy.analytes)
                })
            } else {
                mend::of_setting(*reason, report.listener)
            },
        }
    });
    let mut all: Vec<NotUnderstood> = refused.chain(other_processing(report)).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.count));
    all
}

/// Messages of another processing id than the listener's.
fn other_processing(report: &Report<'_>) -> Vec<NotUnderstood> {
    let tally = &report.screened.tally;
    tally
        .not_production
        .iter()
        .map(|((feed, processing), count)| NotUnderstood {
            reason: "other_processing_id",
            only_kept: true,
            feed: feed.clone(),
            count: *count,
            place: Some(format!("MSH[1]-11 processing id, `{processing}`")),
            remedy: "nothing, where these are tests; else set `processing` of a listener for them"
                .to_owned(),
            codes: Vec::new(),
            lines: Some(mend::of_processing(report.listener, processing)),
        })
        .collect()
}

/// Lines for IgM that could not be judged for want of limits.
pub(super) fn intervals(found: &Findings) -> Option<String> {
    let missing = found.unjudged.contains_key(Why::NoInterval.word());
    missing.then(|| mend::of_interval(Analyte::IgM))
}

fn codes(refused: &Refused) -> Vec<Code> {
    let mut codes: Vec<Code> = refused
        .called
        .iter()
        .filter_map(|((codings, unit), count)| {
            let first = codings.first()?;
            Some(Code {
                code: first.code.clone(),
                system: first.system.clone(),
                unit: (!unit.is_empty()).then(|| unit.clone()),
                count: *count,
            })
        })
        .collect();
    codes.sort_by_key(|code| std::cmp::Reverse(code.count));
    codes
}

/// A row for each code that one would mend, each once.
fn rows<'c>(
    codings: impl Iterator<Item = &'c Vec<Coding>>,
    row: &dyn Fn(&[Coding]) -> Option<String>,
) -> Option<String> {
    let mut found: Vec<String> = Vec::new();
    let mut more = 0;
    for codings in codings {
        if found.len() >= ROWS {
            more += 1;
        } else if let Some(row) = row(codings).filter(|row| !found.contains(row)) {
            found.push(row);
        }
    }
    let mut lines = found.join("\n");
    if more > 0 {
        let _ = writeln!(lines, "\n# and {more} further codes");
    }
    (!lines.is_empty()).then_some(lines)
}
