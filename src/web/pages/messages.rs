//! `/messages`: searching, one message, and once more through.

use super::frame::Frame;
use super::patient::NO_FORM;
use super::{page, part};
use crate::core::message::{MessageView, visible};
use crate::index::{Entry, Outcome};
use crate::users::Role;
use crate::web::Seen;
use crate::web::access::Asking;
use crate::web::door::check_form;
use crate::web::messages::{
    Kept, PARAMETERS, asked, kept, once_more, reading, search, shown as shown_query,
};
use crate::web::pages::clinical::spaced;
use crate::web::pages::patient::found;
use crate::web::problem::Problem;
use crate::web::query;
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;

const ROWS: usize = 50;
/// Bytes that are shown of a message.
const SHOWN: usize = 64 * 1024;

struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
    hint: &'static str,
}

struct Choice {
    word: &'static str,
    here: bool,
}

struct Row {
    position: u64,
    at: String,
    listener: String,
    feed: String,
    kind: String,
    control_id: String,
    patients: String,
    outcome: &'static str,
    tag: &'static str,
}

#[derive(Template)]
#[template(path = "messages.html")]
struct Messages {
    frame: Frame,
    fields: Vec<Field>,
    outcomes: Vec<Choice>,
    rows: Vec<Row>,
    next: Option<String>,
    indexed: usize,
    behind: u64,
}

const LABELS: [(&str, &str, &str); 7] = [
    ("since", "Received since", "2026-01-31 or with a time"),
    ("until", "until", "2026-02-01 or with a time"),
    ("listener", "Listener", ""),
    ("feed", "Feed", "LAB/HOSP"),
    ("type", "Type", "ORU or ORU^R01"),
    ("control_id", "Control id", ""),
    ("patient", "Patient", "HOSP:4711 or 4711"),
];

fn tag(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Paged => "urgent",
        Outcome::Quarantined => "prompt",
        Outcome::Normal => "good",
        Outcome::Ignored | Outcome::Duplicate => "",
    }
}

/// `GET /messages`.
pub(in crate::web) async fn list(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query::read(query.as_deref().unwrap_or_default(), &PARAMETERS)?;
    let mut wanted = asked(&query)?;
    let text = |name: &str| query.text(name).unwrap_or_default().to_owned();
    let chosen = wanted.outcome;
    (seen.auditor)
        .note(&asking, "search_messages", shown_query(&wanted))
        .await?;
    wanted.before = query
        .paging()?
        .cursor
        .map(crate::core::fact::JournalPosition);
    let found = search(&seen, wanted, ROWS).await?;
    let frame = Frame::new(&seen, Some(&asking), "Messages", "/messages");
    let next = found.next.map(|next| {
        let kept: Vec<String> = PARAMETERS
            .iter()
            .filter(|name| !text(name).is_empty())
            .map(|name| format!("{name}={}&", part(&text(name))))
            .collect();
        format!("/messages?{}cursor={}", kept.concat(), next.0)
    });
    let synced = seen.status.borrow().synced;
    Ok(page(&Messages {
        fields: LABELS
            .into_iter()
            .map(|(name, label, hint)| Field {
                name,
                label,
                value: text(name),
                hint,
            })
            .collect(),
        outcomes: Outcome::ALL
            .into_iter()
            .map(|outcome| Choice {
                word: outcome.word(),
                here: chosen == Some(outcome),
            })
            .collect(),
        rows: found
            .entries
            .into_iter()
            .map(|one| row(one, &frame))
            .collect(),
        next,
        indexed: found.indexed,
        behind: synced.0.saturating_sub(found.through.0),
        frame,
    }))
}

fn row(entry: Entry, frame: &Frame) -> Row {
    let dash = |text: String| {
        if text.is_empty() {
            "–".to_owned()
        } else {
            text
        }
    };
    Row {
        position: entry.position.0,
        at: frame.to_the_second(&entry.at.to_rfc3339()),
        listener: entry.listener,
        feed: dash(entry.feed),
        kind: dash(entry.kind),
        control_id: dash(entry.control_id.into_exposed()),
        patients: dash(entry.patients.into_exposed().join(", ")),
        outcome: entry.outcome.word(),
        tag: tag(entry.outcome),
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    frame: Frame,
    position: u64,
    title: String,
    facts: Vec<(&'static str, String)>,
    outcome: &'static str,
    tag: &'static str,
    view: Option<MessageView>,
    quarantine: Vec<(String, String, String)>,
    alerts: Vec<(String, String)>,
    patients: Vec<(String, String)>,
    raw: Vec<(String, bool)>,
    cut: Option<usize>,
    may_mend: bool,
}

/// `GET /messages/{position}`.
pub(in crate::web) async fn show(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(position): Path<u64>,
) -> Result<Response, Problem> {
    (seen.auditor)
        .note(&asking, "view_message", position.to_string())
        .await?;
    let (at, kept) = kept(&seen, position).await?;
    let index = seen.index.clone();
    let entry = tokio::task::spawn_blocking(move || index?.entry(at).ok().flatten()).await;
    let outcome = entry.ok().flatten().map(|entry| entry.outcome);
    let frame = Frame::new(
        &seen,
        Some(&asking),
        &format!("Message {}", at.0),
        "/messages",
    );
    let origin = kept.origin();
    let mut facts = vec![
        ("Received", frame.to_the_second(&kept.at().to_rfc3339())),
        ("Listener", origin.listener.clone()),
        ("Sender", origin.peer.clone()),
        ("Journal position", at.0.to_string()),
    ];
    let bytes = kept.raw().clone();
    let mut made = Message {
        title: format!("Message {}", at.0),
        position: at.0,
        outcome: outcome.map_or("not indexed yet", Outcome::word),
        tag: outcome.map_or("", tag),
        view: None,
        quarantine: Vec::new(),
        alerts: Vec::new(),
        patients: Vec::new(),
        raw: visible(&bytes, SHOWN),
        cut: bytes.len().checked_sub(SHOWN).filter(|more| *more > 0),
        may_mend: asking.who.may(Role::Operator),
        facts: Vec::new(),
        frame,
    };
    match kept {
        Kept::Message(received) => {
            let read = reading(&seen, at, received).await?;
            facts.extend([
                ("Feed", read.feed),
                ("Type", read.kind),
                ("Control id", read.control_id.clone()),
                (
                    "Acknowledged",
                    "accepted once it was on the disk; a relay passes the receiver's own answer"
                        .to_owned(),
                ),
            ]);
            if !read.control_id.is_empty() {
                made.title = format!("Message {}", read.control_id);
            }
            let of_this = move |seen: &Seen| alerts_of(seen, &read.patients, at.0);
            let state = seen.state.clone();
            let also = seen.clone();
            let linked = state.apart(move || of_this(&also)).await;
            (made.patients, made.alerts) = linked.unwrap_or_default();
            made.quarantine = read
                .quarantine
                .into_iter()
                .map(|entry| {
                    let reason = spaced(entry.refusal.reason.word());
                    (
                        reason,
                        entry.refusal.place.to_string(),
                        entry.refusal.remedy,
                    )
                })
                .collect();
            made.view = Some(read.view);
        }
        Kept::Refused(refused) => {
            facts.push(("Whole length", format!("{} bytes", refused.total_len)));
            made.quarantine.push((
                spaced(refused.reason.word()),
                "the frame".to_owned(),
                "look at the sender: what it sent is kept here as it came".to_owned(),
            ));
            made.may_mend = false;
        }
    }
    made.facts = facts;
    Ok(page(&made))
}

type Links = Vec<(String, String)>;

/// The patients of a message, and the alerts that rest on it.
fn alerts_of(
    seen: &Seen,
    patients: &[crate::core::clinical::observation::PatientKey],
    position: u64,
) -> (Links, Links) {
    let (mut people, mut alerts) = (Links::new(), Links::new());
    for key in patients {
        let Ok(found) = found(seen, &key.exposed()) else {
            continue;
        };
        let name = found.view.person.name.unwrap_or_else(|| key.exposed());
        people.push((format!("/patients/{}", part(&found.view.key)), name));
        for step in found.view.episodes.iter().flat_map(|one| &one.transitions) {
            if step.evidence.positions.contains(&position) {
                let kind = crate::core::alert::kind_word(step.kind);
                let says = format!("{}: {}", spaced(kind), step.explanation);
                alerts.push((format!("/alerts/{}", step.alert_id), says));
            }
        }
    }
    (people, alerts)
}

#[derive(Deserialize)]
pub(in crate::web) struct Again {
    csrf: String,
}

/// `POST /messages/{position}/again`.
pub(in crate::web) async fn again(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(position): Path<u64>,
    form: Result<Form<Again>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|_| NO_FORM)?;
    check_form(&seen, &asking, &form.csrf)?;
    once_more(&seen, &asking, position).await?;
    Ok(Redirect::to(&format!("/messages/{position}")).into_response())
}
