//! Bodies as receivers want them, made of nothing but the letter.

use super::{Body, fhir};
use crate::config::{Preset, Webhook};
use crate::deliver::{Letter, SinkError};
use serde_json::{Value, json};

const JSON: &str = "application/json";

/// How long an alert stands at Alertmanager when nothing ends it: its receivers are told again meanwhile.
const STANDS_FOR: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// The body for a preset. `token` is the integration key where it belongs into the body.
pub(super) fn body(
    config: &Webhook,
    letter: &Letter,
    token: Option<&str>,
) -> Result<Body, SinkError> {
    let (value, content_type) = match config.preset {
        Preset::CloudEvents => (letter.event().clone(), "application/cloudevents+json"),
        Preset::PagerDuty => (pagerduty(letter, token.unwrap_or_default()), JSON),
        Preset::Alertmanager => (alertmanager(letter), JSON),
        Preset::Slack => (slack(letter), JSON),
        Preset::Teams => (teams(letter), JSON),
        Preset::Fhir => (fhir::bundle(letter), "application/fhir+json"),
        Preset::Ntfy => {
            let (root, topic) = ntfy_topic(&config.url).ok_or_else(|| {
                SinkError::later(
                    "the URL of an ntfy sink ends with the topic: https://ntfy.sh/topic",
                )
            })?;
            return Ok(Body {
                bytes: ntfy(letter, topic).to_string().into_bytes(),
                content_type: JSON.to_owned(),
                url: Some(root.to_owned()),
            });
        }
    };
    Ok(Body {
        bytes: value.to_string().into_bytes(),
        content_type: content_type.to_owned(),
        url: None,
    })
}

/// What an event does to an incident that is kept by episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Trigger,
    Acknowledge,
    Resolve,
}

fn action(letter: &Letter) -> Action {
    match letter.kind() {
        "acknowledged" => Action::Acknowledge,
        "resolved" | "retracted" => Action::Resolve,
        "notice" if letter.text("/data/state") == "cleared" => Action::Resolve,
        _ => Action::Trigger,
    }
}

/// Names the incident: the episode, or what a notice is about.
fn incident(letter: &Letter) -> String {
    match letter.kind() {
        "notice" => format!("{}/{}", letter.text("/source"), letter.text("/subject")),
        _ => letter.text("/subject").to_owned(),
    }
}

/// `urgent`, `prompt` or `routine`; a notice is prompt.
fn severity(letter: &Letter) -> &str {
    match letter.kind() {
        "notice" => "prompt",
        _ => letter.text("/data/severity"),
    }
}

/// Events API v2: `dedup_key` is the episode, so that its later steps find the incident.
fn pagerduty(letter: &Letter, routing_key: &str) -> Value {
    let action = action(letter);
    let word = match action {
        Action::Trigger => "trigger",
        Action::Acknowledge => "acknowledge",
        Action::Resolve => "resolve",
    };
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": word,
        "dedup_key": incident(letter),
        "client": "Pentamer",
    });
    if action == Action::Trigger {
        event["payload"] = json!({
            // At most 1024 characters; ours are far shorter.
            "summary": letter.title(),
            "source": letter.text("/source"),
            "severity": match severity(letter) {
                "urgent" => "critical",
                "prompt" => "warning",
                _ => "info",
            },
            "timestamp": letter.text("/time"),
            "class": letter.kind(),
            "custom_details": letter.event()["data"],
        });
        let link = letter.text("/data/link");
        if link.starts_with("http") {
            event["client_url"] = Value::from(link);
            event["links"] = json!([{"href": link, "text": "Pentamer"}]);
        }
    }
    event
}

fn alertmanager(letter: &Letter) -> Value {
    let time = letter.text("/time");
    let begun: jiff::Timestamp = time.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let ends = match action(letter) {
        Action::Resolve => begun,
        Action::Trigger | Action::Acknowledge => begun
            .checked_add(STANDS_FOR)
            .unwrap_or(jiff::Timestamp::MAX),
    };
    // An alert is known by its labels, so only what stays over an episode may stand there.
    let name = match letter.kind() {
        "notice" => "PentamerNotice",
        "heartbeat" => "PentamerHeartbeat",
        "test" => "PentamerTest",
        _ => "PentamerAlert",
    };
    let link = letter.text("/data/link");
    let mut alert = json!({
        "labels": {
            "alertname": name,
            "source": letter.text("/source"),
            "episode": incident(letter),
        },
        "annotations": {
            "summary": letter.title(),
            "description": letter.sentence(),
            "kind": letter.kind(),
            "severity": severity(letter),
            "id": letter.id(),
        },
        "endsAt": ends.to_string(),
    });
    if action(letter) != Action::Resolve {
        alert["startsAt"] = Value::from(time);
    }
    if link.starts_with("http") {
        alert["generatorURL"] = Value::from(link);
    }
    json!([alert])
}

/// The server and the topic of `https://server/topic`.
fn ntfy_topic(url: &str) -> Option<(&str, &str)> {
    let (root, topic) = url.trim_end_matches('/').rsplit_once('/')?;
    let right = root.contains("://") && !root.ends_with('/') && !topic.is_empty();
    right.then_some((root, topic))
}

fn ntfy(letter: &Letter, topic: &str) -> Value {
    let mut message = json!({
        "topic": topic,
        "title": letter.title(),
        "message": letter.sentence(),
        "priority": match severity(letter) {
            "urgent" => 5,
            "prompt" => 4,
            _ => 3,
        },
        "tags": [letter.kind()],
    });
    let link = letter.text("/data/link");
    if link.starts_with("http") {
        message["click"] = Value::from(link);
    }
    message
}

/// What is said beside title and sentence, where the level allows it.
fn facts(letter: &Letter) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let text = |pointer: &str| letter.text(pointer);
    if !text("/data/patient/id").is_empty() {
        let shown = format!(
            "{} ({})",
            text("/data/patient/id"),
            text("/data/patient/authority")
        );
        facts.push(("Patient", shown));
    }
    let rows = letter
        .event()
        .pointer("/data/evidence")
        .and_then(Value::as_array);
    let rows: Vec<String> = rows
        .into_iter()
        .flatten()
        .map(|row| {
            let part = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
            format!(
                "{} {} ({})",
                part("analyte"),
                part("reported"),
                part("state")
            )
        })
        .collect();
    if !rows.is_empty() {
        facts.push(("Evidence", rows.join(", ")));
    }
    facts
}

/// `&`, `<` and `>` are Slack's control characters.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn slack(letter: &Letter) -> Value {
    let mut text = format!(
        "*{}*\n{}",
        slack_text(letter.title()),
        slack_text(letter.sentence())
    );
    for (name, value) in facts(letter) {
        text.push_str(&format!("\n{name}: {}", slack_text(&value)));
    }
    let link = letter.text("/data/link");
    if link.starts_with("http") {
        text.push_str(&format!("\n<{link}|Open in Pentamer>"));
    }
    json!({
        "text": slack_text(letter.title()),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}],
    })
}

/// An adaptive card, as workflow webhooks take it.
fn teams(letter: &Letter) -> Value {
    let facts: Vec<Value> = facts(letter)
        .into_iter()
        .map(|(title, value)| json!({"title": title, "value": value}))
        .collect();
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": letter.title(), "weight": "bolder", "wrap": true},
            {"type": "TextBlock", "text": letter.sentence(), "wrap": true},
            {"type": "FactSet", "facts": facts},
        ],
    });
    let link = letter.text("/data/link");
    if link.starts_with("http") {
        content["actions"] =
            json!([{"type": "Action.OpenUrl", "title": "Open in Pentamer", "url": link}]);
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": content,
        }],
    })
}

#[cfg(test)]
mod tests;
