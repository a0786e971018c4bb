//! `[[sink]]`: where alerts go.

use super::keys::{DIGEST, RETRY, SINK};
use super::layer::Raw;
use super::problem::{Problem, Wrong};
use super::section::{Section, plain_name, unique_names};
use super::settings::Storage;
use super::sink_kind::SinkKind;
use crate::core::alert::PhiLevel;
use crate::core::delivery::backoff::Retry;
use crate::core::delivery::digest::Digest;
use crate::core::episode::{Severity, TransitionKind};
use std::collections::BTreeSet;
use std::time::Duration;

/// One `[[sink]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    /// Unique; names the sink's cursor in the journal.
    pub name: String,
    /// Kind.
    pub kind: SinkKind,
    /// Kinds of alerts that it takes.
    pub events: BTreeSet<TransitionKind>,
    /// It takes notices about Pentamer itself.
    pub notices: bool,
    /// The least pressing that it takes.
    pub minimum_severity: Severity,
    /// How much of the patient it is given.
    pub phi: PhiLevel,
    /// Pauses between tries.
    pub retry: Retry,
    /// How long one try may take.
    pub timeout: Duration,
    /// When a flood becomes one message; `None`: never.
    pub digest: Option<Digest>,
    /// Between two signs of life on the way to it; `None`: none.
    pub heartbeat: Option<Duration>,
}

/// Name of the sink that always is, after its file.
pub(super) const ALWAYS: &str = "alerts.jsonl";

impl Sink {
    fn new(name: &str, kind: SinkKind, phi: PhiLevel) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            events: EVENTS.iter().filter_map(|(_, event)| *event).collect(),
            notices: false,
            minimum_severity: Severity::Routine,
            phi,
            retry: Retry::default(),
            timeout: TIMEOUT,
            digest: None,
            heartbeat: None,
        }
    }

    /// The built-in `log` sink, which holds while no `[[sink]]` is configured.
    pub fn built_in_log() -> Self {
        Self::new("log", SinkKind::Log, PhiLevel::None)
    }

    /// `alerts.jsonl` in the data directory, which is always written.
    pub fn alerts_file(storage: &Storage) -> Self {
        let path = storage.dir.join(ALWAYS);
        Self::new(ALWAYS, SinkKind::File { path }, PhiLevel::Minimum)
    }
}

/// `None` is what is no alert.
pub(super) const EVENTS: &[(&str, Option<TransitionKind>)] = &[
    ("detected", Some(TransitionKind::Detected)),
    ("confirmed", Some(TransitionKind::Confirmed)),
    ("progressed", Some(TransitionKind::Progressed)),
    ("resolved", Some(TransitionKind::Resolved)),
    ("retracted", Some(TransitionKind::Retracted)),
    ("acknowledged", Some(TransitionKind::Acknowledged)),
    ("other_pattern", Some(TransitionKind::OtherPattern)),
    ("notice", None),
];
pub(super) const SEVERITIES: &[(&str, Severity)] = &[
    ("routine", Severity::Routine),
    ("prompt", Severity::Prompt),
    ("urgent", Severity::Urgent),
];
pub(super) const PHI_LEVELS: &[(&str, PhiLevel)] = &[
    ("none", PhiLevel::None),
    ("minimum", PhiLevel::Minimum),
    ("full", PhiLevel::Full),
];
/// All sinks, `alerts.jsonl` last; the built-in `log` where none is configured.
pub(super) fn read(raw: &Raw, storage: &Storage, problems: &mut Vec<Problem>) -> Vec<Sink> {
    let rows = raw.rows(SINK.name);
    unique_names(rows, SINK.name, problems);
    let mut sinks: Vec<Sink> = rows
        .iter()
        .map(|row| one(&mut Section::row(&SINK, row, problems), storage))
        .collect();
    if rows.is_empty() {
        sinks.push(Sink::built_in_log());
    }
    sinks.push(Sink::alerts_file(storage));
    sinks
}

fn one(section: &mut Section<'_>, storage: &Storage) -> Sink {
    section.require("name", "give it a name of its own, e.g. `name = \"pager\"`");
    section.require("kind", "choose `kind = \"webhook\"` or another kind");
    let name = section
        .parsed(
            "name",
            "a name of letters, digits, `-`, `_` and `.`",
            "it becomes part of metrics and of the journal",
            plain_name,
        )
        .unwrap_or_else(|| "sink".to_owned());
    if name == ALWAYS {
        section.report(
            "name",
            Wrong::Conflict(format!(
                "the name `{ALWAYS}` is that of the built-in file sink"
            )),
            "choose another name",
        );
    }
    let kind = super::sink_kind::read(section, storage);
    let default_phi = match kind {
        SinkKind::Log => PhiLevel::None,
        SinkKind::File { .. }
        | SinkKind::Webhook(_)
        | SinkKind::Smtp(_)
        | SinkKind::Mllp(_)
        | SinkKind::Amqp(_)
        | SinkKind::Nats(_) => PhiLevel::Minimum,
    };
    let default = Sink::new(&name, kind, default_phi);
    let (events, notices) = events(section).unwrap_or((default.events, false));
    Sink {
        events,
        notices,
        minimum_severity: section
            .choice("minimum_severity", SEVERITIES)
            .unwrap_or(default.minimum_severity),
        phi: section.choice("phi", PHI_LEVELS).unwrap_or(default.phi),
        retry: section
            .table("retry", &RETRY, "retry.max = \"5m\"", |inner| {
                Some(retry(inner))
            })
            .unwrap_or_default(),
        timeout: section
            .duration("timeout", SECOND..=HOUR)
            .unwrap_or(default.timeout),
        digest: section.table(
            "digest",
            &DIGEST,
            "digest = { above = 20, within = \"10m\" }",
            digest,
        ),
        heartbeat: section
            .duration_or_off("heartbeat", SECOND..=DAY * 30)
            .flatten(),
        name: default.name,
        kind: default.kind,
    }
}

/// How long one try may take where nothing is said.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn retry(section: &mut Section<'_>) -> Retry {
    let default = Retry::default();
    let shortest = Duration::from_millis(10);
    let retry = Retry {
        initial: section
            .duration("initial", shortest..=HOUR)
            .unwrap_or(default.initial),
        max: section
            .duration("max", shortest..=DAY)
            .unwrap_or(default.max),
        give_up_after: section
            .duration_or_off("give_up_after", SECOND..=DAY * 365)
            .flatten(),
    };
    if retry.max < retry.initial && (section.has("max") || section.has("initial")) {
        let wrong = Wrong::Conflict("`initial` is above `max`".to_owned());
        section.report("initial", wrong, "lower `initial`, or raise `max`");
    }
    retry
}

fn digest(section: &mut Section<'_>) -> Option<Digest> {
    section.require(
        "above",
        "say how many alerts go by themselves, e.g. `above = 20`",
    );
    section.require("within", "say over which span, e.g. `within = \"10m\"`");
    let above = section.number("above", 1..=100_000);
    let within = section.duration("within", SECOND..=DAY);
    let (above, within) = (above?, within?);
    Some(Digest { above, within })
}

/// Alert kinds, and whether notices are wanted.
fn events(section: &mut Section<'_>) -> Option<(BTreeSet<TransitionKind>, bool)> {
    let expected = super::section::one_of(EVENTS.iter().map(|(word, _)| *word));
    let found = section.list(
        "events",
        &expected,
        "leave the key out for all kinds of alerts",
        |text| EVENTS.iter().find(|(word, _)| *word == text).copied(),
    )?;
    let notices = found.iter().any(|(_, event)| event.is_none());
    let events: BTreeSet<TransitionKind> = found.iter().filter_map(|(_, event)| *event).collect();
    if found.is_empty() {
        section.report(
            "events",
            Wrong::Conflict("a sink without events gets no alerts".to_owned()),
            "leave the key out for all events, or remove the sink",
        );
    }
    Some((events, notices))
}
