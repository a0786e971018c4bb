//! What a sink is given: a CloudEvent as its `phi` level allows, with a title and a sentence for people.

use super::link::Signer;
use crate::core::alert::{PhiLevel, cloud_event, severity_word};
use crate::core::episode::{Severity, Transition, TransitionKind};
use crate::core::time::Timestamp;
use crate::notice::Notice;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Where links lead, and who signs them.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// `[http] public_url`; without it there are no links to follow.
    pub base: Option<String>,
    /// Signs links by which a page is acknowledged; `None` where the sink gets none (`log` and `file`
    /// keep what they get).
    pub signer: Option<Signer>,
}

impl Links {
    fn add_to(&self, event: &mut Value, transition: &Transition) {
        let Some(base) = &self.base else { return };
        let alert_id = &transition.alert_id.0;
        event["data"]["link"] = Value::from(format!("{base}/alerts/{alert_id}"));
        let to_acknowledge = match transition.kind {
            TransitionKind::Detected
            | TransitionKind::Confirmed
            | TransitionKind::Progressed
            | TransitionKind::OtherPattern => true,
            TransitionKind::Resolved
            | TransitionKind::Retracted
            | TransitionKind::Acknowledged
            | TransitionKind::Reopened => false,
        };
        if let Some(signer) = self.signer.as_ref().filter(|_| to_acknowledge) {
            // From the decision on: a repeat has the same link.
            let token = signer.token(alert_id, transition.at);
            event["data"]["acknowledge_url"] = Value::from(format!("{base}/ack/{token}"));
        }
    }
}

/// One event on its way to a sink. Holds patients' data as far as the sink may be told.
#[derive(Clone, PartialEq)]
pub struct Letter {
    event: Value,
    title: String,
    sentence: String,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("id", &self.id()).finish()
    }
}

impl Letter {
    /// An alert. `step` is that of the escalation that sends it again, else 0: an escalation is an event
    /// of its own, with the same `alert_id`.
    pub fn alert(
        transition: &Transition,
        site: &str,
        level: PhiLevel,
        links: &Links,
        step: u32,
    ) -> Self {
        let mut event = cloud_event(transition, site, level);
        if step > 0 {
            let id = format!("{}/e{step}", transition.alert_id.0);
            event["id"] = Value::from(id);
            event["data"]["escalation"] = Value::from(step);
        }
        links.add_to(&mut event, transition);
        Self::new(event)
    }

    /// Alerts together; the same ones give the same id.
    pub fn digest(
        transitions: &[&Transition],
        site: &str,
        level: PhiLevel,
        links: &Links,
        now: Timestamp,
    ) -> Self {
        let mut hash = Sha256::new();
        let mut data = Vec::new();
        let mut severity = Severity::Routine;
        for transition in transitions {
            hash.update(transition.alert_id.0.as_bytes());
            hash.update([0]);
            severity = severity.max(transition.severity);
            let mut event = cloud_event(transition, site, level);
            links.add_to(&mut event, transition);
            data.push(event["data"].take());
        }
        let id = hash
            .finalize()
            .iter()
            .take(16)
            .fold("digest-".to_owned(), |mut id, byte| {
                let _ = write!(id, "{byte:02x}");
                id
            });
        let lines: Vec<String> = data
            .iter()
            .map(|data| {
                let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
                let (kind, severity) = (text("kind"), text("severity"));
                format!(
                    "{severity} {kind} {}: {}",
                    text("alert_id"),
                    text("explanation")
                )
            })
            .collect();
        Self::new(json!({
            "specversion": "1.0",
            "id": id,
            "type": "pentamer.digest.v1",
            "source": format!("/pentamer/{site}"),
            "subject": id,
            "time": now.to_rfc3339(),
            "datacontenttype": "application/json",
            "data": {
                "kind": "digest",
                "severity": severity_word(severity),
                "count": data.len(),
                "explanation": lines.join("\n"),
                "alerts": data,
            },
        }))
    }

    /// A notice that was raised or is over.
    pub fn notice(notice: &Notice, stands: bool, site: &str, now: Timestamp) -> Self {
        let state = if stands { "raised" } else { "cleared" };
        let since = notice.since.as_micros();
        let kind = notice.kind.word();
        Self::new(json!({
            "specversion": "1.0",
            "id": format!("notice-{kind}-{since}-{state}"),
            "type": "pentamer.notice.v1",
            "source": format!("/pentamer/{site}"),
            "subject": kind,
            "time": now.to_rfc3339(),
            "datacontenttype": "application/json",
            "data": {
                "kind": kind,
                "state": state,
                "since": notice.since.to_rfc3339(),
                "text": notice.text,
            },
        }))
    }

    /// A sign of life.
    pub fn heartbeat(site: &str, sink: &str, now: Timestamp) -> Self {
        Self::of_ours(
            "heartbeat",
            site,
            sink,
            now,
            "The way to this sink is open.",
        )
    }

    /// A test alert, marked as one.
    pub fn test(site: &str, sink: &str, now: Timestamp) -> Self {
        let sentence = "This is a test of the way to this sink; there is no patient.";
        let mut letter = Self::of_ours("test", site, sink, now, sentence);
        let id = letter.event["id"].clone();
        letter.event["data"]["alert_id"] = id.clone();
        letter.event["data"]["episode_id"] = id;
        letter.event["data"]["severity"] = Value::from("routine");
        letter.event["data"]["delivery"] = Value::from("page");
        letter
    }

    fn of_ours(kind: &str, site: &str, sink: &str, now: Timestamp, sentence: &str) -> Self {
        Self::new(json!({
            "specversion": "1.0",
            "id": format!("{kind}-{sink}-{}", now.as_micros()),
            "type": format!("pentamer.{kind}.v1"),
            "source": format!("/pentamer/{site}"),
            "subject": sink,
            "time": now.to_rfc3339(),
            "datacontenttype": "application/json",
            "data": { "kind": kind, "sink": sink, "explanation": sentence },
        }))
    }

    fn new(event: Value) -> Self {
        let title = title(&event);
        let sentence = sentence(&event);
        Self {
            event,
            title,
            sentence,
        }
    }

    /// The CloudEvent.
    pub const fn event(&self) -> &Value {
        &self.event
    }

    /// For people, without patient data: it may stand on a locked screen.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// One sentence for people, as the level allows.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// The event's id: the idempotency key.
    pub fn id(&self) -> &str {
        self.text("/id")
    }

    /// A text of the event; empty where it is not there.
    pub fn text(&self, pointer: &str) -> &str {
        let found = self.event.pointer(pointer);
        found.and_then(Value::as_str).unwrap_or_default()
    }

    /// `detected`, …, or `notice`, `heartbeat`, `test`.
    pub fn kind(&self) -> &str {
        let kind = self.text("/type").strip_prefix("pentamer.");
        let kind = kind.and_then(|kind| kind.strip_suffix(".v1"));
        let kind = kind.unwrap_or_default();
        kind.strip_prefix("alert.").unwrap_or(kind)
    }

    /// The event with `title` and `sentence` beside it, as templates see it.
    pub fn for_template(&self) -> Value {
        let mut event = self.event.clone();
        event["title"] = Value::from(self.title.as_str());
        event["sentence"] = Value::from(self.sentence.as_str());
        event["link"] = Value::from(self.text("/data/link"));
        event
    }
}

fn title(event: &Value) -> String {
    let text = |pointer: &str| {
        let found = event.pointer(pointer);
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    match text("/type").as_str() {
        "pentamer.notice.v1" => {
            let (kind, state) = (text("/data/kind"), text("/data/state"));
            return format!("Notice {kind} {state}");
        }
        "pentamer.heartbeat.v1" => return "Heartbeat".to_owned(),
        "pentamer.digest.v1" => {
            let count = event.pointer("/data/count").and_then(Value::as_u64);
            return format!("{} alerts together", count.unwrap_or_default());
        }
        "pentamer.test.v1" => return "TEST: no patient".to_owned(),
        _ => {}
    }
    let severity = match text("/data/severity").as_str() {
        "urgent" => "URGENT",
        "prompt" => "Prompt",
        _ => "Routine",
    };
    let what = match text("/data/classification").as_str() {
        "" => "immunology alert".to_owned(),
        other => other
            .replace('_', " ")
            .replace("igm", "IgM")
            .replace("igg", "IgG"),
    };
    let again = match event.pointer("/data/escalation").and_then(Value::as_u64) {
        Some(step) => format!(" (escalation {step}, not acknowledged)"),
        None => String::new(),
    };
    format!(
        "{severity}: {what} {}{again}",
        text("/data/kind").replace('_', " ")
    )
}

fn sentence(event: &Value) -> String {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    text("/data/explanation")
        .or_else(|| text("/data/text"))
        .unwrap_or("The worklist shows what it is about.")
        .to_owned()
}

/// An alert about a made-up patient.
#[cfg(test)]
pub(super) fn sample(kind: &str, severity: &str) -> Letter {
    Letter::new(json!({
        "specversion": "1.0",
        "id": format!("alert-{kind}"),
        "type": format!("pentamer.alert.{kind}.v1"),
        "source": "/pentamer/site/lab",
        "subject": "episode-1",
        "time": "2026-03-01T10:15:00Z",
        "datacontenttype": "application/json",
        "data": {
            "alert_id": format!("alert-{kind}"),
            "episode_id": "episode-1",
            "kind": kind,
            "severity": severity,
            "classification": "isolated_low_igm",
            "tier": "complete",
            "tier_reason": null,
            "qualifiers": [],
            "patient": {"id": "4711", "authority": "HOSP", "birth_date": null, "sex": "F", "age": "46 y"},
            "evidence": [{
                "analyte": "IgM", "state": "low", "value": "0.21", "comparator": "", "unit": "g/L",
                "reported": "0.21 g/L", "low": "0.4", "high": "2.3", "interval_source": "OBX-7",
                "flag": "L", "status": "F", "observed_at": "2026-03-01T09:00:00Z", "code": "2472-9",
                "system": "LN", "specimen": "SER", "order": "F1", "control_id": "42", "feed": "LAB/HOSP",
            }],
            "missing": [],
            "associations": [],
            "delivery": "page",
            "explanation": "IgM is low & alone|.",
            "policy": "p",
            "supersedes": null,
            "link": "https://p.example.org/alerts/1",
        },
    }))
}
