//! `/api/v1/replay`: messages out of an archive, into the journal like any other, paging nobody by themselves.

use super::Seen;
use super::access::Asking;
use super::alerts::answer;
use super::facts::{author, body, store};
use super::problem::Problem;
use crate::clock;
use crate::engine::prime::{self, Terms};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

/// Bytes of a request at most.
pub(super) const LARGEST_BODY: usize = 32 << 20;

const NO_MESSAGES: Problem = Problem::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "`messages` holds from 1 to 500 messages, each in base64",
);
const NO_LISTENER: Problem = Problem::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "`listener` is none of this daemon's: name the one whose feed the archive is of",
);

/// The body. Holds messages and has no `Debug`.
#[derive(Deserialize)]
struct Wanted {
    listener: String,
    messages: Vec<String>,
    #[serde(default)]
    page: bool,
    by: Option<String>,
}

/// `POST /api/v1/replay`: answers when the state knows of them, so that an archive never pushes the feed back.
pub(super) async fn take(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let wanted: Wanted = body(
        &headers,
        bytes,
        "send {\"listener\": \"…\", \"messages\": [\"base64\"], \"page\": false}",
    )?;
    let by = author(&asking, wanted.by)?;
    if !seen
        .policy
        .borrow()
        .listeners
        .contains_key(&wanted.listener)
    {
        return Err(NO_LISTENER);
    }
    if !(1..=prime::AT_ONCE).contains(&wanted.messages.len()) {
        return Err(NO_MESSAGES);
    }
    let contents: Result<Vec<Bytes>, _> = wanted
        .messages
        .iter()
        .map(|text| STANDARD.decode(text).map(Bytes::from))
        .collect();
    let contents = contents.map_err(|_| NO_MESSAGES)?;
    let subject = format!("{} messages, page: {}", contents.len(), wanted.page);
    seen.auditor.note(&asking, "replay", subject).await?;
    let terms = Terms {
        listener: wanted.listener,
        page: wanted.page,
        by,
    };
    let group = prime::group(contents, &terms, clock::now());
    let (messages, unreadable) = (group.messages, group.unreadable);
    let (stored, folded) = store(&seen, group.drafts).await?;
    let again = stored
        .iter()
        .filter(|one| one.duplicate_of.is_some())
        .count();
    let status = if folded {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let made = json!({
        "stored": messages.saturating_sub(again),
        "again": again,
        "unreadable": unreadable,
        "folded": folded,
    });
    answer(status, &made)
}
