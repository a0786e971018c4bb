//! How IgM, IgG and IgA went (CLINICAL 7.3): the last of each that stand, with the limits used.

use super::results::{Listing, ResultView};
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::Analyte;
use crate::core::clinical::panel::JudgedResult;
use crate::core::policy::Policy;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::BTreeMap;

/// One point. Values are in g/L where they convert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrendPoint {
    /// `IgM`, `IgG` or `IgA`.
    pub analyte: &'static str,
    /// When it was collected, RFC 3339.
    pub at: String,
    /// Decimal string; null for a result below the instrument's scale.
    pub value: Option<String>,
    /// Empty, `<`, …: drawn as an open symbol.
    pub comparator: String,
    /// `g/L` where it converts, else as reported.
    pub unit: String,
    /// Low limit used.
    pub low: Option<String>,
    /// High limit used.
    pub high: Option<String>,
    /// `low`, `normal`, `high`, `not_low` or `unknown`.
    pub state: String,
    /// Not final yet.
    pub preliminary: bool,
    /// A correction of an earlier version.
    pub corrected: bool,
    /// Calendar days since the point of the same analyte before it, by the place of collection.
    pub days_since_previous: Option<i32>,
    /// `n` of the result.
    pub result: Option<u32>,
}

/// Up to `trend_results` points an analyte, in order of collection.
pub(super) fn trend(chart: &Chart<'_>, listing: &Listing<'_>, policy: &Policy) -> Vec<TrendPoint> {
    let most = usize::try_from(policy.detection.trend_results).unwrap_or(usize::MAX);
    let rows: BTreeMap<u32, &ResultView> = listing.results.iter().map(|row| (row.n, row)).collect();
    let mut points = Vec::new();
    for analyte in [Analyte::IgM, Analyte::IgG, Analyte::IgA] {
        let mut series: Vec<_> = chart
            .results
            .iter()
            .filter(|result| result.id().analyte == analyte)
            .filter_map(|result| Some((result.observed()?, result)))
            .filter(|(_, result)| has_a_point(result))
            .collect();
        series.sort_by_key(|(observed, result)| (observed.at, result.id()));
        let skipped = series.len().saturating_sub(most);
        let mut before: Option<Date> = None;
        for (index, (observed, result)) in series.into_iter().enumerate() {
            let days = before.and_then(|before| observed.date.since(before).ok());
            before = Some(observed.date);
            let row = listing
                .number(result.id())
                .and_then(|n| rows.get(&n).copied());
            let Some(row) = row.filter(|_| index >= skipped) else {
                continue;
            };
            points.push((
                observed.at,
                TrendPoint {
                    analyte: analyte.name(),
                    at: observed.at.to_rfc3339(),
                    value: row.row.value.clone(),
                    comparator: row.row.comparator.clone(),
                    unit: row.row.unit.clone(),
                    low: row.row.low.clone(),
                    high: row.row.high.clone(),
                    state: row.row.state.clone(),
                    preliminary: row.status_class == "preliminary" && row.promoted_by.is_none(),
                    corrected: matches!(row.row.status.as_str(), "C" | "A"),
                    days_since_previous: days.map(|days| days.get_days()),
                    result: Some(row.n),
                },
            ));
        }
    }
    points.sort_by_key(|(at, _)| *at);
    points.into_iter().map(|(_, point)| point).collect()
}

/// A number to draw, or a value below the instrument's scale.
fn has_a_point(result: &JudgedResult<'_>) -> bool {
    result.judged.measured.is_some() || result.judged.low_by_flag
}
