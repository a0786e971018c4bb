//! What a result is judged to be: its state, or why it has none, and what that rests on (CLINICAL 6.1).

use super::{Comparator, Limits};
use crate::core::fact::Reason;
use rust_decimal::Decimal;
use serde::Serialize;

/// What a result is against its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Under the low limit.
    Low,
    /// Within, limits included (CLINICAL 9.9).
    Normal,
    /// Over the high limit.
    High,
    /// At or over the low limit, as far as a comparator or range lets see.
    NotLow,
    /// Not to be judged, and why.
    Unknown(Why),
}

impl State {
    /// As in the alert's JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::NotLow => "not_low",
            Self::Unknown(_) => "unknown",
        }
    }

    /// False for `Unknown`.
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// Normal or NotLow: what makes a low IgM isolated.
    pub const fn is_unremarkable(self) -> bool {
        matches!(self, Self::Normal | Self::NotLow)
    }
}

/// Why a result cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Cord blood.
    Cord,
    /// P, R, S or an unknown letter.
    Preliminary,
    /// No observation time (WIRE X-21).
    NoTime,
    /// No value: empty, QNS, PENDING.
    NoValue,
    /// `undetectable` and the like: could be profound, a person must look (CLINICAL 4.3).
    Undetectable,
    /// Text that is not a number; the reason is that of its quarantine entry.
    NonNumeric(Reason),
    /// Collected before birth.
    AgeInvalid,
    /// No interval and no flag.
    NoInterval,
    /// The unit cannot be converted and a table would have to judge.
    Unit,
    /// `<0.5` against 0.4, or a range across a limit.
    Comparator,
    /// The interval has no low limit.
    NoLowLimit,
    /// Value against OBX-7 says one thing, OBX-8 another.
    FlagIntervalDisagreement,
    /// Looks like mg/dL written as g/L, or the reverse.
    UnitSuspect,
    /// Negative, or more than any serum holds.
    Implausible,
    /// Two final results of one specimen disagree (CLINICAL 6.2).
    Conflict,
}

impl Why {
    /// As one word, for the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cord => "cord_blood",
            Self::Preliminary => "preliminary",
            Self::NoTime => "no_time",
            Self::NoValue => "no_value",
            Self::Undetectable => "undetectable",
            Self::NonNumeric(_) => "non_numeric",
            Self::AgeInvalid => "age_invalid",
            Self::NoInterval => "no_interval",
            Self::Unit => "unit",
            Self::Comparator => "comparator",
            Self::NoLowLimit => "no_low_limit",
            Self::FlagIntervalDisagreement => "flag_interval_disagreement",
            Self::UnitSuspect => "unit_suspect",
            Self::Implausible => "implausible",
            Self::Conflict => "conflict",
        }
    }

    /// True where a person should look; false where nothing is wrong, only not there yet.
    pub const fn needs_review(self) -> bool {
        !matches!(self, Self::Cord | Self::Preliminary | Self::NoValue)
    }
}

/// Where the judgement comes from (6.1 step 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum IntervalSource {
    /// The laboratory's interval.
    #[serde(rename = "OBX-7")]
    Obx7,
    /// The laboratory's flag; limits shown beside it are the table's.
    #[serde(rename = "flag")]
    Flag,
    /// The site's table.
    #[serde(rename = "site")]
    Site,
    /// The built-in table.
    #[serde(rename = "built-in")]
    BuiltIn,
}

impl IntervalSource {
    /// As in the alert's JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Obx7 => "OBX-7",
            Self::Flag => "flag",
            Self::Site => "site",
            Self::BuiltIn => "built-in",
        }
    }
}

/// What should be said beside a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The value is 0 (6.1.8).
    ReportedAsZero,
    /// No status was sent; taken as final.
    StatusAssumed,
    /// A U made a preliminary value final.
    Promoted,
    /// The observation time lay in the future (WIRE T-8).
    ClockFuture,
    /// What the table assumed about the age.
    Age(&'static str),
}

/// A number as the interval sees it: one point, or a range. Patient data; has no `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Its comparator; of a range `Exactly`.
    pub comparator: Comparator,
    /// The number, or the lower end.
    pub from: Decimal,
    /// The number, or the upper end.
    pub to: Decimal,
}

impl Measured {
    /// True for one number, written in one way.
    pub(super) fn is_point(self) -> bool {
        (self.from.mantissa(), self.from.scale()) == (self.to.mantissa(), self.to.scale())
    }
}

/// A result, judged. Its `Debug` leaves out the numbers, which are patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct Judged {
    /// The state.
    pub state: State,
    /// The number, in g/L where `in_gram_per_litre`, else as reported.
    pub measured: Option<Measured>,
    /// The limits used, in the unit of `measured`; beside a flag those of the table, for showing.
    pub limits: Limits,
    /// Whether `measured` and `limits` are in g/L.
    pub in_gram_per_litre: bool,
    /// Where the judgement comes from.
    pub interval_source: Option<IntervalSource>,
    /// The most that the value can be over the low limit used, where that is asked for: of a low value,
    /// for its severity, and of one that is so high that its unit is in doubt.
    pub ratio: Option<Decimal>,
    /// Low, and the flag alone says so (CLINICAL 6.1.3, 6.1.4).
    pub low_by_flag: bool,
    /// What should be said beside it.
    pub notes: Vec<Note>,
}

impl std::fmt::Debug for Judged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judged")
            .field("state", &self.state)
            .field("interval_source", &self.interval_source)
            .field("low_by_flag", &self.low_by_flag)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

impl Judged {
    /// The most that the value can be, in g/L (of `<x` and a range the upper end).
    pub fn value_gl(&self) -> Option<Decimal> {
        self.measured
            .filter(|_| self.in_gram_per_litre)
            .map(|measured| measured.to)
    }

    pub(super) fn unknown(why: Why) -> Self {
        Self {
            state: State::Unknown(why),
            measured: None,
            limits: Limits::default(),
            in_gram_per_litre: false,
            interval_source: None,
            ratio: None,
            low_by_flag: false,
            notes: Vec::new(),
        }
    }
}
