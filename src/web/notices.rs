//! `/api/v1/notices`: what about Pentamer itself an operator must act on.

use super::{Seen, json};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
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

/// `GET /api/v1/notices`: `{"items": [{"kind", "since", "text"}], "next": null}`.
pub(super) async fn list(State(seen): State<Seen>) -> Response {
    let items = seen.notices.list().into_iter().map(|notice| Item {
        kind: notice.kind.word(),
        since: notice.since.to_rfc3339(),
        text: notice.text,
    });
    let page = Page {
        items: items.collect(),
        next: None,
    };
    let body = serde_json::to_vec(&page).unwrap_or_default();
    json(StatusCode::OK, body)
}
