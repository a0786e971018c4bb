//! How a person stands.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::{AssessedResult, Assessment, assess, assessed};
use crate::core::clinical::chart::Chart;
use crate::core::clinical::classify::{Classification, Rule};
use crate::core::clinical::observation::{Analyte, Flag, ReportedValue, Sex};
use crate::core::clinical::results::Results;
use crate::core::clinical::sample::{Person, at, iga, igg, igm, with_drugs};
use crate::core::clinical::state::State;
use crate::core::episode::Severity;

fn of(person: &Person) -> Assessment {
    let policy = with_drugs();
    let judged = Results::judge(&person.0, &policy);
    let chart = Chart::read(&judged, &policy);
    assess(&chart, &person.0, &policy, at(100))
}

fn results(person: &Person) -> Vec<AssessedResult> {
    let policy = with_drugs();
    let judged = Results::judge(&person.0, &policy);
    assessed(&Chart::read(&judged, &policy))
}

fn woman() -> Person {
    Person::adult(Sex::Female)
}

#[test]
fn without_any_igm_it_says_so() {
    let nothing = of(&woman());
    assert_eq!(nothing.rule, Rule::R0);
    assert_eq!(nothing.classification, Classification::None);
    assert_eq!(
        nothing.sentence.expose(),
        "No immunoglobulin result is stored."
    );
    let person = woman().panel("1", 0, "", "4", "");
    let igg_only = of(&person);
    assert_eq!(igg_only.rule, Rule::R0);
    assert_eq!(igg_only.sentence.expose(), "No IgM result is stored.");
    assert_eq!(results(&person)[0].state, State::Low);
    assert_eq!(igg_only.review, None);
}

#[test]
fn the_newest_igm_counts_with_its_panel() {
    let person = woman()
        .panel("1", 0, "0.9", "9", "2")
        .panel("2", 40, "0.15", "9", "")
        .diagnosis("D80.4", 30);
    let assessment = of(&person);
    assert_eq!(assessment.rule, Rule::R12);
    assert_eq!(assessment.severity, Some(Severity::Prompt));
    assert_eq!(assessment.missing, ["IgA"]);
    assert!(assessment.known);
    assert_eq!(assessment.associations.expose()[0].class, "known");
    let standings: Vec<_> = assessment
        .panel
        .iter()
        .take(3)
        .map(|beside| (beside.analyte, beside.standing))
        .collect();
    assert_eq!(
        standings,
        [
            (Analyte::IgG, "concurrent"),
            (Analyte::IgA, "stale"),
            (Analyte::IgG1, "missing")
        ]
    );
    let results = results(&person);
    assert_eq!(results.len(), 5);
    assert!(results.is_sorted_by_key(|result| result.observed_at));
}

#[test]
fn what_a_person_should_look_at() {
    let disagreeing = || igm("1", 0, "0.55").flag(Flag::Low);
    assert_eq!(
        of(&woman().with([disagreeing()])).review,
        Some("flag_interval_disagreement")
    );
    assert_eq!(
        of(&woman().with([disagreeing(), igm("2", 1, "0.9")])).review,
        None,
        "a later one that is clear has overtaken it"
    );
    let newer = of(&woman().with([igm("0", -1, "0.9"), disagreeing()]));
    assert_eq!(newer.review, Some("flag_interval_disagreement"));
    assert_eq!(newer.classification, Classification::IgmNormal);
    assert_eq!(
        of(&woman().with([igm("1", 0, "0.3").status("P")])).review,
        None
    );
    let undetectable = of(&woman().with([
        disagreeing(),
        igm("2", -1, "0")
            .value(ReportedValue::Undetectable)
            .no_range(),
    ]));
    assert_eq!(undetectable.review, Some("undetectable"));
    assert!(undetectable.review_first);
    let unclassified = of(&woman()
        .panel("1", 0, "0.3", "9", "")
        .diagnosis("J06BA02", -9));
    assert_eq!(unclassified.review, Some("unclassified"));
    assert_eq!(unclassified.severity, None);
    assert!(
        unclassified
            .sentence
            .expose()
            .contains("a person must look at IgG and IgA")
    );
}

#[test]
fn every_unjudged_result_has_its_reason() {
    let person = woman().with([
        igm("1", 0, "<0.5"),
        igg("1", 0, "9").with(|o| o.observed = None),
        iga("1", 0, "2"),
    ]);
    let assessment = of(&person);
    let reasons: Vec<_> = results(&person)
        .iter()
        .map(|result| (result.analyte, result.reason.is_some()))
        .collect();
    assert_eq!(
        reasons,
        [
            (Analyte::IgG, true),
            (Analyte::IgM, true),
            (Analyte::IgA, false)
        ]
    );
    assert_eq!(assessment.anchor, None);
    assert_eq!(assessment.rule, Rule::R1);
}

#[test]
fn nothing_of_a_patient_is_in_its_debug_form() {
    let assessment = of(&woman().panel("1", 0, "0.21", "9.876", "2"));
    let debug = format!("{assessment:?}");
    assert!(!debug.contains("Doe"));
    assert!(!debug.contains("9.876"));
    assert!(!debug.contains("0.21"));
}
