//! What of a case a report may tell, by level: the one place where that is decided.
//!
//! `none` is for sharing: a case is a number. It has no id, name or birth date, no sentence, which can
//! name days and orders, no codes, and no dates: days are counted from the case's first result.

use crate::core::alert::{PhiLevel, delivery_word, kind_word, severity_word};
use crate::core::patient::{EpisodeView, TrendPoint};
use crate::core::policy::Policy;
use crate::screen::{Case, Told};

/// A case as far as it may be told.
pub(super) struct Shown<'c> {
    /// From 1, in order of urgency.
    pub number: usize,
    pub key: Option<&'c str>,
    /// All ids, where there are several.
    pub ids: &'c [String],
    pub name: Option<&'c str>,
    pub birth_date: Option<&'c str>,
    pub sex: &'static str,
    pub age: &'c str,
    pub severity: &'static str,
    pub persistent: bool,
    pub open: bool,
    /// The day of the opening IgM; `day 12` where no dates may be told.
    pub opened: String,
    pub classification: &'static str,
    pub tier: Option<&'static str>,
    pub sentence: Option<&'c str>,
    pub lowest: &'c str,
    pub igm: u64,
    pub pages: usize,
    pub alerts: usize,
    pub episodes: Option<&'c [EpisodeView]>,
    /// Class and label; with the code where it may be told.
    pub associations: Vec<String>,
    pub trend: &'c [TrendPoint],
    pub told: Vec<ToldShown>,
}

/// One alert as far as it may be told.
pub(super) struct ToldShown {
    pub day: String,
    pub kind: String,
    pub severity: &'static str,
    pub delivery: &'static str,
}

/// Days as they may be told.
pub(super) struct Days {
    zone: jiff::tz::TimeZone,
    /// Where days are only counted: the first one.
    from: Option<jiff::civil::Date>,
}

impl Days {
    /// Of a case.
    pub(super) fn of(case: &Case, policy: &Policy, level: PhiLevel) -> Self {
        let mut days = Self {
            zone: policy.site.zone.clone(),
            from: None,
        };
        if level == PhiLevel::None {
            let opened = case.opened_at.to_rfc3339();
            let all = case.trend.iter().map(|point| point.at.as_str());
            days.from = all
                .chain([opened.as_str()])
                .filter_map(|at| days.date(at))
                .min();
        }
        days
    }

    fn date(&self, at: &str) -> Option<jiff::civil::Date> {
        let at: jiff::Timestamp = at.parse().ok()?;
        Some(self.zone.to_datetime(at).date())
    }

    /// An instant (RFC 3339).
    pub(super) fn show(&self, at: &str) -> String {
        let Some(date) = self.date(at) else {
            return String::new();
        };
        match self.from {
            None => date.to_string(),
            Some(from) => {
                let days = date.since(from).map_or(0, |span| span.get_days());
                format!("day {days}")
            }
        }
    }
}

impl<'c> Shown<'c> {
    /// Case number `number`.
    pub(super) fn of(number: usize, case: &'c Case, policy: &Policy, level: PhiLevel) -> Self {
        let ids_told = level >= PhiLevel::Minimum;
        let names_told = level == PhiLevel::Full;
        let days = Days::of(case, policy, level);
        let ids = case.ids.expose().as_slice();
        let page = |told: &&Told| told.delivery == crate::core::episode::Delivery::Page;
        Self {
            number,
            key: ids_told.then(|| case.key.expose().as_str()),
            ids: if ids_told && ids.len() > 1 { ids } else { &[] },
            name: case.name.expose().as_deref().filter(|_| names_told),
            birth_date: case.birth_date.expose().as_deref().filter(|_| names_told),
            sex: match case.sex {
                Some("F") => "female",
                Some("M") => "male",
                _ => "unknown",
            },
            age: case.age.as_deref().unwrap_or("unknown"),
            severity: severity_word(case.severity),
            persistent: case.persistent,
            open: case.open,
            opened: days.show(&case.opened_at.to_rfc3339()),
            classification: case.classification,
            tier: case.tier,
            sentence: ids_told.then(|| case.sentence.expose().as_str()),
            lowest: case.lowest.as_deref().unwrap_or("below scale"),
            igm: case.igm,
            pages: case.told.iter().filter(page).count(),
            alerts: case.told.len(),
            episodes: ids_told.then(|| case.episodes.expose().as_slice()),
            associations: associations(case, ids_told),
            trend: &case.trend,
            told: case
                .told
                .iter()
                .map(|told| told_shown(told, &days))
                .collect(),
        }
    }
}

fn associations(case: &Case, with_codes: bool) -> Vec<String> {
    let mut texts: Vec<String> = case
        .associations
        .expose()
        .iter()
        .map(|one| {
            if with_codes {
                format!("{} {} ({})", one.code, one.label, one.class)
            } else {
                format!("{} ({})", one.label, one.class)
            }
        })
        .collect();
    texts.sort();
    texts.dedup();
    texts
}

fn told_shown(told: &Told, days: &Days) -> ToldShown {
    ToldShown {
        day: days.show(&told.at.to_rfc3339()),
        kind: kind_word(told.kind).replace('_', " "),
        severity: severity_word(told.severity),
        delivery: delivery_word(told.delivery),
    }
}
