//! The pages: what they show, as text for the templates in `templates/`. These may look into a `Phi`: they
//! are made for those who may see patients, and nothing of them is logged.

pub(super) mod alert;
pub(super) mod clinical;
pub(super) mod cluster;
pub(super) mod frame;
pub(super) mod messages;
pub(super) mod operating;
pub(super) mod patient;
pub(super) mod quarantine;
pub(super) mod sign_in;
pub(super) mod worklist;

use super::problem::Problem;
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use frame::Frame;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986.
const NOT_IN_A_PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text as one part of a path or of a query.
pub(super) fn part(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_A_PART).to_string()
}

/// A page.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct Error<'a> {
    frame: &'a Frame,
    title: &'a str,
    detail: &'a str,
}

/// A problem for people.
pub(super) fn error(frame: &Frame, problem: &Problem) -> Response {
    let title = problem.status.canonical_reason().unwrap_or("Not here");
    let detail = problem.detail;
    page(&Error {
        frame,
        title,
        detail,
    })
}
