//! `/api/v1/queue`: what waits at each sink, what was refused, and what to do about it.

use super::Seen;
use super::access::Asking;
use super::alerts::{Page, answer};
use super::facts::{author, body, given, record};
use super::problem::Problem;
use super::query::{self, Paging};
use crate::clock;
use crate::core::delivery::{Replayed, Requeued};
use crate::core::fact::Fact;
use crate::core::fold::state::State as Folded;
use crate::core::fold::views;
use crate::core::time::Timestamp;
use crate::core::worklist;
use crate::deliver::Handle;
use crate::telemetry::events;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

const NO_SINK: Problem = Problem::new(
    StatusCode::NOT_FOUND,
    "no sink of this name is configured: `/api/v1/queue` names those that there are",
);
const ENDING: Problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is ending");

fn sink(seen: &Seen, name: &str) -> Result<Handle, Problem> {
    let sinks = seen.sinks.borrow();
    let found = sinks.iter().find(|handle| handle.name == name);
    found.cloned().ok_or(NO_SINK)
}

/// `GET /api/v1/queue`: one row a sink.
pub(super) async fn list(State(seen): State<Seen>) -> Result<Response, Problem> {
    let handles = seen.sinks.borrow().clone();
    let read = move |state: &dyn Folded| handles.iter().map(|handle| row(state, handle)).collect();
    let items: Vec<Value> = seen.state.read_apart(read).await?;
    answer(StatusCode::OK, &Page { items, next: None })
}

pub(super) fn row(
    state: &dyn Folded,
    handle: &Handle,
) -> Result<Value, crate::core::fold::state::StateError> {
    let (depth, oldest) = views::queue_depth(state, &handle.name)?;
    let dead = views::dead_count(state, &handle.name)?;
    let status = handle.status.borrow().clone();
    let shown = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
    Ok(json!({
        "sink": handle.name,
        "kind": handle.kind,
        "waiting": depth,
        "oldest": shown(oldest),
        "dead": dead,
        "failures": status.failures,
        "failing_since": shown(status.failing_since),
        "last_error": status.last_error,
        "last_delivered": shown(status.last_delivered),
    }))
}

/// `GET /api/v1/queue/{sink}`: what waits, in the order in which it goes.
pub(super) async fn show(
    State(seen): State<Seen>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    page(
        &seen,
        &name,
        query.as_deref(),
        |state, name, after, limit| {
            let found = views::queued(state, name, after, limit)?;
            Ok(found
                .iter()
                .map(|one| (one.place, worklist::waiting(one)))
                .collect())
        },
    )
    .await
}

/// `GET /api/v1/queue/{sink}/dead`.
pub(super) async fn dead(
    State(seen): State<Seen>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    page(
        &seen,
        &name,
        query.as_deref(),
        |state, name, after, limit| {
            let found = views::dead(state, name, after, limit)?;
            Ok(found
                .iter()
                .map(|one| (one.0.place, worklist::dead(one)))
                .collect())
        },
    )
    .await
}

type Rows = Result<Vec<(u64, Value)>, crate::core::fold::state::StateError>;

async fn page(
    seen: &Seen,
    name: &str,
    query: Option<&str>,
    rows: fn(&dyn Folded, &str, u64, usize) -> Rows,
) -> Result<Response, Problem> {
    let name = sink(seen, name)?.name.clone();
    let asked = query::read(query.unwrap_or_default(), &[])?;
    let Paging { limit, cursor } = asked.paging()?;
    let read = move |state: &dyn Folded| rows(state, &name, cursor.unwrap_or_default(), limit);
    let found = seen.state.read_apart(read).await?;
    let full = found.len() >= limit;
    let last = found.last().map(|(place, _)| place.to_string());
    let page = Page {
        items: found.into_iter().map(|(_, row)| row).collect(),
        next: last.filter(|_| full),
    };
    answer(StatusCode::OK, &page)
}

#[derive(Debug, Deserialize)]
struct Requeue {
    #[serde(default)]
    alert_ids: Vec<String>,
    #[serde(default)]
    all: bool,
    /// Only those whose reason holds this text.
    reason: Option<String>,
    by: Option<String>,
}

/// `POST /api/v1/queue/{sink}/requeue`: alerts by id, or all dead letters, or those with a reason.
pub(super) async fn requeue(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(name): Path<String>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let sink = sink(&seen, &name)?.name.clone();
    let expected =
        "`alert_ids` is a list of texts, `all` is true or false, `reason` and `by` are texts";
    let asked: Requeue = body(&headers, bytes, expected)?;
    let by = author(&asking, asked.by)?;
    let wrong = |detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let by_filter = asked.all || asked.reason.is_some();
    if by_filter != asked.alert_ids.is_empty() {
        return Err(wrong("name `alert_ids`, or give `all` or `reason`"));
    }
    let (wanted, of) = (asked.alert_ids, sink.clone());
    let reason = asked.reason.unwrap_or_default();
    let read = move |state: &dyn Folded| {
        if by_filter {
            let dead = views::dead(state, &of, 0, usize::MAX)?;
            let held = dead.into_iter().filter(|one| {
                let row = worklist::dead(one);
                row["reason"].as_str().unwrap_or_default().contains(&reason)
            });
            return Ok(Some(
                held.map(|(one, _)| one.transition.alert_id.0).collect(),
            ));
        }
        for id in &wanted {
            if views::alert(state, id)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(wanted))
    };
    let found: Option<Vec<String>> = seen.state.read_apart(read).await?;
    let unknown = Problem::new(
        StatusCode::NOT_FOUND,
        "there is no alert of one of these ids",
    );
    let alert_ids = found.ok_or(unknown)?;
    let count = alert_ids.len();
    if count > 0 {
        seen.auditor.note(&asking, "requeue", sink.as_str()).await?;
        events::requeued(&sink, count, &by);
        let at = clock::now();
        let fact = Requeued {
            sink,
            alert_ids,
            by,
            at,
        };
        record(&seen, vec![Fact::Requeued(fact)]).await?;
    }
    answer(StatusCode::OK, &json!({"requeued": count}))
}

/// All dead letters of a sink once more.
pub(super) async fn requeue_all(seen: &Seen, asking: &Asking, name: &str) -> Result<(), Problem> {
    let sink = sink(seen, name)?.name.clone();
    let of = sink.clone();
    let read = move |state: &dyn Folded| views::dead(state, &of, 0, usize::MAX);
    let dead = seen.state.read_apart(read).await?.into_iter();
    let alert_ids: Vec<String> = dead.map(|(one, _)| one.transition.alert_id.0).collect();
    if alert_ids.is_empty() {
        return Ok(());
    }
    seen.auditor.note(asking, "requeue", sink.as_str()).await?;
    let by = asking.who.name.clone();
    events::requeued(&sink, alert_ids.len(), &by);
    let fact = Requeued {
        sink,
        alert_ids,
        by,
        at: clock::now(),
    };
    record(seen, vec![Fact::Requeued(fact)]).await.map(drop)
}

#[derive(Debug, Deserialize)]
struct Replay {
    since: Option<String>,
    by: Option<String>,
}

/// `POST /api/v1/queue/{sink}/replay`: everything decided since a time again, in order, with the same ids.
pub(super) async fn replay(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(name): Path<String>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let sink = sink(&seen, &name)?.name.clone();
    let asked: Replay = body(&headers, bytes, "`since` and `by` are texts")?;
    let by = author(&asking, asked.by)?;
    let since = given(asked.since, "`since` is missing: say from when on")?;
    let since = query::instant(&since).ok_or(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "`since` is a time such as 2026-01-31T10:00:00Z or 2026-01-31",
    ))?;
    let of = sink.clone();
    let read = move |state: &dyn Folded| {
        let after = views::place_before(state, since)?;
        let cursor = views::cursor(state, &of)?.unwrap_or_default();
        Ok((after, cursor))
    };
    let (after, cursor) = seen.state.read_apart(read).await?;
    let count = cursor.saturating_sub(after);
    if count > 0 {
        seen.auditor.note(&asking, "replay", sink.as_str()).await?;
        events::replayed(&sink, count, &by);
        let at = clock::now();
        let fact = Replayed {
            sink,
            after,
            by,
            at,
        };
        record(&seen, vec![Fact::Replayed(fact)]).await?;
    }
    answer(StatusCode::OK, &json!({"replayed": count}))
}

/// `POST /api/v1/queue/{sink}/test`: a marked test alert, now; 200 with the time that it took, 502 with
/// the reason.
pub(super) async fn test(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(name): Path<String>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let _: Value = body(&headers, bytes, "send `{}`")?;
    let handle = sink(&seen, &name)?.clone();
    seen.auditor
        .note(&asking, "test_sink", name.as_str())
        .await?;
    match handle.test().await.ok_or(ENDING)? {
        Ok(took) => answer(
            StatusCode::OK,
            &json!({"sink": handle.name, "delivered": true, "seconds": took.as_secs_f64()}),
        ),
        Err(error) => answer(
            StatusCode::BAD_GATEWAY,
            &json!({"sink": handle.name, "delivered": false, "reason": error.to_string()}),
        ),
    }
}
