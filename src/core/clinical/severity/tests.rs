//! CLINICAL 6.5 with its rulings.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::{of_confirmed, of_progressed, wants_page};
use crate::core::clinical::Unit;
use crate::core::clinical::chart::Chart;
use crate::core::clinical::classify::Rule;
use crate::core::clinical::observation::{Flag, ReportedValue, Sex};
use crate::core::clinical::results::Results;
use crate::core::clinical::sample::{Person, Sample, iga, igg, igm};
use crate::core::episode::Severity::{self, Prompt, Routine, Urgent};
use crate::core::policy::{Detection, Policy};

/// severe, profound, and severity as detected, of the last IgM.
fn grave(person: &Person) -> (bool, bool, Severity) {
    let policy = Policy::built_in();
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    let anchor = chart.anchors.last().expect("an IgM");
    (
        anchor.gravity.severe,
        anchor.gravity.profound,
        anchor.severity,
    )
}

fn woman(m: &str) -> Person {
    Person::adult(Sex::Female).panel("1", 0, m, "9", "2")
}

fn infant(months: i64, igm: Sample) -> Person {
    Person::new()
        .born(months, Sex::Female)
        .with([igm, igg("1", 0, "9"), iga("1", 0, "2")])
}

#[test]
fn severe_and_profound_by_value_and_comparator() {
    for (value, severe, profound) in [
        ("0.2", false, false),
        ("0.199", true, false),
        ("<0.2", true, false),
        ("<0.21", false, false),
        ("<=0.2", false, false),
        ("<=0.19", true, false),
        ("0.05", true, false),
        ("0.049", true, true),
        ("<0.05", true, true),
        ("0.1..0.19", true, false),
    ] {
        let (got_severe, got_profound, severity) = grave(&woman(value));
        assert_eq!((got_severe, got_profound), (severe, profound), "{value}");
        assert_eq!(severity, if severe { Prompt } else { Routine }, "{value}");
    }
}

#[test]
fn under_six_months_half_of_the_low_limit_counts() {
    // Built-in row 3 to 6 months: 0.20.
    let of = |value| grave(&infant(4, igm("1", 0, value).no_range())).0;
    assert!(!of("0.1"));
    assert!(of("0.099"));
    assert!(of("<0.099"), "`<x` counts as v = x");
    assert!(!of("<0.1"));
    let flagged = |value| grave(&infant(4, igm("1", 0, value).no_range().flag(Flag::Low))).0;
    assert!(flagged("0.099"), "with a flag only, the table's limit");
    assert!(!flagged("0.1"));
}

#[test]
fn without_grams_the_ratio_counts() {
    let of = |value| {
        let sample = igm("1", 0, value)
            .unit(Unit::Other("kIU/L".to_owned()))
            .range("40", "230");
        grave(&Person::adult(Sex::Female).with([sample])).0
    };
    assert!(of("19.9"));
    assert!(!of("20"));
    let below_scale = igm("1", 0, "0").value(ReportedValue::BelowScale).no_range();
    assert!(!grave(&Person::adult(Sex::Female).with([below_scale])).0);
}

#[test]
fn urgent_needs_severe_and_a_reason() {
    assert_eq!(grave(&woman("0.15").diagnosis("A40.3", -12)).2, Urgent);
    assert_eq!(grave(&woman("0.15").diagnosis("A40.3", -91)).2, Prompt);
    assert_eq!(grave(&woman("0.3").diagnosis("A40.3", -12)).2, Routine);
    let baby = |months, value| grave(&infant(months, igm("1", 0, value).no_range())).2;
    assert_eq!(baby(23, "0.04"), Urgent, "severe and profound under two");
    assert_eq!(baby(24, "0.04"), Prompt);
    assert_eq!(baby(23, "0.06"), Prompt);
    // Failure to thrive is urgent under five years only.
    let thriving =
        |months| grave(&infant(months, igm("1", 0, "0.15").no_range()).diagnosis("R62.51", -1)).2;
    assert_eq!(thriving(59), Urgent);
    assert_eq!(thriving(60), Prompt);
}

#[test]
fn class_p_prompts_unless_another_row_s_lowers_it() {
    assert_eq!(grave(&woman("0.3").diagnosis("R16.1", -1)).2, Prompt);
    assert_eq!(
        grave(&woman("0.3").diagnosis("R16.1", -1).diagnosis("M06.9", -1)).2,
        Routine
    );
    assert_eq!(
        grave(
            &woman("0.3")
                .diagnosis("R16.1", -1)
                .diagnosis("M06.9", -1)
                .diagnosis("A40.3", -1)
        )
        .2,
        Prompt,
        "class U is there"
    );
    assert_eq!(
        grave(&woman("0.3").diagnosis("C90.0", -1).diagnosis("M06.9", -1)).2,
        Prompt,
        "in a row `S, P` the P stands"
    );
    assert_eq!(
        grave(&woman("0.15").diagnosis("M06.9", -1)).2,
        Prompt,
        "severe is not lowered"
    );
}

#[test]
fn provisional_is_routine_unless_severe_and_a_guessed_age_always() {
    let alone = |value| Person::adult(Sex::Female).panel("1", 0, value, "", "");
    assert_eq!(grave(&alone("0.3").diagnosis("R16.1", -1)).2, Routine);
    assert_eq!(grave(&alone("0.15")).2, Prompt);
    let guessed = Person::new().with([
        igm("1", 0, "0.1").no_range(),
        igg("1", 0, "9"),
        iga("1", 0, "2"),
    ]);
    assert_eq!(grave(&guessed).2, Routine);
}

#[test]
fn confirmed_and_progressed_are_prompt_at_least() {
    let policy = Policy::built_in();
    let of = |person: &Person| {
        let results = Results::judge(&person.0, &policy);
        let chart = Chart::read(&results, &policy);
        let gravity = chart.anchors[0].gravity;
        (of_confirmed(&gravity), of_progressed(&gravity, Rule::R3))
    };
    assert_eq!(of(&woman("0.3").diagnosis("M06.9", -1)), (Prompt, Prompt));
    assert_eq!(of(&woman("0.15").diagnosis("A40.3", -1)), (Urgent, Urgent));
    assert_eq!(
        of(&infant(23, igm("1", 0, "0.3").no_range())),
        (Prompt, Urgent),
        "all three low under two years"
    );
    let under_one = Person::new()
        .born(8, Sex::Female)
        .with([igm("1", 0, "0.3").no_range()]);
    let results = Results::judge(&under_one.0, &policy);
    let chart = Chart::read(&results, &policy);
    assert_eq!(
        of_progressed(&chart.anchors[0].gravity, Rule::R5),
        Urgent,
        "an infant's row is no less urgent where an episode is open"
    );
}

#[test]
fn which_first_sights_want_a_page() {
    let wants = |person: &Person, change: fn(&mut Detection)| {
        let mut policy = Policy::built_in();
        change(&mut policy.detection);
        let results = Results::judge(&person.0, &policy);
        let chart = Chart::read(&results, &policy);
        let anchor = &chart.anchors[0];
        assert_eq!(
            anchor.wants_page,
            wants_page(
                &anchor.gravity,
                &anchor.verdict,
                anchor.severity,
                &policy.detection
            )
        );
        anchor.wants_page
    };
    let same: fn(&mut Detection) = |_| {};
    let alone = |value| Person::adult(Sex::Female).panel("1", 0, value, "", "");
    assert!(!wants(&alone("0.3"), same));
    assert!(wants(&alone("0.15"), same), "severe");
    assert!(wants(&alone("0.3"), |d| d.page_igm_only = true));
    let baby = infant(4, igm("1", 0, "0.15").no_range());
    assert!(!wants(&baby, same));
    assert!(wants(&baby.clone().diagnosis("A40.3", -1), same), "class U");
    assert!(wants(&infant(4, igm("1", 0, "0.09").no_range()), same));
    let off: fn(&mut Detection) = |d| d.page_unconfirmed = false;
    assert!(!wants(&woman("0.3"), off));
    assert!(wants(&woman("0.15").diagnosis("A40.3", -1), off));
}

#[test]
fn a_guessed_interval_of_iga_does_not_lower_a_severe_igm() {
    let of = |m: Sample, a: Sample| grave(&Person::new().with([m, igg("1", 0, "9"), a])).2;
    let low = || igm("1", 0, "0.1");
    assert_eq!(of(low(), iga("1", 0, "2")), Prompt);
    assert_eq!(
        of(low(), iga("1", 0, "2").no_range()),
        Prompt,
        "the laboratory's own limit says that IgM is severe"
    );
    assert_eq!(
        of(low().no_range(), iga("1", 0, "2")),
        Routine,
        "by the adult row for an unknown age never more than routine"
    );
}
