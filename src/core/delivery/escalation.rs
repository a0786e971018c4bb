//! Escalation: pages that nobody acknowledged go out again, and wider. Pure: what is due at a time.

use super::Escalated;
use crate::core::episode::{EpisodeId, Severity};
use crate::core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One `[[escalation]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Names it in the journal: each fires once an alert.
    pub name: String,
    /// After the page.
    pub after: Span,
    /// The least pressing page that it concerns.
    pub minimum_severity: Severity,
    /// Where the page goes.
    pub sinks: Vec<String>,
    /// Hours of the site in which routine pages wait; may go over midnight.
    pub quiet: Option<(jiff::civil::Time, jiff::civil::Time)>,
}

/// A page that nobody has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPage {
    /// The alert.
    pub alert_id: String,
    /// Its episode.
    pub episode: EpisodeId,
    /// How pressing.
    pub severity: Severity,
    /// When it was decided.
    pub at: Timestamp,
    /// Rules that have fired.
    pub fired: BTreeSet<String>,
}

/// What is due now, in the order of the pages.
pub fn due(
    pages: &[OpenPage],
    rules: &[Rule],
    now: Timestamp,
    zone: &jiff::tz::TimeZone,
) -> Vec<Escalated> {
    let clock = now.to_jiff().to_zoned_datetime(zone.clone()).time();
    let mut found = Vec::new();
    for page in pages {
        let mut step = u32::try_from(page.fired.len()).unwrap_or(u32::MAX);
        for rule in rules {
            let quiet = page.severity == Severity::Routine
                && rule.quiet.is_some_and(|hours| within(hours, clock));
            let concerned = page.severity >= rule.minimum_severity
                && !page.fired.contains(&rule.name)
                && now.since(page.at) >= rule.after;
            if !concerned || quiet {
                continue;
            }
            step = step.saturating_add(1);
            found.push(Escalated {
                alert_id: page.alert_id.clone(),
                rule: rule.name.clone(),
                step,
                sinks: rule.sinks.clone(),
                at: now,
            });
        }
    }
    found
}

fn within((from, to): (jiff::civil::Time, jiff::civil::Time), time: jiff::civil::Time) -> bool {
    if from <= to {
        from <= time && time < to
    } else {
        time >= from || time < to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;

    fn rule(name: &str, minutes: i64, minimum_severity: Severity) -> Rule {
        Rule {
            name: name.to_owned(),
            after: Span::seconds(minutes * 60),
            minimum_severity,
            sinks: vec!["pager".to_owned()],
            quiet: Some((time(22, 0, 0, 0), time(7, 0, 0, 0))),
        }
    }

    fn page(severity: Severity, at: Timestamp) -> OpenPage {
        OpenPage {
            alert_id: "a".to_owned(),
            episode: EpisodeId("e".to_owned()),
            severity,
            at,
            fired: BTreeSet::new(),
        }
    }

    fn at(hour: i8, minute: i8) -> Timestamp {
        let zone = jiff::tz::TimeZone::get("Europe/Amsterdam").expect("a zone");
        let civil = jiff::civil::date(2026, 7, 1).at(hour, minute, 0, 0);
        Timestamp::from_jiff(civil.to_zoned_datetime(zone).expect("a time").timestamp())
    }

    fn fires(pages: &[OpenPage], rules: &[Rule], now: Timestamp) -> Vec<(String, u32)> {
        let zone = jiff::tz::TimeZone::get("Europe/Amsterdam").expect("a zone");
        due(pages, rules, now, &zone)
            .into_iter()
            .map(|one| (one.rule, one.step))
            .collect()
    }

    #[test]
    fn each_rule_fires_once_after_its_time_and_for_its_severity() {
        let rules = [
            rule("first", 15, Severity::Routine),
            rule("second", 30, Severity::Prompt),
        ];
        let mut open = page(Severity::Prompt, at(12, 0));
        assert!(fires(std::slice::from_ref(&open), &rules, at(12, 14)).is_empty());
        let first = [("first".to_owned(), 1)];
        assert_eq!(
            fires(std::slice::from_ref(&open), &rules, at(12, 15)),
            first
        );
        open.fired.insert("first".to_owned());
        assert!(fires(std::slice::from_ref(&open), &rules, at(12, 29)).is_empty());
        assert_eq!(
            fires(&[open], &rules, at(12, 30)),
            [("second".to_owned(), 2)]
        );
        let routine = page(Severity::Routine, at(12, 0));
        assert_eq!(fires(&[routine], &rules, at(13, 0)), first);
    }

    #[test]
    fn routine_pages_wait_for_the_morning_of_the_site_and_others_do_not() {
        let rules = [rule("first", 15, Severity::Routine)];
        let evening = at(21, 50);
        let night = at(22, 30);
        assert!(fires(&[page(Severity::Routine, evening)], &rules, night).is_empty());
        assert_eq!(
            fires(&[page(Severity::Prompt, evening)], &rules, night).len(),
            1
        );
        let early = page(Severity::Routine, at(1, 0));
        assert!(fires(std::slice::from_ref(&early), &rules, at(6, 59)).is_empty());
        assert_eq!(fires(&[early], &rules, at(7, 0)).len(), 1);
    }
}
