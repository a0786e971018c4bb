//! Age at collection (CLINICAL 6.7).

use super::observation::BirthDate;
use crate::core::policy::AgeSpan;
use jiff::ToSpan as _;
use jiff::civil::Date;

/// How old somebody was on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgeReading {
    /// Between two birth dates, mostly the same one.
    Known {
        /// The birth date, with its precision.
        birth: BirthDate,
        /// The day.
        on: Date,
    },
    /// No usable birth date.
    Unknown,
    /// Collected before birth.
    Invalid,
}

/// Age on the day of collection.
pub fn age_at(birth: Option<&BirthDate>, collected: Date) -> AgeReading {
    let Some(birth) = birth else {
        return AgeReading::Unknown;
    };
    if birth.earliest > collected {
        return AgeReading::Invalid;
    }
    AgeReading::Known {
        birth: *birth,
        on: collected,
    }
}

fn reached(birth: Date, span: AgeSpan, on: Date) -> bool {
    birth
        .checked_add(i64::from(span.months).months())
        .and_then(|date| date.checked_add(i64::from(span.days).days()))
        .is_ok_and(|date| date <= on)
}

impl AgeReading {
    /// Whether the age is the span or more; `None` where that cannot be told.
    pub fn is_at_least(&self, span: AgeSpan) -> Option<bool> {
        let Self::Known { birth, on } = self else {
            return None;
        };
        let (oldest, youngest) = (
            reached(birth.earliest, span, *on),
            reached(birth.latest, span, *on),
        );
        (oldest == youngest).then_some(oldest)
    }

    /// Whether the age is less than the span; `None` where that cannot be told.
    pub fn is_below(&self, span: AgeSpan) -> Option<bool> {
        self.is_at_least(span).map(|reached| !reached)
    }

    /// `34 y`, `8 mo` or `12 d`.
    pub fn shown(&self) -> Option<String> {
        let Self::Known { birth, on } = self else {
            return None;
        };
        let months = (0..1600)
            .take_while(|months| {
                reached(
                    birth.latest,
                    AgeSpan {
                        months: *months,
                        days: 0,
                    },
                    *on,
                )
            })
            .last()
            .unwrap_or(0);
        Some(match months {
            0 => format!("{} d", birth.latest.until(*on).ok()?.get_days().max(0)),
            1..24 => format!("{months} mo"),
            _ => format!("{} y", months / 12),
        })
    }
}
