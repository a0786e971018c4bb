//! `[[sink]]`: where alerts go.

use super::keys::SINK;
use super::layer::Raw;
use super::problem::{Problem, Wrong};
use super::section::{Section, plain_name, unique_names};
use super::settings::{Storage, path};
use crate::core::alert::PhiLevel;
use crate::core::episode::{Severity, TransitionKind};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The kind of a sink and what that kind needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// A line in the log.
    Log,
    /// One JSON object a line, appended.
    File {
        /// The file.
        path: PathBuf,
    },
}

/// One `[[sink]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    /// Unique; names the sink's cursor in the journal.
    pub name: String,
    /// Kind.
    pub kind: SinkKind,
    /// Kinds of alerts that it takes.
    pub events: BTreeSet<TransitionKind>,
    /// The least pressing that it takes.
    pub minimum_severity: Severity,
    /// How much of the patient it is given.
    pub phi: PhiLevel,
}

/// Name of the sink that always is, after its file.
pub(super) const ALWAYS: &str = "alerts.jsonl";

impl Sink {
    fn new(name: &str, kind: SinkKind, phi: PhiLevel) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            events: EVENTS.iter().filter_map(|(_, event)| *event).collect(),
            minimum_severity: Severity::Routine,
            phi,
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

/// `None` marks what later versions will know.
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
const KINDS: &[(&str, bool)] = &[
    ("log", true),
    ("file", true),
    ("webhook", false),
    ("smtp", false),
    ("mllp", false),
    ("amqp", false),
    ("nats", false),
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
    section.require("kind", "choose `kind = \"log\"` or `kind = \"file\"`");
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
    let kind = kind(section, storage);
    let default_phi = match kind {
        SinkKind::Log => PhiLevel::None,
        SinkKind::File { .. } => PhiLevel::Minimum,
    };
    let default = Sink::new(&name, kind, default_phi);
    Sink {
        events: events(section).unwrap_or(default.events),
        minimum_severity: section
            .choice("minimum_severity", SEVERITIES)
            .unwrap_or(default.minimum_severity),
        phi: section.choice("phi", PHI_LEVELS).unwrap_or(default.phi),
        name: default.name,
        kind: default.kind,
    }
}

fn kind(section: &mut Section<'_>, storage: &Storage) -> SinkKind {
    let works: Vec<&str> = KINDS
        .iter()
        .filter(|(_, works)| *works)
        .map(|(word, _)| *word)
        .collect();
    let kinds: Vec<(&'static str, &'static str)> =
        KINDS.iter().map(|(word, _)| (*word, *word)).collect();
    let word = section.choice("kind", &kinds);
    let file = section.parsed(
        "path",
        "a file",
        "name the file that lines are added to",
        path,
    );
    match word {
        Some("file") => {
            section.require("path", "name the file that lines are added to");
            if file
                .as_ref()
                .is_some_and(|path| *path == storage.dir.join(ALWAYS))
            {
                section.report(
                    "path",
                    Wrong::Conflict(format!(
                        "`{ALWAYS}` in the data directory is always written"
                    )),
                    "remove this sink, or choose another file",
                );
            }
            return SinkKind::File {
                path: file.unwrap_or_default(),
            };
        }
        Some("log") if section.has("path") => section.report(
            "path",
            Wrong::Conflict("a sink of kind `log` has no `path`".to_owned()),
            "remove the key, or choose `kind = \"file\"`",
        ),
        Some(word) if word != "log" => section.report(
            "kind",
            Wrong::NotYet(format!("sink kind `{word}`")),
            format!("the kinds of this version are {}", works.join(" and ")),
        ),
        _ => {}
    }
    SinkKind::Log
}

fn events(section: &mut Section<'_>) -> Option<BTreeSet<TransitionKind>> {
    let expected = super::section::one_of(
        EVENTS
            .iter()
            .filter(|(_, event)| event.is_some())
            .map(|(word, _)| *word),
    );
    let found = section.list(
        "events",
        &expected,
        "leave the key out for all of them",
        |text| EVENTS.iter().find(|(word, _)| *word == text).copied(),
    )?;
    if found.iter().any(|(_, event)| event.is_none()) {
        section.report(
            "events",
            Wrong::NotYet("event `notice`".to_owned()),
            "remove it from the list",
        );
    }
    let events: BTreeSet<TransitionKind> = found.iter().filter_map(|(_, event)| *event).collect();
    if found.is_empty() {
        section.report(
            "events",
            Wrong::Conflict("a sink without events gets no alerts".to_owned()),
            "leave the key out for all events, or remove the sink",
        );
    }
    Some(events)
}
