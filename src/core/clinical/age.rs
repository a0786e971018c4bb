//! Ages at collection, by the calendar (CLINICAL 6.7).

use super::observation::BirthDate;
use crate::core::phi::Phi;
use crate::core::policy::AgeSpan;
use jiff::civil::Date;
use std::cmp::Ordering;

/// Beyond 130 years an age is taken for a slip (CLINICAL 9.11).
const OLDEST: AgeSpan = AgeSpan {
    months: 130 * 12,
    days: 0,
};

/// From these completed months on a person is an adult: 18 years.
pub(super) const ADULT_MONTHS: i64 = 18 * 12;

/// The age of a patient when a specimen was collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgeReading {
    /// Known, perhaps only between two ages.
    Known(KnownAge),
    /// No birth date, or one more than 130 years before.
    Unknown,
    /// Collected before birth.
    Invalid,
}

/// A known age: between that of somebody born on the latest day that the birth date can be, and that
/// of somebody born on the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownAge {
    youngest: Lived,
    oldest: Lived,
}

/// The time from a day of birth to that of a collection, which is not before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lived {
    birth: Phi<Date>,
    collected: Phi<Date>,
    /// Completed calendar months.
    months: Phi<i64>,
}

/// The age on the day of collection. A birth date of year or year and month gives an age between two.
pub fn age_at(birth: Option<&BirthDate>, collected: Date) -> AgeReading {
    let Some(birth) = birth else {
        return AgeReading::Unknown;
    };
    let earliest = birth.earliest.min(birth.latest);
    let latest = birth.latest.max(birth.earliest);
    if collected < earliest {
        return AgeReading::Invalid;
    }
    // Nobody is collected before birth, so the later days of the year are out.
    let latest = latest.min(collected);
    let youngest = Lived::between(latest, collected);
    if youngest.is_more_than(OLDEST) {
        return AgeReading::Unknown;
    }
    AgeReading::Known(KnownAge {
        youngest,
        oldest: if earliest == latest {
            youngest
        } else {
            Lived::between(earliest, collected)
        },
    })
}

impl AgeReading {
    /// Whether the age is at least `span`; `None` where that is not known.
    ///
    /// Months are calendar months from the birth date; where a month lacks the day, its last day
    /// completes it (born 29 Feb: a year old on 28 Feb of a common year).
    pub fn is_at_least(&self, span: AgeSpan) -> Option<bool> {
        match self {
            Self::Known(age) => {
                let (youngest, oldest) =
                    (age.youngest_is_at_least(span), age.oldest_is_at_least(span));
                (youngest == oldest).then_some(oldest)
            }
            Self::Unknown | Self::Invalid => None,
        }
    }

    /// Whether the age is known and beyond all rows of children.
    pub(super) fn is_grown(&self) -> bool {
        matches!(self, Self::Known(age) if age.least_months() >= ADULT_MONTHS)
    }

    /// Whether the age is below `span`; `None` where that is not known.
    pub fn is_below(&self, span: AgeSpan) -> Option<bool> {
        self.is_at_least(span).map(|at_least| !at_least)
    }

    /// As people say it: `34 y`, below 2 years `8 mo`, below a month `12 d`; `45-46 y` where only the
    /// year of birth is known. `None` where there is no age.
    pub fn shown(&self) -> Option<String> {
        match self {
            Self::Known(age) => Some(age.shown()),
            Self::Unknown | Self::Invalid => None,
        }
    }
}

impl KnownAge {
    /// The age if the birth date is the latest that it can be.
    pub(super) fn youngest_is_at_least(&self, span: AgeSpan) -> bool {
        self.youngest.is_at_least(span)
    }

    /// The age if the birth date is the earliest that it can be.
    pub(super) fn oldest_is_at_least(&self, span: AgeSpan) -> bool {
        self.oldest.is_at_least(span)
    }

    /// The completed months if the birth date is the latest that it can be.
    pub(super) const fn least_months(&self) -> i64 {
        *self.youngest.months.expose()
    }

    /// Whether the birth date is known to the day, so that there is one age.
    pub(super) fn is_exact(&self) -> bool {
        self.youngest.birth == self.oldest.birth
    }

    fn shown(&self) -> String {
        let (young, unit) = self.youngest.measured();
        let (old, old_unit) = self.oldest.measured();
        if unit != old_unit {
            format!("{young} {unit}-{old} {old_unit}")
        } else if young != old {
            format!("{young}-{old} {unit}")
        } else {
            format!("{old} {unit}")
        }
    }
}

impl Lived {
    /// Counts the months: one is complete on the day of the month that was the birth's, or on the last
    /// day of a month that lacks it.
    fn between(birth: Date, collected: Date) -> Self {
        let years = i64::from(collected.year()) - i64::from(birth.year());
        let begun = years * 12 + i64::from(collected.month()) - i64::from(birth.month());
        let complete =
            collected.day() >= birth.day() || collected.day() == collected.days_in_month();
        Self {
            birth: Phi::new(birth),
            collected: Phi::new(collected),
            months: Phi::new((begun - i64::from(!complete)).max(0)),
        }
    }

    fn is_at_least(&self, span: AgeSpan) -> bool {
        let more = self.months.expose() - i64::from(span.months);
        // No month is shorter than 28 days; only nearer to the span does the calendar have to be asked.
        more >= 0
            && (more * 28 >= i64::from(span.days)
                || self.reaches(span).is_some_and(|order| order.is_ge()))
    }

    fn is_more_than(&self, span: AgeSpan) -> bool {
        self.is_at_least(span) && self.reaches(span).is_some_and(|order| order.is_gt())
    }

    /// The day of collection against the one on which an age is reached; `None` where that is beyond
    /// the calendar's end and has not come.
    fn reaches(&self, span: AgeSpan) -> Option<Ordering> {
        Some(
            self.collected
                .expose()
                .cmp(&plus(*self.birth.expose(), span)?),
        )
    }

    /// A completed age in the unit in which people say it.
    fn measured(&self) -> (i64, &'static str) {
        let months = *self.months.expose();
        if months >= 24 {
            (months / 12, "y")
        } else if months >= 1 {
            (months, "mo")
        } else {
            let lived = self.birth.expose().duration_until(*self.collected.expose());
            ((lived.as_hours() / 24).max(0), "d")
        }
    }
}

fn plus(date: Date, span: AgeSpan) -> Option<Date> {
    let months = jiff::Span::new().try_months(i64::from(span.months)).ok()?;
    let days = jiff::Span::new().try_days(i64::from(span.days)).ok()?;
    date.checked_add(months).ok()?.checked_add(days).ok()
}

/// Reads an age such as `6 mo`, `18 y`, `42 d`, `6 wk`, `1 y 6 mo`; a week is 7 days. `None` for anything else.
pub fn parse_age(text: &str) -> Option<AgeSpan> {
    let mut span = AgeSpan { months: 0, days: 0 };
    let mut rest = text.trim_start();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (count, tail) = rest.split_at_checked(digits)?;
        let count: u32 = count.parse().ok()?;
        let tail = tail.trim_start();
        let end = tail
            .find(|letter: char| !letter.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(end)?;
        let (months, days) = match unit.to_ascii_lowercase().as_str() {
            "d" | "day" | "days" => (0, count),
            "wk" | "w" | "week" | "weeks" => (0, count.checked_mul(7)?),
            "mo" | "month" | "months" => (count, 0),
            "y" | "yr" | "year" | "years" => (count.checked_mul(12)?, 0),
            _ => return None,
        };
        span.months = span.months.checked_add(months)?;
        span.days = span.days.checked_add(days)?;
        rest = tail.trim_start();
    }
    Some(span)
}

#[cfg(test)]
mod tests {
    use super::{AgeReading, age_at, parse_age, plus};
    use crate::core::clinical::observation::BirthDate;
    use crate::core::policy::AgeSpan;
    use jiff::civil::{Date, date};
    use proptest::prelude::*;

    fn born(day: Date) -> BirthDate {
        BirthDate {
            earliest: day,
            latest: day,
        }
    }

    fn year(year: i16) -> BirthDate {
        BirthDate {
            earliest: date(year, 1, 1),
            latest: date(year, 12, 31),
        }
    }

    fn span(text: &str) -> AgeSpan {
        parse_age(text).expect("an age")
    }

    #[test]
    fn bounds_are_half_open_at_calendar_dates() {
        for (birth, first_day, text) in [
            (date(2020, 1, 15), date(2020, 7, 15), "6 mo"),
            (date(2020, 1, 15), date(2038, 1, 15), "18 y"),
            (date(2020, 1, 15), date(2020, 2, 26), "42 d"),
            (date(2020, 1, 15), date(2020, 1, 29), "14 d"),
            (date(2020, 1, 15), date(2020, 2, 26), "6 wk"),
            // The month lacks the day: its last one completes it.
            (date(2020, 8, 31), date(2021, 2, 28), "6 mo"),
            (date(2023, 8, 31), date(2024, 2, 29), "6 mo"),
            (date(2020, 1, 31), date(2020, 4, 30), "3 mo"),
            // Born on 29 February.
            (date(2020, 2, 29), date(2021, 2, 28), "1 y"),
            (date(2020, 2, 29), date(2024, 2, 29), "4 y"),
            (date(2020, 2, 29), date(2038, 2, 28), "18 y"),
            (date(2019, 12, 31), date(2020, 3, 1), "2 mo 1 d"),
        ] {
            let span = span(text);
            let on = age_at(Some(&born(birth)), first_day);
            let before = age_at(Some(&born(birth)), first_day.yesterday().expect("day"));
            assert_eq!(on.is_at_least(span), Some(true), "{birth} {text}");
            assert_eq!(on.is_below(span), Some(false), "{birth} {text}");
            assert_eq!(before.is_at_least(span), Some(false), "{birth} {text}");
            assert_eq!(before.is_below(span), Some(true), "{birth} {text}");
        }
        let newborn = age_at(Some(&born(date(2020, 2, 29))), date(2020, 2, 29));
        assert_eq!(newborn.is_at_least(span("0 d")), Some(true));
    }

    #[test]
    fn a_year_of_birth_leaves_the_age_open() {
        let age = age_at(Some(&year(1980)), date(2026, 6, 1));
        assert_eq!(age.is_at_least(span("45 y")), Some(true));
        assert_eq!(age.is_at_least(span("46 y")), None);
        assert_eq!(age.is_below(span("46 y")), None);
        assert_eq!(age.is_at_least(span("47 y")), Some(false));
        assert_eq!(age.shown().as_deref(), Some("45-46 y"));
        // Born this year: the days after collection are out.
        let age = age_at(Some(&year(2026)), date(2026, 3, 1));
        assert_eq!(age.is_at_least(span("0 d")), Some(true));
        assert_eq!(age.is_at_least(span("2 mo")), None);
        assert_eq!(age.is_at_least(span("3 mo")), Some(false));
        assert_eq!(age.shown().as_deref(), Some("0 d-2 mo"));
    }

    #[test]
    fn no_age_before_birth_and_beyond_130_years() {
        let birth = born(date(1896, 3, 1));
        assert!(matches!(
            age_at(Some(&birth), date(2026, 3, 1)),
            AgeReading::Known(_)
        ));
        assert_eq!(age_at(Some(&birth), date(2026, 3, 2)), AgeReading::Unknown);
        assert_eq!(age_at(None, date(2026, 3, 2)), AgeReading::Unknown);
        let unborn = age_at(Some(&born(date(2026, 3, 2))), date(2026, 3, 1));
        assert_eq!(unborn, AgeReading::Invalid);
        for none in [unborn, AgeReading::Unknown] {
            assert_eq!(none.is_at_least(span("0 d")), None);
            assert_eq!(none.shown(), None);
        }
        let reversed = BirthDate {
            earliest: date(1980, 12, 31),
            latest: date(1980, 1, 1),
        };
        assert_eq!(
            age_at(Some(&reversed), date(2026, 6, 1)),
            age_at(Some(&year(1980)), date(2026, 6, 1))
        );
        // The ends of the calendar.
        assert_eq!(
            age_at(Some(&born(Date::MIN)), Date::MAX),
            AgeReading::Unknown
        );
        let last = age_at(Some(&born(Date::MAX)), Date::MAX);
        assert_eq!(last.is_at_least(span("18 y")), Some(false));
        assert_eq!(last.shown().as_deref(), Some("0 d"));
    }

    #[test]
    fn shown_as_people_say_it() {
        for (birth, collected, shown) in [
            (date(1992, 3, 1), date(2026, 3, 1), "34 y"),
            (date(1992, 3, 2), date(2026, 3, 1), "33 y"),
            (date(2024, 3, 1), date(2026, 3, 1), "2 y"),
            (date(2024, 3, 2), date(2026, 3, 1), "23 mo"),
            (date(2025, 7, 1), date(2026, 3, 1), "8 mo"),
            (date(2026, 1, 31), date(2026, 2, 28), "1 mo"),
            (date(2026, 1, 31), date(2026, 2, 27), "27 d"),
            (date(2026, 2, 17), date(2026, 3, 1), "12 d"),
            (date(2026, 3, 1), date(2026, 3, 1), "0 d"),
        ] {
            let age = age_at(Some(&born(birth)), collected);
            assert_eq!(age.shown().as_deref(), Some(shown), "{birth}");
        }
    }

    #[test]
    fn ages_as_written_in_tables() {
        for (text, months, days) in [
            ("0 d", 0, 0),
            ("14 d", 0, 14),
            ("6 wk", 0, 42),
            ("6 mo", 6, 0),
            ("6mo", 6, 0),
            ("18 y", 216, 0),
            (" 18 years ", 216, 0),
            ("1 y 6 mo", 18, 0),
            ("1Y", 12, 0),
        ] {
            assert_eq!(parse_age(text), Some(AgeSpan { months, days }), "{text}");
        }
        for text in [
            "",
            " ",
            "6",
            "y",
            "6 m",
            "6 lustra",
            "-1 y",
            "1.5 y",
            "99999999999 y",
            "4294967295 y",
        ] {
            assert_eq!(parse_age(text), None, "{text}");
        }
    }

    #[test]
    fn an_age_is_not_printed_by_accident() {
        let age = age_at(Some(&born(date(1992, 3, 1))), date(2026, 3, 1));
        assert!(!format!("{age:?}").contains("1992"));
    }

    fn any_date() -> impl Strategy<Value = Date> {
        (0_i64..80_000).prop_map(|days| {
            date(1890, 1, 1)
                .checked_add(jiff::Span::new().days(days))
                .expect("in range")
        })
    }

    proptest! {
        #[test]
        fn age_grows_with_the_date(birth in any_date(), later in 0_i32..30_000, more in 0_i32..400, months in 0_u32..400, days in 0_u32..60) {
            let span = AgeSpan { months, days };
            let add = |days: i32| birth.saturating_add(jiff::Span::new().days(days));
            let at = |date| age_at(Some(&born(birth)), date).is_at_least(span);
            prop_assert!(at(add(later)) <= at(add(later + more)));
        }

        #[test]
        fn an_age_is_reached_on_the_day_that_the_calendar_says(birth in any_date(), later in 0_i32..9_000, months in 0_u32..300, days in 0_u32..120) {
            let collected = birth.saturating_add(jiff::Span::new().days(later));
            // Near the age as well, where a day decides.
            let near = plus(birth, AgeSpan { months, days }).expect("in the calendar");
            for collected in [collected, near, near.yesterday().expect("a day")] {
                if collected < birth {
                    continue;
                }
                for span in [AgeSpan { months, days }, AgeSpan { months, days: 0 }] {
                    prop_assert_eq!(
                        age_at(Some(&born(birth)), collected).is_at_least(span),
                        Some(plus(birth, span).is_some_and(|reached| reached <= collected))
                    );
                }
            }
        }

        #[test]
        fn an_earlier_birth_is_never_younger(one in any_date(), other in any_date(), later in 0_i32..20_000, months in 0_u32..400) {
            let (early, late) = (one.min(other), one.max(other));
            let collected = late.saturating_add(jiff::Span::new().days(later));
            let span = AgeSpan { months, days: 0 };
            let (old, young) = (age_at(Some(&born(early)), collected), age_at(Some(&born(late)), collected));
            if let (Some(old), Some(young)) = (old.is_at_least(span), young.is_at_least(span)) {
                prop_assert!(old >= young);
            }
            let between = age_at(Some(&BirthDate { earliest: early, latest: late }), collected);
            if let Some(certain) = between.is_at_least(span) {
                prop_assert_eq!(young.is_at_least(span), Some(certain));
            }
        }

        #[test]
        fn any_text_is_an_age_or_is_not(text in any::<String>(), birth in any_date(), collected in any_date()) {
            let _ = (parse_age(&text), age_at(Some(&born(birth)), collected).shown());
        }
    }
}
