use super::{AssociationRow, AssociationTable, Class, File, Kind};
use crate::core::clinical::age::parse_age;
use proptest::prelude::*;

/// Classes of all rows that a code matches, as letters.
fn classes(code: &str, system: &str) -> String {
    let table = AssociationTable::built_in();
    let mut letters: Vec<&str> = table
        .lookup(code, system, "")
        .into_iter()
        .flat_map(|row| &row.classes)
        .map(|class| match class {
            Class::Secondary => "S",
            Class::Urgent => "U",
            Class::Prompt => "P",
            Class::Known => "K",
            Class::KnownOther => "O",
            Class::Context => "C",
        })
        .collect();
    letters.sort_unstable();
    letters.dedup();
    letters.concat()
}

#[test]
fn the_built_in_file_is_read() {
    let file: File = toml::from_str(include_str!("../../../../config/associations.toml"))
        .expect("associations.toml");
    for row in &file.association {
        assert!(file.systems.contains_key(&row.system), "{}", row.system);
        assert!(!row.codes.is_empty() && !row.class.is_empty() && !row.source.is_empty());
        assert!(
            row.max_age
                .as_deref()
                .is_none_or(|age| parse_age(age).is_some())
        );
        assert_eq!(row.enabled, row.kind == Kind::Diagnosis, "{}", row.label);
    }
    for (system, names) in &file.systems {
        assert_eq!(*system, system.to_uppercase());
        assert!(names.contains(system), "{system}");
        assert!(names.iter().all(|name| *name == name.to_uppercase()));
    }
    let table = AssociationTable::built_in();
    let codes: usize = file.association.iter().map(|row| row.codes.len()).sum();
    assert_eq!(table.rows().count(), codes);
}

#[test]
fn every_row_of_the_table() {
    // ICD-10 codes, ICD-9 codes, classes.
    for (ten, nine, expected) in [
        ("D80.4", "279.02", "K"),
        (
            "D80.0 D80.1 D80.2 D80.3 D83 D83.9",
            "279.00 279.01 279.03 279.04 279.06",
            "O",
        ),
        ("C49.9 C64.1", "171.9 189.0", "S"),
        ("Q82.8", "", "S"),
        ("C92.4 C92.40 C92.42", "205.0 205.01", "PS"),
        ("C90.0 C90.00 C90.02", "203.0 203.00", "PS"),
        (
            "C81.9 C82.0 C83.3 C84.0 C85.9 C88.0 C91.1 C91.10 D47.2",
            "200.0 201.9 202.8 204.1 204.11 273.1 273.3",
            "PS",
        ),
        ("Z94.8 Z94.84", "V42.82", "S"),
        (
            "Z79.62 Z79.620 Z79.899 D84.821 Z79.52",
            "V58.69 V58.65",
            "S",
        ),
        ("M05.9 M06.0", "714.0", "S"),
        ("E06.3", "245.2", "S"),
        ("M32.1 M32", "710.0", "S"),
        ("D59.0 D59.1 D59.11", "283.0", "S"),
        ("A23.9", "023.9", "S"),
        ("B07 B07.8", "078.19", "C"),
        ("C44.9 C44.92", "173.02 173.32 173.92", "C"),
        ("K50.9 K50.90", "555.9", "S"),
        ("K52.9 K59.1 R19.7", "787.91 558.9", "C"),
        ("K90.8 K90.81", "040.2", "S"),
        ("R16.1", "789.2", "P"),
        ("E03.0 E03.1", "243", "S"),
        ("D82.1 Q93.5 Q93.81", "279.11 758.32", "P"),
        ("C86.6 C86.60 L41.2", "202.80", "PS"),
        ("J01.9 J32.0", "461.9 473.0", "C"),
        ("H65.9 H66.9 H67.1", "381.0 382.9", "C"),
        (
            "J12.9 J14 J15.0 J16.8 J17.0 J18.9",
            "480.9 482.0 483.0 484.3 485 486",
            "C",
        ),
        ("J13 J15.1", "481 482.1", "CU"),
        ("A40.3 G00.1", "038.2 320.1", "U"),
        ("A41.5 A41.52", "038.43", "U"),
        ("B96.5", "041.7", "C"),
        ("A40.9 A41.9 R65.20", "038.9 995.91 995.92", "U"),
        ("Z90.8 Z90.81 D73.0 Q89.0 Q89.01", "289.59 759.0", "P"),
        ("L20.9 L30.9", "691.8 692.9", "C"),
        ("L01.0", "684", "C"),
        ("R06.2 J45.9 J45.909", "786.07 493.90", "C"),
        ("J30.1", "477.9", "C"),
        ("R62.8 R62.51 R62.7", "783.41 783.7", "U"),
        ("D82.0 D69.41 D69.6 G11.3", "279.12 287.5 334.8", "P"),
        ("K90.4 K90.49 N04.9", "579.8 581.9", "S"),
        ("M86.3 M86.9 K74.6 C22.0", "", "C"),
        ("B44.1", "", "U"),
    ] {
        for code in ten.split_whitespace() {
            assert_eq!(classes(code, "I10"), expected, "{code}");
        }
        for code in nine.split_whitespace() {
            assert_eq!(classes(code, "I9C"), expected, "{code}");
        }
    }
}

#[test]
fn rows_in_doubt_and_neighbours_are_not_built_in() {
    for code in [
        "K63.8", "K63.89", "D80.5", "D80.9", "D84.82", "D84.8210", "Z79.89", "E03.9", "C91.0",
        "C90.1", "C92.0", "C64", "B07.9", "D82.2", "Z94.81", "K90.9", "R62.50", "D69.5", "279.02",
    ] {
        let expected = if code == "C64" { "S" } else { "" };
        assert_eq!(classes(code, "ICD-10"), expected, "{code}");
    }
    for code in [
        "757.39", "569.89", "697.8", "V45.79", "279.05", "204.0", "E06.3", "286.9", "2472-9",
    ] {
        assert_eq!(classes(code, "ICD9"), "", "{code}");
    }
    assert_eq!(classes("190979003", "SCT"), "");
}

#[test]
fn codes_are_compared_without_dots_and_case() {
    for code in ["D80.4", "D804", " d80.4 ", "D80.4+"] {
        assert_eq!(classes(code, "I10"), "K", "{code}");
    }
    for system in ["I10", "I10C", "ICD10", "ICD-10", "10", "i10", " ICD-10-CM "] {
        assert_eq!(classes("D80.4", system), "K", "{system}");
        assert_eq!(classes("27902", system), "", "{system}");
    }
    for system in ["I9", "I9C", "ICD9"] {
        assert_eq!(classes("27902", system), "K", "{system}");
        assert_eq!(classes("D80.4", system), "", "{system}");
    }
    for system in ["", "L", "SCT", "I10P", "LN"] {
        assert_eq!(classes("D80.4", system), "", "{system}");
    }
}

#[test]
fn a_code_without_a_system_is_the_sites_default() {
    let table = AssociationTable::built_in();
    let count = |system, default| table.lookup("D80.4", system, default).len();
    assert_eq!(count("", ""), 0);
    assert_eq!(count("", "I10"), 1);
    assert_eq!(count(" ", "ICD-10"), 1);
    assert_eq!(count("", "I9"), 0);
    assert_eq!(count("I9", "I10"), 0);
    assert!(table.lookup("", "I10", "").is_empty());
    assert!(table.lookup("...", "I10", "").is_empty());
}

#[test]
fn failure_to_thrive_counts_below_five_years() {
    let table = AssociationTable::built_in();
    for (code, system) in [("R62.51", "I10"), ("783.41", "I9"), ("783.7", "I9")] {
        let rows = table.lookup(code, system, "");
        assert_eq!(rows.len(), 1);
        assert!(
            rows.iter()
                .all(|row| row.has(Class::Urgent) && row.max_age == parse_age("5 y"))
        );
    }
    assert!(
        table
            .lookup("A41.9", "I10", "")
            .iter()
            .all(|row| row.max_age.is_none())
    );
}

#[test]
fn drugs_are_off_until_a_site_asks() {
    let table = AssociationTable::built_in();
    for (code, system) in [
        ("L01FA01", "ATC"),
        ("L01XC02", "ATC"),
        ("H02AB06", "ATC"),
        ("L04AX03", "ATC"),
        ("J06BA02", "ATC"),
        ("Rituximab 500 mg", "TEXT"),
    ] {
        assert!(table.lookup(code, system, "").is_empty(), "{code}");
        assert!(
            table.rows().any(|row| {
                row.kind == Kind::Drug && super::matches(&row.code, &super::plain_code(code))
            }),
            "{code}"
        );
    }
    let row = |code: &str, system: &str| AssociationRow {
        label: "drug".to_owned(),
        system: system.to_owned(),
        code: code.to_owned(),
        classes: vec![Class::Secondary],
        kind: Kind::Drug,
        max_age: None,
        enabled: true,
        source: "site".to_owned(),
    };
    let table = table.with_rows(vec![
        row("L01FA01", "ATC"),
        row("J06BA*", "WC"),
        row("RTX", "99MED"),
    ]);
    assert_eq!(table.lookup("l01fa01", "ATC", "").len(), 1);
    assert_eq!(table.lookup("RTX", "99med", "").len(), 1);
    let immunoglobulin = table.lookup("J06BA02", "ATC", "");
    assert!(immunoglobulin.iter().all(|row| row.is_immunoglobulin()));
    assert_eq!(immunoglobulin.len(), 1);
}

#[test]
fn words_of_classes_are_those_of_the_alert() {
    let words = [
        Class::Secondary,
        Class::Urgent,
        Class::Prompt,
        Class::Known,
        Class::KnownOther,
        Class::Context,
    ]
    .map(Class::word);
    assert_eq!(
        words,
        ["secondary", "urgent", "prompt", "known", "known", "context"]
    );
}

proptest! {
    #[test]
    fn any_code_has_rows_or_none(code in any::<String>(), system in any::<String>()) {
        let table = AssociationTable::built_in();
        let _ = table.lookup(&code, &system, "I10");
    }

    #[test]
    fn without_a_system_nothing_is_found(code in "[A-Z0-9.]{1,7}") {
        let table = AssociationTable::built_in();
        prop_assert!(table.lookup(&code, "", "").is_empty());
    }
}
