//! What people do through the API, as facts: checked, stored, and waited for.

use super::Seen;
use super::access::Asking;
use super::guard::is_json;
use super::problem::Problem;
use crate::core::fact::{Fact, JournalPosition};
use crate::journal::{Draft, Stored};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

/// How long a request waits for its fact to be durable.
const STORE_WITHIN: Duration = Duration::from_secs(10);
/// How long it waits for the state to know of it.
const FOLD_WITHIN: Duration = Duration::from_secs(10);
/// Characters of a comment, and of a name.
const LONGEST_COMMENT: usize = 4_000;
const LONGEST_NAME: usize = 200;

pub(super) const NO_STATE: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the state is being built from the journal, see /readyz: try again",
);
const NOT_STORED: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the journal cannot store at present, see /readyz: look whether it was done, and try again",
);

/// The body of a request that changes something.
pub(super) fn body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    expected: &'static str,
) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the body as `Content-Type: application/json`",
        ));
    }
    let body = body.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is too large or broken off",
        )
    })?;
    serde_json::from_slice(&body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, expected)
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "the body is not JSON"),
    })
}

/// A text that is there: trimmed, not empty, not too long.
pub(super) fn given(text: Option<String>, missing: &'static str) -> Result<String, Problem> {
    let text = text.unwrap_or_default().trim().to_owned();
    if text.is_empty() {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, missing));
    }
    if text.chars().count() > LONGEST_COMMENT {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a text holds at most 4000 characters",
        ));
    }
    Ok(text)
}

/// Who: whoever is signed in, whatever the body says; without users the one it names, else `local`.
pub(super) fn author(asking: &Asking, by: Option<String>) -> Result<String, Problem> {
    let by = by.unwrap_or_default().trim().to_owned();
    if by.chars().count() > LONGEST_NAME {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "`by` holds at most 200 characters",
        ));
    }
    let by = if by.is_empty() {
        "local".to_owned()
    } else {
        by
    };
    Ok(asking.author(by))
}

/// Makes facts durable, and waits for the state to know of them: whether it does.
pub(super) async fn record(seen: &Seen, facts: Vec<Fact>) -> Result<bool, Problem> {
    let group = facts.into_iter().map(Draft::from).collect();
    let (_, folded) = store(seen, group).await?;
    seen.acted.send_modify(|acts| *acts = acts.wrapping_add(1));
    Ok(folded)
}

/// Makes a group durable, and waits for the state to know of it: what became of each, and whether it does.
pub(super) async fn store(seen: &Seen, group: Vec<Draft>) -> Result<(Vec<Stored>, bool), Problem> {
    let storing = async {
        let answer = seen.appender.submit(group).await.map_err(|_| NOT_STORED)?;
        answer.await.map_err(|_| NOT_STORED)
    };
    let stored = timeout(STORE_WITHIN, storing)
        .await
        .map_err(|_| NOT_STORED)??;
    let last: JournalPosition = stored
        .iter()
        .map(|one| one.position)
        .max()
        .unwrap_or_default();
    let mut progress = seen.progress.clone();
    let folding = progress.wait_for(|progress| progress.folded >= last);
    let folded = matches!(timeout(FOLD_WITHIN, folding).await, Ok(Ok(_)));
    Ok((stored, folded))
}
