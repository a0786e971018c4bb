//! Whole messages of a few patients with immunoglobulins over two years.

use super::form::{Field, Form, Segment, write};
use jiff::civil::{Date, DateTime, date};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rust_decimal::Decimal;

/// What happened, each one message.
#[derive(Debug, Clone)]
pub enum Happening {
    Panel(Panel),
    Cancelled {
        patient: usize,
        order: usize,
        later: i64,
    },
    Person {
        patient: usize,
        day: i64,
        sex: &'static str,
        birth: &'static str,
    },
    Diagnosis {
        patient: usize,
        day: i64,
        code: &'static str,
    },
    Merge {
        prior: usize,
        survivor: usize,
        day: i64,
    },
    /// The results of one of the prior's two accounts are the survivor's.
    Move {
        prior: usize,
        survivor: usize,
        account: usize,
        day: i64,
    },
}

/// Results of one order of one patient. The order says when they were collected.
#[derive(Debug, Clone)]
pub struct Panel {
    pub patient: usize,
    pub order: usize,
    pub later: i64,
    pub minute: i8,
    pub lines: Vec<Line>,
}

/// One OBX.
#[derive(Debug, Clone)]
pub struct Line {
    pub analyte: usize,
    pub comparator: &'static str,
    /// In g/L; `None` = QNS.
    pub value: Option<Decimal>,
    pub milligrams: bool,
    pub range: bool,
    pub status: &'static str,
}

/// Code, name, low and high limit in g/L.
const ANALYTES: [(&str, &str, &str, &str); 3] = [
    ("2472-9", "IgM", "0.4", "2.3"),
    ("2465-3", "IgG", "7.0", "16.0"),
    ("2458-8", "IgA", "0.7", "4.0"),
];
/// Days of collection of the orders.
const DAYS: [i64; 8] = [0, 3, 20, 45, 80, 200, 400, 700];
const EPOCH: Date = date(2024, 1, 1);
/// How many patients there are.
pub const PATIENTS: usize = 4;

/// `0.21` as a number.
pub fn number(text: &str) -> Decimal {
    text.parse().expect("a number")
}

fn time(day: i64, hour: i8, minute: i8) -> String {
    let day = EPOCH
        .checked_add(jiff::Span::new().days(day))
        .expect("a day");
    let at = DateTime::from_parts(day, jiff::civil::time(hour, minute, 0, 0));
    format!("{}+0000", at.strftime("%Y%m%d%H%M%S"))
}

fn text(field: usize, text: impl Into<String>) -> Field {
    (field, vec![text.into()])
}

fn parts(field: usize, parts: &[&str]) -> Field {
    (field, parts.iter().map(|part| (*part).to_owned()).collect())
}

/// The identifier that a patient is reported under.
pub fn patient_id(patient: usize) -> String {
    format!("P{patient}")
}

fn account(patient: usize, order: usize) -> String {
    format!("A{patient}-{}", order % 2)
}

fn pid(patient: usize, birth: &str, sex: &str) -> Segment {
    let id = patient_id(patient);
    let fields = vec![
        text(1, "1"),
        parts(3, &[&id, "", "", "HOSP", "MR"]),
        parts(5, &["MÜLLER & SØNS", "ZOË|^~"]),
        text(7, birth),
        text(8, sex),
    ];
    Segment {
        name: "PID",
        fields,
    }
}

fn msh(kind: &[&str], sent: &str, control: &str) -> Segment {
    let fields = vec![
        parts(3, &["LAB"]),
        parts(4, &["HOSP"]),
        text(7, sent),
        parts(9, kind),
        text(10, control),
        text(11, "P"),
        text(12, "2.5.1"),
    ];
    Segment {
        name: "MSH",
        fields,
    }
}

impl Line {
    fn segment(&self, number_of: usize) -> Segment {
        let (code, name, low, high) = ANALYTES[self.analyte];
        let factor = if self.milligrams {
            Decimal::ONE_HUNDRED
        } else {
            Decimal::ONE
        };
        let shown = |value: Decimal| (value * factor).normalize().to_string();
        let value = match self.value {
            Some(value) => format!("{}{}", self.comparator, shown(value)),
            None => "QNS".to_owned(),
        };
        let range = format!("{}-{}", shown(number(low)), shown(number(high)));
        let fields = vec![
            text(1, number_of.to_string()),
            text(
                2,
                if self.value.is_some() && self.comparator.is_empty() {
                    "NM"
                } else {
                    "ST"
                },
            ),
            parts(3, &[code, name, "LN"]),
            text(5, value),
            text(6, if self.milligrams { "mg/dL" } else { "g/L" }),
            text(7, if self.range { range } else { String::new() }),
            text(11, self.status),
        ];
        Segment {
            name: "OBX",
            fields,
        }
    }
}

impl Panel {
    /// IgM of so many g/L with normal IgG and IgA.
    pub fn of_igm(patient: usize, order: usize, igm: &str) -> Self {
        let line = |analyte, value| Line {
            analyte,
            comparator: "",
            value: Some(number(value)),
            milligrams: false,
            range: false,
            status: "F",
        };
        Self {
            patient,
            order,
            later: 0,
            minute: 0,
            lines: vec![line(0, igm), line(1, "11"), line(2, "2")],
        }
    }

    fn segments(&self, lines: &[Line]) -> Vec<Segment> {
        let Self {
            patient,
            order,
            later,
            minute,
            ..
        } = self;
        let (collected, sent) = (
            time(DAYS[*order], 9, 0),
            time(DAYS[*order] + later, 10, *minute),
        );
        let filler = format!("F{patient}-{order}");
        let mut person = pid(*patient, "19800101", "F");
        person.fields.push(text(18, account(*patient, *order)));
        let mut segments = vec![
            msh(
                &["ORU", "R01", "ORU_R01"],
                &sent,
                &format!("{filler}-{later}-{minute}"),
            ),
            person,
            Segment {
                name: "ORC",
                fields: vec![text(1, "RE"), text(3, &filler)],
            },
            Segment {
                name: "OBR",
                fields: vec![
                    text(1, "1"),
                    text(3, &filler),
                    parts(4, &["IG", "Immunoglobulins", "L"]),
                    text(7, collected),
                    text(22, sent),
                    text(25, "F"),
                ],
            },
        ];
        segments.extend((1..).zip(lines).map(|(number, line)| line.segment(number)));
        segments
    }
}

impl Happening {
    /// As one message.
    pub fn segments(&self) -> Vec<Segment> {
        let adt = |event: &str, day: i64, body: Vec<Segment>| {
            let sent = time(day, 11, 0);
            let mut segments = vec![
                msh(&["ADT", event], &sent, &format!("{event}-{day}")),
                Segment {
                    name: "EVN",
                    fields: vec![text(2, &sent)],
                },
            ];
            segments.extend(body);
            segments
        };
        match self {
            Self::Panel(panel) => panel.segments(&panel.lines),
            Self::Cancelled {
                patient,
                order,
                later,
            } => {
                let filler = format!("F{patient}-{order}");
                let sent = time(DAYS[*order] + later, 12, 0);
                vec![
                    msh(&["ORM", "O01"], &sent, &format!("C{filler}")),
                    pid(*patient, "19800101", "F"),
                    Segment {
                        name: "ORC",
                        fields: vec![text(1, "CA"), text(3, filler), text(9, sent)],
                    },
                ]
            }
            Self::Person {
                patient,
                day,
                sex,
                birth,
            } => adt("A08", *day, vec![pid(*patient, birth, sex)]),
            Self::Diagnosis { patient, day, code } => {
                let diagnosis = vec![
                    text(1, "1"),
                    parts(3, &[code, "a diagnosis", "I10"]),
                    text(5, time(*day, 8, 0)),
                ];
                let diagnosis = Segment {
                    name: "DG1",
                    fields: diagnosis,
                };
                adt("A08", *day, vec![pid(*patient, "19800101", "F"), diagnosis])
            }
            Self::Merge {
                prior,
                survivor,
                day,
            } => {
                let mrg = vec![parts(1, &[&patient_id(*prior), "", "", "HOSP", "MR"])];
                adt(
                    "A40",
                    *day,
                    vec![
                        pid(*survivor, "19800101", "F"),
                        Segment {
                            name: "MRG",
                            fields: mrg,
                        },
                    ],
                )
            }
            Self::Move {
                prior,
                survivor,
                account: order,
                day,
            } => {
                let id = patient_id(*prior);
                let mrg = vec![
                    parts(1, &[&id, "", "", "HOSP", "MR"]),
                    text(3, account(*prior, *order)),
                ];
                adt(
                    "A44",
                    *day,
                    vec![
                        pid(*survivor, "19800101", "F"),
                        Segment {
                            name: "MRG",
                            fields: mrg,
                        },
                    ],
                )
            }
        }
    }

    /// The same, with each result in a message of its own.
    pub fn split(&self) -> Vec<Vec<Segment>> {
        match self {
            Self::Panel(panel) => panel
                .lines
                .chunks(1)
                .map(|line| panel.segments(line))
                .collect(),
            other => vec![other.segments()],
        }
    }

    /// As usual bytes.
    pub fn raw(&self) -> Vec<u8> {
        write(&self.segments(), &Form::default())
    }
}

fn value(analyte: usize) -> impl Strategy<Value = (&'static str, Option<Decimal>)> {
    // Mostly a low or a normal IgM in normal company: that is where episodes begin and end.
    let (usual, odd): (&[&str], &[&str]) = match analyte {
        0 => (
            &["0.21", "0.21", "0.15", "0.9"],
            &["0.02", "0.4", "3.1", "<0.3", "<0.5", ">0.5", ""],
        ),
        1 => (&["11", "9"], &["7", "4.1", "20", "<3", ">8"]),
        _ => (&["2", "1.1"], &["0.3", "6", "<0.08"]),
    };
    prop_oneof![5 => select(usual), 1 => select(odd)].prop_map(|text| {
        let bare = text.trim_start_matches(['<', '>']);
        (&text[..text.len() - bare.len()], bare.parse().ok())
    })
}

pub fn line(analyte: usize) -> impl Strategy<Value = Line> {
    let status = prop_oneof![5 => Just("F"), 1 => select(&["C", "P", "D", "W", "X", "U"][..])];
    (value(analyte), any::<bool>(), 0..8_u8, status).prop_map(
        move |((comparator, value), milligrams, range, status)| Line {
            analyte,
            comparator,
            value,
            milligrams,
            range: range > 0,
            status,
        },
    )
}

/// One to three lines; each analyte at most once, as in an order.
pub fn lines() -> impl Strategy<Value = Vec<Line>> {
    let whole = (line(0), line(1), line(2)).prop_map(|(m, g, a)| vec![m, g, a]);
    let some = (0..3_usize).prop_flat_map(line).prop_map(|line| vec![line]);
    prop_oneof![3 => whole, 1 => some]
}

pub fn panel(patients: usize) -> impl Strategy<Value = Panel> {
    (0..patients, 0..DAYS.len(), 0..4_i64, 0..3_i8, lines()).prop_map(
        |(patient, order, later, minute, lines)| Panel {
            patient,
            order,
            later,
            minute,
            lines,
        },
    )
}

pub fn happening(patients: usize, merges: u32) -> impl Strategy<Value = Happening> {
    let merge = (0..patients, 0..patients, 0..720_i64);
    prop_oneof![
        20 => panel(patients).prop_map(Happening::Panel),
        1 => (0..patients, 0..DAYS.len(), 0..9_i64)
            .prop_map(|(patient, order, later)| Happening::Cancelled { patient, order, later }),
        1 => (0..patients, 0..720_i64, select(&["F", "M", "", "\"\""][..]), select(&["19800101", "2022", "20200615", "", "\"\""][..]))
            .prop_map(|(patient, day, sex, birth)| Happening::Person { patient, day, sex, birth }),
        1 => (0..patients, 0..720_i64, select(&["D80.4", "C90.0", "M06.9", "R16.1"][..]))
            .prop_map(|(patient, day, code)| Happening::Diagnosis { patient, day, code }),
        1 => (0..patients, 0..patients, 0..2_usize, 0..720_i64)
            .prop_map(|(prior, survivor, account, day)| Happening::Move { prior, survivor, account, day }),
        merges.max(1) => merge.prop_map(|(prior, survivor, day)| Happening::Merge { prior, survivor, day }),
    ]
}

/// What happened to one to four patients; often to two who turn out to be one.
pub fn story(longest: usize) -> impl Strategy<Value = Vec<Happening>> {
    prop_oneof![
        2 => (1..=PATIENTS).prop_flat_map(move |patients| vec(happening(patients, 2), 1..longest)),
        1 => vec(happening(2, 5), longest / 2..longest),
        1 => (vec(panel(2).prop_map(Happening::Panel), longest / 2..longest - 1), 0..720_i64).prop_map(|(mut story, day)| {
            story.push(Happening::Merge { prior: 0, survivor: 1, day });
            story
        }),
    ]
}

/// The same in another order.
pub fn shuffled<T: Clone>(items: &[T], order: &[Index]) -> Vec<T> {
    let mut left = items.to_vec();
    let mut out = Vec::new();
    for index in order.iter().take(items.len()) {
        out.push(left.remove(index.index(left.len())));
    }
    out.extend(left);
    out
}
