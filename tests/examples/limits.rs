//! Examples 1 to 8: first sight, confirmation, and what stands at a limit.

use super::expect::{
    DETECTED, Example, ISOLATED, Issued, NORMAL, Standing, example, step, undecided,
};
use super::message::{Message, adult, report};

fn first() -> Message {
    report("A1", 0, &adult("0.21|L", "11.0|N", "2.0|N"))
}

pub const FIRST_SENTENCE: &str = "IgM 0.21 g/L (limit 0.4, lab interval) with normal IgG 11.0 and IgA 2.0 g/L \
     from the same sample; first time seen; repeat after 4 weeks or more to see if it persists.";

/// The alert of example 1, which others begin with.
pub const FIRST: Issued = Issued {
    evidence: &[
        "IgM low 0.21 g/L [0.4-2.3 OBX-7]",
        "IgG normal 11 g/L [7-16 OBX-7]",
        "IgA normal 2 g/L [0.7-4 OBX-7]",
    ],
    explanation: FIRST_SENTENCE,
    ..DETECTED
};

/// An example that begins with example 1.
pub fn after_first(then: super::expect::Step) -> Example {
    example("34 y", "F", vec![step(first(), &[FIRST], ISOLATED), then])
}

pub fn example_01_low_alone_for_the_first_time() -> Example {
    example(
        "34 y",
        "F",
        vec![step(
            first(),
            &[FIRST],
            Standing {
                sentence: FIRST_SENTENCE,
                ..ISOLATED
            },
        )],
    )
}

pub fn example_02_confirmed_after_38_days() -> Example {
    after_first(step(
        report("A2", 38, &adult("0.24|L", "10.8", "1.9")),
        &[Issued {
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
            explanation: "Persistent isolated low IgM: 0.21 g/L on 3 Jan and 0.24 g/L on 10 Feb 2026 \
                 (38 days apart), IgG and IgA normal on both. IgG subclasses and vaccine responses not \
                 seen in the feed.",
            ..DETECTED
        }],
        ISOLATED,
    ))
}

pub fn example_03_too_early_to_confirm() -> Example {
    after_first(step(
        report("A2", 10, &adult("0.24|L", "10.8", "1.9")),
        &[],
        Standing {
            sentence: "IgM 0.24 g/L (limit 0.4, lab interval) with normal IgG 10.8 and IgA 1.9 g/L from the \
                 same sample; first time seen; repeat after 4 weeks or more to see if it persists.",
            ..ISOLATED
        },
    ))
}

pub fn example_04_equal_to_the_limit_is_normal() -> Example {
    let lines = adult("0.40", "9.0", "1.5").replace("0.4-2.3", "0.40-2.30");
    example(
        "50 y",
        "M",
        vec![step(
            report("A1", 0, &lines),
            &[],
            Standing {
                sentence: "IgM 0.40 g/L of 3 Jan 2026 is within its interval.",
                ..NORMAL
            },
        )],
    )
}

pub fn example_05_just_below_the_limit() -> Example {
    example(
        "50 y",
        "M",
        vec![step(
            report("A1", 0, &adult("0.39", "9.0", "1.5")),
            &[Issued {
                evidence: &[
                    "IgM low 0.39 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 9 g/L [7-16 OBX-7]",
                    "IgA normal 1.5 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM 0.39 g/L (limit 0.4, lab interval) with normal IgG 9.0 and IgA 1.5 g/L \
                     from the same sample; first time seen; repeat after 4 weeks or more to see if it \
                     persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

fn below(value: &str) -> Message {
    report(
        "A1",
        0,
        &adult(value, "8.2", "1.1").replacen("|NM|", "|SN|", 1),
    )
}

pub fn example_06_below_a_fifth_is_severe() -> Example {
    example(
        "61 y",
        "F",
        vec![step(
            below("<^0.2"),
            &[Issued {
                severity: "prompt",
                evidence: &[
                    "IgM low <0.2 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 8.2 g/L [7-16 OBX-7]",
                    "IgA normal 1.1 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM <0.2 g/L (limit 0.4, lab interval) with normal IgG 8.2 and IgA 1.1 g/L \
                     from the same sample; first time seen; repeat after 4 weeks or more to see if it \
                     persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

pub fn example_07_below_a_number_over_the_limit() -> Example {
    example(
        "61 y",
        "F",
        vec![step(
            below("<^0.5"),
            &[],
            undecided(
                "comparator",
                "IgM <0.5 g/L cannot be placed against 0.4-2.3: it may be low or not.",
            ),
        )],
    )
}

pub fn example_08_below_the_limit_itself() -> Example {
    let lines = adult("<0.4", "8.2", "1.1").replacen("|NM|", "|ST|", 1);
    example(
        "61 y",
        "F",
        vec![step(
            report("A1", 0, &lines),
            &[Issued {
                evidence: &[
                    "IgM low <0.4 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 8.2 g/L [7-16 OBX-7]",
                    "IgA normal 1.1 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM <0.4 g/L (limit 0.4, lab interval) with normal IgG 8.2 and IgA 1.1 g/L \
                     from the same sample; first time seen; repeat after 4 weeks or more to see if it \
                     persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}
