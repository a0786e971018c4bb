//! The alert as the outside sees it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use super::birth_date;
use crate::core::clinical::observation::{BirthDate, Sex};
use crate::core::clinical::sample::{Person, at, iga, igg, igm, on};
use crate::core::episode::decide::decide;
use crate::core::policy::Policy;
use jiff::civil::date;

#[test]
fn the_whole_of_it() {
    let person = Person::adult(Sex::Female)
        .with([
            igm("1", 0, "0.210").flag(crate::core::clinical::observation::Flag::Low),
            igg("1", 0, "11.0"),
            iga("2", 1, ">1.10").no_range(),
        ])
        .diagnosis("M06.9", -9)
        .diagnosis("M06.9", -3);
    let policy = Policy::built_in();
    let transitions = decide(&person.0, &policy, at(1));
    let alert = transitions[0].alert.expose();
    let json = serde_json::to_value(alert).expect("it is data");
    let want = serde_json::json!({
        "alert_id": transitions[0].alert_id.0,
        "episode_id": transitions[0].episode.0,
        "kind": "detected",
        "severity": "routine",
        "classification": "isolated_low_igm",
        "tier": "complete",
        "tier_reason": null,
        "qualifiers": ["subclasses_unknown"],
        "patient": {
            "id": "1", "authority": "HOSP", "name": "Doe, Jane", "birth_date": "1991-12-03",
            "sex": "F", "age": "34 y"
        },
        "evidence": [
            {
                "analyte": "IgM", "state": "low", "value": "0.21", "comparator": "", "unit": "g/L",
                "reported": "0.210 g/L", "low": "0.4", "high": "2.3", "interval_source": "OBX-7",
                "flag": "L", "status": "F", "observed_at": "2026-01-03T08:00:00Z", "code": "2472-9",
                "system": "LN", "specimen": "SER", "order": "1", "control_id": "M1", "feed": "LAB/HOSP"
            },
            {
                "analyte": "IgG", "state": "normal", "value": "11", "comparator": "", "unit": "g/L",
                "reported": "11.0 g/L", "low": "7", "high": "16", "interval_source": "OBX-7",
                "flag": "", "status": "F", "observed_at": "2026-01-03T08:00:00Z", "code": "2465-3",
                "system": "LN", "specimen": "SER", "order": "1", "control_id": "M1", "feed": "LAB/HOSP"
            },
            {
                "analyte": "IgA", "state": "not_low", "value": "1.1", "comparator": ">", "unit": "g/L",
                "reported": ">1.10 g/L", "low": "0.7", "high": "4", "interval_source": "built-in",
                "flag": "", "status": "F", "observed_at": "2026-01-04T08:00:00Z", "code": "2458-8",
                "system": "LN", "specimen": "SER", "order": "2", "control_id": "M2", "feed": "LAB/HOSP"
            }
        ],
        "missing": [],
        "associations": [
            { "code": "M06.9", "system": "I10", "label": "rheumatoid arthritis", "class": "secondary", "where": "DG1-3" }
        ],
        "delivery": "page",
        "explanation": "IgM 0.21 g/L (limit 0.4, lab interval) with IgG 11.0 g/L (normal) and IgA >1.10 g/L of 4 Jan 2026 (not low); first time seen; repeat after 4 weeks or more to see if it persists. Possible secondary cause: rheumatoid arthritis.",
        "policy": policy.hash(),
        "supersedes": null
    });
    assert_eq!(json, want);
    assert_eq!(transitions[0].listener, "lab");
    assert_eq!(transitions[0].at, at(1));
    assert_eq!(transitions[0].evidence_through.0, 100_001);
}

#[test]
fn missing_names_what_has_no_usable_result() {
    let person = Person::adult(Sex::Female)
        .panel("0", -100, "", "9", "")
        .with([igm("1", 0, "0.3"), iga("1", 0, "2").status("P")]);
    let transitions = decide(&person.0, &Policy::built_in(), at(0));
    let alert = transitions[0].alert.expose();
    assert_eq!(alert.missing, ["IgG", "IgA"]);
    assert_eq!(alert.tier_reason.as_deref(), Some("igm_only"));
    let states: Vec<_> = alert
        .evidence
        .iter()
        .map(|row| {
            (
                row.analyte.as_str(),
                row.state.as_str(),
                row.status.as_str(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("IgM", "low", "F"),
            ("IgG", "normal", "F"),
            ("IgA", "unknown", "P")
        ]
    );
}

/// J13 is a pneumonia, shown only, and invasive disease, which makes a severe finding urgent.
#[test]
fn of_several_rows_the_one_with_an_effect_is_shown() {
    let person = Person::adult(Sex::Female)
        .panel("1", 0, "0.15", "9", "1.2")
        .diagnosis("J13", -3)
        .diagnosis("J18.9", -3);
    let transitions = decide(&person.0, &Policy::built_in(), at(0));
    let alert = transitions[0].alert.expose();
    let shown: Vec<_> = alert
        .associations
        .iter()
        .map(|row| (row.code.as_str(), row.label.as_str(), row.class.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("J13", "pneumococcal pneumonia", "urgent"),
            ("J18.9", "pneumonia", "context")
        ]
    );
}

#[test]
fn a_birth_date_says_no_more_than_was_sent() {
    let shown = |earliest, latest| birth_date(&BirthDate { earliest, latest });
    assert_eq!(shown(on(0), on(0)), "2026-01-03");
    assert_eq!(shown(date(1980, 5, 1), date(1980, 5, 31)), "1980-05");
    assert_eq!(shown(date(1980, 1, 1), date(1980, 12, 31)), "1980");
}
