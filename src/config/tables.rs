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
    section.parsed(
        "analyte",
        &expected,
        "upper and lower case matter",
        |text| Analyte::ALL.into_iter().find(|one| one.name() == text),
    )
}

fn analyte_entry(section: &mut Section<'_>) -> Option<AnalyteRow> {
    let code = section.text("code").unwrap_or_default();
    let match_text = section.text("match_text");
    if code.is_empty() && match_text.is_none() && !section.has("code") {
        section.require(
            "code",
            "name the code as it stands in OBX-3, or `match_text`",
        );
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
    section.parsed(
        key,
        "a unit such as `g/L` or `mg/dL`",
        "units of mass concentration can be converted, others cannot",
        |text| Some(Unit::parse(text)).filter(Unit::is_mass),
    )
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
    in_order(
        section,
        "high",
        low.as_ref().zip(high.as_ref()),
        "`high` is below `low`",
    );
    in_order(
        section,
        "to_age",
        from_age.as_ref().zip(to_age.as_ref()),
        "`to_age` is below `from_age`",
    );
    in_order(
        section,
        "valid_to",
        valid_from.as_ref().zip(valid_to.as_ref()),
        "`valid_to` is before `valid_from`",
    );
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

fn in_order<T: PartialOrd>(
    section: &mut Section<'_>,
    key: &str,
    pair: Option<(&T, &T)>,
    otherwise: &str,
) {
    if pair.is_some_and(|(first, second)| first > second) {
        section.report(
            key,
            Wrong::Conflict(otherwise.to_owned()),
            "exchange the two",
        );
    }
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
