//! `[[analyte]]`, `[[interval]]`, `[[association]]`: a site's rows, added to the data files.

use super::keys::{ANALYTE, ASSOCIATION, INTERVAL};
use super::layer::Raw;
use super::problem::{Problem, Wrong};
use super::quantity;
use super::section::{Section, one_of};
use crate::core::clinical::observation::{Analyte, Sex};
use crate::core::policy::{AgeSpan, Policy};
use jiff::civil::Date;
use rust_decimal::Decimal;

/// All rows, in the order of the layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// `[[analyte]]`.
    pub analytes: Vec<AnalyteEntry>,
    /// `[[interval]]`.
    pub intervals: Vec<IntervalEntry>,
    /// `[[association]]`.
    pub associations: Vec<AssociationEntry>,
}

/// One `[[analyte]]`: a code that is an analyte (CLINICAL 3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalyteEntry {
    /// Which.
    pub analyte: Analyte,
    /// Coding system as sent; empty = a local code.
    pub system: String,
    /// Code, a whole component; empty where only `match_text` serves.
    pub code: String,
    /// `MSH-3/MSH-4`; `None` = every feed.
    pub feed: Option<String>,
    /// Specimen that is implied where none is sent.
    pub specimen: Option<String>,
    /// Unit of values that are sent without one.
    pub default_unit: Option<String>,
    /// Text of OBX-3.2 that serves without a code.
    pub match_text: Option<String>,
    /// False takes a built-in row out.
    pub enabled: bool,
}

/// One `[[interval]]`: limits for an analyte by age, sex and origin (CLINICAL 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalEntry {
    /// Which.
    pub analyte: Analyte,
    /// Low limit.
    pub low: Option<Decimal>,
    /// High limit.
    pub high: Option<Decimal>,
    /// Unit of both.
    pub unit: String,
    /// From this age on.
    pub from_age: Option<AgeSpan>,
    /// Below this age.
    pub to_age: Option<AgeSpan>,
    /// `None` = any.
    pub sex: Option<Sex>,
    /// `MSH-3/MSH-4`; `None` = every feed.
    pub feed: Option<String>,
    /// Performing laboratory; `None` = every one.
    pub laboratory: Option<String>,
    /// Method; `None` = every one.
    pub method: Option<String>,
    /// First day.
    pub valid_from: Option<Date>,
    /// Last day.
    pub valid_to: Option<Date>,
    /// Where the numbers are from.
    pub source: String,
}

/// One `[[association]]`: a diagnosis or drug that matters beside a low IgM (CLINICAL 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociationEntry {
    /// As it is shown.
    pub label: String,
    /// Coding system.
    pub system: String,
    /// Code; `*` at the end = prefix.
    pub code: String,
    /// `secondary`, `urgent`, `prompt`, `known` or `context`.
    pub class: &'static str,
    /// `diagnosis` or `drug`.
    pub kind: &'static str,
    /// Where the fact is from.
    pub source: String,
}

pub(super) const CLASSES: &[&str] = &["secondary", "urgent", "prompt", "known", "context"];
pub(super) const KINDS: &[&str] = &["diagnosis", "drug"];

impl Tables {
    /// The policy with these rows before the built-in ones.
    pub(super) fn add_to(&self, policy: Policy) -> Policy {
        policy
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

fn analyte_entry(section: &mut Section<'_>) -> Option<AnalyteEntry> {
    let code = section.text("code").unwrap_or_default();
    let match_text = section.text("match_text");
    if code.is_empty() && match_text.is_none() && !section.has("code") {
        section.require(
            "code",
            "name the code as it stands in OBX-3, or `match_text`",
        );
    }
    Some(AnalyteEntry {
        analyte: analyte(section)?,
        system: section.text("system").unwrap_or_default(),
        code,
        feed: section.text("feed"),
        specimen: section.text("specimen"),
        default_unit: unit(section, "default_unit"),
        match_text,
        enabled: section.flag("enabled").unwrap_or(true),
    })
}

/// A unit of mass concentration; its spelling is the unit table's business.
fn unit(section: &mut Section<'_>, key: &str) -> Option<String> {
    section.parsed(
        key,
        "a unit such as `g/L` or `mg/dL`",
        "units of mass concentration can be converted, others cannot",
        |text| (!text.trim().is_empty()).then(|| text.to_owned()),
    )
}

fn interval_entry(section: &mut Section<'_>) -> Option<IntervalEntry> {
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
    Some(IntervalEntry {
        analyte: analyte(section)?,
        low,
        high,
        unit: unit(section, "unit")?,
        from_age,
        to_age,
        sex: section.choice("sex", &[("F", Sex::Female), ("M", Sex::Male)]),
        feed: section.text("feed"),
        laboratory: section.text("laboratory"),
        method: section.text("method"),
        valid_from,
        valid_to,
        source: section.text("source").unwrap_or_default(),
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

fn association_entry(section: &mut Section<'_>) -> Option<AssociationEntry> {
    let words = |words: &'static [&'static str]| -> Vec<(&'static str, &'static str)> {
        words.iter().map(|word| (*word, *word)).collect()
    };
    for key in ["label", "system", "code", "class"] {
        section.require(key, "a row has `label`, `system`, `code` and `class`");
    }
    Some(AssociationEntry {
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
        class: section.choice("class", &words(CLASSES))?,
        kind: section.choice("kind", &words(KINDS)).unwrap_or("diagnosis"),
        source: section.text("source").unwrap_or_default(),
    })
}
