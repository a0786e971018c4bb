//! `/api/v1/cluster`: the instances that share the stream of facts, and how the stream is, as JetStream said it last.

use super::problem::Problem;
use super::{Seen, json};
use crate::cluster::Overview;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

const NO_CLUSTER: Problem = Problem::new(
    StatusCode::NOT_FOUND,
    "this instance keeps its facts in a journal of its own: no `[cluster]` is configured",
);

/// The one who answers.
#[derive(Serialize)]
struct Instance<'a> {
    name: &'a str,
    /// It decides and delivers.
    holds: bool,
    /// It is to take nothing.
    drained: bool,
    /// Who decides, as far as it knows.
    holder: Option<String>,
    /// In this epoch.
    epoch: u64,
}

#[derive(Serialize)]
struct Shown<'a> {
    instance: Instance<'a>,
    /// JetStream answered the last question.
    answers: bool,
    /// Why it did not.
    trouble: Option<String>,
    /// When the overview was asked for, and how long ago that is.
    asked_at: Option<String>,
    age_seconds: Option<u64>,
    overview: Option<&'a Overview>,
}

/// `GET /api/v1/cluster`. Waits for nobody: the overview may be some seconds old, and older while JetStream is away.
pub(super) async fn show(State(seen): State<Seen>) -> Result<Response, Problem> {
    let outlook = seen.cluster.as_ref().ok_or(NO_CLUSTER)?;
    let standing = outlook.standing();
    let heard = outlook.heard();
    let last = heard.last.as_deref();
    let shown = Shown {
        instance: Instance {
            name: outlook.name(),
            holds: standing.is_ours,
            drained: standing.drained,
            holder: standing.holder,
            epoch: standing.epoch,
        },
        answers: last.is_some() && heard.trouble.is_none(),
        trouble: heard.trouble,
        asked_at: last.map(|last| last.at.to_rfc3339()),
        age_seconds: last.map(|last| last.age().as_secs()),
        overview: last.map(|last| &last.overview),
    };
    let body = serde_json::to_vec(&shown).unwrap_or_default();
    Ok(json(StatusCode::OK, body))
}
