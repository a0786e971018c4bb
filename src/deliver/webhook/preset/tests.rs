use super::*;
use crate::config::Webhook;
use crate::core::time::Timestamp;
use crate::deliver::letter::sample;

fn config(preset: Preset) -> Webhook {
    Webhook {
        url: "https://ntfy.example.org/immunology".to_owned(),
        preset,
        secret_file: None,
        token_file: None,
        headers: Vec::new(),
        template: None,
        content_type: None,
        ca_file: None,
    }
}

fn shaped(preset: Preset, letter: &Letter) -> Value {
    let body = body(&config(preset), letter, Some("KEY")).expect("a body");
    serde_json::from_slice(&body.bytes).expect("JSON")
}

#[test]
fn pagerduty_keeps_one_incident_an_episode() {
    let trigger = shaped(Preset::PagerDuty, &sample("detected", "urgent"));
    assert_eq!(trigger["routing_key"], "KEY");
    assert_eq!(trigger["event_action"], "trigger");
    assert_eq!(trigger["dedup_key"], "episode-1");
    assert_eq!(trigger["payload"]["severity"], "critical");
    assert_eq!(
        trigger["payload"]["summary"],
        "URGENT: isolated low IgM detected"
    );
    assert_eq!(
        trigger["payload"]["custom_details"]["alert_id"],
        "alert-detected"
    );
    assert_eq!(trigger["client_url"], "https://p.example.org/alerts/1");
    for (kind, action) in [
        ("acknowledged", "acknowledge"),
        ("resolved", "resolve"),
        ("retracted", "resolve"),
        ("confirmed", "trigger"),
    ] {
        let event = shaped(Preset::PagerDuty, &sample(kind, "routine"));
        assert_eq!(event["event_action"], action);
        assert_eq!(event["dedup_key"], "episode-1");
        assert_eq!(event.get("payload").is_some(), action == "trigger");
    }
}

#[test]
fn alertmanager_ends_with_the_labels_it_began_with() {
    let fires = shaped(Preset::Alertmanager, &sample("detected", "prompt"));
    let ends = shaped(Preset::Alertmanager, &sample("resolved", "routine"));
    assert_eq!(fires[0]["labels"], ends[0]["labels"]);
    assert_eq!(fires[0]["startsAt"], "2026-03-01T10:15:00Z");
    assert_eq!(fires[0]["endsAt"], "2026-03-08T10:15:00Z");
    assert_eq!(ends[0]["endsAt"], "2026-03-01T10:15:00Z");
    assert!(ends[0].get("startsAt").is_none());
}

#[test]
fn ntfy_takes_json_at_the_root_of_the_server() {
    let letter = sample("detected", "urgent");
    let body = body(&config(Preset::Ntfy), &letter, None).expect("a body");
    assert_eq!(body.url.as_deref(), Some("https://ntfy.example.org"));
    let message: Value = serde_json::from_slice(&body.bytes).expect("JSON");
    assert_eq!(message["topic"], "immunology");
    assert_eq!(message["priority"], 5);
    assert_eq!(ntfy_topic("https://ntfy.example.org"), None);
}

#[test]
fn chat_shows_facts_and_lets_no_text_be_a_command() {
    let letter = sample("detected", "prompt");
    let text = shaped(Preset::Slack, &letter).to_string();
    assert!(
        text.contains("4711 (HOSP)") && text.contains("IgM 0.21 g/L (low)"),
        "{text}"
    );
    assert_eq!(slack_text("<!channel> & co"), "&lt;!channel&gt; &amp; co");
    let card = shaped(Preset::Teams, &letter);
    let content = &card["attachments"][0]["content"];
    assert_eq!(content["type"], "AdaptiveCard");
    assert_eq!(content["body"][2]["facts"][0]["title"], "Patient");
}

#[test]
fn every_preset_takes_every_kind_of_letter() {
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let letters = [
        sample("detected", "urgent"),
        Letter::test("site", "pager", now),
        Letter::heartbeat("site", "pager", now),
    ];
    for (_, preset) in crate::config::PRESETS {
        for letter in &letters {
            let value = shaped(*preset, letter);
            assert!(value.is_object() || value.is_array());
        }
    }
}

#[test]
fn fhir_refers_to_what_it_brings_and_creates_nothing_twice() {
    let bundle = shaped(Preset::Fhir, &sample("detected", "urgent"));
    let entries = bundle["entry"].as_array().expect("entries");
    let urls: Vec<&str> = entries
        .iter()
        .map(|e| e["fullUrl"].as_str().expect("a url"))
        .collect();
    let kinds: Vec<&str> = entries
        .iter()
        .map(|e| e["resource"]["resourceType"].as_str().expect("a type"))
        .collect();
    assert_eq!(kinds, ["Observation", "DetectedIssue", "Communication"]);
    let issue = &entries[1]["resource"];
    assert_eq!(issue["evidence"][0]["detail"][0]["reference"], urls[0]);
    assert_eq!(entries[2]["resource"]["about"][0]["reference"], urls[1]);
    assert_eq!(
        entries[1]["request"]["ifNoneExist"],
        "identifier=urn:pentamer:alert|alert-detected"
    );
    let value = &entries[0]["resource"]["valueQuantity"];
    assert_eq!(
        (value["value"].as_f64(), value["code"].as_str()),
        (Some(0.21), Some("g/L"))
    );
    let again = shaped(Preset::Fhir, &sample("detected", "urgent"));
    assert_eq!(bundle, again, "the same letter gives the same ids");
}
