//! The templates of CLINICAL 6.6 as printed there, each from the messages that call for it.

use super::expect::{DETECTED, ISOLATED, Issued, NORMAL, Standing, example, step};
use super::limits::{FIRST, after_first};
use super::message::{adult, iga, igg, igm, report};
use super::play::play;

#[test]
fn complete() {
    let lines = [
        igm("21|mg/dL|40-230|"),
        igg("11.0|g/L|7.0-16.0|"),
        iga("2.0|g/L|0.7-4.0|"),
    ];
    let alert = Issued {
        explanation: "IgM 0.21 g/L (reported 21 mg/dL; limit 0.40, lab interval) with normal IgG 11.0 and IgA \
             2.0 g/L from the same sample; first time seen; repeat after 4 weeks or more to see if it \
             persists.",
        ..FIRST
    };
    let report = report("A1", 0, &lines.concat());
    play(
        "complete",
        &example("45 y", "M", vec![step(report, &[alert], ISOLATED)]),
    );
}

/// The template's beginning and end; between them stand the limit and what was measured.
#[test]
fn partial() {
    let lines = [igm("0.30|g/L|0.40-2.30|"), igg("9.0|g/L|7.0-16.0|")];
    let alert = Issued {
        tier: "provisional",
        tier_reason: Some("partial"),
        missing: &["IgA"],
        evidence: &[
            "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
            "IgG normal 9 g/L [7-16 OBX-7]",
        ],
        explanation: "Low IgM 0.30 g/L (limit 0.40, lab interval) with normal IgG 9.0 g/L from the same sample; \
             IgA not measured within 30 days, so isolation is not shown.",
        ..DETECTED
    };
    let standing = Standing {
        rule: "R12",
        tier: "provisional",
        reason: Some("partial"),
        ..ISOLATED
    };
    let report = report("A1", 0, &lines.concat());
    play(
        "partial",
        &example("45 y", "M", vec![step(report, &[alert], standing)]),
    );
}

#[test]
fn progressed() {
    let alert = Issued {
        kind: "progressed",
        classification: "low_igm_with_low_igg",
        severity: "prompt",
        evidence: &[
            "IgM low 0.24 g/L [0.4-2.3 OBX-7]",
            "IgG low 5.1 g/L [7-16 OBX-7]",
            "IgA normal 1.9 g/L [0.7-4 OBX-7]",
        ],
        explanation: "IgM was low alone since 3 Jan 2026; IgG is now also low (5.1 g/L, limit 7.0).",
        ..DETECTED
    };
    let standing = Standing {
        rule: "R4",
        classification: "low_igm_with_low_igg",
        ..ISOLATED
    };
    let report = report("A2", 38, &adult("0.24|L", "5.1|L", "1.9"));
    play("progressed", &after_first(step(report, &[alert], standing)));
}

#[test]
fn resolved() {
    let alert = Issued {
        kind: "resolved",
        classification: "igm_normal",
        qualifiers: &[],
        evidence: &[
            "IgM normal 0.62 g/L [0.4-2.3 OBX-7]",
            "IgG normal 11 g/L [7-16 OBX-7]",
            "IgA normal 2 g/L [0.7-4 OBX-7]",
        ],
        explanation: "IgM 0.62 g/L on 4 Apr 2026 is within the lab's interval; episode of 3 Jan 2026 closed.",
        ..DETECTED
    };
    let report = report("A2", 91, &igm("0.62|g/L|0.4-2.3|"));
    play("resolved", &after_first(step(report, &[alert], NORMAL)));
}

/// 6.4: a panel that a correction shows not to be isolated is taken back, and told anew as what it is.
#[test]
fn retracted_as_another_pattern() {
    let corrected = [
        igm("0.21|g/L|0.4-2.3|L"),
        igg("4.1|g/L|7.0-16.0|L|||C"),
        iga("2.0|g/L|0.7-4.0|N"),
    ];
    let evidence = &[
        "IgM low 0.21 g/L [0.4-2.3 OBX-7]",
        "IgG low 4.1 g/L [7-16 OBX-7]",
        "IgA normal 2 g/L [0.7-4 OBX-7]",
    ];
    let retracted = Issued {
        kind: "retracted",
        classification: "low_igm_with_low_igg",
        evidence,
        explanation: "Withdrawn as isolated low IgM: the sample of 3 Jan 2026 is now read as low IgM with low IgG \
             4.1 g/L (limit 7.0).",
        ..DETECTED
    };
    let other = Issued {
        kind: "other_pattern",
        delivery: "worklist",
        explanation: "Low IgM 0.21 g/L (limit 0.4, lab interval) with low IgG 4.1 g/L (limit 7.0); not isolated.",
        ..retracted
    };
    let standing = Standing {
        rule: "R4",
        classification: "low_igm_with_low_igg",
        ..ISOLATED
    };
    let report = report("A1", 0, &corrected.concat()).sent(1);
    play(
        "retracted",
        &after_first(step(report, &[retracted, other], standing)),
    );
}

/// Across the turn of a year both days have theirs.
#[test]
fn confirmed_in_another_year() {
    let confirmed = Issued {
        kind: "confirmed",
        severity: "prompt",
        evidence: &[
            "IgM low 0.24 g/L [0.4-2.3 OBX-7]",
            "IgG normal 10.8 g/L [7-16 OBX-7]",
            "IgA normal 1.9 g/L [0.7-4 OBX-7]",
            "IgM low 0.21 g/L [0.4-2.3 OBX-7]",
            "IgG normal 11 g/L [7-16 OBX-7]",
            "IgA normal 2 g/L [0.7-4 OBX-7]",
        ],
        explanation: "Persistent isolated low IgM: 0.21 g/L on 3 Jan 2026 and 0.24 g/L on 3 Jan 2027 (365 days \
             apart), IgG and IgA normal on both. IgG subclasses and vaccine responses not seen in the feed.",
        ..DETECTED
    };
    let report = report("A2", 365, &adult("0.24|L", "10.8", "1.9"));
    play(
        "confirmed in another year",
        &after_first(step(report, &[confirmed], ISOLATED)),
    );
}
