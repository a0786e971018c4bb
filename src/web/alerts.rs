//! `/api/v1/alerts` and mutes: what was told, who took note, and who need not be told.

use super::access::{Asking, Way};
use super::facts::{NO_STATE, author, body, given, record};
use super::problem::Problem;
use super::query::{self, Paging};
use super::{Seen, json};
use crate::clock;
use crate::core::clinical::observation::PatientKey;
use crate::core::delivery::mute::Scope;
use crate::core::delivery::{Acknowledged, Muted, Unmuted};
use crate::core::fact::Fact;
use crate::core::fold::views;
use crate::core::phi::Phi;
use crate::core::worklist::{self, Filter};
use crate::telemetry::events;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};

pub(super) const NO_ALERT: Problem =
    Problem::new(StatusCode::NOT_FOUND, "there is no alert of this id");
pub(super) const NO_MUTE: Problem =
    Problem::new(StatusCode::NOT_FOUND, "there is no mute of this id");

pub(super) fn answer(status: StatusCode, value: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(|_| NO_STATE)?;
    Ok(json(status, body))
}

/// `GET /api/v1/alerts`: newest first, with `limit`, `cursor`, `kind`, `minimum_severity`, `delivery`,
/// `acknowledged`, `since`, `until`.
pub(super) async fn list(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = query::read(
        query.as_deref().unwrap_or_default(),
        &[
            "kind",
            "minimum_severity",
            "delivery",
            "acknowledged",
            "since",
            "until",
        ],
    )?;
    let filter = Filter {
        kind: asked.word("kind")?,
        minimum_severity: asked.word("minimum_severity")?,
        delivery: asked.word("delivery")?,
        acknowledged: asked.word("acknowledged")?,
        since: asked.time("since")?,
        until: asked.time("until")?,
    };
    let Paging { limit, cursor } = asked.paging()?;
    seen.auditor.note(&asking, "view_alerts", "").await?;
    let site = seen.policy.borrow().site.name.clone();
    let read = move |state: &dyn crate::core::fold::state::State| {
        worklist::alerts(state, &filter, cursor, limit, &site)
    };
    answer(StatusCode::OK, &seen.state.read_apart(read).await?)
}

/// `GET /api/v1/alerts/{id}`.
pub(super) async fn show(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    seen.auditor
        .note(&asking, "view_alert", id.as_str())
        .await?;
    item(&seen, id, StatusCode::OK).await
}

async fn item(seen: &Seen, id: String, status: StatusCode) -> Result<Response, Problem> {
    let site = seen.policy.borrow().site.name.clone();
    let read =
        move |state: &dyn crate::core::fold::state::State| worklist::alert(state, &id, &site);
    let found = seen.state.read_apart(read).await?;
    answer(status, &found.ok_or(NO_ALERT)?)
}

/// The body of an acknowledgement. Holds patients' data and has no `Debug`.
#[derive(Deserialize)]
struct Ack {
    comment: Option<String>,
    informed: Option<String>,
    by: Option<String>,
    #[serde(default)]
    known: bool,
}

/// `POST /api/v1/alerts/{id}/ack`: 200 with the item, 202 where the state takes longer.
pub(super) async fn acknowledge(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let expected = "`comment`, `informed` and `by` are texts, `known` is true or false";
    let asked: Ack = body(&headers, bytes, expected)?;
    let comment = given(
        asked.comment,
        "`comment` is missing: say what was made of the alert",
    )?;
    let fact = Acknowledged {
        alert_id: id.clone(),
        by: author(&asking, asked.by)?,
        comment: Phi::new(comment),
        informed: Phi::new(asked.informed.unwrap_or_default().trim().to_owned()),
        known: asked.known,
        at: clock::now(),
    };
    seen.auditor
        .note(&asking, "acknowledge", id.as_str())
        .await?;
    let status = record_ack(&seen, fact).await?;
    item(&seen, id, status).await
}

/// Records an acknowledgement of an alert that there is.
pub(super) async fn record_ack(seen: &Seen, fact: Acknowledged) -> Result<StatusCode, Problem> {
    let id = fact.alert_id.clone();
    let wanted = id.clone();
    let read = move |state: &dyn crate::core::fold::state::State| views::alert(state, &wanted);
    if seen.state.read_apart(read).await?.is_none() {
        return Err(NO_ALERT);
    }
    let by = fact.by.clone();
    let folded = record(seen, vec![Fact::Acknowledged(fact)]).await?;
    events::acknowledged_by(&id, &by);
    Ok(if folded {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    })
}

/// What a mute is about, for the audit.
pub(super) fn scope_text(muted: &Muted) -> String {
    match &muted.scope {
        Scope::Patient(key) => key.exposed(),
        Scope::Rule(word) => word.clone(),
    }
}

/// `GET /api/v1/mutes`.
pub(super) async fn mutes(State(seen): State<Seen>) -> Result<Response, Problem> {
    let now = clock::now();
    let found = seen.state.read_apart(views::mutes).await?;
    let items: Vec<_> = found.iter().map(|mute| worklist::mute(mute, now)).collect();
    answer(StatusCode::OK, &Page { items, next: None })
}

#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

/// The body of a mute. Holds patients' data and has no `Debug`.
#[derive(Deserialize)]
struct Mute {
    patient: Option<String>,
    rule: Option<String>,
    until: Option<String>,
    by: Option<String>,
    reason: Option<String>,
}

/// `POST /api/v1/mutes`: `patient` or `rule`, `until`, `by` and `reason` are all required.
pub(super) async fn mute(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let wrong = |detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let expected = "`patient` or `rule`, `until`, `by` and `reason` are texts";
    let asked: Mute = body(&headers, bytes, expected)?;
    let one = "name either a `patient` (`authority:id`) or a `rule` (a classification or a kind of alert)";
    let scope = match (asked.patient, asked.rule) {
        (Some(patient), None) => {
            let key = PatientKey::readings(&patient).next();
            Scope::Patient(key.ok_or(wrong("`patient` is `authority:id`"))?)
        }
        (None, Some(rule)) => Scope::Rule(given(Some(rule), one)?),
        _ => return Err(wrong(one)),
    };
    let at = clock::now();
    let until = given(asked.until, "`until` is missing: a mute has an end")?;
    let until = query::instant(&until).filter(|until| *until > at);
    let local = asking.way == Way::Local;
    let by = if local {
        given(asked.by, "`by` is missing: say who wants it")?
    } else {
        String::new()
    };
    let muted = Muted {
        id: format!("m{}", at.as_micros()),
        scope,
        until: until.ok_or(wrong(
            "`until` is a time to come, such as 2030-01-31T00:00:00Z",
        ))?,
        by: author(&asking, Some(by))?,
        reason: Phi::new(given(asked.reason, "`reason` is missing: say why")?),
        at,
    };
    seen.auditor
        .note(&asking, "mute", scope_text(&muted))
        .await?;
    events::muted(&muted.id, &muted.by);
    let folded = record(&seen, vec![Fact::Muted(muted.clone())]).await?;
    let status = if folded {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    };
    answer(status, &worklist::mute(&muted, at))
}

#[derive(Deserialize)]
struct Lift {
    by: Option<String>,
}

/// `POST /api/v1/mutes/{id}/lift`.
pub(super) async fn lift(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let asked: Lift = body(&headers, bytes, "`by` is a text")?;
    let by = author(&asking, asked.by)?;
    let mutes = seen.state.read_apart(views::mutes).await?;
    if !mutes.iter().any(|mute| mute.id == id) {
        return Err(NO_MUTE);
    }
    let at = clock::now();
    seen.auditor.note(&asking, "lift_mute", id.as_str()).await?;
    events::unmuted(&id, &by);
    record(&seen, vec![Fact::Unmuted(Unmuted { id, by, at })]).await?;
    self::mutes(State(seen)).await
}
