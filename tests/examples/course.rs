//! Examples 25 to 29: status, correction, recovery, and partners of another day.

use super::expect::{
    DETECTED, Example, ISOLATED, Issued, NORMAL, Standing, Step, example, step, undecided,
};
use super::limits::after_first;
use super::message::{iga, igg, igm, report};

pub fn example_25_preliminary_then_final() -> Example {
    let lines = |status: &str| {
        [
            igm(&format!("0.30|g/L|0.4-2.3|L|||{status}")),
            igg("9|g/L|7.0-16.0|"),
            iga("1.2|g/L|0.7-4.0|"),
        ]
        .concat()
    };
    example(
        "52 y",
        "F",
        vec![
            step(
                report("A1", 0, &lines("P")),
                &[],
                Standing {
                    review: None,
                    ..undecided(
                        "preliminary",
                        "IgM 0.30 g/L is preliminary; the final result will be judged.",
                    )
                },
            ),
            step(
                report("A1", 0, &lines("F")).sent(1),
                &[Issued {
                    evidence: &[
                        "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
                        "IgG normal 9 g/L [7-16 OBX-7]",
                        "IgA normal 1.2 g/L [0.7-4 OBX-7]",
                    ],
                    explanation: "IgM 0.30 g/L (limit 0.4, lab interval) with normal IgG 9 and IgA 1.2 g/L from \
                         the same sample; first time seen; repeat after 4 weeks or more to see if it \
                         persists.",
                    ..DETECTED
                }],
                ISOLATED,
            ),
        ],
    )
}

pub fn example_26_corrected_to_normal() -> Example {
    let corrected = [
        igm("1.21|g/L|0.4-2.3||||C"),
        igg("11.0|g/L|7.0-16.0|N"),
        iga("2.0|g/L|0.7-4.0|N"),
    ];
    after_first(step(
        report("A1", 0, &corrected.concat()).sent(1),
        &[Issued {
            kind: "retracted",
            classification: "igm_normal",
            qualifiers: &[],
            evidence: &[
                "IgM normal 1.21 g/L [0.4-2.3 OBX-7]",
                "IgG normal 11 g/L [7-16 OBX-7]",
                "IgA normal 2 g/L [0.7-4 OBX-7]",
            ],
            explanation: "Withdrawn: the laboratory corrected IgM from 0.21 to 1.21 g/L (sample of 3 Jan \
                 2026).",
            ..DETECTED
        }],
        NORMAL,
    ))
}

pub fn example_27_normal_after_90_days() -> Example {
    after_first(step(
        report("A2", 90, &igm("0.62|g/L|0.4-2.3|")),
        &[Issued {
            kind: "resolved",
            classification: "igm_normal",
            qualifiers: &[],
            // IgG and IgA of 90 days before stand beside it, for showing.
            evidence: &[
                "IgM normal 0.62 g/L [0.4-2.3 OBX-7]",
                "IgG normal 11 g/L [7-16 OBX-7]",
                "IgA normal 2 g/L [0.7-4 OBX-7]",
            ],
            explanation: "IgM 0.62 g/L on 3 Apr 2026 is within the lab's interval; episode of 3 Jan 2026 \
                 closed.",
            ..DETECTED
        }],
        NORMAL,
    ))
}

/// IgG of long before, and IgM with IgA now.
fn with_old_igg(before: i64, old: &str, now: Step) -> Example {
    example(
        "55 y",
        "M",
        vec![
            step(
                report("A0", -before, &igg(&format!("{old}|g/L|7.0-16.0|"))),
                &[],
                Standing {
                    rule: "R0",
                    classification: "none",
                    sentence: "No IgM result is stored.",
                    ..ISOLATED
                },
            ),
            now,
        ],
    )
}

fn igm_and_iga() -> String {
    [igm("0.28|g/L|0.4-2.3|L"), iga("1.4|g/L|0.7-4.0|")].concat()
}

pub fn example_28_igg_was_normal_long_ago() -> Example {
    with_old_igg(
        200,
        "10.0",
        step(
            report("A1", 0, &igm_and_iga()),
            &[Issued {
                tier: "provisional",
                tier_reason: Some("partial"),
                missing: &["IgG"],
                evidence: &[
                    "IgM low 0.28 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 10 g/L [7-16 OBX-7]",
                    "IgA normal 1.4 g/L [0.7-4 OBX-7]",
                ],
                explanation: "Low IgM 0.28 g/L (limit 0.4, lab interval) with normal IgA 1.4 g/L from the same \
                     sample; IgG not measured within 30 days (last 10.0 g/L on 17 Jun 2025), so isolation is \
                     not shown.",
                ..DETECTED
            }],
            Standing {
                rule: "R12",
                tier: "provisional",
                reason: Some("partial"),
                ..ISOLATED
            },
        ),
    )
}

pub fn example_29_igg_was_low_some_time_ago() -> Example {
    with_old_igg(
        120,
        "5.0",
        step(
            report("A1", 0, &igm_and_iga()),
            &[],
            Standing {
                rule: "R11",
                ..undecided(
                    "stale_low_other",
                    "Low IgM 0.28 g/L, but an earlier IgG 5.0 g/L of 5 Sep 2025 was low: measure again \
                     before calling it isolated.",
                )
            },
        ),
    )
}
