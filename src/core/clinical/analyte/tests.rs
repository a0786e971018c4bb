use super::{AnalyteMap, AnalyteRow, File, Match, Matched, Triplet, is_loinc};
use crate::core::clinical::Unit;
use crate::core::clinical::observation::{Analyte, Specimen};
use proptest::prelude::*;

const FEED: &str = "LAB/HOSP";

fn triplets(field: &str) -> Vec<Triplet<'_>> {
    let parts: Vec<&str> = field.split('^').collect();
    parts
        .chunks(3)
        .map(|part| Triplet {
            code: part.first().copied().unwrap_or_default(),
            text: part.get(1).copied().unwrap_or_default(),
            system: part.get(2).copied().unwrap_or_default(),
        })
        .collect()
}

fn lookup(map: &AnalyteMap, field: &str) -> Match {
    let found = map.lookup(&triplets(field), FEED);
    assert!(found == Match::No || map.may_match(field), "{field}");
    found
}

fn one(field: &str) -> Option<Matched> {
    match lookup(&AnalyteMap::built_in(), field) {
        Match::One(matched) => Some(matched),
        Match::No | Match::Unlisted(_) | Match::Conflict | Match::TextMismatch(_) => None,
    }
}

fn local(code: &str, feed: &str) -> AnalyteRow {
    AnalyteRow {
        analyte: Analyte::IgM,
        system: String::new(),
        code: code.to_owned(),
        feed: feed.to_owned(),
        specimen: Some(Specimen::Serum),
        default_unit: Some(Unit::MilligramPerDecilitre),
        match_text: None,
        enabled: true,
        source: "site".to_owned(),
    }
}

#[test]
fn the_built_in_file_is_read() {
    let file: File =
        toml::from_str(include_str!("../../../../config/analytes.toml")).expect("analytes.toml");
    assert_eq!(file.analyte.len(), 13);
    for row in &file.analyte {
        assert_eq!(row.system == "LN", is_loinc(&row.code), "{}", row.code);
        assert_eq!(row.guarded, row.system.is_empty(), "{}", row.code);
        assert!(!row.source.is_empty());
    }
    for word in &file.exclusions.words {
        assert_eq!(*word, word.to_lowercase());
    }
}

#[test]
fn the_allow_list() {
    for (field, analyte) in [
        ("2472-9^IgM^LN", Analyte::IgM),
        ("2472-9^Immunoglobulin M^LOINC", Analyte::IgM),
        ("2472-9^^lnc", Analyte::IgM),
        (
            " 2472-9 ^IgM [Mass/volume] in Serum or Plasma^LN",
            Analyte::IgM,
        ),
        ("2465-3^IgG^LN", Analyte::IgG),
        ("2458-8^IgA^LN", Analyte::IgA),
        ("2466-1^IgG1^LN", Analyte::IgG1),
        ("2467-9^IgG subclass 2^LN", Analyte::IgG2),
        ("2468-7^IgG^LN", Analyte::IgG3),
        ("2469-5^^LN", Analyte::IgG4),
        ("IGM^IgM^L^2472-9^IgM^LN", Analyte::IgM),
        ("^^^2472-9^IgM^LN", Analyte::IgM),
        ("X17^Immunoglobulins^L^2472-9^IgM^LN", Analyte::IgM),
    ] {
        let matched = one(field).expect(field);
        assert_eq!(matched.analyte, analyte, "{field}");
        assert_eq!(matched.specimen, Some(Specimen::Serum));
        assert!(!matched.needs_mass_unit && !matched.guessed, "{field}");
        assert!(is_loinc(&matched.code), "{field}");
    }
}

#[test]
fn a_code_without_a_system_is_loinc_by_its_form() {
    for field in ["2472-9", "2472-9^IgM", "2472-9^IgM^"] {
        let matched = one(field).expect(field);
        assert!(matched.guessed && !matched.needs_mass_unit);
        assert_eq!(
            (matched.code.as_str(), matched.system.as_str()),
            ("2472-9", "")
        );
    }
    assert_eq!(one("2472-8^IgM"), None);
    assert_eq!(one("2472-9^IgM^L"), None);
}

#[test]
fn mnemonics_are_guarded() {
    for (field, analyte) in [
        ("IGM^IgM^L", Analyte::IgM),
        ("igm", Analyte::IgM),
        ("IGG^Immunoglobulin G^WinPath", Analyte::IgG),
        ("IGA^IGA^99LAB", Analyte::IgA),
        ("NPU19825^S-Immunglobulin M^NPU", Analyte::IgM),
        ("NPU19814", Analyte::IgG),
        ("NPU19795^S-Immunglobulin A", Analyte::IgA),
        // Whole words: `ab` is not in `Lab`.
        ("IGM^IgM Labor^L", Analyte::IgM),
        ("IGM^IgM, abnormal^L", Analyte::IgM),
    ] {
        let matched = one(field).expect(field);
        assert_eq!(matched.analyte, analyte, "{field}");
        assert!(matched.needs_mass_unit && !matched.guessed, "{field}");
    }
    for text in [
        "Toxo IgM Ab",
        "Anti-HBc IgM",
        "Epstein-Barr Virus IgM",
        "IgM Kappa",
        "IgM lambda",
        "IgM Index",
        "IgM ratio",
        "IgM CSF",
        "IgM (urine)",
        "IgM im Liquor",
        "Cardiolipin IgM",
        "Rheuma IgM",
        "Specific IgM",
        "Rheumatoid factor IgM",
        "Measles IgM",
        "IgM monoclonal",
        "Cryoglobulin IgM",
        "IgM, cord blood",
        "IgM saliva",
        "IgM milk",
        "Isohaemagglutinin IgM",
    ] {
        assert_eq!(one(&format!("IGM^{text}^L")), None, "{text}");
        assert_eq!(one(&format!("IGM^IgM^L^1234^{text}^L")), None, "{text}");
    }
}

#[test]
fn traps_never_match() {
    for field in [
        "13950-1^Hepatitis A virus IgM Ab^LN",
        "5126-8^CMV IgM^LN",
        "30340-4^EBV VCA IgM^LN",
        "24115-8^EBV VCA IgM^LN",
        "94506-3^SARS-CoV-2 IgM^LN",
        "94508-9^SARS-CoV-2 IgM^LN",
        "95125-1^SARS-CoV-2 IgA+IgM^LN",
        "25418-5^Mumps IgM^LN",
        "31204-1^HBc IgM^LN",
        "11572-5^Rheumatoid factor^LN",
        "3182-3^Cardiolipin IgM^LN",
        "ACLAM^Cardiolipin IgM^L",
        "HLMK^IgM kappa^L",
        "HLML^IgM lambda^L",
        "14002-0^IgM cord blood^LN",
        "2470-3^IgM CSF^LN",
        "2464-6^IgG CSF^LN",
        "2462-0^IgG^LN",
        "19113-0^IgE^LN",
        "6886-6^IgA1^LN",
        "6939-3^IgA2^LN",
        "LA12472-9^IgM^LN",
        "LA12472-9^Positive^LN",
        "LA12472-9",
        "12472-9^IgM^LN",
        "2472-91^IgM^LN",
        "2472^IgM^LN",
        "IGAS^IgA subclasses^L",
        "IGGS^IgG subclasses^L",
        "",
        "^^",
    ] {
        assert_eq!(lookup(&AnalyteMap::built_in(), field), Match::No, "{field}");
    }
}

#[test]
fn a_local_code_that_names_an_immunoglobulin_is_noticed() {
    let map = AnalyteMap::built_in();
    for (field, analyte) in [
        ("IGMS^IgM^L", Analyte::IgM),
        ("IMMM^IgM^L", Analyte::IgM),
        ("^IgM^L", Analyte::IgM),
        ("^Immunoglobulin M", Analyte::IgM),
        ("X17^S-Immunglobulin M^L", Analyte::IgM),
        ("IGM1^IgM, total (serum)^L", Analyte::IgM),
        ("7^IgM im Serum^L", Analyte::IgM),
        ("4711^Immunoglobuline G^L", Analyte::IgG),
        ("IgA-S^^L", Analyte::IgA),
        ("X^IgA^L^Y^Immunoglobulin A^M", Analyte::IgA),
    ] {
        assert_eq!(lookup(&map, field), Match::Unlisted(analyte), "{field}");
    }
    for field in [
        // Something else, or more than one.
        "X^IgM anti-A^L",
        "X^Rubella IgM^L",
        "X^Pigeon IgG^L",
        "X^IgM/IgG^L",
        "X^IgM^L^Y^IgA^L",
        "X^IgG1^L",
        "X^IgE^L",
        "X^IgM in CSF^L",
        "X^IgM ratio^L",
        "X^Sigmoid^L",
        // LOINC has its own word.
        "5126-8^IgM^LN",
        "99999-9^IgM^LN",
        "X^IgM^L^5126-8^CMV IgM^LN",
    ] {
        assert_eq!(lookup(&map, field), Match::No, "{field}");
    }
    // A site that has left the code out has had its word.
    let off = AnalyteRow {
        enabled: false,
        ..local("X17", "")
    };
    let told = AnalyteMap::built_in().with_rows(vec![off]);
    assert_eq!(lookup(&told, "X17^IgM^L"), Match::No);
}

#[test]
fn codes_that_disagree() {
    let map = AnalyteMap::built_in();
    for field in [
        "2472-9^IgM^LN^2465-3^IgG^LN",
        "IGG^IgG^L^2472-9^IgM^LN",
        "2472-9^^LN^2458-8^^LN",
        // LOINC names something that is not on the list.
        "IGM^IgM^L^13950-1^HA-M^LN",
        "IGM^IgM^L^14002-0^IgM^LN",
    ] {
        assert_eq!(lookup(&map, field), Match::Conflict, "{field}");
    }
    for (field, analyte) in [
        ("2472-9^IgA^LN", Analyte::IgM),
        ("2472-9^Immunoglobulin G^LN", Analyte::IgM),
        ("2472-9^IgE^LN", Analyte::IgM),
        ("2458-8^IgM^LN", Analyte::IgA),
        ("2465-3^IgG1^LN", Analyte::IgG),
        ("2466-1^IgG subclass 2^LN", Analyte::IgG1),
        ("2466-1^IgM^LN", Analyte::IgG1),
        ("IGM^IgA^L", Analyte::IgM),
        ("X^IgG^L^2472-9^IgM^LN", Analyte::IgM),
        ("2472-9^IgA", Analyte::IgM),
    ] {
        assert_eq!(lookup(&map, field), Match::TextMismatch(analyte), "{field}");
    }
    // A text that names all of them, or none, contradicts nothing.
    for field in [
        "2472-9^IgG, IgA, IgM^LN",
        "2472-9^Immunoglobulins^LN",
        "2472-9^M^LN",
    ] {
        assert!(one(field).is_some(), "{field}");
    }
}

#[test]
fn a_row_of_the_feed_is_before_one_of_all_feeds() {
    let in_grams = |row: AnalyteRow| AnalyteRow {
        default_unit: Some(Unit::GramPerLitre),
        ..row
    };
    let text = |feed| AnalyteRow {
        match_text: Some("Immunglobulin M".to_owned()),
        ..local("", feed)
    };
    let map = AnalyteMap::built_in().with_rows(vec![
        local("IGMS", ""),
        in_grams(local("IGMS", &FEED.to_lowercase())),
        text(""),
        in_grams(text(FEED)),
    ]);
    for field in ["IGMS^IgM^L", "X1^Immunglobulin M^L"] {
        let of = |feed| match map.lookup(&triplets(field), feed) {
            Match::One(matched) => matched.default_unit,
            other => panic!("{field}: {other:?}"),
        };
        assert_eq!(of(FEED), Some(Unit::GramPerLitre), "{field}");
        assert_eq!(of("OTHER/HOSP"), Some(Unit::MilligramPerDecilitre));
    }
}

#[test]
fn a_site_maps_its_own_codes() {
    let map = AnalyteMap::built_in().with_rows(vec![
        local("6IGM", FEED),
        local("IGMS", ""),
        AnalyteRow {
            system: "99LAB".to_owned(),
            ..local("4711", "")
        },
        AnalyteRow {
            match_text: Some("Immunglobulin M im Serum".to_owned()),
            ..local("", FEED)
        },
    ]);
    for field in [
        "6IGM^IgM^L",
        "6igm",
        "IGMS",
        "4711^^99lab",
        "^immunglobulin m im serum",
        "X17^Immunglobulin M im Serum^L",
    ] {
        let Match::One(matched) = lookup(&map, field) else {
            panic!("{field} is mapped");
        };
        assert_eq!(matched.analyte, Analyte::IgM, "{field}");
        assert_eq!(matched.default_unit, Some(Unit::MilligramPerDecilitre));
        assert!(!matched.needs_mass_unit);
    }
    assert_eq!(map.lookup(&triplets("6IGM"), "OTHER/HOSP"), Match::No);
    for field in ["4711^^L", "4711", "^Immunglobulin M im Serum 2"] {
        assert_eq!(lookup(&map, field), Match::No, "{field}");
    }
    assert_eq!(lookup(&map, "IGM_S"), Match::Unlisted(Analyte::IgM));
    // A site's own code is believed whatever LOINC code stands beside it, a text is not.
    assert!(matches!(
        lookup(&map, "6IGM^IgM^L^13950-1^Hepatitis A^LN"),
        Match::One(_)
    ));
    assert_eq!(
        lookup(&map, "^Immunglobulin M im Serum^^13950-1^Hepatitis A^LN"),
        Match::Conflict
    );
    // Without the site's word a text alone is told of, and counts for nothing.
    assert_eq!(
        lookup(&AnalyteMap::built_in(), "^Immunglobulin M im Serum"),
        Match::Unlisted(Analyte::IgM)
    );
}

#[test]
fn the_sites_word_comes_first() {
    let off = AnalyteRow {
        enabled: false,
        ..local("IGM", "")
    };
    let map = AnalyteMap::built_in().with_rows(vec![off]);
    assert_eq!(lookup(&map, "IGM^IgM^L"), Match::No);
    assert!(matches!(
        lookup(&map, "IGM^IgM^L^2472-9^IgM^LN"),
        Match::One(_)
    ));

    let off_here = AnalyteRow {
        enabled: false,
        system: "LOINC".to_owned(),
        ..local("2472-9", FEED)
    };
    let map = AnalyteMap::built_in().with_rows(vec![off_here]);
    assert_eq!(lookup(&map, "2472-9^IgM^LN"), Match::No);
    assert!(matches!(
        map.lookup(&triplets("2472-9^IgM^LN"), "OTHER/X"),
        Match::One(_)
    ));

    // The exact row before the general one, whatever their order.
    let igg = AnalyteRow {
        analyte: Analyte::IgG,
        ..local("7788", "")
    };
    let map = AnalyteMap::built_in().with_rows(vec![igg, local("7788", FEED)]);
    assert!(matches!(
        lookup(&map, "7788"),
        Match::One(Matched {
            analyte: Analyte::IgM,
            ..
        })
    ));
    assert_eq!(map.rows().count(), 15);
}

#[test]
fn most_of_a_feed_is_passed_over() {
    let map = AnalyteMap::built_in();
    for field in [
        "718-7^Hemoglobin^LN",
        "GLU^Glucose^L",
        "13950-1^Hepatitis A virus Ab^LN",
        "",
    ] {
        assert!(!map.may_match(field), "{field}");
    }
    for field in [r"2472\X2D\9^IgM^LN", "igm", "x^y^z^IGM"] {
        assert!(map.may_match(field), "{field}");
    }
    let umlaut = map.with_rows(vec![local("IGM-ÜBER", "")]);
    assert!(umlaut.may_match("whatever"));
}

proptest! {
    #[test]
    fn what_is_found_may_match(field in "[a-zA-Z0-9^ -]{0,40}", code in prop::sample::select(vec!["2472-9", "IGM", "npu19825", "4711", ""]), at in 0_usize..4) {
        let map = AnalyteMap::built_in().with_rows(vec![local("4711", "")]);
        let mut parts: Vec<&str> = field.split('^').collect();
        parts.insert(at.min(parts.len()), code);
        let _ = lookup(&map, &parts.join("^"));
    }

    #[test]
    fn any_text_is_an_analyte_or_is_not(field in any::<String>()) {
        let map = AnalyteMap::built_in();
        let _ = (map.lookup(&triplets(&field), FEED), map.may_match(&field), is_loinc(&field));
    }
}
