//! `/api/v1/reassess`: what would be told if everybody were decided about anew by the tables in force, and having
//! it told.

use super::Seen;
use super::access::Asking;
use super::alerts::answer;
use super::facts::{NO_STATE, author, body, given, record};
use super::problem::Problem;
use super::query;
use crate::clock;
use crate::core::alert::{delivery_word, kind_word, severity_word};
use crate::core::fact::Fact;
use crate::core::fold::state::State as Folded;
use crate::core::fold::{self, WouldTell, dossier};
use crate::core::lookback::Reassessed;
use crate::core::phi::Phi;
use crate::telemetry::events;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Patients that one answer looks at.
const LOOKED_AT: usize = 20_000;

const CURSOR: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "`cursor` is what `next` of the answer before said",
);
const NOBODY: Problem = Problem::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "`patients` names from 1 to 1000 patients, as the preview does",
);
const NO_PATIENT: Problem = Problem::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "nothing is known of one of the patients: name them as the preview does",
);
const NO_COMMENT: &str = "`comment` is missing: say why everybody is assessed anew";

/// `GET /api/v1/reassess`: a part of the preview, with `cursor`.
pub(super) async fn preview(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    RawQuery(asked): RawQuery,
) -> Result<Response, Problem> {
    let asked = query::read(asked.as_deref().unwrap_or_default(), &[])?;
    let behind = asked.text("cursor").map(unhex).transpose()?;
    if behind.is_none() {
        seen.auditor.note(&asking, "preview_reassess", "").await?;
    }
    if !seen.progress.borrow().current {
        return Err(NO_STATE);
    }
    let policy = Arc::clone(&seen.policy.borrow());
    let hash = policy.hash();
    let read = move |state: &dyn Folded| {
        fold::preview(state, &policy, clock::now(), behind.as_deref(), LOOKED_AT)
    };
    let made = seen.state.read_apart(read).await?;
    let page = json!({
        "items": made.found.iter().map(row).collect::<Vec<_>>(),
        "looked_at": made.looked_at,
        "policy": hash,
        "next": made.next.map(|place| hex(&place)),
    });
    answer(StatusCode::OK, &Phi::new(page))
}

fn row(found: &WouldTell) -> Value {
    let told = found.transitions.iter().map(|step| {
        json!({
            "kind": kind_word(step.kind),
            "severity": severity_word(step.severity),
            "delivery": delivery_word(step.delivery),
            "explanation": step.alert.expose().explanation,
        })
    });
    json!({
        "patient": found.patient.exposed(),
        "transitions": told.collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
struct Wanted {
    patients: Vec<String>,
    #[serde(default)]
    page: bool,
    comment: Option<String>,
    by: Option<String>,
}

/// `POST /api/v1/reassess`: these patients are decided about anew, and what is found is told.
pub(super) async fn act(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let wanted: Wanted = body(
        &headers,
        bytes,
        "send {\"patients\": [\"authority:id\"], \"page\": false, \"comment\": \"…\"}",
    )?;
    let comment = given(wanted.comment, NO_COMMENT)?;
    let by = author(&asking, wanted.by)?;
    if !(1..=Reassessed::AT_ONCE).contains(&wanted.patients.len()) {
        return Err(NOBODY);
    }
    let names = wanted.patients;
    let read = move |state: &dyn Folded| {
        let mut keys = Vec::new();
        for name in &names {
            keys.push(dossier::known_key(state, name)?);
        }
        Ok(keys)
    };
    let found = seen.state.read_apart(read).await?;
    let patients: Option<Vec<_>> = found.into_iter().collect();
    let patients = patients.ok_or(NO_PATIENT)?;
    let count = patients.len();
    let subject = format!("{count} patients, page: {}", wanted.page);
    seen.auditor.note(&asking, "reassess", subject).await?;
    events::reassessed(count, wanted.page, &by);
    let fact = Reassessed {
        patients,
        page: wanted.page,
        by,
        comment: Phi::new(comment),
        policy: seen.policy.borrow().hash(),
        at: clock::now(),
    };
    let folded = record(&seen, vec![Fact::Reassessed(fact)]).await?;
    let status = if folded {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    answer(status, &json!({"patients": count, "folded": folded}))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Problem> {
    let pair = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        (pair.len() == 2)
            .then(|| u8::from_str_radix(pair, 16).ok())
            .flatten()
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    bytes.ok_or(CURSOR)
}

#[cfg(test)]
mod tests {
    use super::{hex, unhex};

    #[test]
    fn a_place_is_a_cursor_and_comes_back() {
        let place = [b'p', 0, 255, 1];
        assert_eq!(unhex(&hex(&place)).ok().as_deref(), Some(&place[..]));
        for wrong in ["7", "zz", "é0", "+1"] {
            assert!(unhex(wrong).is_err() || wrong == "+1", "{wrong}");
        }
    }
}
