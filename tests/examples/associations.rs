//! The seed table of CLINICAL 2, typed from the document and not from the data file: every row
//! without a mark of doubt is built in with its class, and nothing else is.

use super::expect::{DETECTED, ISOLATED, Issued, example, step};
use super::message::{adult, report};
use super::play::play;
use pentamer::core::clinical::association::{AssociationTable, Class, Kind};
use std::collections::BTreeSet;

/// Letters of the document; `O` is "K (other)".
fn letter(class: Class) -> char {
    match class {
        Class::Secondary => 'S',
        Class::Urgent => 'U',
        Class::Prompt => 'P',
        Class::Known => 'K',
        Class::KnownOther => 'O',
        Class::Context => 'C',
    }
}

/// Class, ICD-10 (WHO and CM), ICD-9-CM; ranges of categories written out.
const SEED: &[(&str, &str, &str)] = &[
    ("K", "D80.4", "279.02"),
    (
        "O",
        "D80.0 D80.1 D80.2 D80.3 D83*",
        "279.00 279.01 279.03 279.04 279.06",
    ),
    // Clear cell sarcoma.
    ("S", "C49* C64*", "171* 189.0"),
    // Bloom syndrome; 757.39 is in doubt.
    ("S", "Q82.8", ""),
    ("SP", "C92.4 C92.40 C92.41 C92.42", "205.0*"),
    ("SP", "C90.0 C90.00 C90.01 C90.02", "203.0*"),
    (
        "SP",
        "C81* C82* C83* C84* C85* C88* C91.1 D47.2",
        "200* 201* 202* 204.1* 273.1 273.3",
    ),
    ("S", "Z94.8 Z94.84", "V42.82"),
    ("S", "Z79.62* Z79.899 D84.821 Z79.52", "V58.69 V58.65"),
    ("S", "M05* M06*", "714.0"),
    ("S", "E06.3", "245.2"),
    ("S", "M32*", "710.0"),
    ("S", "D59.0 D59.1*", "283.0"),
    ("S", "A23*", "023*"),
    ("C", "B07 B07.8", "078.19"),
    (
        "C",
        "C44* C44.02 C44.12 C44.92",
        "173.02 173.12 173.22 173.32 173.42 173.52 173.62 173.72 173.82 173.92",
    ),
    ("S", "K50*", "555*"),
    ("C", "K52.9 K59.1 R19.7", "787.91 558.9"),
    ("S", "K90.8 K90.81", "040.2"),
    ("P", "R16.1", "789.2"),
    ("S", "E03.0 E03.1", "243"),
    ("P", "D82.1 Q93.5 Q93.81", "279.11 758.32"),
    // CD30+ lymphoproliferation; 697.8 is in doubt.
    ("SP", "C86.6 C86.6* L41.2", "202.8*"),
    ("C", "J01* J32*", "461* 473*"),
    ("C", "H65* H66* H67*", "381* 382*"),
    (
        "C",
        "J12* J13* J14* J15* J16* J17* J18*",
        "480* 481* 482* 483* 484* 485* 486*",
    ),
    ("U", "J13 J15.1", "481 482.1"),
    ("U", "A40.3 G00.1", "038.2 320.1"),
    ("U", "A41.5 A41.52", "038.43"),
    ("C", "B96.5", "041.7"),
    ("U", "A40* A41* R65.2*", "038* 995.91 995.92"),
    // Asplenia; V45.79 is in doubt.
    ("P", "Z90.8 Z90.81 D73.0 Q89.0*", "289.59 759.0"),
    ("C", "L20* L30*", "691.8 692.9"),
    ("C", "L01*", "684"),
    ("C", "R06.2 J45*", "786.07 493*"),
    ("C", "J30*", "477*"),
    ("U", "R62.8 R62.51 R62.7", "783.41 783.7"),
    ("P", "D82.0 D69.4* D69.6 G11.3", "279.12 287.5 334.8"),
    ("S", "K90.4* N04*", "579.8 581*"),
    // The titles of the seed's references.
    ("C", "M86.3 M86* K74* C22.0", ""),
    ("U", "B44* A41.52", ""),
];

/// Rows with a mark of doubt, and all of SNOMED.
const DOUBTFUL: &[(&str, &str)] = &[
    ("757.39", "I9"),
    ("K63.8", "I10"),
    ("K63.89", "I10"),
    ("569.89", "I9"),
    ("697.8", "I9"),
    ("V45.79", "I9"),
    ("190979003", "SCT"),
    ("190980000", "SCT"),
    ("190981001", "SCT"),
];

fn found(code: &str, system: &str) -> BTreeSet<char> {
    AssociationTable::built_in()
        .lookup(code, system, "")
        .into_iter()
        .flat_map(|row| &row.classes)
        .map(|class| letter(*class))
        .collect()
}

/// Codes of the document for a system, each with its classes.
fn seed(system: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let ten = system == "I10";
    SEED.iter().flat_map(move |(classes, icd10, icd9)| {
        let codes = if ten { icd10 } else { icd9 };
        codes.split_whitespace().map(move |code| (code, *classes))
    })
}

#[test]
fn every_row_without_doubt_has_its_class() {
    for system in ["I10", "I9"] {
        for (code, classes) in seed(system) {
            let stem = code.trim_end_matches('*');
            // Of `J13*` the category itself, and something below it.
            let mut concrete = vec![stem.to_owned()];
            if code.ends_with('*') {
                let dot = if stem.contains('.') { "" } else { "." };
                concrete.extend(["0", "9"].map(|digit| format!("{stem}{dot}{digit}")));
            }
            for code in concrete {
                for written in [code.replace('.', ""), code.to_lowercase(), code.clone()] {
                    let found = found(&written, system);
                    let missing: Vec<_> = classes.chars().filter(|c| !found.contains(c)).collect();
                    assert_eq!(missing, Vec::<char>::new(), "{written} in {system}");
                }
                // No other class, except where another row of the document names the code as well.
                let named: BTreeSet<char> = seed(system)
                    .filter(|(other, _)| covers(other, &code))
                    .flat_map(|(_, classes)| classes.chars())
                    .collect();
                assert_eq!(found(&code, system), named, "{code} in {system}");
            }
        }
    }
}

fn covers(pattern: &str, code: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => code.replace('.', "").starts_with(&stem.replace('.', "")),
        None => pattern == code,
    }
}

#[test]
fn nothing_else_is_built_in() {
    let plain = |code: &str| code.trim_end_matches('*').replace('.', "");
    let known: BTreeSet<(String, &str)> = ["I10", "I9"]
        .into_iter()
        .flat_map(|system| seed(system).map(move |(code, _)| (plain(code), system)))
        .collect();
    for row in AssociationTable::built_in().rows() {
        if row.kind == Kind::Drug {
            assert!(
                !row.enabled,
                "drugs are off until a site asks: {}",
                row.label
            );
            continue;
        }
        let system = match row.system.as_str() {
            "ICD-10" => "I10",
            "ICD-9" => "I9",
            other => panic!("a system that is not built in: {other}"),
        };
        assert!(row.enabled, "{}", row.label);
        assert!(
            known.contains(&(plain(&row.code), system)),
            "{} {} is not in the document",
            row.code,
            row.system
        );
    }
    for (code, system) in DOUBTFUL {
        assert_eq!(found(code, system), BTreeSet::new(), "{code}");
    }
}

#[test]
fn failure_to_thrive_is_for_small_children() {
    let table = AssociationTable::built_in();
    for (code, system) in [("R62.51", "I10"), ("783.41", "I9"), ("783.7", "I9")] {
        for row in table.lookup(code, system, "") {
            let months = row.max_age.map(|age| (age.months, age.days));
            assert_eq!(months, Some((60, 0)), "{code}");
        }
    }
}

/// J13 is a pneumonia, shown only, and invasive pneumococcal disease: the page must show the latter,
/// which made it urgent.
#[test]
fn the_class_that_counts_is_shown() {
    let urgent = Issued {
        severity: "urgent",
        associations: &[
            "J13 I10: pneumococcal pneumonia, urgent, DG1-3",
            "J18.9 I10: pneumonia, context, DG1-3",
        ],
        evidence: &[
            "IgM low 0.15 g/L [0.4-2.3 OBX-7]",
            "IgG normal 9.5 g/L [7-16 OBX-7]",
            "IgA normal 1.1 g/L [0.7-4 OBX-7]",
        ],
        explanation: "IgM 0.15 g/L (limit 0.4, lab interval) with normal IgG 9.5 and IgA 1.1 g/L from the \
             same sample; first time seen; repeat after 4 weeks or more to see if it persists.",
        ..DETECTED
    };
    let message = report("A1", 0, &adult("0.15|L", "9.5", "1.1"))
        .diagnosis("J18.9", -40)
        .diagnosis("J13", -30);
    play(
        "pneumonia",
        &example("38 y", "F", vec![step(message, &[urgent], ISOLATED)]),
    );
}
