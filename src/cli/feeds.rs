//! `pentamer feeds`: the sending systems as the running daemon sees them.

use super::api::{Common, call, items};
use super::{Exit, after_help};
use serde_json::Value;
use std::fmt::Write as _;

/// List the sending systems: last message, rhythm, clock, framing, and what to look at
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer feeds\n  pentamer feeds --json"))]
pub struct Args {
    #[command(flatten)]
    common: Common,
}

/// Lists them; [`Exit::TryAgain`] where the daemon is not reachable or not ready.
pub fn run(args: &Args) -> Exit {
    let not_there = "is it a daemon of this version?";
    call(&args.common, "/api/v1/feeds", None, text, not_there)
}

fn text(page: &Value) -> String {
    let mut text = String::new();
    let items = items(page);
    if items.is_empty() {
        return "no feed has sent a message yet\n".to_owned();
    }
    for item in items {
        feed(&mut text, item);
    }
    text
}

fn feed(text: &mut String, item: &Value) {
    let word = |path: &str| item.pointer(path).and_then(Value::as_str).unwrap_or("-");
    let number = |path: &str| item.pointer(path).and_then(Value::as_f64);
    let _ = writeln!(
        text,
        "{} on {} from {}",
        item.get("feed")
            .and_then(Value::as_str)
            .unwrap_or("(no message read)"),
        word("/listener"),
        word("/peer")
    );
    if let Some(seconds) = number("/silence/seconds") {
        let _ = writeln!(
            text,
            "  last message {}, {} ago; {} messages since {}",
            word("/last_message_at"),
            span(seconds),
            number("/messages").unwrap_or(0.0),
            word("/first_message_at")
        );
        let _ = writeln!(text, "  {}", rhythm(item));
    }
    if let Some(skew) = number("/clock/skew_seconds") {
        let _ = writeln!(text, "  clock {skew:+.1} s");
    }
    if let (Some(mean), Some(longest)) = (
        number("/connection/ack_mean_seconds"),
        number("/connection/ack_longest_seconds"),
    ) {
        let _ = writeln!(
            text,
            "  answers {:.1} ms in the mean, {:.1} ms the longest, since {}",
            mean * 1e3,
            longest * 1e3,
            word("/connection/since")
        );
    }
    let warnings = item.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        let _ = writeln!(text, "  ! {warning}");
    }
}

fn rhythm(item: &Value) -> String {
    let hours = item.pointer("/rhythm/per_hour").and_then(Value::as_array);
    let known: Vec<f64> = hours
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    if known.is_empty() {
        return "rhythm not known yet: it takes two weeks".to_owned();
    }
    let expected = item.pointer("/silence/expected").and_then(Value::as_f64);
    format!(
        "rhythm {:.0} messages a week, {:.0} in the busiest hour; {:.1} usually in the time since the last",
        known.iter().sum::<f64>(),
        known.iter().copied().fold(0.0, f64::max),
        expected.unwrap_or(0.0)
    )
}

/// Seconds as people say them.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_feed_is_told_in_a_few_lines() {
        let page = json!({"items": [{
            "listener": "lab", "feed": "LAB/HOSP", "peer": "10.0.0.5", "messages": 9,
            "first_message_at": "2026-01-01T00:00:00Z", "last_message_at": "2026-02-01T00:00:00Z",
            "silence": {"seconds": 7_300, "expected": 31.4, "beyond_rhythm": true},
            "clock": {"skew_seconds": -1.5, "off_seconds": null},
            "rhythm": {"timezone": "UTC", "per_hour": [2, 40, null]},
            "connection": {"since": "2026-02-01T00:00:00Z", "answers": 3, "ack_mean_seconds": 0.002, "ack_longest_seconds": 0.01, "lenient_framing": {}},
            "warnings": ["silent"]
        }]});
        let text = text(&page);
        for part in [
            "LAB/HOSP on lab from 10.0.0.5\n",
            "2 h ago; 9 messages",
            "42 messages a week, 40 in the busiest hour; 31.4 usually",
            "clock -1.5 s",
            "2.0 ms in the mean, 10.0 ms the longest",
            "! silent",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(super::text(&json!({"items": []})).contains("no feed"));
    }
}
