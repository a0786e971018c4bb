//! What is known of one result, after extraction: typed values only, raw text kept for showing.

use super::{Amount, Limits, Unit};
use crate::core::fact::JournalPosition;
use crate::core::phi::Phi;
use crate::core::time::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The immunoglobulins that Pentamer judges (CLINICAL 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Analyte {
    /// Immunoglobulin M.
    IgM,
    /// Immunoglobulin G.
    IgG,
    /// Immunoglobulin A.
    IgA,
    /// IgG subclass 1.
    IgG1,
    /// IgG subclass 2.
    IgG2,
    /// IgG subclass 3.
    IgG3,
    /// IgG subclass 4; shown, never decisive.
    IgG4,
}

impl Analyte {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::IgM,
        Self::IgG,
        Self::IgA,
        Self::IgG1,
        Self::IgG2,
        Self::IgG3,
        Self::IgG4,
    ];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its place among all of them, from 0.
    pub const fn place(self) -> usize {
        match self {
            Self::IgM => 0,
            Self::IgG => 1,
            Self::IgA => 2,
            Self::IgG1 => 3,
            Self::IgG2 => 4,
            Self::IgG3 => 5,
            Self::IgG4 => 6,
        }
    }

    /// The name as in the alert's JSON and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IgM => "IgM",
            Self::IgG => "IgG",
            Self::IgA => "IgA",
            Self::IgG1 => "IgG1",
            Self::IgG2 => "IgG2",
            Self::IgG3 => "IgG3",
            Self::IgG4 => "IgG4",
        }
    }
}

/// A patient as reported: assigning authority and identifier (WIRE X-12).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PatientKey {
    /// Universal id, else namespace, else MSH-4 of the feed.
    pub authority: String,
    /// The identifier, case and leading zeros kept.
    pub id: Phi<String>,
}

impl PatientKey {
    /// `authority:id`, the form of the API and of `pentamer patient`. Patient data: mind where it goes.
    pub fn exposed(&self) -> String {
        format!("{}:{}", self.authority, self.id.expose())
    }

    /// The keys that a text of the form `authority:id` can mean: one for each colon in it, since an
    /// authority such as `urn:oid:1.2` has colons of its own. None for a text without a colon.
    pub fn readings(text: &str) -> impl Iterator<Item = Self> + '_ {
        text.match_indices(':').filter_map(|(at, colon)| {
            let id = text.get(at.saturating_add(colon.len())..)?;
            (!id.is_empty()).then(|| Self {
                authority: text.get(..at).unwrap_or_default().to_owned(),
                id: Phi::new(id.to_owned()),
            })
        })
    }
}

/// The order a result belongs to (WIRE X-20).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OrderNumber {
    /// OBR-3 else ORC-3, all components as sent.
    Filler(Phi<String>),
    /// ORC-2 else OBR-2, where there is no filler number.
    Placer(Phi<String>),
    /// No number at all: OBR-4 code and OBR-7 text; then the time is part of the identity.
    Unnumbered {
        /// OBR-4 code.
        code: String,
        /// OBR-7 as sent.
        observed: String,
        /// Observation time as sent.
        at: String,
    },
}

/// Specimen kinds that matter (WIRE X-23, CLINICAL 6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Specimen {
    /// Serum, plasma or whole blood, said or implied.
    Serum,
    /// Cord blood: kept and shown, never classified.
    Cord,
}

/// Identity of a result within its reported patient (WIRE 12.11).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResultId {
    /// The id the result was reported under; merges never change it.
    pub patient: PatientKey,
    /// The order.
    pub order: OrderNumber,
    /// What was measured.
    pub analyte: Analyte,
    /// In what.
    pub specimen: Specimen,
    /// OBX-4, only where one analyte occurs twice in an order group.
    pub sub_id: Option<String>,
}

/// OBX-11 after WIRE 4.7 and X-22, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StatusClass {
    /// I, O, N: nothing yet.
    NoResult,
    /// P, R, S and unknown letters.
    Preliminary,
    /// F, C, A, B, V, and an empty one taken as final.
    Final,
    /// D, W, X.
    Withdrawal,
    /// U: promotes stored preliminary values to final; alone it is nothing.
    Promotion,
}

/// A result status with its letter as sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResultStatus {
    /// Its class.
    pub class: StatusClass,
    /// The letter as sent (upper case), of OBX-11 or, where that was empty, of OBR-25; empty if both were.
    pub letter: String,
    /// True where an empty status was taken as final (`assume_final`).
    pub assumed: bool,
}

/// Which field gave the observation time (WIRE X-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimeSource {
    /// OBX-14.
    Obx14,
    /// SPM-17.1.
    Spm17,
    /// OBR-7.
    Obr7,
    /// OBR-14.
    Obr14,
}

/// When the specimen was collected or observed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObservedAt {
    /// Start of the stated interval, UTC; a future time is clamped to receipt (WIRE T-8).
    pub at: Timestamp,
    /// Civil date at the place of observation (age is counted in calendar days).
    pub date: jiff::civil::Date,
    /// The field it came from.
    pub source: TimeSource,
    /// As sent.
    pub text: String,
    /// Clamped because it lay more than 24 h after receipt.
    pub clamped: bool,
}

/// OBX-5 after WIRE 4.5 and CLINICAL 4.3.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReportedValue {
    /// One number, perhaps with a comparator.
    Amount(Amount),
    /// A range a-b (SN `^0.2^-^0.4`); compared as a whole (CLINICAL 6.1.6).
    Range(Decimal, Decimal),
    /// OBX-8 `<` with an empty value: below the instrument's scale, Low by flag (CLINICAL 6.1.3).
    BelowScale,
    /// No value: empty, `""`, QNS, PENDING, … (V-6).
    Absent,
    /// A word such as `undetectable`: never a value, but highlighted for review (CLINICAL 4.3).
    Undetectable,
    /// Something is there that cannot be read; the reason is that of its quarantine entry.
    Unreadable(crate::core::fact::Reason),
}

/// OBX-7 after WIRE 4.6, in the unit of OBX-6.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReportedRange {
    /// Empty, or not usable; the interval comes from elsewhere.
    None,
    /// One interval.
    Plain(Limits),
    /// One for each sex.
    BySex {
        /// For PID-8 M.
        male: Limits,
        /// For PID-8 F.
        female: Limits,
    },
}

/// OBX-8, what of it counts (WIRE 4.4 field 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Flag {
    /// L, or `<`.
    Low,
    /// LL.
    VeryLow,
    /// H, or `>`.
    High,
    /// HH.
    VeryHigh,
    /// N.
    Normal,
}

/// One version of one result, as extracted. Amounts are in the reported unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Observation {
    /// Which result this is a version of.
    pub id: ResultId,
    /// Status.
    pub status: ResultStatus,
    /// Version time (WIRE X-21: OBR-22, else OBX-19, else ORC-9, else MSH-7), clamped to receipt.
    pub version_at: Timestamp,
    /// Observation time; `None` gives `Unknown(no_time)`.
    pub observed: Option<ObservedAt>,
    /// The value.
    pub value: Phi<ReportedValue>,
    /// The unit that the value is in: OBX-6, the value's own text, or the feed's default.
    pub unit: Unit,
    /// The laboratory's interval.
    pub range: ReportedRange,
    /// The one flag that counts, the first of OBX-8 that is known (or a trailing one of the value).
    pub flag: Option<Flag>,
    /// As reported, for the evidence.
    pub shown: Shown,
    /// The fact that carried it.
    pub position: JournalPosition,
    /// When that was received.
    pub received_at: Timestamp,
    /// Hash over the version's content without position and receipt: the last tie-break of S-1, and
    /// what makes two copies of one version one.
    pub content_hash: [u8; 8],
}

/// The reported texts of one result, for evidence and pages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Shown {
    /// Value and unit as reported, e.g. `21 mg/dL` or `<0.2 g/L`.
    pub reported: Phi<String>,
    /// OBX-7 as reported.
    pub range: String,
    /// OBX-8 as reported, first repetition's code.
    pub flag: String,
    /// Code that matched the analyte map, e.g. `2472-9`.
    pub code: String,
    /// Its system as sent, e.g. `LN`; `L` or empty for local codes.
    pub system: String,
    /// Specimen code as sent, `SER` where implied.
    pub specimen: String,
    /// Filler else placer number as sent.
    pub order: Phi<String>,
    /// MSH-10.
    pub control_id: String,
    /// `MSH-3/MSH-4`.
    pub feed: String,
    /// The listener.
    pub listener: String,
    /// OBX-23 or 15, the performing laboratory: its name and code, joined by ` / `.
    pub laboratory: String,
    /// OBX-17 and 18, method and instrument: name, code and instrument, joined by ` / `.
    pub method: String,
    /// PID-18 and PV1-19 of the message, for account and visit moves.
    pub account: Phi<String>,
    /// PV1-19.
    pub visit: Phi<String>,
    /// NTE after the OBX.
    pub notes: Phi<Vec<String>>,
    /// SPM-2 or OBR-3: same specimen is preferred when a panel is chosen.
    pub specimen_id: Phi<String>,
}

/// All results of a filler or placer order withdrawn at once (WIRE S-5, X-30).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupWithdrawal {
    /// The order.
    pub order: OrderNumber,
    /// Version time.
    pub version_at: Timestamp,
    /// The fact that carried it.
    pub position: JournalPosition,
}

/// PID-8 after `config/sex.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Sex {
    /// F.
    Female,
    /// M.
    Male,
}

/// Birth date with the precision it was sent with (WIRE T-10, CLINICAL 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BirthDate {
    /// The earliest day it can be.
    pub earliest: jiff::civil::Date,
    /// The latest day it can be.
    pub latest: jiff::civil::Date,
}

/// A field of the demographics as one message gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Given<T> {
    /// Empty: no information, keeps what was known.
    #[default]
    Absent,
    /// `""`: clears.
    Cleared,
    /// A value.
    Value(T),
}

/// Demographics as one message gave them (WIRE ).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DemographicsReport {
    /// Sender's time: EVN-2 else MSH-7, else receipt.
    pub at: Timestamp,
    /// PID-7.
    pub birth: Given<Phi<BirthDate>>,
    /// PID-8.
    pub sex: Given<Phi<Sex>>,
    /// PID-5, formatted for showing.
    pub name: Given<Phi<String>>,
    /// PID-30/29: dead.
    pub dead: Given<bool>,
    /// PID-31/32: identity unknown or unreliable.
    pub unreliable: Given<bool>,
    /// A29: the source deleted this person.
    pub deleted: Given<bool>,
    /// The fact that carried it.
    pub position: JournalPosition,
}

/// A diagnosis or drug seen with a patient (CLINICAL 2), before it is looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AssociationSeen {
    /// Code as sent.
    pub code: Phi<String>,
    /// System as sent.
    pub system: String,
    /// Text as sent, for showing; of a drug its name, by which it is known where its code is not.
    pub text: Phi<String>,
    /// Field: `DG1-3`, `OBR-31`, `PV2-3`, `ORC-16`, `RXA-5`, …
    pub field: String,
    /// DG1-5, else the message's time.
    pub at: Timestamp,
    /// DG1-21 = D: this removes the same code.
    pub removed: bool,
    /// The fact that carried it.
    pub position: JournalPosition,
}
