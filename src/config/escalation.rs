//! `[[escalation]]`: pages that nobody acknowledged go out again, and wider.

use super::keys::{ESCALATION, SINK};
use super::layer::Raw;
use super::problem::{Problem, Wrong};
use super::section::{Section, plain_name, unique_names};
use super::sink::{SEVERITIES, Sink};
use crate::core::delivery::escalation::Rule;
use crate::core::episode::Severity;
use crate::core::time::Span;
use jiff::civil::Time;
use std::time::Duration;

/// All rules, in the order in which they are written.
pub(super) fn read(raw: &Raw, sinks: &[Sink], problems: &mut Vec<Problem>) -> Vec<Rule> {
    let rows = raw.rows(ESCALATION.name);
    unique_names(rows, ESCALATION.name, problems);
    rows.iter()
        .map(|row| one(&mut Section::row(&ESCALATION, row, problems), sinks))
        .collect()
}

fn one(section: &mut Section<'_>, sinks: &[Sink]) -> Rule {
    section.require(
        "name",
        "give it a name of its own, e.g. `name = \"second\"`",
    );
    section.require("after", "say how long a page waits, e.g. `after = \"30m\"`");
    section.require("sinks", "name the sinks that get the page then");
    let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    let known = |text: &str| names.contains(&text).then(|| text.to_owned());
    let expected = format!("the name of a `{}`", SINK.heading());
    let after = section.duration(
        "after",
        Duration::from_secs(1)..=Duration::from_secs(86_400 * 30),
    );
    let after = after.unwrap_or(Duration::from_secs(1_800));
    let quiet = section.parsed(
        "quiet",
        "hours such as `22:00-07:00`",
        "write from and to in the site's time zone",
        hours,
    );
    let found = section.list(
        "sinks",
        &expected,
        "name a sink of this configuration",
        known,
    );
    if found.as_ref().is_some_and(Vec::is_empty) {
        let wrong = Wrong::Conflict("an escalation without sinks goes nowhere".to_owned());
        section.report("sinks", wrong, "name the sinks that get the page then");
    }
    Rule {
        name: section
            .parsed(
                "name",
                "a name of letters, digits, `-`, `_` and `.`",
                "it is recorded with each escalation",
                plain_name,
            )
            .unwrap_or_default(),
        after: Span::micros(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)),
        minimum_severity: section
            .choice("minimum_severity", SEVERITIES)
            .unwrap_or(Severity::Routine),
        sinks: found.unwrap_or_default(),
        quiet,
    }
}

fn hours(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
    Some((time(from)?, time(to)?))
}

/// As it is written.
pub(super) fn show_hours((from, to): (Time, Time)) -> String {
    let shown = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
    format!("{}-{}", shown(from), shown(to))
}

#[cfg(test)]
mod tests {
    use super::{hours, show_hours};

    #[test]
    fn hours_may_go_over_midnight() {
        assert_eq!(
            hours("22:00-07:30").map(show_hours).as_deref(),
            Some("22:00-07:30")
        );
        for wrong in ["22-7", "22:00", "25:00-07:00", ""] {
            assert!(hours(wrong).is_none(), "{wrong}");
        }
    }
}
