//! The sentences of CLINICAL 6.6.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::{
    Fate, as_sent, confirmed, detected, plain, progressed, reopened, resolved, retracted, standing,
};
use crate::core::clinical::Unit;
use crate::core::clinical::chart::Chart;
use crate::core::clinical::observation::{Flag, ReportedValue, Sex};
use crate::core::clinical::reasons::{unjudged, without_anchor};
use crate::core::clinical::results::Results;
use crate::core::clinical::sample::{DAY_0, Person, Sample, iga, igg, igm, number};
use crate::core::clinical::state::State;
use crate::core::policy::Policy;

fn sentence(person: &Person) -> String {
    let policy = Policy::built_in();
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    standing(chart.anchors.last().expect("an IgM"), &policy.detection)
}

fn woman() -> Person {
    Person::adult(Sex::Female)
}

#[test]
fn numbers_are_in_their_shortest_form() {
    for (value, want) in [
        ("0.210", "0.21"),
        ("11.0", "11"),
        ("100", "100"),
        ("0.00", "0"),
    ] {
        assert_eq!(plain(number(value)), want);
    }
}

#[test]
fn sentences_keep_the_decimals_that_were_sent() {
    for (value, want) in [
        ("0.30", "0.30"),
        ("11.0", "11.0"),
        ("100", "100"),
        ("0.00", "0.00"),
        ("-0.0", "0.0"),
        ("0.075", "0.075"),
        // Of 210 mg/L and 210000 ug/L.
        ("0.210", "0.21"),
        ("0.210000", "0.21"),
        ("2.000", "2.00"),
    ] {
        assert_eq!(as_sent(number(value)), want, "{value}");
    }
}

#[test]
fn the_same_number_written_otherwise_is_no_correction() {
    let policy = Policy::built_in();
    let person = woman().with([
        igm("1", 0, "1.2"),
        igm("2", 0, "1.20"),
        igm("3", 0, "120")
            .unit(Unit::MilligramPerDecilitre)
            .range("40", "230"),
        igm("4", 0, "1.21"),
    ]);
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    let told = |before: usize, now: usize| {
        retracted(&Fate::Changed {
            before: Some(&chart.results[before]),
            now: &chart.results[now],
        })
    };
    assert!(told(0, 1).contains("is not low by what is known now"));
    assert!(told(0, 2).contains("is not low by what is known now"));
    assert!(told(1, 3).contains("corrected IgM from 1.20 to 1.21 g/L"));
}

#[test]
fn complete_with_unit_limit_and_source() {
    let milligrams = woman().with([
        igm("1", 0, "21")
            .unit(Unit::MilligramPerDecilitre)
            .range("40", "230"),
        igg("1", 0, "11.0"),
        iga("1", 0, "2.0"),
    ]);
    assert_eq!(
        sentence(&milligrams),
        "IgM 0.21 g/L (reported 21 mg/dL; limit 0.40, lab interval) with normal IgG 11.0 and \
         IgA 2.0 g/L from the same sample; first time seen; repeat after 4 weeks or more to see if it persists."
    );
    let flagged = woman().with([
        igm("1", 0, "<0.3").no_range().flag(Flag::Low),
        igg("2", 2, ">8"),
        iga("1", 0, "2"),
    ]);
    assert_eq!(
        sentence(&flagged),
        "IgM <0.3 g/L (flagged low by the laboratory) with IgG >8 g/L of 5 Jan 2026 (not low) and \
         IgA 2 g/L (normal); first time seen; repeat after 4 weeks or more to see if it persists."
    );
}

#[test]
fn partial_says_what_is_missing() {
    assert_eq!(
        sentence(&woman().panel("1", 0, "0.30", "9", "")),
        "Low IgM 0.30 g/L (limit 0.4, lab interval) with normal IgG 9 g/L from the same sample; \
         IgA not measured within 30 days, so isolation is not shown."
    );
    let stale = woman()
        .panel("0", -200, "", "10.0", "")
        .with([igm("1", 0, "0.3"), iga("1", 0, "2").status("P")]);
    assert_eq!(
        sentence(&stale),
        "Low IgM 0.3 g/L (limit 0.4, lab interval); IgG not measured within 30 days (last 10.0 g/L on \
         17 Jun 2025), IgA not usable (still preliminary), so isolation is not shown."
    );
}

#[test]
fn others_name_what_is_low_or_high() {
    assert_eq!(
        sentence(&woman().panel("1", 0, "0.3", "4.1", "0.4")),
        "Low IgM 0.3 g/L (limit 0.4, lab interval) with low IgG 4.1 g/L (limit 7) and low IgA 0.4 g/L \
         (limit 0.7); not isolated."
    );
    assert!(
        sentence(&woman().panel("1", 0, "0.3", "24", "2"))
            .ends_with("Exclude a monoclonal protein.")
    );
    assert_eq!(
        sentence(&woman().panel("1", 0, "0.9", "24", "2")),
        "IgM 0.9 g/L of 3 Jan 2026 is within its interval."
    );
}

#[test]
fn two_samples_confirm() {
    let policy = Policy::built_in();
    let person = woman()
        .panel("1", 0, "0.21", "11", "2")
        .panel("2", 38, "0.24", "10.8", "1.9");
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    assert_eq!(
        confirmed(&chart.anchors[0], &chart.anchors[1]),
        "Persistent isolated low IgM: 0.21 g/L on 3 Jan and 0.24 g/L on 10 Feb 2026 (38 days \
         apart), IgG and IgA normal on both. IgG subclasses and vaccine responses not seen in the feed."
    );
    let partial = woman()
        .panel("1", 0, "0.21", "11", "2")
        .panel("2", 38, "0.24", "", "");
    let results = Results::judge(&partial.0, &policy);
    let chart = Chart::read(&results, &policy);
    assert!(confirmed(&chart.anchors[0], &chart.anchors[1]).contains("as far as measured"));
}

#[test]
fn progress_and_end() {
    let policy = Policy::built_in();
    let person = woman()
        .panel("1", 0, "0.21", "11", "2")
        .panel("2", 38, "0.24", "5.1", "1.9")
        .panel("3", 91, "0.62", "", "")
        .panel("4", 100, "0.3", "", "");
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    assert_eq!(
        progressed(DAY_0, &chart.anchors[1]),
        "IgM was low alone since 3 Jan 2026; IgG is now also low (5.1 g/L, limit 7)."
    );
    assert_eq!(
        resolved(DAY_0, &chart.anchors[2]),
        "IgM 0.62 g/L on 4 Apr 2026 is within the lab's interval; episode of 3 Jan 2026 closed."
    );
    assert_eq!(
        reopened(&chart.anchors[3]),
        "IgM is low again: 0.3 g/L on 13 Apr 2026; the episode is open again."
    );
    assert!(
        detected(&chart.anchors[0], super::Seen::Now, &policy.detection)
            .contains("first time seen")
    );
}

#[test]
fn every_fate_of_a_retracted_result() {
    let policy = Policy::built_in();
    let person = woman()
        .panel("1", 0, "0.21", "11", "2")
        .panel("2", 38, "1.21", "5.1", "1.9")
        .panel("3", 60, "0.2", "5.1", "1.9")
        .with([igm("4", 80, "<0.5")]);
    let results = Results::judge(&person.0, &policy);
    let chart = Chart::read(&results, &policy);
    let igm = |order: &str| {
        chart
            .results
            .iter()
            .find(|result| {
                result.current.observation.shown.order.expose() == order
                    && result.id().analyte == crate::core::clinical::observation::Analyte::IgM
            })
            .expect("it is there")
    };
    for (fate, want) in [
        (
            Fate::Changed {
                before: Some(igm("1")),
                now: igm("2"),
            },
            "Withdrawn: the laboratory corrected IgM from 0.21 to 1.21 g/L (sample of 10 Feb 2026).",
        ),
        (
            Fate::Changed {
                before: Some(igm("2")),
                now: igm("2"),
            },
            "Withdrawn: IgM 1.21 g/L of 10 Feb 2026 is not low by what is known now of its interval, or \
             of the patient's age or sex.",
        ),
        (
            Fate::Changed {
                before: None,
                now: igm("4"),
            },
            "Withdrawn: IgM of 24 Mar 2026 can no longer be judged (comparator leaves it open).",
        ),
        (
            Fate::Withdrawn(Some(igm("1"))),
            "Withdrawn: the laboratory took back IgM 0.21 g/L (sample of 3 Jan 2026).",
        ),
        (
            Fate::Withdrawn(None),
            "Withdrawn: the laboratory took back the IgM result.",
        ),
        (
            Fate::Reclassified(&chart.anchors[2]),
            "Withdrawn as isolated low IgM: the sample of 4 Mar 2026 is now read as low IgM with low IgG \
             5.1 g/L (limit 7).",
        ),
        (
            Fate::Moved,
            "Withdrawn: the IgM result no longer belongs to this patient.",
        ),
    ] {
        assert_eq!(retracted(&fate), want);
    }
}

#[test]
fn every_reason_is_a_sentence() {
    let policy = Policy::built_in();
    let reason = |sample: Sample| {
        let person = woman().with([sample]);
        let results = Results::judge(&person.0, &policy);
        let chart = Chart::read(&results, &policy);
        let State::Unknown(why) = chart.results[0].state() else {
            panic!("it can be judged");
        };
        let results: Vec<_> = chart.results.iter().collect();
        assert_eq!(without_anchor(&results), unjudged(&chart.results[0], why));
        unjudged(&chart.results[0], why)
    };
    for (sample, want) in [
        (
            igm("1", 0, "<0.5"),
            "IgM <0.5 g/L cannot be placed against 0.4-2.3: it may be low or not.",
        ),
        (
            igm("1", 0, "0.55").flag(Flag::Low),
            "IgM 0.55 g/L against 0.4-2.3 and the flag L contradict each other.",
        ),
        (
            igm("1", 0, "210").range("40", "230"),
            "IgM 210 g/L with interval 40-230 does not fit its unit (mg/dL written as g/L?).",
        ),
        (
            igm("1", 0, "0.3").status("P"),
            "IgM 0.3 g/L is preliminary; the final result will be judged.",
        ),
        (
            igm("1", 0, "0").value(ReportedValue::Undetectable),
            "IgM was reported as undetectable, without a number: it could be very low, please look.",
        ),
        (
            igm("1", 0, "0.3").with(|o| o.observed = None),
            "IgM 0.3 g/L has no collection time: fill OBX-14, SPM-17 or OBR-7 and send it again.",
        ),
    ] {
        assert_eq!(reason(sample), want);
    }
    assert_eq!(without_anchor(&[]), "No immunoglobulin result is stored.");
}
