//! The worked examples of CLINICAL 6.8, by number.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::assess::assess;
use super::decide::decide;
use super::{Delivery, Severity, TransitionKind};
use crate::core::clinical::Unit;
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::Flag::{Low, Normal};
use crate::core::clinical::observation::Sex::{Female, Male};
use crate::core::clinical::observation::{ReportedValue, Specimen};
use crate::core::clinical::results::Results;
use crate::core::clinical::sample::{Person, Sample, at, iga, igg, igm};
use crate::core::policy::Policy;

use Delivery::{Page, Worklist};
use Severity::{Prompt, Routine, Urgent};
use TransitionKind::{Confirmed, Detected, OtherPattern, Progressed, Resolved, Retracted};

/// What an example expects: classification, tier, reason, review, and the transitions that it adds.
type Expected = (
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    &'static [(TransitionKind, Delivery, Severity)],
);

fn months(years: i64) -> i64 {
    years * 12 + 1
}

/// Decides, records, and gives the patient back.
fn settled(person: Person, day: i64) -> Person {
    let transitions = decide(&person.0, &Policy::built_in(), at(day));
    person.recorded(&transitions)
}

fn check_with(policy: &Policy, number: &str, person: &Person, day: i64, expected: &Expected) {
    let (classification, tier, reason, review, transitions) = expected;
    let results = Results::judge(&person.0, policy);
    let chart = Chart::read(&results, policy);
    let assessment = assess(&chart, &person.0, policy, at(day));
    assert_eq!(
        (
            assessment.classification.word(),
            assessment.tier.word(),
            assessment.tier_reason,
            assessment.review
        ),
        (*classification, *tier, *reason, *review),
        "example {number}"
    );
    let decided = decide(&person.0, policy, at(day));
    let got: Vec<_> = decided
        .iter()
        .map(|transition| (transition.kind, transition.delivery, transition.severity))
        .collect();
    assert_eq!(got, *transitions, "example {number}");
    for transition in &decided {
        let alert = transition.alert.expose();
        if transition.kind != Retracted {
            assert_eq!(alert.classification, *classification, "example {number}");
            assert_eq!(alert.tier, *tier, "example {number}");
        }
        assert!(!alert.explanation.is_empty());
        assert!(!alert.explanation.contains("true"), "never `true sIgMD`");
    }
    let after = person.clone().recorded(&decided);
    assert_eq!(decide(&after.0, policy, at(day)), [], "example {number}");
}

fn check(number: &str, person: &Person, day: i64, expected: &Expected) {
    check_with(&Policy::built_in(), number, person, day, expected);
}

const ISOLATED: &str = "isolated_low_igm";
const COMPLETE: &str = "complete";
const PAGED: Expected = (ISOLATED, COMPLETE, None, None, &[(Detected, Page, Routine)]);
const PAGED_PROMPT: Expected = (ISOLATED, COMPLETE, None, None, &[(Detected, Page, Prompt)]);
const PAGED_URGENT: Expected = (ISOLATED, COMPLETE, None, None, &[(Detected, Page, Urgent)]);

const fn undecided(reason: &'static str) -> Expected {
    ("indeterminate", COMPLETE, Some(reason), Some(reason), &[])
}

fn example_1() -> Person {
    Person::adult(Female).with([
        igm("1", 0, "0.21").flag(Low),
        igg("1", 0, "11.0").flag(Normal),
        iga("1", 0, "2.0").flag(Normal),
    ])
}

#[test]
fn examples_1_to_3_first_sight_confirmation_and_too_early() {
    check("1", &example_1(), 0, &PAGED);
    let seen = settled(example_1(), 0);
    let confirmed = seen.clone().panel("2", 38, "0.24", "10.8", "1.9");
    check(
        "2",
        &confirmed,
        38,
        &(ISOLATED, COMPLETE, None, None, &[(Confirmed, Page, Prompt)]),
    );
    let early = seen.panel("2", 10, "0.24", "10.8", "1.9");
    check("3", &early, 10, &(ISOLATED, COMPLETE, None, None, &[]));
}

#[test]
fn examples_4_to_8_limits_and_comparators() {
    let man = || Person::new().born(months(50), Male);
    let woman = || Person::new().born(months(61), Female);
    check(
        "4",
        &man().panel("1", 0, "0.40", "9.0", "1.5"),
        0,
        &("igm_normal", COMPLETE, None, None, &[]),
    );
    check("5", &man().panel("1", 0, "0.39", "9.0", "1.5"), 0, &PAGED);
    check(
        "6",
        &woman().panel("1", 0, "<0.2", "8.2", "1.1"),
        0,
        &PAGED_PROMPT,
    );
    check(
        "7",
        &woman().panel("1", 0, "<0.5", "8.2", "1.1"),
        0,
        &undecided("comparator"),
    );
    check("8", &woman().panel("1", 0, "<0.4", "8.2", "1.1"), 0, &PAGED);
}

#[test]
fn examples_9_to_11_units() {
    let man = || Person::new().born(months(45), Male);
    let mg = |sample: Sample, low, high| sample.unit(Unit::MilligramPerDecilitre).range(low, high);
    let nine = man().with([
        mg(igm("1", 0, "21"), "40", "230"),
        igg("1", 0, "11.0"),
        mg(iga("1", 0, "200"), "70", "400"),
    ]);
    check("9", &nine, 0, &PAGED);
    let alert = decide(&nine.0, &Policy::built_in(), at(0));
    let row = &alert[0].alert.expose().evidence[0];
    assert_eq!(
        (
            row.value.as_deref(),
            row.unit.as_str(),
            row.reported.as_str()
        ),
        (Some("0.21"), "g/L", "21 mg/dL")
    );
    assert_eq!(row.low.as_deref(), Some("0.4"));
    let ten = man().with([
        mg(igm("1", 0, "18"), "40", "230"),
        mg(igg("1", 0, "1100"), "700", "1600"),
        mg(iga("1", 0, "200"), "70", "400"),
    ]);
    check("10", &ten, 0, &PAGED_PROMPT);
    let eleven = man().with([
        igm("1", 0, "210").range("40", "230"),
        igg("1", 0, "11.0"),
        iga("1", 0, "2.0"),
    ]);
    check("11", &eleven, 0, &undecided("unit_suspect"));
}

#[test]
fn examples_12_to_15_flags_and_tables() {
    let woman = || Person::new().born(months(29), Female);
    let twelve = woman().with([
        igm("1", 0, "0.55").flag(Low),
        igg("1", 0, "10"),
        iga("1", 0, "1.2"),
    ]);
    check("12", &twelve, 0, &undecided("flag_interval_disagreement"));
    let thirteen = woman().with([
        igm("1", 0, "0.33").no_range().flag(Low),
        igg("1", 0, "10").no_range().flag(Normal),
        iga("1", 0, "1.2").no_range().flag(Normal),
    ]);
    check("13", &thirteen, 0, &PAGED);
    let alert = decide(&thirteen.0, &Policy::built_in(), at(0));
    let row = &alert[0].alert.expose().evidence[0];
    assert_eq!(row.interval_source.as_deref(), Some("flag"));
    let fourteen = woman().with([
        igm("1", 0, "0.33").no_range(),
        igg("1", 0, "10"),
        iga("1", 0, "1.2"),
    ]);
    check("14", &fourteen, 0, &PAGED);
    let alert = decide(&fourteen.0, &Policy::built_in(), at(0));
    let row = &alert[0].alert.expose().evidence[0];
    assert_eq!(row.interval_source.as_deref(), Some("built-in"));
    assert_eq!(row.low.as_deref(), Some("0.4"));
    let mut policy = Policy::built_in();
    policy.detection.use_builtin_intervals = false;
    check_with(&policy, "15", &fourteen, 0, &undecided("no_interval"));
}

#[test]
fn examples_16_to_20_low_but_not_alone() {
    let man = |years| Person::new().born(months(years), Male);
    check(
        "16",
        &man(70).panel("1", 0, "0.30", "4.1", "0.40"),
        0,
        &(
            "panhypogammaglobulinaemia",
            COMPLETE,
            None,
            None,
            &[(OtherPattern, Worklist, Routine)],
        ),
    );
    let seventeen = settled(man(70).panel("1", 0, "0.30", "8", "1.0"), 0);
    let seventeen = settled(seventeen.panel("2", 40, "0.30", "8", "1.0"), 40);
    assert_eq!(seventeen.0.transitions.len(), 2);
    check(
        "17",
        &seventeen.panel("3", 80, "0.30", "4.1", "1.0"),
        80,
        &(
            "low_igm_with_low_igg",
            COMPLETE,
            None,
            None,
            &[(Progressed, Page, Prompt)],
        ),
    );
    check(
        "18",
        &Person::new()
            .born(months(40), Female)
            .panel("1", 0, "0.30", "9.0", "<0.07"),
        0,
        &(
            "low_igm_with_low_iga",
            COMPLETE,
            None,
            None,
            &[(OtherPattern, Worklist, Routine)],
        ),
    );
    let nineteen = man(68)
        .panel("1", 0, "0.18", "38.0", "0.40")
        .diagnosis("C90.0", -5);
    check(
        "19",
        &nineteen,
        0,
        &(
            "low_igm_with_high_igg_or_iga",
            COMPLETE,
            None,
            None,
            &[(OtherPattern, Worklist, Prompt)],
        ),
    );
    let alert = decide(&nineteen.0, &Policy::built_in(), at(0));
    let alert = alert[0].alert.expose();
    assert!(
        alert.explanation.contains("Exclude a monoclonal protein"),
        "{}",
        alert.explanation
    );
    assert_eq!(alert.associations[0].label, "multiple myeloma");
    assert_eq!(alert.associations[0].class, "secondary");
    check(
        "20",
        &man(68).panel("1", 0, "0.25", "24.0", "1.0"),
        0,
        &(
            "low_igm_with_high_igg_or_iga",
            COMPLETE,
            None,
            None,
            &[(OtherPattern, Worklist, Routine)],
        ),
    );
}

fn by_table(person: Person, m: &str, g: &str, a: &str) -> Person {
    person.with([
        igm("1", 0, m).no_range(),
        igg("1", 0, g).no_range(),
        iga("1", 0, a).no_range(),
    ])
}

#[test]
fn examples_21_to_24_and_38_children() {
    check(
        "21",
        &by_table(Person::new().born(2, Male), "0.12", "4.0", "0.10"),
        0,
        // 0.12 against 0.15 of the row 42 d to 3 mo.
        &(
            ISOLATED,
            "provisional",
            Some("infant"),
            None,
            &[(Detected, Worklist, Routine)],
        ),
    );
    let agamma = by_table(Person::new().born(2, Male), "0.04", "4.0", "0.03");
    check(
        "22",
        &agamma,
        0,
        &(
            "low_igm_with_low_iga",
            COMPLETE,
            None,
            None,
            &[(OtherPattern, Page, Urgent)],
        ),
    );
    let alert = decide(&agamma.0, &Policy::built_in(), at(0));
    assert!(
        alert[0]
            .alert
            .expose()
            .explanation
            .contains("Agammaglobulinaemia")
    );
    check(
        "23",
        &by_table(Person::new().born(14, Female), "0.18", "6.0", "0.20"),
        0,
        &(
            ISOLATED,
            "provisional",
            Some("iga_immature"),
            None,
            &[(Detected, Page, Prompt)],
        ),
    );
    let boy =
        by_table(Person::new().born(months(3), Male), "0.30", "9.0", "3.5").diagnosis("D69.6", -3);
    check(
        "24",
        &boy,
        0,
        &(
            "low_igm_with_high_igg_or_iga",
            COMPLETE,
            None,
            None,
            &[(OtherPattern, Page, Prompt)],
        ),
    );
    let alert = decide(&boy.0, &Policy::built_in(), at(0));
    assert!(
        alert[0]
            .alert
            .expose()
            .explanation
            .contains("Wiskott-Aldrich")
    );
    let girl =
        by_table(Person::new().born(8, Female), "0.06", "5.0", "0.30").diagnosis("R62.51", -3);
    check("38", &girl, 0, &PAGED_URGENT);
}

#[test]
fn examples_25_to_27_status_correction_and_recovery() {
    let preliminary = Person::new().born(months(52), Female).with([
        igm("1", 0, "0.30").flag(Low).status("P"),
        igg("1", 0, "9"),
        iga("1", 0, "1.2"),
    ]);
    check(
        "25",
        &preliminary,
        0,
        &("indeterminate", COMPLETE, Some("preliminary"), None, &[]),
    );
    let made_final = preliminary.with([igm("1", 0, "0.30").flag(Low).sent(1)]);
    check("25, later F", &made_final, 1, &PAGED);
    let corrected = settled(example_1(), 0).with([igm("1", 0, "1.21").status("C").sent(1)]);
    check(
        "26",
        &corrected,
        1,
        &(
            "igm_normal",
            COMPLETE,
            None,
            None,
            &[(Retracted, Page, Routine)],
        ),
    );
    let alert = decide(&corrected.0, &Policy::built_in(), at(1));
    assert_eq!(
        alert[0].alert.expose().explanation,
        "Withdrawn: the laboratory corrected IgM from 0.21 to 1.21 g/L (sample of 3 Jan 2026)."
    );
    let recovered = settled(example_1(), 0).with([igm("2", 90, "0.62")]);
    check(
        "27",
        &recovered,
        90,
        &(
            "igm_normal",
            COMPLETE,
            None,
            None,
            &[(Resolved, Page, Routine)],
        ),
    );
    let alert = decide(&recovered.0, &Policy::built_in(), at(90));
    assert_eq!(
        alert[0].alert.expose().explanation,
        "IgM 0.62 g/L on 3 Apr 2026 is within the lab's interval; episode of 3 Jan 2026 closed."
    );
}

#[test]
fn examples_28_and_29_stale_partners() {
    let man = || Person::new().born(months(55), Male);
    check(
        "28",
        &man()
            .panel("0", -200, "", "10.0", "")
            .panel("1", 0, "0.28", "", "1.4"),
        0,
        &(
            ISOLATED,
            "provisional",
            Some("partial"),
            None,
            &[(Detected, Page, Routine)],
        ),
    );
    check(
        "29",
        &man()
            .panel("0", -120, "", "5.0", "")
            .panel("1", 0, "0.28", "", "1.4"),
        0,
        &undecided("stale_low_other"),
    );
}

#[test]
fn examples_30_and_31_unknown_age() {
    let thirty = Person::new().panel("1", 0, "0.30", "10", "1.0");
    check("30", &thirty, 0, &PAGED);
    let alert = decide(&thirty.0, &Policy::built_in(), at(0));
    let alert = alert[0].alert.expose();
    assert!(alert.qualifiers.contains(&"age_unknown".to_owned()));
    assert!(alert.explanation.contains("Age unknown"));
    let by_adult_row = Person::new().with([
        igm("1", 0, "0.30").no_range(),
        igg("1", 0, "10"),
        iga("1", 0, "1.0"),
    ]);
    check(
        "31",
        &by_adult_row,
        0,
        &(
            ISOLATED,
            "provisional",
            Some("age_unknown"),
            None,
            &[(Detected, Page, Routine)],
        ),
    );
}

#[test]
fn example_32_what_is_not_an_igm_of_serum_is_none() {
    // CSF and measles IgM never become observations; cord blood does, and is only shown.
    let woman = Person::new().born(months(41), Female);
    check("32", &woman, 0, &("none", COMPLETE, None, None, &[]));
    let cord = woman.with([igm("1", 0, "0.05").with(|o| o.id.specimen = Specimen::Cord)]);
    check(
        "32, cord",
        &cord,
        0,
        &("indeterminate", COMPLETE, Some("cord_blood"), None, &[]),
    );
}

#[test]
fn examples_33_to_35_what_stands_beside() {
    let sepsis = Person::new()
        .born(months(38), Female)
        .panel("1", 0, "0.15", "9.5", "1.1")
        .diagnosis("A40.3", -12);
    check("33", &sepsis, 0, &PAGED_URGENT);
    let rituximab = Person::new()
        .born(months(63), Male)
        .panel("1", 0, "0.22", "8.0", "1.0")
        .diagnosis("L01FA01", -150);
    // Drugs are off until a site turns them on (CLINICAL 2.4).
    let drugs = crate::core::clinical::sample::with_drugs();
    check_with(&drugs, "34", &rituximab, 0, &PAGED);
    let alert = decide(&rituximab.0, &drugs, at(0));
    let explanation = &alert[0].alert.expose().explanation;
    assert!(
        explanation.ends_with(" Possible secondary cause: rituximab."),
        "{explanation}"
    );
    let known = Person::new()
        .born(months(47), Female)
        .panel("1", 0, "0.25", "9", "1.2")
        .diagnosis("D80.4", -20);
    check(
        "35",
        &known,
        0,
        &(
            ISOLATED,
            COMPLETE,
            None,
            None,
            &[(Detected, Worklist, Routine)],
        ),
    );
}

#[test]
fn examples_36_and_37_as_far_as_they_reach_the_verdict() {
    let man = || Person::new().born(months(33), Male);
    check("36", &man().panel("1", 0, "0.3", "12.1", "1.8"), 0, &PAGED);
    let storno = man().with([
        igm("1", 0, "0.35")
            .sub_id("1")
            .status("D")
            .value(ReportedValue::Absent),
        igm("1", 0, "0.35").sub_id("2"),
        igg("1", 0, "12"),
        iga("1", 0, "1.8"),
    ]);
    check("37", &storno, 0, &PAGED);
    let again = man().with([
        igm("1", 0, "0.35").status("D").value(ReportedValue::Absent),
        igm("1", 0, "0.35").sent(1),
        igg("1", 0, "12"),
        iga("1", 0, "1.8"),
    ]);
    check("37, sent later", &again, 1, &PAGED);
}
