//! Examples 21 to 24 and 38: children, by the built-in intervals of their age.

use super::expect::{DETECTED, Example, ISOLATED, Issued, OTHER, Standing, example, step};
use super::message::{bare, report};

pub fn example_21_an_infant_of_two_months() -> Example {
    example(
        "2 mo",
        "M",
        vec![step(
            report("A1", 0, &bare("0.12", "4.0", "0.10")),
            &[Issued {
                tier: "provisional",
                tier_reason: Some("infant"),
                delivery: "worklist",
                evidence: &[
                    "IgM low 0.12 g/L [0.15-0.7 built-in]",
                    "IgG normal 4 g/L [2.1-7.7 built-in]",
                    "IgA normal 0.1 g/L [0.05-0.4 built-in]",
                ],
                explanation: "Low IgM 0.12 g/L (limit 0.15, built-in interval) with normal IgG 4.0 and IgA \
                     0.10 g/L from the same sample in an infant, whose IgG is still the mother's.",
                ..DETECTED
            }],
            Standing {
                rule: "R10",
                tier: "provisional",
                reason: Some("infant"),
                ..ISOLATED
            },
        )],
    )
}

pub fn example_22_an_infant_with_low_iga() -> Example {
    example(
        "2 mo",
        "M",
        vec![step(
            report("A1", 0, &bare("0.04", "4.0", "0.03|L")),
            &[Issued {
                classification: "low_igm_with_low_iga",
                severity: "urgent",
                delivery: "page",
                evidence: &[
                    "IgM low 0.04 g/L [0.15-0.7 built-in]",
                    "IgG normal 4 g/L [2.1-7.7 built-in]",
                    "IgA low 0.03 g/L [0.05-0.4 flag]",
                ],
                explanation: "Low IgM 0.04 g/L (limit 0.15, built-in interval) with low IgA 0.03 g/L (limit \
                     0.05); not isolated. Agammaglobulinaemia or severe combined immunodeficiency is \
                     possible in an infant.",
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

pub fn example_23_iga_not_yet_mature() -> Example {
    example(
        "14 mo",
        "F",
        vec![step(
            report("A1", 0, &bare("0.18", "6.0", "0.20")),
            &[Issued {
                tier: "provisional",
                tier_reason: Some("iga_immature"),
                severity: "prompt",
                evidence: &[
                    "IgM low 0.18 g/L [0.5-2.2 built-in]",
                    "IgG normal 6 g/L [3.1-13.8 built-in]",
                    "IgA low 0.2 g/L [0.3-1.2 built-in]",
                ],
                explanation: "Low IgM 0.18 g/L (limit 0.50, built-in interval) with IgG 6.0 g/L (normal) and \
                     IgA 0.20 g/L (low) from the same sample; a low but detectable IgA can be immaturity at \
                     this age.",
                ..DETECTED
            }],
            Standing {
                rule: "R5b",
                tier: "provisional",
                reason: Some("iga_immature"),
                ..ISOLATED
            },
        )],
    )
}

pub fn example_24_a_boy_with_few_platelets() -> Example {
    example(
        "3 y",
        "M",
        vec![step(
            report("A1", 0, &bare("0.30", "9.0", "3.5|H")).diagnosis("D69.6", -3),
            &[Issued {
                classification: "low_igm_with_high_igg_or_iga",
                severity: "prompt",
                delivery: "page",
                associations: &["D69.6 I10: thrombocytopenia, prompt, DG1-3"],
                evidence: &[
                    "IgM low 0.3 g/L [0.5-2 built-in]",
                    "IgG normal 9 g/L [4.9-16.1 built-in]",
                    "IgA high 3.5 g/L [0.4-2 flag]",
                ],
                explanation: "Low IgM 0.30 g/L (limit 0.50, built-in interval) with high IgA 3.5 g/L (limit \
                     2.00); not isolated. Low IgM with high IgA in a young boy can be Wiskott-Aldrich \
                     syndrome.",
                ..OTHER
            }],
            Standing {
                rule: "R7",
                classification: "low_igm_with_high_igg_or_iga",
                ..ISOLATED
            },
        )],
    )
}

pub fn example_38_a_girl_who_does_not_thrive() -> Example {
    example(
        "8 mo",
        "F",
        vec![step(
            report("A1", 0, &bare("0.06", "5.0", "0.30")).diagnosis("R62.51", -3),
            &[Issued {
                severity: "urgent",
                associations: &["R62.51 I10: failure to thrive, urgent, DG1-3"],
                evidence: &[
                    "IgM low 0.06 g/L [0.4-1.6 built-in]",
                    "IgG normal 5 g/L [3-9 built-in]",
                    "IgA normal 0.3 g/L [0.15-0.7 built-in]",
                ],
                explanation: "IgM 0.06 g/L (limit 0.40, built-in interval) with normal IgG 5.0 and IgA 0.30 \
                     g/L from the same sample; first time seen; repeat after 4 weeks or more to see if it \
                     persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}
