//! An example through the whole core: frame, message, facts, state, decision, alert.

use super::expect::{Example, Issued, Step};
use pentamer::cache::Memory;
use pentamer::config;
use pentamer::core::alert::{
    AlertAssociation, AlertData, Evidence, delivery_word, kind_word, severity_word,
};
use pentamer::core::clinical::chart::Chart;
use pentamer::core::clinical::observation::PatientKey;
use pentamer::core::clinical::results::Results;
use pentamer::core::episode::assess::assess;
use pentamer::core::extract::extract;
use pentamer::core::fact::{Fact, JournalPosition, Origin, Received};
use pentamer::core::fold::state::State as _;
use pentamer::core::fold::{self, views};
use pentamer::core::hl7::envelope::{self, Opened};
use pentamer::core::mllp::{Decoder, Event, Limits};
use pentamer::core::phi::Phi;
use pentamer::core::policy::Policy;
use pentamer::core::time::{Span, Timestamp};
use std::fs;

/// 3 January 2026, eight in the morning: day 0.
fn day_0() -> jiff::Timestamp {
    "2026-01-03T08:00:00Z".parse().expect("a time")
}

/// The policy of a site with these lines in its file.
pub fn policy(site: &str) -> Policy {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pentamer.toml");
    fs::write(&file, site).expect("written");
    let loaded = config::load(Some(&file), []).expect("a configuration");
    loaded.config.policy()
}

/// A state and the policy that it is folded by.
pub struct Desk {
    state: Memory,
    policy: Policy,
    position: JournalPosition,
}

impl Desk {
    pub fn new(policy: Policy) -> Self {
        Self {
            state: Memory::new(),
            policy,
            position: JournalPosition::START,
        }
    }

    fn fold(&mut self, fact: Fact) {
        self.position = self.position.next();
        let applied = fold::apply(
            &[(self.position, fact)],
            &self.state,
            &self.policy,
            &extract,
        );
        let applied = applied.expect("a readable state");
        self.state
            .commit(applied.batch, applied.through)
            .expect("committed");
    }

    /// Takes the bytes of a connection; everything in them must be whole messages.
    pub fn receive(&mut self, bytes: &[u8], received_at: Timestamp) {
        let mut decoder = Decoder::new(Limits::default());
        let mut events = Vec::new();
        decoder.push(bytes, &mut events);
        decoder.finish(&mut events);
        for event in events {
            let Event::Frame(content) = event else {
                panic!("a whole frame");
            };
            let Opened::Messages(envelope) = envelope::open(&content) else {
                panic!("a readable message");
            };
            for message in &envelope.messages {
                let received = Received {
                    origin: Origin {
                        listener: "lab".to_owned(),
                        peer: "192.0.2.1:4000".to_owned(),
                    },
                    received_at,
                    part: (0, 1),
                    raw: content.slice_ref(message.raw),
                };
                self.fold(Fact::Received(received));
            }
        }
    }

    /// Decides, records it, and gives the alerts.
    pub fn decide(&mut self) -> Vec<AlertData> {
        let decided = fold::decide(&self.state, &self.policy).expect("a readable state");
        let Some(decided) = decided else {
            return Vec::new();
        };
        let alerts = decided
            .transitions
            .iter()
            .map(|transition| transition.alert.expose().clone())
            .collect();
        self.fold(Fact::Decided(decided));
        alerts
    }
}

/// Plays an example step by step and compares everything.
pub fn play(name: &str, example: &Example) {
    let mut desk = Desk::new(policy(example.site));
    let key = PatientKey {
        authority: "HOSP".to_owned(),
        id: Phi::new("4711".to_owned()),
    };
    for (number, step) in (1..).zip(&example.steps) {
        let place = format!("{name}, step {number}");
        let mut now = Timestamp::from_jiff(day_0());
        for (part, message) in step.messages.iter().enumerate() {
            let control = format!("M{number}-{part}");
            let text = message.text(&example.person, "4711", &control, day_0());
            now = Timestamp::from_jiff(day_0())
                .plus(Span::days(message.sent))
                .plus(Span::seconds(4 * 3600));
            desk.receive(&crate::e2e::harness::framed(&text), now);
        }
        let alerts = desk.decide();
        compare_alerts(&place, step, &alerts);
        assert_eq!(desk.decide(), [], "{place}: nothing is told twice");
        let patient = views::patient(&desk.state, &key).expect("a readable state");
        let patient = patient.expect("somebody");
        let results = Results::judge(&patient, &desk.policy);
        let chart = Chart::read(&results, &desk.policy);
        let assessment = assess(&chart, &patient, &desk.policy, now);
        let standing = &step.standing;
        assert_eq!(
            (
                assessment.rule.word(),
                assessment.classification.word(),
                assessment.tier.word(),
                assessment.tier_reason,
                assessment.review
            ),
            (
                standing.rule,
                standing.classification,
                standing.tier,
                standing.reason,
                standing.review
            ),
            "{place}: how the person stands"
        );
        if !standing.sentence.is_empty() {
            assert_eq!(assessment.sentence.expose(), standing.sentence, "{place}");
        }
    }
}

fn compare_alerts(place: &str, step: &Step, alerts: &[AlertData]) {
    let got: Vec<&str> = alerts.iter().map(|alert| kind_word(alert.kind)).collect();
    let want: Vec<&str> = step.issued.iter().map(|issued| issued.kind).collect();
    assert_eq!(got, want, "{place}: the alerts");
    for (alert, issued) in alerts.iter().zip(&step.issued) {
        compare_alert(place, issued, alert);
    }
}

fn compare_alert(place: &str, want: &Issued, alert: &AlertData) {
    assert_eq!(alert.explanation, want.explanation, "{place}");
    assert_eq!(
        (
            alert.classification.as_str(),
            alert.tier.as_str(),
            alert.tier_reason.as_deref()
        ),
        (want.classification, want.tier, want.tier_reason),
        "{place}: classification, tier, reason"
    );
    assert_eq!(
        (severity_word(alert.severity), delivery_word(alert.delivery)),
        (want.severity, want.delivery),
        "{place}: severity, delivery"
    );
    assert_eq!(alert.qualifiers, want.qualifiers, "{place}: qualifiers");
    assert_eq!(alert.missing, want.missing, "{place}: missing");
    let associations: Vec<String> = alert.associations.iter().map(association).collect();
    assert_eq!(associations, want.associations, "{place}: associations");
    let evidence: Vec<String> = alert.evidence.iter().map(row).collect();
    assert_eq!(evidence, want.evidence, "{place}: evidence");
}

pub fn association(found: &AlertAssociation) -> String {
    format!(
        "{} {}: {}, {}, {}",
        found.code, found.system, found.label, found.class, found.field
    )
}

fn row(row: &Evidence) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    format!(
        "{} {} {}{} {} [{}-{} {}]",
        row.analyte,
        row.state,
        row.comparator,
        or_none(&row.value),
        row.unit,
        or_none(&row.low),
        or_none(&row.high),
        or_none(&row.interval_source)
    )
}
