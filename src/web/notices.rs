//! `/api/v1/notices`: what about Pentamer itself an operator must act on.

use super::Seen;
use crate::core::time::Timestamp;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    /// There is one page.
    next: Option<String>,
}

#[derive(Serialize)]
struct Item {
    kind: &'static str,
    since: String,
    text: String,
}

/// A time as the API writes it.
pub(super) fn shown_time(at: Timestamp) -> String {
    at.to_rfc3339()
}

/// `GET /api/v1/notices`: `{"items": [{"kind", "since", "text"}], "next": null}`.
pub(super) async fn list(State(seen): State<Seen>) -> Response {
    let items = seen.notices.list().into_iter().map(|notice| Item {
        kind: notice.kind.word(),
        since: shown_time(notice.since),
        text: notice.text,
    });
    let page = Page {
        items: items.collect(),
        next: None,
    };
    let body = serde_json::to_vec(&page).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
