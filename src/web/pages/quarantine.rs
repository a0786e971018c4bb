//! `/quarantine`: by reason and feed, with lines for the configuration that would mend it.

use super::clinical::spaced;
use super::frame::{Frame, sentence};
use super::page;
use super::patient::NO_FORM;
use crate::core::fact::Reason;
use crate::core::fold::state::State as Folded;
use crate::core::fold::values::QuarantineEntry;
use crate::core::fold::views::{self, QuarantineFilter};
use crate::core::mend;
use crate::engine::extract_caught;
use crate::users::Role;
use crate::web::Seen;
use crate::web::access::Asking;
use crate::web::door::check_form;
use crate::web::messages::{Kept, kept, once_more};
use crate::web::problem::Problem;
use askama::Template;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

struct Group {
    reason: String,
    word: &'static str,
    feed: String,
    listener: String,
    count: usize,
    last: String,
    place: String,
    remedy: String,
    snippet: Option<String>,
    messages: Vec<(u64, String)>,
    more: usize,
    newest: QuarantineEntry,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct Quarantine {
    frame: Frame,
    groups: Vec<Group>,
    looked_at: usize,
    cut: bool,
    may_mend: bool,
}

/// Entries that are grouped, and messages of a group that are linked.
const GROUPED: usize = 2_000;
const LINKED: usize = 8;
/// Messages of a group that one press reads again.
const RETRIED: usize = 200;

/// `GET /quarantine`: by reason and feed.
pub(in crate::web) async fn show(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
) -> Result<Response, Problem> {
    seen.auditor.note(&asking, "view_quarantine", "").await?;
    let frame = Frame::new(&seen, Some(&asking), "Quarantine", "/quarantine");
    let read = |state: &dyn Folded| {
        views::quarantine_newest_first(state, &QuarantineFilter::default(), None, GROUPED)
    };
    let found = seen.state.read_apart(read).await?;
    let looked_at = found.len();
    let mut groups: BTreeMap<(Reason, String, String), Group> = BTreeMap::new();
    for entry in found {
        let refusal = &entry.refusal;
        let key = (refusal.reason, entry.feed.clone(), entry.listener.clone());
        let group = groups.entry(key).or_insert_with(|| Group {
            reason: sentence(&spaced(refusal.reason.word())),
            word: refusal.reason.word(),
            feed: entry.feed.clone(),
            listener: entry.listener.clone(),
            count: 0,
            last: frame.to_the_second(&entry.received_at.to_rfc3339()),
            place: refusal.place.to_string(),
            remedy: refusal.remedy.clone(),
            snippet: None,
            messages: Vec::new(),
            more: 0,
            newest: entry.clone(),
        });
        group.count = group.count.saturating_add(1);
        let is_new = group
            .messages
            .last()
            .is_none_or(|(at, _)| *at != entry.position.0);
        if is_new && group.messages.len() < LINKED {
            let id = if entry.control_id.is_empty() {
                format!("at {}", entry.position.0)
            } else {
                entry.control_id.clone()
            };
            group.messages.push((entry.position.0, id));
        } else if is_new {
            group.more = group.more.saturating_add(1);
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    for group in &mut groups {
        group.snippet = snippet(&seen, &group.newest).await;
    }
    let may_mend = asking.who.may(Role::Operator);
    Ok(page(&Quarantine {
        frame,
        groups,
        looked_at,
        cut: looked_at >= GROUPED,
        may_mend,
    }))
}

/// Lines for the configuration that would mend the newest of a group.
async fn snippet(seen: &Seen, entry: &QuarantineEntry) -> Option<String> {
    let reason = entry.refusal.reason;
    if mend::is_of_code(reason) {
        return of_code(seen, entry).await;
    }
    mend::of_setting(reason, &entry.listener)
}

/// A row for the code of the result that was refused.
async fn of_code(seen: &Seen, entry: &QuarantineEntry) -> Option<String> {
    let (position, Kept::Message(received)) = kept(seen, entry.position.0).await.ok()? else {
        return None;
    };
    let policy = seen.policy.borrow().clone();
    let refusal = &entry.refusal;
    let extraction = extract_caught(&received, position, &policy);
    let called = extraction.called.into_iter().find(|called| {
        called.reason == refusal.reason && called.occurrence == refusal.place.occurrence
    })?;
    let lines = mend::of_code(
        refusal.reason,
        &called.codings,
        &entry.feed,
        &policy.analytes,
    )?;
    let unit = match called.unit.as_str() {
        "" => "no unit",
        unit => unit,
    };
    Some(format!(
        "# {} sent {} with {}\n{lines}",
        one_line(&entry.feed),
        one_line(&called.codings.first()?.text),
        one_line(unit),
    ))
}

/// For a comment of TOML.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[derive(Deserialize)]
pub(in crate::web) struct RetryForm {
    csrf: String,
    reason: String,
    #[serde(default)]
    feed: String,
    listener: String,
}

/// `POST /quarantine/retry`: the messages of a group are read again, by the tables in force.
pub(in crate::web) async fn retry(
    State(seen): State<Seen>,
    Extension(asking): Extension<Asking>,
    form: Result<Form<RetryForm>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|_| NO_FORM)?;
    check_form(&seen, &asking, &form.csrf)?;
    let filter = QuarantineFilter {
        reason: serde_json::from_value(Value::from(form.reason)).map_err(|_| NO_FORM)?,
        listener: Some(form.listener),
        feed: Some(form.feed),
        ..QuarantineFilter::default()
    };
    let read =
        move |state: &dyn Folded| views::quarantine_newest_first(state, &filter, None, RETRIED);
    let found = seen.state.read_apart(read).await?;
    let mut positions: Vec<u64> = found.iter().map(|entry| entry.position.0).collect();
    positions.sort_unstable();
    positions.dedup();
    for position in positions {
        once_more(&seen, &asking, position).await?;
    }
    Ok(Redirect::to("/quarantine").into_response())
}
