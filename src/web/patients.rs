//! `/api/v1/patients/{key}` and the undo of a merge.

use super::access::Asking;
use super::guard::is_json;
use super::problem::Problem;
use super::{Seen, json};
use crate::clock;
use crate::core::clinical::observation::PatientKey;
use crate::core::fact::{Fact, JournalPosition, MergeUndone};
use crate::core::fold::dossier::{self, Join};
use crate::core::fold::state::StateError;
use crate::core::patient::{Moment, view};
use crate::core::phi::Phi;
use crate::journal::Draft;
use crate::telemetry::events;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a request waits for its fact to be durable.
const STORE_WITHIN: Duration = Duration::from_secs(10);
/// How long it waits for the state to know of it.
const FOLD_WITHIN: Duration = Duration::from_secs(10);
/// Characters of a comment, and of a name.
const LONGEST_COMMENT: usize = 4_000;
const LONGEST_NAME: usize = 200;

const NO_KEY: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "a patient's key is `authority:id`, percent-encoded, such as `HOSP%3A4711`",
);
pub(super) const NO_PATIENT: Problem = Problem::new(
    StatusCode::NOT_FOUND,
    "nothing was ever reported under this key; authority and id are written as the messages have them",
);
const NO_MERGE: Problem = Problem::new(
    StatusCode::NOT_FOUND,
    "no merge joins these two ids; `identity_events` of the patient names those that there are",
);
const NO_STATE: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the state is being built from the journal, see /readyz: try again",
);
const NOT_STORED: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the journal cannot store at present, see /readyz: look at the patient, and try again",
);

impl From<StateError> for Problem {
    fn from(_: StateError) -> Self {
        NO_STATE
    }
}

/// `GET /api/v1/patients/{key}`.
pub(super) async fn show(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    key: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let key = key_text(key)?;
    seen.auditor
        .note(&asking, "view_patient", key.as_str())
        .await?;
    let state = seen.state.clone();
    let body = state.apart(move || shown(&seen, &key)).await;
    let body = body.ok_or(NO_STATE)??;
    Ok(json(StatusCode::OK, body))
}

fn shown(seen: &Seen, text: &str) -> Result<Vec<u8>, Problem> {
    let current = seen.progress.borrow().current;
    let found = seen.state.read(|state| {
        let key = dossier::known_key(state, text)?;
        let found = key.map(|key| dossier::dossier(state, &key));
        Ok(found.transpose()?.flatten())
    })?;
    let Some(dossier) = found else {
        return Err(if current { NO_PATIENT } else { NO_STATE });
    };
    let now = clock::now();
    let policy = Arc::clone(&seen.policy.borrow());
    let view = view(&dossier, &policy, Moment { now, current });
    serde_json::to_vec(&view).map_err(|_| NO_STATE)
}

/// The body of an unmerge. Holds patients' data and has no `Debug`.
#[derive(Deserialize)]
struct Asked {
    from: Option<String>,
    comment: Option<String>,
    by: Option<String>,
}

/// What was recorded.
#[derive(Serialize)]
struct Recorded {
    undone: Vec<RecordedUndo>,
    /// The state knows of it: asking for the patients shows it.
    folded: bool,
}

#[derive(Serialize)]
struct RecordedUndo {
    #[serde(flatten)]
    undone: Phi<MergeUndoneView>,
    position: JournalPosition,
}

#[derive(Serialize)]
struct MergeUndoneView {
    prior: String,
    survivor: String,
    by: String,
    at: String,
    comment: Phi<String>,
}

/// `POST /api/v1/patients/{key}/unmerge` with `{"from": "authority:id", "comment": "…", "by": "…"}`.
///
/// 200 when the undo is durable and the state knows of it, 202 when the state takes longer. To ask
/// again does no harm: what is undone is undone once.
pub(super) async fn unmerge(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    key: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    if !is_json(&headers) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the body as `Content-Type: application/json`",
        ));
    }
    let key = key_text(key)?;
    let body = body.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is too large or broken off",
        )
    })?;
    let Order { from, comment, by } = order(&body)?;
    let by = asking.author(by);
    seen.auditor.note(&asking, "unmerge", key.as_str()).await?;
    let found = {
        let seen = seen.clone();
        let state = seen.state.clone();
        state.apart(move || found_joins(&seen, &key, &from)).await
    };
    let joins = found.ok_or(NO_STATE)??;
    let at = clock::now();
    let facts: Vec<MergeUndone> = joins
        .into_iter()
        .map(|join| MergeUndone {
            through: at.max(join.newest),
            prior: join.prior,
            survivor: join.survivor,
            by: by.clone(),
            comment: comment.clone(),
            at,
        })
        .collect();
    let positions = store(&seen, &facts).await?;
    let last = positions.iter().max().copied().unwrap_or_default();
    events::merge_undone(last.0);
    let mut progress = seen.progress.clone();
    let folding = progress.wait_for(|progress| progress.folded >= last);
    let folded = matches!(timeout(FOLD_WITHIN, folding).await, Ok(Ok(_)));
    let undone = facts
        .into_iter()
        .zip(positions)
        .map(|(fact, position)| RecordedUndo {
            undone: Phi::new(MergeUndoneView {
                prior: fact.prior.exposed(),
                survivor: fact.survivor.exposed(),
                by: fact.by,
                at: fact.at.to_rfc3339(),
                comment: fact.comment,
            }),
            position,
        })
        .collect();
    let body = serde_json::to_vec(&Recorded { undone, folded }).map_err(|_| NO_STATE)?;
    let status = if folded {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok(json(status, body))
}

/// A checked body. Holds patients' data and has no `Debug`.
struct Order {
    from: String,
    comment: Phi<String>,
    by: String,
}

fn order(body: &[u8]) -> Result<Order, Problem> {
    let wrong = |detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let asked: Asked = serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            wrong("`from`, `comment` and `by` are texts: {\"from\": \"authority:id\", \"comment\": \"…\"}")
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "the body is not JSON"),
    })?;
    let given = |text: Option<String>| {
        let text = text.unwrap_or_default().trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let Some(from) = given(asked.from).filter(|from| PatientKey::readings(from).next().is_some())
    else {
        return Err(wrong(
            "`from` is missing: the id to part from, as `authority:id`",
        ));
    };
    let Some(comment) = given(asked.comment) else {
        return Err(wrong("`comment` is missing: say why the merge was wrong"));
    };
    let by = given(asked.by).unwrap_or_else(|| "local".to_owned());
    if comment.chars().count() > LONGEST_COMMENT || by.chars().count() > LONGEST_NAME {
        return Err(wrong(
            "`comment` holds at most 4000 characters and `by` at most 200",
        ));
    }
    Ok(Order {
        from,
        comment: Phi::new(comment),
        by,
    })
}

fn found_joins(seen: &Seen, key: &str, from: &str) -> Result<Vec<Join>, Problem> {
    if !seen.progress.borrow().current {
        return Err(NO_STATE);
    }
    seen.state.read(|state| {
        let Some(key) = dossier::known_key(state, key)? else {
            return Ok(Err(NO_PATIENT));
        };
        let Some(from) = dossier::known_key(state, from)? else {
            return Ok(Err(NO_MERGE));
        };
        let joins = dossier::joins(state, &key, &from)?;
        Ok(if joins.is_empty() {
            Err(NO_MERGE)
        } else {
            Ok(joins)
        })
    })?
}

/// Makes the facts durable; their positions.
async fn store(seen: &Seen, facts: &[MergeUndone]) -> Result<Vec<JournalPosition>, Problem> {
    let group = facts
        .iter()
        .cloned()
        .map(|fact| Draft::from(Fact::MergeUndone(fact)))
        .collect();
    let storing = async {
        let answer = seen.appender.submit(group).await.map_err(|_| NOT_STORED)?;
        answer.await.map_err(|_| NOT_STORED)
    };
    let stored = timeout(STORE_WITHIN, storing)
        .await
        .map_err(|_| NOT_STORED)??;
    Ok(stored.iter().map(|one| one.position).collect())
}

pub(super) fn key_text(key: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Ok(Path(text)) = key else {
        return Err(NO_KEY);
    };
    if PatientKey::readings(&text).next().is_none() {
        return Err(NO_KEY);
    }
    Ok(text)
}
