//! What several targets share: fields and lines of messages that a fuzzer can compose.

#![forbid(unsafe_code)]

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use pentamer::core::fact::{Origin, Received};
use pentamer::core::time::Timestamp;

/// 2026-02-01T00:00:00Z.
pub const RECEIVED: Timestamp = Timestamp::from_micros(1_769_904_000_000_000);

/// Bytes as a listener hands them over.
pub fn received(raw: &[u8]) -> Received {
    Received {
        origin: Origin {
            listener: "lab".to_owned(),
            peer: "192.0.2.1:4000".to_owned(),
        },
        received_at: RECEIVED,
        part: (0, 1),
        raw: Bytes::copy_from_slice(raw),
    }
}

/// A field's text: a word of the field, or anything short.
#[derive(Debug, Clone)]
pub struct Word<const KIND: usize>(pub String);

/// Words that mean something, by kind: see the constants below.
const WORDS: [&[&str]; 9] = [
    // Codes.
    &[
        "2472-9^IgM^LN",
        "2465-3^IgG^LN",
        "2458-8^IgA^LN",
        "IGM^IgM^L",
        "IGG^IgG^L",
        "IGA^IgA^L",
        "2466-1^IgG1^LN",
        "5126-8^CMV IgM^LN",
        "2472-9^IgA^LN",
        "L1^x^L^2472-9^IgM^LN",
        "718-7^Hb^LN",
        "",
    ],
    // Values.
    &[
        "0.21",
        "0,21",
        "1,210",
        "<0.2",
        "<^0.17",
        "^0.2^-^0.3",
        ">4.5",
        "11.0",
        "2.0",
        "21",
        "0",
        "-1",
        "0.3 L",
        "0.21 g/L",
        "undetectable",
        "\"\"",
        "",
        "QNS",
        "see note",
        "1e9",
        "99999999999999999999999999999",
        "0.21~0.22",
    ],
    // Units.
    &[
        "g/L",
        "mg/dL",
        "G/L",
        "mg/L",
        "ug/mL",
        "IU/mL",
        "%",
        "",
        "g/L^gram per litre^UCUM",
    ],
    // Reference ranges.
    &[
        "0.4-2.3",
        "0,4 - 2,3",
        "40-230",
        ">0.4",
        "<2.3",
        "M: 0.4-2.3 F: 0.5-2.8",
        "0.4",
        "2.3-0.4",
        "",
        "see report",
    ],
    // Flags and statuses.
    &[
        "L", "LL", "N", "H", "<", "F", "C", "P", "D", "X", "W", "I", "", "A",
    ],
    // Times.
    &[
        "20260101090000+0000",
        "20260101",
        "202601011015",
        "2026",
        "",
        "00000000",
        "20260229",
        "20251231235959.9999",
        "2026-01-01T10:00:00Z",
        "19800101",
        "20260101000000-0500",
        "20260329023000",
    ],
    // Identifiers.
    &[
        "1234^^^HOSP^MR",
        "5678^^^HOSP^MR",
        "1234^^^OTHER&1.2.3&ISO^MR",
        "",
        "P1",
        "F1",
        "S1",
        "A1^^^HOSP^AN",
        "\"\"",
    ],
    // Diagnoses and texts.
    &[
        "D80.4^^I10",
        "C90.0^Myeloma^I10",
        "A40.3^^I10",
        "279.02^^I9C",
        "lipaemic",
        "\\.br\\",
        "\\X41\\",
        "\\F\\",
        "DOE^JANE",
    ],
    // Specimens.
    &["SER", "CSF", "UR", "^SER&Serum&HL70487", "", "CRD", "Serum"],
];

pub const CODE: usize = 0;
pub const VALUE: usize = 1;
pub const UNIT: usize = 2;
pub const RANGE: usize = 3;
pub const FLAG: usize = 4;
pub const TIME: usize = 5;
pub const ID: usize = 6;
pub const TEXT: usize = 7;
pub const SPECIMEN: usize = 8;

impl<'a, const KIND: usize> Arbitrary<'a> for Word<KIND> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let words = WORDS.get(KIND).copied().unwrap_or_default();
        if words.is_empty() || u.ratio(1_u8, 6_u8)? {
            let length = u.int_in_range(0..=12)?;
            let bytes = u.bytes(length.min(u.len()))?;
            return Ok(Self(String::from_utf8_lossy(bytes).into_owned()));
        }
        Ok(Self((*u.choose(words)?).to_owned()))
    }
}

/// A segment.
#[derive(Debug, Clone, Arbitrary)]
pub enum Line {
    Patient(Word<ID>, Word<TEXT>, Word<TIME>, Word<FLAG>),
    Common(Word<FLAG>, Word<ID>, Word<ID>),
    Order(
        Word<ID>,
        Word<ID>,
        Word<CODE>,
        Word<TIME>,
        Word<TIME>,
        Word<FLAG>,
    ),
    Result {
        kind: u8,
        code: Word<CODE>,
        value: Word<VALUE>,
        unit: Word<UNIT>,
        range: Word<RANGE>,
        flag: Word<FLAG>,
        status: Word<FLAG>,
        at: Word<TIME>,
    },
    /// A plain line of a panel, so that what follows it is reached often.
    Panel {
        igm: u8,
        igg: u8,
        iga: u8,
        day: u8,
    },
    Specimen(Word<SPECIMEN>, Word<TIME>),
    Note(Word<TEXT>),
    Diagnosis(Word<TEXT>, Word<TIME>),
    Merged(Word<ID>, Word<ID>),
    Event(Word<TIME>),
    Visit(Word<ID>),
    Other(Word<TEXT>, Word<VALUE>),
}

impl Line {
    fn write(&self, out: &mut String) {
        match self {
            Self::Patient(id, name, birth, sex) => {
                *out += &format!("PID|1||{}||{}||{}|{}\r", id.0, name.0, birth.0, sex.0);
            }
            Self::Common(control, placer, filler) => {
                *out += &format!("ORC|{}|{}|{}\r", control.0, placer.0, filler.0);
            }
            Self::Order(placer, filler, code, from, reported, status) => {
                *out += &format!(
                    "OBR|1|{}|{}|{}|||{}|||||||||||||||{}|||{}\r",
                    placer.0, filler.0, code.0, from.0, reported.0, status.0
                );
            }
            Self::Result {
                kind,
                code,
                value,
                unit,
                range,
                flag,
                status,
                at,
            } => {
                let kinds = ["NM", "SN", "ST", "CE", "TX", "", "FT", "CWE"];
                let kind = kinds
                    .get(usize::from(*kind) % kinds.len())
                    .copied()
                    .unwrap_or_default();
                *out += &format!(
                    "OBX|1|{kind}|{}||{}|{}|{}|{}|||{}|||{}\r",
                    code.0, value.0, unit.0, range.0, flag.0, status.0, at.0
                );
            }
            Self::Panel { igm, igg, iga, day } => {
                let day = day % 28 + 1;
                *out += &format!("OBR|1|P{day}|F{day}|IG^Ig^L|||202601{day:02}090000+0000\r");
                for (code, tenths) in [
                    ("2472-9^IgM^LN", igm),
                    ("2465-3^IgG^LN", igg),
                    ("2458-8^IgA^LN", iga),
                ] {
                    let (whole, rest) = (tenths / 10, tenths % 10);
                    *out += &format!("OBX|1|NM|{code}||{whole}.{rest}|g/L||||F|F\r");
                }
            }
            Self::Specimen(kind, at) => {
                *out += &format!("SPM|1|S1||{}|||||||||||||{}\r", kind.0, at.0);
            }
            Self::Note(text) => *out += &format!("NTE|1|L|{}\r", text.0),
            Self::Diagnosis(code, at) => *out += &format!("DG1|1||{}||{}\r", code.0, at.0),
            Self::Merged(prior, account) => *out += &format!("MRG|{}||{}\r", prior.0, account.0),
            Self::Event(at) => *out += &format!("EVN||{}\r", at.0),
            Self::Visit(number) => {
                *out += &format!("PV1|1|I|||||||||||||||||{}\r", number.0);
            }
            Self::Other(name, rest) => *out += &format!("{}|{}\r", name.0, rest.0),
        }
    }
}

/// A message by its parts, and bytes changed in it afterwards.
#[derive(Debug, Clone, Arbitrary)]
pub struct Sent {
    event: u8,
    charset: u8,
    delimiters: u8,
    lines: Vec<Line>,
    edits: Vec<(u16, u8)>,
}

impl Sent {
    /// Its bytes.
    pub fn raw(&self, number: usize) -> Vec<u8> {
        let pick = |from: &[&'static str], by: u8| {
            from.get(usize::from(by) % from.len())
                .copied()
                .unwrap_or_default()
        };
        let event = pick(
            &[
                "ORU^R01^ORU_R01",
                "ORU^R01",
                "OUL^R22",
                "OUL^R24",
                "OUL^R21",
                "ORM^O01",
                "ADT^A08",
                "ADT^A40",
                "ADT^A24",
                "ADT^A37",
                "ADT^A44",
                "ADT^A45",
                "ACK",
                "",
            ],
            self.event,
        );
        let charset = pick(
            &[
                "",
                "UTF-8",
                "8859/1",
                "ISO IR87",
                "GB 18030-2000",
                "UNICODE UTF-16",
            ],
            self.charset,
        );
        let mut text = format!(
            "MSH|^~\\&|LAB|HOSP|PENT|IMM|20260131101500+0000||{event}|{number}|P|2.5.1||||||{charset}\r"
        );
        for line in &self.lines {
            line.write(&mut text);
        }
        // The same with other delimiters, as MSH-1 and MSH-2 then say.
        if self.delimiters % 8 == 1 {
            text = text.replace('|', "#");
        }
        let mut raw = text.into_bytes();
        for (place, byte) in &self.edits {
            let place = usize::from(*place) % raw.len().max(1);
            if let Some(there) = raw.get_mut(place) {
                *there = *byte;
            }
        }
        raw
    }
}
