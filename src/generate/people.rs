//! The people of the hospital: who they are, and what is planted in their year.

use super::message::{Limits, Style};
use super::random::Random;
use crate::core::episode::Severity;
use crate::core::time::Timestamp;
use jiff::Unit;
use jiff::civil::{Date, date};

/// Somebody, by one identifier or by two that turn out to be one person's.
pub struct Person {
    /// Identifiers, the one that survives first.
    pub ids: Vec<String>,
    /// PID-5.
    pub name: String,
    /// PID-8.
    pub sex: &'static str,
    /// PID-7.
    pub birth: Date,
    /// What is in store.
    pub fate: Fate,
}

/// What the generator has in store for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// No immunoglobulins, or those of chance.
    Usual,
    /// A message that must never give an alert.
    Trap(&'static str),
    /// Selective IgM deficiency, or what looks like it for a while.
    Planted(Course),
}

/// The course of a planted isolated low IgM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Course {
    /// Seen once.
    Once,
    /// Seen two or three times over two months and more.
    Lasting,
    /// IgM, IgG and IgA in messages of their own.
    Split,
    /// Preliminary before it is final.
    Preliminary,
    /// A correction that is low as well.
    CorrectedLow,
    /// Reported weeks late, but not too late to page.
    Late,
    /// Reported under an identifier that is merged into another one later.
    Merged,
    /// Low under two identifiers, both open, then merged.
    TwoIds,
    /// Normal at a later visit.
    Transient,
    /// Corrected to normal.
    Corrected,
    /// The result is withdrawn.
    Withdrawn,
    /// The order is cancelled as a whole.
    Cancelled,
    /// Reported under somebody else's identifier, and moved with its account.
    Moved,
    /// IgG falls too, later.
    Progressed,
    /// Immunology knows: D80.4 is coded.
    Known,
    /// From an archive: collected long before it comes.
    Stale,
    /// Below 0.20 g/L.
    Severe,
    /// Below 0.20 g/L, twelve days after a pneumococcal sepsis.
    Septic,
}

/// All of them, in turn.
pub const COURSES: [Course; 18] = [
    Course::Once,
    Course::Lasting,
    Course::Split,
    Course::Preliminary,
    Course::CorrectedLow,
    Course::Late,
    Course::Merged,
    Course::TwoIds,
    Course::Transient,
    Course::Corrected,
    Course::Withdrawn,
    Course::Cancelled,
    Course::Moved,
    Course::Progressed,
    Course::Known,
    Course::Stale,
    Course::Severe,
    Course::Septic,
];

impl Course {
    /// Whether immunology must be paged.
    pub fn pages(self) -> bool {
        !matches!(self, Self::Known | Self::Stale)
    }

    /// How pressing the first page must be.
    pub fn severity(self) -> Severity {
        match self {
            Self::Severe => Severity::Prompt,
            Self::Septic => Severity::Urgent,
            _ => Severity::Routine,
        }
    }

    /// Whether an episode must be open at the end of the year.
    pub fn stays_open(self) -> bool {
        !matches!(
            self,
            Self::Transient | Self::Corrected | Self::Withdrawn | Self::Cancelled
        )
    }
}

/// Intervals of CLINICAL 5.1 in mg/dL from an age in months on: IgM, IgG, IgA.
const INTERVALS: [(i32, [Limits; 3]); 13] = [
    (216, [(40, 230), (700, 1_600), (70, 400)]),
    (180, [(50, 190), (540, 1_610), (80, 280)]),
    (144, [(50, 180), (540, 1_610), (80, 280)]),
    (108, [(50, 180), (540, 1_610), (70, 250)]),
    (72, [(50, 180), (540, 1_610), (50, 240)]),
    (36, [(50, 200), (490, 1_610), (40, 200)]),
    (24, [(50, 220), (370, 1_580), (30, 130)]),
    (12, [(50, 220), (310, 1_380), (30, 120)]),
    (9, [(60, 210), (300, 1_090), (20, 70)]),
    (6, [(40, 160), (300, 900), (15, 70)]),
    (3, [(20, 100), (240, 880), (10, 50)]),
    (2, [(15, 70), (210, 770), (5, 40)]),
    (0, [(8, 40), (390, 1_300), (2, 15)]),
];

fn months(birth: Date, at: Timestamp) -> i32 {
    let day = jiff::tz::Offset::UTC.to_datetime(at.to_jiff()).date();
    let age = birth.until((Unit::Month, day));
    age.map_or(0, |span| span.get_months())
}

impl Person {
    /// Age and sex as in a hospital: children, and many of old age.
    pub fn new(random: &mut Random, number: u64, id: String, fate: Fate) -> Self {
        let age = match random.below(100) {
            0..4 => random.between(0, 2),
            4..14 => random.between(2, 18),
            14..50 => random.between(18, 55),
            _ => random.between(50, 98),
        };
        let adult = random.between(19, 90);
        // A trap must be one for its own sake, and what is planted be clear.
        let age = if fate == Fate::Usual { age } else { adult };
        let birth = date(2024 - age as i16, 1, 1)
            .checked_add(jiff::Span::new().days(random.between(0, 365)))
            .unwrap_or(date(1970, 1, 1));
        let sex = if random.chance(0.52) { "F" } else { "M" };
        let first = if sex == "F" { "ANNA" } else { "JÖRG" };
        Self {
            ids: vec![id],
            name: format!("MÜLLER{number}^{first}"),
            sex,
            birth,
            fate,
        }
    }

    /// Reference intervals at a collection, of IgM, IgG and IgA in mg/dL.
    pub fn limits(&self, at: Timestamp) -> [Limits; 3] {
        let months = months(self.birth, at);
        let row = INTERVALS.iter().find(|(from, _)| months >= *from);
        row.map_or(INTERVALS[0].1, |(_, limits)| *limits)
    }

    /// Under six months IgM alone is for the worklist (CLINICAL 6.3, R10).
    pub fn is_infant(&self, at: Timestamp) -> bool {
        months(self.birth, at) < 6
    }

    /// Whether a laboratory that prints no limits in g/L can be used: its results are judged by the
    /// built-in table, which is ours only for adults.
    pub fn may_be_read_in(&self, style: Style, at: Timestamp) -> bool {
        let limited = matches!(style, Style::Bare | Style::International);
        !limited || months(self.birth, at) >= 19 * 12
    }
}

/// A lognormal value with its 2.5th and 97.5th percentile at the limits.
pub fn usual_value(random: &mut Random, (low, high): Limits) -> i64 {
    let (low, high) = (low as f64, high as f64);
    let value = random.lognormal((low * high).sqrt(), (high / low).ln() / 3.92);
    (value.round() as i64).max(1)
}

/// Well within the limits.
pub fn normal_value(random: &mut Random, (low, high): Limits) -> i64 {
    let margin = (high - low) / 8;
    random.between(low + margin, high - margin)
}

/// Low, as in adults with selective IgM deficiency (means of 0.27 to 0.33 g/L; CLINICAL 1.1), but not
/// severe.
pub fn deficient(random: &mut Random) -> i64 {
    let value = random.lognormal(29.0, 0.25).round() as i64;
    value.clamp(21, 38)
}
