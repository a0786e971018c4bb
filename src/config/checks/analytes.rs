//! `[[analyte]]` rows that contradict or hide each other, and those that take nothing out.

use super::{is_feed, odd_feed, warning};
use crate::config::Config;
use crate::config::keys::ANALYTE;
use crate::config::layer::Raw;
use crate::config::problem::{Problem, Warning, Wrong};
use crate::config::validate::{in_row, problem};
use crate::core::clinical::analyte::{AnalyteMap, AnalyteRow};

/// Reports rows for the same code, system and feed that say different things.
pub(super) fn contradictions(config: &Config, raw: &Raw, problems: &mut Vec<Problem>) {
    let rows = &config.tables.analytes;
    // Rows with faults of their own are not in the table, and the places would be off.
    if rows.len() != raw.rows(ANALYTE.name).len() {
        return;
    }
    for (index, row) in rows.iter().enumerate() {
        let same = |other: &&AnalyteRow| row.has_same_code(other) || row.has_same_text(other);
        let Some((first, other)) = earlier(rows, index, same) else {
            continue;
        };
        let (at, _) = in_row(raw, &ANALYTE, first, "analyte");
        let what = if row.has_same_code(other) {
            code(row)
        } else {
            text(row)
        };
        let (key, wrong) = if row.analyte != other.analyte {
            let (one, two) = (row.analyte.name(), other.analyte.name());
            ("analyte", format!("{what} is {one} here and {two} at {at}"))
        } else if row.enabled != other.enabled {
            let (one, two) = if row.enabled {
                ("mapped", "taken out")
            } else {
                ("taken out", "mapped")
            };
            ("enabled", format!("{what} is {one} here and {two} at {at}"))
        } else {
            continue;
        };
        problems.push(problem(
            in_row(raw, &ANALYTE, index, key),
            Wrong::Conflict(wrong),
            "keep one of the two, or tell them apart by `system` or `feed`",
        ));
    }
}

/// Rows that another one hides, rows that take nothing out, and feeds that no message has.
pub(super) fn hidden(config: &Config, raw: &Raw) -> Vec<Warning> {
    let rows = &config.tables.analytes;
    let built_in = AnalyteMap::built_in();
    let mut warnings = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let by_code = earlier(rows, index, |other| row.has_same_code(other));
        let by_text = earlier(rows, index, |other| row.has_same_text(other));
        let found = by_code
            .map(|found| ("code", code(row), found))
            .or_else(|| by_text.map(|found| ("match_text", text(row), found)));
        if let Some((key, what, (first, _))) = found {
            let (at, _) = in_row(raw, &ANALYTE, first, key);
            warnings.push(warning(
                in_row(raw, &ANALYTE, index, key),
                format!("this row never matches by its `{key}`: {what} is mapped at {at} already"),
                "remove one of the two, or tell them apart by `system` or `feed`",
            ));
        }
        let others = rows.iter().filter(|other| other.enabled);
        if !row.enabled && !others.chain(built_in.rows()).any(|other| row.meets(other)) {
            let key = if row.code.trim().is_empty() {
                "match_text"
            } else {
                "code"
            };
            warnings.push(warning(
                in_row(raw, &ANALYTE, index, key),
                format!("nothing to take out: no row maps {}", code(row)),
                "correct the code, or remove the row; `pentamer check --print analytes` lists all rows",
            ));
        }
        if !is_feed(&row.feed) {
            warnings.push(odd_feed(in_row(raw, &ANALYTE, index, "feed"), &row.feed));
        }
    }
    warnings
}

fn earlier(
    rows: &[AnalyteRow],
    index: usize,
    wanted: impl Fn(&&AnalyteRow) -> bool,
) -> Option<(usize, &AnalyteRow)> {
    rows.iter()
        .enumerate()
        .take(index)
        .find(|(_, other)| wanted(other))
}

fn code(row: &AnalyteRow) -> String {
    if row.code.trim().is_empty() {
        return text(row);
    }
    let mut shown = format!("code `{}`", row.code);
    for (what, value) in [("system", &row.system), ("feed", &row.feed)] {
        if !value.trim().is_empty() {
            shown.push_str(&format!(" of {what} `{value}`"));
        }
    }
    shown
}

fn text(row: &AnalyteRow) -> String {
    format!("text `{}`", row.match_text.as_deref().unwrap_or_default())
}
