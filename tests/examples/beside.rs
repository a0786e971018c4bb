//! Examples 30 to 37: unknown persons, other specimens, what stands beside, and how it is written.

use super::expect::{DETECTED, Example, ISOLATED, Issued, Standing, example, step};
use super::message::{Message, adult, iga, igg, igm, report, update};

pub fn example_30_nobody_knows_age_and_sex() -> Example {
    example(
        "",
        "U",
        vec![step(
            report("A1", 0, &adult("0.30|L", "10|N", "1.0|N")),
            &[Issued {
                qualifiers: &["subclasses_unknown", "age_unknown"],
                evidence: &[
                    "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 10 g/L [7-16 OBX-7]",
                    "IgA normal 1 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM 0.30 g/L (limit 0.4, lab interval) with normal IgG 10 and IgA 1.0 g/L from \
                     the same sample; first time seen; repeat after 4 weeks or more to see if it persists. \
                     Age unknown.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

pub fn example_31_unknown_age_by_the_row_of_adults() -> Example {
    let lines = adult("0.30", "10", "1.0").replace("0.4-2.3", "");
    example(
        "",
        "F",
        vec![step(
            report("A1", 0, &lines),
            &[Issued {
                tier: "provisional",
                tier_reason: Some("age_unknown"),
                qualifiers: &["subclasses_unknown", "age_unknown"],
                evidence: &[
                    "IgM low 0.3 g/L [0.4-2.3 built-in]",
                    "IgG normal 10 g/L [7-16 OBX-7]",
                    "IgA normal 1 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM 0.30 g/L (limit 0.40, built-in interval) with normal IgG 10 and IgA 1.0 g/L \
                     from the same sample; first time seen; repeat after 4 weeks or more to see if it \
                     persists. Age unknown: adult limits were used.",
                ..DETECTED
            }],
            Standing {
                tier: "provisional",
                reason: Some("age_unknown"),
                ..ISOLATED
            },
        )],
    )
}

pub fn example_32_neither_csf_nor_measles() -> Example {
    const NONE: Standing = Standing {
        rule: "R0",
        classification: "none",
        sentence: "No immunoglobulin result is stored.",
        ..ISOLATED
    };
    let csf = igm("0.05|g/L|0.4-2.3|L") + "SPM|1|||CSF^Cerebrospinal fluid^HL70487\n";
    let measles = "OBX|1|NM|35275-7^Measles virus IgM Ab^LN||0.05|g/L|0.4-2.3|L|||F\n\
         OBX|2|NM|MEAS^Measles IgM^L||0.05|g/L|0.4-2.3|L|||F\n\
         OBX|3|NM|IGM^Measles IgM^L||0.05|g/L|0.4-2.3|L|||F\n";
    example(
        "41 y",
        "F",
        vec![
            step(report("A1", 0, &csf), &[], NONE),
            step(report("A2", 0, measles), &[], NONE),
        ],
    )
}

pub fn example_33_severe_after_pneumococcal_sepsis() -> Example {
    example(
        "38 y",
        "F",
        vec![step(
            report("A1", 0, &adult("0.15|L", "9.5", "1.1")).diagnosis("A40.3", -12),
            &[Issued {
                severity: "urgent",
                associations: &["A40.3 I10: pneumococcal sepsis, urgent, DG1-3"],
                evidence: &[
                    "IgM low 0.15 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 9.5 g/L [7-16 OBX-7]",
                    "IgA normal 1.1 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM 0.15 g/L (limit 0.4, lab interval) with normal IgG 9.5 and IgA 1.1 g/L from \
                     the same sample; first time seen; repeat after 4 weeks or more to see if it persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

/// Rows of a site that wants to hear of rituximab, by code and by name (CLINICAL 2.4).
pub const DRUGS: &str = r#"
[[association]]
label = "rituximab"
system = "ATC"
code = "L01FA01"
class = "secondary"
kind = "drug"

[[association]]
label = "rituximab"
system = "TEXT"
code = "rituximab*"
class = "secondary"
kind = "drug"
"#;

fn after_rituximab(given: Message, seen_as: &'static [&'static str]) -> Example {
    Example {
        site: DRUGS,
        ..example(
            "63 y",
            "M",
            vec![
                step(
                    given,
                    &[],
                    Standing {
                        rule: "R0",
                        classification: "none",
                        sentence: "No immunoglobulin result is stored.",
                        ..ISOLATED
                    },
                ),
                step(
                    report("A1", 0, &adult("0.22|L", "8.0", "1.0")),
                    &[Issued {
                        associations: seen_as,
                        evidence: &[
                            "IgM low 0.22 g/L [0.4-2.3 OBX-7]",
                            "IgG normal 8 g/L [7-16 OBX-7]",
                            "IgA normal 1 g/L [0.7-4 OBX-7]",
                        ],
                        explanation: "IgM 0.22 g/L (limit 0.4, lab interval) with normal IgG 8.0 and IgA 1.0 \
                             g/L from the same sample; first time seen; repeat after 4 weeks or more to see \
                             if it persists. Possible secondary cause: rituximab.",
                        ..DETECTED
                    }],
                    ISOLATED,
                ),
            ],
        )
    }
}

pub fn example_34_after_rituximab() -> Example {
    after_rituximab(
        update(-150, "RXA|0|1|{-150}|{-150}|L01FA01^Rituximab^ATC|500|mg\n"),
        &["L01FA01 ATC: rituximab, secondary, RXA-5"],
    )
}

pub fn example_34_after_rituximab_by_name() -> Example {
    after_rituximab(
        update(
            -150,
            "RXA|0|1|{-150}|{-150}|^RITUXIMAB 500 MG INFUSION|500|mg\n",
        ),
        &["RITUXIMAB 500 MG INFUSION : rituximab, secondary, RXA-5"],
    )
}

pub fn example_35_known_already() -> Example {
    example(
        "47 y",
        "F",
        vec![step(
            report("A1", 0, &adult("0.25|L", "9", "1.2")).diagnosis("D80.4", -20),
            &[Issued {
                delivery: "worklist",
                associations: &["D80.4 I10: selective IgM deficiency, known, DG1-3"],
                evidence: &[
                    "IgM low 0.25 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 9 g/L [7-16 OBX-7]",
                    "IgA normal 1.2 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM 0.25 g/L (limit 0.4, lab interval) with normal IgG 9 and IgA 1.2 g/L from the \
                     same sample; first time seen; repeat after 4 weeks or more to see if it persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

pub fn example_36_decimal_commas() -> Example {
    let lines = [
        igm("0,3|g/L|0,4 - 2,3|L"),
        igg("12,1|g/L|7,0 - 16,0|"),
        iga("1,8|g/L|0,7 - 4,0|"),
    ];
    example(
        "33 y",
        "M",
        vec![step(
            report("A1", 0, &lines.concat()),
            &[Issued {
                evidence: &[
                    "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 12.1 g/L [7-16 OBX-7]",
                    "IgA normal 1.8 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM 0.3 g/L (limit 0.4, lab interval) with normal IgG 12.1 and IgA 1.8 g/L from \
                     the same sample; first time seen; repeat after 4 weeks or more to see if it persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

const AFTER_STORNO: Issued = Issued {
    evidence: &[
        "IgM low 0.35 g/L [0.4-2.3 OBX-7]",
        "IgG normal 12 g/L [7-16 OBX-7]",
        "IgA normal 1.8 g/L [0.7-4 OBX-7]",
    ],
    explanation: "IgM 0.35 g/L (limit 0.4, lab interval) with normal IgG 12 and IgA 1.8 g/L from the same \
         sample; first time seen; repeat after 4 weeks or more to see if it persists.",
    ..DETECTED
};

fn storno() -> String {
    igm("!!Storno|g/L|0.4-2.3||||D").replace("|NM|", "|ST|")
}

pub fn example_37_cancelled_and_measured_again() -> Example {
    let lines = storno() + &adult("0.35", "12", "1.8");
    example(
        "33 y",
        "M",
        vec![step(report("A1", 0, &lines), &[AFTER_STORNO], ISOLATED)],
    )
}

pub fn example_37_cancelled_first_and_sent_again() -> Example {
    example(
        "33 y",
        "M",
        vec![
            step(
                report("A1", 0, &storno()),
                &[],
                Standing {
                    rule: "R0",
                    classification: "none",
                    sentence: "No immunoglobulin result is stored.",
                    ..ISOLATED
                },
            ),
            step(
                report("A1", 0, &adult("0.35", "12", "1.8")).sent(1),
                &[AFTER_STORNO],
                ISOLATED,
            ),
        ],
    )
}
