//! `/api/v1/messages` and `/api/v1/quarantine`: what came, what was made of it, and once more through.

use super::Seen;
use super::access::Asking;
use super::alerts::answer;
use super::facts::{NO_STATE, body, record};
use super::problem::Problem;
use super::query;
use crate::clock;
use crate::core::audit::Retried;
use crate::core::clinical::observation::PatientKey;
use crate::core::fact::{Fact, JournalPosition, Origin, Received};
use crate::core::fold::state::State as Folded;
use crate::core::fold::values::QuarantineEntry;
use crate::core::fold::views::{self, QuarantineFilter};
use crate::core::message::{self, MessageView};
use crate::core::phi::Phi;
use crate::core::time::Timestamp;
use crate::engine::extract_caught;
use crate::index::{Entry, Found, Outcome, Query};
use crate::telemetry::events;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

const NO_INDEX: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the index of messages cannot be read at present, see the log: try again",
);
const NO_MESSAGE: Problem = Problem::new(
    StatusCode::NOT_FOUND,
    "no message is kept at this position of the journal: it is another fact, or retention has dropped it",
);

/// Names of the parameters of a search.
pub(super) const PARAMETERS: [&str; 8] = [
    "since",
    "until",
    "listener",
    "feed",
    "type",
    "control_id",
    "patient",
    "outcome",
];

/// A search as asked; empty parameters, as forms send them, are none.
pub(super) fn asked(query: &query::Query) -> Result<Query, Problem> {
    let text = |name| {
        let text = query.text(name).map(str::trim).unwrap_or_default();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let time = |name| {
        if text(name).is_some() {
            query.time(name)
        } else {
            Ok(None)
        }
    };
    let outcome: Option<Outcome> = if text("outcome").is_some() {
        query.word("outcome")?
    } else {
        None
    };
    Ok(Query {
        since: time("since")?,
        until: time("until")?,
        listener: text("listener"),
        feed: text("feed"),
        kind: text("type"),
        control_id: text("control_id"),
        patient: text("patient").map(|text| identifier(&text)),
        outcome,
        before: None,
    })
}

/// A search as the pages and the API read it out of a URL; `None` where they refuse it. Public for fuzzing.
pub fn read_search(query: &str) -> Option<Query> {
    let query = query::read(query, &PARAMETERS).ok()?;
    query.paging().ok()?;
    asked(&query).ok()
}

/// The identifier of a key, without its authority; an identifier alone is one too.
fn identifier(text: &str) -> String {
    match PatientKey::readings(text).next() {
        Some(key) => key.id.expose().clone(),
        None => text.to_owned(),
    }
}

/// Searches on a thread that may wait.
pub(super) async fn search(seen: &Seen, query: Query, limit: usize) -> Result<Found, Problem> {
    let index = seen.index.clone().ok_or(NO_INDEX)?;
    let found = tokio::task::spawn_blocking(move || index.search(&query, limit)).await;
    found.map_err(|_| NO_INDEX)?.map_err(|error| {
        events::index_failing(&error.to_string());
        NO_INDEX
    })
}

/// What was searched for, as the audit keeps it.
pub(super) fn shown(asked: &Query) -> String {
    let mut parts = Vec::new();
    let texts = [
        ("listener", &asked.listener),
        ("feed", &asked.feed),
        ("type", &asked.kind),
        ("control_id", &asked.control_id),
        ("patient", &asked.patient),
    ];
    for (name, text) in texts {
        parts.extend(text.as_ref().map(|text| format!("{name}={text}")));
    }
    parts.extend(asked.since.map(|at| format!("since={}", at.to_rfc3339())));
    parts.extend(asked.until.map(|at| format!("until={}", at.to_rfc3339())));
    parts.extend(asked.outcome.map(|one| format!("outcome={}", one.word())));
    parts.join(" ")
}

fn row(entry: Entry) -> Value {
    json!({
        "position": entry.position.0,
        "received_at": entry.at.to_rfc3339(),
        "listener": entry.listener,
        "feed": entry.feed,
        "type": entry.kind,
        "control_id": entry.control_id,
        "patients": entry.patients,
        "outcome": entry.outcome,
    })
}

/// `GET /api/v1/messages`: newest first, with `limit`, `cursor` and [`PARAMETERS`].
pub(super) async fn list(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query::read(query.as_deref().unwrap_or_default(), &PARAMETERS)?;
    let mut wanted = asked(&query)?;
    let paging = query.paging()?;
    seen.auditor
        .note(&asking, "search_messages", shown(&wanted))
        .await?;
    wanted.before = paging.cursor.map(JournalPosition);
    let found = search(&seen, wanted, paging.limit).await?;
    let page = json!({
        "items": found.entries.into_iter().map(row).collect::<Vec<_>>(),
        "next": found.next.map(|next| next.0.to_string()),
        "indexed_through": found.through.0,
    });
    answer(StatusCode::OK, &page)
}

/// What stands at a position.
pub(super) enum Kept {
    /// A message.
    Message(Received),
    /// A frame that was none; its head, and how long it was.
    Refused(Box<crate::core::fact::Refused>),
}

impl Kept {
    pub(super) fn raw(&self) -> &Bytes {
        match self {
            Self::Message(received) => &received.raw,
            Self::Refused(refused) => &refused.raw,
        }
    }

    pub(super) fn origin(&self) -> &Origin {
        match self {
            Self::Message(received) => &received.origin,
            Self::Refused(refused) => &refused.origin,
        }
    }

    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Message(received) => received.received_at,
            Self::Refused(refused) => refused.received_at,
        }
    }
}

/// A message of the journal; of a further copy, the first one.
pub(super) async fn kept(seen: &Seen, position: u64) -> Result<(JournalPosition, Kept), Problem> {
    let appender = seen.appender.clone();
    let through = seen.status.borrow().synced;
    let read = tokio::task::spawn_blocking(move || {
        let mut wanted = JournalPosition(position);
        // A copy leads to its first, which is none.
        for _ in 0..2 {
            let before = JournalPosition(wanted.0.checked_sub(1)?);
            let mut reader = appender.reader(before).ok()?;
            match reader.next(through).ok()?? {
                (at, _) if at != wanted => return None,
                (at, Fact::Received(received)) => return Some((at, Kept::Message(received))),
                (at, Fact::Refused(refused)) => {
                    return Some((at, Kept::Refused(Box::new(refused))));
                }
                (_, Fact::SeenAgain { first, .. }) => wanted = first,
                _ => return None,
            }
        }
        None
    });
    read.await.map_err(|_| NO_MESSAGE)?.ok_or(NO_MESSAGE)
}

/// A message with what we make of it now.
pub(super) struct Reading {
    pub(super) view: MessageView,
    pub(super) patients: Vec<PatientKey>,
    pub(super) control_id: String,
    pub(super) feed: String,
    pub(super) kind: String,
    pub(super) quarantine: Vec<QuarantineEntry>,
}

/// Reads a message as the policy in force reads it.
pub(super) async fn reading(
    seen: &Seen,
    position: JournalPosition,
    received: Received,
) -> Result<Reading, Problem> {
    let policy = Arc::clone(&seen.policy.borrow());
    let read = move |state: &dyn Folded| {
        let (all, after) = (
            QuarantineFilter::default(),
            Some((position.next(), u32::MAX)),
        );
        let found = views::quarantine_newest_first(state, &all, after, 32)?;
        Ok(found
            .into_iter()
            .filter(|entry| entry.position == position)
            .collect())
    };
    let quarantine = seen.state.read_apart(read).await?;
    let made = tokio::task::spawn_blocking(move || {
        let extraction = extract_caught(&received, position, &policy);
        let listener = policy.listeners.get(&received.origin.listener);
        let setting = listener.map_or("auto", |listener| listener.charset.as_str());
        let view = message::view(&received.raw, setting, &extraction);
        Reading {
            view: view.into_exposed(),
            patients: extraction
                .patients
                .iter()
                .map(|part| part.key.clone())
                .collect(),
            control_id: extraction.control_id,
            feed: extraction.feed,
            kind: extraction.message_type,
            quarantine,
        }
    });
    made.await.map_err(|_| NO_STATE)
}

/// `GET /api/v1/messages/{position}`: what came and what was made of it.
pub(super) async fn show(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(position): Path<u64>,
) -> Result<Response, Problem> {
    seen.auditor
        .note(&asking, "view_message", position.to_string())
        .await?;
    let (at, kept) = kept(&seen, position).await?;
    let mut value = json!({
        "position": at.0,
        "received_at": kept.at().to_rfc3339(),
        "listener": kept.origin().listener,
        "peer": kept.origin().peer,
        "bytes": kept.raw().len(),
    });
    if let Kept::Message(received) = kept {
        let read = reading(&seen, at, received).await?;
        let more = json!({
            "control_id": read.control_id,
            "feed": read.feed,
            "type": read.kind,
            "patients": read.patients.iter().map(PatientKey::exposed).collect::<Vec<_>>(),
            "message": read.view,
            "quarantine": read.quarantine.iter().map(quarantine_row).collect::<Vec<_>>(),
        });
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
    }
    answer(StatusCode::OK, &Phi::new(value))
}

/// `GET /api/v1/messages/{position}/raw`: the exact bytes.
pub(super) async fn raw(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(position): Path<u64>,
) -> Result<Response, Problem> {
    seen.auditor
        .note(&asking, "export_message", position.to_string())
        .await?;
    let (at, kept) = kept(&seen, position).await?;
    let name = format!("attachment; filename=\"message-{}.hl7\"", at.0);
    let mut response = kept.raw().clone().into_response();
    let headers = response.headers_mut();
    // Never a type that a browser shows.
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// `POST /api/v1/messages/{position}/again` and `/api/v1/quarantine/{id}/retry`: the message is read once
/// more, as if it came now, by the tables in force, and what is new is decided about.
pub(super) async fn again(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(position): Path<u64>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let _: Value = body(&headers, bytes, "send `{}`")?;
    let folded = once_more(&seen, &asking, position).await?;
    let status = if folded {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    answer(status, &json!({"message": position, "folded": folded}))
}

/// Puts a message through again; whether the state knows of it.
pub(super) async fn once_more(
    seen: &Seen,
    asking: &Asking,
    position: u64,
) -> Result<bool, Problem> {
    let (at, kept) = kept(seen, position).await?;
    let Kept::Message(mut received) = kept else {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this is a frame without a readable message: have the sender send it again",
        ));
    };
    seen.auditor
        .note(asking, "send_again", at.0.to_string())
        .await?;
    let now = clock::now();
    received.received_at = now;
    let retried = Retried {
        message: at,
        by: asking.who.name.clone(),
        at: now,
    };
    events::sent_again(at.0, &retried.by);
    // One behind the other: the fold takes the second for the copy that the first one tells of.
    record(seen, vec![Fact::Retried(retried), Fact::Received(received)]).await
}

/// An entry of the quarantine.
pub(super) fn quarantine_row(entry: &QuarantineEntry) -> Value {
    json!({
        "id": entry.position.0.to_string(),
        "position": entry.position.0,
        "number": entry.number,
        "reason": entry.refusal.reason,
        "place": entry.refusal.place.to_string(),
        "remedy": entry.refusal.remedy,
        "listener": entry.listener,
        "peer": entry.peer,
        "feed": entry.feed,
        "type": entry.message_type,
        "control_id": entry.control_id,
        "received_at": entry.received_at.to_rfc3339(),
    })
}

#[derive(Serialize)]
struct Page {
    items: Vec<Phi<Value>>,
    next: Option<String>,
}

/// `GET /api/v1/quarantine`: newest first, with `limit`, `cursor`, `reason`, `listener`, `feed`, `since`, `until`.
pub(super) async fn quarantine(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = query::read(
        query.as_deref().unwrap_or_default(),
        &["reason", "listener", "feed", "since", "until"],
    )?;
    let text = |name| asked.text(name).map(str::to_owned);
    let filter = QuarantineFilter {
        reason: asked.word("reason")?,
        listener: text("listener"),
        feed: text("feed"),
        since: asked.time("since")?,
        until: asked.time("until")?,
    };
    let paging = asked.paging()?;
    seen.auditor.note(&asking, "view_quarantine", "").await?;
    // Entries of one message stand together: a page ends between two.
    let after = paging.cursor.map(|at| (JournalPosition(at), u32::MAX));
    let limit = paging.limit;
    let read =
        move |state: &dyn Folded| views::quarantine_newest_first(state, &filter, after, limit);
    let found = seen.state.read_apart(read).await?;
    let next = (found.len() >= limit).then(|| found.last().map(|last| last.position.0.to_string()));
    let page = Page {
        items: found
            .iter()
            .map(|one| Phi::new(quarantine_row(one)))
            .collect(),
        next: next.flatten(),
    };
    answer(StatusCode::OK, &page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_query_is_read_or_refused(query in "(since|until|type|patient|limit|cursor|outcome)?[=&%+0-9a-fA-F:TZ^-]{0,24}") {
            let _ = read_search(&query);
        }

        #[test]
        fn what_is_written_as_a_query_is_what_is_searched_for(text in "\\PC{1,20}", limit in 1_u32..1000) {
            let query = format!("control_id={}&limit={limit}", utf8_percent_encode(&text, NON_ALPHANUMERIC));
            let search = read_search(&query).expect("right");
            let wanted = Some(text.trim()).filter(|text| !text.is_empty());
            prop_assert_eq!(search.control_id.as_deref(), wanted);
        }
    }
}
