//! The tables in force, site rows and built-in ones, in aligned columns for people.

use super::Config;
use super::quantity::{length, show_age};
use super::tables::{CLASSES, KINDS, SEXES, SPECIMENS};
use crate::core::clinical::analyte::Entry;
use crate::core::clinical::association::{AssociationRow, Class};
use crate::core::clinical::interval::IntervalRow;
use crate::core::clinical::observation::Analyte;
use crate::core::clinical::{Limits, Unit};
use crate::core::policy::AgeSpan;
use std::cmp::Reverse;

const SITE: &str = "site";
const BUILT_IN: &str = "built-in";
/// Stands where a column says nothing.
const NOTHING: &str = "-";
/// Between two columns.
const GUTTER: &str = "  ";

impl Config {
    /// All intervals that may judge, by analyte, in the order in which they are looked for: rows of
    /// the site first, those that name more of feed, laboratory and method before others, those of
    /// one sex before those of both, then as they are written.
    pub fn intervals_overview(&self) -> String {
        let policy = self.policy();
        let built_in = self.detection.use_builtin_intervals;
        let mut rows: Vec<&IntervalRow> = policy
            .intervals
            .rows()
            .filter(|row| built_in || !row.built_in)
            .collect();
        rows.sort_by_key(|row| {
            let analyte = Analyte::ALL.iter().position(|one| *one == row.analyte);
            let scope = (Reverse(row.scope()), row.sex.is_none());
            (analyte, row.built_in, scope)
        });
        let heading = [
            "ANALYTE",
            "TABLE",
            "AGES",
            "SEX",
            "LIMITS",
            "IN G/L",
            "FEED",
            "LABORATORY",
            "METHOD",
            "VALID",
            "SOURCE",
        ];
        table(heading, rows.into_iter().map(interval))
    }

    /// All codes that are an analyte, rows of the site first.
    pub fn analytes_overview(&self) -> String {
        let policy = self.policy();
        let heading = [
            "ANALYTE", "TABLE", "SYSTEM", "CODE", "TEXT", "FEED", "SPECIMEN", "UNIT", "COUNTS",
            "SOURCE",
        ];
        table(
            heading,
            policy.analytes.entries().map(|entry| analyte(&entry)),
        )
    }

    /// All diagnoses and drugs, rows of the site first.
    pub fn associations_overview(&self) -> String {
        let policy = self.policy();
        let of_site = self.tables.associations.len();
        let heading = [
            "LABEL", "TABLE", "SYSTEM", "CODE", "CLASS", "KIND", "AGES", "COUNTS", "SOURCE",
        ];
        let rows = policy.associations.rows().enumerate();
        table(
            heading,
            rows.map(|(index, row)| association(row, index >= of_site)),
        )
    }
}

const fn origin(built_in: bool) -> &'static str {
    if built_in { BUILT_IN } else { SITE }
}

fn interval(row: &IntervalRow) -> [String; 11] {
    let given = Limits {
        low: row.low,
        high: row.high,
    };
    let valid = match (row.valid_from, row.valid_to) {
        (None, None) => String::new(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(to)) => format!("to {to}"),
        (Some(from), Some(to)) => format!("{from} to {to}"),
    };
    [
        row.analyte.name().to_owned(),
        origin(row.built_in).to_owned(),
        ages(row.from_age, row.to_age),
        row.sex.map(|sex| word(SEXES, &sex)).unwrap_or_default(),
        format!("{} {}", limits(given), row.unit.shown()),
        row.limits_in_gram_per_litre()
            .map(limits)
            .unwrap_or_default(),
        row.feed.clone(),
        row.laboratory.clone(),
        row.method.clone(),
        valid,
        row.source.clone(),
    ]
}

fn analyte(entry: &Entry<'_>) -> [String; 10] {
    let row = entry.row;
    let counts = match (row.enabled, entry.guarded) {
        (false, _) => "taken out",
        (true, true) => "with a unit of mass",
        (true, false) => "yes",
    };
    [
        row.analyte.name().to_owned(),
        origin(entry.built_in).to_owned(),
        row.system.clone(),
        row.code.clone(),
        row.match_text.clone().unwrap_or_default(),
        row.feed.clone(),
        row.specimen
            .map(|specimen| word(SPECIMENS, &specimen))
            .unwrap_or_default(),
        row.default_unit
            .as_ref()
            .map(Unit::shown)
            .unwrap_or_default(),
        counts.to_owned(),
        row.source.clone(),
    ]
}

fn association(row: &AssociationRow, built_in: bool) -> [String; 9] {
    let classes: Vec<String> = row.classes.iter().map(class).collect();
    [
        row.label.clone(),
        origin(built_in).to_owned(),
        row.system.clone(),
        row.code.clone(),
        classes.join(", "),
        word(KINDS, &row.kind),
        row.max_age
            .map(|most| ages(None, Some(most)))
            .unwrap_or_default(),
        if row.enabled { "yes" } else { "no" }.to_owned(),
        row.source.clone(),
    ]
}

/// One that a site can write by its word, else that of the built-in table.
fn class(class: &Class) -> String {
    match class {
        Class::KnownOther => "known (other)".to_owned(),
        one => word(CLASSES, one),
    }
}

fn word<T: PartialEq>(words: &[(&str, T)], value: &T) -> String {
    let word = words.iter().find(|(_, one)| one == value);
    word.map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}

/// `12y to 18y`, `from 18y`, `below 14d`; empty for all ages.
fn ages(from: Option<AgeSpan>, to: Option<AgeSpan>) -> String {
    match (from.filter(|from| length(*from) > 0), to) {
        (None, None) => String::new(),
        (Some(from), None) => format!("from {}", show_age(from)),
        (None, Some(to)) => format!("below {}", show_age(to)),
        (Some(from), Some(to)) => format!("{} to {}", show_age(from), show_age(to)),
    }
}

/// `0.4-2.3`, `>=0.4`, `<=2.3`: a value equal to a limit is normal.
fn limits(limits: Limits) -> String {
    match (limits.low, limits.high) {
        (Some(low), Some(high)) => format!("{low}-{high}"),
        (Some(low), None) => format!(">={low}"),
        (None, Some(high)) => format!("<={high}"),
        (None, None) => String::new(),
    }
}

/// Rows below a heading, every column as wide as its widest text; no blanks at the ends of lines.
fn table<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let heading = heading.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(heading)
        .chain(rows)
        .map(|row| row.map(|cell| shown(&cell)))
        .collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join(GUTTER).trim_end());
        text.push('\n');
    }
    text
}

/// A cell on one line.
fn shown(cell: &str) -> String {
    let words: Vec<&str> = cell.split_whitespace().collect();
    if words.is_empty() {
        NOTHING.to_owned()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use crate::config::load;
    use std::path::Path;

    fn overview(show: impl Fn(&crate::config::Config) -> String) -> String {
        let file = Path::new("tests/configs/good/hospital.toml");
        show(&load(Some(file), []).expect("good").config)
    }

    fn columns(text: &str) -> Vec<Vec<&str>> {
        text.lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty())
                    .collect()
            })
            .collect()
    }

    #[test]
    fn intervals_of_the_site_stand_before_the_built_in_ones() {
        let text = overview(crate::config::Config::intervals_overview);
        let rows = columns(&text);
        assert_eq!(
            rows[1],
            [
                "IgM",
                "site",
                "from 18y",
                "F",
                "0.4-2.3 g/L",
                "0.4-2.3",
                "-",
                "-",
                "-",
                "from 2026-01-01",
                "site"
            ]
        );
        assert_eq!(
            rows[2][..6],
            [
                "IgM",
                "built-in",
                "below 14d",
                "-",
                "0.05-0.20 g/L",
                "0.05-0.20"
            ]
        );
        assert_eq!(rows.len(), 2 + 75);
        assert!(text.lines().all(|line| !line.ends_with(' ')));
        let starts: Vec<Option<usize>> = text.lines().map(|line| line.find("g/L")).collect();
        assert!(starts.iter().skip(1).all(Option::is_some));
    }

    #[test]
    fn analytes_and_associations_say_whether_they_count() {
        let analytes = overview(crate::config::Config::analytes_overview);
        let rows = columns(&analytes);
        assert_eq!(rows[1][..4], ["IgM", "site", "L", "IGMS"]);
        assert!(rows[2].contains(&"taken out"), "{analytes}");
        assert!(
            rows.iter()
                .any(|row| row.contains(&"NPU19825") && row.contains(&"with a unit of mass"))
        );
        let associations = overview(crate::config::Config::associations_overview);
        let rows = columns(&associations);
        assert_eq!(
            rows[1][..6],
            [
                "ataxia telangiectasia",
                "site",
                "I10",
                "G11.3",
                "prompt",
                "diagnosis"
            ]
        );
        assert!(
            rows.iter()
                .any(|row| row[0] == "rituximab" && row.contains(&"no"))
        );
    }
}
