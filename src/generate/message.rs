//! HL7 as the feeds of the hospital write it.

use crate::core::time::{Span, Timestamp};
use jiff::civil::Date;

/// One sending system.
pub struct Feed {
    /// The listener that it sends to.
    pub listener: &'static str,
    /// MSH-3.
    pub application: &'static str,
    /// How it writes.
    pub style: Style,
}

/// How a laboratory writes immunoglobulins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// LOINC, g/L, limits and flags, SPM.
    Loinc,
    /// Local mnemonics, mg/dL, limits and flags.
    Mnemonics,
    /// Decimal commas as text, ISO 8859-1.
    Commas,
    /// mg/L with flags and without limits.
    Flags,
    /// SN values without limits and flags.
    Bare,
    /// IgM in IU/mL with limits in IU/mL, the rest in g/L.
    International,
    /// No results.
    Admission,
}

/// The feeds; the last one is not a laboratory.
pub const FEEDS: [Feed; 7] = [
    feed("lab", "CORELAB", Style::Loinc),
    feed("lab", "IMMUNO", Style::Mnemonics),
    feed("lab-2", "KLINLAB", Style::Commas),
    feed("lab-2", "OUTREACH", Style::Flags),
    feed("lab-2", "ANALYZER", Style::Bare),
    feed("lab-3", "REFLAB", Style::International),
    feed("adt", "ADT", Style::Admission),
];
/// So many of them are laboratories.
pub const LABORATORIES: u64 = 6;
/// The feed of admissions.
pub const ADT: usize = 6;
/// The authority of all identifiers, and MSH-4.
pub const AUTHORITY: &str = "HOSP";

const fn feed(listener: &'static str, application: &'static str, style: Style) -> Feed {
    Feed {
        listener,
        application,
        style,
    }
}

/// A feed by its place.
pub fn of(feed: usize) -> &'static Feed {
    FEEDS.get(feed).unwrap_or(&FEEDS[0])
}

/// Lower and upper limit in mg/dL.
pub type Limits = (i64, i64);

/// IgM, IgG, IgA: code, mnemonic, name.
pub const ANALYTES: [(&str, &str, &str); 3] = [
    ("2472-9", "IGM", "Immunoglobulin M"),
    ("2465-3", "IGG", "Immunoglobulin G"),
    ("2458-8", "IGA", "Immunoglobulin A"),
];

/// `20250314091500+0000`.
pub fn stamp(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y%m%d%H%M%S+0000").to_string()
}

/// `20250314`.
pub fn day(date: Date) -> String {
    date.strftime("%Y%m%d").to_string()
}

/// So many days.
pub fn days(days: i64) -> Span {
    Span::days(days)
}

/// So many minutes.
pub fn minutes(minutes: i64) -> Span {
    Span::seconds(minutes * 60)
}

/// The header.
pub fn msh(feed: usize, kind: &str, sent: Timestamp, control: &str) -> String {
    let Feed {
        application, style, ..
    } = of(feed);
    let charset = if *style == Style::Commas {
        "8859/1"
    } else {
        "UNICODE UTF-8"
    };
    format!(
        "MSH|^~\\&|{application}|HOSP|PENTAMER|IMM|{}||{kind}|{control}|P|2.5.1||||||{charset}\r",
        stamp(sent)
    )
}

/// The patient.
pub fn pid(id: &str, name: &str, birth: Date, sex: &str, account: &str) -> String {
    format!(
        "PID|1||{id}^^^{AUTHORITY}^MR||{name}||{}|{sex}||||||||||{account}\r",
        day(birth)
    )
}

/// ORC and OBR.
pub fn order(
    filler: &str,
    service: &str,
    collected: Timestamp,
    version: Timestamp,
    status: &str,
) -> String {
    // OBR-7, OBR-22, OBR-25.
    let (collected, version) = (stamp(collected), stamp(version));
    let between = "|".repeat(15);
    format!(
        "ORC|RE||{filler}\rOBR|1||{filler}|{service}|||{collected}{between}{version}|||{status}\r"
    )
}

/// mg/dL as g/L.
pub fn grams(value: i64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

fn flag(value: i64, limits: Limits) -> &'static str {
    if value < limits.0 {
        "L"
    } else if value > limits.1 {
        "H"
    } else {
        "N"
    }
}

/// IgM in IU/mL: more than one unit a mg/dL, so that what is below a limit stays below it.
fn international(value: i64) -> i64 {
    (value * 1_000 + 423) / 847
}

/// One immunoglobulin; the value in mg/dL.
pub fn immunoglobulin(
    style: Style,
    number: usize,
    analyte: usize,
    value: i64,
    limits: Limits,
    status: &str,
) -> String {
    let (code, mnemonic, name) = ANALYTES.get(analyte).copied().unwrap_or(ANALYTES[0]);
    let (low, high) = limits;
    let flag = flag(value, limits);
    let loinc = format!("{code}^{name}^LN");
    match style {
        Style::International if analyte == 0 => format!(
            "OBX|{number}|NM|{loinc}||{}|[IU]/mL|{}-{}|{flag}|||{status}\r",
            international(value),
            international(low),
            international(high)
        ),
        Style::Loinc | Style::International | Style::Admission => format!(
            "OBX|{number}|NM|{loinc}||{}|g/L|{}-{}|{flag}|||{status}\r",
            grams(value),
            grams(low),
            grams(high)
        ),
        Style::Mnemonics => format!(
            "OBX|{number}|NM|{mnemonic}^{name}^L||{value}|mg/dL|{low}-{high}|{flag}|||{status}\r"
        ),
        Style::Commas => format!(
            "OBX|{number}|ST|{loinc}||{}|g/l|{} - {}|{flag}|||{status}\r",
            grams(value).replace('.', ","),
            grams(low).replace('.', ","),
            grams(high).replace('.', ",")
        ),
        Style::Flags => format!(
            "OBX|{number}|NM|{loinc}||{}|mg/L||{flag}|||{status}\r",
            value * 10
        ),
        Style::Bare => format!(
            "OBX|{number}|SN|{loinc}||^{}|g/L|||||{status}\r",
            grams(value)
        ),
    }
}

/// As bytes in the feed's character set.
pub fn bytes(feed: usize, text: &str) -> Vec<u8> {
    if of(feed).style == Style::Commas {
        text.chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
            .collect()
    } else {
        text.as_bytes().to_vec()
    }
}
