//! The policy: tables and thresholds in force, one immutable value with a hash.

use super::clinical::analyte::AnalyteMap;
use super::clinical::association::AssociationTable;
use super::clinical::interval::IntervalTable;
use super::clinical::words::Words;
use super::time::Span;
use rust_decimal::Decimal;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// Everything beside the messages that a verdict depends on.
#[derive(Debug, Clone, Serialize)]
pub struct Policy {
    /// `[site]`.
    pub site: Site,
    /// `[detection]`, CLINICAL 6.9.
    pub detection: Detection,
    /// Which codes are which analyte.
    pub analytes: Table<AnalyteMap>,
    /// Site rows before built-in ones.
    pub intervals: Table<IntervalTable>,
    /// Diagnoses and drugs.
    pub associations: Table<AssociationTable>,
    /// How each listener's messages are read; a listener not named here is read by `ListenerReading::default()`.
    pub listeners: BTreeMap<String, ListenerReading>,
    /// Word lists of `config/`.
    pub words: Table<Words>,
}

/// An immutable table with the hash of its contents: cheap to clone, and part of the policy's hash
/// without being written out again for it.
#[derive(Debug, Clone)]
pub struct Table<T>(Arc<(T, String)>);

impl<T: Serialize> From<T> for Table<T> {
    fn from(table: T) -> Self {
        let digest = digest(&table);
        Self(Arc::new((table, digest)))
    }
}

impl<T> Deref for Table<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T> Serialize for Table<T> {
    /// The hash stands for the contents.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.1)
    }
}

/// SHA-256 (first 16 bytes, hex) over the JSON of a value.
fn digest(value: &impl Serialize) -> String {
    use sha2::{Digest, Sha256};
    let json = serde_json::to_vec(value).unwrap_or_default();
    hex(Sha256::digest(&json).iter().take(16))
}

/// Default thresholds over the data files; parsed and hashed once.
static BUILT_IN: LazyLock<Policy> = LazyLock::new(|| Policy {
    site: Site::default(),
    detection: Detection::default(),
    analytes: AnalyteMap::built_in().into(),
    intervals: IntervalTable::built_in().into(),
    associations: AssociationTable::built_in().into(),
    listeners: BTreeMap::new(),
    words: Words::built_in().into(),
});

/// `[site]`.
#[derive(Debug, Clone, Serialize)]
pub struct Site {
    /// Part of episode and alert ids and of the CloudEvents source.
    pub name: String,
    /// IANA name; times without an offset are of this zone.
    pub timezone: String,
    /// The zone itself.
    #[serde(skip)]
    pub zone: jiff::tz::TimeZone,
    /// Which identifier is the patient's, best first (WIRE X-11); empty = the default order.
    pub patient_id: Vec<IdentifierChoice>,
    /// PID-3 patterns of control material (`*` at the end = prefix).
    pub control_ids: Vec<String>,
    /// Services whose patients immunology knows already.
    pub immunology_services: Vec<String>,
    /// `19000101` and the like: no birth date (WIRE T-10).
    pub placeholder_birth_dates: BTreeSet<String>,
    /// Cut leading zeros of identifiers.
    pub strip_leading_zeros: bool,
    /// For diagnoses without a system; empty = such codes never match.
    pub default_dx_system: String,
}

/// One entry of `[site] patient_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentifierChoice {
    /// CX.4 namespace or universal id; empty = any.
    pub authority: String,
    /// CX.5; empty = any.
    pub kind: String,
}

/// What a feed of one listener needs to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListenerReading {
    /// `auto` or the name of a character set (WIRE C-4).
    pub charset: String,
    /// `.` or `,` where a number is ambiguous (WIRE V-4); `None` = quarantine it.
    pub decimal: Option<char>,
    /// MSH-11 that is assessed here: `P`, `T` or `D` (WIRE A-40 e).
    pub processing: String,
}

impl Default for ListenerReading {
    fn default() -> Self {
        Self {
            charset: "auto".to_owned(),
            decimal: None,
            processing: "P".to_owned(),
        }
    }
}

/// Suppression of pages for patients that immunology knows (CLINICAL 6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressKnown {
    /// Nobody.
    Off,
    /// Routine and prompt `detected` and `confirmed` go to the worklist.
    Routine,
    /// All but urgent go to the worklist.
    All,
}

/// A span of calendar months and days, for ages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AgeSpan {
    /// Calendar months.
    pub months: u32,
    /// Days on top.
    pub days: u32,
}

/// `[detection]`, CLINICAL 6.9; each default is that document's.
#[derive(Debug, Clone, Serialize)]
pub struct Detection {
    /// 30 d.
    pub concurrent_window: Span,
    /// 365 d.
    pub context_window: Span,
    /// 28 d, at least 21 d.
    pub confirm_after: Span,
    /// 730 d.
    pub confirm_within: Span,
    /// 90 d.
    pub reopen_after: Span,
    /// 30 d.
    pub max_age_to_page: Span,
    /// 6 mo.
    pub infant_age: AgeSpan,
    /// 4 y.
    pub iga_min_age: AgeSpan,
    /// 0.07 g/L.
    pub iga_detectable_above: Decimal,
    /// 0.20 g/L.
    pub severe_below: Decimal,
    /// 0.05 g/L.
    pub profound_below: Decimal,
    /// true.
    pub use_builtin_intervals: bool,
    /// true.
    pub assume_final: bool,
    /// true: page the first sight of a complete isolated low IgM.
    pub page_unconfirmed: bool,
    /// false.
    pub page_igm_only: bool,
    /// true.
    pub page_infant_agamma: bool,
    /// false.
    pub page_other_patterns: bool,
    /// false.
    pub page_preliminary: bool,
    /// routine.
    pub suppress_known: SuppressKnown,
    /// 730 d.
    pub known_for: Span,
    /// 365 d.
    pub association_window: Span,
    /// 90 d.
    pub urgent_association_window: Span,
    /// 10.
    pub trend_results: u32,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            concurrent_window: Span::days(30),
            context_window: Span::days(365),
            confirm_after: Span::days(28),
            confirm_within: Span::days(730),
            reopen_after: Span::days(90),
            max_age_to_page: Span::days(30),
            infant_age: AgeSpan { months: 6, days: 0 },
            iga_min_age: AgeSpan {
                months: 48,
                days: 0,
            },
            iga_detectable_above: Decimal::new(7, 2),
            severe_below: Decimal::new(20, 2),
            profound_below: Decimal::new(5, 2),
            use_builtin_intervals: true,
            assume_final: true,
            page_unconfirmed: true,
            page_igm_only: false,
            page_infant_agamma: true,
            page_other_patterns: false,
            page_preliminary: false,
            suppress_known: SuppressKnown::Routine,
            known_for: Span::days(730),
            association_window: Span::days(365),
            urgent_association_window: Span::days(90),
            trend_results: 10,
        }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self {
            name: "site".to_owned(),
            timezone: "UTC".to_owned(),
            zone: jiff::tz::TimeZone::UTC,
            patient_id: Vec::new(),
            control_ids: Vec::new(),
            immunology_services: Vec::new(),
            placeholder_birth_dates: ["19000101", "18000101", "11111111"]
                .into_iter()
                .map(str::to_owned)
                .collect(),
            strip_leading_zeros: false,
            default_dx_system: String::new(),
        }
    }
}

impl Policy {
    /// Built-in tables and default thresholds.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// How messages of this listener are read.
    pub fn reading(&self, listener: &str) -> ListenerReading {
        self.listeners.get(listener).cloned().unwrap_or_default()
    }

    /// SHA-256 (first 16 bytes, hex) over the canonical JSON of all of it.
    pub fn hash(&self) -> String {
        digest(self)
    }
}

/// Lower-case hex.
pub(crate) fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    use std::fmt::Write as _;
    bytes.into_iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
