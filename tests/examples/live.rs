//! All examples at once through the real binary: MLLP in, `alerts.jsonl` out.

use super::all;
use super::beside::DRUGS;
use super::expect::Example;
use crate::e2e::harness::{Home, Pentamer, Sender};
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is compared of an alert; the rest hangs on the day of the run, or is told by the other tests.
type Line = [String; 5];

fn line(words: [&str; 5]) -> Line {
    words.map(str::to_owned)
}

/// Day 0 of an example whose last message was sent an hour ago.
fn day_0(example: &Example, now: Timestamp) -> Timestamp {
    let days = example.steps.iter().flat_map(|step| &step.messages);
    let last = days.map(|message| message.sent).max().unwrap_or_default();
    now - (last * 24 + 4).hours()
}

/// Feeds the examples, step by step for all, and gives the alerts by patient.
fn run(examples: &[(&str, Example)], site: &str) -> BTreeMap<String, Vec<Line>> {
    let daemon = Pentamer::start(Home::new("", site));
    let mut sender = daemon.connect();
    let now = Timestamp::now();
    let most = examples.iter().map(|(_, one)| one.steps.len()).max();
    for round in 0..most.unwrap_or_default() {
        for (name, example) in examples {
            if let Some(step) = example.steps.get(round) {
                send(&mut sender, name, example, round, step, now);
            }
        }
        // Decided before the next round, as it would be in the days between.
        daemon.settle();
    }
    drop(sender);
    let (home, status) = daemon.stop();
    assert!(status.success());
    let mut alerts: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for alert in home.alerts() {
        let data = &alert["data"];
        let word = |key: &str| data[key].as_str().expect("a word");
        let patient = data["patient"]["id"].as_str().expect("an id");
        let kinds = format!("pentamer.alert.{}.v1", word("kind"));
        assert_eq!(alert["type"], Value::String(kinds));
        alerts.entry(patient.to_owned()).or_default().push(line(
            ["kind", "classification", "tier", "severity", "delivery"].map(word),
        ));
    }
    alerts
}

fn send(
    sender: &mut Sender,
    name: &str,
    example: &Example,
    round: usize,
    step: &super::expect::Step,
    now: Timestamp,
) {
    for (part, message) in step.messages.iter().enumerate() {
        let control = format!("{name}-{round}-{part}");
        let text = message.text(&example.person, name, &control, day_0(example, now));
        assert_eq!(sender.exchange(&text), "AA", "{name}");
    }
}

fn expected(examples: &[(&str, Example)]) -> BTreeMap<String, Vec<Line>> {
    examples
        .iter()
        .map(|(name, example)| {
            let issued = example.steps.iter().flat_map(|step| &step.issued);
            let lines = issued.map(|one| {
                line([
                    one.kind,
                    one.classification,
                    one.tier,
                    one.severity,
                    one.delivery,
                ])
            });
            ((*name).to_owned(), lines.collect::<Vec<_>>())
        })
        .filter(|(_, lines)| !lines.is_empty())
        .collect()
}

#[test]
pub fn all_examples_at_once() {
    // Example 15 turns a table off that others need, so it runs on its own.
    let (apart, together): (Vec<_>, Vec<_>) = all()
        .into_iter()
        .partition(|(_, example)| example.site.contains("[detection]"));
    assert_eq!(apart.len(), 1);
    // A story of months is sent in a minute here: what it begins with is older than a page may be.
    let site = format!("[detection]\nmax_age_to_page = \"400d\"\n{DRUGS}");
    assert_eq!(run(&together, &site), expected(&together));
    for (name, example) in apart {
        let (site, one) = (example.site, [(name, example)]);
        assert_eq!(run(&one, site), expected(&one), "{name}");
    }
}

/// With the built-in settings the beginning of such a story is for the worklist only.
#[test]
pub fn old_beginnings_do_not_page() {
    let confirmed: Vec<_> = all()
        .into_iter()
        .filter(|(name, _)| name.starts_with("example_02"))
        .collect();
    let alerts = run(&confirmed, "");
    let told: Vec<_> = alerts
        .values()
        .flatten()
        .map(|[kind, _, _, severity, delivery]| {
            (kind.as_str(), severity.as_str(), delivery.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("detected", "routine", "worklist"),
            ("confirmed", "prompt", "page")
        ]
    );
}
