//! A value that stands only in a note (WIRE V-9): never read, but never overlooked either.

use crate::core::clinical::observation::Analyte;

/// Units as they stand behind a number in free text, lower case.
const UNITS: [&str; 10] = [
    "g/l", "gm/l", "mg/dl", "mg/l", "g/dl", "ug/ml", "µg/ml", "mcg/ml", "mg%", "iu/ml",
];

/// True where a note may hold the value: the analyte's name, or a number with comparator or unit.
pub(super) fn may_hold_value(analyte: Analyte, note: &str) -> bool {
    let lower = note.to_lowercase();
    names_analyte(analyte, &lower) || has_compared_number(&lower) || has_number_with_unit(&lower)
}

fn names_analyte(analyte: Analyte, lower: &str) -> bool {
    let short = analyte.name().to_lowercase();
    let long = short.strip_prefix("ig").unwrap_or_default();
    let mut before = "";
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .any(|word| {
            let named = word == short
                || word == long && (before == "ig" || before.starts_with("immunoglobulin"));
            before = word;
            named
        })
}

fn has_compared_number(lower: &str) -> bool {
    lower.split(['<', '>', '≤', '≥']).skip(1).any(|behind| {
        behind
            .trim_start_matches(['=', ' '])
            .starts_with(|c: char| c.is_ascii_digit())
    })
}

fn has_number_with_unit(lower: &str) -> bool {
    UNITS.iter().any(|unit| {
        lower.match_indices(unit).any(|(at, _)| {
            lower
                .get(..at)
                .unwrap_or_default()
                .trim_end_matches(' ')
                .ends_with(|c: char| c.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v9_notes_that_may_hold_the_value() {
        for note in [
            "IgM < 0.2 g/L",
            "igm not measurable",
            "Immunoglobulin M low",
            "Ig M: reduced",
            "result <0.2",
            "value is 21 mg/dL",
            "0.2g/L",
            "≤ 0.2",
        ] {
            assert!(may_hold_value(Analyte::IgM, note), "{note}");
        }
        for note in [
            "",
            "sample haemolysed",
            "IgG to follow",
            "2 samples received",
            "reference range in g/L",
            "please repeat -> soon",
            "see IgM1",
        ] {
            assert!(!may_hold_value(Analyte::IgM, note), "{note}");
        }
        assert!(may_hold_value(Analyte::IgG1, "igg1 pending"));
    }
}
