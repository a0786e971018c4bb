//! Examples 9 to 15: units, flags, and where an interval comes from.

use super::expect::{DETECTED, Example, ISOLATED, Issued, example, step, undecided};
use super::message::{Message, adult, bare, iga, igg, igm, report};

pub fn example_09_units_are_mixed() -> Example {
    let lines = [
        igm("21|mg/dL|40-230|"),
        igg("11.0|g/L|7-16|"),
        iga("200|mg/dL|70-400|"),
    ];
    example(
        "45 y",
        "M",
        vec![step(
            report("A1", 0, &lines.concat()),
            &[Issued {
                evidence: &[
                    "IgM low 0.21 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 11 g/L [7-16 OBX-7]",
                    "IgA normal 2 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM 0.21 g/L (reported 21 mg/dL; limit 0.40, lab interval) with normal IgG \
                     11.0 and IgA 2.00 g/L from the same sample; first time seen; repeat after 4 weeks or \
                     more to see if it persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

pub fn example_10_severe_in_milligrams() -> Example {
    let lines = [
        igm("18|mg/dL|40-230|"),
        igg("1100|mg/dL|700-1600|"),
        iga("200|mg/dL|70-400|"),
    ];
    example(
        "45 y",
        "M",
        vec![step(
            report("A1", 0, &lines.concat()),
            &[Issued {
                severity: "prompt",
                evidence: &[
                    "IgM low 0.18 g/L [0.4-2.3 OBX-7]",
                    "IgG normal 11 g/L [7-16 OBX-7]",
                    "IgA normal 2 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM 0.18 g/L (reported 18 mg/dL; limit 0.40, lab interval) with normal IgG \
                     11.00 and IgA 2.00 g/L from the same sample; first time seen; repeat after 4 weeks or \
                     more to see if it persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

pub fn example_11_milligrams_written_as_grams() -> Example {
    let lines = adult("210", "11.0", "2.0").replace("0.4-2.3", "40-230");
    example(
        "45 y",
        "M",
        vec![step(
            report("A1", 0, &lines),
            &[],
            undecided(
                "unit_suspect",
                "IgM 210 g/L with interval 40-230 does not fit its unit (mg/dL written as g/L?).",
            ),
        )],
    )
}

pub fn example_12_flag_against_interval() -> Example {
    example(
        "29 y",
        "F",
        vec![step(
            report("A1", 0, &adult("0.55|L", "10", "1.2")),
            &[],
            undecided(
                "flag_interval_disagreement",
                "IgM 0.55 g/L against 0.4-2.3 and the flag L contradict each other.",
            ),
        )],
    )
}

pub fn example_13_the_flag_alone() -> Example {
    example(
        "29 y",
        "F",
        vec![step(
            report("A1", 0, &bare("0.33|L", "10|N", "1.2|N")),
            &[Issued {
                evidence: &[
                    "IgM low 0.33 g/L [0.4-2.3 flag]",
                    "IgG normal 10 g/L [7-16 flag]",
                    "IgA normal 1.2 g/L [0.7-4 flag]",
                ],
                explanation: "IgM 0.33 g/L (flagged low by the laboratory) with normal IgG 10 and IgA 1.2 g/L \
                     from the same sample; first time seen; repeat after 4 weeks or more to see if it \
                     persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

fn without_interval() -> Message {
    let lines = adult("0.33", "10", "1.2").replace("0.4-2.3", "");
    report("A1", 0, &lines)
}

pub fn example_14_the_built_in_interval() -> Example {
    example(
        "29 y",
        "F",
        vec![step(
            without_interval(),
            &[Issued {
                evidence: &[
                    "IgM low 0.33 g/L [0.4-2.3 built-in]",
                    "IgG normal 10 g/L [7-16 OBX-7]",
                    "IgA normal 1.2 g/L [0.7-4 OBX-7]",
                ],
                explanation: "IgM 0.33 g/L (limit 0.40, built-in interval) with normal IgG 10 and IgA 1.2 g/L \
                     from the same sample; first time seen; repeat after 4 weeks or more to see if it \
                     persists.",
                ..DETECTED
            }],
            ISOLATED,
        )],
    )
}

pub fn example_15_no_interval_at_all() -> Example {
    Example {
        site: "[detection]\nuse_builtin_intervals = false\n",
        ..example(
            "29 y",
            "F",
            vec![step(
                without_interval(),
                &[],
                undecided(
                    "no_interval",
                    "IgM 0.33 g/L has no reference interval: OBX-7 and OBX-8 are empty and no table row \
                     holds.",
                ),
            )],
        )
    }
}
