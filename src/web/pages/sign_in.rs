//! Signing in and out.

use super::frame::Frame;
use super::page;
use crate::clock;
use crate::users::{Hash, Locked};
use crate::web::Seen;
use crate::web::access::Asking;
use crate::web::door::{Peer, check_form};
use crate::web::problem::Problem;
use crate::web::query;
use askama::Template;
use axum::Extension;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use cookie::{Cookie, SameSite};
use serde::Deserialize;

const NO_FORM: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "the form is not whole: load the page again",
);
const NO_CHANCE: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "the system gives no random numbers at present: try again",
);

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    wrong: Option<String>,
    next: String,
    name: String,
}

/// Where to go on: a path of ours and nothing else.
fn within(next: Option<String>) -> String {
    let ours = |path: &String| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains('\\')
            && !path.chars().any(char::is_control)
    };
    next.filter(ours).unwrap_or_else(|| "/".to_owned())
}

/// `GET /sign-in`.
pub(in crate::web) async fn show(
    State(seen): State<Seen>,
    RawQuery(asked): RawQuery,
    asking: Option<Extension<Asking>>,
) -> Result<Response, Problem> {
    let asked = query::read(asked.as_deref().unwrap_or_default(), &["next"])?;
    let next = within(asked.text("next").map(str::to_owned));
    if asking.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    Ok(page(&SignIn {
        frame: Frame::new(&seen, None, "Sign in", ""),
        wrong: None,
        next,
        name: String::new(),
    }))
}

/// The form. Holds a password and has no `Debug`.
#[derive(Deserialize)]
pub(in crate::web) struct Given {
    name: String,
    password: String,
    next: Option<String>,
}

/// `POST /sign-in`.
pub(in crate::web) async fn enter(
    State(seen): State<Seen>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    form: Result<Form<Given>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(given) = form.map_err(|_| NO_FORM)?;
    let from = peer.to_canonical().to_string();
    let name: String = given.name.trim().chars().take(64).collect();
    let next = within(given.next);
    let again = |status: StatusCode, wrong: String, name: &str| {
        let mut page = page(&SignIn {
            frame: Frame::new(&seen, None, "Sign in", ""),
            wrong: Some(wrong),
            next: next.clone(),
            name: name.to_owned(),
        });
        *page.status_mut() = status;
        page
    };
    let access = &seen.access;
    let tried = [format!("name:{name}"), format!("from:{from}")];
    if let Err(Locked(wait)) = access.lock.check(&tried, clock::monotonic()) {
        let wrong = format!(
            "Too many failed tries: wait {} seconds, then try again.",
            wait.as_secs().max(1)
        );
        seen.auditor
            .note_of(&name, &from, "sign_in_locked", "")
            .await?;
        return Ok(again(StatusCode::TOO_MANY_REQUESTS, wrong, &name));
    }
    let rules = access.rules();
    let user = rules.users.iter().find(|user| user.name == name);
    let hash = user.and_then(|user| user.password_hash.clone());
    let there = hash.is_some();
    let hash = hash.or_else(|| Hash::nobody().cloned()).ok_or(NO_CHANCE)?;
    let right = {
        let _slot = access.checks.acquire().await;
        let password = given.password;
        tokio::task::spawn_blocking(move || hash.is_of(&password)).await
    };
    if !(right.unwrap_or(false) && there) {
        access.lock.failed(&tried, clock::monotonic());
        seen.auditor
            .note_of(&name, &from, "sign_in_failed", "")
            .await?;
        let wrong = "Name or password is wrong.".to_owned();
        return Ok(again(StatusCode::UNAUTHORIZED, wrong, &name));
    }
    seen.auditor.note_of(&name, &from, "sign_in", "").await?;
    for one in &tried {
        access.lock.succeeded(one);
    }
    // A session that the browser brought along ends; the new one has a name of its own.
    if let Some(old) = access.session_name(&headers) {
        access.sessions.end(&old);
    }
    let session = (access.sessions).begin(&name, clock::monotonic(), rules.terms);
    let session = session.map_err(|_| NO_CHANCE)?;
    let mut response = Redirect::to(&next).into_response();
    set_cookie(&seen, &mut response, session, false);
    Ok(response)
}

fn set_cookie(seen: &Seen, response: &mut Response, value: String, over: bool) {
    let mut cookie = Cookie::build((seen.access.cookie_name(), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(seen.access.secure)
        .build();
    if over {
        cookie.make_removal();
    }
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

#[derive(Deserialize)]
pub(in crate::web) struct Out {
    csrf: String,
}

/// `POST /sign-out`.
pub(in crate::web) async fn leave(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    headers: HeaderMap,
    form: Result<Form<Out>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(out) = form.map_err(|_| NO_FORM)?;
    check_form(&seen, &asking, &out.csrf)?;
    if let Some(name) = seen.access.session_name(&headers) {
        seen.access.sessions.end(&name);
    }
    seen.auditor.note(&asking, "sign_out", "").await?;
    let mut response = Redirect::to("/sign-in").into_response();
    set_cookie(&seen, &mut response, String::new(), true);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_within_these_pages_only() {
        let to = |next: &str| within(Some(next.to_owned()));
        assert_eq!(to("/alerts/1?a=b"), "/alerts/1?a=b");
        for away in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "evil",
            "/a\r\nSet-Cookie: x",
        ] {
            assert_eq!(to(away), "/", "{away:?}");
        }
        assert_eq!(within(None), "/");
    }
}
