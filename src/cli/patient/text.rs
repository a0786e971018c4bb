//! The API's JSON as text for people.

use serde_json::Value;
use std::fmt::Write as _;

/// The text under a name; empty where there is none.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn holds(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool) == Some(true)
}

/// Minutes are enough for people: `2026-01-03T08:00:00Z` as `2026-01-03 08:00Z`.
fn moment(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time}Z"),
        _ => rfc3339.to_owned(),
    }
}

fn joined(values: &[Value]) -> String {
    let texts = values.iter().map(|value| match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// What was undone.
pub(super) fn undone(answer: &Value) -> String {
    let mut out = String::new();
    for one in list(answer, "undone") {
        let _ = writeln!(
            out,
            "taken back: {} was merged into {} (recorded at journal position {})",
            text(one, "prior"),
            text(one, "survivor"),
            number(one, "position")
        );
    }
    if !holds(answer, "folded") {
        let _ = writeln!(out, "it is recorded; the state will know of it in a moment");
    }
    harmless(&out)
}

/// A patient, from who to every result.
pub(super) fn patient(view: &Value) -> String {
    let mut out = String::new();
    let who = view.get("person").cloned().unwrap_or_default();
    head(&mut out, view, &who);
    identities(&mut out, view);
    verdict(&mut out, view);
    for episode in list(view, "episodes") {
        self::episode(&mut out, episode);
    }
    if list(view, "episodes").is_empty() {
        let _ = writeln!(out, "episodes: none, nothing was told");
    }
    let _ = writeln!(out, "results:");
    for result in list(view, "results") {
        self::result(&mut out, result);
    }
    if list(view, "results").is_empty() {
        let _ = writeln!(out, "  none");
    }
    harmless(&out)
}

/// What messages hold goes to a terminal: nothing in it may steer one.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' => letter,
            _ if letter.is_control() => char::REPLACEMENT_CHARACTER,
            _ => letter,
        })
        .collect()
}

fn head(out: &mut String, view: &Value, who: &Value) {
    let mut parts = vec![text(view, "key").to_owned()];
    for (name, label) in [
        ("name", ""),
        ("sex", ""),
        ("birth_date", "born "),
        ("age", ""),
    ] {
        let shown = text(who, name);
        if !shown.is_empty() {
            parts.push(format!("{label}{shown}"));
        }
    }
    for (name, label) in [
        ("deceased", "deceased"),
        ("identity_unreliable", "identity marked as unreliable"),
        ("identity_deleted", "deleted at the source"),
    ] {
        if holds(who, name) {
            parts.push(label.to_owned());
        }
    }
    let _ = writeln!(out, "patient {}", parts.join("; "));
    let as_of = view.get("as_of").cloned().unwrap_or_default();
    if !holds(&as_of, "current") {
        let _ = writeln!(
            out,
            "  the state is being built from the journal: something may be missing here"
        );
    }
    if holds(view, "undecided") {
        let _ = writeln!(out, "  something new is not decided about yet: ask again");
    }
}

fn identities(out: &mut String, view: &Value) {
    let _ = writeln!(out, "identities:");
    for identity in list(view, "identities") {
        let how = match identity.get("merged").filter(|merged| !merged.is_null()) {
            Some(merge) => format!(
                "merged into {} on {} (journal position {})",
                text(merge, "survivor"),
                moment(text(merge, "at")),
                number(merge, "position")
            ),
            None => "survives".to_owned(),
        };
        let _ = writeln!(
            out,
            "  {}: {how}; results: {}",
            text(identity, "key"),
            number(identity, "results")
        );
    }
    for event in list(view, "identity_events") {
        if holds(event, "counts") && text(event, "kind") == "merge" {
            continue;
        }
        let _ = writeln!(
            out,
            "  {}: {} to {} of {} (journal position {}){}",
            text(event, "kind").replace('_', " "),
            text(event, "prior"),
            text(event, "survivor"),
            moment(text(event, "at")),
            number(event, "position"),
            match text(event, "reason") {
                "" => String::new(),
                reason => format!(": {reason}"),
            }
        );
        if let Some(undo) = event.get("undone").filter(|undo| !undo.is_null()) {
            let _ = writeln!(
                out,
                "    by {} on {} (journal position {}): {}",
                text(undo, "by"),
                moment(text(undo, "at")),
                number(undo, "position"),
                text(undo, "comment")
            );
        }
    }
}

fn verdict(out: &mut String, view: &Value) {
    let grounds: Vec<&str> = ["tier", "tier_reason", "severity"]
        .into_iter()
        .map(|name| text(view, name))
        .filter(|shown| !shown.is_empty())
        .collect();
    let grounds = match grounds.as_slice() {
        [] => String::new(),
        some => format!(" ({})", some.join(", ")),
    };
    let _ = writeln!(
        out,
        "verdict: {}{grounds}, rule {}",
        text(view, "classification"),
        text(view, "rule")
    );
    let _ = writeln!(out, "  {}", text(view, "sentence"));
    if !text(view, "review").is_empty() {
        let _ = writeln!(
            out,
            "  for review: {} ({})",
            text(view, "review_text"),
            text(view, "review")
        );
    }
    for (name, label) in [("missing", "missing"), ("qualifiers", "also")] {
        if !list(view, name).is_empty() {
            let _ = writeln!(out, "  {label}: {}", joined(list(view, name)));
        }
    }
    for association in list(view, "associations") {
        let _ = writeln!(
            out,
            "  beside it: {} {} ({}, {})",
            text(association, "code"),
            text(association, "label"),
            text(association, "class"),
            text(association, "where")
        );
    }
    let panel = view.get("panel").cloned().unwrap_or_default();
    if let Some(igm) = panel.get("igm").and_then(Value::as_u64) {
        let beside: Vec<String> = list(&panel, "beside")
            .iter()
            .map(|one| {
                let result = one.get("result").and_then(Value::as_u64);
                let result = result.map_or_else(String::new, |n| format!(" [{n}]"));
                format!("{}{result} {}", text(one, "analyte"), text(one, "standing"))
            })
            .collect();
        let _ = writeln!(out, "  panel: IgM [{igm}]; {}", beside.join(", "));
    }
}

fn episode(out: &mut String, episode: &Value) {
    let _ = writeln!(
        out,
        "episode of {}, {}: {}",
        moment(text(episode, "opened_at")),
        text(episode, "standing").replace('_', " "),
        text(episode, "id")
    );
    for step in list(episode, "transitions") {
        let _ = writeln!(
            out,
            "  {}. {} ({}, {}) on {}, about {}, alert {}",
            number(step, "n"),
            text(step, "kind"),
            text(step, "severity"),
            text(step, "delivery"),
            moment(text(step, "at")),
            text(step, "about"),
            text(step, "alert_id")
        );
        let _ = writeln!(out, "     {}", text(step, "explanation"));
        let evidence = step.get("evidence").cloned().unwrap_or_default();
        if !list(&evidence, "results").is_empty() {
            let _ = writeln!(
                out,
                "     rests on results {} (journal positions {})",
                joined(list(&evidence, "results")),
                joined(list(&evidence, "positions"))
            );
        }
    }
}

fn result(out: &mut String, row: &Value) {
    let limits = match (text(row, "low"), text(row, "high")) {
        ("", "") => "no interval".to_owned(),
        (low, "") => format!("from {low}"),
        ("", high) => format!("to {high}"),
        (low, high) => format!("{low}-{high}"),
    };
    let converted = match text(row, "value") {
        "" => String::new(),
        value => format!(
            " = {}{value} {}",
            text(row, "comparator"),
            text(row, "unit")
        ),
    };
    let source = match text(row, "interval_source") {
        "" => "none",
        source => source,
    };
    let collected = match text(row, "observed_at") {
        "" => "at an unknown time".to_owned(),
        at => moment(at),
    };
    let state = if holds(row, "counts") {
        text(row, "state")
    } else {
        text(row, "why_not")
    };
    let _ = writeln!(
        out,
        "  [{}] {:<4} {:<10} {}{converted}; {limits} ({source}); collected {collected}, status {}",
        number(row, "n"),
        text(row, "analyte"),
        state.replace('_', " "),
        text(row, "reported"),
        text(row, "status")
    );
    let _ = writeln!(
        out,
        "      {} {} of order {}, reported under {}; message {} of {} (journal position {})",
        text(row, "code"),
        text(row, "system"),
        text(row, "order"),
        text(row, "reported_under"),
        text(row, "control_id"),
        text(row, "feed"),
        number(row, "position")
    );
    let _ = writeln!(out, "      {}", text(row, "reason"));
    if let code @ ("AE" | "AR" | "CE" | "CR") = text(row, "lis_ack") {
        let _ = writeln!(
            out,
            "      the laboratory system refused the message that a relay passed on ({code})"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shows_what_is_there_and_says_where_nothing_is() {
        let said = patient(&json!({"key": "HOSP:1", "as_of": {"current": true}}));
        for part in ["patient HOSP:1\n", "episodes: none", "results:\n  none"] {
            assert!(said.contains(part), "`{part}` is missing in\n{said}");
        }
        assert!(!said.contains("being built"));
        assert!(patient(&Value::Null).contains("being built"));
    }

    #[test]
    fn nothing_in_a_message_steers_a_terminal() {
        let said = patient(&json!({"key": "HOSP:1", "sentence": "a\u{1b}[2Jb\rc"}));
        assert!(!said.contains('\u{1b}') && !said.contains('\r'), "{said:?}");
    }

    #[test]
    fn an_undo_names_both_ids() {
        let answer = json!({"folded": false, "undone": [
            {"prior": "HOSP:1", "survivor": "HOSP:2", "position": 7}
        ]});
        let said = undone(&answer);
        assert!(said.contains("HOSP:1 was merged into HOSP:2"), "{said}");
        assert!(said.contains("position 7") && said.contains("in a moment"));
    }
}
