//! CLINICAL 6.3, row by row.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::{Classification, Rule, Tier, subclass_qualifier};
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::{Analyte, BirthDate, Given, Sex};
use crate::core::clinical::results::Results;
use crate::core::clinical::sample::{Person, iga, igg, igm, on, result};
use crate::core::phi::Phi;
use crate::core::policy::Policy;

fn verdict_in(person: &Person) -> (Rule, Tier, Option<&'static str>) {
    let policy = crate::core::clinical::sample::with_drugs();
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    let verdict = chart.anchors.last().expect("an IgM").verdict;
    (verdict.rule, verdict.tier, verdict.reason)
}

fn panel(months: i64, m: &str, g: &str, a: &str) -> (Rule, Tier, Option<&'static str>) {
    verdict_in(
        &Person::new()
            .born(months, Sex::Female)
            .panel("1", 0, m, g, a),
    )
}

/// As [`panel`], judged by the built-in row for the age.
fn by_table(months: i64, m: &str, g: &str, a: &str) -> (Rule, Tier, Option<&'static str>) {
    verdict_in(&Person::new().born(months, Sex::Female).with([
        igm("1", 0, m).no_range(),
        igg("1", 0, g).no_range(),
        iga("1", 0, a).no_range(),
    ]))
}

const ADULT: i64 = 400;

#[test]
fn every_row_with_an_adult_interval() {
    use Rule::*;
    for (m, g, a, rule, tier, reason) in [
        ("0.9", "4", "0.4", R2, Tier::None, None),
        ("3", "", "", R2, Tier::None, None),
        ("0.3", "4", "0.4", R3, Tier::Complete, None),
        ("0.3", "20", "0.4", R6, Tier::Complete, None),
        ("0.3", "20", "", R6, Tier::Partial, None),
        ("0.3", "20", "9", R6, Tier::Complete, None),
        ("0.3", "4", "9", R7, Tier::Complete, None),
        ("0.3", "", "9", R7, Tier::Partial, None),
        ("0.3", "4", "2", R4, Tier::Complete, None),
        ("0.3", "4", "", R4, Tier::Partial, None),
        ("0.3", "9", "0.4", R5, Tier::Complete, None),
        ("0.3", "", "0.4", R5, Tier::Partial, None),
        ("0.3", "9", "2", R8, Tier::Complete, None),
        ("0.3", ">8", ">1", R8, Tier::Complete, None),
        ("0.3", "9", "", R12, Tier::Provisional, Some("partial")),
        ("0.3", "", "2", R12, Tier::Provisional, Some("partial")),
        ("0.3", "<8", "2", R12, Tier::Provisional, Some("partial")),
        ("0.3", "", "", R13, Tier::Provisional, Some("igm_only")),
    ] {
        assert_eq!(panel(ADULT, m, g, a), (rule, tier, reason), "{m} {g} {a}");
    }
}

#[test]
fn a_low_iga_by_age_and_detection() {
    for (months, a, g, want) in [
        (48, "0.4", "9", Rule::R5),
        (47, "0.4", "9", Rule::R5b),
        (12, "0.4", "9", Rule::R5b),
        (47, "0.07", "9", Rule::R5),
        (47, "<0.5", "9", Rule::R5),
        (47, "0.4", "", Rule::R14),
    ] {
        assert_eq!(panel(months, "0.3", g, a).0, want, "{months} {a} {g}");
    }
    assert_eq!(by_table(11, "0.3", "5", "0.15").0, Rule::R5);
    assert_eq!(by_table(12, "0.3", "5", "0.15").0, Rule::R5b);
    let unknown = Person::new().panel("1", 0, "0.3", "9", "0.4");
    assert_eq!(
        verdict_in(&unknown).0,
        Rule::R5,
        "counts as 4 years or more"
    );
}

#[test]
fn infants_and_replacement_are_provisional() {
    assert_eq!(
        panel(5, "0.3", "9", "2"),
        (Rule::R10, Tier::Provisional, Some("infant"))
    );
    assert_eq!(by_table(5, "0.15", "5", "0.3").0, Rule::R10);
    assert_eq!(by_table(6, "0.3", "5", "0.3").0, Rule::R8);
    let treated = |m, g, a| {
        verdict_in(
            &Person::adult(Sex::Female)
                .panel("1", 0, m, g, a)
                .diagnosis("J06BA02", -30),
        )
    };
    assert_eq!(
        treated("0.3", "9", "2"),
        (Rule::R9, Tier::Provisional, Some("igg_treated"))
    );
    assert_eq!(treated("0.3", "4", "2").0, Rule::R4, "low in spite of it");
    assert_eq!(treated("0.3", "9", "").0, Rule::R14);
}

#[test]
fn an_earlier_low_partner_leaves_it_open() {
    let stale = |igg_low: &str, a: &str| {
        verdict_in(
            &Person::adult(Sex::Female)
                .with([igg("0", -100, igg_low), igm("1", 0, "0.3")])
                .panel("1", 0, "", "", a),
        )
    };
    assert_eq!(
        stale("4", "2"),
        (Rule::R11, Tier::None, Some("stale_low_other"))
    );
    assert_eq!(stale("4", "").0, Rule::R11);
    assert_eq!(stale("4", "0.3").0, Rule::R5);
    assert_eq!(stale("9", "2").0, Rule::R12);
    assert_eq!(stale("9", "").0, Rule::R13);
}

#[test]
fn an_unknown_age_is_guessed_only_by_a_built_in_row() {
    let person = |m_range: bool, a_range: bool| {
        let m = igm("1", 0, "0.3");
        let a = iga("1", 0, "2");
        verdict_in(&Person::new().with([
            if m_range { m } else { m.no_range() },
            igg("1", 0, "9"),
            if a_range { a } else { a.no_range() },
        ]))
    };
    assert_eq!(person(true, true), (Rule::R8, Tier::Complete, None));
    let guessed = (Rule::R8, Tier::Provisional, Some("age_unknown"));
    assert_eq!(person(false, true), guessed);
    assert_eq!(person(true, false), guessed);
    // A year of birth is an age.
    let by_year = Person::new()
        .demographics(|report| {
            report.birth = Given::Value(Phi::new(BirthDate {
                earliest: on(-12_000),
                latest: on(-11_700),
            }));
        })
        .with([
            igm("1", 0, "0.3").no_range(),
            igg("1", 0, "9"),
            iga("1", 0, "2"),
        ]);
    assert_eq!(verdict_in(&by_year), (Rule::R8, Tier::Complete, None));
}

#[test]
fn subclasses_qualify_and_never_classify() {
    let with = |values: [&str; 4]| {
        let policy = Policy::built_in();
        let analytes = [Analyte::IgG1, Analyte::IgG2, Analyte::IgG3, Analyte::IgG4];
        let samples = analytes
            .into_iter()
            .zip(values)
            .filter(|(_, value)| !value.is_empty())
            .map(|(analyte, value)| result(analyte, "1", 0, value));
        let person = Person::adult(Sex::Female)
            .panel("1", 0, "0.3", "9", "2")
            .with(samples);
        let results = Results::judge(&person.0, &policy);
        let chart = Chart::read(&results, &policy);
        let anchor = &chart.anchors[0];
        assert_eq!(
            anchor.verdict.classification,
            Classification::IsolatedLowIgm
        );
        subclass_qualifier(&anchor.panel)
    };
    assert_eq!(with(["5", "3", "0.5", "0.5"]), "subclasses_normal");
    assert_eq!(
        with(["5", "3", "0.5", "0.01"]),
        "subclasses_normal",
        "IgG4 low alone"
    );
    assert_eq!(with(["5", "3", "0.5", ""]), "subclasses_unknown");
    assert_eq!(with(["5", "1", "", ""]), "subclass_low");
    assert_eq!(with(["", "", "", ""]), "subclasses_unknown");
}
