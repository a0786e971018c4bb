//! The door of all pages and of the API: who asks, whether he may, and what every answer carries.
//!
//! A route that is not in [`ROUTES`] is closed, whatever it does.

use super::access::{Asking, Way};
use super::guard;
use super::pages::frame::Frame;
use super::problem::Problem;
use super::{Seen, pages, statics};
use crate::users::Role;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Header that brings along what a form has in a field.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Everybody, under whatever name of this host: there is nothing of a patient, or a token lets in.
    Open,
    /// Everybody, also who has not said who he is.
    Nobody,
    /// Somebody with this role.
    Role(Role),
}

const LOOK: Needs = Needs::Role(Role::Viewer);
const TREAT: Needs = Needs::Role(Role::Clinician);
const MEND: Needs = Needs::Role(Role::Operator);

/// Every route: method, path, and who may use it.
pub(super) const ROUTES: &[(&str, &str, Needs)] = &[
    ("GET", "/healthz", Needs::Open),
    ("GET", "/readyz", Needs::Open),
    ("GET", "/metrics", Needs::Open),
    ("GET", "/ack/{token}", Needs::Open),
    ("POST", "/ack/{token}", Needs::Open),
    ("GET", "/static/{file}", Needs::Nobody),
    ("GET", "/sign-in", Needs::Nobody),
    ("POST", "/sign-in", Needs::Nobody),
    ("POST", "/sign-out", LOOK),
    ("GET", "/", LOOK),
    ("GET", "/alerts/{id}", LOOK),
    ("POST", "/alerts/{id}/ack", TREAT),
    ("POST", "/alerts/{id}/mute", TREAT),
    ("POST", "/alerts/{id}/lift", TREAT),
    ("GET", "/patients/{key}", LOOK),
    ("POST", "/patients/{key}/note", TREAT),
    ("GET", "/messages", LOOK),
    ("GET", "/messages/{position}", LOOK),
    ("POST", "/messages/{position}/again", MEND),
    ("GET", "/feeds", LOOK),
    ("GET", "/queue", LOOK),
    ("POST", "/queue/{sink}/requeue", MEND),
    ("GET", "/cluster", LOOK),
    ("GET", "/quarantine", LOOK),
    ("POST", "/quarantine/retry", MEND),
    ("GET", "/audit", LOOK),
    ("GET", "/api/v1/audit", LOOK),
    ("GET", "/api/v1/cluster", LOOK),
    ("GET", "/api/v1/feeds", LOOK),
    ("GET", "/api/v1/notices", LOOK),
    ("GET", "/api/v1/alerts", LOOK),
    ("GET", "/api/v1/alerts/{id}", LOOK),
    ("POST", "/api/v1/alerts/{id}/ack", TREAT),
    ("GET", "/api/v1/mutes", LOOK),
    ("POST", "/api/v1/mutes", TREAT),
    ("POST", "/api/v1/mutes/{id}/lift", TREAT),
    ("GET", "/api/v1/queue", LOOK),
    ("GET", "/api/v1/queue/{sink}", LOOK),
    ("GET", "/api/v1/queue/{sink}/dead", LOOK),
    ("POST", "/api/v1/queue/{sink}/requeue", MEND),
    ("POST", "/api/v1/queue/{sink}/replay", MEND),
    ("POST", "/api/v1/queue/{sink}/test", MEND),
    ("GET", "/api/v1/openapi.json", LOOK),
    ("GET", "/api/v1/messages", LOOK),
    ("GET", "/api/v1/messages/{position}", LOOK),
    ("GET", "/api/v1/messages/{position}/raw", LOOK),
    ("POST", "/api/v1/messages/{position}/again", MEND),
    ("GET", "/api/v1/quarantine", LOOK),
    ("POST", "/api/v1/quarantine/{id}/retry", MEND),
    ("GET", "/api/v1/reassess", MEND),
    ("POST", "/api/v1/reassess", MEND),
    ("POST", "/api/v1/replay", MEND),
    ("GET", "/api/v1/review", LOOK),
    ("GET", "/api/v1/stream", LOOK),
    ("GET", "/api/v1/worklist", LOOK),
    ("GET", "/api/v1/patients/{key}", LOOK),
    ("POST", "/api/v1/patients/{key}/unmerge", TREAT),
];

fn needed(method: &Method, path: &str) -> Option<Needs> {
    // HEAD is GET without the body.
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let mut routes = ROUTES.iter();
    let found = routes.find(|(one, at, _)| *one == method && *at == path);
    found.map(|(_, _, needs)| *needs)
}

const NOT_SIGNED_IN: Problem = Problem::new(
    StatusCode::UNAUTHORIZED,
    "say who you are: sign in, or send `Authorization: Bearer` with a token of `[http] tokens`",
);
const MAY_NOT: Problem = Problem::new(
    StatusCode::FORBIDDEN,
    "your roles do not allow this: clinicians acknowledge, mute and note, operators send again and retry",
);
const NO_CSRF: Problem = Problem::new(
    StatusCode::FORBIDDEN,
    "the request does not come from a page of ours: load the page again (the API takes the header `X-CSRF-Token` with a session)",
);
const NOT_READ: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "the path or the query cannot be read: a position is a number, texts are percent-encoded UTF-8",
);
pub(super) const NO_ROUTE: Problem = Problem::new(
    StatusCode::NOT_FOUND,
    "there is no such page: the worklist is at `/`, the API below `/api/v1/`",
);
const NO_METHOD: Problem = Problem::new(
    StatusCode::METHOD_NOT_ALLOWED,
    "the page is there, but not for this method",
);

/// For all that no route takes.
pub(super) async fn nowhere() -> Problem {
    NO_ROUTE
}

/// Before and after every route.
pub(super) async fn door(State(seen): State<Seen>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let asked = is_reading(&request).then(|| request.headers().clone());
    let is_api = path.starts_with("/api/");
    let peer = peer(&request);
    let asking = seen.access.asking(request.headers(), peer);
    let kept = asking.clone();
    let answered = match passes(&seen, &request, asking.as_ref()) {
        Ok(()) => {
            if let Some(asking) = asking {
                request.extensions_mut().insert(asking);
            }
            request.extensions_mut().insert(Peer(peer));
            next.run(request).await
        }
        Err(problem) if problem == NOT_SIGNED_IN && !is_api && is_reading(&request) => {
            let to = request.uri().path_and_query().map_or("/", |to| to.as_str());
            Redirect::to(&format!("/sign-in?next={}", pages::part(to))).into_response()
        }
        Err(problem) => problem.into_response(),
    };
    let answered = in_our_words(answered);
    let answered = if is_api {
        match asked {
            Some(asked) => tagged(answered, &asked).await,
            None => answered,
        }
    } else {
        as_page(&seen, kept.as_ref(), answered)
    };
    with_headers(answered, &seen)
}

/// What an extractor refuses (a path that is no number, bytes that are no text) it says as plain text.
fn in_our_words(answered: Response) -> Response {
    let kind = answered.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    match answered.status() {
        StatusCode::BAD_REQUEST if is_plain => NOT_READ.into_response(),
        _ => answered,
    }
}

/// What the API gives, with the hash of its body; nothing of it where the one who asks has it already.
async fn tagged(answered: Response, asked: &HeaderMap) -> Response {
    let kind = answered.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind == "application/json");
    let wanted = answered.status() == StatusCode::OK && is_json;
    if !wanted || answered.headers().contains_key(header::ETAG) {
        return answered;
    }
    let (mut head, body) = answered.into_parts();
    // Made in memory already: nothing is waited for.
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let etag = statics::etag(&bytes);
    let is_known = statics::is_known(asked, &etag);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        head.headers.insert(header::ETAG, etag);
    }
    if is_known {
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(head, axum::body::Body::empty());
    }
    Response::from_parts(head, bytes.into())
}

/// Address of the one who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

fn peer(request: &Request) -> IpAddr {
    let info = request
        .extensions()
        .get::<ConnectInfo<super::serve::Client>>();
    info.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(client)| {
        let address: SocketAddr = client.0;
        address.ip()
    })
}

fn is_reading(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

fn passes(seen: &Seen, request: &Request, asking: Option<&Asking>) -> Result<(), Problem> {
    let route = request.extensions().get::<MatchedPath>();
    let needs = route.and_then(|route| needed(request.method(), route.as_str()));
    if needs == Some(Needs::Open) {
        return Ok(());
    }
    let is_local = !seen.access.rules().has_users();
    guard::check(request.headers(), is_local)?;
    let Some(route) = route else {
        // No route, so nothing is done; but who is not signed in does not learn which there are.
        return asking.map(drop).ok_or(NOT_SIGNED_IN);
    };
    let Some(needs) = needs else {
        return asking.map_or(Err(NOT_SIGNED_IN), |_| Err(NO_METHOD));
    };
    let Needs::Role(role) = needs else {
        return Ok(());
    };
    let asking = asking.ok_or(NOT_SIGNED_IN)?;
    if !asking.who.may(role) {
        return Err(MAY_NOT);
    }
    let is_api = route.as_str().starts_with("/api/");
    let by_itself = matches!(asking.way, Way::Session { .. } | Way::Proxy);
    // Forms have it in a field, which is looked at where they are read.
    if is_api && by_itself && !is_reading(request) {
        let brought = header_text(request.headers(), CSRF_HEADER);
        if !seen.access.is_csrf(asking, brought) {
            return Err(NO_CSRF);
        }
    }
    Ok(())
}

fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// A form whose page was one of ours.
///
/// # Errors
/// Where it did not bring along what the page had.
pub(super) fn check_form(seen: &Seen, asking: &Asking, csrf: &str) -> Result<(), Problem> {
    if seen.access.is_csrf(asking, csrf) {
        Ok(())
    } else {
        Err(NO_CSRF)
    }
}

/// A problem as a page for people.
fn as_page(seen: &Seen, asking: Option<&Asking>, answered: Response) -> Response {
    let Some(problem) = answered.extensions().get::<Problem>().cloned() else {
        return answered;
    };
    let frame = Frame::new(seen, asking, "Not here", "");
    let mut page = pages::error(&frame, &problem);
    *page.status_mut() = answered.status();
    page
}

fn with_headers(mut response: Response, seen: &Seen) -> Response {
    const FIXED: [(HeaderName, &str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with that a browser says of our own forms too that they come from nowhere.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    let headers = response.headers_mut();
    // What a page says of itself stays.
    for (name, value) in FIXED {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if seen.access.secure {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    response
}
