//! What the pages load: one style sheet, one script, one picture; part of the program, known by hash.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

const FILES: &[(&str, &str, &str)] = &[
    (
        "pentamer.css",
        "text/css; charset=utf-8",
        include_str!("../../assets/pentamer.css"),
    ),
    (
        "pentamer.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/pentamer.js"),
    ),
    (
        "pentamer.svg",
        "image/svg+xml",
        include_str!("../../assets/pentamer.svg"),
    ),
];

/// The hash of a body as an entity tag.
pub(super) fn etag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let hex: String = digest
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

/// Whether the one who asks has it already (`If-None-Match`).
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let asked = headers.get(header::IF_NONE_MATCH);
    asked
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| {
            text.split(',')
                .map(|one| one.trim().trim_start_matches("W/"))
                .any(|one| one == etag || one == "*")
        })
}

/// `GET /static/{file}`.
pub(super) async fn show(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, kind, body)) = FILES.iter().find(|(name, _, _)| *name == file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = etag(body.as_bytes());
    let mut response = if is_known(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, *kind)], *body).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    // Asked for again each time, answered with 304: another version of the program has others.
    let kept = HeaderValue::from_static("no-cache");
    headers.insert(header::CACHE_CONTROL, kept);
    response
}
