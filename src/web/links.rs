//! `/ack/{token}`: the page behind a signed link. Whoever has the link may acknowledge that one alert,
//! once; the page shows nothing of the patient. A mail scanner that follows links acknowledges nothing:
//! that takes the form.

use super::alerts::record_ack;
use super::problem::Problem;
use super::{Seen, query};
use crate::clock;
use crate::core::alert::severity_word;
use crate::core::delivery::Acknowledged;
use crate::core::fold::state::State as Folded;
use crate::core::fold::views;
use crate::core::phi::Phi;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

const USED_UP: &str = "This link does not work: it was used, somebody else has acknowledged the alert, or its \
    time is over. The worklist shows how the alert stands.";

/// What a token leads to.
struct Open {
    alert_id: String,
    severity: &'static str,
}

/// The alert of a token that still works.
async fn open(seen: &Seen, token: &str) -> Result<Option<Open>, Problem> {
    let Some(signer) = &seen.signer else {
        return Ok(None);
    };
    let Some(alert_id) = signer.alert(token, clock::now()) else {
        return Ok(None);
    };
    let read = move |state: &dyn Folded| {
        let Some((_, transition)) = views::alert(state, &alert_id)? else {
            return Ok(None);
        };
        let ack = views::acknowledgement(state, &transition.episode.0)?;
        let used = ack.is_some_and(|ack| ack.fact.at >= transition.at);
        Ok((!used).then(|| Open {
            alert_id,
            severity: severity_word(transition.severity),
        }))
    };
    Ok(seen.state.read_apart(read).await?)
}

/// `GET /ack/{token}`: the form.
pub(super) async fn show(State(seen): State<Seen>, Path(token): Path<String>) -> Response {
    match open(&seen, &token).await {
        Ok(Some(open)) => {
            let form = format!(
                "<p>Alert {} ({})</p><form method=\"post\">\
                 <p><label>What was made of it<br><textarea name=\"comment\" required rows=\"4\" cols=\"50\">\
                 </textarea></label></p>\
                 <p><label>Your name<br><input name=\"by\" required maxlength=\"200\"></label></p>\
                 <p><button>Acknowledge</button></p></form>",
                escaped(&open.alert_id),
                open.severity
            );
            page(StatusCode::OK, &form)
        }
        Ok(None) => page(StatusCode::GONE, &format!("<p>{USED_UP}</p>")),
        Err(problem) => problem.into_response(),
    }
}

/// `POST /ack/{token}`: `comment` and `by` as a form.
pub(super) async fn acknowledge(
    State(seen): State<Seen>,
    Path(token): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // One at a time: of two who press at once, one is first.
    let _turn = seen.turn.lock().await;
    let open = match open(&seen, &token).await {
        Ok(Some(open)) => open,
        Ok(None) => return page(StatusCode::GONE, &format!("<p>{USED_UP}</p>")),
        Err(problem) => return problem.into_response(),
    };
    let text = body
        .ok()
        .map(|body| String::from_utf8_lossy(&body).into_owned());
    let form = text.and_then(|text| query::read(&text, &["comment", "by"]).ok());
    let field = |name: &str| {
        let text = form.as_ref().and_then(|form| form.text(name));
        let text = text.unwrap_or_default().trim().to_owned();
        let fits = !text.is_empty() && text.chars().count() <= 4_000;
        fits.then_some(text)
    };
    let (Some(comment), Some(by)) = (field("comment"), field("by")) else {
        let missing = "<p>Say what was made of the alert, and who you are.</p>";
        return page(StatusCode::UNPROCESSABLE_ENTITY, missing);
    };
    let fact = Acknowledged {
        alert_id: open.alert_id,
        by: by.chars().take(200).collect(),
        comment: Phi::new(comment),
        informed: Phi::new(String::new()),
        known: false,
        at: clock::now(),
    };
    match record_ack(&seen, fact).await {
        Ok(_) => page(StatusCode::OK, "<p>Acknowledged. Thank you.</p>"),
        Err(problem) => problem.into_response(),
    }
}

fn page(status: StatusCode, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Pentamer</title>\
         <h1>Pentamer</h1>{body}</html>\n"
    );
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
            ),
        ),
    ];
    (status, headers, text).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
