//! `[[analyte]]`, `[[interval]]`, `[[association]]`: a site's rows, added to the data files.

use super::keys::{ANALYTE, ASSOCIATION, INTERVAL};
use super::layer::Raw;
use super::problem::{Problem, Wrong};
use super::quantity;
use super::section::{Section, one_of};
use crate::core::clinical::Unit;
use crate::core::clinical::analyte::AnalyteRow;
use crate::core::clinical::association::{AssociationRow, Class, Kind};
use crate::core::clinical::interval::IntervalRow;
use crate::core::clinical::observation::{Analyte, Sex, Specimen};
use crate::core::policy::Policy;
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::cmp::Ordering;

/// All rows, in the order of the layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// `[[analyte]]`.
    pub analytes: Vec<AnalyteRow>,
    /// `[[interval]]`.
    pub intervals: Vec<IntervalRow>,
    /// `[[association]]`.
    pub associations: Vec<AssociationRow>,
}

/// `source` of rows that name none.
const SITE: &str = "site";

/// Immunoglobulins that are no slip for one of ours.
const OTHERS: [&str; 4] = ["igd", "ige", "iga1", "iga2"];

/// Units of mass concentration in their usual spelling.
pub(super) const UNITS: [&str; 6] = ["g/L", "mg/dL", "mg/L", "g/dL", "ug/dL", "ug/L"];

pub(super) const SPECIMENS: &[(&str, Specimen)] = &[
    ("SER", Specimen::Serum),
    ("serum", Specimen::Serum),
    ("cord", Specimen::Cord),
];
pub(super) const SEXES: &[(&str, Sex)] = &[("F", Sex::Female), ("M", Sex::Male)];
pub(super) const CLASSES: &[(&str, Class)] = &[
    ("secondary", Class::Secondary),
    ("urgent", Class::Urgent),
    ("prompt", Class::Prompt),
    ("known", Class::Known),
    ("context", Class::Context),
];
pub(super) const KINDS: &[(&str, Kind)] = &[("diagnosis", Kind::Diagnosis), ("drug", Kind::Drug)];

impl Tables {
    /// The policy with these rows before the built-in ones.
    pub(super) fn add_to(&self, policy: Policy) -> Policy {
        Policy {
            analytes: (*policy.analytes)
                .clone()
                .with_rows(self.analytes.clone())
                .into(),
            intervals: (*policy.intervals)
                .clone()
                .with_rows(self.intervals.clone())
                .into(),
            associations: (*policy.associations)
                .clone()
                .with_rows(self.associations.clone())
                .into(),
            ..policy
        }
    }
}

pub(super) fn read(raw: &Raw, problems: &mut Vec<Problem>) -> Tables {
    let mut tables = Tables::default();
    for row in raw.rows(ANALYTE.name) {
        let section = &mut Section::row(&ANALYTE, row, problems);
        tables.analytes.extend(analyte_entry(section));
    }
    for row in raw.rows(INTERVAL.name) {
        let section = &mut Section::row(&INTERVAL, row, problems);
        tables.intervals.extend(interval_entry(section));
    }
    for row in raw.rows(ASSOCIATION.name) {
        let section = &mut Section::row(&ASSOCIATION, row, problems);
        tables.associations.extend(association_entry(section));
    }
    tables
}

fn analyte(section: &mut Section<'_>) -> Option<Analyte> {
    let expected = one_of(Analyte::ALL.map(Analyte::name));
    section.require("analyte", &format!("one of {expected}"));
    let written = section.as_written("analyte").to_lowercase();
    let help = if OTHERS.contains(&written.as_str()) {
        "only these are judged".to_owned()
    } else {
        let names = Analyte::ALL.map(Analyte::name);
        section.meant("analyte", &names, "upper and lower case matter")
    };
    section.parsed("analyte", &expected, &help, |text| {
        Analyte::ALL.into_iter().find(|one| one.name() == text)
    })
}

fn analyte_entry(section: &mut Section<'_>) -> Option<AnalyteRow> {
    let code = section.text("code").unwrap_or_default();
    let match_text = section.text("match_text");
    let blank = |text: &str| text.trim().is_empty();
    if blank(&code) && match_text.as_deref().is_none_or(blank) {
        let help = "name the code as it stands in OBX-3, or `match_text`";
        match ["code", "match_text"]
            .into_iter()
            .find(|key| section.has(key))
        {
            None => section.require("code", help),
            Some(key) => section.report(
                key,
                Wrong::Conflict("a row without code and text matches nothing".to_owned()),
                help,
            ),
        }
    }
    Some(AnalyteRow {
        analyte: analyte(section)?,
        system: section.text("system").unwrap_or_default(),
        code,
        feed: section.text("feed").unwrap_or_default(),
        specimen: section.choice("specimen", SPECIMENS),
        default_unit: unit(section, "default_unit"),
        match_text,
        enabled: section.flag("enabled").unwrap_or(true),
        source: SITE.to_owned(),
    })
}

/// A unit of mass concentration, in any spelling of the unit table.
fn unit(section: &mut Section<'_>, key: &str) -> Option<Unit> {
    let written = section.as_written(key).to_lowercase();
    let help = "units of mass concentration can be converted, others cannot";
    let help = if ["iu", "mol", "u/"]
        .iter()
        .any(|part| written.contains(part))
    {
        help.to_owned()
    } else {
        section.meant(key, &UNITS, help)
    };
    section.parsed(key, "a unit such as `g/L` or `mg/dL`", &help, |text| {
        Some(Unit::parse(text)).filter(Unit::is_mass)
    })
}

fn interval_entry(section: &mut Section<'_>) -> Option<IntervalRow> {
    let limit = |section: &mut Section<'_>, key| {
        section.parsed(
            key,
            "a number such as `0.4`",
            "the decimal sign is a point; the unit stands in `unit`",
            |text| {
                text.parse::<Decimal>()
                    .ok()
                    .filter(|limit| !limit.is_sign_negative())
            },
        )
    };
    let age = |section: &mut Section<'_>, key| {
        section.parsed(
            key,
            "an age such as `6 mo` or `18 y`",
            "units are d, wk, mo, y",
            quantity::age,
        )
    };
    let day = |section: &mut Section<'_>, key| {
        section.parsed(
            key,
            "a day such as `2026-03-01`",
            "write year, month and day with hyphens",
            |text| text.parse::<Date>().ok(),
        )
    };
    let (low, high) = (limit(section, "low"), limit(section, "high"));
    if !section.has("low") && !section.has("high") {
        section.require("low", "an interval has `low`, `high`, or both");
    }
    section.require(
        "unit",
        "name the unit of `low` and `high`, e.g. `unit = \"g/L\"`",
    );
    let (from_age, to_age) = (age(section, "from_age"), age(section, "to_age"));
    let (valid_from, valid_to) = (day(section, "valid_from"), day(section, "valid_to"));
    let limits = low.zip(high).map(|(low, high)| low.cmp(&high));
    in_order(section, ["low", "high"], limits, true);
    let ages = from_age.zip(to_age);
    let ages = ages.map(|(from, to)| quantity::length(from).cmp(&quantity::length(to)));
    in_order(section, ["from_age", "to_age"], ages, true);
    let days = valid_from.zip(valid_to).map(|(from, to)| from.cmp(&to));
    in_order(section, ["valid_from", "valid_to"], days, false);
    Some(IntervalRow {
        analyte: analyte(section)?,
        low,
        high,
        unit: unit(section, "unit")?,
        from_age,
        to_age,
        sex: section.choice("sex", SEXES),
        feed: section.text("feed").unwrap_or_default(),
        laboratory: section.text("laboratory").unwrap_or_default(),
        method: section.text("method").unwrap_or_default(),
        valid_from,
        valid_to,
        source: source(section),
        built_in: false,
    })
}

/// Reports two keys whose values are the wrong way round, or equal where they must `differ`.
fn in_order(
    section: &mut Section<'_>,
    [first, second]: [&str; 2],
    order: Option<Ordering>,
    differ: bool,
) {
    let (relation, help) = match order {
        Some(Ordering::Greater) => ("is below", "exchange the two, or correct one of them"),
        Some(Ordering::Equal) if differ => {
            ("is not above", "make them differ, or leave one of them out")
        }
        Some(Ordering::Equal | Ordering::Less) | None => return,
    };
    let (one, other) = (section.as_written(first), section.as_written(second));
    let wrong = Wrong::Conflict(format!("`{second}` = {other} {relation} `{first}` = {one}"));
    section.report(second, wrong, help);
}

fn association_entry(section: &mut Section<'_>) -> Option<AssociationRow> {
    for key in ["label", "system", "code", "class"] {
        section.require(key, "a row has `label`, `system`, `code` and `class`");
    }
    Some(AssociationRow {
        label: section.text("label")?,
        system: section.text("system")?,
        code: section.parsed(
            "code",
            "a code such as `C90.0` or `C90*`",
            "a `*` may stand at the end only, and not alone",
            |text| {
                let stem = text.strip_suffix('*').unwrap_or(text);
                (!stem.trim().is_empty() && !stem.contains('*')).then(|| text.to_owned())
            },
        )?,
        classes: vec![section.choice("class", CLASSES)?],
        kind: section.choice("kind", KINDS).unwrap_or_default(),
        max_age: None,
        enabled: true,
        source: source(section),
    })
}

fn source(section: &mut Section<'_>) -> String {
    section.text("source").unwrap_or_else(|| SITE.to_owned())
}
