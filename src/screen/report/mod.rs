//! The findings for people and programs: one HTML file, JSON, CSV and a summary.
//!
//! Everything here may look into a `Phi`, for a report is made for those who may see patients. What of
//! a patient it holds is decided in one place, [`shown`].

mod chart;
mod csv;
mod html;
mod json;
mod remedies;
mod shown;
mod summary;

pub use csv::csv;
pub use html::html;
pub use json::json;
pub use summary::summary;

use super::Screened;
use crate::core::alert::PhiLevel;
use crate::core::policy::Policy;

/// What a report is about, and how much of patients it may tell.
pub struct Report<'r> {
    /// The findings.
    pub screened: &'r Screened,
    /// What they were made with.
    pub policy: &'r Policy,
    /// Messages were read as those of this listener.
    pub listener: &'r str,
    /// How the policy is called, and the second one where there is one.
    pub names: (&'r str, Option<&'r str>),
    /// How much of patients it may tell.
    pub level: PhiLevel,
}

impl Report<'_> {
    /// A day that is nobody's own; for sharing only its month, since few messages may be of few patients.
    fn day(&self, at: crate::core::time::Timestamp) -> String {
        let date = self.policy.site.zone.to_datetime(at.to_jiff()).date();
        if self.level == PhiLevel::None {
            date.strftime("%Y-%m").to_string()
        } else {
            date.to_string()
        }
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12 %`, `0.3 %`, `0.004 %` of a whole.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    let digits = match percent {
        p if p >= 10.0 || part == 0 => 0,
        p if p >= 1.0 => 1,
        p if p >= 0.01 => 2,
        _ => 4,
    };
    format!("{percent:.digits$} %")
}

/// The steps from messages to what lasts: label, count, and what it is a part of.
fn funnel(report: &Report<'_>) -> [(&'static str, u64, Option<u64>); 8] {
    let (tally, found) = (&report.screened.tally, &report.screened.findings);
    let persons = &found.persons;
    [
        ("messages", tally.messages, None),
        ("messages with IgM", tally.with_igm, Some(tally.messages)),
        ("IgM results that stand", found.igm, None),
        ("of these low", found.low_igm, Some(found.igm)),
        ("patients with IgM", persons.with_igm, None),
        ("with a low IgM", persons.low, Some(persons.with_igm)),
        ("with isolated low IgM", persons.isolated, Some(persons.low)),
        (
            "confirmed four weeks later or more",
            persons.persistent,
            Some(persons.isolated),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_234), "1,234");
        assert_eq!(grouped(123_456), "123,456");
        assert_eq!(share(1, 3), "33 %");
        assert_eq!(share(1, 30), "3.3 %");
        assert_eq!(share(3, 1_000), "0.30 %");
        assert_eq!(share(1, 100_000), "0.0010 %");
        assert_eq!(share(0, 5), "0 %");
        assert_eq!(share(0, 0), "");
    }
}
