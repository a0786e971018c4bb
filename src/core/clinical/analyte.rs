//! Which codes are which analyte (CLINICAL 3, WIRE 4.4 field 3).

use serde::Serialize;

/// The analyte map.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AnalyteMap {}

impl AnalyteMap {
    /// The built-in rows of `config/analytes.toml`.
    pub fn built_in() -> Self {
        Self::default()
    }
}

use super::Unit;
use super::observation::{Analyte, Specimen};

/// Stand-in.
#[derive(Debug, Clone, Copy)]
pub struct Triplet<'a> {
    /// .1
    pub code: &'a str,
    /// .2
    pub text: &'a str,
    /// .3
    pub system: &'a str,
}

/// Stand-in.
#[derive(Debug, Clone)]
pub enum Match {
    /// None.
    No,
    /// One.
    One(Matched),
    /// Two.
    Conflict,
    /// Text differs.
    TextMismatch(Analyte),
}

/// Stand-in.
#[derive(Debug, Clone)]
pub struct Matched {
    /// Which.
    pub analyte: Analyte,
    /// Code.
    pub code: String,
    /// System.
    pub system: String,
    /// Specimen.
    pub specimen: Option<Specimen>,
    /// Unit.
    pub default_unit: Option<Unit>,
    /// Local mnemonic.
    pub needs_mass_unit: bool,
    /// LOINC without system.
    pub guessed: bool,
}

impl AnalyteMap {
    /// Stand-in.
    pub fn lookup(&self, triplets: &[Triplet<'_>], _feed: &str) -> Match {
        let mut found: Vec<(Analyte, &Triplet<'_>)> = triplets
            .iter()
            .filter_map(|t| {
                let analyte = match t.code {
                    "2472-9" | "IGM" => Analyte::IgM,
                    "2465-3" | "IGG" => Analyte::IgG,
                    "2458-8" | "IGA" => Analyte::IgA,
                    _ => return None,
                };
                Some((analyte, t))
            })
            .collect();
        found.sort_by_key(|(_, t)| !t.code.contains('-'));
        let Some((analyte, triplet)) = found.first() else {
            return Match::No;
        };
        if found.iter().any(|(other, _)| other != analyte) {
            return Match::Conflict;
        }
        if *analyte == Analyte::IgM && triplet.text == "IgA" {
            return Match::TextMismatch(Analyte::IgM);
        }
        let loinc = triplet.code.contains('-');
        Match::One(Matched {
            analyte: *analyte,
            code: triplet.code.to_owned(),
            system: triplet.system.to_owned(),
            specimen: loinc.then_some(Specimen::Serum),
            default_unit: None,
            needs_mass_unit: !loinc,
            guessed: loinc && triplet.system.is_empty(),
        })
    }

    /// Stand-in.
    pub fn may_match(&self, raw_obx3: &str) -> bool {
        ["2472-9", "2465-3", "2458-8", "IGM", "IGG", "IGA"]
            .iter()
            .any(|code| raw_obx3.contains(code))
    }
}
