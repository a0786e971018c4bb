//! What was measured in: SPM-4, else OBR-15, else the code's own system (WIRE ).

use super::message::{Line, Message};
use super::order::{Order, entity};
use super::walk::OrderGroup;
use crate::core::clinical::observation::Specimen;
use crate::core::hl7::segment::{Field, Segment};

/// Serum, plasma and whole blood: tables 0487 and 0070, spellings of analyzers, SNOMED CT.
const SERUM: [&str; 25] = [
    "SER",
    "PLAS",
    "SERPLAS",
    "SER/PLAS",
    "PLASMA",
    "SERUM",
    "BLD",
    "BLOOD",
    "WB",
    "BLDV",
    "BLDA",
    "BLDC",
    "BLDMV",
    "BLDF",
    "PLB",
    "PPP",
    "PRP",
    "SMN-SER",
    "S",
    "P",
    "119364003",
    "119361006",
    "119297000",
    "122555007",
    "122592007",
];

/// Cord blood.
const CORD: [&str; 4] = ["CRD", "BLDCO", "CBLD", "122556008"];

/// Specimens of another kind: tables 0487 and 0070 as far as immunoglobulins are measured in them.
const OTHER: [&str; 48] = [
    "CSF",
    "UR",
    "URINE",
    "URC",
    "URT",
    "UCATH",
    "USC",
    "U24",
    "SAL",
    "SALIVA",
    "FLD",
    "FLU",
    "SNV",
    "PLR",
    "PRT",
    "PCFL",
    "PERI",
    "ASC",
    "ASCITES",
    "AMN",
    "AMNFLD",
    "BRO",
    "BAL",
    "BRTH",
    "SPT",
    "SPUTUM",
    "STL",
    "STOOL",
    "FECES",
    "MILK",
    "BMLK",
    "TEAR",
    "TEARS",
    "SWT",
    "SEM",
    "CVX",
    "VAG",
    "GAST",
    "GAS",
    "BIL",
    "DUFL",
    "EYE",
    "TISS",
    "MAR",
    "BON",
    "258450006",
    "122575003",
    "119342007",
];

/// Words of a specimen's name, where its code is not of a table.
const NAME_WORDS: [(&str, Kind); 16] = [
    ("cord", Kind::Said(Specimen::Cord)),
    ("cerebrospinal", Kind::Other),
    ("spinal", Kind::Other),
    ("csf", Kind::Other),
    ("liquor", Kind::Other),
    ("urine", Kind::Other),
    ("urin", Kind::Other),
    ("saliva", Kind::Other),
    ("sputum", Kind::Other),
    ("fluid", Kind::Other),
    ("milk", Kind::Other),
    ("stool", Kind::Other),
    ("serum", Kind::Said(Specimen::Serum)),
    ("plasma", Kind::Said(Specimen::Serum)),
    ("blood", Kind::Said(Specimen::Serum)),
    ("blut", Kind::Said(Specimen::Serum)),
];

/// What a message says of a specimen's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One that counts.
    Said(Specimen),
    /// One in which the same code means another analyte.
    Other,
    /// A code or name that no table has.
    Unrecognised,
    /// Nothing was said.
    Unsaid,
    /// Several specimens of different kinds, and nothing tells which.
    Ambiguous,
}

/// The specimen of one order.
pub(super) struct OrderSpecimen<'m> {
    pub(super) kind: Kind,
    /// Code as sent; empty where nothing was said.
    pub(super) code: String,
    /// SPM-2.
    pub(super) id: String,
    /// SPM-17.1, raw.
    pub(super) collected: &'m str,
    /// For refusals.
    pub(super) line: Option<Line<'m>>,
}

/// What becomes of a result, given its specimen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was measured in this.
    Counts(Specimen),
    /// It is another analyte.
    NotOurs,
    /// It goes to quarantine.
    CannotTell,
}

/// Kind by code, then by the words of the name.
fn kind_of(codes: &[String], names: &[String]) -> Kind {
    for code in codes {
        let code = code.to_uppercase();
        let code = code.as_str();
        if SERUM.contains(&code) {
            return Kind::Said(Specimen::Serum);
        }
        if CORD.contains(&code) {
            return Kind::Said(Specimen::Cord);
        }
        if OTHER.contains(&code) {
            return Kind::Other;
        }
    }
    let all = names.iter().chain(codes);
    let words: Vec<String> = all
        .flat_map(|name| name.split(|c: char| !c.is_alphanumeric()))
        .map(str::to_lowercase)
        .collect();
    for (word, kind) in NAME_WORDS {
        if words.iter().any(|other| other == word) {
            return kind;
        }
    }
    if codes.iter().chain(names).all(String::is_empty) {
        Kind::Unsaid
    } else {
        Kind::Unrecognised
    }
}

/// SPM-11: not a patient's specimen (table 0369), X-14.
fn is_control(message: &Message<'_>, spm: Line<'_>) -> bool {
    let raw = spm.raw.raw_field(11, message.delimiters.field);
    let role = message.word(message.first_leaf(raw)).to_uppercase();
    matches!(role.as_str(), "Q" | "C" | "B" | "E" | "L" | "O" | "V")
}

/// True where all specimens of an order are control material.
pub(super) fn is_control_material(message: &Message<'_>, group: &OrderGroup<'_>) -> bool {
    !group.specimens.is_empty() && group.specimens.iter().all(|spm| is_control(message, *spm))
}

fn codes_of(message: &Message<'_>, field: Field<'_, '_>) -> (Vec<String>, Vec<String>) {
    let read = |number: usize| message.word(field.component(number).subcomponent(1));
    (vec![read(1), read(4)], vec![read(2), read(5)])
}

/// The specimen of an order: SPM-4, else OBR-15.1.
///
/// Several SPM that agree are one. Where they differ, the one whose code OBR-15 names is meant, else
/// nothing can be told.
pub(super) fn of_order<'m>(
    message: &Message<'m>,
    group: &OrderGroup<'m>,
    order: &Order<'m>,
) -> OrderSpecimen<'m> {
    // OBR-15 is SPS: its first component is a coded element of subcomponents.
    let source: Vec<String> = order
        .specimen_source()
        .map(|field| {
            let first = field.component(1);
            (1..=2)
                .map(|number| message.word(first.subcomponent(number)))
                .collect()
        })
        .unwrap_or_default();
    let (source_code, source_name) = source.split_at(source.len().min(1));
    let mut specimens = group
        .specimens
        .iter()
        .filter(|spm| !is_control(message, **spm))
        .map(|spm| read_spm(message, *spm));
    let by_source = || OrderSpecimen {
        kind: kind_of(source_code, source_name),
        code: source_code.first().cloned().unwrap_or_default(),
        id: String::new(),
        collected: "",
        line: group.obr,
    };
    let Some(first) = specimens.next() else {
        return by_source();
    };
    let rest: Vec<_> = specimens.collect();
    if rest.iter().any(|other| other.kind != first.kind) {
        let named = source_code.first().filter(|code| !code.is_empty());
        return std::iter::once(first)
            .chain(rest)
            .find(|spm| named.is_some_and(|code| spm.code.eq_ignore_ascii_case(code)))
            .unwrap_or(OrderSpecimen {
                kind: Kind::Ambiguous,
                code: String::new(),
                id: String::new(),
                collected: "",
                line: group.specimens.first().copied(),
            });
    }
    if first.kind == Kind::Unsaid {
        let said = by_source();
        return OrderSpecimen {
            kind: said.kind,
            code: said.code,
            ..first
        };
    }
    first
}

fn read_spm<'m>(message: &Message<'m>, line: Line<'m>) -> OrderSpecimen<'m> {
    let spm: Segment<'m> = message.segment(line);
    let (codes, names) = codes_of(message, spm.field(4));
    OrderSpecimen {
        kind: kind_of(&codes, &names),
        code: codes
            .into_iter()
            .find(|code| !code.is_empty())
            .unwrap_or_default(),
        id: entity(message, spm.field(2)),
        collected: spm.field(17).component(1).raw(),
        line: Some(line),
    }
}

/// X-23, with what the analyte map says of the code's own system.
pub(super) fn judge(kind: Kind, of_code: Option<Specimen>) -> Verdict {
    match (kind, of_code) {
        // A code for cord blood is of cord blood, also where the tube is called blood.
        (Kind::Said(Specimen::Serum), Some(Specimen::Cord)) => Verdict::Counts(Specimen::Cord),
        (Kind::Said(said), _) => Verdict::Counts(said),
        (Kind::Other, _) => Verdict::NotOurs,
        (Kind::Unsaid, of_code) => Verdict::Counts(of_code.unwrap_or(Specimen::Serum)),
        (Kind::Unrecognised, Some(of_code)) => Verdict::Counts(of_code),
        (Kind::Unrecognised, None) | (Kind::Ambiguous, _) => Verdict::CannotTell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str, name: &str) -> Kind {
        kind_of(&[code.to_owned()], &[name.to_owned()])
    }

    #[test]
    fn x23_codes_and_names() {
        for code in ["SER", "plas", "BLD", "BLDV", "119364003", "SERPLAS"] {
            assert_eq!(kind(code, ""), Kind::Said(Specimen::Serum), "{code}");
        }
        for code in ["CRD", "BLDCO", "122556008"] {
            assert_eq!(kind(code, ""), Kind::Said(Specimen::Cord), "{code}");
        }
        for code in ["CSF", "UR", "SAL", "FLD"] {
            assert_eq!(kind(code, ""), Kind::Other, "{code}");
        }
        assert_eq!(kind("X1", "Venous blood"), Kind::Said(Specimen::Serum));
        assert_eq!(kind("X1", "Cord blood"), Kind::Said(Specimen::Cord));
        assert_eq!(kind("X1", "Liquor"), Kind::Other);
        assert_eq!(kind("X1", "Tube 4"), Kind::Unrecognised);
        assert_eq!(kind("", ""), Kind::Unsaid);
        assert_eq!(
            kind_of(&["17".into(), "CSF".into()], &[]),
            Kind::Other,
            "the alternate code counts"
        );
    }

    #[test]
    fn x23_what_is_not_said_follows_the_code() {
        use Specimen::{Cord, Serum};
        assert_eq!(judge(Kind::Unsaid, None), Verdict::Counts(Serum));
        assert_eq!(judge(Kind::Unsaid, Some(Cord)), Verdict::Counts(Cord));
        assert_eq!(
            judge(Kind::Unrecognised, Some(Serum)),
            Verdict::Counts(Serum)
        );
        assert_eq!(judge(Kind::Unrecognised, None), Verdict::CannotTell);
        assert_eq!(judge(Kind::Other, Some(Serum)), Verdict::NotOurs);
        assert_eq!(judge(Kind::Ambiguous, Some(Serum)), Verdict::CannotTell);
        assert_eq!(judge(Kind::Said(Serum), Some(Cord)), Verdict::Counts(Cord));
    }
}
