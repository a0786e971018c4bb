//! Examples 16 to 20: low, but not alone.

use super::expect::{DETECTED, Example, ISOLATED, Issued, OTHER, Standing, example, step};
use super::message::{adult, report};

pub fn example_16_all_three_are_low() -> Example {
    example(
        "70 y",
        "M",
        vec![step(
            report("A1", 0, &adult("0.30|L", "4.1|L", "0.40|L")),
            &[Issued {
                classification: "panhypogammaglobulinaemia",
                evidence: &[
                    "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
                    "IgG low 4.1 g/L [7-16 OBX-7]",
                    "IgA low 0.4 g/L [0.7-4 OBX-7]",
                ],
                explanation: "Low IgM 0.30 g/L (limit 0.4, lab interval) with low IgG 4.1 g/L (limit 7.0) and \
                     low IgA 0.40 g/L (limit 0.7); not isolated.",
                ..OTHER
            }],
            Standing {
                rule: "R3",
                classification: "panhypogammaglobulinaemia",
                ..ISOLATED
            },
        )],
    )
}

pub fn example_17_an_episode_goes_on_to_low_igg() -> Example {
    example(
        "70 y",
        "M",
        vec![
            step(
                report("A1", 0, &adult("0.30|L", "8.0", "1.0")),
                &[Issued {
                    evidence: &[
                        "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
                        "IgG normal 8 g/L [7-16 OBX-7]",
                        "IgA normal 1 g/L [0.7-4 OBX-7]",
                    ],
                    explanation: "IgM 0.30 g/L (limit 0.4, lab interval) with normal IgG 8.0 and IgA 1.0 g/L \
                         from the same sample; first time seen; repeat after 4 weeks or more to see if it \
                         persists.",
                    ..DETECTED
                }],
                ISOLATED,
            ),
            step(
                report("A2", 40, &adult("0.30|L", "8.0", "1.0")),
                &[Issued {
                    kind: "confirmed",
                    severity: "prompt",
                    evidence: &[
                        "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
                        "IgG normal 8 g/L [7-16 OBX-7]",
                        "IgA normal 1 g/L [0.7-4 OBX-7]",
                        "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
                        "IgG normal 8 g/L [7-16 OBX-7]",
                        "IgA normal 1 g/L [0.7-4 OBX-7]",
                    ],
                    explanation: "Persistent isolated low IgM: 0.30 g/L on 3 Jan and 0.30 g/L on 12 Feb 2026 \
                         (40 days apart), IgG and IgA normal on both. IgG subclasses and vaccine responses \
                         not seen in the feed.",
                    ..DETECTED
                }],
                ISOLATED,
            ),
            step(
                report("A3", 80, &adult("0.30|L", "4.1|L", "1.0")),
                &[Issued {
                    kind: "progressed",
                    classification: "low_igm_with_low_igg",
                    severity: "prompt",
                    evidence: &[
                        "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
                        "IgG low 4.1 g/L [7-16 OBX-7]",
                        "IgA normal 1 g/L [0.7-4 OBX-7]",
                    ],
                    explanation: "IgM was low alone since 3 Jan 2026; IgG is now also low (4.1 g/L, limit 7.0).",
                    ..DETECTED
                }],
                Standing {
                    rule: "R4",
                    classification: "low_igm_with_low_igg",
                    ..ISOLATED
                },
            ),
        ],
    )
}

pub fn example_18_low_iga_too() -> Example {
    example(
        "40 y",
        "F",
        vec![step(
            report("A1", 0, &adult("0.30|L", "9.0", "<0.07|L")),
            &[Issued {
                classification: "low_igm_with_low_iga",
                evidence: &[
                    "IgM low 0.3 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 9 g/L [7-16 OBX-7]",
                    "IgA low <0.07 g/L [0.7-4 OBX-7]",
                ],
                explanation: "Low IgM 0.30 g/L (limit 0.4, lab interval) with low IgA <0.07 g/L (limit 0.7); \
                     not isolated.",
                ..OTHER
            }],
            Standing {
                rule: "R5",
                classification: "low_igm_with_low_iga",
                ..ISOLATED
            },
        )],
    )
}

const HIGH: Standing = Standing {
    rule: "R6",
    classification: "low_igm_with_high_igg_or_iga",
    ..ISOLATED
};

pub fn example_19_high_igg_outranks_low_iga() -> Example {
    example(
        "68 y",
        "M",
        vec![step(
            report("A1", 0, &adult("0.18|L", "38.0|H", "0.40|L")).diagnosis("C90.0", -5),
            &[Issued {
                classification: "low_igm_with_high_igg_or_iga",
                // 6.5: severe, and a row "S, P".
                severity: "prompt",
                associations: &["C90.0 I10: multiple myeloma, secondary, DG1-3"],
                evidence: &[
                    "IgM low 0.18 g/L [0.4-2.3 OBX-7]",
                    "IgG high 38 g/L [7-16 OBX-7]",
                    "IgA low 0.4 g/L [0.7-4 OBX-7]",
                ],
                explanation: "Low IgM 0.18 g/L (limit 0.4, lab interval) with high IgG 38.0 g/L (limit 16.0) \
                     and low IgA 0.40 g/L (limit 0.7); not isolated. Exclude a monoclonal protein. Possible \
                     secondary cause: multiple myeloma.",
                ..OTHER
            }],
            HIGH,
        )],
    )
}

pub fn example_20_high_igg() -> Example {
    example(
        "68 y",
        "M",
        vec![step(
            report("A1", 0, &adult("0.25|L", "24.0|H", "1.0")),
            &[Issued {
                classification: "low_igm_with_high_igg_or_iga",
                evidence: &[
                    "IgM low 0.25 g/L [0.4-2.3 OBX-7]",
                    "IgG high 24 g/L [7-16 OBX-7]",
                    "IgA normal 1 g/L [0.7-4 OBX-7]",
                ],
                explanation: "Low IgM 0.25 g/L (limit 0.4, lab interval) with high IgG 24.0 g/L (limit 16.0); \
                     not isolated. Exclude a monoclonal protein.",
                ..OTHER
            }],
            HIGH,
        )],
    )
}
